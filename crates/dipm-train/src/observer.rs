//! What a run tells while it goes on, for progress bars and lines on a terminal.

use std::path::Path;

use dipm_data::Batch;

use crate::loss::{Labels, Predictions};
use crate::record::MetricRecord;
use crate::{Ranks, RanksError};

/// A pass over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// One epoch of training.
    Training,
    /// Evaluation on the validation set.
    Validation,
    /// Evaluation on the test set.
    Test,
}

/// Where a pass stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Which pass.
    pub pass: Pass,
    /// Epoch from 1; 0 for an evaluation before the first.
    pub epoch: u64,
    /// Epochs of the whole run.
    pub num_epochs: u64,
    /// Batches done in this pass, those before a restart included.
    pub batches: u64,
    /// Batches of the pass, where known beforehand.
    pub num_batches: Option<u64>,
    /// Structures done in this pass since it began or was resumed.
    pub structures: u64,
    /// Loss of the last training batch.
    pub loss: Option<f64>,
}

/// Watches a run. Every method does nothing unless it is overridden.
pub trait Observer {
    /// A pass begins.
    fn pass_started(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// A batch is done.
    fn batch_done(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// What was predicted for a batch of an evaluation, before [`Observer::batch_done`]; both sides
    /// without atomic energies.
    fn batch_evaluated(&mut self, batch: &Batch, labels: &Labels, predictions: &Predictions) {
        let _ = (batch, labels, predictions);
    }

    /// All batches of an evaluation are done, before [`Observer::pass_done`]. Each rank saw its own; what is
    /// brought together here must be by the observers of all ranks, in the same order.
    ///
    /// # Errors
    /// Those of the ranks, which end the run.
    fn evaluation_done(&mut self, ranks: &mut dyn Ranks) -> Result<(), RanksError> {
        let _ = ranks;
        Ok(())
    }

    /// A pass is done.
    fn pass_done(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// Metrics or an event; the same records go to the sinks.
    fn record(&mut self, record: &MetricRecord) {
        let _ = record;
    }

    /// A checkpoint is on the disk.
    fn checkpoint_saved(&mut self, epoch: u64, path: &Path) {
        let _ = (epoch, path);
    }

    /// Asked after every training batch: true saves a checkpoint there and ends the run.
    fn stop_requested(&mut self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// All watch; any of them can stop the run.
impl Observer for Vec<&mut dyn Observer> {
    fn pass_started(&mut self, progress: &Progress) {
        self.iter_mut().for_each(|o| o.pass_started(progress));
    }

    fn batch_done(&mut self, progress: &Progress) {
        self.iter_mut().for_each(|o| o.batch_done(progress));
    }

    fn batch_evaluated(&mut self, batch: &Batch, labels: &Labels, predictions: &Predictions) {
        self.iter_mut()
            .for_each(|o| o.batch_evaluated(batch, labels, predictions));
    }

    fn evaluation_done(&mut self, ranks: &mut dyn Ranks) -> Result<(), RanksError> {
        self.iter_mut().try_for_each(|o| o.evaluation_done(ranks))
    }

    fn pass_done(&mut self, progress: &Progress) {
        self.iter_mut().for_each(|o| o.pass_done(progress));
    }

    fn record(&mut self, record: &MetricRecord) {
        self.iter_mut().for_each(|o| o.record(record));
    }

    fn checkpoint_saved(&mut self, epoch: u64, path: &Path) {
        self.iter_mut()
            .for_each(|o| o.checkpoint_saved(epoch, path));
    }

    fn stop_requested(&mut self) -> bool {
        // each is asked, also when one has said yes
        self.iter_mut()
            .fold(false, |stop, o| o.stop_requested() | stop)
    }
}
