//! HDF5 files written structure by structure.

use dipm_data::{Hdf5WriteOptions, Hdf5Writer, LabelKeys, Structure, StructureFile};
use std::path::{Path, PathBuf};

fn structure(index: usize) -> Structure {
    let n = 1 + index % 3;
    let x = index as f64;
    let origin = (PathBuf::from("made.h5"), index).into();
    let mut structure = Structure::new(vec![8; n], vec![[x, 0.5, -0.25]; n], origin);
    structure.energy = (!index.is_multiple_of(4)).then_some(-x);
    structure.forces = (!index.is_multiple_of(5)).then(|| vec![[0.1, x, 0.0]; n]);
    structure.stress = (!index.is_multiple_of(2)).then_some([[x; 3]; 3]);
    structure.cell =
        (!index.is_multiple_of(2)).then_some([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]);
    structure.config_type = (!index.is_multiple_of(3)).then(|| format!("class {}", index % 3));
    structure.charge = (index.is_multiple_of(6)).then_some(-1);
    structure
}

fn read(path: &Path) -> Vec<Structure> {
    let file = StructureFile::open(path).unwrap();
    let read = |index| file.read(index, &LabelKeys::default()).unwrap().0;
    (0..file.len()).map(read).collect()
}

#[test]
fn what_is_written_in_parts_is_read_back_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.h5");
    // neither parts nor groups are filled by the last structures
    let options = Hdf5WriteOptions {
        structures_per_batch: 300,
        deflate: None,
    };
    let mut writer = Hdf5Writer::create(&path, options).unwrap();
    let structures: Vec<Structure> = (0..1050).map(structure).collect();
    structures.iter().for_each(|s| writer.write(s).unwrap());
    writer.finish().unwrap();
    let read = read(&path);
    assert_eq!(read.len(), structures.len());
    for (read, written) in read.into_iter().zip(structures) {
        let origin = written.origin.clone();
        assert_eq!(Structure { origin, ..read }, written);
    }
}

#[test]
fn parts_are_on_the_disk_before_the_rest_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.h5");
    let options = Hdf5WriteOptions {
        structures_per_batch: 200,
        deflate: None,
    };
    let mut writer = Hdf5Writer::create(&path, options).unwrap();
    let mut sizes = Vec::new();
    for index in 0..1000 {
        writer.write(&structure(index)).unwrap();
        if index % 200 == 199 {
            sizes.push(std::fs::metadata(&path).unwrap().len());
        }
    }
    let growth: Vec<u64> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(sizes[0] > 50_000, "{sizes:?}");
    // each part adds its own size, and the file is not written anew
    assert!(
        growth
            .iter()
            .all(|g| (sizes[0] / 2..2 * sizes[0]).contains(g)),
        "{sizes:?}"
    );
}

#[test]
fn there_may_be_thousands_of_parts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.h5");
    let options = Hdf5WriteOptions {
        structures_per_batch: 1,
        deflate: None,
    };
    let mut writer = Hdf5Writer::create(&path, options).unwrap();
    (0..2500).for_each(|index| writer.write(&structure(index)).unwrap());
    writer.finish().unwrap();
    let read = read(&path);
    assert_eq!(read.len(), 2500);
    assert_eq!(read[2499].positions, structure(2499).positions);
}
