//! Keys of `train`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::run::{Config, Run, assert_changes};

/// What a key changes in a run.
#[track_caller]
fn changes(key: &str, value: &str) {
    let base = Config::ethanol();
    assert_changes(key, &base, &base.clone().train(key, value));
}

#[test]
fn the_three_losses_train_different_models() {
    let [mse, huber, l2mae] = ["mse", "huber", "l2mae"].map(|loss| {
        let run = Config::ethanol().train("loss", loss).run();
        run.numbers("validation", "loss")[0]
    });
    assert!(mse != huber && huber != l2mae && mse != l2mae);
    changes("loss", "huber");
}

#[test]
fn the_model_is_written_to_save_path() {
    let run = Config::ethanol()
        .train("save_path", "models/best.safetensors")
        .run();
    assert!(run.path("models/best.safetensors").is_file());
    assert!(!run.path("model.safetensors").exists());
}

#[test]
fn num_epochs_is_the_number_of_passes() {
    let run = Config::ethanol().train("num_epochs", "3").run();
    assert_eq!(run.numbers("validation", "epoch"), [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn weights_of_the_loss_are_those_of_each_stage() {
    let base = Config::ethanol();
    for (key, value) in [("energy_weights", "7"), ("forces_weights", "11")] {
        let changed = base.clone().train(key, value);
        assert_changes(key, &base, &changed);
    }
    let run = base
        .train("num_epochs", "4")
        .train("stage_splits", "[0.5, 0.5]")
        .train("energy_weights", "[7, 3]")
        .train("forces_weights", "[11, 5]")
        .run();
    let energy = run.numbers("validation", "weights/energy");
    assert_eq!(energy, [7.0, 7.0, 7.0, 3.0, 3.0]);
    let forces = run.numbers("validation", "weights/forces");
    assert_eq!(forces, [11.0, 11.0, 11.0, 5.0, 5.0]);
}

/// Hydrogen molecules in cells, with a stress.
fn crystals(folder: &std::path::Path) {
    let frame = |x: f64| {
        format!(
            "2\nLattice=\"3 0 0 0 3 0 0 0 3\" Properties=species:S:1:pos:R:3:forces:R:3 energy=-{x} \
             stress=\"0.01 0 0 0 0.02 0 0 0 {x}\"\nH 0 0 0 0.1 0 0\nH {x} 0 0 -0.1 0 0\n"
        )
    };
    let data: String = [0.8, 0.9, 1.0, 1.1].map(frame).concat();
    std::fs::write(folder.join("data.xyz"), data).unwrap();
}

#[test]
fn the_stress_is_trained_with_its_weight() {
    let run = |weight: &str| -> Run {
        let folder = tempfile::tempdir().unwrap();
        crystals(folder.path());
        let config = Config::ethanol()
            .without("valid_dataset_paths")
            .without("train_num_to_load")
            .without("valid_num_to_load");
        let config = config
            .dataset("train_dataset_paths", "data.xyz")
            .dataset("dataset_splits", "[3, 1, 0]")
            .dataset("graph_cutoff_angstrom", "3.0");
        config.train("stress_weights", weight).run_in(folder)
    };
    let (without, with) = (run("0"), run("100"));
    assert_eq!(without.numbers("validation", "weights/stress")[0], 0.0);
    assert_eq!(with.numbers("validation", "weights/stress")[0], 100.0);
    assert!(without.parameters() != with.parameters());
}

#[test]
fn the_learning_rate_follows_its_keys() {
    let base = Config::ethanol()
        .train("num_epochs", "3")
        .train("log_interval", "1")
        .train("init_learning_rate", "0.001")
        .train("peak_learning_rate", "0.003")
        .train("final_learning_rate", "0.002")
        .train("warmup_steps", "2")
        .train("transition_steps", "2");
    let rates = |config: &Config| config.run().numbers("training", "learning_rate");
    let found = rates(&base);
    let expected = [0.001, 0.002, 0.003, 0.0025, 0.002, 0.002];
    let is_near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
    assert!(
        found.len() == 6 && found.iter().zip(&expected).all(is_near),
        "{found:?}"
    );
    for (key, value) in [
        ("init_learning_rate", "0.002"),
        ("peak_learning_rate", "0.004"),
        ("final_learning_rate", "0.001"),
        ("warmup_steps", "1"),
        ("transition_steps", "3"),
    ] {
        assert_ne!(rates(&base.clone().train(key, value)), found, "{key}");
    }
}

#[test]
fn weight_decay_pulls_what_the_mask_lets_it() {
    changes("weight_decay", "0.5");
    // MACE has layers before the messages, to which the mask confines the decay
    let base = ["node_irreps", "radial_net_n_hidden"]
        .iter()
        .fold(Config::ethanol(), |config, key| config.without(key))
        .model("target", "MACE")
        .model("num_channels", "4")
        .model("correlation", "2")
        .train("weight_decay", "0.5");
    let changed = base.clone().train("apply_weight_decay_mask", "false");
    assert_changes("apply_weight_decay_mask", &base, &changed);
}

#[test]
fn a_largest_gradient_of_zero_moves_nothing() {
    let start = Config::ethanol().train("use_ema_params_for_eval", "false");
    let losses = |config: &Config| config.run().numbers("validation", "loss");
    let still = losses(&start.clone().train("grad_norm", "0"));
    assert!(still.iter().all(|loss| *loss == still[0]), "{still:?}");
    let moving = losses(&start);
    assert_ne!(moving[0], moving[1]);
}

#[test]
fn accumulated_batches_make_one_step() {
    let steps = |value: &str| {
        let config = Config::ethanol().train("num_gradient_accumulation_steps", value);
        config.run().numbers("validation", "step")
    };
    assert_eq!(steps("1"), [0.0, 2.0, 4.0]);
    assert_eq!(steps("2"), [0.0, 1.0, 2.0]);
}

#[test]
fn the_running_average_has_its_weight_and_can_be_left_out() {
    changes("ema_decay", "0.5");
    changes("use_ema_params_for_eval", "false");
    let averaged = |value: &str| {
        let run = Config::ethanol()
            .train("use_ema_params_for_eval", value)
            .run();
        run.records("validation")[1]["averaged_parameters"].clone()
    };
    assert_eq!(
        (averaged("true"), averaged("false")),
        (true.into(), false.into())
    );
}

#[test]
fn the_first_evaluation_can_be_left_out() {
    let epochs = |value: &str| {
        let run = Config::ethanol().train("run_eval_at_start", value).run();
        run.numbers("validation", "epoch")
    };
    assert_eq!(epochs("true"), [0.0, 1.0, 2.0]);
    assert_eq!(epochs("false"), [1.0, 2.0]);
}

#[test]
fn metrics_of_training_come_every_log_interval() {
    let steps = |config: Config| config.run().numbers("training", "step");
    assert_eq!(steps(Config::ethanol()), [2.0, 4.0]);
    let every_batch = Config::ethanol().train("log_interval", "1");
    assert_eq!(steps(every_batch), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn extended_metrics_are_shown_on_request() {
    let shows = |value: &str| {
        let log = Config::ethanol()
            .train("extended_metrics", value)
            .run()
            .log();
        log.contains("learning rate")
    };
    assert_eq!((shows("true"), shows("false")), (true, false));
}

#[test]
fn a_page_with_charts_is_written_unless_it_is_not_wanted() {
    let writes = |config: Config| config.run().path("run/report.html").is_file();
    let with = |value| writes(Config::ethanol().train("report", value));
    assert_eq!(
        (writes(Config::ethanol()), with("true"), with("false")),
        (true, true, false)
    );
}

#[test]
fn what_a_run_leaves_lies_in_local_model_output_dir() {
    let run = Config::ethanol()
        .train("local_model_output_dir", "elsewhere/run")
        .run();
    assert!(run.path("elsewhere/run/metrics.jsonl").is_file() && !run.path("run").exists());
    let without = Config::ethanol().without("local_model_output_dir").run();
    let files = without.entries(".");
    assert_eq!(
        files,
        [
            "model.report.html",
            "model.report.md",
            "model.safetensors",
            "train.yaml"
        ]
    );
}

#[test]
fn as_many_checkpoints_are_kept_as_asked() {
    let kept = |value: &str| {
        let config = Config::ethanol().train("num_epochs", "4");
        config
            .train("max_checkpoints_to_keep", value)
            .run()
            .entries("run/model")
    };
    assert_eq!(kept("5"), ["1", "2", "3", "4"]);
    assert_eq!(kept("2"), ["3", "4"]);
}

#[test]
fn checkpoints_within_an_epoch_come_on_request() {
    // one epoch of 220 batches, which takes seconds, stopped as soon as there is a checkpoint
    let config = Config::ethanol()
        .model("num_layers", "3")
        .model("node_irreps", "64x0e + 32x1o + 16x2e")
        .model("l_max", "2")
        .without("train_num_to_load")
        .dataset("batch_size", "1")
        .train("num_epochs", "1")
        .train("checkpoint_interval_minutes", "0.0000001");
    let folder = tempfile::tempdir().unwrap();
    let mut child = config
        .start(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let has_checkpoint = || {
        let entries = std::fs::read_dir(folder.path().join("run/model"));
        entries.is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|e| e.path().join("state.json").is_file()))
        })
    };
    while !has_checkpoint() && child.try_wait().unwrap().is_none() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no checkpoint came"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let metrics = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let is_over = |line: &str| line.contains("\"validation\"") && line.contains("\"epoch\":1");
    assert!(
        has_checkpoint() && !metrics.lines().any(is_over),
        "{metrics}"
    );
}

/// A run of two epochs, and what follows in the same folder.
fn continued(more: &[(&str, &str)]) -> Run {
    let first = Config::ethanol().run();
    let config = Config::ethanol().train("num_epochs", "4");
    let config = more
        .iter()
        .fold(config, |c, (key, value)| c.train(key, value));
    config.run_in(first.folder)
}

#[test]
fn a_run_goes_on_from_the_checkpoint_that_is_asked_for() {
    let restore = ("restore_checkpoint_if_exists", "true");
    let everything = ("restore_optimizer_state", "true");
    let whole = Config::ethanol().train("num_epochs", "4").run();
    let goes_on = continued(&[restore, everything]);
    assert!(goes_on.log().contains("epoch 3/4") && !goes_on.log().contains("epoch 2/4"));
    assert!(
        goes_on.parameters() == whole.parameters(),
        "the same bits as without a pause"
    );
    // the optimizer begins anew without its state
    let anew = continued(&[restore]);
    assert!(anew.parameters() != whole.parameters());
    let earlier = continued(&[restore, everything, ("epoch_to_restore", "1")]);
    assert!(earlier.log().contains("epoch 2/4") && !earlier.log().contains("epoch 1/4"));
    assert!(earlier.parameters() == whole.parameters());
}

#[test]
fn an_earlier_run_is_neither_continued_nor_cleared_unasked() {
    let first = Config::ethanol().run();
    let again = Config::ethanol()
        .start(first.folder.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success());
    assert!(
        message.contains("restore_checkpoint_if_exists"),
        "{message}"
    );
    let cleared = continued(&[("clear_previous_checkpoints", "true")]);
    assert_eq!(
        cleared.numbers("validation", "epoch"),
        [0.0, 1.0, 2.0, 3.0, 4.0]
    );
}
