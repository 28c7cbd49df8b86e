//! Small matrix products: rows of a tile times a matrix, and the sum of outer products of rows.
//!
//! Rows are given by their offsets and read where they lie. The matrix is read in strips of two vectors
//! of columns, whose rows lie so that few of them fit into the first cache at a time. So a strip is
//! copied together first, if many rows are multiplied with it or its columns do not fill a vector;
//! unless the whole matrix was before, see [`super::strips`]. One block of rows × a strip is kept in
//! registers.

use super::lanes::{Lanes, sealed::Float};
use super::view::{load_vectors, store_vectors};

/// Rows from which on a strip of the matrix is copied.
const MANY_ROWS: usize = 24;
/// Numbers of a column that is contiguous which are multiplied at a time.
const PIECE: usize = 1 << 11;
/// Bytes of a strip that is copied: half of the first cache.
const STRIP_BYTES: usize = 16 << 10;

/// Numbers of scratch that [`contract`] needs for numbers of `size` bytes.
pub(crate) const fn scratch(size: usize) -> usize {
    STRIP_BYTES / size
}

/// Rows of one operand: a base and the offset of each row.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, P> {
    pub base: P,
    pub offsets: &'a [usize],
}

/// A matrix.
#[derive(Clone, Copy)]
pub(crate) enum Matrix<T> {
    /// Its first number, and the stride between its rows.
    Rows(*const T, usize),
    /// Its first number, and the stride between its columns, whose numbers lie side by side.
    Columns(*const T, usize),
    /// Strips of two vectors of columns one after the other, see [`copy_strip`].
    Strips(*const T),
}

/// What else is added to a product of matrices.
#[derive(Clone, Copy)]
struct Terms<T> {
    /// The output holds the product over the columns of `a` before these.
    is_continued: bool,
    /// One row, the same for all, or null. It is added last: a sum that started from it would be
    /// rounded at its magnitude in each step.
    bias: *const T,
}

/// c\[r\] = a\[r\] · b + bias for every row r, with a\[r\] of length `k` and b `[k, n]`; no bias where
/// it is null.
///
/// # Safety
/// All rows must be readable (writable for `c`) over their length; `strip` must have [`scratch`]
/// numbers.
#[inline(always)]
pub(crate) unsafe fn contract<L: Lanes>(
    a: Rows<'_, *const L::T>,
    b: Matrix<L::T>,
    (c, bias): (Rows<'_, *mut L::T>, *const L::T),
    (k, n): (usize, usize),
    strip: *mut L::T,
) {
    unsafe {
        if let Matrix::Columns(b, stride) = b {
            return dots::<L>(a, (b, stride), (c, bias), (k, n));
        }
        let has_many = a.offsets.len() >= MANY_ROWS;
        let longest = scratch(size_of::<L::T>()) / (2 * L::N);
        let (mut column, mut first) = (0, 0);
        while column < n {
            let width = (n - column).min(2 * L::N);
            let (matrix, depth) = match b {
                Matrix::Strips(b) => {
                    let at = column * k + first * 2 * L::N;
                    ((b.add(at), 2 * L::N), (k - first).min(longest))
                }
                Matrix::Columns(..) => unreachable!("they were multiplied above"),
                Matrix::Rows(b, stride) => {
                    let rows = (b.add(first * stride + column), stride);
                    if (has_many && stride > 2 * L::N) || width % L::N != 0 {
                        let depth = (k - first).min(longest);
                        copy_strip::<L>(rows, depth, width, strip);
                        ((strip.cast_const(), 2 * L::N), depth)
                    } else {
                        (rows, k)
                    }
                }
            };
            let from = Rows {
                base: a.base.add(first),
                offsets: a.offsets,
            };
            let to = Rows {
                base: c.base.add(column),
                offsets: c.offsets,
            };
            let has_bias = !bias.is_null() && first + depth == k;
            let terms = Terms {
                is_continued: first > 0,
                bias: if has_bias {
                    bias.add(column)
                } else {
                    std::ptr::null()
                },
            };
            if width > L::N {
                columns::<L, 2>(from, matrix, (to, terms), depth, width);
            } else {
                columns::<L, 1>(from, matrix, (to, terms), depth, width);
            }
            first += depth;
            if first == k {
                (column, first) = (column + 2 * L::N, 0);
            }
        }
    }
}

/// The product with a matrix of contiguous columns: a scalar product for each row and column, cut into
/// pieces, so that those of all columns stay in the cache for all rows.
///
/// # Safety
/// As [`contract`].
#[inline(always)]
unsafe fn dots<L: Lanes>(
    a: Rows<'_, *const L::T>,
    (b, stride): (*const L::T, usize),
    (c, bias): (Rows<'_, *mut L::T>, *const L::T),
    (k, n): (usize, usize),
) {
    unsafe {
        for first in (0..k).step_by(PIECE) {
            let length = PIECE.min(k - first);
            for (from, to) in a.offsets.iter().zip(c.offsets) {
                for column in 0..n {
                    let from = a.base.add(from + first);
                    let mut sum = dot::<L>(from, b.add(column * stride + first), length);
                    let to = c.base.add(to + column);
                    if first > 0 {
                        sum = *to + sum;
                    }
                    if first + length == k && !bias.is_null() {
                        sum = sum + *bias.add(column);
                    }
                    *to = sum;
                }
            }
        }
    }
}

/// Σ a b
#[inline(always)]
unsafe fn dot<L: Lanes>(a: *const L::T, b: *const L::T, length: usize) -> L::T {
    unsafe {
        let mut sums = [L::splat(L::T::ZERO); 4];
        let mut i = 0;
        while i + 4 * L::N <= length {
            for (v, sum) in sums.iter_mut().enumerate() {
                let at = i + v * L::N;
                *sum = L::fma(L::load(a.add(at)), L::load(b.add(at)), *sum);
            }
            i += 4 * L::N;
        }
        while i < length {
            let left = (length - i).min(L::N);
            let (a, b) = (L::load_part(a.add(i), left), L::load_part(b.add(i), left));
            sums[0] = L::fma(a, b, sums[0]);
            i += left;
        }
        L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3])))
    }
}

/// Copies `width` columns of `depth` rows, and fills up to two vectors with zeros.
///
/// # Safety
/// The columns must be readable, and two vectors for each row writable.
#[inline(always)]
pub(crate) unsafe fn copy_strip<L: Lanes>(
    (from, stride): (*const L::T, usize),
    depth: usize,
    width: usize,
    to: *mut L::T,
) {
    unsafe {
        let rows = (0..depth).map(|row| (from.add(row * stride), to.add(row * 2 * L::N)));
        if width == 2 * L::N {
            for (from, to) in rows {
                L::store(to, L::load(from));
                L::store(to.add(L::N), L::load(from.add(L::N)));
            }
            return;
        }
        for (from, to) in rows {
            for i in 0..2 * L::N {
                *to.add(i) = if i < width { *from.add(i) } else { L::T::ZERO };
            }
        }
    }
}

/// The first `width` columns of `NV` vectors, from `k` rows of the matrix.
#[inline(always)]
unsafe fn columns<L: Lanes, const NV: usize>(
    a: Rows<'_, *const L::T>,
    b: (*const L::T, usize),
    c: (Rows<'_, *mut L::T>, Terms<L::T>),
    k: usize,
    width: usize,
) {
    unsafe {
        let rows = a.offsets.len();
        let mut r = 0;
        if L::WIDE {
            while r + 12 <= rows {
                block::<L, 12, NV>(a, b, c, r, k, width);
                r += 12;
            }
        }
        while r + 6 <= rows {
            block::<L, 6, NV>(a, b, c, r, k, width);
            r += 6;
        }
        match rows - r {
            0 => {}
            1 => block::<L, 1, NV>(a, b, c, r, k, width),
            2 => block::<L, 2, NV>(a, b, c, r, k, width),
            3 => block::<L, 3, NV>(a, b, c, r, k, width),
            4 => block::<L, 4, NV>(a, b, c, r, k, width),
            _ => block::<L, 5, NV>(a, b, c, r, k, width),
        }
    }
}

/// `NV` vectors, of which the first `width` numbers are there.
#[inline(always)]
unsafe fn load_some<L: Lanes, const NV: usize>(p: *const L::T, width: usize) -> [L::V; NV] {
    unsafe {
        std::array::from_fn(|v| {
            let (p, left) = (p.add(v * L::N), width - v * L::N);
            if left >= L::N {
                L::load(p)
            } else {
                L::load_part(p, left)
            }
        })
    }
}

/// Writes the first `width` numbers of `NV` vectors.
#[inline(always)]
unsafe fn store_some<L: Lanes, const NV: usize>(p: *mut L::T, width: usize, row: [L::V; NV]) {
    unsafe {
        for (v, value) in row.into_iter().enumerate() {
            let (p, left) = (p.add(v * L::N), width - v * L::N);
            if left >= L::N {
                L::store(p, value);
            } else {
                L::store_part(p, left, value);
            }
        }
    }
}

#[inline(always)]
unsafe fn block<L: Lanes, const M: usize, const NV: usize>(
    a: Rows<'_, *const L::T>,
    (b, ldb): (*const L::T, usize),
    (c, terms): (Rows<'_, *mut L::T>, Terms<L::T>),
    first: usize,
    k: usize,
    width: usize,
) {
    unsafe {
        let from: [*const L::T; M] =
            std::array::from_fn(|i| a.base.add(*a.offsets.get_unchecked(first + i)));
        let mut sum = [[L::splat(L::T::ZERO); NV]; M];
        if terms.is_continued {
            for (i, sum) in sum.iter_mut().enumerate() {
                let to = c.base.add(*c.offsets.get_unchecked(first + i));
                *sum = load_some::<L, NV>(to, width);
            }
        }
        for p in 0..k {
            let row: [L::V; NV] = std::array::from_fn(|v| L::load(b.add(p * ldb + v * L::N)));
            for i in 0..M {
                let x = L::splat(*from[i].add(p));
                for v in 0..NV {
                    sum[i][v] = L::fma(x, row[v], sum[i][v]);
                }
            }
        }
        if !terms.bias.is_null() {
            let bias = load_some::<L, NV>(terms.bias, width);
            for row in &mut sum {
                for v in 0..NV {
                    row[v] = L::add(row[v], bias[v]);
                }
            }
        }
        for (i, row) in sum.into_iter().enumerate() {
            let to = c.base.add(*c.offsets.get_unchecked(first + i));
            store_some::<L, NV>(to, width, row);
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
            std::array::from_fn(|i| load_vectors::<L, NV, PART>(c.add(i * ldc), last));
        for (&from, &with) in a.offsets.iter().zip(b.offsets) {
            let x = a.base.add(from + first);
            let row = load_vectors::<L, NV, PART>(b.base.add(with), last);
            for (i, sum) in sum.iter_mut().enumerate() {
                let x = L::splat(*x.add(i));
                for v in 0..NV {
                    sum[v] = L::fma(x, row[v], sum[v]);
                }
            }
        }
        for (i, row) in sum.into_iter().enumerate() {
            store_vectors::<L, NV, PART>(c.add(i * ldc), last, row);
        }
    }
}
