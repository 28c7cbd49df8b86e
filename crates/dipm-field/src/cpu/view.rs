//! What kernels see of their operands: rows in memory, and loops over strided entries.

use super::lanes::Lanes;

/// The rows of an operand for one tile.
#[derive(Clone, Copy)]
pub(crate) struct View<T> {
    /// First entry of row 0, or of the whole value where `index` is set.
    pub ptr: *const T,
    pub row_stride: usize,
    /// Row of the value for each row of the tile; null where rows are read in order.
    pub index: *const u32,
}

impl<T> View<T> {
    /// First entry of a row.
    ///
    /// # Safety
    /// The row must be one of the tile.
    #[inline(always)]
    pub unsafe fn row(&self, row: usize) -> *const T {
        unsafe {
            if self.index.is_null() {
                self.ptr.add(row * self.row_stride)
            } else {
                self.ptr
                    .add(*self.index.add(row) as usize * self.row_stride)
            }
        }
    }
}

/// Loops over the entries of several operands with one shape: operand 0 is the output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nest {
    /// Lengths, outermost first; neighbouring axes are merged where all strides allow it.
    pub lengths: Vec<usize>,
    /// Strides of every operand, axis by axis.
    pub strides: Vec<Vec<usize>>,
    /// Whether the rows of a tile continue the outermost axis, so that a tile is one loop.
    pub merges_rows: bool,
}

impl Nest {
    /// For `shape`, the strides of each operand (output first), and their distances between rows
    /// (`None` where rows are not evenly spaced).
    pub fn new(shape: &[usize], strides: &[&[usize]], row_strides: &[Option<usize>]) -> Self {
        let mut lengths: Vec<usize> = vec![];
        let mut merged: Vec<Vec<usize>> = vec![vec![]; strides.len()];
        for (axis, &length) in shape.iter().enumerate() {
            if length == 1 {
                continue;
            }
            let continues = !lengths.is_empty()
                && strides
                    .iter()
                    .zip(&merged)
                    .all(|(stride, before)| before[before.len() - 1] == stride[axis] * length);
            if continues {
                *lengths.last_mut().expect("not empty") *= length;
                for (before, stride) in merged.iter_mut().zip(strides) {
                    *before.last_mut().expect("not empty") = stride[axis];
                }
            } else {
                lengths.push(length);
                for (before, stride) in merged.iter_mut().zip(strides) {
                    before.push(stride[axis]);
                }
            }
        }
        let mut merges_rows = row_strides.iter().all(Option::is_some);
        if lengths.is_empty() {
            // one entry per row: the rows themselves are the loop
            lengths.push(1);
            for (axes, rows) in merged.iter_mut().zip(row_strides) {
                axes.push(if merges_rows {
                    rows.expect("checked")
                } else {
                    1
                });
            }
        } else {
            merges_rows &= merged
                .iter()
                .zip(row_strides)
                .all(|(axes, rows)| *rows == Some(axes[0] * lengths[0]));
        }
        Self {
            lengths,
            strides: merged,
            merges_rows,
        }
    }
}

/// Reads `n` ≤ N entries that are `stride` apart.
///
/// # Safety
/// The entries must be readable; the machine must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn load<L: Lanes>(p: *const L::T, stride: usize, n: usize) -> L::V {
    unsafe {
        match stride {
            1 if n >= L::N => L::load(p),
            1 => L::load_part(p, n),
            0 => L::splat(*p),
            _ => {
                let mut buffer = [L::T::default(); 16];
                for (i, slot) in buffer.iter_mut().enumerate().take(n) {
                    *slot = *p.add(i * stride);
                }
                L::load(buffer.as_ptr())
            }
        }
    }
}

/// Writes `n` ≤ N entries that are `stride` apart.
///
/// # Safety
/// The entries must be writable; the machine must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn store<L: Lanes>(p: *mut L::T, stride: usize, n: usize, v: L::V) {
    unsafe {
        match stride {
            1 if n >= L::N => L::store(p, v),
            1 => L::store_part(p, n, v),
            _ => {
                let mut buffer = [L::T::default(); 16];
                L::store(buffer.as_mut_ptr(), v);
                for (i, value) in buffer.iter().enumerate().take(n) {
                    *p.add(i * stride) = *value;
                }
            }
        }
    }
}

/// `U` vectors side by side, of the last only the first `last` numbers if `PART`.
///
/// # Safety
/// The numbers must be readable; the machine must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn load_vectors<L: Lanes, const U: usize, const PART: bool>(
    p: *const L::T,
    last: usize,
) -> [L::V; U] {
    unsafe {
        std::array::from_fn(|u| {
            let p = p.add(u * L::N);
            if PART && u == U - 1 {
                L::load_part(p, last)
            } else {
                L::load(p)
            }
        })
    }
}

/// Writes such vectors.
///
/// # Safety
/// The numbers must be writable; the machine must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn store_vectors<L: Lanes, const U: usize, const PART: bool>(
    p: *mut L::T,
    last: usize,
    vectors: [L::V; U],
) {
    unsafe {
        for (u, vector) in vectors.into_iter().enumerate() {
            let p = p.add(u * L::N);
            if PART && u == U - 1 {
                L::store_part(p, last, vector);
            } else {
                L::store(p, vector);
            }
        }
    }
}

/// What to do in an innermost loop. A trait, not a closure, since it must be inlined into the
/// function that enables the instruction set, and closures cannot be told to.
pub(crate) trait Inner<T, const A: usize> {
    /// With the output, the operands and the length of the loop.
    ///
    /// # Safety
    /// The pointers must be valid over the loop.
    unsafe fn run(&self, out: *mut T, from: [*const T; A], length: usize);
}

/// Runs `inner` for every innermost loop of `nest` over `rows` rows.
///
/// # Safety
/// The views must cover the tile.
#[inline(always)]
pub(crate) unsafe fn walk<T, const A: usize>(
    nest: &Nest,
    rows: usize,
    output: (*mut T, usize),
    operands: &[View<T>; A],
    inner: &impl Inner<T, A>,
) {
    unsafe {
        let axes = nest.lengths.len();
        let (rows, factor) = if nest.merges_rows {
            (1, rows)
        } else {
            (rows, 1)
        };
        for row in 0..rows {
            let out = output.0.add(row * output.1);
            let from: [*const T; A] = std::array::from_fn(|a| operands[a].row(row));
            if axes == 1 {
                inner.run(out, from, nest.lengths[0] * factor);
                continue;
            }
            let last = nest.lengths[axes - 1];
            let outer: usize = nest.lengths[..axes - 1].iter().product::<usize>() * factor;
            let mut counter = [0usize; 8];
            let mut out_at = 0;
            let mut at = [0usize; A];
            for _ in 0..outer {
                inner.run(
                    out.add(out_at),
                    std::array::from_fn(|a| from[a].add(at[a])),
                    last,
                );
                for axis in (0..axes - 1).rev() {
                    counter[axis] += 1;
                    out_at += nest.strides[0][axis];
                    for (a, at) in at.iter_mut().enumerate() {
                        *at += nest.strides[a + 1][axis];
                    }
                    let length = nest.lengths[axis] * if axis == 0 { factor } else { 1 };
                    if counter[axis] < length {
                        break;
                    }
                    out_at -= nest.strides[0][axis] * length;
                    for (a, at) in at.iter_mut().enumerate() {
                        *at -= nest.strides[a + 1][axis] * length;
                    }
                    counter[axis] = 0;
                }
            }
        }
    }
}
