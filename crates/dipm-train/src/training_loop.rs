//! The loop: epochs of batches, evaluation after each, the best model, the test.

use std::time::Instant;

use dipm_data::Batch;

use crate::batch_step::{Trained, suspects};
use crate::checkpoint::{BestModel, DataPosition};
use crate::loss::LossWeights;
use crate::metrics::Metrics;
use crate::objective::BatchStream;
use crate::observer::{Pass, Progress};
use crate::ranks::{together, where_true};
use crate::record::{EpochThroughput, EvaluationRecord, IntervalSums, MetricRecord};
use crate::{Batches, Objective, Observer, Real, TrainError, Trainer};

/// The data sets of a run.
#[derive(Clone, Copy)]
pub struct TrainingData<'a> {
    /// Trained on.
    pub train: &'a dyn Batches,
    /// Judges the model after each epoch. Without it no epoch is better than another, and the model
    /// after the last epoch is the result.
    pub validation: Option<&'a dyn Batches>,
    /// Evaluated once, with the resulting model.
    pub test: Option<&'a dyn Batches>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// After all epochs.
    Finished(Box<TrainedModel<T>>),
    /// Because the observer asked for it, with a checkpoint at this position if there is a
    /// directory for it.
    Stopped(DataPosition),
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModel<T> {
    /// Parameters of the best model, flat; without a validation set those that would have been
    /// evaluated last.
    pub parameters: Vec<T>,
    /// Epoch and validation errors of the best model.
    pub best: Option<BestModel>,
    /// Errors on the test set.
    pub test: Option<EvaluationRecord>,
}

/// One pass of an evaluation.
struct Evaluation<'a> {
    data: &'a dyn Batches,
    pass: Pass,
    averaged: bool,
}

impl<T: Real, O: Objective<T>> Trainer<T, O> {
    /// Trains up to `num_epochs`.
    ///
    /// The best model is the one with the least validation loss, strictly. The loss of the best
    /// model is taken with the weights of the current epoch, from its terms, so that a new stage of
    /// weights compares like with like; dipm
    /// 0.0.8 compared losses of different weights. The model stored is the model judged: averaged
    /// parameters with `use_ema_params_for_eval`, else the current ones.
    ///
    /// # Errors
    /// [`TrainError::NonFinite`] stops the run before the parameters are touched; the newest
    /// checkpoint stays. Errors of the data, of the objective, of writing checkpoints or metrics.
    pub fn run(
        &mut self,
        data: TrainingData,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<T>, TrainError> {
        if self.is_resumed() {
            let record = MetricRecord::Restored {
                epoch: self.position.epoch,
                step: self.step,
            };
            self.report(&record, observer)?;
        } else if self.config.training.run_eval_at_start
            && let Some(validation) = data.validation
        {
            self.validate(validation, None, observer)?;
        }
        while self.position.epoch < self.config.training.num_epochs {
            let start = Instant::now();
            if let Some(position) = self.train_epoch(data.train, observer)? {
                return Ok(Outcome::Stopped(position));
            }
            let sums = std::mem::take(&mut self.epoch_sums);
            if let Some(validation) = data.validation {
                self.validate(validation, Some((sums, start)), observer)?;
            }
            let saved = self.save_checkpoint(observer);
            together(&mut *self.ranks, saved)?;
        }
        let parameters = match &self.best_parameters {
            Some(best) => {
                let mut parameters = std::mem::take(&mut self.gradient);
                let read = best.read_into(&mut parameters);
                read.map_err(self.best_error("read"))?;
                parameters
            }
            None => self.judged_parameters().0,
        };
        let test = match data.test {
            Some(test) => self.test(test, &parameters, observer)?,
            None => None,
        };
        self.gradient = vec![T::default(); self.parameters.len()];
        self.sinks.iter_mut().try_for_each(|sink| sink.finish())?;
        Ok(Outcome::Finished(Box::new(TrainedModel {
            parameters,
            best: self.best,
            test,
        })))
    }

    /// The rest of one epoch; the position if the observer stopped it.
    fn train_epoch(
        &mut self,
        data: &dyn Batches,
        observer: &mut dyn Observer,
    ) -> Result<Option<DataPosition>, TrainError> {
        let epoch = self.position.epoch + 1;
        let weights = self.config.loss.weights(epoch);
        if self.position.batch == 0 {
            self.report(
                &MetricRecord::EpochStart {
                    epoch,
                    step: self.step,
                },
                observer,
            )?;
        }
        let mut progress = self.progress(Pass::Training, data);
        observer.pass_started(&progress);
        let mut stream = data.epoch(self.position.epoch, self.position.batch);
        let mut num_skipped = 0;
        loop {
            let (mut start, waited) = (Instant::now(), stream.seconds_waited());
            let batch = self.next_batch(&mut *stream, &mut start, observer);
            let mut report = match self.train_or_skip(batch, &weights, &mut num_skipped)? {
                Trained::Batch(report) => report,
                Trained::Skipped => continue,
                Trained::NoneLeft => break,
            };
            report.seconds = start.elapsed().as_secs_f64();
            report.seconds_waited = stream.seconds_waited() - waited;
            self.step += u64::from(report.updated);
            self.interval.add(&report);
            self.epoch_sums.add(&report);
            let due = self
                .config
                .training
                .log_interval
                .is_some_and(|n| self.step.is_multiple_of(n));
            if due && report.updated {
                self.report_interval(epoch, weights, observer)?;
            }
            progress.batches = self.position.batch;
            progress.structures += report.structures;
            progress.loss = Some(report.loss);
            observer.batch_done(&progress);
            let stops = observer.stop_requested();
            if !where_true(&mut *self.ranks, stops)?.is_empty() {
                let saved = self.save_checkpoint(observer);
                together(&mut *self.ranks, saved)?;
                return Ok(Some(self.position));
            }
        }
        if self.position.batch == 0 {
            return Err(TrainError::NoTrainingData { epoch });
        }
        observer.pass_done(&progress);
        self.report_interval(epoch, weights, observer)?;
        self.position = DataPosition { epoch, batch: 0 };
        self.check_equality()?;
        Ok(None)
    }

    /// The next batch of this rank, after saving a checkpoint if it is time for one; `start` moves on by
    /// the time that takes.
    fn next_batch(
        &mut self,
        stream: &mut dyn BatchStream,
        start: &mut Instant,
        observer: &mut dyn Observer,
    ) -> Result<Option<Batch>, TrainError> {
        let Some(batch) = stream.next() else {
            return Ok(None);
        };
        // not after the last batch: the end of the epoch is about to be saved
        if self.position.batch > 0 && self.checkpoint_is_due() {
            let before = Instant::now();
            self.save_checkpoint(observer)?;
            *start += before.elapsed();
        }
        Ok(Some(batch?))
    }

    /// Reports the mean over the batches since the last report, if there were any.
    fn report_interval(
        &mut self,
        epoch: u64,
        weights: LossWeights,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let sums = std::mem::take(&mut self.interval);
        match sums.record(epoch, self.step, weights, self.learning_rate) {
            Some(record) => self.report(&MetricRecord::Training(record), observer),
            None => Ok(()),
        }
    }

    /// The parameters that are judged now, in the memory of the gradient, and whether they are averaged
    /// ones.
    fn judged_parameters(&mut self) -> (Vec<T>, bool) {
        let mut parameters = std::mem::take(&mut self.gradient);
        let wanted = self.config.training.use_ema_params_for_eval;
        let averaged = wanted && self.ema.debias_into(&mut parameters);
        if !averaged {
            parameters.copy_from_slice(&self.parameters);
        }
        (self.objective.as_saved(parameters), averaged)
    }

    /// Evaluates on the validation set and keeps the best model.
    fn validate(
        &mut self,
        data: &dyn Batches,
        training: Option<(IntervalSums, Instant)>,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let (parameters, averaged) = self.judged_parameters();
        let evaluation = Evaluation {
            data,
            pass: Pass::Validation,
            averaged,
        };
        let judged = self.judge(&evaluation, &parameters, training, observer);
        self.gradient = parameters;
        judged
    }

    /// Evaluates parameters, and keeps them if they are the best.
    fn judge(
        &mut self,
        evaluation: &Evaluation,
        parameters: &[T],
        training: Option<(IntervalSums, Instant)>,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let Some(mut record) = self.evaluate(evaluation, parameters, observer)? else {
            tracing::warn!("the validation set is empty: no best model is selected");
            return Ok(());
        };
        record.training = training.map(|(sums, start)| EpochThroughput {
            steps: sums.steps,
            runtime_in_minutes: start.elapsed().as_secs_f64() / 60.0,
            nodes_per_second: sums.atoms as f64 / sums.seconds.max(f64::MIN_POSITIVE),
            graphs_per_second: sums.structures as f64 / sums.seconds.max(f64::MIN_POSITIVE),
        });
        let (epoch, loss, weights) = (record.epoch, record.loss, record.weights);
        let loss_terms = record.errors.loss_terms;
        self.report(&MetricRecord::Validation(record), observer)?;
        let best_loss = self
            .best
            .map_or(f64::INFINITY, |best| best.loss_terms.weighted(&weights));
        if loss < best_loss {
            self.best = Some(BestModel { epoch, loss_terms });
            self.keep_best(parameters)?;
        }
        match self.best {
            None => Ok(()),
            Some(best) => {
                let (best_epoch, best_loss) = (best.epoch, loss.min(best_loss));
                let step = self.step;
                self.report(
                    &MetricRecord::BestModel {
                        epoch,
                        step,
                        best_epoch,
                        best_loss,
                    },
                    observer,
                )
            }
        }
    }

    fn test(
        &mut self,
        data: &dyn Batches,
        parameters: &[T],
        observer: &mut dyn Observer,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        let averaged = self.config.training.use_ema_params_for_eval
            && self.best.is_none_or(|best| best.epoch > 0);
        let evaluation = Evaluation {
            data,
            pass: Pass::Test,
            averaged,
        };
        let record = self.evaluate(&evaluation, parameters, observer)?;
        match &record {
            Some(record) => self.report(&MetricRecord::Test(record.clone()), observer)?,
            None => tracing::warn!("the test set is empty"),
        }
        Ok(record)
    }

    /// One pass over a data set with the weights of the epoch; `None` if it is empty.
    fn evaluate(
        &mut self,
        evaluation: &Evaluation,
        parameters: &[T],
        observer: &mut dyn Observer,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        let start = Instant::now();
        let mut progress = self.progress(evaluation.pass, evaluation.data);
        observer.pass_started(&progress);
        let metrics = self.sum_errors(evaluation, parameters, &mut progress, observer);
        let metrics = together(&mut *self.ranks, metrics)?.over(&mut *self.ranks)?;
        observer.evaluation_done(&mut *self.ranks)?;
        observer.pass_done(&progress);
        let weights = self.config.loss.weights(self.position.epoch);
        Ok(EvaluationRecord::new(
            &metrics,
            weights,
            (self.position.epoch, self.step),
            evaluation.averaged,
            start.elapsed().as_secs_f64(),
        ))
    }

    /// The errors of the batches of this rank.
    fn sum_errors(
        &mut self,
        evaluation: &Evaluation,
        parameters: &[T],
        progress: &mut Progress,
        observer: &mut dyn Observer,
    ) -> Result<Metrics, TrainError> {
        let mut metrics = Metrics::new();
        for batch in evaluation.data.epoch(0, 0) {
            let batch = batch?;
            let (labels, predictions) = self.objective.predict(parameters, &batch)?;
            metrics.add(self.config.loss.kind, &labels, &predictions);
            warn_of_non_finite(&batch, &predictions.energies, evaluation.pass);
            observer.batch_evaluated(&batch, &labels, &predictions);
            progress.batches += 1;
            progress.structures += batch.num_structures() as u64;
            observer.batch_done(progress);
        }
        Ok(metrics)
    }

    fn progress(&self, pass: Pass, data: &dyn Batches) -> Progress {
        let training = pass == Pass::Training;
        Progress {
            pass,
            epoch: self.position.epoch + u64::from(training),
            num_epochs: self.config.training.num_epochs,
            batches: if training { self.position.batch } else { 0 },
            num_batches: data.num_batches(if training { self.position.epoch } else { 0 }),
            structures: 0,
            loss: None,
        }
    }
}

fn warn_of_non_finite(batch: &Batch, energies: &[f64], pass: Pass) {
    for origin in suspects(batch, |g, _| energies[g].is_finite()) {
        tracing::warn!("{pass:?}: the predicted energy of {origin} is not finite");
    }
}
