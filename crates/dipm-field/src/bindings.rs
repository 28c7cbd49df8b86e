//! The data of one batch: row counts, maps and inputs, borrowed.

use crate::{Map, Space};
use std::collections::HashMap;

/// Row counts, maps and inputs for one run of a plan. Nothing is copied.
#[derive(Clone, Debug)]
pub struct Bindings<'a, T> {
    rows: HashMap<Space, usize>,
    maps: HashMap<Map, &'a [u32]>,
    inputs: HashMap<&'a str, &'a [T]>,
}

impl<T> Default for Bindings<'_, T> {
    fn default() -> Self {
        let rows = HashMap::from([(Space::Const, 1)]);
        Self {
            rows,
            maps: HashMap::new(),
            inputs: HashMap::new(),
        }
    }
}

impl<'a, T> Bindings<'a, T> {
    /// No data yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of rows of a space.
    #[must_use]
    pub fn rows(mut self, space: Space, rows: usize) -> Self {
        self.rows.insert(space, rows);
        self
    }

    /// Sets the target row of every source row of a map. [`Map::All`] needs none.
    #[must_use]
    pub fn map(mut self, map: Map, targets: &'a [u32]) -> Self {
        self.maps.insert(map, targets);
        self
    }

    /// Sets the values of an input: `[rows, shape…]`, row-major.
    #[must_use]
    pub fn input(mut self, name: &'a str, values: &'a [T]) -> Self {
        self.inputs.insert(name, values);
        self
    }

    /// Rows bound for a space.
    pub(crate) fn row_count(&self, space: Space) -> Option<usize> {
        self.rows.get(&space).copied()
    }

    /// Targets bound for a map.
    pub(crate) fn map_targets(&self, map: Map) -> Option<&'a [u32]> {
        self.maps.get(&map).copied()
    }

    /// Values bound for an input.
    pub(crate) fn input_values(&self, name: &str) -> Option<&'a [T]> {
        self.inputs.get(name).copied()
    }
}
