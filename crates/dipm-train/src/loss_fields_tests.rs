use dipm_field::{Executor, Plan, grad};

use super::*;
use crate::loss::{LossTerms, Predictions};

const KINDS: [LossKind; 3] = [LossKind::Mse, LossKind::Huber, LossKind::L2mae];
const WEIGHTS: LossWeights = LossWeights {
    energy: 1.0,
    forces: 25.0,
    stress: 10.0,
};

/// Three structures with errors on both sides of the bounds of the Huber loss, and large reference
/// forces.
fn batch() -> (Labels, Predictions) {
    let number = |i: usize, scale: f64| ((i * 37 % 101) as f64 * 0.61).sin() * scale;
    let vector = |i: usize, scale: f64| [0, 1, 2].map(|k| number(3 * i + k, scale));
    let tensor = |i: usize, scale: f64| [0, 1, 2].map(|k| vector(3 * i + k, scale));
    let num_atoms = vec![3, 1, 4];
    let forces: Vec<[f64; 3]> = (0..8)
        .map(|i| vector(i, [1.0, 90.0, 160.0, 260.0][i % 4]))
        .collect();
    let predicted = (0..8).map(|i| [0, 1, 2].map(|k| forces[i][k] + number(i + k + 5, 0.02)));
    let predictions = Predictions {
        energies: (0..3).map(|g| -20.0 + number(g, 0.05)).collect(),
        forces: predicted.collect(),
        stresses: Some((0..3).map(|g| tensor(g, 0.03)).collect()),
    };
    let labels = Labels {
        num_atoms,
        weights: vec![1.0, 0.25, 2.0],
        energies: Some((0..3).map(|g| -20.0 + number(g + 9, 0.05)).collect()),
        forces: Some(forces),
        stresses: Some((0..3).map(|g| tensor(g + 4, 0.03)).collect()),
    };
    (labels, predictions)
}

/// Values of ℓE, ℓF, ℓS and the loss, and the derivatives of the loss by energies, forces, stress.
fn by_fields(kind: LossKind, labels: &Labels, predictions: &Predictions) -> [Vec<f64>; 7] {
    let graph = Graph::new();
    let energies = graph.input("energies", Space::Structures, &[1]);
    let forces = graph.input("forces", Space::Atoms, &[3]);
    let stress = graph.input("stress", Space::Structures, &[9]);
    let fields = LossFields::new(kind, energies, forces, Some(stress));
    let gradient = grad(fields.loss, &[energies, forces, stress]);
    let outputs = [
        ("energy", fields.energy),
        ("force", fields.forces),
        ("stress", fields.stress.unwrap()),
        ("loss", fields.loss),
        ("by_energies", gradient[0]),
        ("by_forces", gradient[1]),
        ("by_stress", gradient[2]),
    ];
    let mut executor = Executor::<f64>::new(Plan::new(&graph, &outputs));
    let structures: Vec<u32> = (0..3)
        .flat_map(|g| std::iter::repeat_n(g, labels.num_atoms[g as usize] as usize))
        .collect();
    let inputs = LossInputs::new(labels, &WEIGHTS, 3);
    let stresses = predictions.stresses.as_ref().unwrap();
    let bindings = Bindings::new()
        .rows(Space::Structures, 3)
        .rows(Space::Atoms, 8)
        .map(Map::AtomStructure, &structures)
        .input("energies", &predictions.energies)
        .input("forces", predictions.forces.as_flattened())
        .input("stress", stresses.as_flattened().as_flattened());
    executor.run(&inputs.bind(bindings)).unwrap();
    outputs.map(|(name, _)| executor.output(name).to_vec())
}

fn by_definition(kind: LossKind, labels: &Labels, predictions: &Predictions) -> LossTerms {
    let mut mean = LossTerms::default();
    for terms in kind.structure_terms(labels, predictions) {
        mean.add_scaled(&terms, 1.0 / 3.0);
    }
    mean
}

fn assert_close(got: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (got - expected).abs();
    assert!(
        error <= tolerance * expected.abs().max(1e-6),
        "{what}: {got} instead of {expected}"
    );
}

#[test]
fn the_fields_have_the_values_of_the_definition() {
    let (labels, predictions) = batch();
    for kind in KINDS {
        let [energy, forces, stress, loss, ..] = by_fields(kind, &labels, &predictions);
        let terms = by_definition(kind, &labels, &predictions);
        let pairs = [
            (energy, terms.energy),
            (forces, terms.forces),
            (stress, terms.stress),
            (loss, terms.weighted(&WEIGHTS)),
        ];
        for (got, expected) in pairs {
            assert_close(got[0], expected, 1e-12, &format!("{kind:?}"));
        }
    }
}

#[test]
fn the_derivatives_match_finite_differences_of_the_definition() {
    let (labels, predictions) = batch();
    let step = 1e-6;
    for kind in KINDS {
        let [_, _, _, _, by_energies, by_forces, by_stress] =
            by_fields(kind, &labels, &predictions);
        let difference = |change: &dyn Fn(&mut Predictions, f64)| {
            let at = |step: f64| {
                let mut moved = predictions.clone();
                change(&mut moved, step);
                by_definition(kind, &labels, &moved).weighted(&WEIGHTS)
            };
            (at(step) - at(-step)) / (2.0 * step)
        };
        let what = format!("{kind:?}");
        for (g, got) in by_energies.iter().enumerate() {
            let expected = difference(&|p, step| p.energies[g] += step);
            assert_close(*got, expected, 1e-5, &what);
        }
        for (i, got) in by_forces.iter().enumerate() {
            let expected = difference(&|p, step| p.forces[i / 3][i % 3] += step);
            assert_close(*got, expected, 1e-4, &what);
        }
        for (i, got) in by_stress.iter().enumerate() {
            let expected = difference(&|p, step| {
                p.stresses.as_mut().unwrap()[i / 9][i / 3 % 3][i % 3] += step;
            });
            assert_close(*got, expected, 1e-4, &what);
        }
    }
}

#[test]
fn no_error_gives_no_gradient_and_no_nan() {
    let (labels, mut predictions) = batch();
    predictions.energies = labels.energies.clone().unwrap();
    predictions.forces = labels.forces.clone().unwrap();
    predictions.stresses = labels.stresses.clone();
    for kind in KINDS {
        for values in by_fields(kind, &labels, &predictions) {
            assert!(values.iter().all(|&x| x == 0.0), "{kind:?}: {values:?}");
        }
    }
}

#[test]
fn a_missing_label_weighs_nothing() {
    let (labels, predictions) = batch();
    let without = Labels {
        forces: None,
        stresses: None,
        ..labels.clone()
    };
    let [.., by_energies, by_forces, by_stress] =
        by_fields(LossKind::Huber, &without, &predictions);
    let [.., expected, _, _] = by_fields(LossKind::Huber, &labels, &predictions);
    assert_eq!(by_energies, expected);
    assert!(by_forces.iter().chain(&by_stress).all(|&x| x == 0.0));
}
