//! Runs that do not fit into memory or onto the disk are refused before they take either. The limit of memory is that
//! of the shell.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/quickstart/ethanol_train.h5")
}

/// Without threads that load, each of which takes address space for itself.
fn write(directory: &Path, model: &str, batch_size: usize) {
    let yaml = format!(
        "model:\n  target: NequIP\n  {model}\ndataset:\n  train_dataset_paths: {}\n  valid_dataset_paths: {0}\n  batch_size: \
         {batch_size}\n  num_workers: 0\ntrain:\n  loss: mse\n  num_epochs: 1\n  save_path: model.safetensors\n",
        data().display()
    );
    std::fs::write(directory.join("train.yaml"), yaml).unwrap();
}

/// A command of the program that can take so much address space.
fn within(directory: &Path, mib: u64, command: &str) -> Output {
    let dipm = env!("CARGO_BIN_EXE_dipm");
    let line = format!(
        "ulimit -v {}; exec '{dipm}' {command} train.yaml --threads 1",
        mib * 1024
    );
    Command::new("sh")
        .args(["-c", &line])
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// That both commands refuse, with what they print.
fn refusals(directory: &Path, mib: u64) -> [String; 2] {
    ["train", "check"].map(|command| {
        let output = within(directory, mib, command);
        let [out, error] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        // not killed by a failed allocation
        assert_eq!(output.status.code(), Some(1), "{out}\n{error}");
        assert!(
            error.contains("see the 1 line above marked `error`"),
            "{error}"
        );
        assert!(!directory.join("model.safetensors").exists());
        // lines are broken where they are long
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn too_many_parameters_are_refused_before_they_are_made() {
    let directory = tempfile::tempdir().unwrap();
    write(
        directory.path(),
        "node_irreps: 4096x0e\n  l_max: 0\n  num_layers: 3",
        4,
    );
    for out in refusals(directory.path(), 1500) {
        assert!(
            out.contains("parameters with their gradient, moments and averages need"),
            "{out}"
        );
        assert!(out.contains("choose a smaller model"), "{out}");
    }
}

#[test]
fn batches_that_are_too_large_are_refused_before_the_first_step() {
    let directory = tempfile::tempdir().unwrap();
    let model = "node_irreps: 64x0e + 64x1o + 64x2e\n  l_max: 2\n  num_layers: 3";
    write(directory.path(), model, 220);
    for out in refusals(directory.path(), 300) {
        assert!(out.contains("training may need"), "{out}");
        assert!(out.contains("lower `batch_size`"), "{out}");
    }
    // what the advice says helps
    write(directory.path(), model, 4);
    let output = within(directory.path(), 300, "train");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(directory.path().join("model.safetensors").exists());
}

#[test]
fn more_checkpoints_than_the_disk_holds_are_refused_before_any_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("train.yaml");
    write(directory.path(), "num_layers: 1", 4);
    let yaml = std::fs::read_to_string(&path).unwrap();
    let with = |num_epochs: &str, kept: &str| {
        let yaml = yaml.replace("num_epochs: 1\n", &format!("num_epochs: {num_epochs}\n"));
        let keys = format!("  local_model_output_dir: run\n  max_checkpoints_to_keep: {kept}\n");
        std::fs::write(&path, yaml + &keys).unwrap();
    };
    with("1000000000", "1000000000");
    for out in refusals(directory.path(), 1500) {
        assert!(
            out.contains("error: disk: a checkpoint takes 3.7 MiB, 1000000000 are kept;"),
            "{out}"
        );
        assert!(out.contains("lower `max_checkpoints_to_keep`"), "{out}");
    }
    assert!(!directory.path().join("run").exists());
    // no more checkpoints than epochs, and what is said is what is written
    with("1", "1000000000");
    let output = within(directory.path(), 1500, "train");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    let file = directory.path().join("run/model/1/tensors.safetensors");
    let mib = file.metadata().unwrap().len() as f64 / 1048576.0;
    let said = format!("disk: a checkpoint takes {mib:.1} MiB, 1 is kept;");
    assert!(out.contains(&said), "{said}\n{out}");
}
