//! Lists of irreps with multiplicities, which say what a feature vector holds.

use std::fmt;
use std::str::FromStr;

use crate::{Irrep, O3Error, Parity};

/// Several copies of an irrep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MulIrrep {
    /// Number of copies.
    pub mul: usize,
    /// The irrep.
    pub irrep: Irrep,
}

impl MulIrrep {
    /// Number of components, mul · (2l + 1).
    pub fn dim(&self) -> usize {
        self.mul * self.irrep.dim()
    }
}

impl fmt::Display for MulIrrep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.mul, self.irrep)
    }
}

/// A list of irreps with multiplicities, such as `128x0e + 64x1o`.
///
/// The order of the entries is part of the layout: equal irreps may stand in several entries, and
/// nothing is merged unless asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Irreps(Vec<MulIrrep>);

impl Irreps {
    /// A list from (multiplicity, irrep) pairs.
    pub fn new(entries: impl IntoIterator<Item = (usize, Irrep)>) -> Self {
        entries
            .into_iter()
            .map(|(mul, irrep)| MulIrrep { mul, irrep })
            .collect()
    }

    /// One copy of each harmonic of degree 0 to l_max: 0e + 1o + 2e + …
    pub fn harmonics(l_max: usize) -> Self {
        Self::new((0..=l_max).map(|l| (1, Irrep::natural(l))))
    }

    /// The entries.
    pub fn entries(&self) -> &[MulIrrep] {
        &self.0
    }

    /// The entries, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, MulIrrep> {
        self.0.iter()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of components of a feature vector.
    pub fn dim(&self) -> usize {
        self.iter().map(MulIrrep::dim).sum()
    }

    /// Number of copies, all entries together.
    pub fn num_copies(&self) -> usize {
        self.iter().map(|entry| entry.mul).sum()
    }

    /// Number of copies of an irrep, all its entries together.
    pub fn count(&self, irrep: Irrep) -> usize {
        self.iter()
            .filter(|entry| entry.irrep == irrep)
            .map(|entry| entry.mul)
            .sum()
    }

    /// Whether some entry has this irrep.
    pub fn contains(&self, irrep: Irrep) -> bool {
        self.iter().any(|entry| entry.irrep == irrep)
    }

    /// The entries for which `keep` holds, in order, nothing merged.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(Irrep) -> bool) -> Self {
        self.iter()
            .filter(|entry| keep(entry.irrep))
            .copied()
            .collect()
    }

    /// Without empty entries, adjacent equal irreps merged. Not a sort.
    #[must_use]
    pub fn simplify(&self) -> Self {
        let mut merged: Vec<MulIrrep> = Vec::new();
        for entry in self.iter().filter(|entry| entry.mul > 0) {
            match merged.last_mut() {
                Some(last) if last.irrep == entry.irrep => last.mul += entry.mul,
                _ => merged.push(*entry),
            }
        }
        Self(merged)
    }

    /// Stably sorted by irrep, and for each new entry the position it came from.
    #[must_use]
    pub fn sort(&self) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&position| self.0[position].irrep);
        (
            order.iter().map(|&position| self.0[position]).collect(),
            order,
        )
    }

    /// Sorted, then simplified: one entry an irrep.
    #[must_use]
    pub fn regroup(&self) -> Self {
        self.sort().0.simplify()
    }

    /// The entries of this list followed by those of another.
    #[must_use]
    pub fn concat(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).copied().collect()
    }
}

impl FromIterator<MulIrrep> for Irreps {
    fn from_iter<I: IntoIterator<Item = MulIrrep>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl fmt::Display for Irreps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, entry) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { " + " };
            write!(f, "{separator}{entry}")?;
        }
        Ok(())
    }
}

impl FromStr for Irreps {
    type Err = O3Error;

    /// Parses `128x0e + 64x1o`; a missing multiplicity means 1, an empty text the empty list.
    fn from_str(text: &str) -> Result<Self, O3Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let entry = |part: &str| {
            parse_entry(part.trim()).map_err(|reason| O3Error::Irreps {
                text: text.to_owned(),
                reason,
            })
        };
        text.split('+').map(entry).collect()
    }
}

/// `64x1o` or `1o`; the error is a phrase.
fn parse_entry(part: &str) -> Result<MulIrrep, String> {
    let (mul, irrep) = match part.split_once('x') {
        Some((mul, irrep)) => (mul.trim(), irrep.trim()),
        None => ("1", part),
    };
    let mul = mul
        .parse()
        .map_err(|_| format!("`{mul}` in `{part}` is not a multiplicity"))?;
    let parity = match irrep.chars().last() {
        Some('e') => Parity::Even,
        Some('o') => Parity::Odd,
        _ => return Err(format!("`{part}` does not end in a parity, `e` or `o`")),
    };
    let degree = &irrep[..irrep.len() - 1];
    let l = degree
        .parse()
        .map_err(|_| format!("`{degree}` in `{part}` is not a degree"))?;
    let irrep = Irrep::new(l, parity);
    Ok(MulIrrep { mul, irrep })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn irreps(text: &str) -> Irreps {
        text.parse().unwrap()
    }

    #[test]
    fn simplify_merges_neighbours_only_and_regroup_sorts_first() {
        let list = irreps("4x0e+4x0o+2x0e+0x3o+3x0e");
        assert_eq!(list.simplify(), irreps("4x0e + 4x0o + 5x0e"));
        assert_eq!(list.regroup(), irreps("9x0e + 4x0o"));
        let (sorted, order) = irreps("1x2e + 2x0o + 3x1e + 4x1o + 5x0o").sort();
        assert_eq!(sorted, irreps("2x0o + 5x0o + 4x1o + 3x1e + 1x2e"));
        assert_eq!(order, [1, 4, 3, 2, 0]);
    }

    #[test]
    fn sizes_count_copies_and_components() {
        let list = irreps("4x0e + 2x1o + 2e");
        assert_eq!((list.len(), list.num_copies(), list.dim()), (3, 7, 15));
        assert_eq!(list.count(Irrep::natural(1)), 2);
        assert!(list.contains(Irrep::natural(2)) && !list.contains(Irrep::natural(3)));
        assert_eq!(irreps("").dim(), 0);
        assert_eq!(Irreps::harmonics(2), irreps("0e + 1o + 2e"));
    }

    #[test]
    fn bad_text_is_refused_with_the_reason() {
        for (text, part) in [
            ("4x0", "parity"),
            ("ax0e", "multiplicity"),
            ("4x0e + ", "parity"),
            ("4xze", "degree"),
            ("-1x0e", "multiplicity"),
            ("4xé", "parity"),
        ] {
            let error = text.parse::<Irreps>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(
            entries in prop::collection::vec((0usize..200, 0usize..12, any::<bool>()), 0..6)
        ) {
            let parity = |odd| if odd { Parity::Odd } else { Parity::Even };
            let irrep = |(mul, l, odd)| (mul, Irrep::new(l, parity(odd)));
            let list = Irreps::new(entries.into_iter().map(irrep));
            prop_assert_eq!(irreps(&list.to_string()), list);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,20}") {
            let _ = text.parse::<Irreps>();
        }
    }
}
