//! Structures, graphs, batches, dataset statistics and file formats.
