//! The network that makes weights of an edge from its length and its elements.

use dipm_field::{Field, Map};

use crate::layers::{Dense, LayerNorm, SPECIES, species_rows};
use crate::{Init, ParameterSpec};

/// ε of the norms.
const EPSILON: f64 = 1e-6;

/// x ← silu(LN(x K₀ + b₀)), x ← silu(LN(x K₁ + b₁)), x ← x K₂ + b₂ with x = \[f | T_s\[z_s\] |
/// T_r\[z_r\]\]: radial functions and embeddings of the elements of sender and receiver.
///
/// The part of K₀ that sees the elements is applied once an element, not once an edge.
/// Parameters `PREFIX.layers.q.kernel`, [n_in, n_out], normal of standard deviation 1/√n_in,
/// `PREFIX.layers.q.bias`, `PREFIX.norms.q.scale` and `PREFIX.norms.q.bias`.
#[derive(Debug, Clone)]
pub struct RadialMlp {
    kernel: ParameterSpec,
    bias: ParameterSpec,
    norms: [LayerNorm; 2],
    layers: [Dense; 2],
}

impl RadialMlp {
    /// A network of these widths, input and output included.
    pub fn new(prefix: &str, widths: [usize; 4]) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let [num_in, first, second, num_out] = widths;
        let std = (num_in as f64).sqrt().recip();
        let kernel =
            ParameterSpec::new(name("layers.0.kernel"), &[num_in, first], Init::Normal(std));
        Self {
            kernel,
            bias: ParameterSpec::new(name("layers.0.bias"), &[first], Init::Constant(0.0)),
            norms: [
                LayerNorm::new(&name("norms.0"), first, EPSILON),
                LayerNorm::new(&name("norms.1"), second, EPSILON),
            ],
            layers: [
                Dense::normal(&name("layers.1"), first, second),
                Dense::normal(&name("layers.2"), second, num_out),
            ],
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let first = [&self.kernel, &self.bias].into_iter();
        let norms = self.norms.iter().flat_map(LayerNorm::parameters);
        first
            .chain(norms)
            .chain(self.layers.iter().flat_map(Dense::parameters))
    }

    /// Applies the network to radial functions of edges, `[R]`, and to the embeddings of the
    /// elements as senders and as receivers, [S, D] over Const, if it sees them.
    ///
    /// # Panics
    /// When the widths of what it is given do not add to that of its input.
    pub fn forward<'g>(
        &self,
        radial: Field<'g>,
        ends: Option<(Field<'g>, Field<'g>)>,
    ) -> Field<'g> {
        let graph = radial.graph();
        let kernel = self.kernel.field(graph);
        let num_radial = radial.shape()[0];
        let mut hidden = radial.contract(kernel.slice(0, 0, num_radial)) + self.bias.field(graph);
        let mut start = num_radial;
        if let Some((senders, receivers)) = ends {
            for (table, map) in [(senders, Map::Sender), (receivers, Map::Receiver)] {
                let width = table.shape()[1];
                let rows = table.contract(kernel.slice(0, start, width));
                hidden = hidden + species_rows(rows).gather(SPECIES).gather(map);
                start += width;
            }
        }
        assert_eq!(start, self.kernel.shape[0], "{}", self.kernel.name);
        let hidden = self.norms[0].forward(hidden).silu();
        let hidden = self.norms[1].forward(self.layers[0].forward(hidden)).silu();
        self.layers[1].forward(hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::assert_close;
    use super::*;
    use crate::layers::SPECIES_TABLE;
    use dipm_field::{Bindings, Executor, Graph, Plan, Space};

    fn scattered(count: usize, by: f64) -> Vec<f64> {
        (0..count).map(|n| (by + 1.7 * n as f64).sin()).collect()
    }

    /// x W + b
    fn affine(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
        let column = |j: usize| {
            let terms = x.iter().enumerate().map(|(i, x)| x * w[i * b.len() + j]);
            b[j] + terms.sum::<f64>()
        };
        (0..b.len()).map(column).collect()
    }

    /// silu(LN(x))
    fn activated(x: &[f64], scale: &[f64], bias: &[f64]) -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| x * x).sum::<f64>() / n - mean * mean;
        let pairs = x.iter().zip(scale.iter().zip(bias));
        let normed = pairs.map(|(x, (a, b))| (x - mean) / (variance + 1e-6).sqrt() * a + b);
        normed.map(|x| x / (1.0 + (-x).exp())).collect()
    }

    #[test]
    fn elements_and_distances_are_seen_side_by_side() {
        let (senders, receivers) = ([0, 1, 1], [0, 0, 1]);
        let species = [1, 2];
        let mlp = RadialMlp::new("m", [2 + 2 * 2, 3, 3, 2]);
        let values: Vec<_> = mlp
            .parameters()
            .map(|spec| (spec.name.as_str(), scattered(spec.len(), spec.len() as f64)))
            .collect();
        let value = |name: &str| &values.iter().find(|v| v.0 == name).unwrap().1[..];
        let (radial, tables) = (scattered(6, 0.5), [scattered(6, 2.0), scattered(6, 4.0)]);

        let graph = Graph::new();
        let inputs = graph.input("f", Space::Edges, &[2]);
        let table = |name| graph.input(name, Space::Const, &[3, 2]);
        let result = mlp.forward(inputs, Some((table("s"), table("r"))));
        let mut executor = Executor::<f64>::new(Plan::new(&graph, &[("result", result)]));
        let mut bindings = Bindings::new()
            .rows(Space::Edges, 3)
            .rows(Space::Atoms, 2)
            .rows(SPECIES_TABLE, 3)
            .map(Map::Sender, &senders)
            .map(Map::Receiver, &receivers)
            .map(SPECIES, &species)
            .input("f", &radial)
            .input("s", &tables[0])
            .input("r", &tables[1]);
        for (name, values) in &values {
            bindings = bindings.input(name, values);
        }
        executor.run(&bindings).unwrap();

        let mut expected = Vec::new();
        for e in 0..3 {
            let row = |table: &[f64], atom: u32| {
                let species = species[atom as usize] as usize;
                table[2 * species..2 * species + 2].to_vec()
            };
            let mut x = radial[2 * e..2 * e + 2].to_vec();
            x.extend(row(&tables[0], senders[e]));
            x.extend(row(&tables[1], receivers[e]));
            for q in 0..2 {
                let name = |part: &str| format!("m.{part}");
                let layer = |part| value(&name(&format!("layers.{q}.{part}"))).to_vec();
                let norm = |part| value(&name(&format!("norms.{q}.{part}"))).to_vec();
                let y = affine(&x, &layer("kernel"), &layer("bias"));
                x = activated(&y, &norm("scale"), &norm("bias"));
            }
            expected.extend(affine(
                &x,
                value("m.layers.2.kernel"),
                value("m.layers.2.bias"),
            ));
        }
        assert_close(executor.output("result"), &expected);
    }
}
