//! A structure with its neighbour list.

use crate::cell;
use crate::error::DataError;
use crate::neighbors::{images_in_reach, neighbor_list};
use crate::structure::Structure;

/// Positions further out than this are damaged files, not chemistry.
const FARTHEST: f64 = 1e7;
/// Atoms that are nearer than this along each axis, in Å, have no direction between them.
const NEAREST: f64 = 1e-6;
/// Atoms per Å³; hydrogen in the core of a planet has one. More would give neighbour lists without end.
const DENSEST: f64 = 10.0;
/// A cell this much smaller than the cutoff cannot be meant.
const MOST_IMAGES: f64 = 1e6;

/// A structure and its directed edges, sorted by receiver, then sender, then shift.
///
/// Edge vector: r\[receiver\] − r\[sender\] + shift · cell, from sender to receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The atoms.
    pub structure: Structure,
    /// `[E]`
    pub senders: Vec<u32>,
    /// `[E]`
    pub receivers: Vec<u32>,
    /// Integer multiples of the cell vectors, [E, 3].
    pub shifts: Vec<[i32; 3]>,
}

impl Graph {
    /// Checks the structure and builds its neighbour list with cutoff `r_max` (Å).
    ///
    /// # Errors
    /// Those of [`Structure::validate`], and [`DataError::BadCell`] for a cell so small that a
    /// cutoff sphere holds more than a million images of it, [`DataError::BrokenStructure`] for atoms
    /// at the same place or absurdly far away.
    pub fn new(
        structure: Structure,
        r_max: f64,
        max_neighbors_per_atom: Option<usize>,
    ) -> Result<Self, DataError> {
        structure.validate()?;
        let full = cell::complete(structure.cell.as_ref(), structure.pbc);
        let full = full.expect("validate() accepts regular cells only");
        if images_in_reach(&full, structure.pbc, r_max) > MOST_IMAGES {
            return Err(structure.bad_cell(format!(
                "the cell is too small for a cutoff of {r_max} Å; are its vectors in Å?"
            )));
        }
        let density = structure.num_atoms() as f64 / cell::determinant(&full).abs();
        if structure.pbc == [true; 3] && density > DENSEST {
            return Err(structure.bad_cell(format!(
                "the cell holds {density:.0} atoms per Å³, more than any matter; are its vectors in Å?"
            )));
        }
        if structure
            .positions
            .iter()
            .flatten()
            .any(|x| x.abs() > FARTHEST)
        {
            return Err(DataError::BrokenStructure {
                origin: structure.origin.clone(),
                reason: format!(
                    "an atom lies further than {FARTHEST:e} Å from the origin; correct it or remove the structure"
                ),
            });
        }
        let cell = structure.cell.as_ref();
        let edges = neighbor_list(
            &structure.positions,
            cell,
            structure.pbc,
            r_max,
            max_neighbors_per_atom,
        );
        let graph = Self {
            structure,
            senders: edges.senders,
            receivers: edges.receivers,
            shifts: edges.shifts,
        };
        graph.check_distances()?;
        Ok(graph)
    }

    /// Refuses atoms at the same place, whose edge has no direction.
    fn check_distances(&self) -> Result<(), DataError> {
        let coincides = |e: &usize| self.edge_vector(*e).iter().all(|x| x.abs() < NEAREST);
        let Some(e) = (0..self.num_edges()).find(coincides) else {
            return Ok(());
        };
        let (i, j) = (self.senders[e], self.receivers[e]);
        Err(DataError::BrokenStructure {
            origin: self.structure.origin.clone(),
            reason: format!(
                "atoms {} and {} lie at the same place; correct the positions or remove the structure",
                i.min(j),
                i.max(j)
            ),
        })
    }

    /// Number of atoms.
    pub fn num_atoms(&self) -> usize {
        self.structure.num_atoms()
    }

    /// Number of directed edges.
    pub fn num_edges(&self) -> usize {
        self.senders.len()
    }

    /// r\[receiver\] − r\[sender\] + shift · cell of one edge, in Å.
    pub fn edge_vector(&self, edge: usize) -> [f64; 3] {
        let positions = &self.structure.positions;
        let to = positions[self.receivers[edge] as usize];
        let from = positions[self.senders[edge] as usize];
        let offset = self.shift_offset(edge);
        std::array::from_fn(|k| (to[k] - from[k]) + offset[k])
    }

    /// shift · cell of one edge, in Å.
    pub fn shift_offset(&self, edge: usize) -> [f64; 3] {
        match &self.structure.cell {
            Some(cell) => cell::shift_vector(self.shifts[edge], cell),
            None => [0.0; 3],
        }
    }
}
