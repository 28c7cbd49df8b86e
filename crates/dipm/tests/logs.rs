//! TensorBoard and Weights & Biases as a user asks for them, on the quickstart data. What the files hold is tested in
//! dipm-train, and with the packages that read them by `scripts/check_logs.py`.

mod program;
mod quickstart;

use program::dipm;
use quickstart::MODEL_AND_FILES;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Trains on 8 structures with lines added to `train`.
fn train(directory: &Path, epochs: u32, more: &str) -> Output {
    let text = format!(
        "{MODEL_AND_FILES}  train_num_to_load: 8
  valid_num_to_load: 4
  test_num_to_load: 4
  batch_size: 4
train:
  loss: mse
  num_epochs: {epochs}
  save_path: model.safetensors
  local_model_output_dir: run
{more}"
    );
    std::fs::write(directory.join("train.yaml"), text).unwrap();
    dipm(directory, &["train", "train.yaml"])
        .output()
        .expect("the program starts")
}

fn log_of(output: &Output) -> String {
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{log}");
    log
}

/// The only entry of a directory whose name has a part.
fn only(directory: &Path, part: &str) -> PathBuf {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().contains(part));
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths.remove(0)
}

fn count(path: &Path, text: &str) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let windows = bytes.windows(text.len());
    windows.filter(|window| *window == text.as_bytes()).count()
}

#[test]
fn logs_lie_under_their_projects_and_go_on_with_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let keys = "  tensorboard: ./runs/ethanol\n  wandb: my project\n";
    let log = log_of(&train(directory.path(), 2, keys));
    assert!(
        log.contains("tensorboard --logdir logs/runs/ethanol"),
        "{log}"
    );
    assert!(
        log.contains("wandb sync 'logs/my project/wandb/offline-run-"),
        "{log}"
    );

    let board = only(&directory.path().join("logs/runs/ethanol"), "_");
    let events = only(&board, "events.out.tfevents.");
    let runs = directory.path().join("logs/my project/wandb");
    let run = only(&runs, "offline-run-");
    let id = run.to_string_lossy().rsplit('-').next().unwrap().to_owned();
    let records = run.join(format!("run-{id}.wandb"));
    assert!(run.join("files/config.yaml").is_file());
    for file in [&events, &records] {
        assert!(count(file, "train/loss") > 0 && count(file, "test/rmse_f") > 0);
        assert_eq!(count(file, "train/learning_rate"), 0, "not asked for");
        assert!(count(file, "node_irreps") > 0, "the configuration");
    }
    assert!(count(&records, "my project") > 0);
    // epochs 0 to 2
    assert_eq!(count(&events, "val/loss"), 3);

    let more = "  extended_metrics: true\n  restore_checkpoint_if_exists: true\n  restore_optimizer_state: true\n";
    log_of(&train(directory.path(), 4, &format!("{keys}{more}")));
    let again = only(
        &only(&directory.path().join("logs/runs/ethanol"), "_"),
        "events.",
    );
    assert_eq!(again.parent(), events.parent());
    assert_eq!(only(&runs, "offline-run-"), run);
    assert_eq!(
        (count(&again, "val/loss"), count(&again, "test/loss")),
        (5, 1)
    );
    for file in [&again, &records] {
        assert!(count(file, "train/learning_rate") > 0);
    }
}

#[test]
fn only_metric_files_are_written_unasked_and_they_hold_everything() {
    let directory = tempfile::tempdir().unwrap();
    log_of(&train(directory.path(), 1, ""));
    assert!(!directory.path().join("logs").exists());
    let table = std::fs::read_to_string(directory.path().join("run/metrics.csv")).unwrap();
    let (heading, rows) = table.split_once('\n').unwrap();
    let column = heading.split(',').position(|name| name == "learning_rate");
    let training = rows
        .lines()
        .find(|row| row.starts_with("training"))
        .unwrap();
    assert_eq!(training.split(',').nth(column.unwrap()), Some("0.01"));
    let report = std::fs::read_to_string(directory.path().join("run/report.md")).unwrap();
    assert!(report.contains("forces RMSE") && !report.contains("stress RMSE"));
}

#[test]
fn logs_that_cannot_be_written_stop_the_run_before_the_data_are_read() {
    for key in ["tensorboard", "wandb"] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("logs"), "a file").unwrap();
        let output = train(directory.path(), 1, &format!("  {key}: ethanol\n"));
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.contains("could not write logs/ethanol"),
            "{message}"
        );
        assert!(output.stdout.is_empty(), "the table of the data");
    }
}

#[test]
fn the_log_says_once_which_parameters_are_judged() {
    let lines = |more| {
        let directory = tempfile::tempdir().unwrap();
        let log = log_of(&train(directory.path(), 2, more));
        log.matches("judge averaged parameters").count()
    };
    assert_eq!(lines(""), 1);
    assert_eq!(lines("  use_ema_params_for_eval: false\n"), 0);
}

#[test]
fn a_report_has_a_column_for_the_stress_where_there_are_errors_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let frame = |x: f64| {
        format!(
            "2\nLattice=\"3 0 0 0 3 0 0 0 3\" Properties=species:S:1:pos:R:3:forces:R:3 energy=-{x} \
             stress=\"0.01 0 0 0 0.02 0 0 0 0.03\"\nH 0 0 0 0.1 0 0\nH {x} 0 0 -0.1 0 0\n"
        )
    };
    let data: String = [0.8, 0.9, 1.0, 1.1].map(frame).concat();
    std::fs::write(directory.path().join("data.xyz"), data).unwrap();
    let text = "model:\n  target: nequip\n  num_layers: 1\n  node_irreps: 4x0e + 2x1o\n  l_max: 1\ndataset:\n  \
                train_dataset_paths: data.xyz\n  dataset_splits: [2, 1, 1]\n  graph_cutoff_angstrom: 3.0\ntrain:\n  \
                loss: mse\n  num_epochs: 1\n  stress_weights: 1\n  save_path: m.safetensors\n";
    std::fs::write(directory.path().join("train.yaml"), text).unwrap();
    let output = dipm(directory.path(), &["train", "train.yaml"])
        .output()
        .unwrap();
    log_of(&output);
    let report = std::fs::read_to_string(directory.path().join("m.report.md")).unwrap();
    let rows: Vec<_> = report
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let columns = |row: &str| row.matches('|').count();
    assert!(rows[0].contains("stress RMSE meV/Å³"), "{report}");
    assert!(
        rows.iter().all(|row| columns(row) == columns(rows[0])),
        "{report}"
    );
}
