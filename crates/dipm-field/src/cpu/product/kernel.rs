//! The kernel that runs a product's program over the rows of a tile.

use super::dense::dense_row;
use super::{Body, Factor, ProductProgram, Reduction, Sum};
use crate::cpu::lanes::{Lanes, Number, sealed::Float};
use crate::cpu::view::{self, View, load_vectors, store_vectors};

/// The rows of the operands that are multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    count: usize,
    /// Their numbers; empty where they are the first ones.
    listed: &'a [u32],
}

impl<'a> Rows<'a> {
    /// The first rows.
    #[inline(always)]
    pub fn first(count: usize) -> Self {
        let listed = &[];
        Self { count, listed }
    }

    /// Some rows by their numbers.
    #[inline(always)]
    pub fn listed(listed: &'a [u32]) -> Self {
        let count = listed.len();
        Self { count, listed }
    }

    #[inline(always)]
    fn number(&self, i: usize) -> usize {
        if self.listed.is_empty() {
            i
        } else {
            self.listed[i] as usize
        }
    }
}

/// Where products go.
#[derive(Clone, Copy)]
pub(crate) struct Sink<'a, T> {
    out: *mut T,
    stride: usize,
    /// First product of each row of the output that is a sum, and their number.
    bounds: &'a [usize],
    /// Whether products are added to what is there.
    pub adds: bool,
}

impl<'a, T> Sink<'a, T> {
    /// Each into a row of its own.
    #[inline(always)]
    pub fn rows((out, stride): (*mut T, usize)) -> Self {
        Self {
            out,
            stride,
            bounds: &[],
            adds: false,
        }
    }

    /// All added to one row.
    #[inline(always)]
    pub fn one(out: *mut T) -> Self {
        Self {
            adds: true,
            ..Self::rows((out, 0))
        }
    }

    /// Added to one row from one bound to the next.
    #[inline(always)]
    pub fn runs(out: *mut T, stride: usize, bounds: &'a [usize]) -> Self {
        Self {
            bounds,
            adds: true,
            ..Self::rows((out, stride))
        }
    }

    /// Where product `i` goes; `run` is the row of the product before, and becomes that of this one.
    #[inline(always)]
    unsafe fn row(&self, i: usize, run: &mut usize) -> *mut T {
        if self.bounds.is_empty() {
            *run = i;
        } else {
            while i >= self.bounds[*run + 1] {
                *run += 1;
            }
        }
        unsafe { self.out.add(*run * self.stride) }
    }
}

/// Multiplies rows of `operands`, which are in slot order without the open slot; `scratch` has
/// [`ProductProgram::scratch`] numbers. Only products whose open slot has channels can be added.
///
/// # Safety
/// The instruction set must be there, the views must cover the rows.
#[inline(always)]
pub(crate) unsafe fn product<L: Lanes>(
    program: &ProductProgram,
    rows: Rows<'_>,
    sink: Sink<'_, L::T>,
    operands: &[View<L::T>],
    scratch: *mut L::T,
) {
    unsafe {
        let mut run = 0;
        let lanes = L::N;
        let scalar_width: usize = program.scalars.iter().map(|scalar| scalar.1).sum();
        let (transposed, factors) = (scratch, scratch.add(scalar_width * lanes));
        let partial = factors.add(program.factors.len() * lanes);
        let constant = program.scalars.is_empty();
        if constant {
            for (i, &value) in program.constants.iter().enumerate() {
                *factors.add(i) = L::T::from_f64(value);
            }
        }
        let mut first = 0;
        while first < rows.count {
            let count = (rows.count - first).min(lanes);
            if !constant && !program.factors_are_scalars {
                transpose_scalars::<L>(program, operands, &rows, (first, count), transposed);
                for (i, factor) in program.factors.iter().enumerate() {
                    let value = factor_value::<L>(factor, transposed);
                    L::store(factors.add(i * lanes), value);
                }
            }
            let step = if constant { 1 } else { lanes };
            match &program.body {
                Body::Scalars => {
                    for target in 0..program.open_dim {
                        for row in 0..count {
                            let value = if constant {
                                *factors.add(target)
                            } else {
                                *factors.add(target * lanes + row)
                            };
                            *sink.row(first + row, &mut run).add(target) = value;
                        }
                    }
                }
                Body::Channels { sums } => {
                    for i in first..first + count {
                        let factors = if constant {
                            factors
                        } else {
                            factors.add(i - first)
                        };
                        let out = (sink.row(i, &mut run), sink.adds);
                        let factors = (factors.cast_const(), step);
                        let row = rows.number(i);
                        channels_row::<L>(program, sums, operands, row, factors, out);
                    }
                }
                Body::Dense { blocks } => {
                    for i in first..first + count {
                        let row = rows.number(i);
                        let factors = if program.factors_are_scalars {
                            (operands[program.scalars[0].0].row(row), 1)
                        } else if constant {
                            (factors.cast_const(), 1)
                        } else {
                            (factors.add(i - first).cast_const(), lanes)
                        };
                        let x = operands[program.channel_operands[0]].row(row);
                        let out = (sink.row(i, &mut run), sink.adds);
                        dense_row::<L>(blocks, x, factors, out, program.channels);
                    }
                }
                Body::Reduce { reductions } => {
                    for i in first..first + count {
                        let factors = if constant {
                            factors
                        } else {
                            factors.add(i - first)
                        };
                        let out = sink.row(i, &mut run);
                        let factors = (factors.cast_const(), step);
                        let row = rows.number(i);
                        reduce_row::<L>(program, reductions, operands, row, factors, partial, out);
                    }
                }
            }
            first += count;
        }
    }
}

/// Component-major copies of the scalars of up to N rows, one row per lane.
#[inline(always)]
unsafe fn transpose_scalars<L: Lanes>(
    program: &ProductProgram,
    operands: &[View<L::T>],
    rows: &Rows<'_>,
    (first, count): (usize, usize),
    transposed: *mut L::T,
) {
    unsafe {
        let mut position = 0;
        for &(operand, dim, stride) in &program.scalars {
            for lane in 0..L::N {
                // lanes past the last row repeat it, so that no factor is out of range
                let row = operands[operand].row(rows.number(first + lane.min(count - 1)));
                for component in 0..dim {
                    *transposed.add((position + component) * L::N + lane) =
                        *row.add(component * stride);
                }
            }
            position += dim;
        }
    }
}

#[inline(always)]
unsafe fn factor_value<L: Lanes>(factor: &Factor, transposed: *const L::T) -> L::V {
    unsafe {
        let mut sum = L::splat(L::T::ZERO);
        for (coefficient, places) in &factor.terms {
            let mut term = L::splat(L::T::from_f64(*coefficient));
            match places[..] {
                [a] => sum = L::fma(term, L::load(transposed.add(a * L::N)), sum),
                _ => {
                    for &place in places {
                        term = L::mul(term, L::load(transposed.add(place * L::N)));
                    }
                    sum = L::add(sum, term);
                }
            }
        }
        sum
    }
}

/// Rows of the channel operands: the inner one, then the outer ones.
#[inline(always)]
unsafe fn channel_rows<T: Copy>(
    program: &ProductProgram,
    operands: &[View<T>],
    row: usize,
) -> (*const T, [*const T; 4]) {
    unsafe {
        let numbers = &program.channel_operands;
        let inner = operands[numbers[0]].row(row);
        let mut outer = [inner; 4];
        for (slot, &number) in outer.iter_mut().zip(&numbers[1..]) {
            *slot = operands[number].row(row);
        }
        (inner, outer)
    }
}

#[inline(always)]
unsafe fn channels_row<L: Lanes>(
    program: &ProductProgram,
    sums: &[Vec<Sum>],
    operands: &[View<L::T>],
    row: usize,
    factors: (*const L::T, usize),
    out: (*mut L::T, bool),
) {
    unsafe {
        let (inner, outer) = channel_rows(program, operands, row);
        let channels = program.channels;
        let mut c = 0;
        while c + 4 * L::N <= channels {
            channels_block::<L, 4, false>(sums, inner, outer, factors, out, c, channels, L::N);
            c += 4 * L::N;
        }
        while c + L::N <= channels {
            channels_block::<L, 1, false>(sums, inner, outer, factors, out, c, channels, L::N);
            c += L::N;
        }
        if c < channels {
            let left = channels - c;
            channels_block::<L, 1, true>(sums, inner, outer, factors, out, c, channels, left);
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // the innermost loop takes everything apart
unsafe fn channels_block<L: Lanes, const U: usize, const PART: bool>(
    sums: &[Vec<Sum>],
    inner: *const L::T,
    outer: [*const L::T; 4],
    (factors, step): (*const L::T, usize),
    (out, adds): (*mut L::T, bool),
    c: usize,
    channels: usize,
    last: usize,
) {
    unsafe {
        for (target, sums) in sums.iter().enumerate() {
            let out = out.add(target * channels + c);
            let mut total = [L::splat(L::T::ZERO); U];
            if adds {
                total = load_vectors::<L, U, PART>(out, last);
            }
            for sum in sums {
                let mut part = [L::splat(L::T::ZERO); U];
                for &(offset, factor) in &sum.inner {
                    let factor = L::splat(*factors.add(factor * step));
                    let x = load_vectors::<L, U, PART>(inner.add(offset + c), last);
                    for u in 0..U {
                        part[u] = L::fma(factor, x[u], part[u]);
                    }
                }
                match sum.outer[..] {
                    [] => {
                        for u in 0..U {
                            total[u] = L::add(total[u], part[u]);
                        }
                    }
                    [first, ref rest @ ..] => {
                        let mut y = load_vectors::<L, U, PART>(outer[0].add(first + c), last);
                        for (offset, row) in rest.iter().zip(&outer[1..]) {
                            let z = load_vectors::<L, U, PART>(row.add(offset + c), last);
                            for u in 0..U {
                                y[u] = L::mul(y[u], z[u]);
                            }
                        }
                        for u in 0..U {
                            total[u] = L::fma(part[u], y[u], total[u]);
                        }
                    }
                }
            }
            store_vectors::<L, U, PART>(out, last, total);
        }
    }
}

#[inline(always)]
unsafe fn reduce_row<L: Lanes>(
    program: &ProductProgram,
    reductions: &[Reduction],
    operands: &[View<L::T>],
    row: usize,
    (factors, step): (*const L::T, usize),
    partial: *mut L::T,
    out: *mut L::T,
) {
    unsafe {
        let (inner, outer) = channel_rows(program, operands, row);
        for target in 0..program.open_dim {
            L::store(partial.add(target * L::N), L::splat(L::T::ZERO));
        }
        for reduction in reductions {
            for chunk in reduction.inner.chunks(8) {
                let sums = match chunk.len() {
                    1 => dot_products::<L, 1>(program.channels, inner, outer, reduction, chunk),
                    2 => dot_products::<L, 2>(program.channels, inner, outer, reduction, chunk),
                    3 => dot_products::<L, 3>(program.channels, inner, outer, reduction, chunk),
                    5 => dot_products::<L, 5>(program.channels, inner, outer, reduction, chunk),
                    7 => dot_products::<L, 7>(program.channels, inner, outer, reduction, chunk),
                    _ => dot_products::<L, 8>(program.channels, inner, outer, reduction, chunk),
                };
                for ((_, uses), sum) in chunk.iter().zip(sums) {
                    for &(target, factor) in uses {
                        let p = partial.add(target * L::N);
                        let factor = L::splat(*factors.add(factor * step));
                        L::store(p, L::fma(factor, sum, L::load(p)));
                    }
                }
            }
        }
        for target in 0..program.open_dim {
            *out.add(target) = L::sum(L::load(partial.add(target * L::N)));
        }
    }
}

/// Products of up to `K` components of the inner operand with the outer ones, lane by lane, summed
/// over the channels; a component past the last of `chunk` repeats the first.
#[inline(always)]
unsafe fn dot_products<L: Lanes, const K: usize>(
    channels: usize,
    inner: *const L::T,
    outer: [*const L::T; 4],
    reduction: &Reduction,
    chunk: &[(usize, Vec<(usize, usize)>)],
) -> [L::V; 8] {
    unsafe {
        let rows: [*const L::T; K] =
            std::array::from_fn(|k| inner.add(chunk.get(k).unwrap_or(&chunk[0]).0));
        let mut sums = [L::splat(L::T::ZERO); K];
        let mut c = 0;
        while c < channels {
            let n = channels - c;
            let mut y = L::splat(L::T::ONE);
            if let [first, rest @ ..] = &reduction.outer[..] {
                y = view::load::<L>(outer[0].add(first + c), 1, n);
                for (offset, row) in rest.iter().zip(&outer[1..]) {
                    y = L::mul(y, view::load::<L>(row.add(offset + c), 1, n));
                }
            }
            for k in 0..K {
                sums[k] = L::fma(view::load::<L>(rows[k].add(c), 1, n), y, sums[k]);
            }
            c += L::N;
        }
        let mut result = [L::splat(L::T::ZERO); 8];
        result[..K].copy_from_slice(&sums);
        result
    }
}
