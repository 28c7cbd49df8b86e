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
