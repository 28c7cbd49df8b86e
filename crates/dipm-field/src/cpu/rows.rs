//! Sums over rows.

use super::lanes::{Lanes, sealed::Float};
use super::view::View;

/// Adds `width` entries of each of the `rows` to `out`, eight vectors at a time.
///
/// # Safety
/// The rows must be readable and `out` writable over `width`.
#[inline(always)]
pub(crate) unsafe fn add_rows<L: Lanes>(
    out: *mut L::T,
    width: usize,
    rows: impl Iterator<Item = *const L::T> + Clone,
) {
    unsafe {
        let mut column = 0;
        while column + 8 * L::N <= width {
            let mut sum: [L::V; 8] = std::array::from_fn(|v| L::load(out.add(column + v * L::N)));
            for row in rows.clone() {
                for (v, sum) in sum.iter_mut().enumerate() {
                    *sum = L::add(*sum, L::load(row.add(column + v * L::N)));
                }
            }
            for (v, sum) in sum.into_iter().enumerate() {
                L::store(out.add(column + v * L::N), sum);
            }
            column += 8 * L::N;
        }
        while column < width {
            let n = (width - column).min(L::N);
            let mut sum = L::load_part(out.add(column), n);
            for row in rows.clone() {
                sum = L::add(sum, L::load_part(row.add(column), n));
            }
            L::store_part(out.add(column), n, sum);
            column += n;
        }
    }
}

/// Zeros.
///
/// # Safety
/// `out` must be writable over `width`.
#[inline(always)]
pub(crate) unsafe fn clear<L: Lanes>(out: *mut L::T, width: usize) {
    unsafe {
        for i in 0..width {
            *out.add(i) = L::T::ZERO;
        }
    }
}

/// out\[t\] = Σ of the rows `bounds[t] .. bounds[t + 1]` of `x`.
///
/// # Safety
/// As for [`add_rows`].
#[inline(always)]
pub(crate) unsafe fn sum_runs<L: Lanes>(
    out: *mut L::T,
    width: usize,
    x: &View<L::T>,
    bounds: &[usize],
) {
    unsafe {
        for (target, run) in bounds.windows(2).enumerate() {
            let out = out.add(target * width);
            clear::<L>(out, width);
            add_rows::<L>(out, width, (run[0]..run[1]).map(|row| x.row(row)));
        }
    }
}
