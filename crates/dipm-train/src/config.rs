//! The `train` section of a configuration as plain data: one struct for each part that reads it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// How gradients move the parameters; see [`crate::Optimizer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Decay only the parameters chosen by [`crate::decayed_parameters`], not all.
    pub apply_weight_decay_mask: bool,
    /// λ of the L2 term λ·p that is added to the gradient before clipping; at least 0.
    pub weight_decay: f64,
    /// Largest global norm of a gradient; longer ones are shortened to it. At least 0, and 0 stops
    /// all movement.
    pub grad_norm: f64,
    /// Batches whose mean gradient makes one update; at least 1.
    pub num_gradient_accumulation_steps: u32,
    /// Learning rate of the first batch; above 0.
    pub init_learning_rate: f64,
    /// Learning rate after `warmup_steps`; above 0.
    pub peak_learning_rate: f64,
    /// Learning rate after `warmup_steps + transition_steps`; above 0.
    pub final_learning_rate: f64,
    /// Batches of linear rise from `init_learning_rate` to `peak_learning_rate`.
    pub warmup_steps: u64,
    /// Batches of linear change from `peak_learning_rate` to `final_learning_rate`; 0 keeps the
    /// peak for ever.
    pub transition_steps: u64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerConfig {
            apply_weight_decay_mask: true,
            weight_decay: 0.0,
            grad_norm: 500.0,
            num_gradient_accumulation_steps: 1,
            init_learning_rate: 0.01,
            peak_learning_rate: 0.01,
            final_learning_rate: 0.01,
            warmup_steps: 4000,
            transition_steps: 360_000,
        }
    }
}

impl OptimizerConfig {
    /// Whether an update takes more than one batch, whose gradients are then kept.
    pub fn accumulates(&self) -> bool {
        self.num_gradient_accumulation_steps > 1
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first key out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let positive = [
            ("init_learning_rate", self.init_learning_rate),
            ("peak_learning_rate", self.peak_learning_rate),
            ("final_learning_rate", self.final_learning_rate),
        ];
        for (key, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(TrainError::Config {
                    key,
                    problem: format!("must be above 0, found {value}"),
                });
            }
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let problem = format!(
                "must be a finite number of at least 0, found {}",
                self.weight_decay
            );
            return Err(TrainError::Config {
                key: "weight_decay",
                problem,
            });
        }
        if self.grad_norm.is_nan() || self.grad_norm < 0.0 {
            let problem = format!("must be at least 0, found {}", self.grad_norm);
            return Err(TrainError::Config {
                key: "grad_norm",
                problem,
            });
        }
        if self.num_gradient_accumulation_steps == 0 {
            let problem = "must be at least 1, found 0".to_owned();
            return Err(TrainError::Config {
                key: "num_gradient_accumulation_steps",
                problem,
            });
        }
        Ok(())
    }
}

/// What happens when the loss or the gradient of a batch is infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NonFinitePolicy {
    /// The run stops.
    #[default]
    Stop,
    /// The batch is left out and named in the log; the run stops when it happens too often in a
    /// row.
    Skip,
}

/// The loop over epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingLoopConfig {
    /// Total passes over the training set; a resumed run continues up to this. At least 1.
    pub num_epochs: u64,
    /// Weight of the past in the running average of the parameters, 0 to 1; see [`crate::Ema`].
    #[serde(default = "default_ema_decay")]
    pub ema_decay: f64,
    /// Judge (and keep as best) the averaged parameters rather than the current ones.
    #[serde(default = "default_true")]
    pub use_ema_params_for_eval: bool,
    /// Evaluate the initial parameters before the first epoch.
    #[serde(default = "default_true")]
    pub run_eval_at_start: bool,
    /// Batches between two reports of training metrics; once an epoch when absent.
    #[serde(default)]
    pub log_interval: Option<u64>,
    /// What happens with a batch whose loss or gradient is not finite.
    #[serde(default)]
    pub on_non_finite: NonFinitePolicy,
}

fn default_ema_decay() -> f64 {
    0.99
}

fn default_true() -> bool {
    true
}

impl TrainingLoopConfig {
    /// The defaults with a number of epochs.
    pub fn new(num_epochs: u64) -> Self {
        TrainingLoopConfig {
            num_epochs,
            ema_decay: default_ema_decay(),
            use_ema_params_for_eval: true,
            run_eval_at_start: true,
            log_interval: None,
            on_non_finite: NonFinitePolicy::Stop,
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first key out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        if self.num_epochs == 0 {
            return Err(TrainError::Config {
                key: "num_epochs",
                problem: "must be at least 1, found 0".to_owned(),
            });
        }
        if !(0.0..=1.0).contains(&self.ema_decay) {
            let problem = format!("must lie between 0 and 1, found {}", self.ema_decay);
            return Err(TrainError::Config {
                key: "ema_decay",
                problem,
            });
        }
        if self.log_interval == Some(0) {
            return Err(TrainError::Config {
                key: "log_interval",
                problem: "must be at least 1, found 0".to_owned(),
            });
        }
        Ok(())
    }
}

/// Where checkpoints lie and what an earlier run there means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Directory of `model/<epoch>/`, `metrics.jsonl` and `metrics.csv`; nothing is written when
    /// absent.
    pub local_model_output_dir: Option<PathBuf>,
    /// Newest checkpoints of whole epochs kept; at least 1.
    pub max_checkpoints_to_keep: usize,
    /// Minutes after which a checkpoint is written within an epoch too; above 0. The next one
    /// replaces it.
    pub checkpoint_interval_minutes: Option<f64>,
    /// Continue from an earlier run in the directory, if there is one.
    pub restore_checkpoint_if_exists: bool,
    /// Epoch to continue from; the newest when absent.
    pub epoch_to_restore: Option<u64>,
    /// Restore the whole state, so that the run goes on bit for bit, rather than parameters and
    /// counters only.
    pub restore_optimizer_state: bool,
    /// Delete the checkpoints and metrics of an earlier run, and nothing else.
    pub clear_previous_checkpoints: bool,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        CheckpointConfig {
            local_model_output_dir: None,
            max_checkpoints_to_keep: 5,
            checkpoint_interval_minutes: None,
            restore_checkpoint_if_exists: false,
            epoch_to_restore: None,
            restore_optimizer_state: false,
            clear_previous_checkpoints: false,
        }
    }
}

impl CheckpointConfig {
    /// Checks that the keys agree with each other and that the output path can be a directory.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first key that cannot be followed.
    pub fn validate(&self) -> Result<(), TrainError> {
        let refuse = |key, problem: &str| {
            Err(TrainError::Config {
                key,
                problem: problem.to_owned(),
            })
        };
        if self.max_checkpoints_to_keep == 0 {
            return refuse("max_checkpoints_to_keep", "must be at least 1, found 0");
        }
        if let Some(minutes) = self.checkpoint_interval_minutes {
            let key = "checkpoint_interval_minutes";
            if !(minutes > 0.0 && minutes.is_finite()) {
                return refuse(key, &format!("must be above 0, found {minutes}"));
            }
            if self.local_model_output_dir.is_none() {
                return refuse(key, "needs `local_model_output_dir`");
            }
        }
        if self.restore_checkpoint_if_exists && self.clear_previous_checkpoints {
            let problem =
                "cannot be combined with `clear_previous_checkpoints: true`; keep one of the two";
            return refuse("restore_checkpoint_if_exists", problem);
        }
        let Some(directory) = &self.local_model_output_dir else {
            if self.restore_checkpoint_if_exists {
                return refuse(
                    "restore_checkpoint_if_exists",
                    "needs `local_model_output_dir`",
                );
            }
            if self.clear_previous_checkpoints {
                return refuse(
                    "clear_previous_checkpoints",
                    "needs `local_model_output_dir`",
                );
            }
            return Ok(());
        };
        if directory.exists() && !directory.is_dir() {
            let problem = format!("{} is a file, not a directory", directory.display());
            return refuse("local_model_output_dir", &problem);
        }
        Ok(())
    }
}
