//! Layer normalisation.

use dipm_field::Field;

use crate::{Init, ParameterSpec};

/// y = (x − mean x)/√(var x + ε) · a + b, mean and variance over channels.
///
/// Parameters `PREFIX.scale` and `PREFIX.bias`, `[C]`, 1 and 0 at the start.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    scale: ParameterSpec,
    bias: ParameterSpec,
    epsilon: f64,
}

impl LayerNorm {
    /// A norm over C channels.
    pub fn new(prefix: &str, channels: usize, epsilon: f64) -> Self {
        let parameter = |name: &str, start| {
            ParameterSpec::new(
                format!("{prefix}.{name}"),
                &[channels],
                Init::Constant(start),
            )
        };
        Self {
            scale: parameter("scale", 1.0),
            bias: parameter("bias", 0.0),
            epsilon,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        [&self.scale, &self.bias].into_iter()
    }

    /// Normalises the last axis, [.., C].
    pub fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        let graph = x.graph();
        let per_channel = (self.scale.len() as f64).recip();
        let last = [x.shape().len() - 1];
        let centred = x - x.sum_axes(&last) * per_channel;
        let variance = (centred * centred).sum_axes(&last) * per_channel;
        let factor = (variance + self.epsilon).sqrt().recip();
        centred * (factor * self.scale.field(graph)) + self.bias.field(graph)
    }
}
