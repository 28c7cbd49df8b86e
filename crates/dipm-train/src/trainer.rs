//! A run: its state between two batches, and how that is saved and restored.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::checkpoint::{
    BestModel, CheckpointView, DataPosition, FORMAT, ParameterLayout, TrainingState,
};
use crate::config_changes::changed_facts;
use crate::loss::LossConfig;
use crate::metric_files::MetricFiles;
use crate::record::{IntervalSums, MetricRecord, MetricSink};
use crate::{
    Change, CheckpointConfig, Checkpoints, Ema, Objective, Observer, Optimizer, OptimizerConfig,
    Real, ResumeRules, TrainError, TrainingLoopConfig, changed_keys, decayed_parameters,
};

/// The configuration of a run, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerConfig {
    /// The loop.
    pub training: TrainingLoopConfig,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The loss and its stages.
    pub loss: LossConfig,
    /// Checkpoints.
    pub checkpoints: CheckpointConfig,
    /// Seed of the order of the training data; kept in checkpoints.
    pub seed: u64,
    /// The whole configuration as text; kept in checkpoints.
    pub config_text: String,
    /// Facts about the data as JSON; kept in checkpoints.
    pub dataset_info: serde_json::Value,
    /// What may differ from an earlier run that this one continues.
    pub resume: ResumeRules,
}

/// A training run.
///
/// The state between two batches is a value of this type; a checkpoint of it and the data give the
/// same bits again. Many processes will each hold one and average the gradient between
/// [`Objective::gradient`] and
/// [`Optimizer::step`]; nothing else of the state depends on the data.
pub struct Trainer<T, O> {
    pub(crate) config: TrainerConfig,
    pub(crate) objective: O,
    pub(crate) layout: ParameterLayout,
    pub(crate) parameters: Vec<T>,
    pub(crate) gradient: Vec<T>,
    pub(crate) optimizer: Optimizer<T>,
    pub(crate) ema: Ema<T>,
    pub(crate) position: DataPosition,
    pub(crate) step: u64,
    pub(crate) learning_rate: f64,
    pub(crate) best: Option<BestModel>,
    pub(crate) best_parameters: Option<Vec<T>>,
    pub(crate) interval: IntervalSums,
    pub(crate) epoch_sums: IntervalSums,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) last_checkpoint: Option<PathBuf>,
    /// When the last checkpoint was written, or the run began.
    last_saved: Instant,
    pub(crate) sinks: Vec<Box<dyn MetricSink>>,
}

impl<T: Real, O: Objective<T>> Trainer<T, O> {
    /// A run from `parameters` (flat, in the order of `layout`), or from a checkpoint where the
    /// configuration says so.
    ///
    /// Of a checkpoint everything is used with `restore_optimizer_state`, and then the run gives
    /// the bits of one that was never interrupted. Without it, parameters, step and position in the
    /// data are used; moments, learning rate schedule, averaged parameters and best model begin
    /// anew, as in dipm 0.0.8.
    ///
    /// # Errors
    /// [`TrainError::Config`] for keys out of range or changed so that the checkpoint cannot be
    /// continued, and the errors of [`Checkpoints::open`] and [`Checkpoints::restore`].
    pub fn new(
        config: TrainerConfig,
        objective: O,
        layout: ParameterLayout,
        parameters: Vec<T>,
    ) -> Result<Self, TrainError> {
        config.training.validate()?;
        config.optimizer.validate()?;
        assert_eq!(
            parameters.len(),
            layout.len(),
            "parameters of another layout"
        );
        let names = layout.sizes().map(|(name, _)| name);
        let decays = decayed_parameters(names, config.optimizer.apply_weight_decay_mask);
        let sizes = layout.sizes().map(|(_, size)| size).zip(decays);
        let mut trainer = Trainer {
            objective,
            gradient: vec![T::default(); parameters.len()],
            optimizer: Optimizer::new(&config.optimizer, sizes),
            ema: Ema::new(config.training.ema_decay, parameters.len()),
            parameters,
            layout,
            position: DataPosition::default(),
            step: 0,
            learning_rate: 0.0,
            best: None,
            best_parameters: None,
            interval: IntervalSums::default(),
            epoch_sums: IntervalSums::default(),
            checkpoints: Checkpoints::open(&config.checkpoints)?,
            last_checkpoint: None,
            last_saved: Instant::now(),
            sinks: Vec::new(),
            config,
        };
        trainer.restore()?;
        if let Some(checkpoints) = &trainer.checkpoints {
            let restored = trainer
                .is_resumed()
                .then_some((trainer.position, trainer.step));
            let files = MetricFiles::open(checkpoints.directory(), restored)?;
            trainer.sinks.push(Box::new(files));
        }
        Ok(trainer)
    }

    /// Adds a receiver of the records.
    pub fn add_sink(&mut self, sink: Box<dyn MetricSink>) {
        self.sinks.push(sink);
    }

    /// Whether the run goes on from a checkpoint.
    pub fn is_resumed(&self) -> bool {
        self.last_checkpoint.is_some()
    }

    /// Epochs completed and batches of the next one done.
    pub fn position(&self) -> DataPosition {
        self.position
    }

    /// Updates so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Current parameters, flat.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// The running average of the parameters.
    pub fn ema(&self) -> &Ema<T> {
        &self.ema
    }

    /// The best model so far.
    pub fn best(&self) -> Option<BestModel> {
        self.best
    }

    /// Names and shapes of the parameters.
    pub fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    /// The state as it would be saved now.
    pub fn checkpoint(&self) -> CheckpointView<'_, T> {
        let optimizer = self.optimizer.state();
        CheckpointView {
            state: TrainingState {
                format: FORMAT,
                program_version: env!("CARGO_PKG_VERSION").to_owned(),
                position: self.position,
                stage: self.config.loss.stage(self.position.epoch + 1),
                step: self.step,
                micro_steps: optimizer.micro_steps,
                updates: optimizer.updates,
                num_accumulated: optimizer.num_accumulated,
                ema_decay: self.ema.decay,
                ema_updates: self.ema.updates(),
                learning_rate: self.learning_rate,
                best: self.best,
                interval: self.interval,
                epoch_sums: self.epoch_sums,
                seed: self.config.seed,
                config: self.config.config_text.clone(),
                dataset_info: self.config.dataset_info.clone(),
            },
            parameters: &self.parameters,
            optimizer,
            ema: &self.ema,
            best: self.best_parameters.as_deref(),
        }
    }

    /// Saves a checkpoint at the present position, if there is a directory for it.
    ///
    /// # Errors
    /// As [`Checkpoints::save`].
    pub fn save_checkpoint(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        if let Some(checkpoints) = &self.checkpoints {
            let path = checkpoints.save(&self.layout, &self.checkpoint())?;
            observer.checkpoint_saved(self.position.epoch, &path);
            self.last_checkpoint = Some(path);
            self.last_saved = Instant::now();
        }
        Ok(())
    }

    /// Whether `checkpoint_interval_minutes` have passed since the last checkpoint.
    pub(crate) fn checkpoint_is_due(&self) -> bool {
        let interval = self.config.checkpoints.checkpoint_interval_minutes;
        interval.is_some_and(|minutes| self.last_saved.elapsed().as_secs_f64() >= 60.0 * minutes)
    }

    fn restore(&mut self) -> Result<(), TrainError> {
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(());
        };
        let config = &self.config.checkpoints;
        let Some(restored) = checkpoints.restore::<T>(config, &self.layout)? else {
            return Ok(());
        };
        let checkpoint = restored.checkpoint;
        let state = checkpoint.state;
        let path = checkpoints.path(state.position);
        self.check_changes(&state, &path, restored.whole)?;
        self.last_checkpoint = Some(path);
        self.parameters = checkpoint.parameters;
        self.position = state.position;
        self.step = state.step;
        self.learning_rate = state.learning_rate;
        self.interval = state.interval;
        self.epoch_sums = state.epoch_sums;
        if !restored.whole {
            return Ok(());
        }
        let changed = |key, was: String| {
            let problem = format!(
                "was {was} when the checkpoint was written; set it back, or restore the parameters only \
                 (`restore_optimizer_state: false`)"
            );
            Err(TrainError::Config { key, problem })
        };
        if state.ema_decay != self.config.training.ema_decay {
            return changed("ema_decay", state.ema_decay.to_string());
        }
        if state.seed != self.config.seed {
            return changed("seed", state.seed.to_string());
        }
        if checkpoint.optimizer.accumulated.len() != self.optimizer.state().accumulated.len() {
            return changed(
                "num_gradient_accumulation_steps",
                "another number".to_owned(),
            );
        }
        self.optimizer.set_state(checkpoint.optimizer);
        self.ema = checkpoint.ema;
        self.best = state.best;
        self.best_parameters = checkpoint.best;
        Ok(())
    }

    /// Logs what differs from the run that wrote a checkpoint; refuses what would change the
    /// result of a `whole` continuation unnoticed.
    fn check_changes(
        &self,
        state: &TrainingState,
        path: &Path,
        whole: bool,
    ) -> Result<(), TrainError> {
        let version = env!("CARGO_PKG_VERSION");
        if state.program_version != version {
            let was = &state.program_version;
            tracing::info!("the checkpoint was written by version {was}, this is {version}");
        }
        let rules = &self.config.resume;
        let keys = changed_keys(&state.config, &self.config.config_text);
        let (free, mut changes): (Vec<Change>, Vec<Change>) =
            keys.into_iter().partition(|change| rules.allow(change));
        changes.extend(changed_facts(
            &state.dataset_info,
            &self.config.dataset_info,
        ));
        if whole && !changes.is_empty() && !rules.accept_changes {
            let checkpoint = path.to_owned();
            return Err(TrainError::ChangedConfig {
                checkpoint,
                changes,
            });
        }
        for change in free.iter().chain(&changes) {
            tracing::info!("changed since the checkpoint: {change}");
        }
        Ok(())
    }

    /// Hands a record to the observer and all sinks.
    pub(crate) fn report(
        &mut self,
        record: &MetricRecord,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        observer.record(record);
        self.sinks
            .iter_mut()
            .try_for_each(|sink| sink.record(record))
    }
}
