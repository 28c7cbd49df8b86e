//! Σ over many rows of outer products: the matrix is cut into blocks, and each block is computed at
//! once from all rows.
//!
//! Both operands are packed, some rows at a time, into panels that the innermost loop reads from
//! beginning to end; one block of `TALL` × two vectors of the matrix is kept in registers.

use super::contract::Rows;
use super::lanes::{Lanes, sealed::Float};
use super::packed::{Packed, Row};
use crate::Half;

/// Most rows and columns of a block.
const BLOCK: (usize, usize) = (384, 640);
/// Rows of the operands that are packed at a time.
const DEPTH: usize = 240;
/// Numbers between the panels of a packed operand beside its entries, lest they share cache lines.
const GAP: usize = 16;
/// Rows of the matrix in registers, with 32 and with 16 vector registers.
const TALL: usize = 12;
const SHORT: usize = 6;

/// Where the rows of an operand begin.
#[derive(Clone, Copy)]
pub(crate) enum Base<T> {
    /// Numbers of the executor's type.
    Numbers(*const T),
    /// Numbers of 16 bits.
    Packed(*const u16, Half),
}

/// How a matrix is cut into blocks of equal size, as far as that goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    size: (usize, usize),
    block: (usize, usize),
    /// Number of blocks along rows and columns.
    count: (usize, usize),
}

impl Blocks {
    /// For a matrix of `k` rows and `n` columns.
    pub fn new(k: usize, n: usize) -> Self {
        let cut = |length: usize, most: usize, unit: usize| {
            let block = length
                .div_ceil(length.div_ceil(most))
                .next_multiple_of(unit);
            (block, length.div_ceil(block))
        };
        let (tall, wide) = (cut(k, BLOCK.0, TALL), cut(n, BLOCK.1, 32));
        Self {
            size: (k, n),
            block: (tall.0, wide.0),
            count: (tall.1, wide.1),
        }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.count.0 * self.count.1
    }

    /// Numbers of scratch that one block needs.
    pub fn scratch(&self) -> usize {
        let panels = self.block.0 / SHORT + self.block.1 / 8;
        (self.block.0 + self.block.1) * DEPTH + panels * GAP
    }
}

/// Computes one block of c `[k, n]` = Σ_r a\[r\]ᵀ b\[r\], which is added to what is there if `add`.
///
/// # Safety
/// All rows must be readable over their length, `c` writable; `scratch` must have
/// [`Blocks::scratch`] numbers.
#[inline(always)]
pub(crate) unsafe fn outer_products<L: Lanes>(
    (blocks, number): (&Blocks, usize),
    a: Rows<'_, Base<L::T>>,
    b: Rows<'_, Base<L::T>>,
    (c, add): (*mut L::T, bool),
    scratch: *mut L::T,
) {
    unsafe {
        let (row, column) = (
            number / blocks.count.1 * blocks.block.0,
            number % blocks.count.1 * blocks.block.1,
        );
        let rows = blocks.block.0.min(blocks.size.0 - row);
        let columns = blocks.block.1.min(blocks.size.1 - column);
        let ldc = blocks.size.1;
        let c = c.add(row * ldc + column);
        let (tall, wide) = (if L::WIDE { TALL } else { SHORT }, 2 * L::N);
        let (a_panel, b_panel) = (DEPTH * tall + GAP, DEPTH * wide + GAP);
        let (left, right) = (scratch, scratch.add(rows.div_ceil(tall) * a_panel));
        let count = a.offsets.len();
        let mut first = 0;
        loop {
            let depth = (count - first).min(DEPTH);
            let part = first..first + depth;
            let (from, with) = (&a.offsets[part.clone()], &b.offsets[part]);
            pack_rows::<L>(a.base, row, from, (rows, tall), left);
            pack_rows::<L>(b.base, column, with, (columns, wide), right);
            for j in 0..columns.div_ceil(wide) {
                let b = right.add(j * b_panel);
                let width = (columns - j * wide).min(wide);
                for i in 0..rows.div_ceil(tall) {
                    let a = left.add(i * a_panel);
                    let height = (rows - i * tall).min(tall);
                    let c = c.add(i * tall * ldc + j * wide);
                    let to = (c, ldc, add || first > 0);
                    if L::WIDE {
                        block::<L, TALL>(a, b, depth, to, (height, width));
                    } else {
                        block::<L, SHORT>(a, b, depth, to, (height, width));
                    }
                }
            }
            first += depth;
            if first == count {
                break;
            }
        }
    }
}

/// Copies `length` entries of each row, from entry `first` on, into panels.
#[inline(always)]
unsafe fn pack_rows<L: Lanes>(
    base: Base<L::T>,
    first: usize,
    offsets: &[usize],
    sizes: (usize, usize),
    to: *mut L::T,
) {
    unsafe {
        match base {
            Base::Numbers(base) => {
                let row = |offset: usize| base.add(first + offset);
                pack::<L, _>(offsets.iter().map(|&offset| row(offset)), sizes, to);
            }
            Base::Packed(base, half) => {
                let row = |offset: usize| Packed(base.add(first + offset), half);
                pack::<L, _>(offsets.iter().map(|&offset| row(offset)), sizes, to);
            }
        }
    }
}

/// Copies `length` entries of each row into panels of `unit` columns, row after row within a panel;
/// the last panel is filled up with zeros.
#[inline(always)]
unsafe fn pack<L: Lanes, R: Row<L>>(
    rows: impl Iterator<Item = R>,
    (length, unit): (usize, usize),
    to: *mut L::T,
) {
    unsafe {
        let panel = DEPTH * unit + GAP;
        // whole vectors may write past the end of a row, where the next row or the gap is
        let vectors = unit.div_ceil(L::N);
        let whole = (length + unit).saturating_sub(vectors * L::N) / unit;
        for (r, from) in rows.enumerate() {
            let to = to.add(r * unit);
            for p in 0..whole {
                for v in 0..vectors {
                    let value = from.load(p * unit + v * L::N);
                    L::store(to.add(p * panel + v * L::N), value);
                }
            }
            for p in whole..length.div_ceil(unit) {
                for i in 0..unit {
                    let at = p * unit + i;
                    let value = if at < length {
                        from.one(at)
                    } else {
                        L::T::ZERO
                    };
                    *to.add(p * panel + i) = value;
                }
            }
        }
    }
}

/// c += Σ over `depth` of the outer products of `M` entries of `a` and two vectors of `b`; of c only
/// `size` entries are there.
#[inline(always)]
unsafe fn block<L: Lanes, const M: usize>(
    a: *const L::T,
    b: *const L::T,
    depth: usize,
    (c, ldc, add): (*mut L::T, usize, bool),
    (height, width): (usize, usize),
) {
    unsafe {
        let mut sum = [[L::splat(L::T::ZERO); 2]; M];
        for r in 0..depth {
            let (a, b) = (a.add(r * M), b.add(r * 2 * L::N));
            let y = [L::load(b), L::load(b.add(L::N))];
            for (i, sum) in sum.iter_mut().enumerate() {
                let x = L::splat(*a.add(i));
                sum[0] = L::fma(x, y[0], sum[0]);
                sum[1] = L::fma(x, y[1], sum[1]);
            }
        }
        // loops of fixed length, so that the sums stay in registers
        for (i, sum) in sum.into_iter().enumerate() {
            if i < height {
                for (v, mut value) in sum.into_iter().enumerate() {
                    let p = c.wrapping_add(i * ldc + v * L::N);
                    let left = width.saturating_sub(v * L::N).min(L::N);
                    if left == L::N {
                        if add {
                            value = L::add(L::load(p), value);
                        }
                        L::store(p, value);
                    } else {
                        if add {
                            value = L::add(L::load_part(p, left), value);
                        }
                        L::store_part(p, left, value);
                    }
                }
            }
        }
    }
}
