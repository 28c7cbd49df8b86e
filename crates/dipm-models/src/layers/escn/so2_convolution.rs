//! Convolution in the frame of an edge.

use std::ops::Range;

use dipm_field::Field;

use super::{Coefficients, Kernel, Mixture};
use crate::{Init, ParameterSpec};

/// A linear map of features in the frame of an edge, [K_r, C_in] → [K_r, C_out], that commutes with
/// turns about the edge, and further scalars `[X]`.
///
/// \[s, y_0\] = x_0 A_0 + b_0 and, for each order m ≥ 1, with x_m = x_{+m} + i x_{−m}, all degrees
/// and channels of an order as one vector:
/// y_m = x_m (R_m + i I_m), A_m = \[R_m | I_m\].
///
/// Parameters `PREFIX.fc_m0.kernel`, [n_0 C_in, X + n_0 C_out], `PREFIX.fc_m0.bias` and
/// `PREFIX.so2_m_conv.{m−1}.fc.kernel`, [n_m C_in, 2 n_m C_out]. With experts each kernel has a
/// leading axis for them.
#[derive(Debug, Clone)]
pub struct So2Convolution {
    coefficients: Coefficients,
    num_in: usize,
    num_out: usize,
    num_scalars: usize,
    /// Of m = 0, 1, …, M.
    kernels: Vec<Kernel>,
    bias: ParameterSpec,
}

impl So2Convolution {
    /// A convolution of C_in to C_out channels and X scalars; `num_experts` is 0 where there is no
    /// mixture.
    pub fn new(
        prefix: &str,
        coefficients: Coefficients,
        [num_in, num_out]: [usize; 2],
        num_scalars: usize,
        num_experts: usize,
    ) -> Self {
        let kernel = |m: usize| {
            let degrees = coefficients.degrees_with(m);
            let (name, width) = match m {
                0 => (
                    format!("{prefix}.fc_m0.kernel"),
                    num_scalars + degrees * num_out,
                ),
                _ => (
                    format!("{prefix}.so2_m_conv.{}.fc.kernel", m - 1),
                    2 * degrees * num_out,
                ),
            };
            Kernel::new(name, degrees * num_in, width, num_experts)
        };
        let width = num_scalars + coefficients.num_degrees() * num_out;
        let bias = ParameterSpec::new(
            format!("{prefix}.fc_m0.bias"),
            &[width],
            Init::Constant(0.0),
        );
        Self {
            coefficients,
            num_in,
            num_out,
            num_scalars,
            kernels: (0..=coefficients.m_max).map(kernel).collect(),
            bias,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let mut kernels = self.kernels.iter().map(Kernel::parameter);
        kernels
            .next()
            .into_iter()
            .chain([&self.bias])
            .chain(kernels)
    }

    /// Number of radial weights, C_in (n_0 + … + n_M): those of an order are shared by +m and −m.
    pub fn num_radial(coefficients: Coefficients, num_in: usize) -> usize {
        let degrees = (0..=coefficients.m_max).map(|m| coefficients.degrees_with(m));
        num_in * degrees.sum::<usize>()
    }

    /// Applies the map to x, [K_r, C_in], times the radial weights, if any; of the result only the
    /// given degrees are computed. Also gives the scalars, `[X]`.
    pub fn forward<'g>(
        &self,
        x: Field<'g>,
        radial: Option<Field<'g>>,
        degrees: Range<usize>,
        mixture: Mixture<'g>,
    ) -> (Field<'g>, Field<'g>) {
        let graph = x.graph();
        let c = self.coefficients;
        let mut parts = Vec::new();
        let mut scalars = None;
        let mut first_weight = 0;
        for (m, kernel) in self.kernels.iter().enumerate() {
            let (rows, num_degrees) = (c.edge_rows(m), c.degrees_with(m));
            let width = num_degrees * self.num_in;
            let signs = rows.len() / num_degrees;
            let mut order = x.slice(0, rows.start, rows.len()).reshape(&[signs, width]);
            if let Some(radial) = radial {
                order = order * radial.slice(0, first_weight, width);
            }
            first_weight += width;
            let live = degrees.start.max(m)..degrees.end;
            let (start, len) = ((live.start - m) * self.num_out, live.len() * self.num_out);
            let as_rows = |y: Field<'g>| y.reshape(&[live.len(), self.num_out]);
            if m == 0 {
                let start = self.num_scalars + start;
                let columns = [(0, self.num_scalars), (start, len)];
                let bias = self.bias.field(graph);
                let parts_of_bias = columns.map(|(start, len)| bias.slice(0, start, len));
                let y = kernel
                    .forward(order, &columns, mixture)
                    .reshape(&[self.num_scalars + len])
                    + graph.concat(&parts_of_bias, 0);
                scalars = Some(y.slice(0, 0, self.num_scalars));
                parts.push(as_rows(y.slice(0, self.num_scalars, len)));
            } else if !live.is_empty() {
                let imaginary = num_degrees * self.num_out + start;
                let y = kernel.forward(order, &[(start, len), (imaginary, len)], mixture);
                let part = |sign, first| as_rows(y.slice(0, sign, 1).slice(1, first, len));
                parts.push(part(0, 0) - part(1, len));
                parts.push(part(1, 0) + part(0, len));
            }
        }
        let scalars = scalars.expect("there is an order 0");
        (graph.concat(&parts, 0), scalars)
    }
}

#[cfg(test)]
mod tests {
    use dipm_field::Space;

    use super::super::fixture::{assert_close, evaluate, stored};
    use super::*;

    const NAMES: [(&str, &str); 4] = [
        ("so2.fc_m0.kernel", "so2.fc_m0.kernel"),
        ("so2.fc_m0.bias", "so2.fc_m0.bias"),
        ("so2.so2_m_conv.0.fc.kernel", "so2.m1.kernel"),
        ("so2.so2_m_conv.1.fc.kernel", "so2.m2.kernel"),
    ];

    /// Features and scalars, with radial weights w and of the given degrees.
    fn convolved(radial: Option<&[f64]>, degrees: Range<usize>) -> [Vec<f64>; 2] {
        let convolution = So2Convolution::new("so2", Coefficients::new(3, 2), [3, 2], 4, 0);
        assert!(
            convolution
                .parameters()
                .map(|p| &p.name)
                .eq(NAMES.map(|n| n.0))
        );
        let values: Vec<_> = NAMES.iter().map(|n| (n.0, stored(n.1))).collect();
        let x = stored("so2.x");
        let mut inputs = vec![("x", &x[..])];
        inputs.extend(values.iter().map(|(name, values)| (*name, &values[..])));
        inputs.extend(radial.map(|w| ("w", w)));
        [0, 1].map(|which| {
            evaluate(&inputs, |graph| {
                let x = graph.input("x", Space::Edges, &[14, 3]);
                let radial = radial.map(|_| graph.input("w", Space::Edges, &[27]));
                let (y, scalars) = convolution.forward(x, radial, degrees.clone(), Mixture::Single);
                [y, scalars][which]
            })
        })
    }

    #[test]
    fn convolution_is_the_stored_one() {
        let [y, scalars] = convolved(None, 0..4);
        assert_close(&y, &stored("so2.y"));
        assert_close(&scalars, &stored("so2.extra"));
    }

    #[test]
    fn radial_weights_multiply_both_parts_of_an_order() {
        let doubled = vec![2.0; 5 * 27];
        let bias = stored("so2.fc_m0.bias");
        let [y, scalars] = convolved(Some(&doubled), 0..4);
        let twice = |values: &[f64], width: usize, bias: &[f64]| -> Vec<f64> {
            let value = |(i, x): (usize, &f64)| 2.0 * x - bias.get(i % width).unwrap_or(&0.0);
            values.iter().enumerate().map(value).collect()
        };
        assert_close(&y, &twice(&stored("so2.y"), 28, &bias[4..]));
        assert_close(&scalars, &twice(&stored("so2.extra"), 4, &bias[..4]));
    }

    #[test]
    fn some_degrees_of_the_result_are_a_part_of_all() {
        let all = stored("so2.y");
        for degrees in [0..1, 1..2, 2..4] {
            let edge = Coefficients::new(3, 2).edge().into_iter().enumerate();
            let rows: Vec<usize> = edge
                .filter(|(_, h)| degrees.contains(&h.degree))
                .map(|(row, _)| row)
                .collect();
            let of_edge = |y: &[f64]| -> Vec<f64> {
                rows.iter()
                    .flat_map(|row| y[2 * row..2 * row + 2].to_vec())
                    .collect()
            };
            let expected: Vec<f64> = all.chunks_exact(28).flat_map(of_edge).collect();
            assert_close(&convolved(None, degrees)[0], &expected);
        }
    }
}
