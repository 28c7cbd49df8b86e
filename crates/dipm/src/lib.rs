//! Train interatomic potentials: one YAML file, one command, a model that can be trusted.
//!
//! This crate is the program: it reads the configuration, builds data, model and trainer from the other
//! crates, and shows what happens. Library users take the crates themselves, re-exported here.

pub mod cli;
pub mod commands;
pub mod config;
pub mod datasets;
pub mod evaluation;
pub mod interrupt;
pub mod launcher;
mod local_time;
pub mod logging;
pub mod progress;
pub mod report;
pub mod resources;
pub mod run_config;
pub mod run_logs;

pub use dipm_data as data;
pub use dipm_field as field;
pub use dipm_models as models;
pub use dipm_train as train;
pub use run_config::RunConfig;
