//! Spherical harmonics of the edge directions.

use dipm_field::{Field, ProductTable, Slot};
use dipm_o3::harmonic_recursion;

/// Harmonics of degree 0 to l_max of unit vectors `[3]`, one after the other, [(l_max + 1)²].
///
/// Y_l = Σ T_l Y_{l−1} u, so that each degree costs one sparse product. The zero vector has Y_0 = 1
/// and zeros.
pub fn harmonics(direction: Field<'_>, l_max: usize) -> Field<'_> {
    let graph = direction.graph();
    let mut degrees = vec![graph.literal(1.0).broadcast(direction.space(), &[1])];
    for l in 1..=l_max {
        let slots = [2 * l - 1, 3, 2 * l + 1].map(Slot::scalars);
        let next = match l {
            1 => direction * 3f64.sqrt(),
            _ => {
                let terms = harmonic_recursion(l);
                let entries = terms.into_iter().map(|t| (vec![t.i, t.j, t.k], t.value));
                let table = ProductTable::new(&slots, entries);
                graph.product(&table, 2, &[Some(degrees[l - 1]), Some(direction), None])
            }
        };
        degrees.push(next);
    }
    graph.concat(&degrees, 0)
}
