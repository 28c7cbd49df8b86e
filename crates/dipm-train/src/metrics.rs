//! Errors over a data set, exact and independent of how it was cut into batches.
//!
//! Every sum is kept in f64 with its number of terms: energies and the loss count structures,
//! forces count atoms and three components, stress counts structures and nine components. Differs
//! from dipm 0.0.8, which averaged the means of batches after multiplying each by (structures in
//! the batch)/(mean structures a batch), so that atoms of batches with few atoms counted more in
//! `mae_f` and `rmse_f`.

use serde::{Deserialize, Serialize};

use crate::loss::{Labels, LossKind, LossTerms, Predictions};
use crate::ranks;
use crate::record::null_is_nan;
use crate::{Ranks, RanksError};

/// Σ abs(x), Σ x² and the number of errors x.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ErrorSums {
    /// Σ abs(x)
    pub absolute: f64,
    /// Σ x²
    pub squared: f64,
    /// Number of x.
    pub count: u64,
}

impl ErrorSums {
    /// Takes in one error.
    pub fn add(&mut self, error: f64) {
        self.absolute += error.abs();
        self.squared += error * error;
        self.count += 1;
    }

    /// Takes in the errors of other sums.
    pub fn merge(&mut self, other: &Self) {
        self.absolute += other.absolute;
        self.squared += other.squared;
        self.count += other.count;
    }

    /// Mean absolute and root mean square error; `None` without errors.
    pub fn summary(&self) -> Option<Errors> {
        let count = self.count as f64;
        (self.count > 0).then(|| Errors {
            mae: self.absolute / count,
            rmse: (self.squared / count).sqrt(),
        })
    }
}

/// Mean errors in the unit of the quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Mean absolute error.
    #[serde(deserialize_with = "null_is_nan")]
    pub mae: f64,
    /// Root mean square error.
    #[serde(deserialize_with = "null_is_nan")]
    pub rmse: f64,
}

/// Sums over the part of a data set seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Σ over structures of the terms of the loss.
    loss_terms: LossTerms,
    /// Structures seen.
    num_structures: u64,
    /// Atoms seen.
    num_atoms: u64,
    energy: ErrorSums,
    energy_per_atom: ErrorSums,
    forces: ErrorSums,
    stress: ErrorSums,
    stress_per_atom: ErrorSums,
}

/// Mean errors over a data set; `None` where labels or predictions are missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Means over structures of the terms of the loss.
    pub loss_terms: LossTerms,
    /// Structures.
    pub num_structures: u64,
    /// Atoms.
    pub num_atoms: u64,
    /// Of the energy of a structure, eV.
    pub energy: Option<Errors>,
    /// Of the energy over the number of atoms, eV/atom.
    pub energy_per_atom: Option<Errors>,
    /// Of force components, eV/Å.
    pub forces: Option<Errors>,
    /// Of stress components, eV/Å³.
    pub stress: Option<Errors>,
    /// Of stress components over the number of atoms, eV/Å³.
    pub stress_per_atom: Option<Errors>,
}

impl Metrics {
    /// Nothing seen.
    pub fn new() -> Self {
        Metrics::default()
    }

    /// Takes in the predictions of a batch.
    ///
    /// # Panics
    /// When labels and predictions are of different batches.
    pub fn add(&mut self, loss: LossKind, labels: &Labels, predictions: &Predictions) {
        assert_eq!(
            labels.num_atoms.len(),
            predictions.energies.len(),
            "structures of a batch"
        );
        for terms in loss.structure_terms(labels, predictions) {
            self.loss_terms.add_scaled(&terms, 1.0);
        }
        self.num_structures += labels.num_atoms.len() as u64;
        self.num_atoms += labels.num_atoms.iter().map(|&n| u64::from(n)).sum::<u64>();
        if let Some(energies) = &labels.energies {
            for (g, &num_atoms) in labels.num_atoms.iter().enumerate() {
                let error = energies[g] - predictions.energies[g];
                self.energy.add(error);
                self.energy_per_atom.add(error / f64::from(num_atoms));
            }
        }
        if let Some(forces) = &labels.forces {
            assert_eq!(forces.len(), predictions.forces.len(), "atoms of a batch");
            let pairs = forces
                .as_flattened()
                .iter()
                .zip(predictions.forces.as_flattened());
            pairs.for_each(|(force, predicted)| self.forces.add(force - predicted));
        }
        if let (Some(stresses), Some(predicted)) = (&labels.stresses, &predictions.stresses) {
            for (g, &num_atoms) in labels.num_atoms.iter().enumerate() {
                let pairs = stresses[g]
                    .as_flattened()
                    .iter()
                    .zip(predicted[g].as_flattened());
                for (stress, predicted) in pairs {
                    self.stress.add(stress - predicted);
                    self.stress_per_atom
                        .add((stress - predicted) / f64::from(num_atoms));
                }
            }
        }
    }

    /// The sums over what all ranks have seen.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn over(&self, ranks: &mut dyn Ranks) -> Result<Self, RanksError> {
        let sums = [
            &self.energy,
            &self.energy_per_atom,
            &self.forces,
            &self.stress,
            &self.stress_per_atom,
        ];
        let LossTerms {
            energy,
            forces,
            stress,
        } = self.loss_terms;
        let counts = [self.num_structures as f64, self.num_atoms as f64];
        let mut values = vec![energy, forces, stress, counts[0], counts[1]];
        values.extend(sums.iter().flat_map(|sums| {
            let ErrorSums {
                absolute,
                squared,
                count,
            } = **sums;
            [absolute, squared, count as f64]
        }));
        let values = ranks::sums(ranks, &values)?;
        let errors = |number: usize| {
            let [absolute, squared, count] = [0, 1, 2].map(|i| values[5 + 3 * number + i]);
            ErrorSums {
                absolute,
                squared,
                count: count as u64,
            }
        };
        Ok(Self {
            loss_terms: LossTerms {
                energy: values[0],
                forces: values[1],
                stress: values[2],
            },
            num_structures: values[3] as u64,
            num_atoms: values[4] as u64,
            energy: errors(0),
            energy_per_atom: errors(1),
            forces: errors(2),
            stress: errors(3),
            stress_per_atom: errors(4),
        })
    }

    /// The means; `None` when nothing was seen.
    pub fn summary(&self) -> Option<MetricSummary> {
        if self.num_structures == 0 {
            return None;
        }
        let mut loss_terms = LossTerms::default();
        loss_terms.add_scaled(&self.loss_terms, 1.0 / self.num_structures as f64);
        Some(MetricSummary {
            loss_terms,
            num_structures: self.num_structures,
            num_atoms: self.num_atoms,
            energy: self.energy.summary(),
            energy_per_atom: self.energy_per_atom.summary(),
            forces: self.forces.summary(),
            stress: self.stress.summary(),
            stress_per_atom: self.stress_per_atom.summary(),
        })
    }
}
