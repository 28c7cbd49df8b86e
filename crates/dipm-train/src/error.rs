//! What can go wrong while training.

use std::fmt;
use std::path::{Path, PathBuf};

use dipm_data::{DataError, Origin};

use crate::Change;
use crate::ranks::numbers;

/// Everything a user can cause while training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting that contradicts another or lies out of range.
    #[error("{key}: {problem}")]
    Config {
        /// Key of the `train` section.
        key: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file or directory could not be read or written.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// Verb, for example `write`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A checkpoint that is not what this program wrote.
    #[error("checkpoint {} cannot be used: {problem}", path.display())]
    Checkpoint {
        /// The checkpoint's directory or file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A fresh run would mix with an earlier one.
    #[error(
        "{} already holds checkpoints of epochs {first} to {last} of an earlier run; set `restore_checkpoint_if_exists: true` \
         to continue it, `clear_previous_checkpoints: true` to delete it, or choose another `local_model_output_dir`",
        directory.display()
    )]
    ExistingCheckpoints {
        /// The output directory.
        directory: PathBuf,
        /// Oldest epoch there.
        first: u64,
        /// Newest epoch there.
        last: u64,
    },
    /// A run would go on with a configuration or data that give another result.
    #[error(
        "{} was written by a run with another configuration or other data:{}\nset these back, go on regardless with \
         `--accept-changes`, or take the parameters only (`restore_optimizer_state: false`)",
        checkpoint.display(),
        changes.iter().map(|change| format!("\n  {change}")).collect::<String>()
    )]
    ChangedConfig {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What would change the result.
        changes: Vec<Change>,
    },
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be evaluated on a batch.
    #[error(transparent)]
    Model(#[from] dipm_models::ModelError),
    /// Processes that train together cannot go on.
    #[error(transparent)]
    Ranks(#[from] crate::RanksError),
    /// The training set gave no batch in a whole epoch.
    #[error("the training set gave no batch in epoch {epoch}")]
    NoTrainingData {
        /// From 1.
        epoch: u64,
    },
    /// A loss or gradient that is infinite or not a number; the parameters were not changed by it.
    #[error(
        "the {quantity} is {value} in epoch {epoch}, batch {batch} (from 0), {}; {}; lower the learning rates or \
         `grad_norm`, or look at these structures{}",
        .culprit,
        match .checkpoint {
            Some(path) => format!("the last good state is {}", path.display()),
            None => "there is no checkpoint yet".to_owned(),
        },
        match .dump {
            Some(path) => format!("; `dipm debug-batch {}` finds the operation", path.display()),
            None => String::new(),
        }
    )]
    NonFinite {
        /// `loss` or `gradient`.
        quantity: &'static str,
        /// NaN or infinite.
        value: f64,
        /// Epoch of the batch, from 1.
        epoch: u64,
        /// Number of the batch in its epoch, from 0.
        batch: u64,
        /// Where it lies.
        culprit: Culprit,
        /// The newest checkpoint.
        checkpoint: Option<PathBuf>,
        /// Where the batch was written to, if the run has an output directory.
        dump: Option<PathBuf>,
    },
}

/// What is not finite.
#[derive(Debug, Clone, PartialEq)]
pub enum Culprit {
    /// The predictions for exactly these structures.
    Predictions(Vec<Origin>),
    /// Something of a batch with these structures.
    Batch(Vec<Origin>),
    /// Something of the batches of other ranks, which name the structures.
    Ranks(Vec<usize>),
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Culprit::Predictions(structures) => {
                write!(f, "with the prediction not finite for {}", list(structures))
            }
            Culprit::Batch(structures) => write!(f, "with the structures {}", list(structures)),
            Culprit::Ranks(ranks) => write!(f, "on rank {}, which says more", numbers(ranks)),
        }
    }
}

impl TrainError {
    pub(crate) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> TrainError {
        let path = path.to_owned();
        move |source| TrainError::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn checkpoint(path: &Path, problem: impl Into<String>) -> TrainError {
        TrainError::Checkpoint {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// `a.xyz, structure 3; a.xyz, structure 4; …`
fn list(structures: &[Origin]) -> String {
    let named: Vec<String> = structures.iter().map(Origin::to_string).collect();
    named.join("; ")
}
