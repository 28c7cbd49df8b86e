//! What can go wrong while training.

use std::path::{Path, PathBuf};

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
