//! Statistics, dataset info and batch plans against those of version 0.0.8.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dipm_data::{
    AtomicEnergies, BatchLimits, DatasetInfo, DatasetOptions, DatasetPaths, Loader, LoaderOptions,
    Prepared, SpeciesTable, prepare,
};
use serde_json::Value;

fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn golden() -> serde_json::Map<String, Value> {
    serde_json::from_str(include_str!("golden/dataset50.json")).unwrap()
}

fn prepared(train: PathBuf, cutoff: f64) -> Prepared {
    let mut options = DatasetOptions::new(DatasetPaths::single(train));
    options.valid = Some(DatasetPaths::single(golden_file("ds50_valid.h5")));
    options.cutoff = cutoff;
    prepare(&options).unwrap()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs(),
        "{what}: {found}, {expected}"
    );
}

/// Every number of two JSON values, in order.
fn assert_json_close(found: &Value, expected: &Value, path: &str) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = |m: &serde_json::Map<String, Value>| m.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(a), keys(b), "{path}: names and their order");
            a.iter()
                .for_each(|(k, v)| assert_json_close(v, &b[k], &format!("{path}.{k}")));
        }
        (Value::Number(a), Value::Number(b)) => {
            assert_eq!(a.is_f64(), b.is_f64(), "{path}: {a} {b}");
            assert_close(a.as_f64().unwrap(), b.as_f64().unwrap(), path);
        }
        _ => assert_eq!(found, expected, "{path}"),
    }
}

fn cutoff_and_batch(name: &str) -> (f64, usize) {
    let (cutoff, batch) = name.split_once('.').unwrap();
    let cutoff = cutoff.strip_prefix("cutoff").unwrap().parse().unwrap();
    (
        cutoff,
        batch.strip_prefix("batch").unwrap().parse().unwrap(),
    )
}

#[test]
fn the_dataset_info_has_the_form_and_the_numbers_of_the_golden_one() {
    for (name, case) in &golden() {
        let (cutoff, _) = cutoff_and_batch(name);
        let info = prepared(golden_file("ds50_train.extxyz"), cutoff).info;
        let found: Value = serde_json::from_str(&info.to_json()).unwrap();
        assert_json_close(&found, &case["dataset_info"], name);
    }
}

/// Per batch the atoms and edges of each structure, padding removed.
fn golden_plan(batches: &Value) -> Vec<(Vec<u64>, Vec<u64>)> {
    let list = |v: &Value| {
        v.as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_u64().unwrap())
            .collect()
    };
    let batch = |b: &Value| {
        let (mut atoms, mut edges): (Vec<u64>, Vec<u64>) = (list(&b["n_node"]), list(&b["n_edge"]));
        let padding = atoms.iter().rposition(|n| *n > 0).unwrap();
        atoms.truncate(padding);
        edges.truncate(padding);
        (atoms, edges)
    };
    batches.as_array().unwrap().iter().map(batch).collect()
}

#[test]
fn batch_plans_equal_the_golden_plans() {
    for (name, case) in &golden() {
        let (cutoff, batch_size) = cutoff_and_batch(name);
        let data = prepared(golden_file("ds50_train.extxyz"), cutoff);
        let limits = BatchLimits::automatic(batch_size, &data.info);
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        assert_eq!(limits.max_atoms, Some(count("n_node") - 1), "{name}");
        assert_eq!(limits.max_edges, Some(count("n_edge")), "{name}");
        let explicit = BatchLimits::from_options(
            batch_size,
            Some(count("max_n_node")),
            Some(count("max_n_edge")),
            &data.info,
        );
        assert_eq!(explicit.unwrap(), limits, "{name}");
        for (role, dataset) in [("train", data.train), ("valid", data.valid.unwrap())] {
            let species = SpeciesTable::from_info(&data.info);
            let options = LoaderOptions {
                shuffle: false,
                ..LoaderOptions::new(species, limits)
            };
            let loader = Loader::new(dataset, options);
            let expected = &case["batches"][role];
            if let Some(error) = expected.as_str() {
                let found = loader.unwrap_err().to_string();
                assert!(
                    error.contains("edges") && found.contains("edges"),
                    "{name}: {found}"
                );
                continue;
            }
            let plan: Vec<(Vec<u64>, Vec<u64>)> = loader
                .unwrap()
                .epoch(0, 0)
                .map(|batch| {
                    let batch = batch.unwrap();
                    let wide = |v: Vec<u32>| v.into_iter().map(u64::from).collect();
                    (wide(batch.num_atoms), wide(batch.num_edges))
                })
                .collect();
            assert_eq!(plan, golden_plan(expected), "{name} {role}");
        }
    }
}

#[test]
fn the_original_hdf5_file_gives_the_same_statistics_as_its_xyz_copy() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/data/ds50/train.h5");
    if !path.exists() {
        eprintln!("skipped: {} is not here", path.display());
        return;
    }
    let (original, copy) = (
        prepared(path, 5.0),
        prepared(golden_file("ds50_train.extxyz"), 5.0),
    );
    assert_eq!(original.info, copy.info);
    for i in 0..original.train.len() {
        let (mut a, b) = (
            original.train.structure(i).unwrap(),
            copy.train.structure(i).unwrap(),
        );
        a.origin = b.origin.clone();
        assert_eq!(a.positions, b.positions);
        assert_eq!(a.forces, b.forces);
        assert_eq!(
            (a.energy, a.stress, a.charge, a.spin),
            (b.energy, b.stress, b.charge, b.spin)
        );
    }
}

#[test]
fn without_limits_every_batch_holds_batch_size_structures() {
    let data = prepared(golden_file("ds50_train.extxyz"), 5.0);
    let limits = BatchLimits::from_options(16, None, None, &data.info).unwrap();
    let options = LoaderOptions::new(SpeciesTable::from_info(&data.info), limits);
    let loader = Loader::new(data.train, options).unwrap();
    let sizes: Vec<usize> = loader
        .epoch(0, 0)
        .map(|batch| batch.unwrap().num_structures())
        .collect();
    assert_eq!(sizes, [16, 16, 8]);
}

#[test]
fn limits_too_small_for_the_largest_structure_are_refused() {
    let info = prepared(golden_file("ds50_train.extxyz"), 4.0).info;
    let error = BatchLimits::from_options(2, Some(5), None, &info)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("max_n_node") && error.contains("12"),
        "{error}"
    );
    let error = BatchLimits::from_options(2, None, Some(47), &info)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("max_n_edge") && error.contains("96"),
        "{error}"
    );
    assert!(BatchLimits::from_options(2, Some(6), Some(48), &info).is_ok());
}

#[test]
fn the_json_form_reads_back_to_itself() {
    let text = r#"{"cutoff_distance_angstrom": 3.0, "task_list": ["a", "b"], "unknown": 1,
        "atomic_energies_map": {"6": [-2.0, null], "10": [null, 5]}}"#;
    let info = DatasetInfo::from_json(text).unwrap();
    assert_eq!(info.avg_num_neighbors, 1.0);
    assert_eq!(info.avg_r_min_angstrom, None);
    assert_eq!(info.atomic_energies_map.get(6, 0), Some(-2.0));
    assert_eq!(info.atomic_energies_map.get(6, 1), None);
    let written = info.to_json();
    assert!(
        written.starts_with("{\n    \"cutoff_distance_angstrom\": 3.0,\n"),
        "{written}"
    );
    // Atomic numbers in numeric order.
    assert!(written.find("\"6\"") < written.find("\"10\""));
    assert!(written.contains("null"));
    assert_eq!(DatasetInfo::from_json(&written).unwrap().to_json(), written);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dataset_info.json");
    info.save(&path).unwrap();
    assert_eq!(DatasetInfo::load(&path).unwrap().to_json(), written);
}

#[test]
fn a_senseless_info_is_refused() {
    for bad in [
        "{}",
        "[",
        r#"{"cutoff_distance_angstrom": -1, "atomic_energies_map": {}}"#,
        r#"{"cutoff_distance_angstrom": 1, "atomic_energies_map": {"X": 1}}"#,
        r#"{"cutoff_distance_angstrom": 1, "atomic_energies_map": {"1": 1, "2": [1]}}"#,
        r#"{"cutoff_distance_angstrom": 1, "task_list": ["a"], "atomic_energies_map": {"1": [1, 2]}}"#,
    ] {
        assert!(DatasetInfo::from_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn formation_energies_subtract_the_atomic_energies() {
    let mut options = DatasetOptions::new(DatasetPaths::single(golden_file("ds50_train.extxyz")));
    let total = prepare(&options).unwrap();
    options.use_formation_energies = true;
    let formation = prepare(&options).unwrap();
    let AtomicEnergies::Single(energies) = &total.info.atomic_energies_map else {
        panic!()
    };
    let structure = total.train.structure(3).unwrap();
    let sum: f64 = structure.atomic_numbers.iter().map(|z| energies[z]).sum();
    let found = formation.train.structure(3).unwrap().energy.unwrap();
    assert_close(found, structure.energy.unwrap() - sum, "formation energy");
}

#[test]
fn a_given_info_is_kept_and_only_its_batching_numbers_are_updated_on_demand() {
    let mut options = DatasetOptions::new(DatasetPaths::single(golden_file("ds50_train.extxyz")));
    let computed = prepare(&options).unwrap().info;
    let mut given = computed.clone();
    given.avg_num_neighbors = 3.0;
    given.max_num_nodes = 99;
    options.info = Some(given.clone());
    assert_eq!(prepare(&options).unwrap().info, given);
    options.update_dataset_info = true;
    let updated = prepare(&options).unwrap().info;
    assert_eq!(
        (updated.avg_num_neighbors, updated.max_num_nodes),
        (3.0, computed.max_num_nodes)
    );
    options.cutoff = 4.0;
    let error = prepare(&options).unwrap_err().to_string();
    assert!(error.contains("cutoff 5") && error.contains('4'), "{error}");
}

#[test]
fn elements_outside_a_given_info_are_an_error_unless_they_may_be_left_out() {
    let mut options = DatasetOptions::new(DatasetPaths::single(golden_file("ds50_train.extxyz")));
    let mut info = prepare(&options).unwrap().info;
    info.atomic_energies_map.retain(|z| z != 8);
    options.info = Some(info);
    let error = prepare(&options).unwrap_err().to_string();
    assert!(
        error.contains("element O") && error.contains("structure"),
        "{error}"
    );
    options.exclude_unknown_elements = true;
    let prepared = prepare(&options).unwrap();
    assert!(prepared.train.len() < 40 && !prepared.report.files[0].excluded.is_empty());
    assert!(Arc::strong_count(&prepared.train) == 1);
}
