//! What an architecture provides.

use std::fmt;

use dipm_data::DatasetInfo;
use dipm_field::Field;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::layers::Edges;
use crate::{
    ModelError, NoiseSpec, ParamDtype, ParameterSpec, ReferenceEnergies, StructureClasses,
    StructureKey,
};

/// Something wrong with an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Name of the option.
    pub key: &'static str,
    /// What was found and what is allowed.
    pub message: String,
}

impl ConfigProblem {
    /// A problem with an option.
    pub fn new(key: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { key, message }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.message)
    }
}

/// The options of an architecture: plain data with the names and defaults of the files.
pub trait ArchitectureConfig: Serialize + DeserializeOwned + Default {
    /// Everything that is wrong with the options.
    fn validate(&self) -> Vec<ConfigProblem>;

    /// How parameters are stored.
    fn param_dtype(&self) -> ParamDtype;

    /// Where the energies of isolated atoms come from; `None` means the dataset.
    fn atomic_energies(&self) -> Option<&ReferenceEnergies>;

    /// Whether the network tells the tasks of a dataset apart.
    fn takes_tasks(&self) -> bool {
        false
    }

    /// What the network looks up by structure. It may use the tables and maps of these keys and no
    /// others beside the species.
    fn structure_keys(&self, _info: &DatasetInfo) -> Vec<StructureKey> {
        Vec::new()
    }

    /// Which structures the network treats alike; `None` if it does not ask. With classes it may
    /// also use their table, the maps to it from structures, atoms and edges, and from it to the
    /// tables of the keys.
    fn structure_classes(&self) -> Option<StructureClasses> {
        None
    }

    /// The network for a dataset of `num_species` elements, at least one. The options are valid,
    /// and there are tasks only where they are taken.
    ///
    /// # Errors
    /// [`ModelError::Dataset`] when the dataset does not suit the architecture.
    fn build(
        &self,
        info: &DatasetInfo,
        num_species: usize,
    ) -> Result<Box<dyn Architecture>, ModelError>;
}

/// What a network says of the atoms, without scaling and energies of isolated atoms.
#[derive(Debug, Clone, Copy)]
pub struct Output<'g> {
    /// [Atoms, 1].
    pub node_energies: Field<'g>,
    /// [Atoms, 3] from a head of its own; `None` if forces are derivatives of the energy.
    pub forces: Option<Field<'g>>,
}

impl<'g> Output<'g> {
    /// Of a network whose forces are derivatives of the energy.
    pub fn energies(node_energies: Field<'g>) -> Self {
        Self {
            node_energies,
            forces: None,
        }
    }
}

/// A network that gives each atom an energy, and maybe a force.
pub trait Architecture {
    /// All parameters, dead ones included, in a fixed order.
    fn parameters(&self) -> Vec<ParameterSpec>;

    /// What the user should know about the options, one sentence each.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The random numbers that training uses.
    fn noise(&self) -> Vec<NoiseSpec> {
        Vec::new()
    }

    /// What the network says of the atoms.
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g>;
}
