//! What the loop needs from a model and from the data: two small traits, so that the loop knows
//! neither.

use dipm_data::{Batch, DataError, Loader};
use dipm_models::{Model, NoiseKey};

use crate::loss::{Labels, LossTerms, LossWeights, Predictions};
use crate::{Real, TrainError};

/// A loss of parameters that can be differentiated.
pub trait Objective<T: Real> {
    /// Writes the gradient of the weighted loss of `batch` at `parameters` into `gradient` and
    /// returns the terms of the loss. Both buffers are flat, in the order of the run's
    /// [`crate::ParameterLayout`]. `noise` says which random numbers of training take part.
    ///
    /// # Errors
    /// Whatever keeps the batch from being computed; a result that is not finite is no error.
    fn gradient(
        &mut self,
        parameters: &[T],
        batch: &Batch,
        weights: &LossWeights,
        noise: NoiseKey,
        gradient: &mut [T],
    ) -> Result<LossTerms, TrainError>;

    /// Reference values of a batch and predictions at `parameters`, both without atomic energies.
    ///
    /// # Errors
    /// As [`Objective::gradient`].
    fn predict(
        &mut self,
        parameters: &[T],
        batch: &Batch,
    ) -> Result<(Labels, Predictions), TrainError>;

    /// Number type of the computation as safetensors names it, for a dump of a batch that failed.
    fn dtype(&self) -> String {
        format!("{:?}", T::DTYPE)
    }

    /// The parameters that a file of the model holds, which is what validation and test judge.
    fn as_saved(&self, parameters: Vec<T>) -> Vec<T> {
        parameters
    }

    /// The model at `parameters`, if there is one, for a dump of a batch that failed.
    fn model(&self, parameters: &[T]) -> Option<Model> {
        let _ = parameters;
        None
    }
}

/// A data set cut into batches.
pub trait Batches {
    /// The batches of `epoch` (from 0) from number `start_batch` on. The order depends on nothing
    /// but the seed of the data and the epoch, so that a run can go on between any two batches.
    fn epoch(&self, epoch: u64, start_batch: u64) -> Box<dyn BatchStream + '_>;

    /// Number of batches of `epoch`, as well as it is known beforehand; for progress bars.
    fn num_batches(&self, epoch: u64) -> Option<u64>;
}

/// The batches of one pass.
pub trait BatchStream: Iterator<Item = Result<Batch, DataError>> {
    /// Time that `next` has waited for data so far.
    fn seconds_waited(&self) -> f64;
}

impl Batches for Loader {
    fn epoch(&self, epoch: u64, start_batch: u64) -> Box<dyn BatchStream + '_> {
        Box::new(Loader::epoch(self, epoch, start_batch as usize))
    }

    fn num_batches(&self, epoch: u64) -> Option<u64> {
        Some(Loader::num_batches(self, epoch) as u64)
    }
}

impl BatchStream for dipm_data::BatchStream {
    fn seconds_waited(&self) -> f64 {
        dipm_data::BatchStream::seconds_waited(self)
    }
}
