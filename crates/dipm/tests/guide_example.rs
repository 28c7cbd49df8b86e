//! The examples of the training guide of dipm 0.0.8, as they stand, on HDF5 data where they expect them.

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use dipm::config::{ConfigError, Overrides, read};
use dipm::run_config::{ComputeType, RunConfig};
use dipm_data::{Hdf5WriteOptions, LabelKeys, StructureFile, write_hdf5};
use dipm_models::{EquiformerV2Config, ModelConfig};
use dipm_train::LossKind;

/// Both examples, the second with a force head.
const EXAMPLES: [&str; 2] = ["page", "script"];

/// A smaller model and a shorter run than those of the examples, for tests without optimisation.
const SMALL: [&str; 7] = [
    "model.num_layers=2",
    "model.lmax=2",
    "model.num_rbf=16",
    "model.sphere_channels=8",
    "model.num_edge_channels=8",
    "model.attn_value_channels=4",
    "train.num_epochs=3",
];

/// The folders that the examples name, with some of the quickstart data, and the example.
fn folder(name: &str, counts: [usize; 3]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    lay_out(directory.path(), name, counts);
    let path = directory.path().join("train.yaml");
    (directory, path)
}

fn lay_out(directory: &Path, name: &str, counts: [usize; 3]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = ["train", "valid", "test"].into_iter();
    for ((part, folder), count) in parts.zip(["train", "val", "test"]).zip(counts) {
        let data = here.join(format!("../../data/quickstart/ethanol_{part}.h5"));
        let file = StructureFile::open(&data).unwrap();
        let read = |i| file.read(i, &LabelKeys::default()).unwrap().0;
        let structures: Vec<_> = (0..count).map(read).collect();
        let target = directory.join("datasets").join(folder);
        std::fs::create_dir_all(&target).unwrap();
        let options = Hdf5WriteOptions::default();
        write_hdf5(target.join("ethanol.h5"), &structures, options).unwrap();
    }
    let example = here.join(format!("tests/guide/{name}.yaml"));
    std::fs::copy(example, directory.join("train.yaml")).unwrap();
}

/// What the program makes of an example in its folder, with values replaced.
fn resolve(path: &Path, set: &[&str]) -> Result<RunConfig, Box<ConfigError>> {
    let set: Vec<String> = set.iter().map(|text| text.to_string()).collect();
    // paths in the file are relative to where the program runs
    let text = std::fs::read_to_string(path).unwrap();
    let folder = path.parent().unwrap();
    let text = text.replace("./datasets", &folder.join("datasets").to_string_lossy());
    let absolute = folder.join("absolute.yaml");
    std::fs::write(&absolute, text).unwrap();
    let overrides = Overrides {
        set,
        ..Overrides::default()
    };
    read(&absolute, &overrides).map_err(Box::new)
}

fn dipm(directory: &Path, set: &[&str]) -> Output {
    let mut command = program::dipm(directory, &["train", "train.yaml"]);
    set.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    command.output().expect("the program starts")
}

/// What a run that succeeded printed to standard error.
fn log_of(output: &Output) -> String {
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{log}");
    log
}

#[test]
fn every_value_of_the_examples_arrives() {
    for name in EXAMPLES {
        let (_directory, path) = folder(name, [2, 2, 2]);
        let config = resolve(&path, &[]).unwrap();
        let expected = EquiformerV2Config {
            num_layers: 8,
            num_rbf: 512,
            l_max: 4,
            grid_resolution: Some(18),
            force_head: name == "script",
            avg_num_neighbors: None,
            avg_num_nodes: None,
            ..EquiformerV2Config::default()
        };
        assert_eq!(config.model.config, ModelConfig::EquiformerV2(expected));
        assert_eq!(config.model.seed, 42);

        let dataset = &config.dataset;
        assert_eq!(dataset.options.cutoff, 5.0);
        assert_eq!(dataset.options.batch_size, 16);
        let info_file = dataset.info_file.as_deref();
        assert_eq!(
            info_file,
            Some(Path::new("./checkpoints/dataset_info.json"))
        );

        let train = &config.train;
        assert_eq!(train.dtype, ComputeType::Bf16);
        assert_eq!(train.training.num_epochs, 10);
        assert_eq!(train.optimizer.final_learning_rate, 1e-4);
        assert_eq!(train.optimizer.peak_learning_rate, 0.01);
        assert_eq!(train.loss.kind, LossKind::Mse);
        let weights = |epoch| {
            let weights = train.loss.weights(epoch);
            (weights.energy, weights.forces)
        };
        assert_eq!([weights(7), weights(8)], [(1.0, 25.0), (25.0, 1.0)]);
        let checkpoints = &train.checkpoints;
        let output = checkpoints.local_model_output_dir.as_deref();
        assert_eq!(output, Some(Path::new("./checkpoints")));
        assert!(checkpoints.restore_checkpoint_if_exists && checkpoints.restore_optimizer_state);
        assert_eq!(train.save_path, Path::new("./equiformerv2.safetensors"));
        let logs = [train.tensorboard.as_deref(), train.wandb.as_deref()];
        let expected = match name {
            "page" => ["./runs/equiformerv2", "equiformerv2_train"],
            _ => ["equiformerv2", "equiformerv2"],
        };
        assert_eq!(logs, expected.map(Some));
    }
}

#[test]
fn the_examples_train_on_a_smaller_scale_and_go_on_when_they_are_run_again() {
    for name in EXAMPLES {
        let (directory, _) = folder(name, [6, 3, 3]);
        let directory = directory.path();
        let log = log_of(&dipm(directory, &SMALL));
        for part in [
            "checkpoints/dataset_info.json does not exist",
            "epoch 3/3",
            "tensorboard --logdir logs/",
            "wandb sync",
            "model in ./equiformerv2.safetensors",
        ] {
            assert!(log.contains(part), "{part} is missing in\n{log}");
        }
        let weights = std::fs::read(directory.join("equiformerv2.safetensors")).unwrap();
        for path in [
            "checkpoints/model/3/state.json",
            "checkpoints/dataset_info.json",
        ] {
            assert!(directory.join(path).is_file(), "{path}");
        }

        // the statistics and the checkpoint of the first run are used now, and nothing is left to do
        let log = log_of(&dipm(directory, &SMALL));
        for part in [
            "statistics are those of ./checkpoints/dataset_info.json",
            "Restoring checkpoint from epoch 3.",
        ] {
            assert!(log.contains(part), "{part} is missing in\n{log}");
        }
        let again = std::fs::read(directory.join("equiformerv2.safetensors")).unwrap();
        assert_eq!(weights, again);
    }
}

/// The examples at full size, with 32 structures to train on. Logs, checkpoints and models stay in `DIPM_GUIDE_FOLDER`:
/// `DIPM_GUIDE_FOLDER=/tmp/guide cargo test --release -p dipm --test guide_example -- --ignored --nocapture`, then
/// `python scripts/check_logs.py /tmp/guide`.
#[test]
#[ignore = "takes many minutes"]
fn the_examples_run_whole() {
    let folder = std::env::var_os("DIPM_GUIDE_FOLDER").expect("DIPM_GUIDE_FOLDER names a folder");
    for name in EXAMPLES {
        let directory = Path::new(&folder).join(name);
        lay_out(&directory, name, [32, 8, 8]);
        let output = dipm(&directory, &[]);
        println!("{name}\n{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", log_of(&output));
    }
}
