//! The commands, and how they fail.

mod bench;
mod check;
mod cost;
mod debug_batch;
mod derivatives;
mod disk;
mod evaluate;
mod guidance;
mod predict;
mod predictions;
mod training;

use crate::cli::{Cli, Command, DataArgs};
use crate::config::{ConfigError, Overrides};
use crate::launcher;
use dipm_data::DataError;
use dipm_models::ModelError;
use dipm_train::TrainError;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong; nothing was done.
    #[error("{0}")]
    Config(Box<ConfigError>),
    /// The command line asks for what there is not, as a sentence that says what to do.
    #[error("{0}")]
    CommandLine(String),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be made, read or evaluated.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The check before training found what cannot be right.
    #[error(
        "this cannot be right, see the {0} above marked `error`; correct what is said there, or train all the same with \
             --ignore-findings"
    )]
    Findings(String),
    /// A file could not be written.
    #[error("could not write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// A signal has ended a run, whose state is saved; all processes of it know.
    #[error("{0}")]
    Stopped(String),
    /// Anything else, as a sentence that says what to do.
    #[error("{0}")]
    Other(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl Failure {
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write {
            path: path.display().to_string(),
            source,
        }
    }

    /// 2 for what the user wrote, 1 for what happened later.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::CommandLine(_) => 2,
            _ => 1,
        }
    }

    /// Prints the failure to standard error.
    pub fn print(&self) {
        match self {
            Self::Config(error) => {
                let terminal = std::io::stderr().is_terminal();
                let colours = terminal && std::env::var_os("NO_COLOR").is_none();
                eprint!("{}", error.render(100, colours));
            }
            other => match launcher::place().rank {
                0 => eprintln!("error: {other}"),
                _ if matches!(other, Self::Stopped(_)) => {}
                rank => eprintln!("error on rank {rank}: {other}"),
            },
        }
    }
}

/// Runs a command. `started` is when the process began.
///
/// # Errors
/// [`Failure`], to be printed by `main`.
pub fn run(cli: Cli, started: Instant) -> Result<(), Failure> {
    if let Some(threads) = cli.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .map_err(|e| Failure::Other(format!("could not start {threads} threads: {e}")))?;
    }
    match cli.command {
        Command::Train(args) => training::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Bench(args) => bench::run(&args, started),
        Command::DebugBatch(args) => debug_batch::run(&args),
        Command::Init(args) => guidance::init(&args),
        Command::Explain(args) => guidance::explain(&args),
        Command::Schema => guidance::schema(),
    }
}

/// What the command line replaces in a configuration.
fn overrides(data: &DataArgs) -> Overrides {
    Overrides {
        train_data: data.train_data.clone(),
        valid_data: data.valid_data.clone(),
        test_data: data.test_data.clone(),
        set: data.set.clone(),
    }
}
