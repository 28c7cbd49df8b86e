//! What a training run shows: a bar while a pass goes on, one line per epoch.

use crate::interrupt;
use dipm_train::{
    Errors, EvaluationRecord, MetricRecord, Observer, Pass, Progress, TrainingLoopConfig,
    TrainingRecord,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::time::Instant;

/// Shows a run on the terminal and remembers its history for the report.
pub struct Display {
    bar: Option<ProgressBar>,
    extended: bool,
    /// Whether every training record has a line of its own, as with `log_interval`.
    training_lines: bool,
    started: Instant,
    num_epochs: u64,
    last_training: Option<TrainingRecord>,
    pending: Option<EvaluationRecord>,
    /// Best validation loss reported so far, and its epoch.
    best: Option<(u64, f64)>,
    /// Time of the whole run at which the first step was done, in seconds from `started`.
    first_step: Option<f64>,
    history: Vec<Epoch>,
}

/// The metrics of one epoch.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// From 1; 0 for the evaluation before the first.
    pub number: u64,
    /// Of its training.
    pub training: Option<TrainingRecord>,
    /// Of its evaluation.
    pub validation: Option<EvaluationRecord>,
    /// Whether it became the best.
    pub best: bool,
}

impl Display {
    /// For a run that began at `started`.
    pub fn new(training: &TrainingLoopConfig, extended: bool, started: Instant) -> Self {
        let num_epochs = training.num_epochs;
        Self {
            bar: None,
            extended,
            training_lines: training.log_interval.is_some(),
            started,
            num_epochs,
            last_training: None,
            pending: None,
            best: None,
            first_step: None,
            history: vec![],
        }
    }

    /// Shows what is left to show after the run.
    pub fn finish(&mut self) {
        self.close_unvalidated();
    }

    /// The epochs seen.
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// Seconds from the start of the program to the end of the first training step.
    pub fn first_step(&self) -> Option<f64> {
        self.first_step
    }

    /// Logs above a bar, if there is one.
    fn say(&self, line: &str) {
        let log = || tracing::info!("{line}");
        match &self.bar {
            Some(bar) => bar.suspend(log),
            None => log(),
        }
    }

    /// Closes an epoch that no validation has closed.
    fn close_unvalidated(&mut self) {
        if let (Some(training), None) = (&self.last_training, &self.pending) {
            self.close_epoch(training.epoch, false);
        }
    }

    fn close_epoch(&mut self, number: u64, best: bool) {
        let epoch = Epoch {
            number,
            training: self.last_training.take(),
            validation: self.pending.take(),
            best,
        };
        self.say(&epoch_line(
            &epoch,
            self.num_epochs,
            self.extended,
            self.training_lines,
        ));
        self.history.push(epoch);
    }
}

impl Observer for Display {
    fn pass_started(&mut self, progress: &Progress) {
        let what = match progress.pass {
            Pass::Training => format!("epoch {}/{}", progress.epoch, progress.num_epochs),
            Pass::Validation => "validation".to_owned(),
            Pass::Test => "test".to_owned(),
        };
        let length = progress.num_batches.unwrap_or(0);
        // hidden by itself where standard error is no terminal
        let bar = ProgressBar::new(length).with_message(what);
        let style = ProgressStyle::with_template(
            "{msg:14} [{bar:30}] {pos}/{len} batches, {per_sec}, {eta} left{prefix}",
        )
        .expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        bar.set_position(progress.batches);
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn batch_done(&mut self, progress: &Progress) {
        if progress.pass == Pass::Training && self.first_step.is_none() {
            let seconds = self.started.elapsed().as_secs_f64();
            self.first_step = Some(seconds);
            self.say(&format!("first step {seconds:.2} s after the start"));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(progress.batches);
            if let Some(loss) = progress.loss {
                bar.set_prefix(format!(", loss {loss:.4}"));
            }
        }
    }

    fn pass_done(&mut self, _: &Progress) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn record(&mut self, record: &MetricRecord) {
        match record {
            MetricRecord::EpochStart { .. } => self.close_unvalidated(),
            MetricRecord::Training(training) => {
                if self.training_lines {
                    self.say(&training_line(training, self.extended));
                }
                self.last_training = Some(training.clone());
            }
            MetricRecord::Validation(validation) => self.pending = Some(validation.clone()),
            MetricRecord::BestModel {
                epoch,
                best_epoch,
                best_loss,
                ..
            } => {
                let improved = self.best.is_none_or(|best| best.0 != *best_epoch);
                self.best = Some((*best_epoch, *best_loss));
                self.close_epoch(*epoch, improved && best_epoch == epoch);
            }
            MetricRecord::Test(test) => {
                self.close_unvalidated();
                self.say(&format!("test: {}", error_text(test, self.extended)));
            }
            MetricRecord::Restored { epoch, step } => {
                self.say(&format!("going on after epoch {epoch}, step {step}"));
            }
        }
    }

    fn checkpoint_saved(&mut self, epoch: u64, path: &Path) {
        tracing::debug!("checkpoint of epoch {epoch} in {}", path.display());
    }

    fn stop_requested(&mut self) -> bool {
        interrupt::requested()
    }
}

fn training_line(training: &TrainingRecord, extended: bool) -> String {
    let mut line = format!("step {}: loss {:.4e}", training.step, training.loss);
    line.push_str(&format!(", {:.3} s/step", training.seconds_per_step));
    if extended {
        line.push_str(&extended_text(training));
    }
    line
}

fn extended_text(training: &TrainingRecord) -> String {
    let memory = training
        .memory_mib
        .map_or(String::new(), |mib| format!(", {mib:.0} MiB"));
    format!(
        " | gradient norm {:.3e}, learning rate {:.2e}, weights {}/{}/{}, {:.0} atoms/s, data wait {:.1} %{memory}",
        training.gradient_norm,
        training.learning_rate,
        training.weights.energy,
        training.weights.forces,
        training.weights.stress,
        training.atoms_per_second,
        100.0 * training.data_wait_share,
    )
}

fn epoch_line(epoch: &Epoch, num_epochs: u64, extended: bool, training_lines: bool) -> String {
    let mut line = format!("epoch {}/{num_epochs}", epoch.number);
    // with lines of its own a record is of a part of the epoch
    let training = epoch.training.as_ref().filter(|_| !training_lines);
    if let Some(training) = training {
        line.push_str(&format!(" | train loss {:.4e}", training.loss));
    }
    if let Some(validation) = &epoch.validation {
        line.push_str(&format!(" | valid {}", error_text(validation, extended)));
        if let Some(throughput) = &validation.training {
            line.push_str(&format!(" | {:.1} s", throughput.runtime_in_minutes * 60.0));
        }
    }
    if let Some(training) = training {
        line.push_str(&format!(
            ", waited {:.0} %",
            100.0 * training.data_wait_share
        ));
        if extended {
            line.push_str(&extended_text(training));
        }
    }
    if epoch.best {
        line.push_str(" | best");
    }
    line
}

/// Errors in the units of the field: energies in meV/atom, forces in meV/Å, stress in meV/Å³.
pub fn error_text(record: &EvaluationRecord, extended: bool) -> String {
    let milli =
        |errors: Errors| format!("MAE {:.2} RMSE {:.2}", errors.mae * 1e3, errors.rmse * 1e3);
    let errors = &record.errors;
    let mut parts = vec![format!("loss {:.4e}", record.loss)];
    let mut add = |name: &str, unit: &str, errors: Option<Errors>| {
        if let Some(errors) = errors {
            parts.push(format!("{name} {} {unit}", milli(errors)));
        }
    };
    add("energy", "meV/atom", errors.energy_per_atom);
    add("forces", "meV/Å", errors.forces);
    add("stress", "meV/Å³", errors.stress);
    if extended {
        add("total energy", "meV", errors.energy);
    }
    parts.join(", ")
}
