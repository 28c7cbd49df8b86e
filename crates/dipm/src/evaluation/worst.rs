//! The structures with the largest errors.

use dipm_data::{Origin, element_symbol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Structures kept.
pub const NUM_WORST: usize = 20;

/// The structures with the largest scores seen so far, the largest first; among equals the first seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Worst {
    entries: Vec<(f64, WorstStructure)>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstStructure {
    /// File and number.
    pub origin: Origin,
    /// Its class, where the file gives one.
    pub config_type: Option<String>,
    /// Such as `C2H6O`.
    pub formula: String,
    /// Predicted − reference energy per atom, eV.
    pub energy_error_per_atom: Option<f64>,
    /// Root mean square error of its force components, eV/Å.
    pub force_rmse: Option<f64>,
    /// The atom whose force is worst.
    pub worst_atom: Option<WorstAtom>,
}

/// The atom of a structure whose force is worst.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WorstAtom {
    /// Number in the structure, from 0.
    pub index: usize,
    /// Z.
    pub atomic_number: u8,
    /// Length of the difference of the forces, eV/Å.
    pub error: f64,
}

impl Worst {
    /// Takes in a structure; `describe` is called only if it is one of the worst. NaN is worse than all.
    pub fn consider(&mut self, score: f64, describe: impl FnOnce() -> WorstStructure) {
        let score = if score.is_nan() { f64::INFINITY } else { score };
        let place = self.entries.partition_point(|(other, _)| *other >= score);
        if place < NUM_WORST {
            self.entries.truncate(NUM_WORST - 1);
            self.entries.insert(place, (score, describe()));
        }
    }

    /// Takes in the structures of another part of the data.
    pub(super) fn merge(&mut self, other: Self) {
        for (score, structure) in other.entries {
            self.consider(score, || structure);
        }
    }

    /// The structures, the worst first.
    pub fn structures(&self) -> impl ExactSizeIterator<Item = &WorstStructure> {
        self.entries.iter().map(|(_, structure)| structure)
    }
}

/// The formula in the order of Hill: carbon, hydrogen, then by symbol; without carbon all by symbol.
pub fn formula(atomic_numbers: &[u8]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for z in atomic_numbers {
        *counts.entry(element_symbol(*z).unwrap_or("X")).or_default() += 1;
    }
    let mut first: Vec<(&str, usize)> = Vec::new();
    if let Some(carbon) = counts.remove("C") {
        first.push(("C", carbon));
        first.extend(counts.remove("H").map(|hydrogen| ("H", hydrogen)));
    }
    let term = |(symbol, count): (&str, usize)| match count {
        1 => symbol.to_owned(),
        _ => format!("{symbol}{count}"),
    };
    first.into_iter().chain(counts).map(term).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn structure(index: usize) -> WorstStructure {
        WorstStructure {
            origin: (PathBuf::from("a.xyz"), index).into(),
            config_type: None,
            formula: String::new(),
            energy_error_per_atom: None,
            force_rmse: None,
            worst_atom: None,
        }
    }

    #[test]
    fn the_worst_are_those_that_sorting_finds() {
        let scores: Vec<f64> = (0..500_u32).map(|i| f64::from(i * 7919 % 101)).collect();
        let mut worst = Worst::default();
        for (index, &score) in scores.iter().enumerate() {
            worst.consider(score, || structure(index));
        }
        let mut sorted: Vec<usize> = (0..scores.len()).collect();
        sorted.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let found: Vec<usize> = worst.structures().map(|s| s.origin.index).collect();
        assert_eq!(found, sorted[..NUM_WORST]);
    }

    #[test]
    fn what_is_no_number_comes_first() {
        let mut worst = Worst::default();
        for (index, score) in [1.0, f64::NAN, 3.0].into_iter().enumerate() {
            worst.consider(score, || structure(index));
        }
        let found: Vec<usize> = worst.structures().map(|s| s.origin.index).collect();
        assert_eq!(found, [1, 2, 0]);
    }

    #[test]
    fn formulas_are_in_the_order_of_hill() {
        assert_eq!(formula(&[8, 6, 1, 1, 1, 6, 1, 1, 1]), "C2H6O");
        assert_eq!(formula(&[8, 1, 1]), "H2O");
        assert_eq!(formula(&[17, 11]), "ClNa");
    }
}
