//! What a network looks up by structure: charge, spin, task.

use dipm_data::Batch;
use dipm_field::{Field, Map, Space};

use crate::ModelError;

/// A number of each structure by which rows of a table of parameters are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructureKey {
    /// Total charge in e, from −range to range.
    Charge {
        /// Largest charge.
        range: u32,
    },
    /// Number of unpaired electrons, from 0 to count − 1.
    Spin {
        /// Number of different spins.
        count: u32,
    },
    /// Position in the task list.
    Task {
        /// Length of the list.
        count: u32,
    },
}

impl StructureKey {
    /// Number of the table; table 0 are the species.
    fn table(self) -> u8 {
        match self {
            Self::Charge { .. } => 1,
            Self::Spin { .. } => 2,
            Self::Task { .. } => 3,
        }
    }

    /// Number of rows of the table.
    pub fn num_rows(self) -> usize {
        match self {
            Self::Charge { range } => 2 * range as usize + 1,
            Self::Spin { count } | Self::Task { count } => count as usize,
        }
    }

    /// The table.
    pub fn space(self) -> Space {
        Space::Table(self.table())
    }

    /// Structure → row of the table.
    pub fn map(self) -> Map {
        self.map_from(Space::Structures)
    }

    /// Row of a space whose rows have the key → row of the table.
    pub fn map_from(self, from: Space) -> Map {
        let table = self.table();
        Map::Index { from, table }
    }

    /// The row of each structure of a table of parameters `[R, …]`, […] over structures.
    pub fn select<'g>(self, parameter: Field<'g>) -> Field<'g> {
        parameter.as_rows(self.table()).gather(self.map())
    }

    /// The row of each structure of a batch, `[G]`.
    ///
    /// # Errors
    /// [`ModelError::StructureKey`] with the first structure that has none.
    pub(crate) fn rows(self, batch: &Batch) -> Result<Vec<u32>, ModelError> {
        let values: Vec<i64> = match self {
            Self::Charge { .. } => batch.charges.iter().map(|x| i64::from(*x)).collect(),
            Self::Spin { .. } => batch.spins.iter().map(|x| i64::from(*x)).collect(),
            Self::Task { .. } => batch.tasks.iter().map(|x| i64::from(*x)).collect(),
        };
        let (name, first) = match self {
            Self::Charge { range } => ("charge", -i64::from(range)),
            Self::Spin { .. } => ("spin", 0),
            Self::Task { .. } => ("task", 0),
        };
        let row = |(structure, value): (usize, i64)| {
            let row = u32::try_from(value - first).ok();
            let row = row.filter(|row| (*row as usize) < self.num_rows());
            row.ok_or_else(|| ModelError::StructureKey {
                origin: batch.origins[structure].clone(),
                name,
                value,
                first,
                last: first + self.num_rows() as i64 - 1,
            })
        };
        values.into_iter().enumerate().map(row).collect()
    }
}
