//! Atomic numbers and their index in the tables of a model.

use crate::dataset_info::DatasetInfo;

/// Sorted atomic numbers; the species of an atom is the position of its atomic number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeciesTable {
    atomic_numbers: Vec<u8>,
    index: [Option<u8>; 256],
}

impl SpeciesTable {
    /// Table of these elements, sorted, each once.
    pub fn new(atomic_numbers: impl IntoIterator<Item = u8>) -> Self {
        let mut sorted: Vec<u8> = atomic_numbers.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.truncate(255);
        let mut index = [None; 256];
        for (species, z) in sorted.iter().enumerate() {
            index[usize::from(*z)] = u8::try_from(species).ok();
        }
        Self {
            atomic_numbers: sorted,
            index,
        }
    }

    /// Table of the elements that have an atomic energy.
    pub fn from_info(info: &DatasetInfo) -> Self {
        Self::new(info.atomic_energies_map.elements())
    }

    /// Species of an atomic number, `None` when the table lacks it.
    pub fn species(&self, atomic_number: u8) -> Option<u32> {
        self.index[usize::from(atomic_number)].map(u32::from)
    }

    /// Atomic numbers, ascending, `[S]`.
    pub fn atomic_numbers(&self) -> &[u8] {
        &self.atomic_numbers
    }

    /// Number of species.
    pub fn len(&self) -> usize {
        self.atomic_numbers.len()
    }

    /// Whether there are no species.
    pub fn is_empty(&self) -> bool {
        self.atomic_numbers.is_empty()
    }
}

impl From<&DatasetInfo> for SpeciesTable {
    fn from(info: &DatasetInfo) -> Self {
        Self::from_info(info)
    }
}
