//! The program as a user runs it, on the quickstart data.

mod program;

use program::dipm;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/quickstart");

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let output = dipm(directory, arguments)
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "dipm {arguments:?} failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A small training: `epochs` epochs over 24 of the training structures.
fn config(directory: &Path, name: &str, epochs: u32, more: &str) -> PathBuf {
    let path = directory.join(format!("{name}.yaml"));
    let text = format!(
        "model:
  target: nequip
  num_layers: 2
  node_irreps: 8x0e + 4x1o
  l_max: 1
  radial_net_n_hidden: 8
dataset:
  train_dataset_paths: {DATA}/ethanol_train.h5
  valid_dataset_paths: {DATA}/ethanol_valid.h5
  test_dataset_paths: {DATA}/ethanol_test.h5
  train_num_to_load: 24
  valid_num_to_load: 6
  test_num_to_load: 6
  batch_size: 4
train:
  loss: MSELoss
  num_epochs: {epochs}
  warmup_steps: 3
  save_path: {name}.safetensors
  local_model_output_dir: run_{name}
{more}"
    );
    std::fs::write(&path, text).expect("the directory is writable");
    path
}

#[test]
fn a_training_ends_with_a_model_that_predicts() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "small", 2, "");
    let output = run(directory.path(), &["train", "small.yaml"]);
    let log = String::from_utf8(output.stderr).unwrap();
    for part in [
        "epoch 2/2",
        "meV/atom",
        "meV/Å",
        "best epoch",
        "test: ",
        "small.safetensors",
    ] {
        assert!(log.contains(part), "{part} is missing in\n{log}");
    }
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("ethanol_train.h5") && table.contains("edges/atom"),
        "{table}"
    );
    for file in [
        "config.yaml",
        "dataset_info.json",
        "metrics.jsonl",
        "report.md",
    ] {
        assert!(
            directory.path().join("run_small").join(file).is_file(),
            "{file}"
        );
    }
    // the resolved configuration is a configuration
    std::fs::copy(
        directory.path().join("run_small/config.yaml"),
        directory.path().join("again.yaml"),
    )
    .unwrap();
    let output = dipm(directory.path(), &["train", "again.yaml"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "an output directory in use is refused"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("restore_checkpoint_if_exists"));

    let test = format!("{DATA}/ethanol_test.h5");
    let predict = |more: &[&str]| {
        let arguments = [&["predict", "small.safetensors", &test, "--json"], more].concat();
        let output = run(directory.path(), &arguments);
        let lines = String::from_utf8(output.stdout).unwrap();
        let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        lines.lines().map(parse).collect::<Vec<_>>()
    };
    let single = predict(&[]);
    let double = predict(&["--dtype", "float64", "--stress", "--batch-size", "7"]);
    assert_eq!((single.len(), double.len()), (30, 30));
    for (a, b) in single.iter().zip(&double) {
        let energy = |v: &serde_json::Value| v["energy"].as_f64().unwrap();
        assert!((energy(a) - energy(b)).abs() < 1e-3, "{a}\n{b}");
        assert_eq!(a["forces"].as_array().unwrap().len(), 9);
        assert!(a["stress"].is_null() && b["stress"].as_array().unwrap().len() == 3);
    }
    run(
        directory.path(),
        &["predict", "small.safetensors", &test, "-o", "out.xyz"],
    );
    run(
        directory.path(),
        &["predict", "small.safetensors", &test, "-o", "out.h5"],
    );
    for file in ["out.xyz", "out.h5"] {
        let again = run(
            directory.path(),
            &["predict", "small.safetensors", file, "--json"],
        );
        let first = String::from_utf8(again.stdout).unwrap();
        let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
        let difference = first["energy"].as_f64().unwrap() - single[0]["energy"].as_f64().unwrap();
        assert!(difference.abs() < 1e-3, "{file}: {difference}");
    }
}

/// A random number from 0 to 1 (splitmix64).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / u64::MAX as f64
}

#[test]
fn a_training_killed_15_times_ends_with_the_same_bits() {
    const EPOCHS: u32 = 120;
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "whole", EPOCHS, "");
    let start = Instant::now();
    run(directory.path(), &["--threads", "1", "train", "whole.yaml"]);
    let duration = start.elapsed().as_secs_f64();
    // a checkpoint after every other batch or so, besides those after epochs
    let restore = "  restore_checkpoint_if_exists: true\n  restore_optimizer_state: true\n  \
                   checkpoint_interval_minutes: 0.0001\n";
    config(directory.path(), "killed", EPOCHS, restore);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut state = now.as_nanos() as u64;
    println!("random times from {state}");
    let (mut num_interrupted, mut log) = (0, String::new());
    for attempt in 0..15 {
        let mut child = dipm(
            directory.path(),
            &["--threads", "1", "train", "killed.yaml"],
        )
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        std::thread::sleep(Duration::from_secs_f64(
            random(&mut state) * duration / 10.0,
        ));
        let is_running = child.try_wait().unwrap().is_none();
        if attempt % 3 == 0 {
            // SAFETY: kill has no requirements; the child has not been waited for.
            unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        } else {
            child.kill().unwrap(); // SIGKILL
        }
        let output = child.wait_with_output().unwrap();
        num_interrupted += u32::from(is_running && !output.status.success());
        log += &String::from_utf8_lossy(&output.stderr);
    }
    assert_eq!(num_interrupted, 15, "the run ended too soon:\n{log}");
    run(
        directory.path(),
        &["--threads", "1", "train", "killed.yaml"],
    );
    let bytes = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    assert!(
        bytes("whole.safetensors") == bytes("killed.safetensors"),
        "the models differ after\n{log}"
    );
    // the metrics have no gaps and no repetitions either, but for times
    let losses = |name: &str| {
        let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
        let records = text.lines().map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            (record["epoch"].clone(), record["loss"].clone())
        });
        let with_loss = records.filter(|(_, loss)| !loss.is_null());
        with_loss
            .map(|pair| format!("{pair:?}"))
            .collect::<Vec<_>>()
    };
    let whole = losses("run_whole/metrics.jsonl");
    assert!(whole.len() > EPOCHS as usize);
    assert_eq!(whole, losses("run_killed/metrics.jsonl"));
}

#[test]
fn a_run_of_a_version_that_knew_fewer_keys_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let restore = "  restore_checkpoint_if_exists: true\n  restore_optimizer_state: true\n";
    config(directory.path(), "run", 1, restore);
    run(directory.path(), &["train", "run.yaml"]);
    let state = directory.path().join("run_run/model/1/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let older = text
        .replace("  on_non_finite: stop\\n", "")
        .replace("    \"scaling_mean\": 0.0,\n", "");
    assert!(older.len() + 40 < text.len(), "{text}");
    std::fs::write(&state, &older).unwrap();
    // the new key has its default: the run is the same
    config(directory.path(), "run", 2, restore);
    run(directory.path(), &["train", "run.yaml"]);
    // with another value it is not
    let state = directory.path().join("run_run/model/2/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, text.replace("  on_non_finite: stop\\n", "")).unwrap();
    config(
        directory.path(),
        "run",
        3,
        &format!("{restore}  on_non_finite: skip\n"),
    );
    let output = dipm(directory.path(), &["train", "run.yaml"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("train.on_non_finite: (not there) → skip"),
        "{error}"
    );
}

#[test]
fn a_changed_run_is_continued_only_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let restore = "  restore_checkpoint_if_exists: true\n  restore_optimizer_state: true\n";
    config(directory.path(), "run", 1, restore);
    run(directory.path(), &["train", "run.yaml"]);
    // a longer run with other reports is the same run
    config(
        directory.path(),
        "run",
        2,
        &format!("{restore}  log_interval: 1\n"),
    );
    let log = run(directory.path(), &["train", "run.yaml"]).stderr;
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("train.num_epochs: 1 → 2"), "{log}");
    config(
        directory.path(),
        "run",
        3,
        &format!("{restore}  weight_decay: 0.5\n"),
    );
    let yaml = std::fs::read_to_string(directory.path().join("run.yaml")).unwrap();
    let yaml = yaml
        .replace("ethanol_train.h5", "ethanol_valid.h5")
        .replace("to_load: 24", "to_load: 20");
    std::fs::write(directory.path().join("run.yaml"), yaml).unwrap();
    let output = dipm(directory.path(), &["train", "run.yaml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    for part in [
        "train.weight_decay: 0.0 → 0.5",
        "dataset.train_num_to_load: 24 → 20",
        "dataset.train_dataset_paths",
        "dataset_info.atomic_energies_map",
        "--accept-changes",
    ] {
        assert!(error.contains(part), "no {part} in\n{error}");
    }
    assert!(!error.contains("log_interval"), "{error}");
    let accepted = run(directory.path(), &["train", "run.yaml", "--accept-changes"]);
    let log = String::from_utf8(accepted.stderr).unwrap();
    assert!(
        log.contains("epoch 3/3") && log.contains("weight_decay: 0.0 → 0.5"),
        "{log}"
    );
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "one", 2, "");
    config(directory.path(), "three", 2, "");
    run(directory.path(), &["--threads", "1", "train", "one.yaml"]);
    run(directory.path(), &["--threads", "3", "train", "three.yaml"]);
    let bytes = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    assert!(
        bytes("one.safetensors") == bytes("three.safetensors"),
        "the models differ"
    );
}

#[test]
fn bench_prints_one_json_object() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "bench", 1, "");
    let output = run(
        directory.path(),
        &["bench", "bench.yaml", "--json", "--steps", "2"],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let result: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    for key in [
        "params",
        "train_cpu_s",
        "train_wall_s",
        "first_step_s",
        "peak_rss_mib",
    ] {
        assert!(result[key].as_f64().unwrap() > 0.0, "{key} in {text}");
    }
    let shares = result["shares"].as_object().unwrap().values();
    let total: f64 = shares.map(|share| share.as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-9, "{text}");
}

#[test]
fn the_plan_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "plan", 1, "");
    let output = run(directory.path(), &["train", "plan.yaml", "--explain-plan"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("group 0 over") && text.contains("% of the time"),
        "{text}"
    );
    assert!(!directory.path().join("plan.safetensors").exists());
}

#[test]
fn forces_and_stress_are_compared_with_finite_differences() {
    let directory = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dipm-models/tests/golden/nequip_small/weights.safetensors");
    let cell = "Lattice=\"4.2 0 0 0.3 4.5 0 0 0.2 4.8\" pbc=\"T T T\"";
    let atoms = "H 0.1 0.2 0.3\nC 1.1 0.4 0.2\nO 2.0 1.3 0.5";
    let text = format!("3\n{cell} Properties=species:S:1:pos:R:3\n{atoms}\n");
    std::fs::write(directory.path().join("crystal.xyz"), text).unwrap();
    let model = model.to_str().unwrap();
    let arguments = ["predict", model, "crystal.xyz", "--check-derivatives"];
    let output = run(directory.path(), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().rev();
    let verdict = lines.next().unwrap();
    assert_eq!(verdict, "forces and stress are derivatives of the energy");
    let last = lines.next().unwrap();
    let words: Vec<&str> = last.split_whitespace().collect();
    let after = |name| {
        let place = words.iter().position(|word| *word == name).unwrap();
        words[place + 1].parse::<f64>().unwrap()
    };
    assert!(after("forces") < 1e-5 && after("stress") < 1e-6, "{last}");
}

#[test]
fn help_and_version_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let text =
        |arguments: &[&str]| String::from_utf8(run(directory.path(), arguments).stdout).unwrap();
    assert!(text(&["--version"]).starts_with("dipm "));
    assert!(text(&["--help"]).contains("train"));
    assert!(text(&["train", "--help"]).contains("YAML"));
}

#[test]
fn broken_data_stop_the_run_before_the_first_step() {
    let directory = tempfile::tempdir().unwrap();
    let frame = |forces: &str| {
        format!(
            "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.0\nH 0 0 0 0 0 0\nH 0 0 0.8 {forces}\n"
        )
    };
    let text = [frame("0 0 0"), frame("0 nan 0"), frame("0 0 0")].concat();
    std::fs::write(directory.path().join("data.xyz"), text).unwrap();
    let yaml = "model:\n  target: nequip\ndataset:\n  train_dataset_paths: data.xyz\n  dataset_splits: [1, 1, 1]\ntrain:\n  loss: mse\n  num_epochs: 1\n  save_path: m.safetensors\n";
    std::fs::write(directory.path().join("bad.yaml"), yaml).unwrap();
    let output = dipm(directory.path(), &["train", "bad.yaml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("data.xyz, structure 1"), "{message}");
}

#[test]
fn a_run_that_is_not_finite_leaves_its_batch_and_the_operation_is_found() {
    let directory = tempfile::tempdir().unwrap();
    // a learning rate at which everything overflows after a few steps
    let wild = "  init_learning_rate: 1.0e+12\n  peak_learning_rate: 1.0e+12\n  grad_norm: 1.0e+30\n  \
                run_eval_at_start: false\n";
    config(directory.path(), "wild", 3, wild);
    let output = dipm(directory.path(), &["train", "wild.yaml"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let path = error.split("`dipm debug-batch ").nth(1).expect(&error);
    let path = path.split('`').next().unwrap();
    let found = run(directory.path(), &["debug-batch", path]);
    let found = String::from_utf8(found.stdout).unwrap();
    let quantity = error
        .split("error: the ")
        .nth(1)
        .unwrap()
        .split(" is ")
        .next()
        .unwrap();
    assert!(found.contains(&format!("the {quantity} was ")), "{found}");
    for part in [
        "ethanol_train.h5, structure",
        "first operation that is not finite",
        "nequip_model.",
    ] {
        assert!(found.contains(part), "no {part} in\n{found}");
    }
    // skipped, the run goes on until it is too much
    config(
        directory.path(),
        "skipping",
        3,
        &format!("{wild}  on_non_finite: skip\n"),
    );
    let output = dipm(directory.path(), &["train", "skipping.yaml"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.matches("batch skipped").count() >= 4, "{error}");
}

/// The quickstart training set as extended XYZ, its forces multiplied.
fn with_forces(directory: &Path, name: &str, factor: f64) {
    use dipm::data::{LabelKeys, StructureFile, XyzWriter};
    let file = StructureFile::open(format!("{DATA}/ethanol_train.h5")).unwrap();
    let mut writer = XyzWriter::create(directory.join(name)).unwrap();
    for i in 0..60 {
        let (mut structure, _) = file.read(i, &LabelKeys::default()).unwrap();
        let forces = structure.forces.iter_mut().flatten().flatten();
        forces.for_each(|x| *x *= factor);
        writer.write(&structure).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn good_data_are_checked_and_what_training_costs_is_said() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "good", 3, "");
    let text = String::from_utf8(run(directory.path(), &["check", "good.yaml"]).stdout).unwrap();
    for part in [
        "units: nothing speaks against eV",
        "forces: energies and forces agree",
        "elements: H, C, O in every set",
        "determine 1 of 3 energies",
        "neighbours: 8.0 neighbours an atom within 5 Å",
        "cost: a step on 4 structures, 36 atoms, 288 edges takes",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        !text.contains("warning:") && text.ends_with("ready to train\n"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is written: {left:?}");
}

#[test]
fn data_that_cannot_be_right_are_refused_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    with_forces(directory.path(), "kcal.xyz", 23.0605);
    config(directory.path(), "wrong", 1, "");
    for command in ["check", "train"] {
        let arguments = [command, "wrong.yaml", "--train-data", "kcal.xyz"];
        let output = dipm(directory.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let table = String::from_utf8(output.stdout)
            .unwrap()
            .replace("\n    ", " ");
        for part in [
            "error: forces: energies and forces do not belong together",
            "kcal/mol/Å",
            "kcal.xyz, structure ",
        ] {
            assert!(table.contains(part), "{part} in {table}");
        }
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("--ignore-findings"), "{message}");
    }
    let arguments = [
        "train",
        "wrong.yaml",
        "--train-data",
        "kcal.xyz",
        "--ignore-findings",
    ];
    run(directory.path(), &arguments);
    assert!(directory.path().join("wrong.safetensors").is_file());
}
