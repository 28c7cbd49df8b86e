//! Losses, optimizer, schedule, checkpoints, metrics and the training loop.
//!
//! Read in this order: [`config`] (what the user asked), [`optimizer`] (how the parameters move).

pub mod config;
mod ema;
mod error;
pub mod loss;
pub mod metrics;
pub mod optimizer;
mod real;
mod schedule;
mod weight_decay;

pub use config::{CheckpointConfig, OptimizerConfig, TrainingLoopConfig};
pub use error::TrainError;
pub use loss::{Labels, LossConfig, LossKind, LossStage, LossTerms, LossWeights, Predictions};
pub use metrics::{ErrorSums, Errors, MetricSummary, Metrics};
pub use optimizer::{Ema, MicroStep, Optimizer, OptimizerState};
pub use real::Real;
pub use schedule::Schedule;
pub use weight_decay::decayed_parameters;
