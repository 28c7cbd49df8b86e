//! Property tests of the reader of checkpoints: any bytes are read or refused, with bounded time and memory.

#[path = "../../dipm-data/tests/damage/mod.rs"]
mod damage;

use std::path::Path;

use dipm_train::{
    BestModel, Checkpoint, CheckpointConfig, Checkpoints, DataPosition, Ema, Kept, LossTerms,
    Optimizer, OptimizerConfig, ParameterLayout, TrainingState, checkpoint::FORMAT,
    record::IntervalSums,
};

#[global_allocator]
static MEMORY: damage::Counting = damage::Counting;

fn layout() -> ParameterLayout {
    ParameterLayout::new([
        ("a.kernel".to_owned(), vec![2, 3]),
        ("b".to_owned(), vec![]),
    ])
}

/// A checkpoint after a few steps, and what it holds.
fn checkpoint() -> Checkpoint<f32> {
    let mut optimizer = Optimizer::new(&OptimizerConfig::default(), [(7, true)]);
    let mut ema = Ema::new(0.9, 7);
    let mut parameters: Vec<f32> = (0..7).map(|i| (i as f32).sin()).collect();
    for step in 0..3 {
        let gradient: Vec<f32> = (step..step + 7).map(|i| (i as f32).cos()).collect();
        optimizer.step(&mut parameters, &gradient, &mut ema);
    }
    Checkpoint {
        state: TrainingState {
            format: FORMAT,
            program_version: "0.1.0".to_owned(),
            position: DataPosition { epoch: 1, batch: 0 },
            stage: 0,
            step: 3,
            micro_steps: optimizer.state().micro_steps,
            updates: optimizer.state().updates,
            num_accumulated: 0,
            ema_decay: 0.9,
            ema_updates: ema.updates(),
            learning_rate: 0.01,
            best: Some(BestModel {
                epoch: 1,
                loss_terms: LossTerms::default(),
            }),
            interval: IntervalSums::default(),
            epoch_sums: IntervalSums::default(),
            seed: 7,
            num_ranks: 1,
            config: "train:\n  num_epochs: 3\n".to_owned(),
            dataset_info: serde_json::json!({ "cutoff_distance_angstrom": 5.0 }),
        },
        best: Some(Kept::Memory(parameters.clone())),
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

/// Damages one of the two files of a checkpoint.
fn survive(name: &'static str, file: &'static str, beginnings: &[&[u8]]) {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let checkpoints = Checkpoints::open(&config).unwrap().unwrap();
    let path = checkpoints
        .save(&layout(), &checkpoint().view().unwrap())
        .unwrap();
    let samples = [std::fs::read(path.join(file)).unwrap()];
    let bounds = damage::Bounds {
        cases: 4000,
        memory: 4 << 20,
    };
    damage::survive(
        name,
        &bounds,
        &samples,
        damage::input(1, beginnings),
        |bytes| {
            std::fs::write(path.join(file), bytes).unwrap();
            match checkpoints.restore::<f32>(&config, &layout()) {
                Ok(restored) => restored.is_some(),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("model/1"), "{text}");
                    false
                }
            }
        },
    );
}

#[test]
fn any_state_of_a_checkpoint_is_read_or_refused() {
    survive(
        "states of checkpoints",
        "state.json",
        &[b"{\"format\": ", b"[[[[[[[["],
    );
}

#[test]
fn any_tensors_of_a_checkpoint_are_read_or_refused() {
    let huge = u64::MAX.to_le_bytes();
    survive(
        "tensors of checkpoints",
        "tensors.safetensors",
        &[&huge, b"\x40\0\0\0\0\0\0\0{\""],
    );
}
