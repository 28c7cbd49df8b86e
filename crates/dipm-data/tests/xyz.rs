//! Extended XYZ: what is understood, what is refused, and that nothing panics.

use std::path::{Path, PathBuf};

use dipm_data::{
    Dataset, Graph, Hdf5WriteOptions, LabelKeys, LabelSources, Origin, Structure, StructureFile,
    XyzWriter, write_hdf5,
};
use proptest::prelude::*;

/// Reads a text as a file.
fn read_all(text: &str) -> Result<Vec<(Structure, LabelSources)>, String> {
    read_with(text, &LabelKeys::default())
}

fn read_with(text: &str, keys: &LabelKeys) -> Result<Vec<(Structure, LabelSources)>, String> {
    read_bytes(text.as_bytes(), "data.xyz", keys)
}

fn read_bytes(
    bytes: &[u8],
    name: &str,
    keys: &LabelKeys,
) -> Result<Vec<(Structure, LabelSources)>, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let strip = |e: dipm_data::DataError| {
        e.to_string()
            .replace(&format!("{}/", directory.path().display()), "")
    };
    let file = StructureFile::open(&path).map_err(strip)?;
    let read = |i| {
        let (structure, sources) = file.read(i, keys)?;
        structure.validate()?;
        Ok((structure, sources))
    };
    (0..file.len())
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(strip)
}

const WATER: &str = "3
Lattice=\"5 0 0 0 6 0 0 0 7\" pbc=\"T F T\" Properties=id:I:1:forces:R:3:pos:R:3:species:S:1:fixed:L:1 \
energy=-14.25 stress=\"1 2 3 4 5 6\" charge=-1 spin=2 config_type='bulk water' config_weight=0.5
1 0.1 0.2 0.3 0.0 0.0 0.0 O T
2 0.4 0.5 0.6 0.0 0.7 0.6 H F
3 -0.5 -.7 -9e-1 0.0 -0.7 0.6 H F
";

#[test]
fn columns_may_stand_in_any_order() {
    let (water, sources) = read_all(WATER).unwrap().remove(0);
    assert_eq!(water.atomic_numbers, [8, 1, 1]);
    assert_eq!(water.positions[2], [0.0, -0.7, 0.6]);
    assert_eq!(water.forces.as_ref().unwrap()[2], [-0.5, -0.7, -0.9]);
    assert_eq!(water.cell.unwrap()[1], [0.0, 6.0, 0.0]);
    assert_eq!(water.pbc, [true, false, true]);
    assert_eq!(water.energy, Some(-14.25));
    assert_eq!(
        water.stress,
        Some([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    );
    assert_eq!(
        (water.charge, water.spin, water.weight),
        (Some(-1), Some(2), 0.5)
    );
    assert_eq!(water.config_type.as_deref(), Some("bulk water"));
    assert_eq!(sources.stress.as_deref(), Some("stress"));
}

#[test]
fn a_virial_becomes_minus_virial_over_volume() {
    let text = "1\nLattice=\"2 0 0 0 2 0 0 0 2\" virial=\"8 0 0 0 16 0 0 0 24\"\nSi 0 0 0\n";
    let (silicon, sources) = read_all(text).unwrap().remove(0);
    assert_eq!(
        silicon.stress,
        Some([[-1.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, -3.0]])
    );
    assert_eq!(sources.stress.as_deref(), Some("virial"));
    assert_eq!(silicon.pbc, [true; 3], "a lattice alone means periodic");
    let without_cell = "1\nvirial=\"8 0 0 0 16 0 0 0 24\"\nSi 0 0 0\n";
    assert!(read_all(without_cell).unwrap_err().contains("volume"));
}

#[test]
fn keys_of_labels_have_an_order_and_can_be_chosen() {
    let text = "1\nProperties=species:S:1:pos:R:3:force:R:3:my_f:R:3 energy=1 REF_energy=2 e0=3\n\
                H 0 0 0 1 1 1 2 2 2\n";
    let (atom, sources) = read_all(text).unwrap().remove(0);
    assert_eq!(
        (atom.energy, sources.energy.as_deref()),
        (Some(2.0), Some("REF_energy"))
    );
    assert_eq!(sources.forces.as_deref(), Some("force"));
    assert_eq!(sources.also, ["energy"]);
    let keys = LabelKeys {
        energy: vec!["e0".to_owned()],
        forces: vec!["my_f".to_owned()],
        ..LabelKeys::default()
    };
    let (atom, sources) = read_with(text, &keys).unwrap().remove(0);
    assert_eq!(atom.energy, Some(3.0));
    assert_eq!(atom.forces.unwrap()[0], [2.0; 3]);
    assert!(sources.also.is_empty());
}

#[test]
fn plain_xyz_and_blank_lines_between_frames_are_read() {
    let text = "\n2\nfree text, with \"an open quote\nC 0 0 0\nO 0 0 1.1\n\n \n1\n\n6 1 2 3\n\n\n";
    let frames = read_all(text).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].0.atomic_numbers, [6, 8]);
    assert_eq!(frames[1].0.atomic_numbers, [6]);
    assert_eq!(frames[1].0.energy, None);
}

#[test]
fn isolated_atoms_are_recognised_by_any_spelling() {
    for name in ["IsolatedAtom", "isolated_atom", "isolated-atom"] {
        let text = format!("1\nconfig_type={name} energy=-1\nH 0 0 0\n");
        assert!(read_all(&text).unwrap()[0].0.is_marked_isolated());
    }
    assert!(
        !read_all("1\nconfig_type=other\nH 0 0 0\n").unwrap()[0]
            .0
            .is_marked_isolated()
    );
}

#[test]
fn what_is_wrong_is_said_with_file_structure_and_line() {
    let good = "1\nenergy=1\nH 0 0 0\n";
    for (bad, expected) in [
        (
            "2\n\nH 0 0 0\n",
            "data.xyz, structure 1: the file ends after 1 of 2 atoms",
        ),
        (
            "2",
            "data.xyz, structure 1: the file ends before the comment line",
        ),
        (
            "x\n\n",
            "data.xyz, structure 1: line 4: expected the number of atoms, found `x`",
        ),
        (
            "1\n\nH 0 0\n",
            "data.xyz, structure 1: line 6: expected 4 columns, found 3",
        ),
        (
            "1\n\nH 0 0 0 0\n",
            "data.xyz, structure 1: line 6: expected 4 columns, found 5",
        ),
        (
            "1\n\nH 0 0 z\n",
            "data.xyz, structure 1: line 6: `z` is not a number",
        ),
        (
            "1\n\nXx 0 0 0\n",
            "data.xyz, structure 1: `Xx` is not a chemical element",
        ),
        (
            "1\nenergy=low\nH 0 0 0\n",
            "data.xyz, structure 1: line 5: `energy`: `low` is not a number",
        ),
        (
            "1\nenergy=nan\nH 0 0 0\n",
            "data.xyz, structure 1: energy is not a finite number",
        ),
        (
            "1\n\nH 0 inf 0\n",
            "data.xyz, structure 1: position of atom 0 is not a finite number",
        ),
        (
            "1\npbc=T\nH 0 0 0\n",
            "data.xyz, structure 1: periodic along a, b, c, but there is no cell",
        ),
        (
            "1\nLattice=\"1 0 0 2 0 0 0 0 1\"\nH 0 0 0\n",
            "data.xyz, structure 1: periodic along a, b, c, but those cell vectors are zero or not independent",
        ),
        (
            "1\nLattice=\"1 2\"\nH 0 0 0\n",
            "line 5: Lattice has 2 numbers, not 9",
        ),
        (
            "1\nstress=\"1 2\"\nH 0 0 0\n",
            "line 5: `stress` has 2 numbers, not 9 or 6",
        ),
        (
            "1\nProperties=species:S:1\nH\n",
            "line 5: Properties has no column `pos`",
        ),
        (
            "1\nProperties=species:S:1:pos:R:2\nH 0 0\n",
            "line 5: column `pos` must be three real",
        ),
        (
            "1\nProperties=a:b\nH 0 0\n",
            "line 5: Properties=`a:b` is not a list",
        ),
        (
            "1\nProperties=species:S:1:pos:R:3 a=\"1\nH 0 0 0\n",
            "line 5: a quotation mark",
        ),
        ("1\ncharge=0.5\nH 0 0 0\n", "is 0.5, expected an integer"),
        (
            "1\nweight=-1\nH 0 0 0\n",
            "the weight -1 is not a number ≥ 0",
        ),
    ] {
        let error = read_all(&format!("{good}{bad}")).unwrap_err();
        assert!(error.contains(expected), "{bad:?}: {error}");
    }
    assert!(
        read_bytes(b"", "data.xyz", &LabelKeys::default())
            .unwrap_err()
            .contains("empty")
    );
    let error = read_bytes(b"{}", "data.json", &LabelKeys::default()).unwrap_err();
    assert!(
        error.contains("neither an HDF5 file nor an XYZ file"),
        "{error}"
    );
    let error = read_bytes(b"1\n\nH 0 0 0\n", "data.h5", &LabelKeys::default()).unwrap_err();
    assert!(error.contains("not an HDF5 file"), "{error}");
}

/// A structure with every field set.
fn full_structure() -> impl Strategy<Value = Structure> {
    let number = || prop_oneof![-10.0..10.0, Just(0.0), Just(1e-17), Just(0.1 + 0.2)];
    let vector = move || [number(), number(), number()];
    let atoms = prop::collection::vec((1_u8..=118, vector(), vector()), 1..6);
    let cell = (any::<bool>(), 3.0..9.0, vector());
    (
        atoms,
        prop::option::of(cell),
        prop::option::of(number()),
        any::<[bool; 4]>(),
        -2..3_i32,
    )
        .prop_map(|(atoms, cell, energy, flags, charge)| {
            let origin = Origin {
                file: Path::new("memory").into(),
                index: 0,
            };
            let numbers = atoms.iter().map(|a| a.0).collect();
            let mut structure =
                Structure::new(numbers, atoms.iter().map(|a| a.1).collect(), origin);
            structure.energy = energy;
            structure.forces = flags[0].then(|| atoms.iter().map(|a| a.2).collect());
            if let Some((is_left, length, skew)) = cell {
                let sign = if is_left { -1.0 } else { 1.0 };
                let matrix = [
                    [length, 0.0, 0.0],
                    [skew[0], sign * 4.0, 0.0],
                    [skew[1], skew[2], 5.0],
                ];
                structure.cell = Some(matrix);
                structure.pbc = [flags[1], flags[2], true];
                structure.stress = flags[3].then_some(matrix);
            }
            structure.charge = flags[1].then_some(charge);
            structure.spin = flags[2].then_some(2);
            structure.weight = if flags[3] { 0.25 } else { 1.0 };
            structure.config_type = flags[0].then(|| "a \"quoted\" \\ name".to_owned());
            structure
        })
}

fn reread(path: &Path) -> Vec<Structure> {
    let file = StructureFile::open(path).unwrap();
    let read = |i| file.read(i, &LabelKeys::default()).unwrap().0;
    (0..file.len()).map(read).collect()
}

fn with_origins(structures: &[Structure], path: &Path) -> Vec<Structure> {
    let place = |(index, s): (usize, &Structure)| Structure {
        origin: Origin {
            file: path.into(),
            index,
        },
        ..s.clone()
    };
    structures.iter().enumerate().map(place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn written_xyz_reads_back_bit_for_bit(structures in prop::collection::vec(full_structure(), 1..4)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("written.extxyz");
        let mut writer = XyzWriter::create(&path).unwrap();
        structures.iter().for_each(|s| writer.write(s).unwrap());
        writer.finish().unwrap();
        prop_assert_eq!(reread(&path), with_origins(&structures, &path));
    }

    #[test]
    fn written_hdf5_reads_back_bit_for_bit(
        structures in prop::collection::vec(full_structure(), 1..12),
        structures_per_batch in 1_usize..12,
        deflate in prop::option::of(1_u32..9),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("written.h5");
        let options = Hdf5WriteOptions { structures_per_batch, deflate };
        write_hdf5(&path, &structures, options).unwrap();
        prop_assert_eq!(reread(&path), with_origins(&structures, &path));
    }
}

/// Reads whatever the bytes are, as far as the graph.
fn survive(bytes: &[u8], name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let Ok(file) = StructureFile::open(&path) else {
        return;
    };
    for i in 0..file.len() {
        let _ = file.keys(i);
        if let Ok((structure, _)) = file.read(i, &LabelKeys::default()) {
            let _ = Graph::new(structure, 3.0, None);
        }
    }
    let _ = Dataset::from_paths(&[path], &LabelKeys::default(), 3.0, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_frame_is_read_or_refused(
        count in 0_usize..4,
        comment in "[ -~]{0,40}",
        lines in prop::collection::vec("[ A-Za-z0-9.eE+-]{0,24}", 0..5),
    ) {
        survive(format!("{count}\n{comment}\n{}\n", lines.join("\n")).as_bytes(), "any.xyz");
        let header = format!("{count}\nLattice=\"{comment}\" {comment} Properties={comment}\n");
        survive(format!("{header}{}\n", lines.join("\n")).as_bytes(), "any.xyz");
    }
}
