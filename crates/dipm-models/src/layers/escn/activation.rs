//! Nonlinearities of features of several degrees.

use dipm_field::{Field, ProductTable, Slot};

use super::{Coefficients, Harmonic, SphereGrid};

/// Scalars → silu(scalars); every other coefficient → σ(s_l) · coefficient, s_l a scalar a degree
/// and channel.
#[derive(Debug, Clone)]
pub struct DegreeGate {
    l_max: usize,
    /// σ(s) [L, C], coefficients of degree ≥ 1, the same.
    table: ProductTable,
}

impl DegreeGate {
    /// For features in the order of the nodes.
    pub fn of_nodes(l_max: usize) -> Self {
        Self::new(l_max, &Coefficients::new(l_max, l_max).node())
    }

    /// For features in the order of the edges.
    pub fn of_edges(coefficients: Coefficients) -> Self {
        Self::new(coefficients.l_max, &coefficients.edge())
    }

    fn new(l_max: usize, harmonics: &[Harmonic]) -> Self {
        let gated = &harmonics[1..];
        let entry = |(k, h): (usize, &Harmonic)| (vec![h.degree - 1, k, k], 1.0);
        let slots = [l_max, gated.len(), gated.len()].map(Slot::channels);
        Self {
            l_max,
            table: ProductTable::new(&slots, gated.iter().enumerate().map(entry)),
        }
    }

    /// Applies the gate with scalars [L · C], degree by degree, to a feature [K′, C].
    pub fn forward<'g>(&self, scalars: Field<'g>, x: Field<'g>) -> Field<'g> {
        let graph = x.graph();
        let [num, channels] = x.shape()[..] else {
            panic!("a feature has two axes: {x:?}")
        };
        let gates = scalars.sigmoid().reshape(&[self.l_max, channels]);
        let operands = [Some(gates), Some(x.slice(0, 1, num - 1)), None];
        let gated = graph.product(&self.table, 2, &operands);
        graph.concat(&[x.slice(0, 0, 1).silu(), gated], 0)
    }
}

/// The silu of the function on a sphere that a feature [K′, C] stands for.
pub fn sphere_silu<'g>(grid: &SphereGrid, x: Field<'g>) -> Field<'g> {
    grid.from_grid(grid.to_grid(x).silu())
}

/// As [`sphere_silu`], but the coefficient of degree 0 is silu(scalars), `[C]`.
pub fn separable_sphere_silu<'g>(grid: &SphereGrid, scalars: Field<'g>, x: Field<'g>) -> Field<'g> {
    with_scalars(scalars.silu(), sphere_silu(grid, x))
}

/// A feature [K′, C] whose coefficient of degree 0 is replaced by scalars, `[C]`.
pub fn with_scalars<'g>(scalars: Field<'g>, x: Field<'g>) -> Field<'g> {
    let [num, channels] = x.shape()[..] else {
        panic!("a feature has two axes: {x:?}")
    };
    let scalars = scalars.reshape(&[1, channels]);
    x.graph().concat(&[scalars, x.slice(0, 1, num - 1)], 0)
}

/// What stands between the two convolutions of a message.
#[derive(Debug, Clone)]
pub enum MessageActivation {
    /// Gates by degree.
    Gate(DegreeGate),
    /// [`separable_sphere_silu`].
    Separable(SphereGrid),
    /// [`sphere_silu`].
    Sphere(SphereGrid),
}

impl MessageActivation {
    /// With gates.
    pub fn gate(coefficients: Coefficients) -> Self {
        Self::Gate(DegreeGate::of_edges(coefficients))
    }

    /// On a grid that scalars bypass.
    pub fn separable(coefficients: Coefficients, resolution: Option<usize>) -> Self {
        Self::Separable(SphereGrid::of_edges(coefficients, resolution))
    }

    /// On a grid.
    pub fn sphere(coefficients: Coefficients, resolution: Option<usize>) -> Self {
        Self::Sphere(SphereGrid::of_edges(coefficients, resolution))
    }

    /// Number of scalars a channel that it takes beside the features.
    pub fn num_scalars(&self) -> usize {
        match self {
            Self::Gate(gate) => gate.l_max,
            Self::Separable(_) => 1,
            Self::Sphere(_) => 0,
        }
    }

    /// Applies it with scalars, `[num_scalars · C]`, to a feature of edges, [K_r, C].
    pub fn forward<'g>(&self, scalars: Field<'g>, x: Field<'g>) -> Field<'g> {
        match self {
            Self::Gate(gate) => gate.forward(scalars, x),
            Self::Separable(grid) => separable_sphere_silu(grid, scalars, x),
            Self::Sphere(grid) => sphere_silu(grid, x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_close, evaluate, stored};
    use super::*;
    use dipm_field::Space;

    fn silu(x: f64) -> f64 {
        x / (1.0 + (-x).exp())
    }

    #[test]
    fn a_gate_gives_its_stored_numbers() {
        let gate = DegreeGate::of_edges(Coefficients::new(3, 2));
        let (scalars, x) = (stored("gate.scalars"), stored("gate.x"));
        let found = evaluate(&[("scalars", &scalars), ("x", &x)], |graph| {
            let scalars = graph.input("scalars", Space::Edges, &[9]);
            gate.forward(scalars, graph.input("x", Space::Edges, &[14, 3]))
        });
        assert_close(&found, &stored("gate.y"));
    }

    #[test]
    fn the_silu_on_a_sphere_is_that_of_the_stored_matrices() {
        let grid = SphereGrid::of_edges(Coefficients::new(3, 2), None);
        let (x, scalars) = (stored("gate.x"), [0.3, -1.0, 2.0].repeat(5));
        let (to, from) = (stored("s2.edge.to"), stored("s2.edge.from"));
        let found = evaluate(&[("x", &x), ("scalars", &scalars)], |graph| {
            let scalars = graph.input("scalars", Space::Edges, &[3]);
            separable_sphere_silu(&grid, scalars, graph.input("x", Space::Edges, &[14, 3]))
        });
        let mut expected = vec![0.0; x.len()];
        for e in 0..5 {
            for c in 0..3 {
                for p in 0..40 {
                    let terms = (0..14).map(|k| to[14 * p + k] * x[42 * e + 3 * k + c]);
                    let value = silu(terms.sum());
                    for k in 0..14 {
                        expected[42 * e + 3 * k + c] += from[14 * p + k] * value;
                    }
                }
                expected[42 * e + c] = silu(scalars[c]);
            }
        }
        assert_close(&found, &expected);
    }
}
