//! What is minimised: the three losses, their weights, and the stages of the weights.
//!
//! The loss of a batch is the mean over its structures g of
//! c_E·ℓE_g + c_F·ℓF_g + c_S·ℓS_g, with weights c that depend on the epoch. With N_g atoms, weight
//! w_g of the structure, energies E in eV, forces F in eV/Å, stress S in eV/Å³ and predictions
//! marked by a hat:
//!
//! | kind | ℓE_g | ℓF_g | ℓS_g |
//! |---|---|---|---|
//! | mse | w·((E−Ê)/N)² | w/N · Σ_i ⅓ Σ_a (F−F̂)² | w · mean of 9 (S−Ŝ)² |
//! | huber | w·H_δ((E−Ê)/N) | w/N · Σ_i ⅓ Σ_a H_δᵢ(F−F̂) | w · mean of 9 H_δ(S−Ŝ) |
//! | l2mae | w·abs(E−Ê)/N | w/N · Σ_i ‖F−F̂‖₂ | w·‖S−Ŝ‖ (Frobenius) |
//!
//! H_δ(x) = ½x² for abs(x) ≤ δ, else δ·(abs(x) − ½δ), δ = 0.01; δᵢ is smaller for large forces,
//! see [`huber_force_delta`]. The functions here are the definition, in f64; the engine computes
//! the same from fields.

use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::record::null_is_nan;

/// δ of the Huber loss, for energies per atom in eV, forces in eV/Å and stress in eV/Å³.
pub const HUBER_DELTA: f64 = 0.01;

/// Which of the three losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// Mean squared errors.
    Mse,
    /// Squared for small errors, linear for large ones.
    Huber,
    /// Absolute errors of energies, lengths of force errors.
    L2mae,
}

/// Weights c of the three terms of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossWeights {
    /// c_E
    pub energy: f64,
    /// c_F
    pub forces: f64,
    /// c_S
    pub stress: f64,
}

impl Default for LossWeights {
    fn default() -> Self {
        LossWeights {
            energy: 1.0,
            forces: 25.0,
            stress: 0.0,
        }
    }
}

/// The three terms of a loss before weighting: means over structures of ℓE, ℓF, ℓS.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LossTerms {
    /// ℓE
    #[serde(deserialize_with = "null_is_nan")]
    pub energy: f64,
    /// ℓF; 0 without reference forces.
    #[serde(deserialize_with = "null_is_nan")]
    pub forces: f64,
    /// ℓS; 0 without reference or predicted stress.
    #[serde(deserialize_with = "null_is_nan")]
    pub stress: f64,
}

impl LossTerms {
    /// c_E·ℓE + c_F·ℓF + c_S·ℓS
    pub fn weighted(&self, weights: &LossWeights) -> f64 {
        weights.energy * self.energy + weights.forces * self.forces + weights.stress * self.stress
    }

    /// Adds `other` times `factor`.
    pub fn add_scaled(&mut self, other: &LossTerms, factor: f64) {
        self.energy += factor * other.energy;
        self.forces += factor * other.forces;
        self.stress += factor * other.stress;
    }
}

/// Epochs that share weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossStage {
    /// Last epoch of the stage, counted from 1; `None` in the last stage.
    pub last_epoch: Option<u64>,
    /// The weights of the stage.
    pub weights: LossWeights,
}

/// The loss of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossConfig {
    /// Which loss.
    pub kind: LossKind,
    /// Stages in order, at least one.
    pub stages: Vec<LossStage>,
}

impl LossConfig {
    /// One stage with the default weights 1, 25, 0.
    pub fn new(kind: LossKind) -> Self {
        LossConfig::constant(kind, LossWeights::default())
    }

    /// One stage.
    pub fn constant(kind: LossKind, weights: LossWeights) -> Self {
        LossConfig {
            kind,
            stages: vec![LossStage {
                last_epoch: None,
                weights,
            }],
        }
    }

    /// Stages by fractions of the epochs: stage k ends with epoch ⌊(splits₀ + … +
    /// splits_k)·`num_epochs`⌋, and the last one, whose fraction is therefore not needed, with the
    /// run. The initial evaluation (epoch 0) belongs to the first stage.
    ///
    /// # Errors
    /// [`TrainError::Config`] for no weights, fewer fractions than stages but one, more fractions
    /// than stages, a fraction outside 0 to 1, a sum above 1, or a weight that is negative or not
    /// finite.
    pub fn staged(
        kind: LossKind,
        splits: &[f64],
        num_epochs: u64,
        weights: &[LossWeights],
    ) -> Result<Self, TrainError> {
        let refuse = |key, problem: String| Err(TrainError::Config { key, problem });
        if weights.is_empty() || splits.len() > weights.len() || splits.len() + 1 < weights.len() {
            let problem = format!(
                "{} stages need {} or {0} fractions, found {}",
                weights.len(),
                weights.len().saturating_sub(1),
                splits.len()
            );
            return refuse("stage_splits", problem);
        }
        if let Some(split) = splits.iter().find(|split| !(0.0..=1.0).contains(*split)) {
            return refuse(
                "stage_splits",
                format!("fractions lie between 0 and 1, found {split}"),
            );
        }
        let total: f64 = splits.iter().sum();
        if total > 1.0 + 1e-9 {
            return refuse(
                "stage_splits",
                format!("the fractions sum to {total}, above 1"),
            );
        }
        for weights in weights {
            let named = [
                ("energy_weights", weights.energy),
                ("forces_weights", weights.forces),
                ("stress_weights", weights.stress),
            ];
            for (key, value) in named {
                if !(value >= 0.0 && value.is_finite()) {
                    return refuse(key, format!("weights are at least 0, found {value}"));
                }
            }
        }
        let last = weights.len() - 1;
        let mut sum = 0.0;
        let stages = weights
            .iter()
            .enumerate()
            .map(|(stage, &weights)| {
                let last_epoch = (stage < last).then(|| {
                    sum += splits[stage];
                    (sum * num_epochs as f64) as u64
                });
                LossStage {
                    last_epoch,
                    weights,
                }
            })
            .collect();
        Ok(LossConfig { kind, stages })
    }

    /// The stage that `epoch` (1-based; 0 for the initial evaluation) belongs to.
    pub fn stage(&self, epoch: u64) -> usize {
        self.stages
            .iter()
            .position(|stage| stage.last_epoch.is_none_or(|last| epoch <= last))
            .expect("the last stage has no end")
    }

    /// The weights of an epoch.
    pub fn weights(&self, epoch: u64) -> LossWeights {
        self.stages[self.stage(epoch)].weights
    }

    /// Whether any stage weighs the stress.
    pub fn uses_stress(&self) -> bool {
        self.stages.iter().any(|stage| stage.weights.stress != 0.0)
    }
}

/// Reference values of a batch. Energies in eV, without the atomic energies if the predictions are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Labels {
    /// N_g, atoms of each structure, `[G]`.
    pub num_atoms: Vec<u32>,
    /// w_g, `[G]`.
    pub weights: Vec<f64>,
    /// eV, `[G]`.
    pub energies: Option<Vec<f64>>,
    /// eV/Å, `[N]`, structure after structure.
    pub forces: Option<Vec<[f64; 3]>>,
    /// eV/Å³, `[G]`.
    pub stresses: Option<Vec<[[f64; 3]; 3]>>,
}

/// Predicted values of a batch, in the units and order of [`Labels`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    /// eV, `[G]`.
    pub energies: Vec<f64>,
    /// eV/Å, `[N]`.
    pub forces: Vec<[f64; 3]>,
    /// eV/Å³, `[G]`.
    pub stresses: Option<Vec<[[f64; 3]; 3]>>,
}

impl LossKind {
    /// ℓE, ℓF, ℓS of each structure.
    pub fn structure_terms(self, labels: &Labels, predictions: &Predictions) -> Vec<LossTerms> {
        let mut first_atom = 0;
        let mut terms = Vec::with_capacity(labels.num_atoms.len());
        for (g, &num_atoms) in labels.num_atoms.iter().enumerate() {
            let atoms = first_atom..first_atom + num_atoms as usize;
            first_atom = atoms.end;
            let (weight, num_atoms) = (labels.weights[g], f64::from(num_atoms));
            let energy = labels.energies.as_ref().map_or(0.0, |energies| {
                self.energy_term((energies[g] - predictions.energies[g]) / num_atoms)
            });
            let forces = labels.forces.as_ref().map_or(0.0, |forces| {
                let pairs = forces[atoms.clone()].iter().zip(&predictions.forces[atoms]);
                pairs
                    .map(|(force, predicted)| self.force_term(force, predicted))
                    .sum::<f64>()
                    / num_atoms
            });
            let stress = match (&labels.stresses, &predictions.stresses) {
                (Some(labels), Some(predictions)) => self.stress_term(&labels[g], &predictions[g]),
                _ => 0.0,
            };
            terms.push(LossTerms {
                energy: weight * energy,
                forces: weight * forces,
                stress: weight * stress,
            });
        }
        terms
    }

    /// ℓE/w of an error per atom.
    fn energy_term(self, error: f64) -> f64 {
        match self {
            LossKind::Mse => error * error,
            LossKind::Huber => huber(error, HUBER_DELTA),
            LossKind::L2mae => error.abs(),
        }
    }

    /// Summand of ℓF·N/w of one atom.
    fn force_term(self, force: &[f64; 3], predicted: &[f64; 3]) -> f64 {
        let errors = [0, 1, 2].map(|axis| force[axis] - predicted[axis]);
        let squared = errors.iter().map(|error| error * error).sum::<f64>();
        match self {
            LossKind::Mse => squared / 3.0,
            LossKind::Huber => {
                let delta = huber_force_delta(force);
                errors.iter().map(|&error| huber(error, delta)).sum::<f64>() / 3.0
            }
            LossKind::L2mae => squared.sqrt(),
        }
    }

    /// ℓS/w of one structure.
    fn stress_term(self, stress: &[[f64; 3]; 3], predicted: &[[f64; 3]; 3]) -> f64 {
        let pairs = stress.as_flattened().iter().zip(predicted.as_flattened());
        let errors = pairs.map(|(stress, predicted)| stress - predicted);
        match self {
            LossKind::Mse => errors.map(|error| error * error).sum::<f64>() / 9.0,
            LossKind::Huber => errors.map(|error| huber(error, HUBER_DELTA)).sum::<f64>() / 9.0,
            LossKind::L2mae => errors.map(|error| error * error).sum::<f64>().sqrt(),
        }
    }
}

/// H_δ(x)
fn huber(x: f64, delta: f64) -> f64 {
    if x.abs() <= delta {
        0.5 * x * x
    } else {
        delta * (x.abs() - 0.5 * delta)
    }
}

/// δ of the Huber loss of a force, by the length f of its reference in eV/Å: [`HUBER_DELTA`] times
/// 1 for f < 100, 0.7 for
/// 100 < f < 200, 0.4 for 200 < f < 300, and 0.1 otherwise, the bounds themselves included.
pub fn huber_force_delta(reference: &[f64; 3]) -> f64 {
    let length = reference.iter().map(|x| x * x).sum::<f64>().sqrt();
    let factor = if length < 100.0 {
        1.0
    } else if length > 100.0 && length < 200.0 {
        0.7
    } else if length > 200.0 && length < 300.0 {
        0.4
    } else {
        0.1
    };
    HUBER_DELTA * factor
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
