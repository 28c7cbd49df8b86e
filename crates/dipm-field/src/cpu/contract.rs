//! Small matrix products: rows of a tile times a matrix, and the sum of outer products of rows.
//!
//! Operands are read where they lie: rows are given by their offsets, the matrix by its stride, so
//! nothing is repacked. One block of rows × two vectors of columns is kept in registers.

use super::lanes::{Lanes, sealed::Float};

/// Rows of one operand: a base and the offset of each row.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, P> {
    pub base: P,
    pub offsets: &'a [usize],
}

/// c\[r\] = a\[r\] · b for every row r, with a\[r\] of length `k` and b `[k, n]` with row stride `ldb`.
///
/// # Safety
/// All rows must be readable (writable for `c`) over their length.
#[inline(always)]
pub(crate) unsafe fn contract<L: Lanes>(
    a: Rows<'_, *const L::T>,
    (b, ldb): (*const L::T, usize),
    c: Rows<'_, *mut L::T>,
    (k, n): (usize, usize),
) {
    unsafe {
        let mut column = 0;
        while column < n {
            let left = n - column;
            let b = b.add(column);
            let c = Rows {
                base: c.base.add(column),
                offsets: c.offsets,
            };
            if left >= 2 * L::N {
                panel::<L, 2, false>(a, b, ldb, c, k, L::N);
            } else if left > L::N {
                panel::<L, 2, true>(a, b, ldb, c, k, left - L::N);
            } else if left == L::N {
                panel::<L, 1, false>(a, b, ldb, c, k, L::N);
            } else {
                panel::<L, 1, true>(a, b, ldb, c, k, left);
            }
            column += 2 * L::N;
        }
    }
}

#[inline(always)]
unsafe fn panel<L: Lanes, const NV: usize, const PART: bool>(
    a: Rows<'_, *const L::T>,
    b: *const L::T,
    ldb: usize,
    c: Rows<'_, *mut L::T>,
    k: usize,
    last: usize,
) {
    unsafe {
        let rows = a.offsets.len();
        let mut r = 0;
        if L::WIDE {
            while r + 12 <= rows {
                block::<L, 12, NV, PART>(a, b, ldb, c, r, k, last);
                r += 12;
            }
        }
        while r + 6 <= rows {
            block::<L, 6, NV, PART>(a, b, ldb, c, r, k, last);
            r += 6;
        }
        while r + 2 <= rows {
            block::<L, 2, NV, PART>(a, b, ldb, c, r, k, last);
            r += 2;
        }
        if r < rows {
            block::<L, 1, NV, PART>(a, b, ldb, c, r, k, last);
        }
    }
}

#[inline(always)]
unsafe fn load_row<L: Lanes, const NV: usize, const PART: bool>(
    p: *const L::T,
    last: usize,
) -> [L::V; NV] {
    unsafe {
        std::array::from_fn(|v| {
            let p = p.add(v * L::N);
            if PART && v == NV - 1 {
                L::load_part(p, last)
            } else {
                L::load(p)
            }
        })
    }
}

#[inline(always)]
unsafe fn store_row<L: Lanes, const NV: usize, const PART: bool>(
    p: *mut L::T,
    last: usize,
    row: [L::V; NV],
) {
    unsafe {
        for (v, value) in row.into_iter().enumerate() {
            let p = p.add(v * L::N);
            if PART && v == NV - 1 {
                L::store_part(p, last, value);
            } else {
                L::store(p, value);
            }
        }
    }
}

#[inline(always)]
unsafe fn block<L: Lanes, const M: usize, const NV: usize, const PART: bool>(
    a: Rows<'_, *const L::T>,
    b: *const L::T,
    ldb: usize,
    c: Rows<'_, *mut L::T>,
    first: usize,
    k: usize,
    last: usize,
) {
    unsafe {
        let from: [*const L::T; M] =
            std::array::from_fn(|i| a.base.add(*a.offsets.get_unchecked(first + i)));
        let mut sum = [[L::splat(L::T::ZERO); NV]; M];
        for p in 0..k {
            let row = load_row::<L, NV, PART>(b.add(p * ldb), last);
            for i in 0..M {
                let x = L::splat(*from[i].add(p));
                for v in 0..NV {
                    sum[i][v] = L::fma(x, row[v], sum[i][v]);
                }
            }
        }
        for (i, row) in sum.into_iter().enumerate() {
            let to = c.base.add(*c.offsets.get_unchecked(first + i));
            store_row::<L, NV, PART>(to, last, row);
        }
    }
}

/// c `[k, n]` += Σ_r a\[r\]ᵀ b\[r\].
///
/// # Safety
/// All rows must be readable over their length, `c` writable.
#[inline(always)]
pub(crate) unsafe fn contract_rows<L: Lanes>(
    a: Rows<'_, *const L::T>,
    b: Rows<'_, *const L::T>,
    c: *mut L::T,
    (k, n): (usize, usize),
) {
    unsafe {
        let mut column = 0;
        while column < n {
            let left = n - column;
            let b = Rows {
                base: b.base.add(column),
                offsets: b.offsets,
            };
            let c = c.add(column);
            if left >= 2 * L::N {
                strip::<L, 2, false>(a, b, c, k, n, L::N);
            } else if left > L::N {
                strip::<L, 2, true>(a, b, c, k, n, left - L::N);
            } else if left == L::N {
                strip::<L, 1, false>(a, b, c, k, n, L::N);
            } else {
                strip::<L, 1, true>(a, b, c, k, n, left);
            }
            column += 2 * L::N;
        }
    }
}

#[inline(always)]
unsafe fn strip<L: Lanes, const NV: usize, const PART: bool>(
    a: Rows<'_, *const L::T>,
    b: Rows<'_, *const L::T>,
    c: *mut L::T,
    k: usize,
    ldc: usize,
    last: usize,
) {
    unsafe {
        let mut i = 0;
        if L::WIDE {
            while i + 12 <= k {
                outer::<L, 12, NV, PART>(a, b, c, i, ldc, last);
                i += 12;
            }
        }
        while i + 4 <= k {
            outer::<L, 4, NV, PART>(a, b, c, i, ldc, last);
            i += 4;
        }
        while i < k {
            outer::<L, 1, NV, PART>(a, b, c, i, ldc, last);
            i += 1;
        }
    }
}

#[inline(always)]
unsafe fn outer<L: Lanes, const M: usize, const NV: usize, const PART: bool>(
    a: Rows<'_, *const L::T>,
    b: Rows<'_, *const L::T>,
    c: *mut L::T,
    first: usize,
    ldc: usize,
    last: usize,
) {
    unsafe {
        let c = c.add(first * ldc);
        let mut sum: [[L::V; NV]; M] =
            std::array::from_fn(|i| load_row::<L, NV, PART>(c.add(i * ldc), last));
        for (&from, &with) in a.offsets.iter().zip(b.offsets) {
            let x = a.base.add(from + first);
            let row = load_row::<L, NV, PART>(b.base.add(with), last);
            for (i, sum) in sum.iter_mut().enumerate() {
                let x = L::splat(*x.add(i));
                for v in 0..NV {
                    sum[v] = L::fma(x, row[v], sum[v]);
                }
            }
        }
        for (i, row) in sum.into_iter().enumerate() {
            store_row::<L, NV, PART>(c.add(i * ldc), last, row);
        }
    }
}
