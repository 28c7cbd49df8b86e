//! The findings of a check: silent on real data, loud on the same data made wrong.

use std::path::{Path, PathBuf};

use dipm_data::{
    DatasetOptions, DatasetPaths, Finding, LabelKeys, Severity, Splits, Structure, StructureFile,
    Subject, XyzWriter, check, prepare,
};

const EV_PER_HARTREE: f64 = 27.211_386_245_988;
const KCAL_PER_EV: f64 = 23.060_547_8;
const BOHR: f64 = 0.529_177_210_903;

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

const ACAC: &str = "../shared/data/acac/train_300K.xyz";
const CARBON: &str = "../shared/data/carbon/carbon_reduced_100.xyz";
const ETHANOL: &str = "data/quickstart/ethanol_train.h5";

/// Findings for a file whose structures are changed first.
fn findings(
    name: &str,
    with_stress: bool,
    change: impl Fn(usize, &mut Structure),
) -> Option<Vec<Finding>> {
    let file = StructureFile::open(data(name)?).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changed.xyz");
    let mut writer = XyzWriter::create(&path).unwrap();
    for i in 0..file.len() {
        let (mut structure, _) = file.read(i, &LabelKeys::default()).unwrap();
        change(i, &mut structure);
        writer.write(&structure).unwrap();
    }
    writer.finish().unwrap();
    let mut options = DatasetOptions::new(DatasetPaths::single(path));
    options.splits = Some(Splits::Fractions([0.8, 0.1, 0.1]));
    options.required.stress = with_stress;
    let found = check(&prepare(&options).unwrap(), &options).unwrap();
    found
        .iter()
        .for_each(|f| println!("{:8} {:16} {f}", f.severity, f.subject));
    Some(found)
}

fn worst(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .filter(|f| f.severity > Severity::Note)
        .collect()
}

fn scale_forces(structure: &mut Structure, factor: f64) {
    let forces = structure.forces.iter_mut().flatten().flatten();
    forces.for_each(|x| *x *= factor);
}

fn scale_energy(structure: &mut Structure, factor: f64) {
    structure.energy = structure.energy.map(|e| e * factor);
}

/// The finding about a subject that is no note, with these words.
fn expect(findings: Option<Vec<Finding>>, subject: Subject, severity: Severity, words: &[&str]) {
    let Some(findings) = findings else { return };
    let found = findings
        .iter()
        .find(|f| f.subject == subject && f.severity == severity);
    let found = found
        .unwrap_or_else(|| panic!("no {severity} about {subject}"))
        .to_string();
    words
        .iter()
        .for_each(|word| assert!(found.contains(word), "{word} in {found}"));
}

#[test]
fn real_data_give_no_alarm() {
    for (name, with_stress) in [(ACAC, false), (CARBON, true), (ETHANOL, false)] {
        println!("{name}");
        let Some(findings) = findings(name, with_stress, |_, _| {}) else {
            continue;
        };
        assert_eq!(worst(&findings), Vec::<&Finding>::new());
    }
}

#[test]
fn forces_in_other_units_are_found() {
    for name in [ACAC, ETHANOL] {
        let change = |_: usize, s: &mut Structure| scale_forces(s, KCAL_PER_EV);
        expect(
            findings(name, false, change),
            Subject::Forces,
            Severity::Error,
            &["kcal/mol/Å", "23.06"],
        );
        let change = |_: usize, s: &mut Structure| scale_forces(s, BOHR / EV_PER_HARTREE);
        expect(
            findings(name, false, change),
            Subject::Forces,
            Severity::Error,
            &["Hartree/Bohr", "51.42"],
        );
    }
}

#[test]
fn gradients_instead_of_forces_are_found() {
    for name in [ACAC, ETHANOL] {
        let change = |_: usize, s: &mut Structure| scale_forces(s, -1.0);
        expect(
            findings(name, false, change),
            Subject::Forces,
            Severity::Error,
            &["gradients", "−1"],
        );
    }
}

#[test]
fn energies_in_other_units_are_found() {
    let hartree = |_: usize, s: &mut Structure| scale_energy(s, 1.0 / EV_PER_HARTREE);
    let found = findings(ACAC, false, hartree);
    expect(
        found.clone(),
        Subject::Units,
        Severity::Warning,
        &["energies look like Hartree", "27.21"],
    );
    expect(
        found,
        Subject::Forces,
        Severity::Error,
        &["energies in Hartree", "27.2114"],
    );
    expect(
        findings(ETHANOL, false, hartree),
        Subject::Forces,
        Severity::Error,
        &["Hartree", "27.2114"],
    );
    // energies and forces of one program, both in its units
    let atomic_units = |_: usize, s: &mut Structure| {
        scale_energy(s, 1.0 / EV_PER_HARTREE);
        scale_forces(s, BOHR / EV_PER_HARTREE);
    };
    let words = [
        "energies in Hartree (multiply them by 27.2114) with forces in Hartree/Bohr (multiply them by 51.4221)",
    ];
    for name in [ACAC, ETHANOL] {
        expect(
            findings(name, false, atomic_units),
            Subject::Forces,
            Severity::Error,
            &words,
        );
    }
    let kcal = |_: usize, s: &mut Structure| {
        scale_energy(s, KCAL_PER_EV);
        scale_forces(s, KCAL_PER_EV);
    };
    let found = findings(ACAC, false, kcal);
    expect(
        found.clone(),
        Subject::Units,
        Severity::Warning,
        &["energies look like kcal/mol"],
    );
    expect(found, Subject::Units, Severity::Warning, &["kcal/mol"]);
}

#[test]
fn positions_in_bohr_are_found() {
    let bohr = |_: usize, s: &mut Structure| {
        s.positions.iter_mut().flatten().for_each(|x| *x /= BOHR);
    };
    for name in [ACAC, ETHANOL] {
        let words = ["positions look like Bohr", "0.529177"];
        let found = findings(name, false, bohr);
        expect(found, Subject::Units, Severity::Warning, &words);
    }
}

#[test]
fn a_stress_of_wrong_sign_or_unit_is_found() {
    let scaled = |factor: f64| {
        move |_: usize, s: &mut Structure| {
            let numbers = s.stress.iter_mut().flatten().flatten();
            numbers.for_each(|x| *x *= factor);
        }
    };
    expect(
        findings(CARBON, true, scaled(-1.0)),
        Subject::Stress,
        Severity::Error,
        &["sign is wrong"],
    );
    expect(
        findings(CARBON, false, scaled(-1.0)),
        Subject::Stress,
        Severity::Warning,
        &["sign is wrong"],
    );
    expect(
        findings(CARBON, true, scaled(160.217_663_4)),
        Subject::Stress,
        Severity::Error,
        &["GPa"],
    );
    expect(
        findings(CARBON, true, scaled(-1_602.176_634)),
        Subject::Stress,
        Severity::Error,
        &["kbar", "sign"],
    );
}

#[test]
fn outliers_are_named() {
    let change = |i: usize, s: &mut Structure| match i {
        7 => s.energy = s.energy.map(|e| e + 100.0),
        11 => s
            .forces
            .iter_mut()
            .flatten()
            .take(1)
            .for_each(|f| f[0] = 900.0),
        _ => {}
    };
    let found = findings(ACAC, false, change);
    expect(
        found.clone(),
        Subject::Outliers,
        Severity::Warning,
        &["1 structure has an energy", "structure 7"],
    );
    let Some(found) = found else { return };
    let forces = found
        .iter()
        .any(|f| f.what.contains("has a force above") && f.places[0].index == 11);
    assert!(forces, "{found:?}");
}

#[test]
fn turned_and_reordered_copies_are_duplicates() {
    let Some(path) = data(ETHANOL) else { return };
    let file = StructureFile::open(path).unwrap();
    let read = |i: usize| file.read(i, &LabelKeys::default()).unwrap().0;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("copies.xyz");
    let mut writer = XyzWriter::create(&path).unwrap();
    for i in 0..20 {
        writer.write(&read(i)).unwrap();
    }
    // turned about z, mirrored, atoms reversed, rounded as files are
    let mut copy = read(3);
    let (sin, cos) = 0.7_f64.sin_cos();
    for vectors in [&mut copy.positions, copy.forces.as_mut().unwrap()] {
        for v in vectors.iter_mut() {
            *v = [cos * v[0] - sin * v[1], sin * v[0] + cos * v[1], 1.5 - v[2]];
            *v = v.map(|x| (x * 1e6).round() / 1e6);
        }
        vectors.reverse();
    }
    copy.atomic_numbers.reverse();
    writer.write(&copy).unwrap();
    writer.finish().unwrap();
    let mut options = DatasetOptions::new(DatasetPaths::single(path));
    options.splits = Some(Splits::Counts([20, 1, 0]));
    let prepared = prepare(&options).unwrap();
    let found = check(&prepared, &options).unwrap();
    let found = found
        .iter()
        .find(|f| f.subject == Subject::Duplicates)
        .unwrap();
    assert!(
        found
            .what
            .starts_with("1 structure occurs in two sets, for example in train and valid"),
        "{found}"
    );
    assert_eq!([found.places[0].index, found.places[1].index], [3, 20]);
}

#[test]
fn elements_that_a_set_lacks_and_lonely_atoms_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("few.xyz");
    let frame = |z: &str, far: f64, energy: f64| {
        format!(
            "3\nProperties=species:S:1:pos:R:3:forces:R:3 energy={energy}\nH 0 0 0 0 0 0.1\n{z} 0 0 1.1 0 0 -0.1\nH 0 0 {far} 0 0 0\n"
        )
    };
    let text = [
        frame("O", 2.0, -1.0),
        frame("S", 9.0, -2.0),
        frame("O", 2.1, -1.1),
    ]
    .concat();
    std::fs::write(&path, text).unwrap();
    let mut options = DatasetOptions::new(DatasetPaths::single(&path));
    options.splits = Some(Splits::Counts([2, 1, 0]));
    let found = check(&prepare(&options).unwrap(), &options).unwrap();
    let words = ["the valid set has no S"];
    expect(
        Some(found.clone()),
        Subject::Elements,
        Severity::Warning,
        &words,
    );
    let words = ["1 of 9 atoms have no neighbour within 5 Å", "structure 1"];
    expect(
        Some(found.clone()),
        Subject::Neighbors,
        Severity::Warning,
        &words,
    );
    let rank = found
        .iter()
        .find(|f| f.subject == Subject::AtomicEnergies)
        .unwrap();
    assert!(rank.what.contains("determine 2 of 3"), "{rank}");
}

#[test]
fn forces_that_are_all_zero_are_an_error_where_they_are_trained_on() {
    let change = |_: usize, s: &mut Structure| scale_forces(s, 0.0);
    expect(
        findings(ETHANOL, false, change),
        Subject::Labels,
        Severity::Error,
        &["every force is zero"],
    );
}

#[test]
fn one_file_in_other_units_is_found_and_named() {
    let Some(path) = data(ETHANOL) else { return };
    let file = StructureFile::open(&path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.xyz");
    let mut writer = XyzWriter::create(&other).unwrap();
    for i in 0..40 {
        let (mut structure, _) = file.read(i, &LabelKeys::default()).unwrap();
        scale_forces(&mut structure, KCAL_PER_EV);
        writer.write(&structure).unwrap();
    }
    writer.finish().unwrap();
    let mut options = DatasetOptions::new(DatasetPaths::single(path));
    options.valid = Some(DatasetPaths::single(other));
    let found = check(&prepare(&options).unwrap(), &options).unwrap();
    for (subject, severity) in [
        (Subject::Units, Severity::Warning),
        (Subject::Forces, Severity::Error),
    ] {
        let words = ["kcal/mol/Å", "other.xyz"];
        expect(Some(found.clone()), subject, severity, &words);
    }
    let words = ["40 structures occur in two sets", "ethanol_train.h5"];
    expect(Some(found), Subject::Duplicates, Severity::Warning, &words);
}
