//! Which copies of a feature something reads.

use std::ops::Range;

use dipm_field::Field;
use dipm_o3::{Irreps, MulIrrep};

/// For each irrep entry, the copies that something reads, as increasing ranges that do not touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live(Vec<Vec<Range<usize>>>);

impl Live {
    /// From the ranges of each entry; adjacent ranges are merged, empty ones dropped.
    pub fn new(entries: impl IntoIterator<Item = Vec<Range<usize>>>) -> Self {
        Self(entries.into_iter().map(merge).collect())
    }

    /// Whole entries, those for which `keep` is true.
    pub fn entries(irreps: &Irreps, keep: &[bool]) -> Self {
        let live = |(entry, keep): (&MulIrrep, &bool)| if *keep { entry.mul } else { 0 };
        Self::new(
            irreps
                .iter()
                .zip(keep)
                .map(|pair| std::iter::once(0..live(pair)).collect()),
        )
    }

    /// All copies of all entries.
    pub fn all(irreps: &Irreps) -> Self {
        Self::entries(irreps, &vec![true; irreps.len()])
    }

    /// The live copies of an entry.
    pub fn ranges(&self, entry: usize) -> &[Range<usize>] {
        &self.0[entry]
    }

    /// Number of live copies of an entry.
    pub fn count(&self, entry: usize) -> usize {
        self.0[entry].iter().map(Range::len).sum()
    }
}

/// Joins ranges that touch and drops empty ones.
pub(crate) fn merge(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match merged.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => merged.push(range),
        }
    }
    merged
}

/// Ranges of the last axis, side by side.
pub(crate) fn columns<'g>(field: Field<'g>, ranges: &[Range<usize>]) -> Field<'g> {
    let axis = field.shape().len() - 1;
    let part = |range: &Range<usize>| field.slice(axis, range.start, range.len());
    let parts: Vec<Field<'g>> = ranges.iter().map(part).collect();
    field.graph().concat(&parts, axis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_are_merged() {
        let live = Live::new([vec![0..4, 4..6, 9..9, 10..12], vec![]]);
        assert_eq!(live.ranges(0), [0..6, 10..12]);
        assert_eq!((live.count(0), live.count(1)), (8, 0));
    }
}
