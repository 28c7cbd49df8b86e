use super::*;
use crate::checkpoint::TrainingState;
use crate::loss::LossTerms;
use crate::record::IntervalSums;
use crate::{BestModel, Ema, Kept, Optimizer, OptimizerConfig};

fn layout() -> ParameterLayout {
    ParameterLayout::new([
        ("a.kernel".to_owned(), vec![2, 3]),
        ("b".to_owned(), vec![]),
    ])
}

/// A state after a few irregular steps, different for each epoch.
fn checkpoint<T: Real>(epoch: u64, batch: u64, accumulation: u32) -> Checkpoint<T> {
    let config = OptimizerConfig {
        num_gradient_accumulation_steps: accumulation,
        ..OptimizerConfig::default()
    };
    let number = |i: usize| T::from_f64((i as f64 + 0.1 + epoch as f64).sin() / 3.0);
    let mut optimizer = Optimizer::new(&config, [(7, true)]);
    let mut ema = Ema::new(0.9, 7);
    let mut parameters: Vec<T> = (0..7).map(number).collect();
    for step in 0..4 {
        let gradient: Vec<T> = (step..step + 7).map(number).collect();
        optimizer.step(&mut parameters, &gradient, &mut ema);
    }
    let interval = IntervalSums {
        loss: 1.0 / 3.0,
        structures: 5,
        ..IntervalSums::default()
    };
    let terms = LossTerms {
        energy: 0.1 + 0.2,
        forces: 1e-17,
        stress: 0.0,
    };
    Checkpoint {
        state: TrainingState {
            format: checkpoint::FORMAT,
            program_version: "0.1.0".to_owned(),
            position: DataPosition { epoch, batch },
            stage: 1,
            step: 17,
            micro_steps: optimizer.state().micro_steps,
            updates: optimizer.state().updates,
            num_accumulated: optimizer.state().num_accumulated,
            ema_decay: 0.9,
            ema_updates: ema.updates(),
            learning_rate: 0.1 / 3.0,
            best: Some(BestModel {
                epoch: 1,
                loss_terms: terms,
            }),
            interval,
            epoch_sums: interval,
            seed: u64::MAX,
            num_ranks: 1,
            config: "train:\n  num_epochs: 3\n".to_owned(),
            dataset_info: serde_json::json!({ "cutoff_distance_angstrom": 5.0 }),
        },
        best: Some(Kept::Memory(parameters.iter().map(|&x| x + x).collect())),
        parameters,
        optimizer: optimizer.state().clone(),
        ema,
    }
}

fn config(directory: &Path) -> CheckpointConfig {
    CheckpointConfig {
        local_model_output_dir: Some(directory.to_owned()),
        restore_checkpoint_if_exists: true,
        restore_optimizer_state: true,
        ..CheckpointConfig::default()
    }
}

fn open(directory: &Path) -> Checkpoints {
    Checkpoints::open(&config(directory)).unwrap().unwrap()
}

fn saved(directory: &Path, epochs: impl IntoIterator<Item = u64>) -> Checkpoints {
    let checkpoints = open(directory);
    for epoch in epochs {
        checkpoints
            .save(&layout(), &checkpoint::<f32>(epoch, 0, 1).view().unwrap())
            .unwrap();
    }
    checkpoints
}

fn epochs(checkpoints: &Checkpoints) -> Vec<u64> {
    checkpoints
        .positions()
        .unwrap()
        .into_iter()
        .map(|position| position.epoch)
        .collect()
}

#[test]
fn what_is_restored_equals_what_was_saved_bit_for_bit() {
    fn round_trip<T: Real>(batch: u64, accumulation: u32) {
        let directory = tempfile::tempdir().unwrap();
        let original = checkpoint::<T>(3, batch, accumulation);
        let checkpoints = open(directory.path());
        checkpoints
            .save(&layout(), &original.view().unwrap())
            .unwrap();
        let restored = checkpoints
            .restore::<T>(&config(directory.path()), &layout())
            .unwrap();
        assert_eq!(
            restored,
            Some(Restored {
                checkpoint: original,
                whole: true
            })
        );
    }
    for (batch, accumulation) in [(0, 1), (5, 3)] {
        round_trip::<f32>(batch, accumulation);
        round_trip::<f64>(batch, accumulation);
    }
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = saved(directory.path(), 1..=8);
    assert_eq!(epochs(&checkpoints), [4, 5, 6, 7, 8]);
    assert_eq!(entries(&checkpoints.model()).unwrap().len(), 5);
}

#[test]
fn a_fresh_run_refuses_a_directory_with_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    drop(saved(directory.path(), 2..=3));
    let fresh = CheckpointConfig {
        restore_checkpoint_if_exists: false,
        ..config(directory.path())
    };
    let error = Checkpoints::open(&fresh).unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::ExistingCheckpoints {
                first: 2,
                last: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn clearing_removes_what_the_program_wrote_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    drop(saved(directory.path(), 1..=2));
    let write = |name: &str| fs::write(directory.path().join(name), "text").unwrap();
    ["notes.txt", "model/2/notes.txt", "model/extra", JSONL]
        .iter()
        .for_each(|name| write(name));
    let clear = CheckpointConfig {
        restore_checkpoint_if_exists: false,
        clear_previous_checkpoints: true,
        ..config(directory.path())
    };
    let left = |name: &str| directory.path().join(name).exists();
    let error = Checkpoints::open(&clear).unwrap_err();
    assert!(
        error.to_string().contains("not written by this program"),
        "{error}"
    );
    assert!(left("notes.txt") && left("model/2/notes.txt") && left("model/extra"));
    assert!(!left("model/1") && !left("model/2/state.json") && !left(JSONL));
}

#[test]
fn an_earlier_epoch_can_be_restored_and_later_ones_are_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = saved(directory.path(), 1..=4);
    let earlier = CheckpointConfig {
        epoch_to_restore: Some(2),
        ..config(directory.path())
    };
    let restored = checkpoints
        .restore::<f32>(&earlier, &layout())
        .unwrap()
        .unwrap();
    assert_eq!(restored.checkpoint, checkpoint(2, 0, 1));
    assert_eq!(epochs(&checkpoints), [1, 2]);
    assert!(
        checkpoints
            .model()
            .join("4.superseded")
            .join(STATE)
            .exists()
    );
    let missing = CheckpointConfig {
        epoch_to_restore: Some(9),
        ..config(directory.path())
    };
    let error = checkpoints.restore::<f32>(&missing, &layout()).unwrap_err();
    assert!(error.to_string().contains("there are: 1, 2"), "{error}");
}

#[test]
fn remains_of_a_kill_are_removed_and_the_last_good_checkpoint_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = saved(directory.path(), 1..=3);
    let model = checkpoints.model();
    drop(checkpoints);
    // killed while writing epoch 4, and while deleting epoch 1
    fs::create_dir(model.join(format!("{TEMPORARY}4"))).unwrap();
    fs::write(model.join(format!("{TEMPORARY}4/{TENSORS}")), "half a fi").unwrap();
    fs::write(model.join(format!("{TEMPORARY}4/.tmp123")), "half a file").unwrap();
    fs::remove_file(model.join("1").join(STATE)).unwrap();
    let checkpoints = open(directory.path());
    assert_eq!(epochs(&checkpoints), [2, 3]);
    let restored = checkpoints
        .restore::<f32>(&config(directory.path()), &layout())
        .unwrap();
    assert_eq!(restored.unwrap().checkpoint, checkpoint(3, 0, 1));
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = saved(directory.path(), [1]);
    let tensors = checkpoints
        .path(DataPosition { epoch: 1, batch: 0 })
        .join(TENSORS);
    let other = ParameterLayout::new([
        ("a.kernel".to_owned(), vec![3, 2]),
        ("b".to_owned(), vec![]),
    ]);
    let restore = |layout: &ParameterLayout| {
        checkpoints
            .restore::<f32>(&config(directory.path()), layout)
            .unwrap_err()
            .to_string()
    };
    assert!(restore(&other).contains("`parameters.a.kernel` is [2, 3] where the model has [3, 2]"));
    let fewer = ParameterLayout::new([("b".to_owned(), vec![])]);
    assert!(
        restore(&fewer).contains("belongs to another model"),
        "{}",
        restore(&fewer)
    );
    let bytes = fs::read(&tensors).unwrap();
    fs::write(&tensors, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        restore(&layout()).contains("damaged"),
        "{}",
        restore(&layout())
    );
}

#[test]
fn a_later_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = saved(directory.path(), [1]);
    let path = checkpoints
        .path(DataPosition { epoch: 1, batch: 0 })
        .join(STATE);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("\"format\": 1", "\"format\": 2");
    fs::write(&path, text).unwrap();
    let error = checkpoints
        .restore::<f32>(&config(directory.path()), &layout())
        .unwrap_err();
    assert!(error.to_string().contains("newer"), "{error}");
}

#[test]
fn two_runs_cannot_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    let error = Checkpoints::open(&config(directory.path())).unwrap_err();
    assert!(error.to_string().contains("another run"), "{error}");
    drop(first);
    open(directory.path());
}

#[test]
fn keys_that_exclude_each_other_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let both = CheckpointConfig {
        clear_previous_checkpoints: true,
        ..config(directory.path())
    };
    let nowhere = CheckpointConfig {
        local_model_output_dir: None,
        ..config(directory.path())
    };
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for config in [both, nowhere, config(&file)] {
        assert!(
            matches!(Checkpoints::open(&config), Err(TrainError::Config { .. })),
            "{config:?}"
        );
    }
}

/// A group that shares a directory can read all of a checkpoint or nothing.
#[cfg(unix)]
#[test]
fn both_files_may_be_read_by_the_same_people() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = saved(directory.path(), [1]);
    let path = checkpoints.path(DataPosition { epoch: 1, batch: 0 });
    let mode = |name: &str| path.join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode(TENSORS), mode(STATE));
}
