//! Irreps, Clebsch-Gordan coefficients, harmonics and Wigner matrices: plain mathematics in f64.
//!
//! Conventions, those of e3nn (Geiger and Smidt, arXiv:2207.09453): component m = −l..l of degree l
//! is stored at index l + m; for l = 1 the components are (x, y, z), and y is the polar axis, so
//! that the representation matrix of l = 1 is the 3×3 rotation matrix itself. Harmonics are
//! normalised to |Y_l|² = 2l + 1 on the unit sphere ("component").

mod clebsch_gordan;
mod coupling;
mod error;
mod harmonics;
mod irrep;
mod irreps;
mod wigner;

pub use clebsch_gordan::{ClebschGordan, Coefficient};
pub use coupling::{
    BasisKind, Coupling, CouplingBasis, MAX_ORDER, NestedContraction, Path, SparseTensor, Term,
};
pub use error::O3Error;
pub use harmonics::{
    Monomial, harmonic_polynomials, harmonic_recursion, solid_harmonics, spherical_harmonics,
};
pub use irrep::{Irrep, Parity};
pub use irreps::{Irreps, MulIrrep};
pub use wigner::{axis_angle, rotate_irreps, wigner_d};
