//! Training with several processes: what is refused without them, and with `--features mpi` and an MPI
//! installation, what they give.

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

fn data(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../data/quickstart/ethanol_{part}.h5"))
}

/// A small run of twenty steps of eight structures, for as many processes as share them.
fn write(directory: &Path, batch_size: usize, train: &str) {
    let yaml = format!(
        "model:\n  target: NequIP\n  num_layers: 2\n  node_irreps: 8x0e + 4x1o\n  l_max: 1\n  radial_net_n_hidden: 8\n\
         dataset:\n  train_dataset_paths: {}\n  valid_dataset_paths: {}\n  train_num_to_load: 29\n  valid_num_to_load: 9\n  \
         batch_size: {batch_size}\n\
         train:\n  loss: mse\n  num_epochs: 5\n  warmup_steps: 0\n  peak_learning_rate: 0.01\n  save_path: model.safetensors\n  \
         local_model_output_dir: run\n{train}",
        data("train").display(),
        data("valid").display(),
    );
    std::fs::write(directory.join("train.yaml"), yaml).unwrap();
}

fn error_of(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the program says of the key when a launcher has started so many processes.
fn refusal(parallel: &str, size: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 8, parallel);
    let mut command = program::dipm(directory.path(), &["train", "train.yaml"]);
    command
        .env("OMPI_COMM_WORLD_SIZE", size)
        .env("OMPI_COMM_WORLD_RANK", "0");
    let error = error_of(&command.output().unwrap());
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, 1, "something was written");
    error
}

#[test]
fn processes_that_do_not_fit_the_key_are_refused() {
    let error = refusal("  parallel: false\n", "2");
    assert!(
        error.contains("`parallel: false`, but 2 processes were started"),
        "{error}"
    );
    let error = refusal("  parallel: true\n", "1");
    let part = if cfg!(feature = "mpi") {
        "mpirun -n 4"
    } else {
        "--features mpi"
    };
    assert!(
        error.contains("`parallel: true`, but") && error.contains(part),
        "{error}"
    );
    if !cfg!(feature = "mpi") {
        // it would train twice the same
        let error = refusal("", "2");
        assert!(
            error.contains("2 processes were started") && error.contains(part),
            "{error}"
        );
    }
}

#[cfg(feature = "mpi")]
mod mpi {
    use super::*;
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// `mpirun` in a container and on a machine with fewer cores than processes.
    fn mpirun(directory: &Path, size: usize) -> Command {
        let mut command = Command::new("mpirun");
        command
            .args([
                "--allow-run-as-root",
                "--oversubscribe",
                "-n",
                &size.to_string(),
            ])
            .args([
                env!("CARGO_BIN_EXE_dipm"),
                "train",
                "train.yaml",
                "--threads",
                "1",
            ])
            .current_dir(directory)
            .env("NO_COLOR", "1");
        command
    }

    /// The last record of a kind in the metrics of a run.
    fn last(directory: &Path, kind: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(directory.join("run/metrics.jsonl")).unwrap();
        let mut records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        records
            .rfind(|record: &serde_json::Value| record["record"] == kind)
            .unwrap()
    }

    fn success(output: &Output) -> String {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        log
    }

    #[test]
    fn two_processes_give_what_one_gives_with_twice_the_batch() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path(), 8, "");
        write(two.path(), 4, "");
        let alone = program::dipm(one.path(), &["train", "train.yaml", "--threads", "1"]).output();
        success(&alone.unwrap());
        let output = mpirun(two.path(), 2).output().unwrap();
        let log = success(&output);
        assert!(log.contains("2 processes with 1 threads each"), "{log}");
        // only the first prints
        assert_eq!(
            log.matches("model in model.safetensors").count(),
            1,
            "{log}"
        );
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            table.matches("structures used: train 29").count(),
            1,
            "{table}"
        );
        for kind in ["training", "validation"] {
            let [found, expected] = [&two, &one].map(|run| last(run.path(), kind));
            assert_eq!(found["step"], 20);
            let mut compared = 0;
            for name in ["loss", "loss_terms", "gradient_norm", "energy", "forces"] {
                compared += compare(name, &found[name], &expected[name]);
            }
            assert!(compared >= 4, "{found}");
        }
        let report = std::fs::read_to_string(two.path().join("run/report.md")).unwrap();
        assert!(report.contains("2 processes"), "{report}");
        // the page has the errors of both
        let [found, expected] = [&two, &one].map(|run| parity_marks(run.path()));
        assert!(expected.len() > 4, "{expected:?}");
        assert_eq!(found, expected);
    }

    /// Compares numbers and how many there were.
    fn compare(name: &str, found: &serde_json::Value, expected: &serde_json::Value) -> usize {
        if let Some(object) = expected.as_object() {
            let each = object.iter();
            return each
                .map(|(key, value)| compare(key, &found[key], value))
                .sum();
        }
        let (Some(a), Some(b)) = (found.as_f64(), expected.as_f64()) else {
            return 0;
        };
        println!("{name:14} {a:.9e} {b:.9e} {:.1e}", (a - b).abs() / b.abs());
        assert!((a - b).abs() <= 1e-5 * b.abs(), "{name}: {a} {b}");
        1
    }

    /// How many points each chart of the page of a run has.
    fn parity_marks(directory: &Path) -> Vec<usize> {
        let page = std::fs::read_to_string(directory.join("run/report.html")).unwrap();
        let charts = page.split("<svg").skip(1);
        charts.map(|chart| chart.matches("h0").count()).collect()
    }

    #[test]
    fn a_process_that_cannot_start_ends_all() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 4, "  on_non_finite: later\n");
        let start = Instant::now();
        let error = error_of(&mpirun(directory.path(), 2).output().unwrap());
        assert!(error.contains("on_non_finite"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_process_that_stands_still_is_named() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 4, "  log_interval: 1\n");
        let yaml = std::fs::read_to_string(directory.path().join("train.yaml")).unwrap();
        let longer = yaml.replace("num_epochs: 5", "num_epochs: 100000");
        std::fs::write(directory.path().join("train.yaml"), longer).unwrap();
        let mut command = mpirun(directory.path(), 2);
        let child = command
            .env("DIPM_RANK_TIMEOUT_SECONDS", "3")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let metrics = directory.path().join("run/metrics.jsonl");
        let start = Instant::now();
        while !std::fs::metadata(&metrics).is_ok_and(|file| file.len() > 2000) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "it does not train"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let second = rank_one(child.id());
        // SAFETY: a signal to a process that this test has started.
        unsafe { libc::kill(second, libc::SIGSTOP) };
        let output = child.wait_with_output();
        // SAFETY: as above; it may be gone already.
        unsafe { libc::kill(second, libc::SIGKILL) };
        let error = error_of(&output.unwrap());
        assert!(
            error.contains("rank 1 did not answer within 3 s"),
            "{error}"
        );
    }

    /// The process of rank 1 among the children of `mpirun`.
    fn rank_one(mpirun: u32) -> libc::pid_t {
        let children = format!("/proc/{mpirun}/task/{mpirun}/children");
        let children = std::fs::read_to_string(children).unwrap();
        let is_second = |pid: &&str| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|variable| variable == b"OMPI_COMM_WORLD_RANK=1")
        };
        let found = children.split_whitespace().find(is_second);
        found
            .expect("mpirun starts its processes itself")
            .parse()
            .unwrap()
    }
}
