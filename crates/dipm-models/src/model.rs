//! A model: options, facts about its data, parameters.

use std::collections::BTreeMap;

use dipm_data::{AtomicEnergies, Batch, DatasetInfo, SpeciesTable};

use crate::{
    Architecture, ModelConfig, ModelError, Parameter, ParameterSpec, ReferenceEnergies,
    StructureKey,
};

/// A model with its parameters, as it is saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Architecture and options.
    pub config: ModelConfig,
    /// Cutoff, elements, energies of isolated atoms, scaling.
    pub dataset_info: DatasetInfo,
    /// Whether the model was trained to predict stress; kept for readers of the file.
    pub predict_stress: bool,
    /// All parameters, in the order of the architecture.
    pub parameters: Vec<Parameter>,
}

impl Model {
    /// A model at the start of training. Parameters depend on `seed` and their names alone.
    ///
    /// # Errors
    /// [`ModelError::Config`] with all problems of the options, [`ModelError::Dataset`] when the
    /// dataset does not suit them.
    pub fn new(
        config: impl Into<ModelConfig>,
        dataset_info: DatasetInfo,
        seed: u64,
    ) -> Result<Self, ModelError> {
        let config = config.into();
        let architecture = config.build(&dataset_info)?;
        check_energies(&config, &dataset_info)?;
        for remark in architecture.remarks() {
            tracing::info!("{}: {remark}", config.target().name());
        }
        let specs = architecture.parameters();
        let precision = config.param_dtype().precision();
        let start = |spec: &ParameterSpec| spec.initialize(seed, precision);
        let parameters = specs.iter().map(start).collect();
        Ok(Self {
            config,
            dataset_info,
            predict_stress: false,
            parameters,
        })
    }

    /// Whether there is an energy of the isolated atom for each element, as `atomic_energies` asks.
    ///
    /// # Errors
    /// [`ModelError::Dataset`] with the elements that lack one.
    pub fn check_energies(&self) -> Result<(), ModelError> {
        check_energies(&self.config, &self.dataset_info)
    }

    /// The network.
    ///
    /// # Panics
    /// When the public fields were changed to options that are not valid.
    pub fn architecture(&self) -> Box<dyn Architecture> {
        self.config
            .build(&self.dataset_info)
            .expect("a model is built from valid options")
    }

    /// Number of parameter values.
    pub fn num_parameters(&self) -> usize {
        self.parameters.iter().map(|p| p.values.len()).sum()
    }

    /// The elements and their indices in the parameters.
    pub fn species(&self) -> SpeciesTable {
        SpeciesTable::from_info(&self.dataset_info)
    }

    /// Energies of isolated atoms in a task (0 where there are none) in eV, by atomic number, as
    /// `atomic_energies` asks for. NaN where the dataset has none.
    pub fn reference_energies(&self, task: usize) -> BTreeMap<u8, f64> {
        let info = &self.dataset_info.atomic_energies_map;
        let energy = |z: u8| match self.config.atomic_energies() {
            None | Some(ReferenceEnergies::Average) => info.get(z, task).unwrap_or(f64::NAN),
            Some(ReferenceEnergies::Zero) => 0.0,
            Some(ReferenceEnergies::Custom(map)) => map.get(&z).copied().unwrap_or(0.0),
        };
        info.elements()
            .into_iter()
            .map(|z| (z, energy(z)))
            .collect()
    }

    /// What the energy of each structure of a batch has beside the network, in eV, `[G]`: the
    /// energies of its isolated atoms and `scaling_mean` an atom, summed in f64.
    pub fn energy_offsets(&self, batch: &Batch) -> Vec<f64> {
        let mut offsets = vec![0.0; batch.num_structures()];
        for (offset, &structure) in self.atom_offsets(batch).iter().zip(&batch.atom_structure) {
            offsets[structure as usize] += offset;
        }
        offsets
    }

    /// What the energy of each atom of a batch has beside the network, in eV, `[N]`.
    pub(crate) fn atom_offsets(&self, batch: &Batch) -> Vec<f64> {
        let num_tasks = batch
            .tasks
            .iter()
            .max()
            .map_or(0, |task| 1 + *task as usize);
        let energies: Vec<_> = (0..num_tasks).map(|t| self.reference_energies(t)).collect();
        let offset = |(z, structure): (&u8, &u32)| {
            let task = batch.tasks[*structure as usize] as usize;
            let energy = energies[task].get(z).copied().unwrap_or(f64::NAN);
            energy + self.dataset_info.scaling_mean
        };
        let atoms = batch.atomic_numbers.iter().zip(&batch.atom_structure);
        atoms.map(offset).collect()
    }

    /// What the network looks up by structure.
    pub fn structure_keys(&self) -> Vec<StructureKey> {
        self.config.structure_keys(&self.dataset_info)
    }
}

/// Whether there is an energy for each element.
fn check_energies(config: &ModelConfig, info: &DatasetInfo) -> Result<(), ModelError> {
    let elements = info.atomic_energies_map.elements();
    let name = |z: &u8| dipm_data::element_symbol(*z).unwrap_or("?");
    let missing: Vec<&str> = match config.atomic_energies() {
        Some(ReferenceEnergies::Zero) => vec![],
        Some(ReferenceEnergies::Custom(map)) => elements
            .iter()
            .filter(|z| !map.contains_key(z))
            .map(name)
            .collect(),
        None | Some(ReferenceEnergies::Average) => {
            let single = matches!(info.atomic_energies_map, AtomicEnergies::Single(_));
            let unknown = |z: &&u8| single && info.atomic_energies_map.get(**z, 0).is_none();
            elements.iter().filter(unknown).map(name).collect()
        }
    };
    if missing.is_empty() {
        return Ok(());
    }
    Err(ModelError::Dataset {
        target: config.target().name(),
        reason: format!("there is no atomic energy for {}", missing.join(", ")),
    })
}
