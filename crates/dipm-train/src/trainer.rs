//! A run: its state between two batches, and how that is saved and restored.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::checkpoint::{
    BestModel, Checkpoint, CheckpointView, DataPosition, FORMAT, ParameterLayout, TrainingState,
};
use crate::checkpoints;
use crate::config_changes::{changed_facts, changed_ranks};
use crate::loss::LossConfig;
use crate::metric_files::MetricFiles;
use crate::ranks::together;
use crate::record::{IntervalSums, MetricRecord, MetricSink};
use crate::{
    Change, CheckpointConfig, Checkpoints, Ema, Kept, Objective, Observer, Optimizer,
    OptimizerConfig, Ranks, RanksError, Real, Restored, ResumeRules, SingleRank, TrainError,
    TrainingLoopConfig, changed_keys, decayed_parameters,
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
/// same bits again. Each of several [`Ranks`] holds one, and sums the gradient over them between
/// [`Objective::gradient`] and [`Optimizer::step`]; nothing else of the state depends on the data, so that
/// all stay equal. Rank 0 writes.
pub struct Trainer<T, O> {
    pub(crate) config: TrainerConfig,
    pub(crate) objective: O,
    pub(crate) layout: ParameterLayout,
    pub(crate) parameters: Vec<T>,
    /// Between two steps also what is judged or written.
    pub(crate) gradient: Vec<T>,
    pub(crate) optimizer: Optimizer<T>,
    pub(crate) ema: Ema<T>,
    pub(crate) position: DataPosition,
    pub(crate) step: u64,
    pub(crate) learning_rate: f64,
    pub(crate) best: Option<BestModel>,
    pub(crate) best_parameters: Option<Kept<T>>,
    pub(crate) interval: IntervalSums,
    pub(crate) epoch_sums: IntervalSums,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) last_checkpoint: Option<PathBuf>,
    /// When the last checkpoint was written, or the run began.
    last_saved: Instant,
    pub(crate) sinks: Vec<Box<dyn MetricSink>>,
    pub(crate) ranks: Box<dyn Ranks>,
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
        Self::on(Box::new(SingleRank), config, objective, layout, parameters)
    }

    /// The same for one of several ranks, which all call it. Checkpoints are read by all of them and
    /// written by rank 0, so that they need a common file system.
    ///
    /// # Errors
    /// As [`Trainer::new`], and [`TrainError::Ranks`] when another rank fails or does not come.
    pub fn on(
        mut ranks: Box<dyn Ranks>,
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
        let checkpoints = match ranks.rank() {
            0 => Checkpoints::open(&config.checkpoints),
            _ => Ok(None),
        };
        let checkpoints = together(&mut *ranks, checkpoints)?;
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
            checkpoints,
            last_checkpoint: None,
            last_saved: Instant::now(),
            sinks: Vec::new(),
            config,
            ranks,
        };
        trainer.restore()?;
        let files = trainer.open_metric_files();
        let files = together(&mut *trainer.ranks, files)?;
        trainer
            .sinks
            .extend(files.map(|files| Box::new(files) as Box<dyn MetricSink>));
        trainer.check_equality()?;
        Ok(trainer)
    }

    fn open_metric_files(&self) -> Result<Option<MetricFiles>, TrainError> {
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(None);
        };
        let restored = self.is_resumed().then_some((self.position, self.step));
        MetricFiles::open(checkpoints.directory(), restored).map(Some)
    }

    /// That the parameters of all ranks are the same bits.
    pub(crate) fn check_equality(&mut self) -> Result<(), TrainError> {
        if self.ranks.size() == 1 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        T::write_bytes(&self.parameters, &mut bytes);
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
        let sums = self.ranks.gather(&[f64::from(sum)])?;
        let ranks: Vec<usize> = (0..sums.len()).filter(|&r| sums[r] != sums[0]).collect();
        let epoch = self.position.epoch;
        match ranks.is_empty() {
            true => Ok(()),
            false => Err(RanksError::Diverged { ranks, epoch }.into()),
        }
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
    ///
    /// # Errors
    /// When the parameters of the best model cannot be read.
    pub fn checkpoint(&self) -> std::io::Result<CheckpointView<'_, T>> {
        let optimizer = self.optimizer.state();
        let best = self.best_parameters.as_ref().map(Kept::values);
        Ok(CheckpointView {
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
                num_ranks: self.ranks.size() as u64,
                config: self.config.config_text.clone(),
                dataset_info: self.config.dataset_info.clone(),
            },
            parameters: &self.parameters,
            optimizer,
            ema: &self.ema,
            best: best.transpose()?,
        })
    }

    /// Keeps the parameters of the best model: in the results directory, if there is one.
    pub(crate) fn keep_best(&mut self, parameters: &[T]) -> Result<(), TrainError> {
        let directory = self.checkpoints.as_ref().map(Checkpoints::directory);
        let kept = Kept::new(parameters, directory);
        self.best_parameters = Some(kept.map_err(self.best_error("write"))?);
        Ok(())
    }

    /// That the parameters of the best model could not be written or read.
    pub(crate) fn best_error(
        &self,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> TrainError {
        let directory = self.checkpoints.as_ref().map(Checkpoints::directory);
        TrainError::io(action, directory.unwrap_or(Path::new("")))
    }

    /// Saves a checkpoint at the present position, if there is a directory for it.
    ///
    /// # Errors
    /// As [`Checkpoints::save`].
    pub fn save_checkpoint(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        if let Some(checkpoints) = &self.checkpoints {
            // the best model takes the place of the gradient
            self.gradient = Vec::new();
            let checkpoint = self.checkpoint().map_err(self.best_error("read"))?;
            let saved = checkpoints.save(&self.layout, &checkpoint);
            drop(checkpoint);
            self.gradient = vec![T::default(); self.parameters.len()];
            let path = saved?;
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

    /// Goes on from the checkpoint that rank 0 finds and accepts, if it finds one.
    fn restore(&mut self) -> Result<(), TrainError> {
        let found = self.find();
        let found = together(&mut *self.ranks, found)?;
        let directory = self.config.checkpoints.local_model_output_dir.clone();
        let Some(directory) = directory else {
            return Ok(());
        };
        let decision = found.as_ref().map_or([0.0; 4], |restored| {
            let DataPosition { epoch, batch } = restored.checkpoint.state.position;
            let whole = f64::from(u8::from(restored.whole));
            [1.0, epoch as f64, batch as f64, whole]
        });
        let [is_found, epoch, batch, whole] = self.ranks.gather(&decision)?[0][..] else {
            unreachable!("each rank brings four numbers")
        };
        if is_found == 0.0 {
            return Ok(());
        }
        let (epoch, batch) = (epoch as u64, batch as u64);
        let path = checkpoints::path(&directory, DataPosition { epoch, batch });
        let restored = match found {
            Some(restored) => Ok(restored),
            None => Checkpoint::read(&path, &self.layout).map(|checkpoint| Restored {
                checkpoint,
                whole: whole != 0.0,
            }),
        };
        let restored = together(&mut *self.ranks, restored)?;
        let continued = self.go_on(restored, path);
        together(&mut *self.ranks, continued)
    }

    /// What rank 0 has to go on from.
    fn find(&self) -> Result<Option<Restored<T>>, TrainError> {
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(None);
        };
        let restored = checkpoints.restore::<T>(&self.config.checkpoints, &self.layout)?;
        if let Some(Restored { checkpoint, whole }) = &restored {
            let path = checkpoints.path(checkpoint.state.position);
            self.check_changes(&checkpoint.state, &path, *whole)?;
        }
        Ok(restored)
    }

    fn go_on(&mut self, restored: Restored<T>, path: PathBuf) -> Result<(), TrainError> {
        let checkpoint = restored.checkpoint;
        let state = checkpoint.state;
        self.last_checkpoint = Some(path);
        self.parameters = checkpoint.parameters;
        self.position = self.position_for_ranks(&state);
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

    /// The position of a checkpoint, whose batches other ranks may have shared. Then up to as many
    /// batches are seen again as there are ranks now, and none is left out.
    fn position_for_ranks(&self, state: &TrainingState) -> DataPosition {
        let DataPosition { epoch, batch } = state.position;
        let batch = batch * state.num_ranks / self.ranks.size() as u64;
        DataPosition { epoch, batch }
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
        changes.extend(changed_ranks(state.num_ranks, self.ranks.size() as u64));
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
