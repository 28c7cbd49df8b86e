//! Structures, graphs, batches, dataset statistics and file formats.
//!
//! Files hold [`Structure`]s; a structure with its neighbour list is a [`Graph`]; several graphs
//! concatenated are a [`Batch`], which is what a model computes on. [`prepare`] opens the files of
//! a training run, reads all of them once (statistics, pre-flight report, checks) and returns one
//! [`Dataset`] a role; a [`Loader`] then streams batches of it on background threads.
//!
//! ```no_run
//! use dipm_data::{BatchLimits, DatasetOptions, DatasetPaths, Loader, LoaderOptions, SpeciesTable};
//!
//! let mut options = DatasetOptions::new(DatasetPaths::single("train.xyz"));
//! options.cutoff = 4.0; // Å
//! let data = dipm_data::prepare(&options)?;
//! println!("{}", data.report);
//! let species = SpeciesTable::from_info(&data.info);
//! let loader = Loader::new(data.train, LoaderOptions::new(species, BatchLimits::by_count(16)))?;
//! for batch in loader.epoch(0, 0) {
//!     println!("{} atoms", batch?.total_atoms());
//! }
//! # Ok::<(), dipm_data::DataError>(())
//! ```
//!
//! Units: Å, eV, eV/Å, eV/Å³ (tension > 0). Cell vectors are rows.

mod atomic_energies;
mod batch;
mod batching;
mod cell;
mod checks;
mod dataset;
mod dataset_info;
mod duplicates;
mod elements;
mod error;
mod graph;
mod hdf5_member;
mod hdf5_read;
mod hdf5_write;
mod labels;
mod loader;
mod neighbors;
mod order;
mod paths;
mod prepare;
mod report;
mod scan;
mod species;
mod splits;
mod statistics;
mod structure;
mod structure_file;
mod xyz_header;
mod xyz_read;
mod xyz_write;

pub use atomic_energies::{Composition, EnergyFit, composition};
pub use batch::Batch;
pub use batching::BatchLimits;
pub use checks::{Finding, Severity, Subject, check};
pub use dataset::Dataset;
pub use dataset_info::{AtomicEnergies, DatasetInfo};
pub use elements::{atomic_number, element_symbol, symbol_list, symbol_or_number};
pub use error::DataError;
pub use graph::Graph;
pub use hdf5_write::{Hdf5WriteOptions, Hdf5Writer, write_hdf5};
pub use labels::{LabelKeys, LabelReport, LabelSources};
pub use loader::{BatchStream, Loader, LoaderOptions, Shard};
pub use neighbors::{NeighborList, neighbor_list};
pub use order::epoch_order;
pub use paths::{DatasetPaths, expand_paths};
pub use prepare::{DatasetOptions, Prepared, prepare};
pub use report::{DatasetReport, Duplicate, Exclusion, FileReport, ValueRange};
pub use scan::RequiredLabels;
pub use species::SpeciesTable;
pub use splits::{Amount, Role, Splits};
pub use structure::{Origin, Structure};
pub use structure_file::StructureFile;
pub use xyz_write::XyzWriter;
