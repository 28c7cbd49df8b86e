//! The pass over the data: exclusions, errors, splits, tasks and the report.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use dipm_data::{
    Amount, AtomicEnergies, DataError, DatasetOptions, DatasetPaths, LabelKeys, Role, Splits,
    expand_paths, prepare,
};
use tempfile::TempDir;

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

/// A hydrogen molecule of this length with labels.
fn molecule(length: f64, labels: &str) -> String {
    format!(
        "2\nProperties=species:S:1:pos:R:3:forces:R:3 {labels}\nH 0 0 0 0.1 0 0\nH 0 0 {length} -0.1 0 0\n"
    )
}

fn molecules(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        let length = 0.7 + 0.001 * i as f64;
        write!(
            text,
            "{}",
            molecule(length, &format!("energy={}", -1.0 - length))
        )
        .unwrap();
        text
    })
}

struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self, name: &str) -> DatasetOptions {
        DatasetOptions::new(DatasetPaths::single(self.path(name)))
    }
}

fn error_of(text: &str) -> String {
    let files = Files::new(&[("data.xyz", text)]);
    let error = prepare(&files.options("data.xyz")).unwrap_err().to_string();
    error.replace(&format!("{}/", files.0.path().display()), "")
}

#[test]
fn a_missing_label_is_an_error_that_names_the_keys_present() {
    let text = molecules(3) + &molecule(0.9, "Energy_total=-2 note=x");
    let error = error_of(&text);
    assert!(
        error.starts_with("data.xyz, structure 3: no energy (looked for REF_energy"),
        "{error}"
    );
    assert!(
        error.contains("present: forces, Energy_total, note)"),
        "{error}"
    );
    let error = error_of("2\nenergy=1\nH 0 0 0\nH 0 0 1\n");
    assert!(error.contains("structure 0: no forces"), "{error}");
}

#[test]
fn several_problems_are_reported_together() {
    let text = molecules(2)
        + &molecule(0.9, "")
        + &molecule(0.8, "energy=inf")
        + "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=1\nH 0 0 0 nan 0 0\nH 0 0 1 0 0 0\n";
    let error = error_of(&text);
    assert!(error.starts_with("3 problems in the data:"), "{error}");
    for part in [
        "structure 2: no energy",
        "structure 3: energy is not",
        "force on atom 0 is not",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let many = prepare(&Files::new(&[("a.xyz", &molecule(0.9, "").repeat(50))]).options("a.xyz"));
    let many = many.unwrap_err().to_string();
    assert!(
        many.contains("50 problems") && many.contains("and 30 more"),
        "{many}"
    );
}

#[test]
fn stress_is_required_on_demand() {
    let files = Files::new(&[("data.xyz", &molecules(2))]);
    let mut options = files.options("data.xyz");
    options.required.stress = true;
    let error = prepare(&options).unwrap_err().to_string();
    assert!(
        error.contains("no stress (looked for REF_stress"),
        "{error}"
    );
    options.required = dipm_data::RequiredLabels {
        energy: true,
        forces: false,
        stress: false,
    };
    options.label_keys = LabelKeys {
        forces: vec!["nothing".to_owned()],
        ..LabelKeys::default()
    };
    let prepared = prepare(&options).unwrap();
    assert!(prepared.train.structure(0).unwrap().forces.is_none());
}

#[test]
fn energies_may_be_absent_when_they_are_not_required() {
    let partly = molecules(2) + &molecule(0.9, "").replace("H 0 0 0 ", "O 0 0 0 ");
    let files = Files::new(&[("partly.xyz", &partly), ("none.xyz", &molecule(0.9, ""))]);
    let mut options = files.options("partly.xyz");
    options.required.energy = false;
    let prepared = prepare(&options).unwrap();
    let findings = dipm_data::check(&prepared, &options).unwrap();
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let is_said = texts
        .iter()
        .any(|text| text.contains("only 2 of 3 structures have energy"));
    assert!(is_said, "{texts:?}");
    assert_eq!(prepared.train.structure(2).unwrap().energy, None, "never 0");
    let AtomicEnergies::Single(energies) = prepared.info.atomic_energies_map else {
        panic!()
    };
    assert!(energies[&1] < 0.0 && energies[&8] == 0.0);
    options.train = DatasetPaths::single(files.path("none.xyz"));
    let prepared = prepare(&options).unwrap();
    assert!(prepared.report.to_string().contains("no energies to fit"));
}

#[test]
fn missing_and_empty_files_are_errors() {
    let files = Files::new(&[
        ("data.xyz", &molecules(2)),
        ("empty.xyz", ""),
        ("sub/readme.txt", ""),
    ]);
    let mut options = files.options("absent.xyz");
    assert!(matches!(
        prepare(&options).unwrap_err(),
        DataError::Io { .. }
    ));
    options = files.options("empty.xyz");
    assert!(
        prepare(&options)
            .unwrap_err()
            .to_string()
            .contains("empty.xyz: the file is empty")
    );
    options = files.options("sub");
    assert!(
        prepare(&options)
            .unwrap_err()
            .to_string()
            .contains("no .hdf5, .h5, .xyz")
    );
    options = files.options("data.xyz");
    options.train = DatasetPaths::Paths(Vec::new());
    assert!(prepare(&options).is_err());
    options = files.options("data.xyz");
    options.cutoff = 0.1;
    let error = prepare(&options).unwrap_err().to_string();
    assert!(error.contains("the train set has no structures"), "{error}");
}

#[test]
fn structures_without_edges_and_free_atoms_are_left_out_and_counted() {
    let text = molecules(4)
        + "1\nconfig_type=IsolatedAtom energy=-0.5\nH 0 0 0\n"
        + &molecule(50.0, "energy=-1");
    let files = Files::new(&[("data.xyz", &text)]);
    let prepared = prepare(&files.options("data.xyz")).unwrap();
    assert_eq!(prepared.train.len(), 4);
    assert_eq!(prepared.info.avg_num_neighbors, 1.0);
    assert_eq!(prepared.report.isolated_atoms[&1], -0.5);
    let shown = prepared.report.to_string();
    assert!(shown.contains("left out: 1 (isolated atom)"), "{shown}");
    assert!(
        shown.contains("left out: 1 (no two atoms within the cutoff)"),
        "{shown}"
    );
    assert!(shown.contains("isolated atoms [eV]: H -0.5000"), "{shown}");
}

#[test]
fn structures_too_large_for_a_batch_are_left_out() {
    let large = "3\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1\nH 0 0 0 0 0 0\n\
                 H 0 0 1 0 0 0\nH 0 0 2 0 0 0\n";
    let files = Files::new(&[("data.xyz", &(molecules(4) + large))]);
    let mut options = files.options("data.xyz");
    options.batch_size = 1;
    options.max_n_node = Some(2);
    let prepared = prepare(&options).unwrap();
    assert_eq!((prepared.train.len(), prepared.info.max_num_nodes), (4, 2));
    options.max_n_node = None;
    options.max_n_edge = Some(2);
    assert_eq!(prepare(&options).unwrap().train.len(), 4);
    options.max_n_edge = Some(3);
    assert_eq!(prepare(&options).unwrap().train.len(), 5);
}

#[test]
fn splits_are_contiguous_and_subsets_are_seeded() {
    let files = Files::new(&[("data.xyz", &molecules(20))]);
    let mut options = files.options("data.xyz");
    options.splits = Some(Splits::Fractions([0.5, 0.25, 0.25]));
    options.num_to_load = [Some(Amount::Count(4)), Some(Amount::Fraction(0.6)), None];
    let prepared = prepare(&options).unwrap();
    let places =
        |d: &dipm_data::Dataset| (0..d.len()).map(|i| d.origin(i).index).collect::<Vec<_>>();
    let train = places(&prepared.train);
    assert_eq!(train.len(), 4);
    assert!(
        train.is_sorted() && train.iter().all(|i| *i < 10),
        "{train:?}"
    );
    assert_eq!(
        train,
        places(&prepare(&options).unwrap().train),
        "the same seed"
    );
    assert_eq!(places(prepared.valid.as_ref().unwrap()).len(), 3);
    assert_eq!(
        places(prepared.test.as_ref().unwrap()),
        [15, 16, 17, 18, 19]
    );
    assert_eq!(prepared.info.avg_num_nodes, 2.0);
    options.seed = 1;
    assert_ne!(train, places(&prepare(&options).unwrap().train));
    options.random_subset = false;
    assert_eq!(places(&prepare(&options).unwrap().train), [0, 1, 2, 3]);
    options.splits = Some(Splits::Counts([20, 0, 0]));
    let error = prepare(&options).unwrap_err().to_string();
    assert!(error.contains("the valid set has no structures"), "{error}");
    options.valid = Some(DatasetPaths::single(files.path("data.xyz")));
    assert!(
        prepare(&options)
            .unwrap_err()
            .to_string()
            .contains("excludes")
    );
}

#[test]
fn splits_without_a_test_part_go_with_test_files() {
    let files = Files::new(&[("data.xyz", &molecules(20)), ("test.xyz", &molecules(3))]);
    let mut options = files.options("data.xyz");
    options.splits = Some(Splits::Fractions([0.9, 0.1, 0.0]));
    assert!(prepare(&options).unwrap().test.is_none());
    options.test = Some(DatasetPaths::single(files.path("test.xyz")));
    let prepared = prepare(&options).unwrap();
    assert_eq!(
        [
            prepared.train,
            prepared.valid.unwrap(),
            prepared.test.unwrap()
        ]
        .map(|d| d.len()),
        [18, 2, 3]
    );
    options.splits = Some(Splits::Counts([10, 5, 5]));
    let error = prepare(&options).unwrap_err().to_string();
    assert!(error.contains("third number 0"), "{error}");
}

#[test]
fn unknown_elements_in_the_validation_set_are_an_error() {
    let valid = molecule(0.8, "energy=-1").replace("H 0 0 0 ", "Na 0 0 0 ");
    let files = Files::new(&[("train.xyz", &molecules(3)), ("valid.xyz", &valid)]);
    let mut options = files.options("train.xyz");
    options.valid = Some(DatasetPaths::single(files.path("valid.xyz")));
    let error = prepare(&options).unwrap_err().to_string();
    assert!(
        error.contains("valid.xyz, structure 0: element Na is not among"),
        "{error}"
    );
}

#[test]
fn equal_structures_within_and_between_sets_are_reported() {
    let files = Files::new(&[
        ("train.xyz", &(molecules(3) + &molecules(1))),
        ("valid.xyz", &molecules(2)),
    ]);
    let mut options = files.options("train.xyz");
    options.valid = Some(DatasetPaths::single(files.path("valid.xyz")));
    let report = prepare(&options).unwrap().report;
    assert_eq!(
        (report.num_duplicates_within, report.num_duplicates_between),
        (1, 2)
    );
    let duplicate = &report.duplicates[0];
    assert_eq!((duplicate.first.1.index, duplicate.second.1.index), (0, 3));
    assert_eq!(
        (report.duplicates[1].first.0, report.duplicates[1].second.0),
        (Role::Train, Role::Valid)
    );
}

#[test]
fn tasks_have_energies_of_their_own() {
    let heavy = molecules(3)
        .replace("H 0 0 0 ", "O 0 0 0 ")
        .replace("energy=-", "energy=-7");
    let files = Files::new(&[("a.xyz", &molecules(3)), ("b.xyz", &heavy)]);
    let mut options = files.options("a.xyz");
    options.train = DatasetPaths::Tasks(vec![
        ("light".to_owned(), vec![files.path("a.xyz")]),
        ("heavy".to_owned(), vec![files.path("b.xyz")]),
    ]);
    options.valid = Some(DatasetPaths::Tasks(vec![
        ("heavy".to_owned(), vec![files.path("b.xyz")]),
        ("light".to_owned(), vec![files.path("a.xyz")]),
    ]));
    let prepared = prepare(&options).unwrap();
    assert_eq!(
        prepared.info.task_list,
        Some(vec!["light".to_owned(), "heavy".to_owned()])
    );
    let AtomicEnergies::PerTask(energies) = &prepared.info.atomic_energies_map else {
        panic!()
    };
    assert!(energies[&8][0].is_nan() && energies[&8][1] < 0.0);
    assert_eq!(prepared.valid.unwrap().structure(0).unwrap().task, Some(1));
    options.valid = Some(DatasetPaths::single(files.path("a.xyz")));
    assert!(
        prepare(&options)
            .unwrap_err()
            .to_string()
            .contains("same tasks")
    );
}

#[test]
fn a_directory_is_searched_recursively_in_a_fixed_order() {
    let files = Files::new(&[
        ("b.xyz", ""),
        ("a/z.extxyz", ""),
        ("a/c.xyz", ""),
        ("z.hdf5", ""),
        ("a/b/y.h5", ""),
        ("notes.txt", ""),
    ]);
    let found = expand_paths(&[files.0.path().to_owned(), files.path("notes.txt")]).unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|p| p.strip_prefix(files.0.path()).unwrap())
        .collect();
    let expected = [
        "z.hdf5",
        "a/b/y.h5",
        "a/c.xyz",
        "b.xyz",
        "a/z.extxyz",
        "notes.txt",
    ];
    assert_eq!(names, expected.map(Path::new));
}

#[test]
fn the_table_shows_what_is_in_the_files() {
    let (Some(train), Some(test)) = (
        shared("data/acac/train_300K.xyz"),
        shared("data/acac/test_MD_300K.xyz"),
    ) else {
        return;
    };
    let mut options = DatasetOptions::new(DatasetPaths::single(train));
    options.splits = Some(Splits::Counts([450, 40, 10]));
    let prepared = prepare(&options).unwrap();
    let start = Instant::now();
    assert_eq!(
        prepare(&options).unwrap().info,
        prepared.info,
        "reproducible"
    );
    println!("500 structures in {:?}", start.elapsed());
    let table = prepared.report.to_string();
    println!("{table}");
    for part in [
        "7500 atoms",
        "12.13 edges/atom",
        "H, C, O",
        "energy/atom [eV]   energy   ",
        "force norm [eV/Å]  forces   ",
        "-626.1176     -626.0925     -626.0602",
        "none",
    ] {
        assert!(table.contains(part), "{part}");
    }
    assert!(table.contains("train 450, valid 40, test 10"));
    assert!(table.lines().all(|line| line.chars().count() <= 100));
    options.splits = None;
    options.test = Some(DatasetPaths::single(test));
    println!("{}", prepare(&options).unwrap().report);
}

#[test]
fn the_carbon_set_is_read_with_its_own_key_names() {
    let Some(path) = shared("data/carbon") else {
        return;
    };
    let mut options = DatasetOptions::new(DatasetPaths::single(path));
    options.required.stress = true;
    let prepared = prepare(&options).unwrap();
    println!("{}", prepared.report);
    let labels = &prepared.report.files[0].labels;
    assert!(labels.forces.contains_key("force") && labels.stress.contains_key("virial"));
    let structure = prepared.train.structure(0).unwrap();
    let volume = structure.volume().unwrap();
    assert!((structure.stress.unwrap()[0][0] + 17.67401361 / volume).abs() < 1e-12);
}
