//! Matrices by degree.

use std::ops::Range;

use dipm_field::Field;

use crate::{Init, ParameterSpec};

/// y_lm = W_l x_lm, and a bias on the scalars: [(L + 1)², C] in the order of the nodes → the same
/// with other channels.
///
/// Parameters `PREFIX.kernel`, [L + 1, n_in, n_out], truncated normal of standard deviation
/// 1/√(n_in (L + 1)), and `PREFIX.bias`, `[n_out]`.
#[derive(Debug, Clone)]
pub struct DegreeLinear {
    kernel: ParameterSpec,
    bias: ParameterSpec,
}

impl DegreeLinear {
    /// A layer for degrees up to l_max.
    pub fn new(prefix: &str, l_max: usize, num_in: usize, num_out: usize) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let shape = [l_max + 1, num_in, num_out];
        let init = Init::lecun((l_max + 1) * num_in);
        Self {
            kernel: ParameterSpec::new(name("kernel"), &shape, init),
            bias: ParameterSpec::new(name("bias"), &[num_out], Init::Constant(0.0)),
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        [&self.kernel, &self.bias].into_iter()
    }

    /// Applies the layer to all degrees.
    pub fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        self.degrees(x, 0..self.kernel.shape[0])
    }

    /// Applies the layer to a feature of some degrees only.
    pub fn degrees<'g>(&self, x: Field<'g>, degrees: Range<usize>) -> Field<'g> {
        let first_row = degrees.start * degrees.start;
        let part = |l: usize| self.degree(x.slice(0, l * l - first_row, 2 * l + 1), l);
        let parts: Vec<_> = degrees.map(part).collect();
        x.graph().concat(&parts, 0)
    }

    /// Applies the layer to the part of degree l, [2l + 1, n_in] → [2l + 1, n_out].
    pub fn degree<'g>(&self, x: Field<'g>, l: usize) -> Field<'g> {
        let graph = x.graph();
        let matrix = self.kernel.field(graph).slice(0, l, 1);
        let y = x.contract(matrix.reshape(&self.kernel.shape[1..]));
        match l {
            0 => y + self.bias.field(graph),
            _ => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_close, evaluate};
    use super::*;
    use dipm_field::Space;

    #[test]
    fn each_degree_has_its_matrix_and_scalars_a_bias() {
        let layer = DegreeLinear::new("linear", 1, 2, 1);
        let x: Vec<f64> = (1..=8).map(f64::from).collect();
        let x: Vec<f64> = std::iter::repeat_n(x, 4).flatten().collect();
        let inputs = [
            ("x", &x[..]),
            ("linear.kernel", &[1.0, 10.0, 2.0, 20.0]),
            ("linear.bias", &[0.5]),
        ];
        let found = evaluate(&inputs, |graph| {
            layer.forward(graph.input("x", Space::Atoms, &[4, 2]))
        });
        assert_close(&found, &[21.5, 86.0, 130.0, 174.0].repeat(4));
    }
}
