//! Losses, optimizer, schedule, checkpoints, metrics and the training loop.
//!
//! Read in this order: [`config`] (what the user asked), [`loss`] (what is minimised),
//! [`optimizer`] (how the parameters move), [`metrics`] and [`record`] (what is reported),
//! [`checkpoint`] and
//! [`checkpoints`] (what survives a kill).

mod batch_dump;
mod batch_step;
pub mod checkpoint;
pub mod checkpoints;
pub mod config;
mod config_changes;
mod diagnosis;
mod ema;
mod error;
mod kept;
pub mod loss;
pub mod loss_fields;
pub mod memory;
pub mod metric_files;
pub mod metrics;
pub mod objective;
pub mod observer;
pub mod optimizer;
mod protobuf;
#[cfg(test)]
mod protobuf_reading;
pub mod ranks;
mod real;
pub mod record;
mod refit;
mod schedule;
mod tensorboard;
mod trainer;
mod training_loop;
mod training_step;
mod wandb;
mod wandb_file;
mod weight_decay;

pub use batch_dump::BatchDump;
pub use checkpoint::{
    BestModel, Checkpoint, CheckpointView, DataPosition, ParameterLayout, TrainingState,
};
pub use checkpoints::{Checkpoints, Restored};
pub use config::{CheckpointConfig, NonFinitePolicy, OptimizerConfig, TrainingLoopConfig};
pub use config_changes::{Change, ResumeRules, changed_keys};
pub use diagnosis::{Diagnosis, FirstNonFinite, StructureState, diagnose};
pub use error::{Culprit, TrainError};
pub use kept::{Kept, KeptFile};
pub use loss::{Labels, LossConfig, LossKind, LossStage, LossTerms, LossWeights, Predictions};
pub use loss_fields::{LossFields, LossInputs};
pub use metric_files::{MetricFiles, TimedRecord, read_records, unix_seconds};
pub use metrics::{ErrorSums, Errors, MetricSummary, Metrics};
pub use objective::{BatchStream, Batches, Objective};
pub use observer::{Observer, Pass, Progress, Silent};
pub use optimizer::{Ema, MicroStep, Optimizer, OptimizerState};
pub use ranks::{Ranks, RanksError, SingleRank, ThreadRanks};
pub use real::Real;
pub use record::{EpochThroughput, EvaluationRecord, MetricRecord, MetricSink, TrainingRecord};
pub use refit::{Refit, refit_atomic_energies};
pub use schedule::Schedule;
pub use tensorboard::TensorBoard;
pub use trainer::{Trainer, TrainerConfig};
pub use training_loop::{Outcome, TrainedModel, TrainingData};
pub use training_step::{TrainingStep, flat_parameters, take_parameters, with_parameters};
pub use wandb::{Wandb, WandbRun};
pub use weight_decay::decayed_parameters;
