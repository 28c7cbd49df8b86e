//! Sums and maxima over rows.

use super::lanes::{Lanes, Number, sealed::Float};
use super::packed::Row;
use crate::plan::program::Fold;

/// Adds `width` entries of each of the `rows` to `out`.
///
/// # Safety
/// The rows must be readable and `out` writable over `width`.
#[inline(always)]
pub(crate) unsafe fn add_rows<L: Lanes>(
    out: *mut L::T,
    width: usize,
    rows: impl Iterator<Item: Row<L>> + Clone,
) {
    unsafe { accumulate::<L, false>(out, width, rows) }
}

/// out = the sum or the maximum of `rows`; 0 where there are none.
///
/// # Safety
/// As for [`add_rows`].
#[inline(always)]
pub(crate) unsafe fn fold_rows<L: Lanes>(
    fold: Fold,
    out: *mut L::T,
    width: usize,
    rows: impl ExactSizeIterator<Item: Row<L>> + Clone,
) {
    unsafe {
        if fold == Fold::Sum || rows.len() == 0 {
            clear::<L>(out, width);
            accumulate::<L, false>(out, width, rows);
        } else {
            fill::<L>(out, width, L::T::from_f64(f64::NEG_INFINITY));
            accumulate::<L, true>(out, width, rows);
        }
    }
}

/// out = out + row or max(out, row) for each of the `rows`, eight vectors at a time.
#[inline(always)]
unsafe fn accumulate<L: Lanes, const MAX: bool>(
    out: *mut L::T,
    width: usize,
    rows: impl Iterator<Item: Row<L>> + Clone,
) {
    unsafe {
        let mut column = 0;
        while column + 8 * L::N <= width {
            let mut sum: [L::V; 8] = std::array::from_fn(|v| L::load(out.add(column + v * L::N)));
            for row in rows.clone() {
                for (v, sum) in sum.iter_mut().enumerate() {
                    *sum = join::<L, MAX>(*sum, row.load(column + v * L::N));
                }
            }
            for (v, sum) in sum.into_iter().enumerate() {
                L::store(out.add(column + v * L::N), sum);
            }
            column += 8 * L::N;
        }
        while column + L::N <= width {
            let mut sum = L::load(out.add(column));
            for row in rows.clone() {
                sum = join::<L, MAX>(sum, row.load(column));
            }
            L::store(out.add(column), sum);
            column += L::N;
        }
        if column < width {
            let n = width - column;
            let mut sum = L::load_part(out.add(column), n);
            for row in rows.clone() {
                sum = join::<L, MAX>(sum, row.load_part(column, n));
            }
            L::store_part(out.add(column), n, sum);
        }
    }
}

#[inline(always)]
unsafe fn join<L: Lanes, const MAX: bool>(a: L::V, b: L::V) -> L::V {
    unsafe { if MAX { L::max(a, b) } else { L::add(a, b) } }
}

/// Zeros.
///
/// # Safety
/// `out` must be writable over `width`.
#[inline(always)]
pub(crate) unsafe fn clear<L: Lanes>(out: *mut L::T, width: usize) {
    unsafe { fill::<L>(out, width, L::T::ZERO) }
}

#[inline(always)]
unsafe fn fill<L: Lanes>(out: *mut L::T, width: usize, value: L::T) {
    unsafe {
        for i in 0..width {
            *out.add(i) = value;
        }
    }
}
