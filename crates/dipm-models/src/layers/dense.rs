//! Dense layers.

use dipm_field::{Field, Graph};

use crate::{Init, ParameterSpec};

/// y = x W + b along the last axis.
///
/// Parameters `PREFIX.kernel`, [n_in, n_out], and `PREFIX.bias`, `[n_out]`, which starts at 0.
#[derive(Debug, Clone)]
pub struct Dense {
    kernel: ParameterSpec,
    bias: Option<ParameterSpec>,
}

impl Dense {
    /// A layer with a bias, its kernel uniform on ±√(6/(n_in + n_out)).
    pub fn xavier(prefix: &str, num_in: usize, num_out: usize) -> Self {
        Self::new(prefix, num_in, num_out, Init::xavier(num_in, num_out))
    }

    /// A layer with a bias, its kernel truncated normal of standard deviation 1/√n_in.
    pub fn lecun(prefix: &str, num_in: usize, num_out: usize) -> Self {
        Self::new(prefix, num_in, num_out, Init::lecun(num_in))
    }

    /// A layer with a bias, its kernel normal of standard deviation 1/√n_in.
    pub fn normal(prefix: &str, num_in: usize, num_out: usize) -> Self {
        let init = Init::Normal((num_in as f64).sqrt().recip());
        Self::new(prefix, num_in, num_out, init)
    }

    fn new(prefix: &str, num_in: usize, num_out: usize, init: Init) -> Self {
        let bias = ParameterSpec::new(format!("{prefix}.bias"), &[num_out], Init::Constant(0.0));
        Self {
            kernel: ParameterSpec::new(format!("{prefix}.kernel"), &[num_in, num_out], init),
            bias: Some(bias),
        }
    }

    /// The layer without its bias, which vectors cannot have.
    #[must_use]
    pub fn without_bias(self) -> Self {
        let bias = None;
        Self { bias, ..self }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        std::iter::once(&self.kernel).chain(&self.bias)
    }

    /// Applies the layer, [.., n_in] → [.., n_out].
    pub fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        self.columns(x, 0, self.kernel.shape[1])
    }

    /// Applies `first` and then this layer, (x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + b₁ W₂ + b₂: fewer
    /// operations where x has many rows and fewer channels than what `first` makes of it.
    pub fn after<'g>(&self, first: &Self, x: Field<'g>) -> Field<'g> {
        let graph = x.graph();
        let second = self.kernel.field(graph);
        let y = x.contract(first.kernel.field(graph).contract(second));
        let moved = first.bias.iter().map(|b| b.field(graph).contract(second));
        let own = self.bias.iter().map(|b| b.field(graph));
        match moved.chain(own).reduce(|a, b| a + b) {
            Some(bias) => y + bias,
            None => y,
        }
    }

    /// `length` columns of the result from `start` on.
    pub fn columns<'g>(&self, x: Field<'g>, start: usize, length: usize) -> Field<'g> {
        let graph: &'g Graph = x.graph();
        let y = x.contract(self.kernel.field(graph).slice(1, start, length));
        match &self.bias {
            Some(bias) => y + bias.field(graph).slice(0, start, length),
            None => y,
        }
    }
}
