//! Property tests of the readers of structures: any bytes are read or refused, with bounded time and memory.

mod damage;

use std::path::PathBuf;

use dipm_data::{DatasetInfo, Graph, Hdf5WriteOptions, LabelKeys, StructureFile, write_hdf5};

#[global_allocator]
static MEMORY: damage::Counting = damage::Counting;

const WATER: &str = "3
Lattice=\"5 0 0 0 6 0 0 0 7\" pbc=\"T F T\" Properties=id:I:1:forces:R:3:pos:R:3:species:S:1:fixed:L:1 \
energy=-14.25 stress=\"1 2 3 4 5 6\" charge=-1 spin=2 config_type='bulk water' config_weight=0.5
1 0.1 0.2 0.3 0.0 0.0 0.0 O T
2 0.4 0.5 0.6 0.0 0.7 0.6 H F
3 -0.5 -.7 -9e-1 0.0 -0.7 0.6 H F
";
const SILICON: &str = "2\nLattice=\"5.4 0 0 0 5.4 0 0 0 5.4\" Properties=species:S:1:pos:R:3:force:R:3 energy=-1 \
virial=\"8 0 0 0 16 0 0 0 24\"\nSi 0 0 0 0.1 0 0\nSi 1.35 1.35 1.35 -0.1 0 0\n1\nplain text\n6 0 0 0\n";

/// Reads everything in a file, as far as the graphs. Whether all of it could be read.
fn read_file(path: &PathBuf) -> bool {
    let Ok(file) = StructureFile::open(path) else {
        return false;
    };
    let mut is_good = true;
    for i in 0..file.len() {
        let _ = file.keys(i);
        is_good &= match file.read(i, &LabelKeys::default()) {
            Ok((structure, _)) => Graph::new(structure, 3.0, None).is_ok(),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("any.") && text.len() < 2000, "{text}");
                false
            }
        };
    }
    is_good
}

/// Reads bytes as a file of this name.
fn reader(name: &str) -> impl Fn(&[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    move |bytes| {
        let _ = &directory;
        std::fs::write(&path, bytes).unwrap();
        read_file(&path)
    }
}

#[test]
fn any_xyz_file_is_read_or_refused() {
    let samples = [WATER, SILICON].map(|text| text.as_bytes().to_vec());
    let bounds = damage::Bounds {
        cases: 6000,
        memory: 8 << 20,
    };
    let beginnings: [&[u8]; 3] = [b"2\n", b"1\nProperties=species:S:1:pos:R:3 ", b"99999999\n"];
    damage::survive(
        "extended XYZ",
        &bounds,
        &samples,
        damage::input(2, &beginnings),
        reader("any.xyz"),
    );
}

#[test]
fn any_hdf5_file_is_read_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("in.xyz");
    std::fs::write(&text, format!("{WATER}{SILICON}")).unwrap();
    let file = StructureFile::open(&text).unwrap();
    let read = |i| file.read(i, &LabelKeys::default()).unwrap().0;
    let structures: Vec<_> = (0..file.len()).map(read).collect();
    let written = |deflate| {
        let path = directory.path().join("out.h5");
        let options = Hdf5WriteOptions {
            structures_per_batch: 2,
            deflate,
        };
        write_hdf5(&path, &structures, options).unwrap();
        std::fs::read(path).unwrap()
    };
    let samples = [
        include_bytes!("golden/ds50_valid.h5").to_vec(),
        include_bytes!("golden/chunked.h5").to_vec(),
        include_bytes!("golden/latest.h5").to_vec(),
        written(None),
        written(Some(6)),
    ];
    let bounds = damage::Bounds {
        cases: 5000,
        memory: 64 << 20,
    };
    let beginnings: [&[u8]; 1] = [b"\x89HDF\r\n\x1a\n"];
    damage::survive(
        "HDF5",
        &bounds,
        &samples,
        damage::input(samples.len(), &beginnings),
        reader("any.h5"),
    );
}

#[test]
fn any_dataset_info_is_read_or_refused() {
    let text = r#"{"cutoff_distance_angstrom": 5.0, "max_neighbors_per_atom": null, "task_list": ["a", "b"],
        "atomic_energies_map": {"1": [-13.6, null], "8": [-2041.5, -1.0]}, "avg_num_neighbors": 12.5,
        "avg_num_nodes": 9, "avg_r_min_angstrom": 0.96, "median_num_nodes": 9, "max_num_nodes": 12}"#;
    let samples = [text.as_bytes().to_vec()];
    let bounds = damage::Bounds {
        cases: 6000,
        memory: 1 << 20,
    };
    damage::survive(
        "dataset_info.json",
        &bounds,
        &samples,
        damage::input(1, &[b"{", b"[[[[[[[["]),
        |bytes| {
            let text = String::from_utf8_lossy(bytes);
            DatasetInfo::from_json(&text).is_ok()
        },
    );
}
