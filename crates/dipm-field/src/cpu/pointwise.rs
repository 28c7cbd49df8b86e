//! Kernels that work entry by entry: functions, copies, sums over inner axes.

use super::lanes::{Lanes, Number, sealed::Float};
use super::view::{Inner, Nest, View, load, store, walk};
use crate::functions::{Binary, Unary};

/// A function of `A` vectors.
pub(super) trait Pointwise<L: Lanes, const A: usize>: Copy {
    unsafe fn eval(self, x: [L::V; A]) -> L::V;
}

macro_rules! pointwise {
    ($($name:ident [$a:literal] |$lanes:ident, $x:pat_param| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub(super) struct $name;
        impl<$lanes: Lanes> Pointwise<$lanes, $a> for $name {
            #[inline(always)]
            unsafe fn eval(self, $x: [$lanes::V; $a]) -> $lanes::V {
                #[allow(unused_unsafe)] // the identity needs none
                unsafe { $body }
            }
        }
    )*};
}

/// f of each number in turn, for functions that have no vector form here.
#[inline(always)]
unsafe fn each<L: Lanes>(x: L::V, f: impl Fn(L::T) -> L::T) -> L::V {
    unsafe {
        let mut buffer = [L::T::default(); 16];
        L::store(buffer.as_mut_ptr(), x);
        for slot in buffer.iter_mut().take(L::N) {
            *slot = f(*slot);
        }
        L::load(buffer.as_ptr())
    }
}

#[inline(always)]
unsafe fn number<L: Lanes>(x: f64) -> L::V {
    unsafe { L::splat(L::T::from_f64(x)) }
}

#[inline(always)]
unsafe fn sigmoid<L: Lanes>(x: L::V) -> L::V {
    unsafe {
        let one = number::<L>(1.0);
        L::div(one, L::add(one, L::exp(L::sub(number::<L>(0.0), x))))
    }
}

pointwise! {
    Identity[1] |L, [x]| x;
    Neg[1] |L, [x]| L::sub(number::<L>(0.0), x);
    Recip[1] |L, [x]| L::div(number::<L>(1.0), x);
    Sqrt[1] |L, [x]| L::sqrt(x);
    Exp[1] |L, [x]| L::exp(x);
    Log[1] |L, [x]| each::<L>(x, Float::ln);
    Sin[1] |L, [x]| each::<L>(x, Float::sin);
    Cos[1] |L, [x]| each::<L>(x, Float::cos);
    Tanh[1] |L, [x]| each::<L>(x, Float::tanh);
    Sigmoid[1] |L, [x]| sigmoid::<L>(x);
    Abs[1] |L, [x]| L::max(L::sub(number::<L>(0.0), x), x);
    Sign[1] |L, [x]| {
        let (zero, one) = (number::<L>(0.0), number::<L>(1.0));
        L::sub(L::select(x, one, zero), L::select(L::sub(zero, x), one, zero))
    };
    Step[1] |L, [x]| L::select(x, number::<L>(1.0), number::<L>(0.0));
    Add[2] |L, [x, y]| L::add(x, y);
    Sub[2] |L, [x, y]| L::sub(x, y);
    Mul[2] |L, [x, y]| L::mul(x, y);
    Div[2] |L, [x, y]| L::div(x, y);
    Choose[3] |L, [c, x, y]| L::select(c, x, y);
    Silu0[1] |L, [x]| L::mul(x, sigmoid::<L>(x));
    Silu1[1] |L, [x]| {
        let (s, d) = sigmoid_slope::<L>(x);
        L::fma(x, d, s)
    };
    // with c = 1 − s and the derivatives of s: s' = sc, s'' = sc(c − s), s''' = sc(1 − 6sc)
    Silu2[1] |L, [x]| {
        let (s, d) = sigmoid_slope::<L>(x);
        let bend = L::sub(number::<L>(1.0), L::add(s, s));
        L::mul(d, L::fma(x, bend, number::<L>(2.0)))
    };
    Silu3[1] |L, [x]| {
        let (s, d) = sigmoid_slope::<L>(x);
        let bend = L::sub(number::<L>(1.0), L::add(s, s));
        let third = L::fma(number::<L>(-6.0), d, number::<L>(1.0));
        L::mul(d, L::fma(x, third, L::mul(number::<L>(3.0), bend)))
    };
    Silu4[1] |L, [x]| {
        let (s, d) = sigmoid_slope::<L>(x);
        let bend = L::sub(number::<L>(1.0), L::add(s, s));
        let third = L::fma(number::<L>(-6.0), d, number::<L>(1.0));
        let fourth = L::mul(bend, L::fma(number::<L>(-12.0), d, number::<L>(1.0)));
        L::mul(d, L::fma(x, fourth, L::mul(number::<L>(4.0), third)))
    };
}

/// Sigmoid and its derivative.
#[inline(always)]
unsafe fn sigmoid_slope<L: Lanes>(x: L::V) -> (L::V, L::V) {
    unsafe {
        let s = sigmoid::<L>(x);
        (s, L::mul(s, L::sub(number::<L>(1.0), s)))
    }
}

/// xⁿ by repeated squaring.
#[derive(Clone, Copy)]
pub(super) struct Power(pub(super) i32);

impl<L: Lanes> Pointwise<L, 1> for Power {
    #[inline(always)]
    unsafe fn eval(self, [x]: [L::V; 1]) -> L::V {
        unsafe {
            let (mut base, mut result) = (x, number::<L>(1.0));
            let mut n = self.0.unsigned_abs();
            while n > 0 {
                if n & 1 == 1 {
                    result = L::mul(result, base);
                }
                base = L::mul(base, base);
                n >>= 1;
            }
            if self.0 < 0 {
                L::div(number::<L>(1.0), result)
            } else {
                result
            }
        }
    }
}

/// f in an innermost loop.
struct Apply<F, const A: usize> {
    function: F,
    out_stride: usize,
    strides: [usize; A],
    /// Whether every operand is read in order or stands still, and the output written in order.
    dense: bool,
}

/// `A` vectors of operands that are read in order or stand still.
#[inline(always)]
unsafe fn dense_vectors<L: Lanes, const A: usize>(
    from: &[*const L::T; A],
    strides: &[usize; A],
    i: usize,
) -> [L::V; A] {
    unsafe {
        std::array::from_fn(|a| {
            if strides[a] == 1 {
                L::load(from[a].add(i))
            } else {
                L::splat(*from[a])
            }
        })
    }
}

impl<L: Lanes, F: Pointwise<L, A>, const A: usize> Inner<L::T, A> for On<L, Apply<F, A>> {
    #[inline(always)]
    unsafe fn run(&self, out: *mut L::T, from: [*const L::T; A], length: usize) {
        unsafe {
            let Apply {
                function,
                out_stride,
                strides,
                dense,
            } = &self.0;
            let mut i = 0;
            if *dense {
                while i + L::N <= length {
                    let x = dense_vectors::<L, A>(&from, strides, i);
                    L::store(out.add(i), function.eval(x));
                    i += L::N;
                }
            }
            while i < length {
                let n = (length - i).min(L::N);
                let x =
                    std::array::from_fn(|a| load::<L>(from[a].add(i * strides[a]), strides[a], n));
                store::<L>(out.add(i * out_stride), *out_stride, n, function.eval(x));
                i += n;
            }
        }
    }
}

/// A loop body together with the vectors it works in.
pub(super) struct On<L, B>(pub(super) B, pub(super) std::marker::PhantomData<L>);

#[inline(always)]
unsafe fn apply<L: Lanes, F: Pointwise<L, A>, const A: usize>(
    function: F,
    nest: &Nest,
    rows: usize,
    output: (*mut L::T, usize),
    operands: &[View<L::T>; A],
) {
    unsafe {
        let last = nest.lengths.len() - 1;
        let out_stride = nest.strides[0][last];
        let strides: [usize; A] = std::array::from_fn(|a| nest.strides[a + 1][last]);
        let dense = out_stride == 1 && strides.iter().all(|&stride| stride <= 1);
        let body = Apply {
            function,
            out_stride,
            strides,
            dense,
        };
        walk(
            nest,
            rows,
            output,
            operands,
            &On::<L, _>(body, std::marker::PhantomData),
        );
    }
}

/// f(x) for every entry.
///
/// # Safety
/// As for every kernel: the instruction set must be there and the views must cover the tile.
#[inline(always)]
pub(crate) unsafe fn unary<L: Lanes>(
    function: Unary,
    nest: &Nest,
    rows: usize,
    out: (*mut L::T, usize),
    x: &[View<L::T>; 1],
) {
    unsafe {
        match function {
            Unary::Neg => apply::<L, _, 1>(Neg, nest, rows, out, x),
            Unary::Recip => apply::<L, _, 1>(Recip, nest, rows, out, x),
            Unary::Sqrt => apply::<L, _, 1>(Sqrt, nest, rows, out, x),
            Unary::Exp => apply::<L, _, 1>(Exp, nest, rows, out, x),
            Unary::Log => apply::<L, _, 1>(Log, nest, rows, out, x),
            Unary::Sin => apply::<L, _, 1>(Sin, nest, rows, out, x),
            Unary::Cos => apply::<L, _, 1>(Cos, nest, rows, out, x),
            Unary::Tanh => apply::<L, _, 1>(Tanh, nest, rows, out, x),
            Unary::Sigmoid => apply::<L, _, 1>(Sigmoid, nest, rows, out, x),
            Unary::Silu(0) => apply::<L, _, 1>(Silu0, nest, rows, out, x),
            Unary::Silu(1) => apply::<L, _, 1>(Silu1, nest, rows, out, x),
            Unary::Silu(2) => apply::<L, _, 1>(Silu2, nest, rows, out, x),
            Unary::Silu(3) => apply::<L, _, 1>(Silu3, nest, rows, out, x),
            Unary::Silu(4) => apply::<L, _, 1>(Silu4, nest, rows, out, x),
            Unary::Silu(n) => panic!("derivative {n} of silu is not available"),
            Unary::Abs => apply::<L, _, 1>(Abs, nest, rows, out, x),
            Unary::Sign => apply::<L, _, 1>(Sign, nest, rows, out, x),
            Unary::Step => apply::<L, _, 1>(Step, nest, rows, out, x),
            Unary::Power(n) => apply::<L, _, 1>(Power(n), nest, rows, out, x),
        }
    }
}

/// f(a, b) for every entry.
///
/// # Safety
/// As for [`unary`].
#[inline(always)]
pub(crate) unsafe fn binary<L: Lanes>(
    function: Binary,
    nest: &Nest,
    rows: usize,
    out: (*mut L::T, usize),
    x: &[View<L::T>; 2],
) {
    unsafe {
        match function {
            Binary::Add => apply::<L, _, 2>(Add, nest, rows, out, x),
            Binary::Sub => apply::<L, _, 2>(Sub, nest, rows, out, x),
            Binary::Mul => apply::<L, _, 2>(Mul, nest, rows, out, x),
            Binary::Div => apply::<L, _, 2>(Div, nest, rows, out, x),
        }
    }
}

/// The second operand where the first is positive, else the third.
///
/// # Safety
/// As for [`unary`].
#[inline(always)]
pub(crate) unsafe fn select<L: Lanes>(
    nest: &Nest,
    rows: usize,
    out: (*mut L::T, usize),
    x: &[View<L::T>; 3],
) {
    unsafe { apply::<L, _, 3>(Choose, nest, rows, out, x) }
}

/// The entries themselves.
///
/// # Safety
/// As for [`unary`].
#[inline(always)]
pub(crate) unsafe fn copy<L: Lanes>(
    nest: &Nest,
    rows: usize,
    out: (*mut L::T, usize),
    x: &[View<L::T>; 1],
) {
    unsafe { apply::<L, _, 1>(Identity, nest, rows, out, x) }
}

/// Starts every entry of the output at `start` and runs the body made by `body`, which is given the
/// strides of output and operand in the innermost loop.
#[inline(always)]
unsafe fn reduce<L: Lanes, B>(
    nest: &Nest,
    rows: usize,
    (out, width): (*mut L::T, usize),
    x: &[View<L::T>; 1],
    start: L::T,
    body: fn(usize, usize) -> B,
) where
    On<L, B>: Inner<L::T, 1>,
{
    unsafe {
        for i in 0..rows * width {
            *out.add(i) = start;
        }
        let last = nest.lengths.len() - 1;
        let body = body(nest.strides[0][last], nest.strides[1][last]);
        walk(
            nest,
            rows,
            (out, width),
            x,
            &On::<L, _>(body, std::marker::PhantomData),
        );
    }
}

/// Sums over the axes along which the output does not move.
///
/// # Safety
/// As for [`unary`].
#[inline(always)]
pub(crate) unsafe fn sum_axes<L: Lanes>(
    nest: &Nest,
    rows: usize,
    out: (*mut L::T, usize),
    x: &[View<L::T>; 1],
) {
    unsafe {
        reduce::<L, _>(nest, rows, out, x, L::T::ZERO, |to, from| Accumulate {
            to,
            from,
        })
    }
}

/// out += x in an innermost loop.
struct Accumulate {
    to: usize,
    from: usize,
}

impl<L: Lanes> Inner<L::T, 1> for On<L, Accumulate> {
    #[inline(always)]
    unsafe fn run(&self, out: *mut L::T, [x]: [*const L::T; 1], length: usize) {
        unsafe {
            let Accumulate { to, from } = self.0;
            let mut i = 0;
            match (to, from) {
                (0, 1) => {
                    let mut sum = number::<L>(0.0);
                    while i + L::N <= length {
                        sum = L::add(sum, L::load(x.add(i)));
                        i += L::N;
                    }
                    if i < length {
                        sum = L::add(sum, L::load_part(x.add(i), length - i));
                    }
                    *out = *out + L::sum(sum);
                }
                (1, 1) => {
                    while i + L::N <= length {
                        L::store(out.add(i), L::add(L::load(out.add(i)), L::load(x.add(i))));
                        i += L::N;
                    }
                    if i < length {
                        let n = length - i;
                        let sum = L::add(L::load_part(out.add(i), n), L::load_part(x.add(i), n));
                        L::store_part(out.add(i), n, sum);
                    }
                }
                _ => {
                    while i < length {
                        let slot = out.add(i * to);
                        *slot = *slot + *x.add(i * from);
                        i += 1;
                    }
                }
            }
        }
    }
}

/// The largest entries along the axes along which the output does not move.
///
/// # Safety
/// As for [`unary`].
#[inline(always)]
pub(crate) unsafe fn max_axes<L: Lanes>(
    nest: &Nest,
    rows: usize,
    out: (*mut L::T, usize),
    x: &[View<L::T>; 1],
) {
    unsafe {
        reduce::<L, _>(
            nest,
            rows,
            out,
            x,
            L::T::from_f64(f64::NEG_INFINITY),
            |to, from| Largest { to, from },
        )
    }
}

/// out = max(out, x) in an innermost loop; NaN stays NaN.
struct Largest {
    to: usize,
    from: usize,
}

impl<L: Lanes> Inner<L::T, 1> for On<L, Largest> {
    #[inline(always)]
    unsafe fn run(&self, out: *mut L::T, [x]: [*const L::T; 1], length: usize) {
        unsafe {
            let Largest { to, from } = self.0;
            for i in 0..length {
                let (slot, value) = (out.add(i * to), *x.add(i * from));
                // the test is false for a NaN on either side, and then the sum is one
                let known = *slot >= value || *slot < value;
                let largest = if *slot >= value { *slot } else { value };
                *slot = if known { largest } else { *slot + value };
            }
        }
    }
}
