//! A run, resolved: every key of the YAML file with its default filled in, in the types of the crates
//! that use it.

use dipm_data::DatasetOptions;
use dipm_field::Half;
use dipm_models::{Model, ModelConfig, ParamDtype};
use dipm_train::{CheckpointConfig, LossConfig, OptimizerConfig, TrainingLoopConfig};
use std::path::PathBuf;
use std::sync::Arc;

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

/// Keys whose change leaves the model that comes out of a run as it is, so that a run can go on
/// with another value.
const FREE_KEYS: &[&str] = &[
    "dataset.test_dataset_paths",
    "dataset.test_num_to_load",
    "dataset.num_workers",
    "dataset.num_batch_prefetch",
    "dataset.load_into_memory",
    "train.save_path",
    "train.log_interval",
    // the number of processes is compared for itself
    "train.parallel",
    "train.extended_metrics",
    "train.local_model_output_dir",
    "train.max_checkpoints_to_keep",
    "train.checkpoint_interval_minutes",
    "train.restore_checkpoint_if_exists",
    "train.epoch_to_restore",
    "train.restore_optimizer_state",
    "train.clear_previous_checkpoints",
    "train.report",
    "train.tensorboard",
    "train.wandb",
];

impl RunConfig {
    /// Keys (`train.log_interval`) that may differ from an earlier run that is continued. More
    /// epochs are a longer run, unless stages of the loss are fractions of them.
    pub fn free_keys(&self) -> Vec<&'static str> {
        let mut keys = FREE_KEYS.to_vec();
        if self.train.stage_splits.is_empty() {
            keys.push("train.num_epochs");
        }
        keys
    }
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
    /// The model to start from; `config` is its own then.
    pub pretrained: Option<Pretrained>,
}

/// A saved model to start from.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// Its file.
    pub path: PathBuf,
    /// The model, without its force head if that is dropped.
    pub model: Arc<Model>,
    /// Whether a force head is dropped.
    pub drop_force_head: bool,
    /// Whether the energies of isolated atoms are fitted anew to the training data.
    pub refit_atomic_energies: bool,
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
    /// Whether a page with charts is written.
    pub report: bool,
    /// Project of the TensorBoard logs; a name or a relative path.
    pub tensorboard: Option<String>,
    /// Project of the logs for Weights & Biases.
    pub wandb: Option<String>,
    /// Number type of the computation.
    pub dtype: ComputeType,
    /// Whether the processes that were started together train together; `None` if there are any.
    pub parallel: Option<bool>,
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
    /// 32 bits, with what a training step keeps in memory as bfloat16.
    Bf16,
    /// 32 bits, with what a training step keeps in memory as float16.
    F16,
}

impl ComputeType {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            ComputeType::F32 => "float32",
            ComputeType::F64 => "float64",
            ComputeType::Bf16 => "bfloat16",
            ComputeType::F16 => "float16",
        }
    }

    /// That of parameters which a file keeps so.
    pub fn of(param_dtype: ParamDtype) -> Self {
        match param_dtype {
            ParamDtype::F32 => ComputeType::F32,
            ParamDtype::F64 => ComputeType::F64,
            ParamDtype::Bf16 => ComputeType::Bf16,
            ParamDtype::F16 => ComputeType::F16,
        }
    }

    /// Bytes of a number that operations are done with.
    pub fn bytes(self) -> usize {
        if self.is_double() { 8 } else { 4 }
    }

    /// Whether operations are done in 64 bits.
    pub fn is_double(self) -> bool {
        self == ComputeType::F64
    }

    /// The format of what a training step keeps in memory, if not that of the operations.
    pub fn storage(self) -> Option<Half> {
        match self {
            ComputeType::F32 | ComputeType::F64 => None,
            ComputeType::Bf16 => Some(Half::Bfloat16),
            ComputeType::F16 => Some(Half::Float16),
        }
    }

    /// What is computed and kept in which type, in a sentence.
    pub fn summary(self) -> String {
        let name = self.name();
        let format = match self {
            ComputeType::F32 | ComputeType::F64 => {
                return format!("computed, summed and kept in {name}");
            }
            ComputeType::Bf16 => "bfloat16",
            ComputeType::F16 => "float16 (derivatives of the loss as bfloat16)",
        };
        format!(
            "features and derivatives that a training step keeps for later are rounded to {format}; operations, sums, \
             geometry, harmonics, energies, forces, parameters, optimizer, validation and test in float32"
        )
    }
}
