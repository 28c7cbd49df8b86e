//! UMA: equivariant convolutions in the frame of each edge, with kernels mixed from experts.

mod config;

pub use config::UmaConfig;
