//! What a user reads when a dataset is broken: the whole text, with file and structure.

use std::path::Path;

use dipm_data::{DatasetOptions, DatasetPaths, prepare};
use hdf5_pure::{FileBuilder, GroupBuilder};

/// The error of a training set in this directory, without the path of the directory.
fn error_of(directory: &Path, name: &str, change: impl Fn(&mut DatasetOptions)) -> String {
    let mut options = DatasetOptions::new(DatasetPaths::single(directory.join(name)));
    change(&mut options);
    let error = match prepare(&options) {
        Ok(prepared) => return format!("accepted:\n{}", prepared.report),
        Err(error) => error.to_string(),
    };
    let text = error.replace(&format!("{}/", directory.display()), "");
    text.replace(&directory.display().to_string(), "DIRECTORY")
}

const GOOD: &str = "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.5\nH 0 0 0 0 0 0.1\nH 0 0 0.8 0 0 -0.1\n";

/// `GOOD` with other words: each pair is replaced once.
fn frame(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replacen(old, new, 1)
    })
}

type Case<'a> = (&'a str, String, &'a str);

#[test]
fn each_broken_xyz_file_ends_in_an_error_that_names_file_and_structure() {
    let f = |old: &str, new: &str| frame(&[(old, new)]);
    let comment = |more: &str| frame(&[("energy=-1.5", &format!("energy=-1.5 {more}"))]);
    let cases: Vec<Case> = vec![
        (
            "the file ends within a frame",
            "3\nenergy=1\nH 0 0 0\n".to_owned(),
            "data.xyz, structure 1: the file ends after 1 of 3 atoms: it is incomplete, or the count of line 5 is wrong",
        ),
        (
            "the file ends after an atom count",
            "3\n".to_owned(),
            "data.xyz, structure 1: the file ends before the comment line: it is incomplete",
        ),
        (
            "no atom count",
            "two\n\n".to_owned(),
            "data.xyz, structure 1: line 5: expected the number of atoms, found `two`; is the count of the structure before too small?",
        ),
        (
            "a count too small",
            f("2\n", "1\n"),
            "data.xyz, structure 2: line 8: expected the number of atoms, found `H 0 0 0.8 0 0 -0.1`; is the count of the structure before too small?",
        ),
        (
            "a column is missing",
            f("H 0 0 0.8 0 0 -0.1", "H 0 0 0.8 0 0"),
            "data.xyz, structure 1: line 8: expected 7 columns, found 6",
        ),
        (
            "a column too many",
            f("H 0 0 0.8 0 0 -0.1", "H 0 0 0.8 0 0 -0.1 7"),
            "data.xyz, structure 1: line 8: expected 7 columns, found 8",
        ),
        (
            "a position that is a word",
            f("0.8", "0.8x"),
            "data.xyz, structure 1: line 8: `0.8x` is not a number",
        ),
        (
            "no element",
            f("H 0 0 0.8", "Qq 0 0 0.8"),
            "data.xyz, structure 1: `Qq` is not a chemical element (a symbol such as `Fe`, or a number from 1 to 118)",
        ),
        (
            "energy NaN",
            f("-1.5", "NaN"),
            "data.xyz, structure 1: energy is not a finite number; correct it or remove the structure",
        ),
        (
            "position infinite",
            f("0.8", "inf"),
            "data.xyz, structure 1: position of atom 1 is not a finite number; correct it or remove the structure",
        ),
        (
            "force NaN",
            f("-0.1", "nan"),
            "data.xyz, structure 1: force on atom 1 is not a finite number; correct it or remove the structure",
        ),
        (
            "two equal positions",
            f("H 0 0 0.8", "H 0 0 0"),
            "data.xyz, structure 1: atoms 0 and 1 lie at the same place; correct the positions or remove the structure",
        ),
        (
            "missing forces",
            "2\nenergy=-1.5\nH 0 0 0\nH 0 0 0.8\n".to_owned(),
            "data.xyz, structure 1: no forces (looked for REF_forces, REF_force, forces, force, dft_forces, dft_force; present: energy); name its key by `forces_key` of `dataset`, or remove the structure",
        ),
        (
            "missing energy",
            f("energy=-1.5", "E0=-1.5"),
            "data.xyz, structure 1: no energy (looked for REF_energy, energy, dft_energy, dft_total_energy, total_energy, free_energy; present: forces, E0); name its key by `energy_key` of `dataset`, or remove the structure",
        ),
        (
            "energy is a word",
            f("-1.5", "converged"),
            "data.xyz, structure 1: line 6: `energy`: `converged` is not a number",
        ),
        (
            "zero cell with pbc",
            comment("Lattice=\"0 0 0 0 0 0 0 0 0\" pbc=\"T T T\""),
            "data.xyz, structure 1: periodic along a, b, c, but there is no cell, or an all-zero one; add the cell, or set `pbc` to false if it is not periodic",
        ),
        (
            "no cell with pbc",
            comment("pbc=\"T T F\""),
            "data.xyz, structure 1: periodic along a, b, but there is no cell, or an all-zero one; add the cell, or set `pbc` to false if it is not periodic",
        ),
        (
            "flat cell",
            comment("Lattice=\"5 0 0 10 0 0 0 0 5\""),
            "data.xyz, structure 1: periodic along a, b, c, but those cell vectors are zero or not independent; correct the cell, or `pbc` if it is not periodic",
        ),
        (
            "absurdly small cell",
            comment("Lattice=\"1e-3 0 0 0 1e-3 0 0 0 1e-3\""),
            "data.xyz, structure 1: periodic along a, b, c, but the cell is too small for a cutoff of 5 Å; are its vectors in Å?",
        ),
        (
            "cell of two numbers",
            comment("Lattice=\"5 5\""),
            "data.xyz, structure 1: line 6: Lattice has 2 numbers, not 9",
        ),
        (
            "pbc of four values",
            comment("pbc=\"T T T T\""),
            "data.xyz, structure 1: line 6: pbc=`T T T T` is not three truth values",
        ),
        (
            "stress of five numbers",
            comment("stress=\"1 2 3 4 5\""),
            "data.xyz, structure 1: line 6: `stress` has 5 numbers, not 9 or 6",
        ),
        (
            "virial without cell",
            comment("virial=\"1 0 0 0 1 0 0 0 1\""),
            "data.xyz, structure 1: line 6: a virial needs a cell with a volume to become a stress; add the cell or remove the virial",
        ),
        (
            "stress NaN",
            comment("Lattice=\"5 0 0 0 5 0 0 0 5\" stress=\"nan 0 0 0 0 0\""),
            "data.xyz, structure 1: stress is not a finite number; correct it or remove the structure",
        ),
        (
            "forces of two columns",
            frame(&[
                ("forces:R:3", "forces:R:2"),
                ("0 0 0.1", "0 0.1"),
                ("0 0 -0.1", "0 0"),
            ]),
            "data.xyz, structure 1: line 6: column `forces` must be three real numbers (R:3)",
        ),
        (
            "no positions",
            f("pos:R:3", "place:R:3"),
            "data.xyz, structure 1: line 6: Properties has no column `pos`",
        ),
        (
            "columns that are no list",
            f("species:S:1:pos", "species:S:pos"),
            "data.xyz, structure 1: line 6: Properties=`species:S:pos:R:3:forces:R:3` is not a list of name:kind:columns",
        ),
        (
            "an open quotation mark",
            comment("config_type=\"bulk"),
            "data.xyz, structure 1: line 6: a quotation mark \" is never closed",
        ),
        (
            "half a charge",
            comment("charge=0.5"),
            "data.xyz, structure 1: line 6: `charge` is 0.5, expected an integer",
        ),
        (
            "a negative weight",
            comment("config_weight=-1"),
            "data.xyz, structure 1: the weight -1 is not a number ≥ 0",
        ),
        (
            "an atom far away",
            f("H 0 0 0.8", "H 0 0 1e9"),
            "data.xyz, structure 1: an atom lies further than 1e7 Å from the origin; correct it or remove the structure",
        ),
    ];
    check(&cases, |directory, text| {
        std::fs::write(directory.join("data.xyz"), format!("{GOOD}{text}")).unwrap();
        error_of(directory, "data.xyz", |_| {})
    });
}

#[test]
fn each_wrong_set_of_files_ends_in_an_error_that_says_which() {
    type Change = fn(&Path, &mut DatasetOptions);
    let change: Vec<(&str, Change, &str)> = vec![
        (
            "an empty file",
            |d, _| std::fs::write(d.join("data.xyz"), "").unwrap(),
            "data.xyz: the file is empty",
        ),
        (
            "a file that is not there",
            |d, _| std::fs::remove_file(d.join("data.xyz")).unwrap(),
            "data.xyz: No such file or directory (os error 2)",
        ),
        (
            "another format",
            |d, _| std::fs::write(d.join("data.xyz"), "{\"a\": 1}").unwrap(),
            "data.xyz, structure 0: line 1: expected the number of atoms, found `{\"a\": 1}`",
        ),
        (
            "an empty directory",
            |d, o| {
                std::fs::create_dir(d.join("empty")).unwrap();
                o.train = DatasetPaths::single(d.join("empty"));
            },
            "empty: no .hdf5, .h5, .xyz or .extxyz file in this directory",
        ),
        (
            "mixed labels: some without stress",
            |d, o| {
                let with = frame(&[(
                    "energy=-1.5",
                    "energy=-1.5 Lattice=\"5 0 0 0 5 0 0 0 5\" stress=\"0 0 0 0 0 0\"",
                )]);
                std::fs::write(d.join("data.xyz"), format!("{with}{GOOD}{with}{GOOD}")).unwrap();
                o.required.stress = true;
            },
            "2 problems in the data:\n  data.xyz, structure 1: no stress (looked for REF_stress, stress, dft_stress, REF_virial, REF_virials, virial, virials, dft_virial, dft_virials; present: forces, energy); name its key by `stress_key` of `dataset`, or remove the structure\n  data.xyz, structure 3: no stress (looked for REF_stress, stress, dft_stress, REF_virial, REF_virials, virial, virials, dft_virial, dft_virials; present: forces, energy); name its key by `stress_key` of `dataset`, or remove the structure",
        ),
        (
            "mixed labels: some without forces",
            |d, _| {
                let without = "2\nenergy=-1.5\nH 0 0 0\nH 0 0 0.8\n";
                std::fs::write(
                    d.join("data.xyz"),
                    format!("{GOOD}{without}{GOOD}{without}"),
                )
                .unwrap();
            },
            "2 problems in the data:\n  data.xyz, structure 1: no forces (looked for REF_forces, REF_force, forces, force, dft_forces, dft_force; present: energy); name its key by `forces_key` of `dataset`, or remove the structure\n  data.xyz, structure 3: no forces (looked for REF_forces, REF_force, forces, force, dft_forces, dft_force; present: energy); name its key by `forces_key` of `dataset`, or remove the structure",
        ),
        (
            "an element that only the validation set has",
            |d, o| {
                std::fs::write(d.join("valid.xyz"), frame(&[("H 0 0 0.8", "O 0 0 0.8")])).unwrap();
                o.valid = Some(DatasetPaths::single(d.join("valid.xyz")));
            },
            "valid.xyz, structure 0: element O is not among the elements of the model (H); take such structures out, or train a new model on data that have the element",
        ),
        (
            "nothing within the cutoff",
            |_, o| o.cutoff = 0.5,
            "the train set has no structures (every structure was left out: no two atoms within the cutoff (1); are the positions in Å, and is `graph_cutoff_angstrom` large enough?)",
        ),
        (
            "more structures asked for than there are",
            |_, o| {
                o.num_to_load[0] = Some(dipm_data::Amount::Count(5));
            },
            "`train_num_to_load` asks for 5 structures, but there are 1",
        ),
    ];
    let cases: Vec<Case> = change
        .iter()
        .map(|(name, _, text)| (*name, String::new(), *text))
        .collect();
    let mut next = change.iter();
    check(&cases, |directory, _| {
        std::fs::write(directory.join("data.xyz"), GOOD).unwrap();
        let change = next.next().unwrap().1;
        error_of(directory, "data.xyz", |options| change(directory, options))
    });
}

/// A configuration of the MACE layout without the members whose names occur in `skip`, and with others.
struct Members {
    skip: &'static str,
    replace: fn(&mut GroupBuilder, &mut GroupBuilder),
}

fn nothing(_: &mut GroupBuilder, _: &mut GroupBuilder) {}

fn numbers(group: &mut GroupBuilder, name: &str, values: &[f64], shape: &[u64]) {
    group
        .create_dataset(name)
        .with_f64_data(values)
        .with_shape(shape);
}

/// A file of two structures, the second one as described.
fn hdf5(second: &Members) -> FileBuilder {
    let mut builder = FileBuilder::new();
    let mut batch = builder.create_group("config_batch_0");
    for (index, members) in [
        (
            0,
            &Members {
                skip: "",
                replace: nothing,
            },
        ),
        (1, second),
    ] {
        let mut config = batch.create_group(&format!("config_{index}"));
        let mut properties = config.create_group("properties");
        let has = |name: &str| !members.skip.contains(name);
        if has("atomic_numbers") {
            config
                .create_dataset("atomic_numbers")
                .with_i64_data(&[1, 1]);
        }
        if has("positions") {
            numbers(
                &mut config,
                "positions",
                &[0.0, 0.0, 0.0, 0.0, 0.0, 0.8],
                &[2, 3],
            );
        }
        for name in ["cell", "pbc"] {
            if has(name) {
                config
                    .create_dataset(name)
                    .with_vlen_strings(&["None"])
                    .with_shape(&[]);
            }
        }
        if has("energy") {
            numbers(&mut properties, "energy", &[-1.5], &[]);
        }
        if has("forces") {
            numbers(
                &mut properties,
                "forces",
                &[0.0, 0.0, 0.1, 0.0, 0.0, -0.1],
                &[2, 3],
            );
        }
        (members.replace)(&mut config, &mut properties);
        if has("properties") {
            config.add_group(properties.finish());
        }
        batch.add_group(config.finish());
    }
    builder.add_group(batch.finish());
    builder
}

#[test]
fn each_broken_hdf5_file_ends_in_an_error_that_names_file_and_structure() {
    let cases: Vec<(&str, Members, &str)> = vec![
        (
            "no positions",
            Members {
                skip: "positions",
                replace: nothing,
            },
            "data.h5, structure 1: no dataset `positions`",
        ),
        (
            "no cell",
            Members {
                skip: "cell",
                replace: nothing,
            },
            "data.h5, structure 1: no dataset `cell`",
        ),
        (
            "no properties",
            Members {
                skip: "properties",
                replace: nothing,
            },
            "data.h5, structure 1: no group `properties`",
        ),
        (
            "missing forces",
            Members {
                skip: "forces",
                replace: nothing,
            },
            "data.h5, structure 1: no forces (looked for REF_forces, REF_force, forces, force, dft_forces, dft_force; present: energy); name its key by `forces_key` of `dataset`, or remove the structure",
        ),
        (
            "missing energy",
            Members {
                skip: "energy",
                replace: |_, p| numbers(p, "E", &[1.0], &[]),
            },
            "data.h5, structure 1: no energy (looked for REF_energy, energy, dft_energy, dft_total_energy, total_energy, free_energy; present: forces, E); name its key by `energy_key` of `dataset`, or remove the structure",
        ),
        (
            "force NaN",
            Members {
                skip: "forces",
                replace: |_, p| {
                    numbers(p, "forces", &[0.0, 0.0, 0.1, f64::NAN, 0.0, -0.1], &[2, 3])
                },
            },
            "data.h5, structure 1: force on atom 1 is not a finite number; correct it or remove the structure",
        ),
        (
            "forces of three atoms",
            Members {
                skip: "forces",
                replace: |_, p| numbers(p, "forces", &[0.0; 9], &[3, 3]),
            },
            "data.h5, structure 1: `forces` has shape [3, 3], expected [2, 3]",
        ),
        (
            "positions in one row",
            Members {
                skip: "positions",
                replace: |c, _| numbers(c, "positions", &[0.0; 6], &[6]),
            },
            "data.h5, structure 1: `positions` has shape [6], expected [2, 3]",
        ),
        (
            "two energies",
            Members {
                skip: "energy",
                replace: |_, p| numbers(p, "energy", &[1.0, 2.0], &[2]),
            },
            "data.h5, structure 1: `energy` has shape [2], expected [] (one number)",
        ),
        (
            "energy is text",
            Members {
                skip: "energy",
                replace: |_, p| {
                    p.create_dataset("energy").with_vlen_strings(&["low"]);
                },
            },
            "data.h5, structure 1: `energy` is text, expected numbers",
        ),
        (
            "atomic number 119",
            Members {
                skip: "atomic_numbers",
                replace: |c, _| {
                    c.create_dataset("atomic_numbers").with_i64_data(&[1, 119]);
                },
            },
            "data.h5, structure 1: `119` is not a chemical element (a symbol such as `Fe`, or a number from 1 to 118)",
        ),
        (
            "atomic numbers are symbols",
            Members {
                skip: "atomic_numbers",
                replace: |c, _| {
                    c.create_dataset("atomic_numbers")
                        .with_vlen_strings(&["H", "H"]);
                },
            },
            "data.h5, structure 1: `atomic_numbers` is text, expected integers",
        ),
        (
            "cell of three numbers",
            Members {
                skip: "cell",
                replace: |c, _| numbers(c, "cell", &[5.0; 3], &[3]),
            },
            "data.h5, structure 1: `cell` has shape [3], expected [3, 3]",
        ),
        (
            "zero cell with pbc",
            Members {
                skip: "cell and pbc",
                replace: |c, _| {
                    numbers(c, "cell", &[0.0; 9], &[3, 3]);
                    numbers(c, "pbc", &[1.0; 3], &[3]);
                },
            },
            "data.h5, structure 1: periodic along a, b, c, but there is no cell, or an all-zero one; add the cell, or set `pbc` to false if it is not periodic",
        ),
        (
            "pbc of two values",
            Members {
                skip: "pbc",
                replace: |c, _| {
                    c.create_dataset("pbc").with_i64_data(&[1, 1]);
                },
            },
            "data.h5, structure 1: `pbc` has shape [2], expected [3]",
        ),
        (
            "stress of five numbers",
            Members {
                skip: "",
                replace: |_, p| numbers(p, "stress", &[0.0; 5], &[5]),
            },
            "data.h5, structure 1: `stress` has shape [5], expected [3, 3] or [6]",
        ),
        (
            "virial without cell",
            Members {
                skip: "",
                replace: |_, p| numbers(p, "virial", &[0.0; 9], &[3, 3]),
            },
            "data.h5, structure 1: a virial needs a cell with a volume to become a stress; add the cell or remove the virial",
        ),
    ];
    let described: Vec<Case> = cases
        .iter()
        .map(|(name, _, text)| (*name, String::new(), *text))
        .collect();
    let mut next = cases.iter();
    check(&described, |directory, _| {
        let (_, members, _) = next.next().unwrap();
        hdf5(members).write(directory.join("data.h5")).unwrap();
        error_of(directory, "data.h5", |_| {})
    });
}

#[test]
fn each_damaged_hdf5_file_ends_in_an_error_that_names_it() {
    let good = || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.h5");
        hdf5(&Members {
            skip: "",
            replace: nothing,
        })
        .write(&path)
        .unwrap();
        std::fs::read(path).unwrap()
    };
    type Damage = fn(&mut Vec<u8>);
    let cases: Vec<(&str, Damage, &str)> = vec![
        (
            "half of the file",
            |b| b.truncate(b.len() / 2),
            "2 problems in the data:\n  data.h5, structure 0: `pbc`: unexpected EOF: need 10083 bytes, have 9137: the file is damaged or incomplete, copy it or write it again\n  data.h5, structure 1: `cell`: unexpected EOF: need 10099 bytes, have 9137: the file is damaged or incomplete, copy it or write it again",
        ),
        (
            "the last byte is missing",
            |b| {
                b.pop();
            },
            "data.h5, structure 1: `pbc`: unexpected EOF: need 18275 bytes, have 18274: the file is damaged or incomplete, copy it or write it again",
        ),
        (
            "only the signature",
            |b| b.truncate(8),
            "data.h5: unexpected EOF: need 9 bytes, have 8: the file is damaged or incomplete, copy it or write it again",
        ),
        (
            "no signature",
            |b| b[0] = 0,
            "data.h5: this is not an HDF5 file (no signature)",
        ),
        (
            "zeros after the first 100 bytes",
            |b| b[100..].fill(0),
            "data.h5: checksum mismatch: expected 0x00000000, computed 0xa8189fa2: the file is damaged or incomplete, copy it or write it again",
        ),
        (
            "a text",
            |b| *b = b"1\n\nH 0 0 0\n".to_vec(),
            "data.h5: this is not an HDF5 file (no signature)",
        ),
        ("nothing", |b| b.clear(), "data.h5: the file is empty"),
    ];
    let described: Vec<Case> = cases
        .iter()
        .map(|(name, _, text)| (*name, String::new(), *text))
        .collect();
    let mut next = cases.iter();
    check(&described, |directory, _| {
        let mut bytes = good();
        (next.next().unwrap().1)(&mut bytes);
        std::fs::write(directory.join("data.h5"), bytes).unwrap();
        error_of(directory, "data.h5", |_| {})
    });
}

/// Makes each dataset in a directory of its own and compares the whole texts.
fn check(cases: &[Case], mut error: impl FnMut(&Path, &str) -> String) {
    let mut wrong = String::new();
    for (name, text, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let found = error(directory.path(), text);
        if found != *expected {
            wrong += &format!("{name}\n  expected {expected:?}\n  found    {found:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{} broken datasets", cases.len());
}
