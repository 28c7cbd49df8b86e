//! Structures that occur more than once, also turned, mirrored or with their atoms in another order.

use crate::dataset::Item;
use crate::error::MAX_PROBLEMS;
use crate::graph::Graph;
use crate::report::{DatasetReport, Duplicate};
use crate::splits::Role;
use crate::structure::Origin;

/// Relative difference of sums over edges below which structures are the same; files with six decimals
/// reach it.
const TOLERANCE: f64 = 1e-7;

/// Two sums over edges that differ for different structures, and that neither rotation nor the order of
/// the atoms changes: Σ_ij g_ij and Σ_i (Σ_j g_ij)² with g = w(Z_i) w(Z_j) exp(−d / Å).
pub(crate) fn shape(graph: &Graph) -> [f64; 2] {
    let numbers = &graph.structure.atomic_numbers;
    let weight = |atom: u32| (1.0 + f64::from(numbers[atom as usize])).ln();
    let mut of_atom = vec![0.0; graph.num_atoms()];
    for e in 0..graph.num_edges() {
        let (i, j) = (graph.receivers[e], graph.senders[e]);
        let decay = (-crate::cell::norm(graph.edge_vector(e))).exp();
        of_atom[i as usize] += weight(i) * weight(j) * decay;
    }
    [of_atom.iter().sum(), of_atom.iter().map(|x| x * x).sum()]
}

/// Structures that are the same: role and item of both, the first one the earliest.
pub(crate) fn find_duplicates(parts: &[Option<Vec<Item>>; 3]) -> Vec<[(Role, Item); 2]> {
    let mut all: Vec<(Role, Item)> = Vec::new();
    for (role, part) in Role::ALL.into_iter().zip(parts) {
        all.extend(part.iter().flatten().map(|item| (role, *item)));
    }
    let place = |(role, item): &(Role, Item)| (*role, item.file, item.index);
    all.sort_by(|(_, a), (_, b)| {
        let sizes = |item: &Item| (item.state, item.num_atoms, item.num_edges);
        sizes(a)
            .cmp(&sizes(b))
            .then(a.shape[0].total_cmp(&b.shape[0]))
    });
    let mut pairs = Vec::new();
    for same in all.chunk_by_mut(|(_, a), (_, b)| is_same(a, b)) {
        same.sort_by_key(place);
        let (first, others) = same.split_first().expect("chunks are not empty");
        pairs.extend(others.iter().map(|other| [*first, *other]));
    }
    pairs.sort_by_key(|[_, second]| place(second));
    pairs
}

fn is_same(a: &Item, b: &Item) -> bool {
    let close = |k: usize| (a.shape[k] - b.shape[k]).abs() <= TOLERANCE * a.shape[k].abs();
    let sizes = |item: &Item| (item.state, item.num_atoms, item.num_edges);
    sizes(a) == sizes(b) && close(0) && close(1)
}

impl DatasetReport {
    pub(crate) fn set_duplicates(
        &mut self,
        pairs: &[[(Role, Item); 2]],
        origin: impl Fn(&Item) -> Origin,
    ) {
        let between = pairs.iter().filter(|[a, b]| a.0 != b.0).count();
        self.num_duplicates_between = between;
        self.num_duplicates_within = pairs.len() - between;
        let duplicate = |[a, b]: &[(Role, Item); 2]| Duplicate {
            first: (a.0, origin(&a.1)),
            second: (b.0, origin(&b.1)),
        };
        self.duplicates = pairs.iter().take(MAX_PROBLEMS).map(duplicate).collect();
    }
}
