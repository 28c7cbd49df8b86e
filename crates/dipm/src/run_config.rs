//! A run, resolved: every key of the YAML file with its default filled in, in the types of the crates
//! that use it.

use dipm_data::DatasetOptions;
use dipm_models::ModelConfig;
use dipm_train::{CheckpointConfig, LossConfig, OptimizerConfig, TrainingLoopConfig};
use std::path::PathBuf;

/// The three sections.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// `model`
    pub model: ModelSection,
    /// `dataset`
    pub dataset: DatasetSection,
    /// `train`
    pub train: TrainSection,
}

/// What is trained.
#[derive(Debug, Clone)]
pub struct ModelSection {
    /// Architecture and its options.
    pub config: ModelConfig,
    /// Seed of the initial parameters.
    pub seed: u64,
    /// Whether the saved model predicts stress.
    pub predict_stress: bool,
}

/// What it is trained on.
#[derive(Debug, Clone)]
pub struct DatasetSection {
    /// Paths, splits, cutoff, limits. `info` is filled in from `info_file` when the data are read.
    pub options: DatasetOptions,
    /// Statistics to reuse if the file exists.
    pub info_file: Option<PathBuf>,
    /// Whether the training order changes every epoch.
    pub shuffle: bool,
    /// Loader threads; all cores when absent.
    pub num_workers: Option<usize>,
    /// Batches prepared ahead.
    pub num_batch_prefetch: usize,
    /// Whether graphs are kept in memory after the first pass.
    pub load_into_memory: bool,
}

/// How it is trained.
#[derive(Debug, Clone)]
pub struct TrainSection {
    /// Loss and its stages.
    pub loss: LossConfig,
    /// `stage_splits` as written, from which the stages of the loss follow; empty without stages.
    pub stage_splits: Vec<f64>,
    /// The loop over epochs.
    pub training: TrainingLoopConfig,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Checkpoints.
    pub checkpoints: CheckpointConfig,
    /// Whether more metrics are reported.
    pub extended_metrics: bool,
    /// Project of the TensorBoard logs; a name or a relative path.
    pub tensorboard: Option<String>,
    /// Project of the logs for Weights & Biases.
    pub wandb: Option<String>,
    /// Number type of the computation.
    pub dtype: ComputeType,
    /// The final model file.
    pub save_path: PathBuf,
}

/// Number type of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComputeType {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}
