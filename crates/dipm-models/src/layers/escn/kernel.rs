//! Kernels of edges: one for all, or a mixture of experts.

use dipm_field::{Field, Map};

use crate::{Init, ParameterSpec};

/// How the kernel of an edge comes about.
#[derive(Debug, Clone, Copy)]
pub enum Mixture<'g> {
    /// All edges have the same.
    Single,
    /// Σ_x κ_x K_x, with the weights κ, `[X]`, over the rows of a table.
    Experts {
        /// κ, over what `map` leads to.
        weights: Field<'g>,
        /// Edge → its row.
        map: Map,
    },
}

/// A matrix, or one an expert.
///
/// Parameter of any name, [n_in, n_out], truncated normal of standard deviation 1/√n_in; or with
/// experts [X, n_in, n_out], uniform on ±√(3/(X n_in)).
#[derive(Debug, Clone)]
pub struct Kernel {
    weights: ParameterSpec,
    num_experts: usize,
}

impl Kernel {
    /// A kernel; `num_experts` is 0 where there is no mixture.
    pub fn new(name: String, num_in: usize, num_out: usize, num_experts: usize) -> Self {
        let weights = match num_experts {
            0 => ParameterSpec::new(name, &[num_in, num_out], Init::lecun(num_in)),
            x => {
                let init = Init::Uniform((3.0 / (x * num_in) as f64).sqrt());
                ParameterSpec::new(name, &[x, num_in, num_out], init)
            }
        };
        Self {
            weights,
            num_experts,
        }
    }

    /// The parameter.
    pub fn parameter(&self) -> &ParameterSpec {
        &self.weights
    }

    /// x K of the columns for which `columns` gives start and length, [.., n_in] → [.., n].
    ///
    /// # Panics
    /// When a kernel of experts is used without a mixture, or the other way round.
    pub fn forward<'g>(
        &self,
        x: Field<'g>,
        columns: &[(usize, usize)],
        mixture: Mixture<'g>,
    ) -> Field<'g> {
        let graph = x.graph();
        let weights = self.weights.field(graph);
        match mixture {
            Mixture::Single => {
                assert_eq!(self.num_experts, 0, "experts are mixed");
                x.contract(take_columns(weights, columns))
            }
            Mixture::Experts {
                weights: kappa,
                map,
            } => {
                let [experts, num_in, num_out] = weights.shape()[..] else {
                    panic!("a kernel of experts has three axes")
                };
                let flat = weights.reshape(&[experts, num_in * num_out]);
                let mixed = kappa.reshape(&[1, experts]).contract(flat);
                // columns are taken of the mixed matrix, which is much smaller than those of all experts
                let mixed = mixed.reshape(&[num_in, num_out]);
                x.contract_by(take_columns(mixed, columns), map)
            }
        }
    }
}

/// Ranges of columns of a matrix side by side, given by start and length.
fn take_columns<'g>(matrix: Field<'g>, columns: &[(usize, usize)]) -> Field<'g> {
    let mut ranges: Vec<(usize, usize)> = vec![];
    for &(start, len) in columns {
        match ranges.last_mut() {
            Some((first, known)) if *first + *known == start => *known += len,
            _ => ranges.push((start, len)),
        }
    }
    if ranges == [(0, matrix.shape()[1])] {
        return matrix;
    }
    let parts = ranges
        .iter()
        .map(|(start, len)| matrix.slice(1, *start, *len));
    matrix.graph().concat(&parts.collect::<Vec<_>>(), 1)
}

#[cfg(test)]
mod tests {
    use dipm_field::{Bindings, Executor, Graph, Plan, Space};

    use super::*;

    #[test]
    fn experts_are_mixed_by_the_row_of_the_edge() {
        let kernel = Kernel::new("k".to_owned(), 2, 3, 2);
        let graph = Graph::new();
        let map = Map::Index {
            from: Space::Edges,
            table: 4,
        };
        let weights = graph.input("kappa", Space::Table(4), &[2]);
        let x = graph.input("x", Space::Edges, &[1, 2]);
        let y = kernel.forward(x, &[(0, 1), (2, 1)], Mixture::Experts { weights, map });
        let mut executor = Executor::<f64>::new(Plan::new(&graph, &[("y", y)]));
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let bindings = Bindings::new()
            .rows(Space::Edges, 3)
            .rows(Space::Table(4), 2)
            .map(map, &[1, 0, 1])
            .input("kappa", &[1.0, 0.0, 0.5, 2.0])
            .input("k", &values)
            .input("x", &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        executor.run(&bindings).unwrap();
        // expert 0: rows 0 1 2, 3 4 5; expert 1: rows 6 7 8, 9 10 11
        assert_eq!(executor.output("y"), [12.0, 17.0, 0.0, 2.0, 19.5, 24.5]);
    }
}
