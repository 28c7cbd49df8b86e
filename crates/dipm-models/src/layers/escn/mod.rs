//! Layers of networks that turn every message into the frame of its edge (eSCN).
//!
//! Passaro and Zitnick, arXiv:2302.03655. A feature is [K, C]: coefficients of real harmonics, the
//! C channels last.

mod coefficients;

pub use coefficients::{Coefficients, Harmonic};
