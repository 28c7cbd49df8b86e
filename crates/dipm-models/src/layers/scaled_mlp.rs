//! A network whose factors are part of the forward pass and not of the weights.

use std::ops::Range;

use dipm_field::Field;

use crate::layers::live;
use crate::{Activation, Init, ParameterSpec, Precision};

/// x ← ψ((x W + b)/√n_in) for all layers but the last, which has no ψ.
///
/// Parameters `PREFIX.layers.q.kernel`, [n_in, n_out], normal of standard deviation 1, and, with
/// biases, `PREFIX.layers.q.bias`, \[n_out\], zero at the start. ψ is the normalised activation. The
/// last layer is applied in parts, because its columns are the weights of many paths.
#[derive(Debug, Clone)]
pub struct ScaledMlp {
    layers: Vec<Layer>,
    activation: Activation,
}

#[derive(Debug, Clone)]
struct Layer {
    kernel: ParameterSpec,
    bias: Option<ParameterSpec>,
}

impl ScaledMlp {
    /// A network of these widths, input and output included.
    pub fn new(prefix: &str, widths: &[usize], biases: bool, activation: Activation) -> Self {
        let layer = |(q, pair): (usize, &[usize])| {
            let name = |leaf: &str| format!("{prefix}.layers.{q}.{leaf}");
            let bias = || ParameterSpec::new(name("bias"), &pair[1..], Init::Constant(0.0));
            Layer {
                kernel: ParameterSpec::new(name("kernel"), pair, Init::Normal(1.0)),
                bias: biases.then(bias),
            }
        };
        Self {
            layers: widths.windows(2).enumerate().map(layer).collect(),
            activation,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.layers
            .iter()
            .flat_map(|layer| std::iter::once(&layer.kernel).chain(&layer.bias))
    }

    /// All layers but the last, `[n_hidden]`.
    pub fn hidden<'g>(&self, x: Field<'g>, precision: Precision) -> Field<'g> {
        let hidden = &self.layers[..self.layers.len() - 1];
        hidden.iter().fold(x, |x, layer| {
            let all = std::iter::once(0..layer.kernel.shape[1]).collect::<Vec<_>>();
            self.activation
                .apply_normalized(layer.forward(x, &all), precision)
        })
    }

    /// Columns of the last layer, side by side.
    pub fn last<'g>(&self, hidden: Field<'g>, columns: &[Range<usize>]) -> Field<'g> {
        let last = self.layers.last().expect("a network has layers");
        last.forward(hidden, columns)
    }
}

impl Layer {
    fn forward<'g>(&self, x: Field<'g>, columns: &[Range<usize>]) -> Field<'g> {
        let factor = (self.kernel.shape[0] as f64).sqrt().recip();
        let graph = x.graph();
        let read = |spec: &ParameterSpec| live::columns(spec.field(graph), columns) * factor;
        let product = x.contract(read(&self.kernel));
        match &self.bias {
            None => product,
            Some(bias) => product + read(bias),
        }
    }
}
