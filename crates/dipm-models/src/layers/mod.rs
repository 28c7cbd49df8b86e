//! Layers: pieces of equations that architectures share.
//!
//! A feature of irreps a₁ + a₂ + … is held as one [`Block`] an entry, of shape [2l + 1, C] with the
//! C copies last. Layers own the names and shapes of their parameters; a parameter becomes a field
//! where it is used, so that what nothing reads costs nothing.

mod activation;
mod contraction;
mod dense;
mod dropout;
mod edges;
mod embedding;
pub mod escn;
mod exp_normal;
mod gate;
mod harmonics;
mod heads;
mod layer_norm;
mod linear;
mod live;
mod mlp;
mod radial;
mod scaled_mlp;
mod species;
mod tensor_product;
mod vector_norm;
pub mod vectors;

use dipm_field::Field;

pub use contraction::SymmetricContraction;
pub use dense::Dense;
pub use dropout::Dropout;
pub use edges::Edges;
pub use embedding::Embedding;
pub use exp_normal::ExpNormal;
pub use gate::Gate;
pub use harmonics::harmonics;
pub use heads::{scale_heads, sum_heads};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use live::Live;
pub use mlp::Mlp;
pub use radial::bessel;
pub use scaled_mlp::ScaledMlp;
pub use species::{
    SPECIES, SPECIES_TABLE, SpeciesEmbedding, SpeciesLinear, on_atoms, species_rows,
};
pub use tensor_product::{Path, TensorProduct};

/// The copies of one irrep entry, [2l + 1, C]; `None` when nothing reads them.
pub type Block<'g> = Option<Field<'g>>;

/// Sum of two blocks; both live or both not.
pub fn add<'g>(a: Block<'g>, b: Block<'g>) -> Block<'g> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (None, None) => None,
        _ => panic!("a live block is added to a dead one"),
    }
}
