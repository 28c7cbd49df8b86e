//! Files of released versions, kept in `fixtures/VERSION`, are read by this one: model files predict the same, and
//! checkpoints go on to the same numbers.
//!
//! A release adds its own folder with `cargo test -p dipm --test released -- --ignored`; those of earlier versions
//! stay as they are.

mod program;

use std::path::{Path, PathBuf};

use dipm_data::{LabelKeys, StructureFile, XyzWriter};
use serde_json::{Value as Json, json};

/// Number types of the stored runs, and how far a run that goes on from one may be from the stored numbers: in f64
/// the rounding of another processor stays far below, in f32 the optimizer carries it on.
const RUNS: [(&str, f64); 2] = [("float64", 1e-6), ("float32", 1e-3)];
/// Of predictions in f64 from stored parameters.
const PREDICTED: f64 = 1e-6;

/// Epochs of the stored checkpoints, and of the whole runs.
const EPOCHS: [u32; 2] = [1, 3];

/// Three batches an epoch and accumulation over two, so that a checkpoint also holds an accumulated gradient.
const CONFIG: &str = "model:
  target: NequIP
  num_layers: 2
  node_irreps: 4x0e + 2x1o
  l_max: 1
  num_bessel: 4
  radial_net_n_hidden: 4
dataset:
  train_dataset_paths: train.xyz
  valid_dataset_paths: valid.xyz
  graph_cutoff_angstrom: 4.0
  batch_size: 4
train:
  loss: huber
  num_epochs: 3
  num_gradient_accumulation_steps: 2
  weight_decay: 1e-4
  init_learning_rate: 1e-3
  warmup_steps: 3
  ema_decay: 0.9
  save_path: model.safetensors
  local_model_output_dir: run
  restore_checkpoint_if_exists: true
  restore_optimizer_state: true
";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn dipm(directory: &Path, arguments: &[&str]) -> String {
    let output = program::dipm(directory, arguments)
        .output()
        .expect("the program starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dipm {arguments:?}\n{log}");
    String::from_utf8(output.stdout).unwrap()
}

fn train(directory: &Path, dtype: &str, epochs: u32) {
    let dtype = format!("train.dtype={dtype}");
    let epochs = format!("train.num_epochs={epochs}");
    dipm(
        directory,
        &["train", "train.yaml", "--set", &dtype, "--set", &epochs],
    );
}

fn json_lines(text: &str) -> Vec<Json> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Numbers of updates, losses and errors after the epochs that follow on the stored checkpoint.
fn records(directory: &Path) -> Json {
    let text = std::fs::read_to_string(directory.join("run/metrics.jsonl")).unwrap();
    let wanted = |record: &Json| {
        let is_evaluation = ["training", "validation"]
            .map(Json::from)
            .contains(&record["record"]);
        is_evaluation && record["epoch"].as_u64() > Some(EPOCHS[0].into())
    };
    let shown = |record: Json| {
        let keys = [
            "record",
            "epoch",
            "step",
            "loss",
            "learning_rate",
            "gradient_norm",
        ];
        let known = keys.into_iter().filter(|key| !record[key].is_null());
        known
            .map(|key| (key.to_owned(), record[key].clone()))
            .collect()
    };
    let records = json_lines(&text).into_iter().filter(wanted);
    records.map(|record| Json::Object(shown(record))).collect()
}

fn predictions(directory: &Path) -> Json {
    let arguments = [
        "predict",
        "model.safetensors",
        "valid.xyz",
        "--json",
        "--dtype",
        "float64",
    ];
    json_lines(&dipm(directory, &arguments)).into()
}

/// Whether all numbers agree to a share of themselves, those in a list of the largest in it; all else is the same.
fn assert_close(found: &Json, expected: &Json, tolerance: f64, place: &str) {
    match (found, expected) {
        (Json::Array(found), Json::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{place}");
            let largest = |list: &[Json]| {
                list.iter()
                    .filter_map(Json::as_f64)
                    .fold(0.0, |a: f64, x| a.max(x.abs()))
            };
            let allowed = tolerance * largest(expected);
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                match (found.as_f64(), expected.as_f64()) {
                    (Some(a), Some(b)) => {
                        assert!((a - b).abs() <= allowed, "{place}[{i}]: {a} was {b}")
                    }
                    _ => assert_close(found, expected, tolerance, &format!("{place}[{i}]")),
                }
            }
        }
        (Json::Object(found), Json::Object(expected)) => {
            for (key, expected) in expected {
                assert_close(&found[key], expected, tolerance, &format!("{place}.{key}"));
            }
        }
        (Json::Number(a), Json::Number(b)) => {
            let [a, b] = [a, b].map(|x| x.as_f64().unwrap());
            assert!((a - b).abs() <= tolerance * b.abs(), "{place}: {a} was {b}");
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

/// The folders of all versions.
fn versions() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.iter().any(|folder| folder.ends_with("0.1.0")));
    folders
}

fn expected(version: &Path) -> Json {
    let text = std::fs::read_to_string(version.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn models_of_released_versions_predict_what_they_did() {
    for version in versions() {
        let found = predictions(&version);
        let name = version.display().to_string();
        assert_close(&found, &expected(&version)["predictions"], PREDICTED, &name);
    }
}

#[test]
fn checkpoints_of_released_versions_go_on_as_they_would_have() {
    for version in versions() {
        for (dtype, tolerance) in RUNS {
            let directory = tempfile::tempdir().unwrap();
            let directory = directory.path();
            for name in ["train.yaml", "train.xyz", "valid.xyz"] {
                std::fs::copy(version.join(name), directory.join(name)).unwrap();
            }
            copy(&version.join(dtype), &directory.join("run"));
            train(directory, dtype, EPOCHS[1]);
            let name = format!("{} in {dtype}", version.display());
            let expected = &expected(&version)[dtype];
            assert_eq!(expected.as_array().map(Vec::len), Some(4), "{name}");
            assert_close(&records(directory), expected, tolerance, &name);
        }
    }
}

#[test]
#[ignore = "writes the files of a new version"]
fn the_files_of_this_version_are_written_unless_they_are_there() {
    let folder = fixtures().join(env!("CARGO_PKG_VERSION"));
    assert!(
        !folder.exists(),
        "{} is there and stays as it is",
        folder.display()
    );
    let made = tempfile::tempdir().unwrap();
    let made = made.path();
    std::fs::write(made.join("train.yaml"), CONFIG).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/quickstart/ethanol_train.h5");
    let file = StructureFile::open(&data).unwrap();
    for (name, items) in [("train.xyz", 0..12), ("valid.xyz", 12..15)] {
        let mut writer = XyzWriter::create(made.join(name)).unwrap();
        for item in items {
            writer
                .write(&file.read(item, &LabelKeys::default()).unwrap().0)
                .unwrap();
        }
        writer.finish().unwrap();
    }
    let mut numbers = serde_json::Map::new();
    for (dtype, _) in RUNS {
        train(made, dtype, EPOCHS[0]);
        let checkpoint = format!("model/{}", EPOCHS[0]);
        copy(
            &made.join("run").join(&checkpoint),
            &made.join(dtype).join(&checkpoint),
        );
        train(made, dtype, EPOCHS[1]);
        numbers.insert(dtype.to_owned(), records(made));
        std::fs::remove_dir_all(made.join("run")).unwrap();
    }
    numbers.insert("predictions".to_owned(), predictions(made));
    let text = serde_json::to_string_pretty(&json!(numbers)).unwrap();
    std::fs::write(made.join("expected.json"), text + "\n").unwrap();
    copy(made, &folder);
    println!("written to {}; commit it", folder.display());
}
