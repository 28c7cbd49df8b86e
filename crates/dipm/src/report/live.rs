//! The page of a training run, written anew after each validation and at the end.

use super::chart::grouped;
use super::curves::Curves;
use super::page::{Evaluated, Figure, Page, error_figures, replace};
use crate::evaluation::{Collector, Evaluation};
use dipm_data::Batch;
use dipm_train::{
    EvaluationRecord, Labels, MetricRecord, Observer, Predictions, Progress, Ranks, RanksError,
    TimedRecord,
};
use std::io;
use std::path::{Path, PathBuf};

/// What a page says of a run beside its metrics.
#[derive(Debug, Clone)]
pub struct RunDescription {
    /// Name of the architecture.
    pub architecture: String,
    /// Trained parameters.
    pub num_parameters: usize,
    /// Processes that train together.
    pub num_processes: usize,
    /// What is computed and kept in which number type.
    pub precision: String,
    /// The resolved configuration as YAML.
    pub config: String,
    /// What was found in the data, as text.
    pub data: String,
    /// Epochs of the whole run.
    pub num_epochs: u64,
    /// Structures to train on.
    pub num_structures: usize,
}

/// What is shown of a run of several processes.
fn processes(count: usize) -> Option<String> {
    (count > 1).then(|| {
        format!(
            "{count} processes trained together. Curves, tables and charts of errors are of the structures of all of them; time \
             waited and memory are those of the first."
        )
    })
}

/// Watches a run and keeps its page up to date.
#[derive(Debug)]
pub struct LiveReport {
    path: PathBuf,
    run: RunDescription,
    curves: Curves,
    /// Epochs that are over.
    epoch: u64,
    /// Epoch and validation loss of the best model.
    best: Option<(u64, f64)>,
    /// Of the evaluation that goes on.
    current: Collector,
    /// Judged, but not yet known whether it is the best.
    pending: Option<(Evaluation, EvaluationRecord)>,
    /// Epoch and validation of the best model since this process began, or of the first that it judged.
    validation: Option<(u64, Evaluated)>,
    test: Option<Evaluated>,
    is_finished: bool,
    /// Whether a failure to write was logged.
    has_warned: bool,
}

impl LiveReport {
    /// For a run with the `history` of the run that it continues, if it does.
    pub fn new(path: &Path, run: RunDescription, history: &[TimedRecord]) -> Self {
        let mut report = Self {
            path: path.to_owned(),
            run,
            curves: Curves::default(),
            epoch: 0,
            best: None,
            current: Collector::default(),
            pending: None,
            validation: None,
            test: None,
            is_finished: false,
            has_warned: false,
        };
        history.iter().for_each(|record| report.take_in(record));
        report
    }

    /// The page of a run that has come to its end.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn finish(&mut self) -> io::Result<()> {
        self.is_finished = true;
        replace(&self.path, &self.html())
    }

    /// Where the page is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn take_in(&mut self, timed: &TimedRecord) {
        self.curves.add(timed);
        match &timed.record {
            MetricRecord::Validation(record) => self.epoch = record.epoch,
            MetricRecord::EpochStart { epoch, .. } => self.epoch = epoch.saturating_sub(1),
            MetricRecord::BestModel {
                best_epoch,
                best_loss,
                ..
            } => {
                self.best = Some((*best_epoch, *best_loss));
            }
            _ => {}
        }
    }

    /// Keeps a validation if it is of the best model, or if that of the best model is not there.
    fn keep_validation(&mut self, best_epoch: u64) {
        let Some((evaluation, record)) = self.pending.take() else {
            return;
        };
        let has_best = self
            .validation
            .as_ref()
            .is_some_and(|(epoch, _)| *epoch == best_epoch);
        if has_best && record.epoch != best_epoch {
            return;
        }
        let mut model = model_text(&record);
        if record.epoch != best_epoch {
            model.push_str(&format!(
                "; the best model so far, of epoch {best_epoch}, was judged before this run was restarted"
            ));
        }
        let title = "Validation set".to_owned();
        self.validation = Some((
            record.epoch,
            Evaluated {
                title,
                model,
                evaluation,
            },
        ));
    }

    /// Writes the page while the run goes on. It is no reason to end a run that its page cannot be written.
    fn refresh(&mut self) {
        if let Err(error) = replace(&self.path, &self.html())
            && !std::mem::replace(&mut self.has_warned, true)
        {
            tracing::warn!(
                "the report {} could not be written: {error}",
                self.path.display()
            );
        }
    }

    fn html(&self) -> String {
        let run = &self.run;
        let state = match (self.is_finished, self.epoch) {
            (true, epoch) => format!("finished after {epoch} epochs"),
            (false, epoch) => format!("{epoch} of {} epochs done", run.num_epochs),
        };
        let subtitle = format!(
            "{} parameters, {} structures to train on; {state}",
            grouped(run.num_parameters as u64),
            grouped(run.num_structures as u64)
        );
        let mut page = Page::new(&format!("Training of {}", run.architecture), &subtitle);
        page.figures(&self.figures());
        page.heading("Learning curves");
        page.charts(&self.curves.learning());
        for evaluated in self
            .validation
            .iter()
            .map(|(_, evaluated)| evaluated)
            .chain(&self.test)
        {
            page.evaluation(evaluated);
        }
        page.heading("Speed and memory");
        page.charts(&self.curves.resources());
        page.heading("Data and configuration");
        page.paragraph(&format!("Number types: {}.", run.precision));
        if let Some(sentence) = processes(run.num_processes) {
            page.paragraph(&sentence);
        }
        page.folded("What was found in the data", &run.data);
        page.folded("Configuration, with every default", &run.config);
        page.finish()
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![(
            format!("{} / {}", self.epoch, self.run.num_epochs),
            "epochs".to_owned(),
        )];
        if let Some((epoch, loss)) = self.best {
            figures.push((
                format!("{loss:.4e}"),
                format!("validation loss, best, epoch {epoch}"),
            ));
        }
        if let Some((_, validation)) = &self.validation {
            figures.extend(error_figures(&validation.evaluation, ", validation"));
        }
        if let Some(test) = &self.test {
            figures.extend(error_figures(&test.evaluation, ", test"));
        }
        figures
    }
}

fn model_text(record: &EvaluationRecord) -> String {
    let kind = match record.averaged_parameters {
        true => "averaged parameters",
        false => "current parameters",
    };
    match record.epoch {
        0 => format!("Model before training, {kind}"),
        epoch => format!("Model of epoch {epoch}, {kind}"),
    }
}

impl Observer for LiveReport {
    fn pass_started(&mut self, progress: &Progress) {
        self.current.pass_started(progress);
    }

    fn batch_evaluated(&mut self, batch: &Batch, labels: &Labels, predictions: &Predictions) {
        self.current.batch_evaluated(batch, labels, predictions);
    }

    fn evaluation_done(&mut self, ranks: &mut dyn Ranks) -> Result<(), RanksError> {
        self.current.evaluation_done(ranks)
    }

    fn record(&mut self, record: &MetricRecord) {
        self.take_in(&TimedRecord::now(record.clone()));
        match record {
            MetricRecord::Validation(record) => {
                self.pending = self
                    .current
                    .take()
                    .map(|evaluation| (evaluation, record.clone()));
            }
            MetricRecord::BestModel { best_epoch, .. } => {
                self.keep_validation(*best_epoch);
                self.refresh();
            }
            // without a validation set there is no other end of an epoch
            MetricRecord::EpochStart { epoch, .. } if *epoch > 1 && self.validation.is_none() => {
                self.refresh()
            }
            MetricRecord::Test(record) => {
                self.test = self.current.take().map(|evaluation| Evaluated {
                    title: "Test set".to_owned(),
                    model: match self.best {
                        Some((epoch, _)) => format!("Best model, of epoch {epoch}"),
                        None => model_text(record),
                    },
                    evaluation,
                });
                self.refresh();
            }
            _ => {}
        }
    }
}
