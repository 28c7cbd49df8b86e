//! Keys of `dataset`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dipm::config::{Overrides, read};
use dipm::datasets::Datasets;
use serde_json::Value as Json;

use crate::run::{Config, DATA, Run, assert_changes};

/// What a key changes in a run.
#[track_caller]
fn changes(key: &str, value: &str) {
    let base = Config::ethanol();
    assert_changes(key, &base, &base.clone().dataset(key, value));
}

#[test]
fn data_are_those_of_the_paths() {
    changes("train_dataset_paths", &format!("{DATA}/ethanol_test.h5"));
    let loss = |path: &str| {
        let config = Config::ethanol().dataset("valid_dataset_paths", path);
        config.run().numbers("validation", "loss")[0]
    };
    let [valid, test] = ["valid", "test"].map(|part| format!("{DATA}/ethanol_{part}.h5"));
    assert_ne!(loss(&valid), loss(&test));
    let run = Config::ethanol().dataset("test_dataset_paths", &test).run();
    assert_eq!(run.numbers("test", "num_structures"), [30.0]);
    assert!(Config::ethanol().run().records("test").is_empty());
}

#[test]
fn the_training_files_are_split_as_asked() {
    let config = Config::ethanol()
        .without("train_num_to_load")
        .without("valid_num_to_load")
        .without("valid_dataset_paths");
    let run = config.dataset("dataset_splits", "[7, 5, 3]").run();
    assert!(
        run.table().contains("train 7, valid 5, test 3"),
        "{}",
        run.table()
    );
}

#[test]
fn as_many_structures_are_loaded_as_asked() {
    let config =
        Config::ethanol().dataset("test_dataset_paths", &format!("{DATA}/ethanol_test.h5"));
    for (key, expected) in [
        ("train_num_to_load", "train 3, valid 4, test 30"),
        ("valid_num_to_load", "train 8, valid 3, test 30"),
        ("test_num_to_load", "train 8, valid 4, test 3"),
    ] {
        let table = config.clone().dataset(key, "3").run().table();
        assert!(table.contains(expected), "{key}: {table}");
    }
}

#[test]
fn the_choice_and_the_order_of_structures_depend_on_their_keys() {
    changes("random_subset", "false");
    changes("seed", "7");
    changes("shuffle", "false");
}

#[test]
fn neighbours_are_those_within_the_cutoff_and_their_largest_number() {
    changes("graph_cutoff_angstrom", "3.0");
    changes("max_neighbors_per_atom", "3");
    let table = Config::ethanol()
        .dataset("max_neighbors_per_atom", "3")
        .run()
        .table();
    assert!(table.contains("3.00 edges/atom"), "{table}");
}

#[test]
fn batches_are_as_large_as_their_limits() {
    // of 8 structures with 9 atoms and 72 edges
    let steps = |key: &str, value: &str| {
        let run = Config::ethanol()
            .dataset(key, value)
            .train("num_epochs", "1")
            .run();
        run.numbers("training", "step")
    };
    assert_eq!(steps("batch_size", "4"), [2.0]);
    assert_eq!(steps("batch_size", "8"), [1.0]);
    assert_eq!(steps("max_n_node", "5"), [4.0], "21 atoms");
    assert_eq!(steps("max_n_edge", "18"), [4.0], "144 edges");
}

/// Water with labels under two names each, and two stresses.
fn write_labels(folder: &Path) {
    let frame = |x: f64| {
        format!(
            "2\nLattice=\"3 0 0 0 3 0 0 0 3\" Properties=species:S:1:pos:R:3:forces:R:3:pull:R:3 energy=-{x} heat=-2.0 \
             stress=\"0.01 0 0 0 0.02 0 0 0 {x}\" tension=\"0.5 0 0 0 0.5 0 0 0 {x}\" pv=\"-9.0 0 0 0 -8.0 0 0 0 -{x}\"\n\
             H 0 0 0 0.1 0 0 0.7 0 0\nH {x} 0 0 -0.1 0 0 -0.7 0 0\n"
        )
    };
    let data: String = [0.8, 0.9, 1.0, 1.1].map(frame).concat();
    std::fs::write(folder.join("data.xyz"), data).unwrap();
}

#[test]
fn labels_are_read_under_the_names_given() {
    let run = |more: &[(&str, &str)]| -> Run {
        let folder = tempfile::tempdir().unwrap();
        write_labels(folder.path());
        let config = [
            "valid_dataset_paths",
            "train_num_to_load",
            "valid_num_to_load",
        ]
        .iter()
        .fold(Config::ethanol(), |config, key| config.without(key))
        .dataset("train_dataset_paths", "data.xyz")
        .dataset("dataset_splits", "[3, 1, 0]")
        .dataset("graph_cutoff_angstrom", "2.5")
        .train("stress_weights", "10")
        .train("num_epochs", "1");
        let config = more
            .iter()
            .fold(config, |c, (key, value)| c.dataset(key, value));
        config.run_in(folder)
    };
    let usual = run(&[]);
    for (key, name, column) in [
        ("energy_key", "heat", "energy/rmse"),
        ("forces_key", "pull", "forces/rmse"),
        ("stress_key", "tension", "stress/rmse"),
        ("virial_key", "pv", "stress/rmse"),
    ] {
        let other = run(&[(key, name)]);
        let error = |run: &Run| run.numbers("validation", column)[0];
        assert_ne!(error(&usual), error(&other), "{key}");
        assert!(other.table().contains(name), "{}", other.table());
    }
}

#[test]
fn formation_energies_are_trained_on_request() {
    let base = Config::ethanol().model("atomic_energies", "zero");
    let changed = base.clone().dataset("use_formation_energies", "true");
    assert_changes("use_formation_energies", &base, &changed);
}

#[test]
fn statistics_come_from_the_info_file_and_are_updated_on_request() {
    let run = |change: fn(&mut Json), more: &[(&str, &str)]| -> Run {
        let first = Config::ethanol().run();
        let path = first.path("run/dataset_info.json");
        let mut info: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut info);
        std::fs::write(first.path("info.json"), info.to_string()).unwrap();
        let config = Config::ethanol().train("clear_previous_checkpoints", "true");
        let config = more
            .iter()
            .fold(config, |c, (key, value)| c.dataset(key, value));
        config.run_in(first.folder)
    };
    let neighbours = |info: &mut Json| info["avg_num_neighbors"] = 2.0.into();
    let info_file = ("info_file", "info.json");
    let (computed, given) = (run(neighbours, &[]), run(neighbours, &[info_file]));
    assert!(computed.parameters() != given.parameters());
    let sizes = |info: &mut Json| info["max_num_nodes"] = 77.into();
    let largest = |run: &Run| -> Json {
        let text = std::fs::read(run.path("run/dataset_info.json")).unwrap();
        let info: Json = serde_json::from_slice(&text).unwrap();
        info["max_num_nodes"].clone()
    };
    let kept = run(sizes, &[info_file]);
    let updated = run(sizes, &[info_file, ("update_dataset_info", "true")]);
    assert_eq!((largest(&kept), largest(&updated)), (77.into(), 9.into()));
}

/// Hydrogen molecules, one a structure.
fn write_molecules(path: &Path, count: usize) {
    let frame = |i: usize| {
        format!(
            "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-{i}\nH 0 0 0 0 0 0\nH 0 0 1 0 0 0\n"
        )
    };
    let text: String = (0..count).map(frame).collect();
    std::fs::write(path, text).unwrap();
}

/// How many of 40 batches can be had after the first one when the file becomes unreadable a moment after that.
fn batches_in_hand(more: &[(&str, &str)]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.xyz");
    write_molecules(&data, 40);
    let config = [
        "valid_dataset_paths",
        "train_num_to_load",
        "valid_num_to_load",
    ]
    .iter()
    .fold(Config::ethanol(), |config, key| config.without(key))
    .dataset("train_dataset_paths", "data.xyz")
    .dataset("valid_dataset_paths", "data.xyz")
    .dataset("batch_size", "1")
    .dataset("shuffle", "false");
    let config = more
        .iter()
        .fold(config, |c, (key, value)| c.dataset(key, value));
    let yaml: PathBuf = folder.path().join("train.yaml");
    std::fs::write(&yaml, config.yaml()).unwrap();
    let config = read(&yaml, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    let datasets = Datasets::open(&config.dataset).unwrap();
    let loader = datasets.loader(&datasets.prepared.train, true).unwrap();
    let mut stream = loader.epoch(0, 0);
    stream.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let text = std::fs::read_to_string(&data).unwrap();
    std::fs::write(&data, text.replace("H 0 0 1", "H 0 0 z")).unwrap();
    stream.take_while(Result::is_ok).count()
}

#[test]
fn batches_are_prepared_ahead_by_workers_or_kept_in_memory() {
    let ahead = batches_in_hand(&[("num_workers", "2")]);
    assert_eq!(ahead, 39, "128 batches ahead are more than there are");
    assert_eq!(batches_in_hand(&[("num_workers", "0")]), 0);
    assert_eq!(batches_in_hand(&[("num_batch_prefetch", "0")]), 0);
    let few = batches_in_hand(&[("num_workers", "2"), ("num_batch_prefetch", "5")]);
    assert!((1..=6).contains(&few), "{few}");
    let kept = [("num_workers", "0"), ("load_into_memory", "true")];
    assert_eq!(batches_in_hand(&kept), 39);
}
