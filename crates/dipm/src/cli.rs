//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Train interatomic potentials on quantum-chemical data, and use them.
///
/// One YAML file describes a run: the model, the dataset, the training. Energies are in eV, lengths in Å.
#[derive(Debug, Parser)]
#[command(
    name = "dipm",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Worker threads for computing [default: all cores, or RAYON_NUM_THREADS]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Also log decisions made on the way (twice: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model as a YAML file says
    ///
    /// Reads the sections `model`, `dataset` and `train`, checks configuration and data before the first step,
    /// trains, tests, and saves the best model. Exit code 2 for a wrong configuration, 1 for a run that failed.
    Train(TrainArgs),
    /// Check configuration and data, and predict time, memory and disk space, without training
    ///
    /// Looks for wrong units, signs, outliers, duplicates, missing elements and neighbours. `dipm train` does the same
    /// before its first step. Exit code 1 where something cannot be right.
    Check(CheckArgs),
    /// Energies, forces and stress of structures
    Predict(PredictArgs),
    /// Errors of a model on structures with reference values, as tables and as a page with charts
    ///
    /// Compares energies, forces and stress with those in the files, which are read batch by batch and may be larger
    /// than the memory. Structures without reference values are predicted but take no part in the errors.
    Evaluate(EvaluateArgs),
    /// Time training steps and evaluations of a configuration
    Bench(BenchArgs),
    /// Compute a batch again on which training failed, and find the operation that is not finite
    DebugBatch(DebugBatchArgs),
    /// Write a first configuration of an architecture, with its options and what they mean
    Init(InitArgs),
    /// What a key of the configuration means, its unit, default and range
    Explain(ExplainArgs),
    /// Print a JSON schema of the configuration, with which editors check and complete it
    ///
    /// For example `dipm schema > dipm.schema.json`, and `# yaml-language-server: $schema=dipm.schema.json` as the
    /// first line of the YAML file.
    Schema,
}

/// Arguments of `dipm debug-batch`.
#[derive(Debug, Args)]
pub struct DebugBatchArgs {
    /// The directory that the error named: `OUTPUT/non_finite/epoch_E_batch_B`
    #[arg(value_name = "DIRECTORY")]
    pub dump: PathBuf,
}

/// Arguments of `dipm train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The YAML file
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// What replaces values of the file
    #[command(flatten)]
    pub data: DataArgs,
    /// Print how a training step is computed, with the time of every operation, and stop
    #[arg(long)]
    pub explain_plan: bool,
    /// Continue a run although its configuration or data were changed in a way that changes the result
    #[arg(long)]
    pub accept_changes: bool,
    /// Train although the check before it found data that cannot be right or too little memory
    #[arg(long)]
    pub ignore_findings: bool,
}

/// Arguments of `dipm check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The YAML file
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// Paths that replace those of the file
    #[command(flatten)]
    pub data: DataArgs,
}

/// Paths and keys given on the command line instead of in the file.
#[derive(Debug, Args, Default)]
pub struct DataArgs {
    /// Train on this file or directory instead of `train_dataset_paths`
    #[arg(long, value_name = "PATH")]
    pub train_data: Option<PathBuf>,
    /// Validate on this file or directory instead of `valid_dataset_paths`
    #[arg(long, value_name = "PATH")]
    pub valid_data: Option<PathBuf>,
    /// Test on this file or directory instead of `test_dataset_paths`
    #[arg(long, value_name = "PATH")]
    pub test_data: Option<PathBuf>,
    /// Set a key instead of what the file says, such as `--set train.num_epochs=3`; several times for several keys
    ///
    /// The value is read as in the file: `--set 'model.atomic_energies={H: -13.6}'`.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// Arguments of `dipm predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The model, a .safetensors file
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Structures: extended XYZ or HDF5, a file or a directory
    #[arg(value_name = "STRUCTURES", required = true, num_args = 1..)]
    pub structures: Vec<PathBuf>,
    /// Number type of the computation
    #[arg(long, value_enum, default_value_t = Dtype::Float32)]
    pub dtype: Dtype,
    /// Print one JSON object per structure: energy (eV), forces (eV/Å), stress (eV/Å³)
    #[arg(long)]
    pub json: bool,
    /// Give the stress of structures without a cell too, with a volume of 1 Å³: their virial
    #[arg(long)]
    pub stress: bool,
    /// Write the predictions as extended XYZ (.xyz, .extxyz), HDF5 (.h5, .hdf5) or JSON lines (.json, .jsonl)
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say whether forces and stress are derivatives of the energy: compares them, in f64, with its finite differences for
    /// small moves of all atoms and small strains of the cell. Exit code 1 if they are not
    #[arg(long, conflicts_with_all = ["output", "json", "dtype", "stress"])]
    pub check_derivatives: bool,
    /// Structures per batch
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
}

/// Arguments of `dipm evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The model, a .safetensors file
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Structures with energies, forces or stress: extended XYZ or HDF5, files or directories
    #[arg(value_name = "DATA", required = true, num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Write a page with tables, parity plots and the worst structures (.html)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write the predictions as extended XYZ (.xyz, .extxyz), HDF5 (.h5, .hdf5) or JSON lines (.json, .jsonl), in the
    /// order of the data and in the place of the reference values
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the tables as one JSON object, in eV and Å
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Leave out structures with elements that the model does not know
    #[arg(long)]
    pub skip_unknown_elements: bool,
    /// Number type of the computation
    #[arg(long, value_enum, default_value_t = Dtype::Float32)]
    pub dtype: Dtype,
    /// Structures per batch
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
}

/// Arguments of `dipm bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The YAML file; its first batch is timed
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// What replaces values of the file
    #[command(flatten)]
    pub data: DataArgs,
    /// Timed steps
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print every group and operation of the training step with its time
    #[arg(long)]
    pub explain_plan: bool,
}

/// Arguments of `dipm init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// NequIP, MACE, ViSNet, LiTEN, EquiformerV2 or UMA; case and underscores do not matter
    #[arg(value_name = "ARCHITECTURE")]
    pub architecture: String,
    /// Where to write it; a file that exists is left as it is
    #[arg(value_name = "FILE", default_value = "train.yaml")]
    pub file: PathBuf,
}

/// Arguments of `dipm explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A key, with or without its section (`train.dtype`); a section or an architecture for all of its keys; nothing
    /// for all keys
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
}

/// Number types on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// 32 bits
    #[value(alias = "f32")]
    Float32,
    /// 64 bits
    #[value(alias = "f64")]
    Float64,
}
