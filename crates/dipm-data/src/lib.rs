//! Structures, graphs, batches, dataset statistics and file formats.
//!
//! Files hold [`Structure`]s; a structure with its neighbour list is a [`Graph`]; several graphs
//! concatenated are a [`Batch`], which is what a model computes on.
//!
//! Units: Å, eV, eV/Å, eV/Å³ (tension > 0). Cell vectors are rows.

mod batch;
mod cell;
mod dataset_info;
mod elements;
mod error;
mod graph;
mod hdf5_read;
mod labels;
mod neighbors;
mod species;
mod structure;
mod structure_file;
mod xyz_header;
mod xyz_read;

pub use batch::Batch;
pub use dataset_info::{AtomicEnergies, DatasetInfo};
pub use elements::{atomic_number, element_symbol};
pub use error::DataError;
pub use graph::Graph;
pub use labels::{LabelKeys, LabelReport, LabelSources};
pub use neighbors::{NeighborList, neighbor_list};
pub use species::SpeciesTable;
pub use structure::{Origin, Structure};
pub use structure_file::StructureFile;
