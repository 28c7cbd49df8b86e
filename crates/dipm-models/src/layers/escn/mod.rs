//! Layers of networks that turn every message into the frame of its edge (eSCN).
//!
//! Passaro and Zitnick, arXiv:2302.03655. A feature is [K, C]: coefficients of real harmonics, the
//! C channels last.

mod activation;
mod coefficients;
mod degree_linear;
mod edge_degree;
mod ends;
#[cfg(test)]
mod fixture;
mod gaussian;
mod grid;
mod grid_mlp;
mod kernel;
mod norm;
mod radial_mlp;
mod rotation;
mod so2_convolution;
mod wigner;

pub use activation::{
    DegreeGate, MessageActivation, separable_sphere_silu, sphere_silu, with_scalars,
};
pub use coefficients::{Coefficients, Harmonic};
pub use degree_linear::DegreeLinear;
pub use edge_degree::edge_degree;
pub use ends::EndEmbeddings;
pub use gaussian::Gaussians;
pub use grid::SphereGrid;
pub use grid_mlp::GridMlp;
pub use kernel::{Kernel, Mixture};
pub use norm::SphericalNorm;
pub use radial_mlp::RadialMlp;
pub use rotation::{EdgeRotation, Frames, Gauge};
pub use so2_convolution::So2Convolution;
