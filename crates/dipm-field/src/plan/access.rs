//! Strided views of values: what the views of a graph become.

use crate::Map;

/// Index of a [`Value`](super::program::Value).
pub(crate) type ValueId = usize;

/// Which row of an operand belongs to a row of the domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Rows {
    /// The only row.
    Single,
    /// The row of the same number.
    Same,
    /// The row that a map points to.
    Via(Map),
}

/// A strided view of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Access {
    pub value: ValueId,
    pub rows: Rows,
    /// Distance between rows; 0 for a single row.
    pub row_stride: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Access {
    /// Whether a row is one dense block in row-major order.
    pub fn is_dense(&self) -> bool {
        let mut expected = 1;
        for (&length, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if length != 1 && stride != expected {
                return false;
            }
            expected *= length;
        }
        true
    }

    /// Distance between neighbours along the last axis; 1 where there is nothing to step over.
    pub fn last_stride(&self) -> usize {
        match (self.shape.last(), self.strides.last()) {
            (Some(&length), Some(&stride)) if length != 1 => stride,
            _ => 1,
        }
    }

    pub(super) fn broadcast(mut self, shape: &[usize]) -> Self {
        let missing = shape.len() - self.shape.len();
        self.strides.splice(0..0, std::iter::repeat_n(0, missing));
        self.shape.splice(0..0, std::iter::repeat_n(1, missing));
        for ((stride, length), &wanted) in self.strides.iter_mut().zip(&mut self.shape).zip(shape) {
            if *length != wanted {
                *stride = 0;
                *length = wanted;
            }
        }
        self
    }

    pub(super) fn permute(mut self, order: &[u8]) -> Self {
        self.shape = order
            .iter()
            .map(|&axis| self.shape[axis as usize])
            .collect();
        self.strides = order
            .iter()
            .map(|&axis| self.strides[axis as usize])
            .collect();
        self
    }

    pub(super) fn slice(mut self, axis: usize, start: usize, length: usize) -> Self {
        self.offset += start * self.strides[axis];
        self.shape[axis] = length;
        self
    }

    /// The same entries in another shape, if strides can express it.
    pub(super) fn reshape(&self, shape: &[usize]) -> Option<Self> {
        let old: Vec<(usize, usize)> = self
            .shape
            .iter()
            .copied()
            .zip(self.strides.iter().copied())
            .filter(|&(length, _)| length != 1)
            .collect();
        let mut strides = vec![0; shape.len()];
        let (mut i, mut j) = (0, 0);
        while i < old.len() {
            // the smallest groups of old and new axes with the same number of entries
            let first = i;
            let mut from = old[i].0;
            let (begin, mut to) = (j, 1);
            while to != from {
                if to < from {
                    to *= shape[j];
                    j += 1;
                } else {
                    i += 1;
                    from *= old[i].0;
                }
            }
            if old[first..=i]
                .windows(2)
                .any(|pair| pair[0].1 != pair[1].0 * pair[1].1)
            {
                return None;
            }
            let mut stride = old[i].1;
            for axis in (begin..j).rev() {
                strides[axis] = stride;
                stride *= shape[axis];
            }
            i += 1;
        }
        Some(Self {
            shape: shape.to_vec(),
            strides,
            ..self.clone()
        })
    }
}

/// Row-major strides of `shape`.
pub(crate) fn dense_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
