//! The basis of couplings that exchanging factors leaves alone.

use std::collections::BTreeSet;

use super::MAX_ORDER;
use super::family::{
    Components, Family, Index, SparseTensor, combine, couple, dot, map_indices, permutations, slot,
};
use crate::{Irrep, Irreps};

/// Rows of a projector with a smaller remainder depend on those before.
const DEPENDENT: f64 = 2e-5;

/// The symmetric basis of some order.
pub(super) fn symmetric(
    irreps: &Irreps,
    order: usize,
    keep: &dyn Fn(Irrep) -> bool,
    components: Components,
) -> Family {
    let mut basis = Family::new();
    for powers in power_tuples(irreps.len(), order) {
        let mut block: Option<Family> = None;
        let mut sequence = Vec::with_capacity(order);
        for (entry, &power) in powers.iter().enumerate().filter(|(_, power)| **power > 0) {
            let next = shifted(&symmetric_power(irreps, entry, power), sequence.len());
            sequence.resize(sequence.len() + power, entry);
            let last = sequence.len() == order;
            block = Some(match block {
                None => next,
                Some(left) if last => couple(&left, &next, keep, components),
                Some(left) => couple(&left, &next, &|_| true, Components::All),
            });
        }
        let mut block = block.expect("the order is positive");
        block.retain(|irrep, _| keep(*irrep));
        let arrangements = arrangements(&sequence);
        let factor = (arrangements.len() as f64).sqrt().recip();
        for (irrep, paths) in block {
            let spread = |path| {
                let arranged = |order: &Vec<usize>| {
                    map_indices(path, |index| {
                        let mut moved = [0; MAX_ORDER];
                        for (to, &from) in moved.iter_mut().zip(order) {
                            *to = index[from];
                        }
                        moved
                    })
                };
                let parts: Vec<_> = arrangements.iter().map(arranged).collect();
                combine(&parts, &vec![factor; parts.len()])
            };
            basis
                .entry(irrep)
                .or_default()
                .extend(paths.iter().map(spread));
        }
    }
    basis
}

/// Ways to write `sum` as `count` numbers, the first descending, then recursively the rest.
fn power_tuples(count: usize, sum: usize) -> Vec<Vec<usize>> {
    if count == 1 {
        return vec![vec![sum]];
    }
    let with_first = |first: usize| {
        let join = move |rest: Vec<usize>| std::iter::once(first).chain(rest).collect();
        power_tuples(count - 1, sum - first).into_iter().map(join)
    };
    (0..=sum).rev().flat_map(with_first).collect()
}

/// One order of the factors for each distinct arrangement of a sequence.
fn arrangements(sequence: &[usize]) -> Vec<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let mut orders = permutations(sequence.len());
    orders.retain(|order| seen.insert(order.iter().map(|&p| sequence[p]).collect::<Vec<_>>()));
    orders
}

/// Factors moved to later positions.
fn shifted(family: &Family, by: usize) -> Family {
    let shift =
        |index: &Index| std::array::from_fn(|slot| if slot < by { 0 } else { index[slot - by] });
    let paths = |paths: &Vec<_>| paths.iter().map(|path| map_indices(path, shift)).collect();
    family
        .iter()
        .map(|(irrep, of_irrep)| (*irrep, paths(of_irrep)))
        .collect()
}

/// The symmetric power of one entry.
fn symmetric_power(irreps: &Irreps, entry: usize, power: usize) -> Family {
    let own = irreps.entries()[entry].irrep;
    let of_entry = |position| {
        let mut single = slot(irreps, position);
        single.retain(|irrep, _| *irrep == own);
        single
    };
    let couple = |a: &Family, b: &Family| couple(a, b, &|_| true, Components::All);
    let square = || symmetric_power(irreps, entry, 2);
    match power {
        1 => of_entry(0),
        2 => constrain(couple(&of_entry(0), &of_entry(1)), 2),
        3 => constrain(couple(&square(), &of_entry(2)), 3),
        _ => constrain(couple(&shifted(&square(), 2), &square()), 4),
    }
}

/// Orthonormal combinations of the paths into each irrep that are symmetric in the first n factors.
///
/// A path is determined by its first component, so only those are compared.
fn constrain(family: Family, n: usize) -> Family {
    let mut symmetric = Family::new();
    for (irrep, paths) in family {
        let means: Vec<SparseTensor> = paths.iter().map(|path| averaged(&path[0], n)).collect();
        let overlap = |u: usize, v: usize| dot(&paths[u][0], &means[v]);
        let size = paths.len();
        let gram: Vec<f64> = (0..size * size)
            .map(|at| 0.5 * (overlap(at / size, at % size) + overlap(at % size, at / size)))
            .collect();
        let rows = orthonormal_rows(&eigenspace_of_one(gram, size), size);
        if !rows.is_empty() {
            let combined = rows.iter().map(|row| combine(&paths, row)).collect();
            symmetric.insert(irrep, combined);
        }
    }
    symmetric
}

/// The mean over all orders of the first n factors.
fn averaged(tensor: &SparseTensor, n: usize) -> SparseTensor {
    let orders = permutations(n);
    let mut mean = SparseTensor::new();
    for (index, value) in tensor {
        for order in &orders {
            let mut moved = *index;
            for (to, &from) in moved.iter_mut().zip(order) {
                *to = index[from];
            }
            *mean.entry(moved).or_insert(0.0) += value / orders.len() as f64;
        }
    }
    mean
}

/// The projector on the eigenvalue 1 of a symmetric matrix with eigenvalues from 0 to 1.
///
/// Powers of the matrix leave the eigenvalue 1 alone and take the others towards 0, from where
/// x ← 3x² − 2x³ converges quadratically to 0 and 1.
fn eigenspace_of_one(matrix: Vec<f64>, size: usize) -> Vec<f64> {
    let mut power = matrix;
    for _ in 0..9 {
        power = product(&power, &power, size);
    }
    for _ in 0..6 {
        let square = product(&power, &power, size);
        let cube = product(&square, &power, size);
        let step = square.iter().zip(&cube).map(|(s, c)| 3.0 * s - 2.0 * c);
        power = step.collect();
    }
    power
}

fn product(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
    let entry = |at: usize| {
        let (row, column) = (at / size, at % size);
        (0..size)
            .map(|k| a[row * size + k] * b[k * size + column])
            .sum()
    };
    (0..size * size).map(entry).collect()
}

/// Gram and Schmidt, in order; rows that depend on earlier ones are left out.
fn orthonormal_rows(matrix: &[f64], size: usize) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for row in matrix.chunks_exact(size) {
        let mut rest = row.to_vec();
        for known in &rows {
            let overlap: f64 = rest.iter().zip(known).map(|(x, y)| x * y).sum();
            for (x, y) in rest.iter_mut().zip(known) {
                *x -= overlap * y;
            }
        }
        let norm = rest.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > DEPENDENT {
            rows.push(rest.iter().map(|x| x / norm).collect());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_tuples_come_with_the_first_number_descending() {
        let tuples = power_tuples(3, 2);
        let expected = [
            [2, 0, 0],
            [1, 1, 0],
            [1, 0, 1],
            [0, 2, 0],
            [0, 1, 1],
            [0, 0, 2],
        ];
        assert_eq!(tuples, expected);
    }

    #[test]
    fn the_eigenspace_is_projected_on_exactly() {
        // Eigenvectors (3, 4)/5 with eigenvalue 1 and (4, −3)/5 with eigenvalue 0.9.
        let matrix = [(9.0, 16.0), (12.0, -12.0), (12.0, -12.0), (16.0, 9.0)];
        let matrix = matrix.map(|(one, other)| one / 25.0 + 0.9 * other / 25.0);
        let projector = eigenspace_of_one(matrix.to_vec(), 2);
        for (found, expected) in projector.iter().zip([0.36, 0.48, 0.48, 0.64]) {
            assert!((found - expected).abs() < 1e-13, "{found} {expected}");
        }
    }
}
