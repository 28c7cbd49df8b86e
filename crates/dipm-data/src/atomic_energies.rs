//! Atomic reference energies by least squares on compositions.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};

/// Number of atoms of each element, ascending atomic numbers.
pub type Composition = Vec<(u8, u32)>;

/// Number of atoms of each element.
pub fn composition(atomic_numbers: &[u8]) -> Composition {
    let mut counts = [0_u32; 256];
    for z in atomic_numbers {
        counts[usize::from(*z)] += 1;
    }
    let present = (0..=255_u8).zip(counts).filter(|(_, n)| *n > 0);
    present.collect()
}

/// Rows are folded into a triangular factor when this many different compositions have gathered.
const FOLD_AT: usize = 2048;
/// Singular values below this share of the largest count as zero.
const SINGULAR_CUTOFF: f64 = 1e-8;

/// Accumulates X e = y, X[g, z] the atoms of element z in structure g, in bounded memory.
///
/// Structures of the same composition become one row √n (x, mean y), and rows are folded by QR:
/// neither changes XᵀX, so the minimum-norm solution and the singular values stay those of X.
#[derive(Debug, Default)]
pub struct EnergyFit {
    /// Composition → structures and sum of their energies.
    rows: BTreeMap<Composition, (f64, f64)>,
    /// Folded rows: coefficients by element, right-hand side.
    folded: Vec<(BTreeMap<u8, f64>, f64)>,
    elements: BTreeMap<u8, ()>,
}

/// Energies of the elements, and how many independent ones the compositions determine.
#[derive(Debug)]
pub(crate) struct Solution {
    pub energies: BTreeMap<u8, f64>,
    pub rank: usize,
}

impl EnergyFit {
    /// Adds a structure with its energy, eV.
    pub fn add(&mut self, composition: &Composition, energy: f64) {
        for (z, _) in composition {
            self.elements.insert(*z, ());
        }
        match self.rows.get_mut(composition) {
            Some((count, sum)) => (*count, *sum) = (*count + 1.0, *sum + energy),
            None => drop(self.rows.insert(composition.clone(), (1.0, energy))),
        }
        if self.rows.len() > FOLD_AT {
            self.fold();
        }
    }

    /// Replaces all rows by the triangular factor of (X | y).
    fn fold(&mut self) {
        let elements: Vec<u8> = self.elements.keys().copied().collect();
        let column = |z: u8| elements.binary_search(&z).expect("element was added");
        let num_rows = self.rows.len() + self.folded.len();
        let mut system = DMatrix::<f64>::zeros(num_rows, elements.len() + 1);
        for (r, (coefficients, y)) in self.folded.iter().enumerate() {
            for (z, x) in coefficients {
                system[(r, column(*z))] = *x;
            }
            system[(r, elements.len())] = *y;
        }
        for (r, (composition, (count, sum))) in self.rows.iter().enumerate() {
            let (r, weight) = (self.folded.len() + r, count.sqrt());
            for (z, n) in composition {
                system[(r, column(*z))] = weight * f64::from(*n);
            }
            system[(r, elements.len())] = sum / weight;
        }
        let triangle = system.qr().r();
        let row = |r: usize| {
            let coefficients = elements.iter().map(|&z| (z, triangle[(r, column(z))]));
            (coefficients.collect(), triangle[(r, elements.len())])
        };
        self.folded = (0..triangle.nrows()).map(row).collect();
        self.rows.clear();
    }

    /// Minimum-norm least-squares energies of the elements seen, eV; `None` when nothing was added or
    /// the decomposition fails.
    pub fn solve(self) -> Option<BTreeMap<u8, f64>> {
        self.solve_with_rank().map(|solution| solution.energies)
    }

    /// The same, with the number of independent energies that the compositions determine.
    pub(crate) fn solve_with_rank(mut self) -> Option<Solution> {
        if self.elements.is_empty() {
            return None;
        }
        self.fold();
        let elements: Vec<u8> = self.elements.keys().copied().collect();
        let x = DMatrix::from_fn(self.folded.len(), elements.len(), |r, c| {
            self.folded[r].0[&elements[c]]
        });
        let y = DVector::from_iterator(self.folded.len(), self.folded.iter().map(|row| row.1));
        let svd = x.try_svd(true, true, f64::EPSILON, 10_000)?;
        let largest = svd.singular_values.max();
        let smallest = SINGULAR_CUTOFF * largest;
        let energies = svd.solve(&y, smallest).ok()?;
        let is_finite = energies.iter().all(|e| e.is_finite());
        is_finite.then(|| Solution {
            rank: svd
                .singular_values
                .iter()
                .filter(|s| **s > smallest)
                .count(),
            energies: elements.into_iter().zip(energies.iter().copied()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_composition_gives_the_minimum_norm_solution() {
        // Check values of two 13-atom frames: e_z = n_z · mean(y) / Σ n².
        let composition: Composition = vec![(1, 3), (6, 3), (8, 5), (15, 1), (16, 1)];
        let mut fit = EnergyFit::default();
        fit.add(&composition, -33533.58818835873);
        fit.add(&composition, -33533.94582957392);
        let expected = [
            (1, -2235.5844672644207),
            (6, -2235.584467264422),
            (8, -3725.97411210737),
            (15, -745.194822421474),
            (16, -745.194822421474),
        ];
        let solution = fit.solve_with_rank().unwrap();
        assert_eq!(solution.rank, 1);
        let found = solution.energies;
        for (z, e) in expected {
            assert!(
                (found[&z] - e).abs() < 1e-9 * e.abs(),
                "{z}: {} {e}",
                found[&z]
            );
        }
    }

    #[test]
    fn folding_changes_nothing() {
        let exact = BTreeMap::from([(1, -13.6), (6, -1030.25), (7, -1480.5), (8, -2041.75)]);
        let mut fit = EnergyFit::default();
        for i in 0..6000_u32 {
            let composition: Composition = vec![
                (1, 1 + i % 97),
                (6, 1 + i % 83),
                (7, i % 7 + 1),
                (8, i % 5 + 1),
            ];
            let energy = composition
                .iter()
                .map(|(z, n)| exact[z] * f64::from(*n))
                .sum();
            fit.add(&composition, energy);
        }
        assert!(!fit.folded.is_empty());
        for (z, e) in fit.solve().unwrap() {
            assert!((e - exact[&z]).abs() < 1e-9 * e.abs(), "{z}: {e}");
        }
    }

    #[test]
    fn nothing_to_fit_gives_nothing() {
        assert!(EnergyFit::default().solve().is_none());
    }
}
