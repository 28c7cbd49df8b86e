//! The structures of one role, read on demand.

use std::path::PathBuf;
use std::sync::Arc;

use crate::dataset_info::AtomicEnergies;
use crate::elements::symbol_or_number;
use crate::error::DataError;
use crate::graph::Graph;
use crate::labels::LabelKeys;
use crate::paths::expand_paths;
use crate::structure::{Origin, Structure};
use crate::structure_file::StructureFile;

/// One structure of a dataset: where it lies and how large its graph is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub file: u32,
    pub index: u32,
    pub num_atoms: u32,
    pub num_edges: u32,
    /// Hash of charge, spin and task, which tell structures of the same atoms apart.
    pub state: u32,
    /// Sums over edges that rotation, reflection and order of atoms do not change.
    pub shape: [f64; 2],
}

/// Structures of one role, in file order. Nothing but the list of places is kept in memory.
#[derive(Debug)]
pub struct Dataset {
    pub(crate) files: Arc<Vec<(StructureFile, Option<usize>)>>,
    /// File and number in it.
    pub(crate) places: Vec<(u32, u32)>,
    /// Atoms and directed edges, `[items]`; `None` when the data was not scanned.
    pub(crate) sizes: Option<Vec<(u32, u32)>>,
    pub(crate) keys: LabelKeys,
    pub(crate) r_max: f64,
    pub(crate) max_neighbors_per_atom: Option<usize>,
    /// Atomic energies to subtract (`use_formation_energies`).
    pub(crate) subtracted: Option<AtomicEnergies>,
}

impl Dataset {
    /// Every structure of these files and directories, for predictions: labels are optional and
    /// nothing is left out.
    ///
    /// `r_max` in Å.
    ///
    /// # Errors
    /// Those of [`expand_paths`] and [`StructureFile::open`].
    pub fn from_paths(
        paths: &[PathBuf],
        keys: &LabelKeys,
        r_max: f64,
        max_neighbors_per_atom: Option<usize>,
    ) -> Result<Self, DataError> {
        let mut files = Vec::new();
        for path in expand_paths(paths)? {
            files.push((StructureFile::open(path)?, None));
        }
        let places = files
            .iter()
            .enumerate()
            .flat_map(|(f, (file, _))| (0..file.len()).map(move |i| (f as u32, i as u32)));
        Ok(Self {
            places: places.collect(),
            files: Arc::new(files),
            sizes: None,
            keys: keys.clone(),
            r_max,
            max_neighbors_per_atom,
            subtracted: None,
        })
    }

    /// Number of structures.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Atoms and directed edges of an item; `None` for a dataset that was not scanned.
    pub fn size(&self, item: usize) -> Option<(u32, u32)> {
        self.sizes.as_ref().map(|sizes| sizes[item])
    }

    /// Cutoff of the neighbour lists, Å.
    pub fn r_max(&self) -> f64 {
        self.r_max
    }

    /// File and number of an item.
    pub fn origin(&self, item: usize) -> Origin {
        let (file, index) = self.places[item];
        Origin::new(self.files[file as usize].0.path(), index as usize)
    }

    /// Reads an item; with `use_formation_energies` its energy is the formation energy.
    ///
    /// # Errors
    /// Those of reading; [`DataError::MissingLabel`] or [`DataError::BrokenStructure`] when a
    /// formation energy cannot be computed.
    ///
    /// # Panics
    /// If `item` is not below [`Dataset::len`].
    pub fn structure(&self, item: usize) -> Result<Structure, DataError> {
        let (file, index) = self.places[item];
        let (file, task) = &self.files[file as usize];
        let (mut structure, _) = file.read(index as usize, &self.keys)?;
        structure.task = *task;
        if let Some(energies) = &self.subtracted {
            self.subtract(&mut structure, energies)?;
        }
        Ok(structure)
    }

    /// Reads an item and builds its neighbour list.
    ///
    /// # Errors
    /// Those of [`Dataset::structure`] and [`Graph::new`].
    ///
    /// # Panics
    /// If `item` is not below [`Dataset::len`].
    pub fn graph(&self, item: usize) -> Result<Graph, DataError> {
        Graph::new(
            self.structure(item)?,
            self.r_max,
            self.max_neighbors_per_atom,
        )
    }

    /// energy ← energy − Σ_atoms E0\[element\]
    fn subtract(
        &self,
        structure: &mut Structure,
        energies: &AtomicEnergies,
    ) -> Result<(), DataError> {
        let Some(energy) = structure.energy else {
            return Err(DataError::MissingLabel {
                origin: structure.origin.clone(),
                label: "energy",
                looked_for: self.keys.energy.clone(),
                present: Vec::new(),
            });
        };
        structure.energy = Some(energy - reference_energy(structure, energies)?);
        Ok(())
    }
}

/// Σ E0 of a structure.
pub(crate) fn reference_energy(
    structure: &Structure,
    energies: &AtomicEnergies,
) -> Result<f64, DataError> {
    let total = energies.total(&structure.atomic_numbers, structure.task.unwrap_or(0));
    total.map_err(|z| DataError::BrokenStructure {
        origin: structure.origin.clone(),
        reason: format!(
            "no atomic energy of {}, which the formation energy needs",
            symbol_or_number(z)
        ),
    })
}
