//! The network that acts at the points of a sphere.

use dipm_field::Field;

use super::SphereGrid;
use crate::ParameterSpec;
use crate::layers::Dense;

/// W₃ silu(W₂ silu(W₁ p)) at each point p of the function that a feature stands for.
///
/// Parameters `PREFIX.layers.q.kernel`, q = 0, 2, 4; no biases.
#[derive(Debug, Clone)]
pub struct GridMlp {
    grid: SphereGrid,
    layers: [Dense; 3],
}

impl GridMlp {
    /// A network of these widths, input and output included.
    pub fn new(prefix: &str, widths: [usize; 4], grid: SphereGrid) -> Self {
        let layer = |q: usize| {
            let name = format!("{prefix}.layers.{}", 2 * q);
            Dense::lecun(&name, widths[q], widths[q + 1]).without_bias()
        };
        Self {
            grid,
            layers: [0, 1, 2].map(layer),
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.layers.iter().flat_map(Dense::parameters)
    }

    /// Applies the network, [K, n_in] → [K, n_out] in the order of the nodes.
    pub fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        let [first, second, third] = &self.layers;
        let hidden = first.forward(self.grid.to_grid(x)).silu();
        let hidden = second.forward(hidden).silu();
        self.grid.from_grid(third.forward(hidden))
    }
}
