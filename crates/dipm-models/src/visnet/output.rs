//! The output of ViSNet: two gated blocks that bring vectors and scalars together.

use dipm_field::Field;

use crate::layers::Dense;
use crate::{Activation, ParameterSpec};

/// What is added to every component of a vector before its length is taken, so that a vector of
/// length zero has a derivative.
const LENGTH_OFFSET: f64 = 1e-8;

/// Energies from scalars `[C]` and vectors [M, C] in two blocks, C → C/2 → 1.
#[derive(Debug)]
pub(super) struct OutputNetwork {
    num_channels: usize,
    activation: Activation,
    vectors: [Dense; 2],
    updates: [[Dense; 2]; 2],
}

impl OutputNetwork {
    pub fn new(prefix: &str, num_channels: usize, activation: Activation) -> Self {
        let (c, half) = (num_channels, num_channels / 2);
        let vectors = |block: usize, num_in, num_out| {
            Dense::xavier(&format!("{prefix}.{block}.vec_proj"), num_in, num_out).without_bias()
        };
        let update = |block: usize, hidden, num_out| {
            let name = |layer: usize| format!("{prefix}.{block}.update_net.layers.{layer}");
            [
                Dense::xavier(&name(0), 2 * hidden, hidden),
                Dense::xavier(&name(2), hidden, num_out),
            ]
        };
        Self {
            num_channels,
            activation,
            vectors: [vectors(0, c, c + half), vectors(1, half, half)],
            updates: [update(0, c, c), update(1, half, 1)],
        }
    }

    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let dense = self.vectors.iter().chain(self.updates.iter().flatten());
        dense.flat_map(Dense::parameters)
    }

    /// \[y₁, y₂\] = U₁ act(U₀ [h, |P v|]),  h′ = act(y₁),  v′ = y₂ ∘ P′ v;  then once more for the
    /// energy, [1].
    pub fn forward<'g>(&self, scalars: Field<'g>, vectors: Field<'g>) -> Field<'g> {
        let (c, half) = (self.num_channels, self.num_channels / 2);
        let projected = self.vectors[0].forward(vectors);
        let y = self.update(0, scalars, projected.slice(1, 0, c));
        let scalars = self.activation.apply(y.slice(0, 0, half));
        let vectors = projected.slice(1, c, half) * y.slice(0, half, half);
        self.update(1, scalars, self.vectors[1].forward(vectors))
    }

    fn update<'g>(&self, block: usize, scalars: Field<'g>, vectors: Field<'g>) -> Field<'g> {
        let shifted = vectors + LENGTH_OFFSET;
        let lengths = (shifted * shifted).sum_axes(&[0]).sqrt();
        let lengths = lengths.reshape(&scalars.shape());
        let both = scalars.graph().concat(&[scalars, lengths], 0);
        let [first, second] = &self.updates[block];
        second.forward(self.activation.apply(first.forward(both)))
    }
}
