//! Statistics of the training set, one structure at a time.

use std::collections::BTreeMap;

use crate::atomic_energies::{Composition, EnergyFit};
use crate::dataset_info::{AtomicEnergies, DatasetInfo};

/// What one structure contributes.
#[derive(Debug, Clone)]
pub(crate) struct Contribution {
    pub composition: Composition,
    pub energy: Option<f64>,
    pub num_atoms: usize,
    pub num_edges: usize,
    /// Shortest edge, Å.
    pub r_min: f64,
    /// Incoming edges of each atom that has some.
    pub neighbor_counts: Vec<u32>,
}

/// Sums over structures; adding in file order makes the result reproducible.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    num_structures: u64,
    num_atoms: u64,
    num_edges: u64,
    sum_r_min: f64,
    max_edges: u64,
    /// Number of atoms → structures.
    sizes: BTreeMap<u64, u64>,
    /// Number of neighbours (> 0) → atoms.
    neighbors: BTreeMap<u32, u64>,
    /// One fit a task.
    fits: BTreeMap<usize, EnergyFit>,
    elements: BTreeMap<u8, ()>,
}

impl Statistics {
    pub(crate) fn add(&mut self, structure: &Contribution, task: Option<usize>) {
        self.num_structures += 1;
        self.num_atoms += structure.num_atoms as u64;
        self.num_edges += structure.num_edges as u64;
        self.sum_r_min += structure.r_min;
        self.max_edges = self.max_edges.max(structure.num_edges as u64);
        *self.sizes.entry(structure.num_atoms as u64).or_default() += 1;
        for count in &structure.neighbor_counts {
            *self.neighbors.entry(*count).or_default() += 1;
        }
        for (z, _) in &structure.composition {
            self.elements.insert(*z, ());
        }
        if let Some(energy) = structure.energy {
            let fit = self.fits.entry(task.unwrap_or(0)).or_default();
            fit.add(&structure.composition, energy);
        }
    }

    pub(crate) fn num_structures(&self) -> u64 {
        self.num_structures
    }

    /// Elements of all structures added, ascending.
    pub(crate) fn elements(&self) -> Vec<u8> {
        self.elements.keys().copied().collect()
    }

    /// The dataset info, a warning where the atomic energies could not be fitted, and for a single task
    /// rank and unknowns of that fit.
    pub(crate) fn finish(
        self,
        cutoff: f64,
        max_neighbors_per_atom: Option<usize>,
        task_list: Option<Vec<String>>,
    ) -> (DatasetInfo, Option<String>, Option<(usize, usize)>) {
        let (atoms, structures) = (self.num_atoms as f64, self.num_structures as f64);
        let mut info = DatasetInfo {
            cutoff_distance_angstrom: cutoff,
            max_neighbors_per_atom,
            atomic_energies_map: AtomicEnergies::Single(BTreeMap::new()),
            avg_num_neighbors: self.num_edges as f64 / atoms,
            avg_num_nodes: atoms / structures,
            avg_r_min_angstrom: Some(self.sum_r_min / structures),
            scaling_mean: 0.0,
            scaling_stdev: 1.0,
            median_num_neighbors: u64::from(lower_median(&self.neighbors)),
            max_total_edges: self.max_edges / 2,
            median_num_nodes: upper_median(&self.sizes),
            max_num_nodes: self.sizes.keys().last().copied().unwrap_or(1),
            task_list,
        };
        let elements = self.elements();
        let mut fits = self.fits;
        let (mut failed, mut rank) = (Vec::new(), None);
        let mut solve = |task: usize| -> BTreeMap<u8, f64> {
            let solution = fits.remove(&task).and_then(EnergyFit::solve_with_rank);
            let solution = solution.map(|solution| {
                rank = Some((solution.rank, solution.energies.len()));
                solution.energies
            });
            solution.unwrap_or_else(|| {
                failed.push(task.to_string());
                elements.iter().map(|z| (*z, 0.0)).collect()
            })
        };
        info.atomic_energies_map = match &info.task_list {
            None => {
                // An element that only occurs without energies gets 0, as in the minimum norm.
                let energies = solve(0);
                let of = |z: &u8| energies.get(z).copied().unwrap_or(0.0);
                AtomicEnergies::Single(elements.iter().map(|z| (*z, of(z))).collect())
            }
            Some(tasks) => {
                let energies: Vec<BTreeMap<u8, f64>> = (0..tasks.len()).map(&mut solve).collect();
                let of = |z: u8| -> Vec<f64> {
                    energies
                        .iter()
                        .map(|map| map.get(&z).copied().unwrap_or(f64::NAN))
                        .collect()
                };
                AtomicEnergies::PerTask(elements.iter().map(|z| (*z, of(*z))).collect())
            }
        };
        let warning = (!failed.is_empty())
            .then(|| "no energies to fit atomic energies to: they are set to 0".to_owned());
        let is_single = info.task_list.is_none();
        (info, warning, rank.filter(|_| is_single))
    }
}

/// Element of rank (n − 1) div 2 of a histogram.
fn lower_median<K: Copy + Default + Ord>(histogram: &BTreeMap<K, u64>) -> K {
    let total: u64 = histogram.values().sum();
    at_rank(histogram, total.saturating_sub(1) / 2)
}

/// Mean of the middle two, rounded up.
fn upper_median(histogram: &BTreeMap<u64, u64>) -> u64 {
    let total: u64 = histogram.values().sum();
    let high = at_rank(histogram, total / 2);
    (lower_median(histogram) + high).div_ceil(2)
}

fn at_rank<K: Copy + Default>(histogram: &BTreeMap<K, u64>, rank: u64) -> K {
    let mut seen = 0;
    for (value, count) in histogram {
        seen += count;
        if seen > rank {
            return *value;
        }
    }
    K::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_follow_the_definitions() {
        let histogram = |values: &[u64]| {
            let mut map = BTreeMap::new();
            for v in values {
                *map.entry(*v).or_default() += 1;
            }
            map
        };
        assert_eq!(lower_median(&histogram(&[1, 2, 3, 4])), 2);
        assert_eq!(upper_median(&histogram(&[1, 2, 3, 4])), 3);
        assert_eq!(upper_median(&histogram(&[5, 6, 6, 7])), 6);
        assert_eq!(upper_median(&histogram(&[3, 9, 9])), 9);
        assert_eq!(lower_median(&histogram(&[])), 0);
    }
}
