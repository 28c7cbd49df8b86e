//! Several graphs concatenated.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use crate::cell;
use crate::elements::{symbol_list, symbol_or_number};
use crate::error::DataError;
use crate::graph::Graph;
use crate::species::SpeciesTable;
use crate::structure::Origin;

/// Graphs concatenated without padding: N atoms, E edges, G structures.
///
/// Atom indices count through the batch; edges are sorted by receiver.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Å, [N, 3].
    pub positions: Vec<[f64; 3]>,
    /// `[N]`
    pub atomic_numbers: Vec<u8>,
    /// Index in the species table, `[N]`.
    pub species: Vec<u32>,
    /// `[E]`
    pub senders: Vec<u32>,
    /// `[E]`
    pub receivers: Vec<u32>,
    /// shift · cell in Å, [E, 3].
    pub shift_vectors: Vec<[f64; 3]>,
    /// Structure of each atom, `[N]`.
    pub atom_structure: Vec<u32>,
    /// Structure of each edge, `[E]`.
    pub edge_structure: Vec<u32>,
    /// `[G]`
    pub num_atoms: Vec<u32>,
    /// `[G]`
    pub num_edges: Vec<u32>,
    /// Rows are lattice vectors in Å, zeros where there is no cell, [G, 3, 3].
    pub cells: Vec<[[f64; 3]; 3]>,
    /// |det cell| in Å³, 1 without a cell or when it is flat, `[G]`.
    pub volumes: Vec<f64>,
    /// Whether any axis is periodic, `[G]`.
    pub periodic: Vec<bool>,
    /// eV, `[G]`; `None` unless every structure has one.
    pub energies: Option<Vec<f64>>,
    /// eV/Å, [N, 3]; `None` unless every structure has them.
    pub forces: Option<Vec<[f64; 3]>>,
    /// eV/Å³, tension > 0, [G, 3, 3]; `None` unless every structure has one.
    pub stresses: Option<Vec<[[f64; 3]; 3]>>,
    /// Weights in the loss, `[G]`.
    pub weights: Vec<f64>,
    /// Total charges in e, 0 where unknown, `[G]`.
    pub charges: Vec<i32>,
    /// Unpaired electrons, 0 where unknown, `[G]`.
    pub spins: Vec<i32>,
    /// Index in the task list, 0 without tasks, `[G]`.
    pub tasks: Vec<u32>,
    /// Files and numbers, `[G]`.
    pub origins: Vec<Origin>,
    /// Classes of the structures, `config_type` in files, `[G]`; empty in batches written by earlier versions.
    #[serde(default)]
    pub config_types: Vec<Option<String>>,
}

impl Batch {
    /// Concatenates graphs; `species` gives the model's index of each element.
    ///
    /// # Errors
    /// [`DataError::ElementNotInTable`] when the table lacks an element.
    pub fn new<G: Borrow<Graph>>(graphs: &[G], species: &SpeciesTable) -> Result<Self, DataError> {
        let graphs: Vec<&Graph> = graphs.iter().map(Borrow::borrow).collect();
        let mut batch = Self::with_capacity(&graphs);
        for (g, graph) in graphs.iter().enumerate() {
            batch.push(graph, g as u32, species)?;
        }
        let structures = || graphs.iter().map(|g| &g.structure);
        batch.energies = structures().map(|s| s.energy).collect();
        batch.stresses = structures().map(|s| s.stress).collect();
        let forces: Option<Vec<&[[f64; 3]]>> = structures().map(|s| s.forces.as_deref()).collect();
        batch.forces = forces.map(|f| f.concat());
        Ok(batch)
    }

    /// Length of an edge, Å: |r_receiver − r_sender + shift · cell|.
    pub fn edge_length(&self, edge: usize) -> f64 {
        let [from, to] = [&self.senders, &self.receivers].map(|ends| ends[edge] as usize);
        let difference = |k: usize| {
            self.positions[to][k] - self.positions[from][k] + self.shift_vectors[edge][k]
        };
        (0..3).map(|k| difference(k).powi(2)).sum::<f64>().sqrt()
    }

    fn with_capacity(graphs: &[&Graph]) -> Self {
        let num_atoms = graphs.iter().map(|g| g.num_atoms()).sum();
        let num_edges = graphs.iter().map(|g| g.num_edges()).sum();
        Self {
            positions: Vec::with_capacity(num_atoms),
            atomic_numbers: Vec::with_capacity(num_atoms),
            species: Vec::with_capacity(num_atoms),
            atom_structure: Vec::with_capacity(num_atoms),
            senders: Vec::with_capacity(num_edges),
            receivers: Vec::with_capacity(num_edges),
            shift_vectors: Vec::with_capacity(num_edges),
            edge_structure: Vec::with_capacity(num_edges),
            ..Self::default()
        }
    }

    fn push(&mut self, graph: &Graph, g: u32, species: &SpeciesTable) -> Result<(), DataError> {
        let structure = &graph.structure;
        let first = self.positions.len() as u32;
        self.positions.extend_from_slice(&structure.positions);
        self.atomic_numbers
            .extend_from_slice(&structure.atomic_numbers);
        for &z in &structure.atomic_numbers {
            let index = species
                .species(z)
                .ok_or_else(|| DataError::ElementNotInTable {
                    origin: structure.origin.clone(),
                    element: symbol_or_number(z),
                    known: symbol_list(species.atomic_numbers().iter().copied()),
                })?;
            self.species.push(index);
        }
        self.atom_structure.resize(self.positions.len(), g);
        self.senders.extend(graph.senders.iter().map(|i| first + i));
        self.receivers
            .extend(graph.receivers.iter().map(|i| first + i));
        self.shift_vectors
            .extend((0..graph.num_edges()).map(|e| graph.shift_offset(e)));
        self.edge_structure.resize(self.senders.len(), g);
        self.num_atoms.push(graph.num_atoms() as u32);
        self.num_edges.push(graph.num_edges() as u32);
        let cell = structure.cell.unwrap_or_default();
        let volume = cell::determinant(&cell).abs();
        self.cells.push(cell);
        self.volumes.push(if volume > 0.0 { volume } else { 1.0 });
        self.periodic.push(structure.is_periodic());
        self.weights.push(structure.weight);
        self.charges.push(structure.charge.unwrap_or(0));
        self.spins.push(structure.spin.unwrap_or(0));
        self.tasks.push(structure.task.unwrap_or(0) as u32);
        self.origins.push(structure.origin.clone());
        self.config_types.push(structure.config_type.clone());
        Ok(())
    }

    /// G.
    pub fn num_structures(&self) -> usize {
        self.num_atoms.len()
    }

    /// N.
    pub fn total_atoms(&self) -> usize {
        self.positions.len()
    }

    /// About the memory that it takes: what it holds for each edge, atom and structure.
    pub fn bytes(&self) -> usize {
        const EDGE: usize = size_of::<[u32; 3]>() + size_of::<[f64; 3]>();
        const ATOM: usize = 2 * size_of::<[f64; 3]>() + size_of::<[u32; 2]>() + 1;
        const STRUCTURE: usize = size_of::<[[f64; 9]; 2]>() + size_of::<Origin>() + 100;
        EDGE * self.total_edges() + ATOM * self.total_atoms() + STRUCTURE * self.num_structures()
    }

    /// E.
    pub fn total_edges(&self) -> usize {
        self.senders.len()
    }

    /// r\[receiver\] − r\[sender\] + shift vector of every edge, in Å, [E, 3].
    pub fn edge_vectors(&self) -> Vec<[f64; 3]> {
        let edge = |e: usize| {
            let to = self.positions[self.receivers[e] as usize];
            let from = self.positions[self.senders[e] as usize];
            let offset = self.shift_vectors[e];
            std::array::from_fn(|k| (to[k] - from[k]) + offset[k])
        };
        (0..self.total_edges()).map(edge).collect()
    }
}
