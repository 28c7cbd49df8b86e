//! Norms of features of several degrees.

use dipm_field::{Field, Graph, Space};

use crate::layers::LayerNorm;
use crate::{EquivariantNorm, Init, ParameterSpec};

/// ε under the root.
const EPSILON: f64 = 1e-5;

/// Divides features of atoms, [K, C] in the order of the nodes, by their size.
///
/// q_l = 1/(2l + 1) Σ_m x_lm² is the mean square of a degree and channel. Scalars are centred over
/// channels.
///
/// - `layer_norm`: each degree by √(mean_c q_l + ε).
/// - `layer_norm_sh`: scalars pass a layer norm, all higher degrees are divided by
///   √(mean_c mean_{l ≥ 1} q_l + ε).
/// - `rms_norm_sh`: all by √(mean_c mean_l q_l + ε).
///
/// Each degree and channel is then multiplied by `PREFIX.affine_weight`, [L + 1, C], and scalars
/// are moved by `PREFIX.affine_bias`, `[C]`. With `layer_norm_sh`, the scalars' are
/// `PREFIX.norm_l0.scale` and `PREFIX.norm_l0.bias`, and the weights of the others [L, C].
#[derive(Debug, Clone)]
pub struct SphericalNorm {
    kind: Kind,
    l_max: usize,
    weights: ParameterSpec,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The norm of the scalars is one of its own.
    Apart(LayerNorm),
    /// Each degree by itself, and the bias.
    EachDegree(ParameterSpec),
    /// All by one factor, and the bias.
    Together(ParameterSpec),
}

impl SphericalNorm {
    /// A norm of features of degrees up to l_max ≥ 1.
    pub fn new(prefix: &str, norm: EquivariantNorm, l_max: usize, channels: usize) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let bias = || ParameterSpec::new(name("affine_bias"), &[channels], Init::Constant(0.0));
        let (kind, num_degrees) = match norm {
            EquivariantNorm::LayerNorm => (Kind::EachDegree(bias()), l_max + 1),
            EquivariantNorm::RmsNormSh => (Kind::Together(bias()), l_max + 1),
            EquivariantNorm::LayerNormSh => {
                let scalars = LayerNorm::new(&name("norm_l0"), channels, EPSILON);
                (Kind::Apart(scalars), l_max)
            }
        };
        let shape = [num_degrees, channels];
        Self {
            kind,
            l_max,
            weights: ParameterSpec::new(name("affine_weight"), &shape, Init::Constant(1.0)),
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let (norm, bias) = match &self.kind {
            Kind::Apart(norm) => (Some(norm), None),
            Kind::EachDegree(bias) | Kind::Together(bias) => (None, Some(bias)),
        };
        let weights = std::iter::once(&self.weights);
        weights
            .chain(bias)
            .chain(norm.into_iter().flat_map(LayerNorm::parameters))
    }

    /// Whether scalars are normalised without regard to higher degrees.
    pub fn keeps_scalars_apart(&self) -> bool {
        !matches!(self.kind, Kind::Together(_))
    }

    /// Normalises scalars, [1, C], where higher degrees do not matter to them.
    ///
    /// # Panics
    /// When they do.
    pub fn scalars<'g>(&self, x: Field<'g>) -> Field<'g> {
        let graph = x.graph();
        match &self.kind {
            Kind::Apart(norm) => norm.forward(x),
            Kind::EachDegree(bias) => {
                let centred = x - x.sum_axes(&[1]) * (x.shape()[1] as f64).recip();
                let weights = self.weights.field(graph).slice(0, 0, 1);
                centred * inverse_size(centred, 0..=0) * weights + bias.field(graph)
            }
            Kind::Together(_) => panic!("scalars are normalised with all degrees"),
        }
    }

    /// Normalises a feature, [K, C].
    pub fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        let graph = x.graph();
        let [num, channels] = x.shape()[..] else {
            panic!("a feature has two axes: {x:?}")
        };
        let (scalars, rest) = (x.slice(0, 0, 1), x.slice(0, 1, num - 1));
        let centred = scalars - scalars.sum_axes(&[1]) * (channels as f64).recip();
        let weights = self.weights.field(graph);
        let (features, bias) = match &self.kind {
            Kind::Apart(norm) => {
                let scalars = norm.forward(scalars.reshape(&[channels]));
                let rest = rest * inverse_size(rest, 1..=self.l_max);
                let rest = rest * by_degree(graph, weights, 1..=self.l_max);
                return graph.concat(&[scalars.reshape(&[1, channels]), rest], 0);
            }
            Kind::EachDegree(bias) => {
                let of_degree = |l: usize| {
                    let part = match l {
                        0 => centred,
                        _ => x.slice(0, l * l, 2 * l + 1),
                    };
                    part * inverse_size(part, l..=l)
                };
                let parts: Vec<_> = (0..=self.l_max).map(of_degree).collect();
                (graph.concat(&parts, 0), bias)
            }
            Kind::Together(bias) => {
                let x = graph.concat(&[centred, rest], 0);
                (x * inverse_size(x, 0..=self.l_max), bias)
            }
        };
        let bias = bias.field(graph).reshape(&[1, channels]).pad(0, 0, num);
        features * by_degree(graph, weights, 0..=self.l_max) + bias
    }
}

/// 1/√(mean_c mean_l q_l + ε) of the degrees that a feature has, [1, 1].
fn inverse_size(x: Field<'_>, degrees: std::ops::RangeInclusive<usize>) -> Field<'_> {
    let [num, channels] = x.shape()[..] else {
        panic!("a feature has two axes: {x:?}")
    };
    let num_degrees = degrees.clone().count();
    let share = |l: usize| ((2 * l + 1) * num_degrees * channels) as f64;
    let shares = degrees.flat_map(|l| std::iter::repeat_n(share(l).recip(), 2 * l + 1));
    let shares = x.graph().constant(&shares.collect::<Vec<_>>(), &[num, 1]);
    let square = ((x * x) * shares).sum_axes(&[0, 1]);
    (square + EPSILON).sqrt().recip()
}

/// Rows of parameters [D, C], each repeated for the orders of its degree.
fn by_degree<'g>(
    graph: &'g Graph,
    rows: Field<'g>,
    degrees: std::ops::RangeInclusive<usize>,
) -> Field<'g> {
    let channels = rows.shape()[1];
    let repeated = |(row, l): (usize, usize)| {
        let row = rows.slice(0, row, 1);
        row.broadcast(Space::Const, &[2 * l + 1, channels])
    };
    let parts: Vec<_> = degrees.enumerate().map(repeated).collect();
    graph.concat(&parts, 0)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_close, evaluate, stored};
    use super::*;

    #[test]
    fn each_kind_gives_its_stored_numbers() {
        let (x, weights) = (stored("norm.x"), stored("norm.affine_weight"));
        let bias = stored("norm.affine_bias");
        for kind in [
            EquivariantNorm::LayerNorm,
            EquivariantNorm::LayerNormSh,
            EquivariantNorm::RmsNormSh,
        ] {
            let norm = SphericalNorm::new("norm", kind, 3, 3);
            let apart = kind == EquivariantNorm::LayerNormSh;
            let inputs: &[(&str, &[f64])] = if apart {
                &[
                    ("norm.affine_weight", &weights[3..]),
                    ("norm.norm_l0.scale", &weights[..3]),
                    ("norm.norm_l0.bias", &bias),
                ]
            } else {
                &[
                    ("norm.affine_weight", &weights),
                    ("norm.affine_bias", &bias),
                ]
            };
            assert!(
                norm.parameters()
                    .map(|spec| spec.name.as_str())
                    .eq(inputs.iter().map(|i| i.0))
            );
            let inputs: Vec<_> = inputs.iter().copied().chain([("x", &x[..])]).collect();
            let found = evaluate(&inputs, |graph| {
                norm.forward(graph.input("x", Space::Atoms, &[16, 3]))
            });
            assert_close(&found, &stored(&format!("norm.{kind}")));
        }
    }
}
