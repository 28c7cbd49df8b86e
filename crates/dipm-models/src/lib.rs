//! Interatomic potentials: layers, architectures, weight files.
//!
//! A [`Model`] is what a file holds: options, facts about the data, parameters. A [`Potential`] is
//! the model written as equations: energies, forces and stress as fields of the engine, from which
//! training derives its gradients. A [`Predictor`] evaluates a model on batches.
//!
//! Units: Å, eV, eV/Å, eV/Å³ (tension > 0).

mod architecture;
pub mod equiformer_v2;
mod error;
pub mod layers;
pub mod liten;
pub mod mace;
mod model;
mod model_file;
pub mod nequip;
mod noise;
mod options;
mod parameters;
mod potential;
mod predictor;
mod real;
mod registry;
mod structure_classes;
mod structure_key;
mod transfer;
pub mod uma;
pub mod visnet;

pub use architecture::{Architecture, ArchitectureConfig, ConfigProblem, Output};
pub use equiformer_v2::EquiformerV2Config;
pub use error::ModelError;
pub use liten::LitenConfig;
pub use mace::MaceConfig;
pub use model::Model;
pub use nequip::NequipConfig;
pub use noise::{Distribution, Mode, NoiseKey, NoiseSpec};
pub use options::{
    Activation, AtomEdgeEmbedding, EdgeActivation, Envelope, EquivariantNorm, FeedForward,
    ParamDtype, ReferenceEnergies, VectorNorm,
};
pub use parameters::{Init, Parameter, ParameterSpec, Values};
pub use potential::{BatchInputs, Potential};
pub use predictor::{Prediction, Predictor};
pub use real::{Precision, Real};
pub use registry::{ModelConfig, Target};
pub use structure_classes::{CLASSES, StructureClasses, class_of};
pub use structure_key::StructureKey;
pub use uma::UmaConfig;
pub use visnet::VisnetConfig;
