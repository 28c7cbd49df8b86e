//! Linear maps that commute with rotations.

use dipm_o3::{Irreps, MulIrrep};

use crate::layers::{Block, Live, live};
use crate::{Init, ParameterSpec};

/// y_o\[m, w\] = Σ_i (mul_i n_o)^(−½) Σ_u x_i\[m, u\] W\[u, w\] over the entries i with the irrep
/// of o.
///
/// n_o is the number of those entries. Parameters `PREFIX.kernels.k`, [mul_i, mul_o], k counting
/// pairs of equal irreps, input entries outer. Outputs that nothing leads to are dropped.
#[derive(Debug, Clone)]
pub struct Linear {
    output: Irreps,
    kernels: Vec<Kernel>,
}

#[derive(Debug, Clone)]
struct Kernel {
    weights: ParameterSpec,
    input: usize,
    output: usize,
    factor: f64,
}

impl Linear {
    /// The map between two lists of irreps; the output is simplified first.
    pub fn new(prefix: &str, input: &Irreps, output: &Irreps) -> Self {
        let output = output.simplify().filter(|irrep| input.contains(irrep));
        let mut kernels = Vec::new();
        for (i, a) in input.iter().enumerate() {
            for (o, b) in output
                .iter()
                .enumerate()
                .filter(|(_, b)| b.irrep == a.irrep)
            {
                let name = format!("{prefix}.kernels.{}", kernels.len());
                let paths = input.iter().filter(|c| c.irrep == b.irrep).count();
                kernels.push(Kernel {
                    weights: ParameterSpec::new(name, &[a.mul, b.mul], Init::Normal(1.0)),
                    input: i,
                    output: o,
                    factor: ((a.mul * paths) as f64).sqrt().recip(),
                });
            }
        }
        Self { output, kernels }
    }

    /// The irreps of the result.
    pub fn output(&self) -> &Irreps {
        &self.output
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.kernels.iter().map(|kernel| &kernel.weights)
    }

    /// Applies the map; of each output entry only the live copies are computed.
    pub fn forward<'g>(&self, x: &[Block<'g>], live: &Live) -> Vec<Block<'g>> {
        let result = |o: usize, entry: &MulIrrep| {
            if live.count(o) == 0 {
                return None;
            }
            let terms = self
                .kernels
                .iter()
                .filter(|kernel| kernel.output == o)
                .map(|kernel| {
                    let x = x[kernel.input].expect("what a live output reads is live");
                    let weights = live::columns(kernel.weights.field(x.graph()), live.ranges(o));
                    x.contract(weights * kernel.factor)
                });
            let sum = terms.reduce(|a, b| a + b);
            debug_assert!(sum.is_some(), "no path to {entry}");
            sum
        };
        self.output
            .iter()
            .enumerate()
            .map(|(o, entry)| result(o, entry))
            .collect()
    }
}
