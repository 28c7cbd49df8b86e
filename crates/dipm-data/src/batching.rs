//! Which structures go together: dynamic batching within limits.

use std::ops::Range;

use crate::dataset_info::DatasetInfo;
use crate::error::DataError;

/// Most that one batch may hold.
///
/// Batches need no padding here, so by default only the number of structures limits them and every
/// batch holds exactly `batch_size`. When `max_n_node` or `max_n_edge` is given, both limits apply as
/// in version 0.0.8, the one that is not given taking its automatic value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Structures.
    pub max_structures: usize,
    /// Atoms.
    pub max_atoms: Option<usize>,
    /// Directed edges.
    pub max_edges: Option<usize>,
}

impl BatchLimits {
    /// Exactly `batch_size` structures a batch.
    pub fn by_count(batch_size: usize) -> Self {
        Self {
            max_structures: batch_size,
            max_atoms: None,
            max_edges: None,
        }
    }

    /// Limits from the options `batch_size`, `max_n_node` and `max_n_edge`.
    ///
    /// With either of the last two: at most `batch_size · max_n_node` atoms and
    /// `2 · batch_size · max_n_edge` directed edges.
    ///
    /// # Errors
    /// [`DataError::Options`] when an option is zero or the largest training structure would not fit.
    pub fn from_options(
        batch_size: usize,
        max_n_node: Option<usize>,
        max_n_edge: Option<usize>,
        info: &DatasetInfo,
    ) -> Result<Self, DataError> {
        if batch_size == 0 || max_n_node == Some(0) || max_n_edge == Some(0) {
            return Err(DataError::Options {
                reason: "`batch_size`, `max_n_node` and `max_n_edge` must be at least 1".to_owned(),
            });
        }
        if max_n_node.is_none() && max_n_edge.is_none() {
            return Ok(Self::by_count(batch_size));
        }
        let too_small = |option: &str, value: usize, fact: &str, largest: u64| DataError::Options {
            reason: format!(
                "`{option}` = {value} times `batch_size` = {batch_size} is less than {fact} = \
                 {largest} of the dataset"
            ),
        };
        let largest = info.max_num_nodes;
        let max_n_node = match max_n_node {
            Some(n) if ((n * batch_size) as u64) < largest => {
                return Err(too_small("max_n_node", n, "max_num_nodes", largest));
            }
            Some(n) => n,
            None => Self::automatic_nodes(batch_size, info),
        };
        let largest = info.max_total_edges;
        let max_n_edge = match max_n_edge {
            Some(n) if ((n * batch_size) as u64) < largest => {
                return Err(too_small("max_n_edge", n, "max_total_edges", largest));
            }
            Some(n) => n,
            None => Self::automatic_edges(batch_size, max_n_node, info),
        };
        Ok(Self::capacities(batch_size, max_n_node, max_n_edge))
    }

    /// The limits that version 0.0.8 chooses when no option is given: about `batch_size` structures
    /// of median size.
    pub fn automatic(batch_size: usize, info: &DatasetInfo) -> Self {
        let max_n_node = Self::automatic_nodes(batch_size, info);
        let max_n_edge = Self::automatic_edges(batch_size, max_n_node, info);
        Self::capacities(batch_size, max_n_node, max_n_edge)
    }

    fn capacities(batch_size: usize, max_n_node: usize, max_n_edge: usize) -> Self {
        Self {
            max_structures: batch_size,
            max_atoms: Some(batch_size * max_n_node),
            max_edges: Some(2 * batch_size * max_n_edge),
        }
    }

    /// Median, raised so that the largest structure fits.
    fn automatic_nodes(batch_size: usize, info: &DatasetInfo) -> usize {
        let needed = (info.max_num_nodes as usize).div_ceil(batch_size);
        (info.median_num_nodes as usize).max(needed)
    }

    fn automatic_edges(batch_size: usize, max_n_node: usize, info: &DatasetInfo) -> usize {
        let needed = (info.max_total_edges as usize).div_ceil(batch_size);
        (info.median_num_neighbors as usize * max_n_node / 2).max(needed)
    }

    /// Cuts a sequence of structures, given as (atoms, directed edges), into batches: greedily, each
    /// batch closed by the first structure that would exceed a limit. Nothing is dropped.
    ///
    /// # Errors
    /// The position of the first structure that exceeds a limit alone.
    pub fn plan(
        &self,
        sizes: impl IntoIterator<Item = (u32, u32)>,
    ) -> Result<Vec<Range<usize>>, usize> {
        let max_atoms = self.max_atoms.unwrap_or(usize::MAX);
        let max_edges = self.max_edges.unwrap_or(usize::MAX);
        let mut batches = Vec::new();
        let (mut start, mut atoms, mut edges, mut end) = (0, 0_usize, 0_usize, 0);
        for (i, size) in sizes.into_iter().enumerate() {
            let (n, e) = (size.0 as usize, size.1 as usize);
            if n > max_atoms || e > max_edges {
                return Err(i);
            }
            let is_full = i - start == self.max_structures.max(1);
            if is_full || atoms + n > max_atoms || edges + e > max_edges {
                batches.push(start..i);
                (start, atoms, edges) = (i, 0, 0);
            }
            (atoms, edges, end) = (atoms + n, edges + e, i + 1);
        }
        if end > start {
            batches.push(start..end);
        }
        Ok(batches)
    }
}
