//! Sparse tensors with one index a factor, and families of them that transform as irreps.

use std::collections::BTreeMap;

use super::MAX_ORDER;
use crate::{ClebschGordan, Irrep, Irreps};

/// Component of each factor; 0 for factors that a tensor does not have.
pub(super) type Index = [u16; MAX_ORDER];
/// Non-zeros by the components of the factors; positions past the last factor are 0.
pub type SparseTensor = BTreeMap<[u16; MAX_ORDER], f64>;
/// One tensor for each component of the irrep.
pub type Path = Vec<SparseTensor>;
/// The paths into each irrep.
pub(super) type Family = BTreeMap<Irrep, Vec<Path>>;

/// Below this a sum of coefficients is a rounding error.
const ZERO: f64 = 1e-13;

/// The factor at a position by itself: one path an irrep.
pub(super) fn slot(irreps: &Irreps, position: usize) -> Family {
    let mut family = Family::new();
    let mut start = 0;
    for entry in irreps.iter() {
        let component = |i: usize| {
            let mut index = [0; MAX_ORDER];
            index[position] = u16::try_from(start + i).expect("features are small");
            SparseTensor::from([(index, 1.0)])
        };
        let path = (0..entry.irrep.dim()).map(component).collect();
        family.entry(entry.irrep).or_default().push(path);
        start += entry.irrep.dim();
    }
    family
}

/// Which components of the paths are wanted. A path is determined by its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Components {
    All,
    First,
}

/// T\[u, v, k\] = √(2l + 1) Σ_ij C\[i, j, k\] A\[u, i\] B\[v, j\] for all pairs of paths and all l,
/// stably sorted by irrep. A and B have different factors.
pub(super) fn couple(
    a: &Family,
    b: &Family,
    keep: &dyn Fn(Irrep) -> bool,
    components: Components,
) -> Family {
    let mut family = Family::new();
    for (left, left_paths) in a {
        for (right, right_paths) in b {
            for irrep in left.products(*right).filter(|irrep| keep(*irrep)) {
                let cg = ClebschGordan::new(left.l, right.l, irrep.l);
                for u in left_paths {
                    for v in right_paths {
                        let path = couple_paths(&cg, u, v, components);
                        family.entry(irrep).or_default().push(path);
                    }
                }
            }
        }
    }
    family
}

fn couple_paths(cg: &ClebschGordan, a: &Path, b: &Path, components: Components) -> Path {
    let dim = cg.shape()[2];
    let wanted = match components {
        Components::All => dim,
        Components::First => 1,
    };
    let mut path = vec![SparseTensor::new(); wanted];
    for c in cg.nonzeros().filter(|c| c.k < wanted) {
        let factor = (dim as f64).sqrt() * c.value;
        for (p, x) in &a[c.i] {
            for (q, y) in &b[c.j] {
                *path[c.k].entry(joined(p, q)).or_insert(0.0) += factor * x * y;
            }
        }
    }
    for tensor in &mut path {
        tensor.retain(|_, value| value.abs() > ZERO);
    }
    path
}

/// The index of a product of tensors with different factors, which are 0 where the other is not.
fn joined(a: &Index, b: &Index) -> Index {
    std::array::from_fn(|slot| a[slot] + b[slot])
}

/// Σ_u a_u · path_u
pub(super) fn combine(paths: &[Path], coefficients: &[f64]) -> Path {
    let mut sum = vec![SparseTensor::new(); paths[0].len()];
    for (path, coefficient) in paths.iter().zip(coefficients) {
        for (to, from) in sum.iter_mut().zip(path) {
            for (index, value) in from {
                *to.entry(*index).or_insert(0.0) += coefficient * value;
            }
        }
    }
    for tensor in &mut sum {
        tensor.retain(|_, value| value.abs() > ZERO);
    }
    sum
}

/// Each index changed by a function.
pub(super) fn map_indices(path: &Path, change: impl Fn(&Index) -> Index) -> Path {
    let one = |tensor: &SparseTensor| tensor.iter().map(|(i, x)| (change(i), *x)).collect();
    path.iter().map(one).collect()
}

/// Σ aᵢ bᵢ
pub(super) fn dot(a: &SparseTensor, b: &SparseTensor) -> f64 {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let term = |(index, x): (&Index, &f64)| many.get(index).map_or(0.0, |y| x * y);
    few.iter().map(term).sum()
}

/// All orders of the first n positions, lexicographic.
pub(super) fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    let with_first = |first: usize| {
        let rest = move |order: &Vec<usize>| {
            let moved = order.iter().map(|&p| if p < first { p } else { p + 1 });
            std::iter::once(first).chain(moved).collect()
        };
        shorter.iter().map(rest).collect::<Vec<Vec<usize>>>()
    };
    (0..n).flat_map(with_first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_are_complete_and_in_order() {
        let all = permutations(3);
        let expected = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        assert_eq!(all, expected);
        assert_eq!(permutations(4).len(), 24);
    }
}
