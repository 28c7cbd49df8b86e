//! Units that do not look like eV, eV/Å and Å.

use crate::checks::consistency::typical_force;
use crate::checks::sample::{Entry, Sample, median};
use crate::checks::{Finding, Subject};
use crate::structure::Structure;

/// A unit, and how much it is of ours.
pub(crate) struct Unit {
    pub name: &'static str,
    /// eV or eV/Å.
    pub in_ours: f64,
}

const HARTREE: f64 = 27.211_386_245_988;
pub(crate) const BOHR: f64 = 0.529_177_210_903;
const KCAL: f64 = 0.043_364_104_2;
const KJ: f64 = 0.010_364_269_7;

/// Units of energies (CODATA 2018).
pub(crate) const ENERGIES: [Unit; 5] = [
    Unit {
        name: "eV",
        in_ours: 1.0,
    },
    Unit {
        name: "Hartree",
        in_ours: HARTREE,
    },
    Unit {
        name: "kcal/mol",
        in_ours: KCAL,
    },
    Unit {
        name: "kJ/mol",
        in_ours: KJ,
    },
    Unit {
        name: "Rydberg",
        in_ours: HARTREE / 2.0,
    },
];

/// Units of forces.
pub(crate) const FORCES: [Unit; 8] = [
    Unit {
        name: "eV/Å",
        in_ours: 1.0,
    },
    Unit {
        name: "Hartree/Bohr",
        in_ours: HARTREE / BOHR,
    },
    Unit {
        name: "kcal/mol/Å",
        in_ours: KCAL,
    },
    Unit {
        name: "kJ/mol/Å",
        in_ours: KJ,
    },
    Unit {
        name: "Hartree/Å",
        in_ours: HARTREE,
    },
    Unit {
        name: "Rydberg/Bohr",
        in_ours: HARTREE / 2.0 / BOHR,
    },
    Unit {
        name: "eV/Bohr",
        in_ours: 1.0 / BOHR,
    },
    Unit {
        name: "kJ/mol/nm",
        in_ours: KJ / 10.0,
    },
];

/// Half of all atoms of a dataset feel more than this, in eV/Å, only in other units.
const LARGEST_TYPICAL_FORCE: f64 = 12.0;
/// Share by which energies of free atoms differ from those of molecules, and the formula from both.
const ENERGY_TOLERANCE: f64 = 0.03;

/// A factor as a person would write it.
pub(crate) fn factor(value: f64) -> String {
    match value >= 1.0 {
        true => format!("{value:.4}"),
        false => format!("{value:.5}, that is divide by {:.4}", 1.0 / value),
    }
}

pub(crate) fn check(sample: &Sample) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entries in sample.files() {
        let place = entries.first().map(|entry| entry.structure.origin.clone());
        let found = [energies(&entries), forces(&entries), lengths(&entries)];
        let found = found.into_iter().flatten();
        findings.extend(found.map(|finding| finding.at(place.clone())));
    }
    match findings.is_empty() {
        true => vec![Finding::note(
            Subject::Units,
            "nothing speaks against eV, eV/Å and Å",
        )],
        false => findings,
    }
}

/// Total energy of a free atom with all its electrons in Hartree, within two percent from boron on.
///
/// −0.7687 Z^(7/3) + ½ Z² − 0.2699 Z^(5/3): Schwinger, Phys. Rev. A 24, 2353 (1981).
fn all_electron_energy(atomic_number: u8) -> f64 {
    let z = f64::from(atomic_number);
    match atomic_number {
        1 => -0.5,
        _ => -0.7687 * z.powf(7.0 / 3.0) + 0.5 * z * z - 0.2699 * z.powf(5.0 / 3.0),
    }
}

/// Energies with all electrons give their unit away. Only up to neon: for heavier elements energies of valence
/// electrons in eV can look like those of all electrons in Hartree.
fn energies(entries: &[&Entry]) -> Option<Finding> {
    let light = |s: &Structure| s.num_atoms() > 1 && s.atomic_numbers.iter().all(|z| *z <= 10);
    let ratio = |entry: &&Entry| {
        let expected: f64 = entry
            .structure
            .atomic_numbers
            .iter()
            .map(|z| all_electron_energy(*z))
            .sum();
        let has_core = entry.structure.atomic_numbers.iter().any(|z| *z > 5);
        (light(&entry.structure) && has_core).then_some(entry.energy? / expected)
    };
    let mut ratios: Vec<f64> = entries.iter().filter_map(ratio).collect();
    let typical = median(&mut ratios)?;
    let others = ENERGIES.iter().skip(1).take(3);
    let unit = others.into_iter().find(|unit| {
        let expected = HARTREE / unit.in_ours;
        (typical / expected - 1.0).abs() < ENERGY_TOLERANCE
    })?;
    let what = format!(
        "energies look like {}: they are {:.1} times the sum of the energies of the free atoms with all electrons in \
         Hartree, where eV would give {HARTREE:.1}",
        unit.name, typical
    );
    let advice = format!("multiply them by {} if so", factor(unit.in_ours));
    Some(Finding::warning(Subject::Units, what, advice))
}

fn forces(entries: &[&Entry]) -> Option<Finding> {
    let typical = typical_force(entries.iter().map(|entry| &entry.structure));
    (typical > LARGEST_TYPICAL_FORCE).then(|| {
        let what = format!(
            "forces look like kcal/mol/Å or kJ/mol/Å: half of the atoms feel more than {typical:.1}"
        );
        let advice = format!(
            "forces in eV/Å are rarely above 10; multiply them by {} (kcal) or {} (kJ) if so",
            factor(KCAL),
            factor(KJ)
        );
        Finding::warning(Subject::Units, what, advice)
    })
}

/// The shortest distance of a structure with hydrogen on carbon, nitrogen or oxygen is that bond.
fn lengths(entries: &[&Entry]) -> Option<Finding> {
    const LARGEST: usize = 300;
    let bonded = |s: &&Structure| {
        let has = |list: &[u8]| s.atomic_numbers.iter().any(|z| list.contains(z));
        s.num_atoms() <= LARGEST && has(&[1]) && has(&[6, 7, 8])
    };
    let shortest = |s: &Structure| {
        let r = &s.positions;
        let pairs = (0..r.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let distance =
            |(i, j): (usize, usize)| crate::cell::norm(std::array::from_fn(|k| r[i][k] - r[j][k]));
        pairs.map(distance).fold(f64::INFINITY, f64::min)
    };
    let mut distances: Vec<f64> = entries
        .iter()
        .map(|entry| &entry.structure)
        .filter(bonded)
        .take(500)
        .map(shortest)
        .collect();
    let typical = median(&mut distances)?;
    let (unit, in_angstrom) = match typical {
        x if (1.7..2.3).contains(&x) => ("Bohr", BOHR),
        x if (0.08..0.13).contains(&x) => ("nm", 10.0),
        _ => return None,
    };
    let what = format!(
        "positions look like {unit}: the shortest distances are {typical:.2}, a bond to hydrogen has 1.0 Å"
    );
    let advice = format!("multiply positions and cells by {in_angstrom:.6} if so");
    Some(Finding::warning(Subject::Units, what, advice))
}
