use safetensors::SafeTensors;
use serde_json::Value;

use super::*;
use crate::{Metrics, Real};

/// The case `loss.*` of the golden components: three structures and an empty one that pads the
/// batch.
fn golden() -> (Labels, Predictions) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/loss.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let read =
        |name: &str| f64::read_bytes(tensors.tensor(&format!("loss.{name}")).unwrap().data());
    let real = 3;
    let num_atoms: Vec<u32> = read("n_node")[..real].iter().map(|&n| n as u32).collect();
    let atoms = num_atoms.iter().sum::<u32>() as usize;
    let vectors = |name: &str| read(name).as_chunks::<3>().0[..atoms].to_vec();
    let tensors = |name: &str| read(name).as_chunks::<3>().0.as_chunks::<3>().0[..real].to_vec();
    let labels = Labels {
        num_atoms,
        weights: read("weight")[..real].to_vec(),
        energies: Some(read("ref_energy")[..real].to_vec()),
        forces: Some(vectors("ref_forces")),
        stresses: Some(tensors("ref_stress")),
    };
    let predictions = Predictions {
        energies: read("energy")[..real].to_vec(),
        forces: vectors("forces"),
        stresses: Some(tensors("stress")),
    };
    (labels, predictions)
}

fn golden_json() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/loss.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_close(got: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (got - expected).abs() <= 1e-12 * expected.abs(),
        "{what}: {got} instead of {expected}"
    );
}

#[test]
fn the_three_losses_and_their_terms_are_the_golden_ones() {
    let (labels, predictions) = golden();
    let json = golden_json();
    let weights = LossWeights {
        energy: 1.0,
        forces: 25.0,
        stress: 10.0,
    };
    for (name, kind) in [
        ("mse", LossKind::Mse),
        ("huber", LossKind::Huber),
        ("l2mae", LossKind::L2mae),
    ] {
        let case = &json[format!("loss.{name}")];
        let terms = kind.structure_terms(&labels, &predictions);
        let mean = terms
            .iter()
            .map(|terms| terms.weighted(&weights))
            .sum::<f64>()
            / 3.0;
        for (g, terms) in terms.iter().enumerate() {
            assert_close(terms.energy, &case["energy_term"][g], name);
            assert_close(terms.forces, &case["forces_term"][g], name);
            assert_close(terms.stress, &case["stress_term"][g], name);
        }
        assert_close(mean, &case["loss"], name);
    }
}

#[test]
fn the_metrics_are_the_golden_ones_however_the_set_is_cut_into_batches() {
    let (labels, predictions) = golden();
    let expected = &golden_json()["loss.mse"]["metrics"];
    let mut cut = Metrics::new();
    let mut first = 0;
    for (g, &num_atoms) in labels.num_atoms.iter().enumerate() {
        let atoms = first..first + num_atoms as usize;
        first = atoms.end;
        let labels = Labels {
            num_atoms: vec![num_atoms],
            weights: vec![labels.weights[g]],
            energies: labels.energies.as_ref().map(|x| vec![x[g]]),
            forces: labels.forces.as_ref().map(|x| x[atoms.clone()].to_vec()),
            stresses: labels.stresses.as_ref().map(|x| vec![x[g]]),
        };
        let predictions = Predictions {
            energies: vec![predictions.energies[g]],
            forces: predictions.forces[atoms].to_vec(),
            stresses: predictions.stresses.as_ref().map(|x| vec![x[g]]),
        };
        cut.add(LossKind::Mse, &labels, &predictions);
    }
    let mut whole = Metrics::new();
    whole.add(LossKind::Mse, &labels, &predictions);
    for metrics in [whole, cut] {
        let summary = metrics.summary().unwrap();
        let pairs = [
            (summary.energy, "e"),
            (summary.energy_per_atom, "e_per_atom"),
            (summary.forces, "f"),
            (summary.stress, "stress"),
            (summary.stress_per_atom, "stress_per_atom"),
        ];
        for (errors, name) in pairs {
            let errors = errors.unwrap();
            assert_close(errors.mae, &expected[format!("mae_{name}")], name);
            assert_close(errors.rmse.powi(2), &expected[format!("mse_{name}")], name);
        }
    }
}

#[test]
fn a_large_reference_force_narrows_the_quadratic_part() {
    let factors = [
        (99.9, 1.0),
        (100.0, 0.1),
        (150.0, 0.7),
        (200.0, 0.1),
        (250.0, 0.4),
        (300.0, 0.1),
        (1e3, 0.1),
    ];
    for (length, factor) in factors {
        assert_eq!(
            huber_force_delta(&[0.0, -length, 0.0]),
            HUBER_DELTA * factor,
            "{length}"
        );
    }
}

#[test]
fn two_stages_switch_where_the_reference_does() {
    let weights = [
        LossWeights {
            energy: 1.0,
            forces: 25.0,
            stress: 0.0,
        },
        LossWeights {
            energy: 100.0,
            forces: 1.0,
            stress: 0.0,
        },
    ];
    // 0.29 · 100 is 28.999… in binary: truncation gives 28.
    for splits in [&[0.29, 0.71][..], &[0.29]] {
        let loss = LossConfig::staged(LossKind::Mse, splits, 100, &weights).unwrap();
        assert_eq!(
            [0, 1, 28, 29, 100].map(|epoch| loss.stage(epoch)),
            [0, 0, 0, 1, 1]
        );
        assert_eq!(loss.weights(29), weights[1]);
    }
}

#[test]
fn any_number_of_stages_can_be_given() {
    let weights: Vec<_> = (0..4)
        .map(|i| LossWeights {
            energy: f64::from(i),
            ..LossWeights::default()
        })
        .collect();
    let loss = LossConfig::staged(LossKind::Huber, &[0.25, 0.25, 0.25], 8, &weights).unwrap();
    let stages: Vec<_> = (1..=8).map(|epoch| loss.stage(epoch)).collect();
    assert_eq!(stages, [0, 0, 1, 1, 2, 2, 3, 3]);
}

#[test]
fn stages_that_do_not_fit_are_refused() {
    let one = [LossWeights::default()];
    let two = [LossWeights::default(); 2];
    let negative = [LossWeights {
        forces: -1.0,
        ..LossWeights::default()
    }];
    for (splits, weights) in [
        (&[][..], &two[..]),
        (&[0.5, 0.5, 0.5], &two),
        (&[1.5], &two),
        (&[0.8, 0.8], &two),
        (&[0.5, 0.5], &one),
        (&[], &negative),
        (&[], &[]),
    ] {
        let result = LossConfig::staged(LossKind::Mse, splits, 10, weights);
        assert!(
            matches!(result, Err(TrainError::Config { .. })),
            "{splits:?} {weights:?}"
        );
    }
}
