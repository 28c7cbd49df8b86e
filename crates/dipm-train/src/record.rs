//! What a run reports: typed records for any number of sinks.

use serde::{Deserialize, Deserializer, Serialize};

use crate::loss::{LossTerms, LossWeights};
use crate::metrics::{MetricSummary, Metrics};

/// One report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum MetricRecord {
    /// An epoch begins.
    EpochStart {
        /// From 1.
        epoch: u64,
        /// Updates so far.
        step: u64,
    },
    /// Means over the training batches since the last such record.
    Training(TrainingRecord),
    /// Errors on the validation set.
    Validation(EvaluationRecord),
    /// Errors of the best model on the test set.
    Test(EvaluationRecord),
    /// The best model so far, reported after each validation.
    BestModel {
        /// Epoch that has just been judged.
        epoch: u64,
        /// Updates so far.
        step: u64,
        /// Epoch of the best model.
        best_epoch: u64,
        /// Its validation loss with the weights of the current epoch.
        best_loss: f64,
    },
    /// The run goes on from a checkpoint; records of later epochs and steps are void.
    Restored {
        /// Epochs completed.
        epoch: u64,
        /// Updates so far.
        step: u64,
    },
}

impl MetricRecord {
    /// Epoch and number of updates that the record belongs to.
    pub fn position(&self) -> (u64, u64) {
        match self {
            MetricRecord::EpochStart { epoch, step }
            | MetricRecord::BestModel { epoch, step, .. }
            | MetricRecord::Restored { epoch, step } => (*epoch, *step),
            MetricRecord::Training(record) => (record.epoch, record.step),
            MetricRecord::Validation(record) | MetricRecord::Test(record) => {
                (record.epoch, record.step)
            }
        }
    }
}

/// Means over some training batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Epoch of the last batch, from 1.
    pub epoch: u64,
    /// Updates so far.
    pub step: u64,
    /// Mean over the structures seen of the training loss, each at the parameters of its batch.
    pub loss: f64,
    /// Its terms before weighting.
    pub loss_terms: LossTerms,
    /// Its weights.
    pub weights: LossWeights,
    /// Mean over batches of the global norm of the raw gradient.
    pub gradient_norm: f64,
    /// Learning rate of the last batch.
    pub learning_rate: f64,
    /// Wall time of an update, without evaluations.
    pub seconds_per_step: f64,
    /// Part of that time spent waiting for data, 0 to 1.
    pub data_wait_share: f64,
    /// Training throughput.
    pub atoms_per_second: f64,
    /// Training throughput.
    pub structures_per_second: f64,
    /// Resident memory of the process when this was made, MiB; `None` where the system does not
    /// tell.
    #[serde(default)]
    pub memory_mib: Option<f64>,
}

/// Errors on one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Epochs completed; 0 before the first.
    pub epoch: u64,
    /// Updates so far.
    pub step: u64,
    /// Loss with the weights of the epoch.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss: f64,
    /// Those weights.
    pub weights: LossWeights,
    /// Whether the averaged parameters were judged.
    pub averaged_parameters: bool,
    /// Errors and terms of the loss.
    #[serde(flatten)]
    pub errors: MetricSummary,
    /// Wall time of the evaluation.
    pub seconds: f64,
    /// The training epoch before it; absent before the first epoch and for the test set.
    pub training: Option<EpochThroughput>,
}

/// How fast one training epoch was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochThroughput {
    /// Updates.
    pub steps: u64,
    /// Wall time of training and evaluation.
    pub runtime_in_minutes: f64,
    /// Atoms over wall time.
    pub nodes_per_second: f64,
    /// Structures over wall time.
    pub graphs_per_second: f64,
}

/// JSON has no word for what is not finite: it is written as null, and read as not a number.
pub(crate) fn null_is_nan<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

/// Names and values as dipm 0.0.8 logs them, in its order.
pub type NamedValues = Vec<(&'static str, f64)>;

impl TrainingRecord {
    /// The loss; with `extended` also its terms and weights, learning rate, throughput and memory.
    pub fn values(&self, extended: bool) -> NamedValues {
        let mut values = vec![("loss", self.loss)];
        if extended {
            values.push(("energy_weight", self.weights.energy));
            values.push(("forces_weight", self.weights.forces));
            if self.weights.stress != 0.0 {
                values.push(("stress_weight", self.weights.stress));
            }
            add_loss_terms(&mut values, &self.loss_terms, &self.weights);
        }
        values.push(("gradient_norm", self.gradient_norm));
        values.push(("seconds_per_step", self.seconds_per_step));
        if extended {
            values.push(("learning_rate", self.learning_rate));
            values.push(("data_wait_share", self.data_wait_share));
            values.push(("nodes_per_second", self.atoms_per_second));
            values.push(("graphs_per_second", self.structures_per_second));
            values.extend(self.memory_mib.map(|memory| ("memory_mib", memory)));
        }
        values
    }
}

impl EvaluationRecord {
    /// Loss and errors of energies and forces; with `extended` also per atom, of the stress, terms
    /// of the loss, and throughput.
    pub fn values(&self, extended: bool) -> NamedValues {
        let errors = &self.errors;
        let named = [
            (false, "mae_e", "rmse_e", errors.energy),
            (
                true,
                "mae_e_per_atom",
                "rmse_e_per_atom",
                errors.energy_per_atom,
            ),
            (false, "mae_f", "rmse_f", errors.forces),
            (true, "mae_stress", "rmse_stress", errors.stress),
            (
                true,
                "mae_stress_per_atom",
                "rmse_stress_per_atom",
                errors.stress_per_atom,
            ),
        ];
        let shown = || {
            let wanted = named.iter().filter(|(extra, ..)| extended || !extra);
            wanted.filter_map(|&(_, mae, rmse, errors)| errors.map(|errors| (mae, rmse, errors)))
        };
        let mut values = vec![("loss", self.loss)];
        values.extend(shown().map(|(mae, _, errors)| (mae, errors.mae)));
        values.extend(shown().map(|(_, rmse, errors)| (rmse, errors.rmse)));
        if extended {
            add_loss_terms(&mut values, &errors.loss_terms, &self.weights);
            values.push(("evaluation_seconds", self.seconds));
        }
        if let Some(training) = &self.training {
            values.push(("runtime_in_minutes", training.runtime_in_minutes));
            values.push(("steps_per_epoch", training.steps as f64));
            if extended {
                values.push(("nodes_per_second", training.nodes_per_second));
                values.push(("graphs_per_second", training.graphs_per_second));
            }
        }
        values
    }
}

/// Terms of a loss before their weights; that of the stress only where it counts.
fn add_loss_terms(values: &mut NamedValues, terms: &LossTerms, weights: &LossWeights) {
    values.push(("energy_loss", terms.energy));
    values.push(("forces_loss", terms.forces));
    if weights.stress != 0.0 {
        values.push(("stress_loss", terms.stress));
    }
}

/// Receives the records of a run in order.
pub trait MetricSink {
    /// Takes one record.
    ///
    /// # Errors
    /// Whatever keeps the sink from storing it; the run then stops.
    fn record(&mut self, record: &MetricRecord) -> Result<(), crate::TrainError>;

    /// The run has ended as it should; not called when it was stopped or failed.
    ///
    /// # Errors
    /// As [`MetricSink::record`].
    fn finish(&mut self) -> Result<(), crate::TrainError> {
        Ok(())
    }
}

/// Sums over the training batches since the last [`TrainingRecord`]; part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct IntervalSums {
    /// Σ over structures of the terms of the loss.
    pub loss_terms: LossTerms,
    /// Σ over structures of the loss.
    pub loss: f64,
    /// Structures.
    pub structures: u64,
    /// Atoms.
    pub atoms: u64,
    /// Batches.
    pub batches: u64,
    /// Updates.
    pub steps: u64,
    /// Σ over batches of the norm of the gradient.
    pub gradient_norm: f64,
    /// Wall time of training.
    pub seconds: f64,
    /// Of which spent waiting for data.
    pub seconds_waited: f64,
}

/// One trained batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchReport {
    /// Mean over its structures.
    pub loss: f64,
    /// Means over its structures.
    pub loss_terms: LossTerms,
    /// Structures in it.
    pub structures: u64,
    /// Atoms in it.
    pub atoms: u64,
    /// Global norm of the raw gradient.
    pub gradient_norm: f64,
    /// Whether the parameters moved.
    pub updated: bool,
    /// Wall time, waiting included.
    pub seconds: f64,
    /// Of which spent waiting for data.
    pub seconds_waited: f64,
}

impl IntervalSums {
    /// Takes in one batch.
    pub fn add(&mut self, batch: &BatchReport) {
        let structures = batch.structures as f64;
        self.loss_terms.add_scaled(&batch.loss_terms, structures);
        self.loss += batch.loss * structures;
        self.structures += batch.structures;
        self.atoms += batch.atoms;
        self.batches += 1;
        self.steps += u64::from(batch.updated);
        self.gradient_norm += batch.gradient_norm;
        self.seconds += batch.seconds;
        self.seconds_waited += batch.seconds_waited;
    }

    /// The means; `None` when there was no batch.
    pub fn record(
        &self,
        epoch: u64,
        step: u64,
        weights: LossWeights,
        learning_rate: f64,
    ) -> Option<TrainingRecord> {
        if self.batches == 0 {
            return None;
        }
        let structures = self.structures as f64;
        let mut loss_terms = LossTerms::default();
        loss_terms.add_scaled(&self.loss_terms, 1.0 / structures);
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        Some(TrainingRecord {
            epoch,
            step,
            loss: self.loss / structures,
            loss_terms,
            weights,
            gradient_norm: self.gradient_norm / self.batches as f64,
            learning_rate,
            seconds_per_step: self.seconds / self.steps.max(1) as f64,
            data_wait_share: self.seconds_waited / seconds,
            atoms_per_second: self.atoms as f64 / seconds,
            structures_per_second: structures / seconds,
            memory_mib: crate::memory::resident_mib(),
        })
    }
}

impl EvaluationRecord {
    /// The record of a finished pass over a data set; `None` when the set was empty.
    pub fn new(
        metrics: &Metrics,
        weights: LossWeights,
        (epoch, step): (u64, u64),
        averaged_parameters: bool,
        seconds: f64,
    ) -> Option<Self> {
        let errors = metrics.summary()?;
        Some(EvaluationRecord {
            epoch,
            step,
            loss: errors.loss_terms.weighted(&weights),
            weights,
            averaged_parameters,
            errors,
            seconds,
            training: None,
        })
    }
}
