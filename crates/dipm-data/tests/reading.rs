//! Reading of real files.

use std::path::{Path, PathBuf};

use dipm_data::{LabelKeys, StructureFile};

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// `vectors` of `golden/make_hdf5.py`.
fn vectors(count: usize, seed: usize) -> Vec<[f64; 3]> {
    (0..count)
        .map(|i| [0.0, 0.25, 0.5].map(|x| (seed + i) as f64 + x))
        .collect()
}

#[test]
fn hdf5_files_of_the_mace_layout_are_read() {
    let file = StructureFile::open(golden("ds50_valid.h5")).unwrap();
    assert_eq!(file.len(), 10);
    for i in 0..file.len() {
        let (structure, sources) = file.read(i, &LabelKeys::default()).unwrap();
        structure.validate().unwrap();
        assert_eq!(sources.energy.as_deref(), Some("energy"));
        assert!(structure.energy.is_some() && structure.forces.is_some());
    }
}

#[test]
fn chunked_and_compressed_hdf5_is_read_in_numeric_order_with_its_none_values() {
    let file = StructureFile::open(golden("chunked.h5")).unwrap();
    assert_eq!(file.len(), 13, "batches of 11 and 2");
    for i in 0..file.len() {
        let (batch, config) = if i < 11 { (0, i) } else { (1, i - 11) };
        let (structure, sources) = file.read(i, &LabelKeys::default()).unwrap();
        structure.validate().unwrap();
        let count = 2 + config;
        assert_eq!(structure.num_atoms(), count);
        assert_eq!(
            (structure.atomic_numbers[0], structure.atomic_numbers[1]),
            (8, 1)
        );
        assert_eq!(structure.positions, vectors(count, config));
        let negative = |v: [f64; 3]| v.map(|x| -x);
        let forces: Vec<_> = vectors(count, config).into_iter().map(negative).collect();
        assert_eq!(structure.forces.as_ref().unwrap(), &forces);
        assert_eq!(structure.energy, Some((100 * batch + config) as f64));
        let has_cell = config % 3 != 0;
        assert_eq!(
            structure.cell.map(|c| c[2]),
            has_cell.then_some([0.0, 0.0, 9.0])
        );
        assert_eq!(structure.pbc, [has_cell, has_cell, false]);
        let is_even = config % 2 == 0;
        assert_eq!(structure.stress, is_even.then_some([[0.5; 3]; 3]));
        assert_eq!(sources.stress.is_some(), is_even);
        assert_eq!(
            structure.config_type.as_deref(),
            is_even.then_some("Default")
        );
        assert_eq!(
            (structure.charge, structure.spin, structure.weight),
            (Some(-1), None, 1.0)
        );
        assert!(!file.keys(i).unwrap().contains(&"total_spin".to_owned()));
    }
}

#[test]
fn hdf5_of_the_newest_format_is_read() {
    let file = StructureFile::open(golden("latest.h5")).unwrap();
    assert_eq!(file.len(), 12);
    for i in 0..file.len() {
        let (structure, _) = file.read(i, &LabelKeys::default()).unwrap();
        assert_eq!(structure.energy, Some(i as f64));
        assert_eq!(structure.positions, vectors(2, i));
        assert_eq!((structure.cell, structure.pbc), (None, [false; 3]));
    }
}

/// A file of one structure whose datasets `change` may alter.
fn written(change: impl Fn(&mut hdf5_pure::GroupBuilder, &mut hdf5_pure::GroupBuilder)) -> String {
    let mut builder = hdf5_pure::FileBuilder::new();
    let mut batch = builder.create_group("config_batch_0");
    let mut config = batch.create_group("config_0");
    let mut properties = config.create_group("properties");
    change(&mut config, &mut properties);
    config.add_group(properties.finish());
    batch.add_group(config.finish());
    builder.add_group(batch.finish());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.h5");
    builder.write(&path).unwrap();
    let file = StructureFile::open(&path).unwrap();
    match file.read(0, &LabelKeys::default()) {
        Ok((structure, _)) => format!("{structure:?}"),
        Err(error) => error
            .to_string()
            .replace(&format!("{}/", directory.path().display()), ""),
    }
}

#[test]
fn what_is_wrong_in_hdf5_is_said_with_file_and_structure() {
    type Group = hdf5_pure::GroupBuilder;
    type Change = fn(&mut Group, &mut Group);
    fn add(group: &mut Group, name: &str, shape: &[u64]) {
        let values = vec![1.0; shape.iter().product::<u64>() as usize];
        group
            .create_dataset(name)
            .with_f64_data(&values)
            .with_shape(shape);
    }
    fn base(group: &mut Group) {
        group
            .create_dataset("atomic_numbers")
            .with_i64_data(&[1, 8]);
        add(group, "positions", &[2, 3]);
        group
            .create_dataset("pbc")
            .with_vlen_strings(&["None"])
            .with_shape(&[]);
    }
    fn cell(group: &mut Group) {
        group
            .create_dataset("cell")
            .with_vlen_strings(&["None"])
            .with_shape(&[]);
    }
    let cases: [(&str, Change); 7] = [
        ("no dataset `cell`", |c, _| base(c)),
        ("no dataset `atomic_numbers`", |c, _| {
            add(c, "positions", &[2, 3])
        }),
        ("`forces` has shape [3, 3], expected [2, 3]", |c, p| {
            base(c);
            cell(c);
            add(p, "forces", &[3, 3]);
        }),
        (
            "`energy` has shape [2], expected [] (one number)",
            |c, p| {
                base(c);
                cell(c);
                add(p, "energy", &[2]);
            },
        ),
        ("`energy` is text, expected numbers", |c, p| {
            base(c);
            cell(c);
            p.create_dataset("energy").with_vlen_strings(&["low"]);
        }),
        ("`stress` has shape [5], expected [3, 3] or [6]", |c, p| {
            base(c);
            cell(c);
            add(p, "stress", &[5]);
        }),
        ("`cell` has shape [9], expected [3, 3]", |c, _| {
            base(c);
            add(c, "cell", &[9]);
        }),
    ];
    for (expected, change) in cases {
        let found = written(change);
        assert_eq!(found, format!("data.h5, structure 0: {expected}"));
    }
}

#[test]
fn hdf5_of_another_layout_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.h5");
    let mut builder = hdf5_pure::FileBuilder::new();
    builder.create_dataset("x").with_f64_data(&[1.0]);
    builder.write(&path).unwrap();
    let error = StructureFile::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("data.h5: no group `config_batch_0`"),
        "{error}"
    );
}

#[test]
fn molecules_of_the_acetylacetone_set_are_read() {
    let Some(path) = shared("data/acac/train_300K.xyz") else {
        return;
    };
    let file = StructureFile::open(path).unwrap();
    assert_eq!(file.len(), 500);
    let (first, sources) = file.read(0, &LabelKeys::default()).unwrap();
    assert_eq!(first.num_atoms(), 15);
    assert_eq!(first.energy, Some(-9391.45554428476));
    assert_eq!(
        first.forces.as_ref().unwrap()[0],
        [1.47339228, 1.13796366, 0.06391102]
    );
    assert_eq!(first.pbc, [false; 3]);
    assert_eq!(first.cell.unwrap()[1][1], 50.0);
    assert_eq!(first.config_type.as_deref(), Some("300K_MD"));
    assert_eq!(sources.forces.as_deref(), Some("forces"));
    for i in 0..file.len() {
        file.read(i, &LabelKeys::default())
            .unwrap()
            .0
            .validate()
            .unwrap();
    }
}
