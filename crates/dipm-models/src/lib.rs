//! Interatomic potentials: layers, architectures, weight files.
