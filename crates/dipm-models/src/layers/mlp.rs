//! The radial network.

use std::ops::Range;

use dipm_field::Field;

use crate::layers::live;
use crate::{Activation, Init, ParameterSpec};

/// x ← f(x W) for all layers but the last, which has no f; neither biases nor factors.
///
/// Parameters `PREFIX.layers.q.kernel`, [n_in, n_out], normal of standard deviation s/√n_in in
/// hidden layers and 1/√n_in in the last. The last layer is applied in parts, because its columns
/// are the weights of many paths.
#[derive(Debug, Clone)]
pub struct Mlp {
    kernels: Vec<ParameterSpec>,
    activation: Activation,
}

impl Mlp {
    /// A network of these widths, input and output included; `hidden_std` is s.
    pub fn new(prefix: &str, widths: &[usize], hidden_std: f64, activation: Activation) -> Self {
        let last = widths.len() - 2;
        let kernel = |(q, pair): (usize, &[usize])| {
            let std = if q == last { 1.0 } else { hidden_std };
            let init = Init::Normal(std / (pair[0] as f64).sqrt());
            ParameterSpec::new(format!("{prefix}.layers.{q}.kernel"), pair, init)
        };
        let kernels = widths.windows(2).enumerate().map(kernel).collect();
        Self {
            kernels,
            activation,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.kernels.iter()
    }

    /// All layers but the last, `[n_hidden]`.
    pub fn hidden<'g>(&self, x: Field<'g>) -> Field<'g> {
        let hidden = &self.kernels[..self.kernels.len() - 1];
        let layer = |x: Field<'g>, kernel: &ParameterSpec| {
            self.activation.apply(x.contract(kernel.field(x.graph())))
        };
        hidden.iter().fold(x, layer)
    }

    /// Columns of the last layer, side by side.
    pub fn last<'g>(&self, hidden: Field<'g>, columns: &[Range<usize>]) -> Field<'g> {
        let kernel = self.kernels.last().expect("a network has layers");
        hidden.contract(live::columns(kernel.field(hidden.graph()), columns))
    }
}
