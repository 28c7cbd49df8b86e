//! Training that starts from a model file, as a user runs it.

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use dipm_models::Model;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/quickstart");
/// Models written by dipm 0.0.8; elements H, C, O, cutoff 4 Å.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dipm-models/tests/golden");

fn stored(name: &str) -> PathBuf {
    Path::new(STORED).join(name).join("weights.safetensors")
}

/// Trains two epochs on a few structures of ethanol, or other data.
fn train(directory: &Path, model: &str, dataset: &str) -> Output {
    let text = format!(
        "model:\n{model}dataset:\n{dataset}  batch_size: 4\ntrain:\n  loss: mse\n  num_epochs: 2\n  \
         warmup_steps: 0\n  grad_norm: 1.0\n  save_path: tuned.safetensors\n  \
         local_model_output_dir: run\n  clear_previous_checkpoints: true\n"
    );
    std::fs::write(directory.join("tune.yaml"), text).unwrap();
    dipm(directory, &["train", "tune.yaml"])
}

fn dipm(directory: &Path, arguments: &[&str]) -> Output {
    program::dipm(directory, arguments)
        .output()
        .expect("the program starts")
}

/// What a run said, after it ended well.
#[track_caller]
fn log(output: &Output) -> String {
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    log
}

/// What a run said, after it was refused.
#[track_caller]
fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ethanol() -> String {
    format!(
        "  train_dataset_paths: {DATA}/ethanol_train.h5\n  valid_dataset_paths: {DATA}/ethanol_valid.h5\n  \
         train_num_to_load: 40\n  valid_num_to_load: 8\n"
    )
}

/// The number after a word in the line of an epoch.
#[track_caller]
fn number(log: &str, epoch: &str, word: &str) -> f64 {
    let line = log.lines().find(|line| line.contains(epoch)).unwrap();
    let rest = &line[line.find(word).unwrap() + word.len()..];
    let word = rest.split_whitespace().next().unwrap();
    word.trim_end_matches(',').parse().unwrap()
}

#[test]
fn a_file_of_0_0_8_gets_better_on_other_data() {
    for name in ["nequip_small", "mace_small", "visnet_small"] {
        let directory = tempfile::tempdir().unwrap();
        let path = stored(name);
        let model = format!(
            "  pretrained: {}\n  refit_atomic_energies: true\n",
            path.display()
        );
        let log = log(&train(directory.path(), &model, &ethanol()));
        let before = number(&log, "epoch 0/2", "valid loss ");
        let after = number(&log, "epoch 2/2", "valid loss ");
        assert!(after < 0.95 * before, "{name}: {log}");
        let (old, new) = (
            Model::load(&path).unwrap(),
            Model::load(directory.path().join("tuned.safetensors")).unwrap(),
        );
        assert_eq!(old.config, new.config);
        assert_eq!(
            old.dataset_info.cutoff_distance_angstrom,
            new.dataset_info.cutoff_distance_angstrom
        );
        assert_ne!(old.parameters, new.parameters);
        // the resolved configuration starts the same training
        let resolved = std::fs::read_to_string(directory.path().join("run/config.yaml")).unwrap();
        let again = resolved
            .replace("tuned", "again")
            .replace("\"run\"", "\"run_again\"");
        std::fs::write(directory.path().join("again.yaml"), again).unwrap();
        let output = dipm(directory.path(), &["train", "again.yaml"]);
        assert!(output.status.success(), "{}", refusal(&output));
        let again = Model::load(directory.path().join("again.safetensors")).unwrap();
        assert_eq!(again, new);
    }
}

#[test]
fn atomic_energies_move_to_those_of_the_data() {
    let directory = tempfile::tempdir().unwrap();
    let path = stored("nequip_small");
    let epoch_0 = |more: &str| {
        let model = format!("  pretrained: {}\n{more}", path.display());
        let log = log(&train(directory.path(), &model, &ethanol()));
        number(&log, "epoch 0/2", "energy MAE ")
    };
    let kept = epoch_0("");
    let refit = epoch_0("  refit_atomic_energies: true\n");
    let given = epoch_0("  atomic_energies: {H: -10.0, C: -50.0, O: -100.0}\n");
    assert!(refit < 0.01 * kept, "{refit} {kept}");
    assert_ne!(given, kept);
}

#[test]
fn a_force_head_is_dropped_and_forces_become_derivatives() {
    let directory = tempfile::tempdir().unwrap();
    let path = stored("eqv2_force_head_small");
    for section in ["model", "train"] {
        let model = format!("  pretrained: {}\n", path.display());
        let text = format!(
            "model:\n{model}dataset:\n{}train:\n  loss: mse\n  num_epochs: 1\n  save_path: bare.safetensors\n",
            ethanol()
        );
        let at = format!("{section}:\n");
        let text = text.replace(&at, &format!("{at}  drop_force_head: true\n"));
        std::fs::write(directory.path().join("bare.yaml"), text).unwrap();
        log(&dipm(directory.path(), &["train", "bare.yaml"]));
        let model = Model::load(directory.path().join("bare.safetensors")).unwrap();
        assert_eq!(model.config.to_json()["force_head"], false);
        let arguments = [
            "predict",
            "bare.safetensors",
            "one.xyz",
            "--check-derivatives",
        ];
        let water = "3\nProperties=species:S:1:pos:R:3\nO 0 0 0\nH 0.96 0 0.1\nH -0.2 0.93 0\n";
        std::fs::write(directory.path().join("one.xyz"), water).unwrap();
        let output = dipm(directory.path(), &arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(number(&text, "largest of 1", "forces ") < 1e-6, "{text}");
    }
}

/// Water twice, and a molecule with another element.
fn write_molecules(directory: &Path) {
    let water = |angle: f64| {
        format!(
            "3\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-14.0\nO 0 0 0 0.1 0 0\nH 0.96 0 {angle} 0 0 0\n\
             H -0.2 0.93 0 -0.1 0 0\n"
        )
    };
    let with = |element: &str| {
        format!(
            "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-9.0\nO 0 0 0 0 0 0\n{element} 1.1 0 0 0 0 0\n"
        )
    };
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    write("train.xyz", [0.1, 0.2, 0.3].map(water).concat());
    write("valid.xyz", water(0.15) + &with("C"));
    write("nitrogen.xyz", water(0.1) + &with("N"));
}

#[test]
fn elements_that_the_data_lack_are_dropped_on_request() {
    let directory = tempfile::tempdir().unwrap();
    write_molecules(directory.path());
    let dataset = "  train_dataset_paths: train.xyz\n  valid_dataset_paths: valid.xyz\n";
    for (name, more, elements) in [
        ("mace_small", "", vec![1, 6, 8]),
        ("mace_small", "  drop_unseen_elements: true\n", vec![1, 8]),
    ] {
        let model = format!("  pretrained: {}\n", stored(name).display());
        let output = train(directory.path(), &model, &format!("{dataset}{more}"));
        let log = log(&output);
        let tuned = Model::load(directory.path().join("tuned.safetensors")).unwrap();
        assert_eq!(tuned.dataset_info.atomic_energies_map.elements(), elements);
        assert_eq!(
            log.contains("elements dropped from the model: C"),
            elements.len() == 2
        );
        let table = String::from_utf8_lossy(&output.stdout);
        let left_out = "an element that the model does not have";
        assert_eq!(table.contains(left_out), elements.len() == 2, "{table}");
    }
}

#[test]
fn elements_that_the_file_lacks_end_with_their_place_and_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    write_molecules(directory.path());
    let dataset = "  train_dataset_paths: nitrogen.xyz\n  valid_dataset_paths: valid.xyz\n";
    let model = format!("  pretrained: {}\n", stored("nequip_small").display());
    let text = refusal(&train(directory.path(), &model, dataset));
    for part in [
        "nitrogen.xyz",
        "structure 1",
        "element N",
        "H, C, O",
        "train a new model",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn statistics_of_sizes_are_updated_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = stored("nequip_small");
    let old = Model::load(&path).unwrap().dataset_info;
    let model = format!("  pretrained: {}\n", path.display());
    for (more, max_num_nodes) in [
        ("", old.max_num_nodes),
        ("  update_dataset_info: true\n", 9),
    ] {
        log(&train(
            directory.path(),
            &model,
            &format!("{}{more}", ethanol()),
        ));
        let new = Model::load(directory.path().join("tuned.safetensors")).unwrap();
        assert_eq!(new.dataset_info.max_num_nodes, max_num_nodes);
    }
}

#[test]
fn what_contradicts_the_file_is_refused_where_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let path = stored("nequip_small");
    let refused = |model: &str, dataset: &str| {
        refusal(&train(
            directory.path(),
            &format!("  pretrained: {}\n{model}", path.display()),
            &format!("{}{dataset}", ethanol()),
        ))
    };
    for (model, dataset, part) in [
        ("  target: MACE\n", "", "the pretrained model is of NequIP"),
        (
            "  num_layers: 7\n",
            "",
            "`num_layers` is 7, but the pretrained model has 2",
        ),
        ("  seed: 3\n", "", "`seed` has no meaning"),
        ("  cutoff: 3\n", "", "unknown"),
        (
            "",
            "  graph_cutoff_angstrom: 5.0\n",
            "not that of the pretrained model, 4",
        ),
        (
            "",
            "  max_neighbors_per_atom: 5\n",
            "not that of the pretrained model, none",
        ),
        ("", "  info_file: info.json\n", "exclude each other"),
        (
            "  refit_atomic_energies: true\n  atomic_energies: zero\n",
            "",
            "exclude each other",
        ),
    ] {
        let text = refused(model, dataset);
        assert!(
            text.contains(part) && text.contains("tune.yaml:"),
            "no {part} in\n{text}"
        );
    }
    // what says the same as the file is fine
    let model = format!("  pretrained: {}\n  num_layers: 2\n", path.display());
    let dataset = format!("{}  graph_cutoff_angstrom: 4.0\n", ethanol());
    log(&train(directory.path(), &model, &dataset));
    for key in ["drop_force_head", "refit_atomic_energies"] {
        let text = refusal(&train(
            directory.path(),
            &format!("  target: NequIP\n  {key}: true\n"),
            &ethanol(),
        ));
        assert!(text.contains("needs `pretrained`"), "{text}");
    }
    let dataset = format!("{}  drop_unseen_elements: true\n", ethanol());
    let text = refusal(&train(directory.path(), "  target: NequIP\n", &dataset));
    assert!(
        text.contains("`drop_unseen_elements` needs `pretrained`"),
        "{text}"
    );
    let text = refusal(&train(
        directory.path(),
        "  pretrained: nothing.safetensors\n",
        &ethanol(),
    ));
    assert!(
        text.contains("there is no file nothing.safetensors"),
        "{text}"
    );
}
