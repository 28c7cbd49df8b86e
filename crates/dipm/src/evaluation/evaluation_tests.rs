use super::*;
use std::path::PathBuf;

/// Labels and predictions of a structure.
pub(super) struct Case {
    origin: Origin,
    config_type: Option<String>,
    atomic_numbers: Vec<u8>,
    energy: Option<[f64; 2]>,
    forces: Option<[Vec<[f64; 3]>; 2]>,
    pub stress: Option<[[[f64; 3]; 3]; 2]>,
}

impl Case {
    fn compared(&self) -> Compared<'_> {
        Compared {
            origin: &self.origin,
            config_type: self.config_type.as_deref(),
            atomic_numbers: &self.atomic_numbers,
            energy: self.energy,
            forces: self.forces.as_ref().map(|[a, b]| [&a[..], &b[..]]),
            stress: self.stress,
        }
    }
}

fn wave(phase: f64) -> f64 {
    (phase * 12.9898).sin()
}

/// Structures of 1 to 4 atoms of H and O in three classes; some labels are missing.
pub(super) fn cases(count: usize) -> Vec<Case> {
    let case = |index: usize| {
        let i = index as f64;
        let n = 1 + index % 4;
        let forces = |shift: f64| -> Vec<[f64; 3]> {
            let force = |a: usize| {
                std::array::from_fn(|k| wave(i + 0.1 * a as f64 + 0.01 * k as f64 + shift))
            };
            (0..n).map(force).collect()
        };
        let stress = |shift: f64| {
            std::array::from_fn(|j| std::array::from_fn(|k| wave(i + (3 * j + k) as f64 + shift)))
        };
        Case {
            origin: (PathBuf::from("data.xyz"), index).into(),
            config_type: (!index.is_multiple_of(3)).then(|| format!("class {}", index % 3)),
            atomic_numbers: (0..n).map(|a| if a == 1 { 8 } else { 1 }).collect(),
            energy: (!index.is_multiple_of(5)).then(|| [wave(i), wave(i + 0.01)]),
            forces: (!index.is_multiple_of(7)).then(|| [forces(0.0), forces(0.002)]),
            stress: (!index.is_multiple_of(2)).then(|| [stress(0.0), stress(0.003)]),
        }
    };
    (0..count).map(case).collect()
}

pub(super) fn evaluated<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Evaluation {
    let mut evaluation = Evaluation::default();
    cases
        .into_iter()
        .for_each(|case| evaluation.add(&case.compared()));
    evaluation
}

fn rmse(errors: &[f64]) -> f64 {
    (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

#[test]
fn sums_are_those_of_all_structures_with_labels() {
    let cases = cases(400);
    let evaluation = evaluated(&cases);
    let energies: Vec<[f64; 2]> = cases.iter().filter_map(|case| case.energy).collect();
    let errors: Vec<f64> = energies.iter().map(|[a, b]| a - b).collect();
    let summary = evaluation.energy.summary().unwrap();
    close(summary.rmse, rmse(&errors));
    assert_eq!(summary.count, errors.len() as u64);
    let per_atom: Vec<f64> = cases
        .iter()
        .filter_map(|case| Some((case.energy?, case.atomic_numbers.len() as f64)))
        .map(|([a, b], n)| (a - b) / n)
        .collect();
    close(
        evaluation.energy_per_atom.summary().unwrap().rmse,
        rmse(&per_atom),
    );
    let stress: Vec<f64> = cases
        .iter()
        .filter_map(|case| case.stress)
        .flat_map(|[a, b]| (0..9).map(move |k| a[k / 3][k % 3] - b[k / 3][k % 3]))
        .collect();
    close(evaluation.stress.summary().unwrap().rmse, rmse(&stress));
    let unlabelled =
        |case: &&Case| case.energy.is_none() && case.forces.is_none() && case.stress.is_none();
    assert_eq!(
        evaluation.num_unlabelled,
        cases.iter().filter(unlabelled).count() as u64
    );
    assert!(evaluation.num_unlabelled > 0);
    assert_eq!(evaluation.num_labelled[0], errors.len() as u64);
}

#[test]
fn forces_are_told_apart_by_element_and_by_class() {
    let cases = cases(400);
    let evaluation = evaluated(&cases);
    let errors = |wanted: &dyn Fn(&Case, u8) -> bool| -> Vec<f64> {
        let mut errors = Vec::new();
        for case in &cases {
            let Some([reference, predicted]) = &case.forces else {
                continue;
            };
            for (a, z) in case.atomic_numbers.iter().enumerate() {
                if wanted(case, *z) {
                    errors.extend((0..3).map(|k| reference[a][k] - predicted[a][k]));
                }
            }
        }
        errors
    };
    close(
        evaluation.forces.summary().unwrap().rmse,
        rmse(&errors(&|_, _| true)),
    );
    assert_eq!(evaluation.elements.keys().collect::<Vec<_>>(), [&1, &8]);
    for (z, element) in &evaluation.elements {
        let errors = errors(&|_, other| other == *z);
        close(element.forces.summary().unwrap().rmse, rmse(&errors));
        assert_eq!(element.forces.density.count(), errors.len() as u64);
    }
    let classes = evaluation.config_types.list();
    assert_eq!(classes.len(), 3);
    for (name, class) in classes {
        let is_in = |case: &Case| match &case.config_type {
            Some(class) => class == name,
            None => name == "(no config_type)",
        };
        let errors = errors(&|case, _| is_in(case));
        close(class.forces.summary().unwrap().rmse, rmse(&errors));
        assert_eq!(class.forces.density.count(), errors.len() as u64);
    }
    let atoms_with_forces: usize = cases
        .iter()
        .filter_map(|case| Some(case.forces.as_ref()?[0].len()))
        .sum();
    assert_eq!(evaluation.force_errors.count(), atoms_with_forces as u64);
}

#[test]
fn the_worst_structure_is_named_with_its_worst_atom() {
    let mut cases = cases(200);
    let forces = cases[123].forces.as_mut().unwrap();
    forces[1][2][1] += 50.0;
    cases[58].energy = Some([0.0, -40.0]);
    let evaluation = evaluated(&cases);
    let worst = evaluation.worst_forces.structures().next().unwrap();
    assert_eq!(worst.origin.index, 123);
    let atom = worst.worst_atom.unwrap();
    assert_eq!((atom.index, atom.atomic_number), (2, 1));
    assert!((atom.error - 50.0).abs() < 0.1);
    let worst = evaluation.worst_energies.structures().next().unwrap();
    assert_eq!(worst.origin.index, 58);
    close(worst.energy_error_per_atom.unwrap(), -40.0 / 3.0);
}

#[test]
fn the_number_of_classes_is_bounded() {
    let mut cases = cases(500);
    for (index, case) in cases.iter_mut().enumerate() {
        case.config_type = Some(format!("frame {index}"));
    }
    let evaluation = evaluated(&cases);
    let classes = evaluation.config_types.list();
    assert_eq!(classes.len(), MOST_CONFIG_TYPES + 1);
    assert_eq!(classes[0].0, "(further config_types)");
    let labelled = evaluation.num_structures - evaluation.num_unlabelled;
    assert_eq!(
        classes
            .iter()
            .map(|(_, class)| class.num_structures)
            .sum::<u64>(),
        labelled
    );
}
