//! Vectors of numbers: one interface over AVX-512, AVX2 and plain arrays.
//!
//! Kernels are generic over [`Lanes`] and inlined into one function per instruction set that enables
//! the features, so the methods here may only be called on a machine that has them; that is what
//! makes them `unsafe`.

use crate::Half;

/// A number type that the engine computes in: `f32` or `f64`.
pub trait Number:
    Copy + Send + Sync + Default + PartialOrd + PartialEq + std::fmt::Debug + sealed::Float + 'static
{
    /// Nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The value in double precision.
    fn to_f64(self) -> f64;
}

impl Number for f32 {
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Number for f64 {
    fn from_f64(x: f64) -> Self {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
}

pub(crate) mod sealed {
    /// Arithmetic that kernels need on single numbers.
    pub trait Float:
        std::ops::Add<Output = Self>
        + std::ops::Sub<Output = Self>
        + std::ops::Mul<Output = Self>
        + std::ops::Div<Output = Self>
        + Sized
        + 'static
    {
        const ZERO: Self;
        const ONE: Self;
        /// Largest and smallest argument of eˣ with a normal result.
        const EXP_RANGE: (Self, Self);
        /// ln 2 as a short leading part and the rest.
        const LN2: (Self, Self);
        /// 1/n! for the terms of eʳ, |r| ≤ ln 2 / 2, that the precision needs, highest first; an even number
        /// of them, down to 1/0!.
        const EXP_TERMS: &'static [Self];
        const LOG2_E: Self;
        fn sin(self) -> Self;
        fn cos(self) -> Self;
        fn tanh(self) -> Self;
        fn ln(self) -> Self;
        fn exp(self) -> Self;
        fn sqrt(self) -> Self;
        /// 2ⁿ for a whole n in the range of exponents.
        fn two_to(n: Self) -> Self;
        fn round(self) -> Self;
    }

    macro_rules! float {
        ($t:ident, $bits:ident, $bias:expr, $mantissa:expr, $range:expr, $ln2:expr, $terms:expr) => {
            impl Float for $t {
                const ZERO: Self = 0.0;
                const ONE: Self = 1.0;
                const EXP_RANGE: (Self, Self) = $range;
                const LN2: (Self, Self) = $ln2;
                const EXP_TERMS: &'static [Self] = $terms;
                const LOG2_E: Self = std::$t::consts::LOG2_E;
                fn sin(self) -> Self {
                    self.sin()
                }
                fn cos(self) -> Self {
                    self.cos()
                }
                fn tanh(self) -> Self {
                    self.tanh()
                }
                fn ln(self) -> Self {
                    self.ln()
                }
                fn exp(self) -> Self {
                    self.exp()
                }
                fn sqrt(self) -> Self {
                    self.sqrt()
                }
                fn two_to(n: Self) -> Self {
                    $t::from_bits(((n as i64 + $bias) as $bits) << $mantissa)
                }
                fn round(self) -> Self {
                    self.round_ties_even()
                }
            }
        };
    }
    float!(
        f32,
        u32,
        127,
        23,
        (-87.3, 88.3),
        (0.693_359_4, -2.121_944_4e-4),
        &[
            1.0 / 5040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0
        ]
    );
    float!(
        f64,
        u64,
        1023,
        52,
        (-708.0, 709.0),
        (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10),
        &[
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0
        ]
    );
}

/// A vector of `N` numbers with the operations that kernels are written in.
///
/// # Safety
/// Every method needs the instruction set of the implementation, and valid pointers where it takes
/// pointers; `part` versions touch only the first `n` numbers.
#[allow(clippy::missing_safety_doc)] // said once, above
pub(crate) trait Lanes: Copy {
    type T: Number;
    type V: Copy;
    /// Numbers per vector.
    const N: usize;
    /// Whether there are 32 vector registers instead of 16.
    const WIDE: bool;
    unsafe fn splat(x: Self::T) -> Self::V;
    unsafe fn load(p: *const Self::T) -> Self::V;
    unsafe fn store(p: *mut Self::T, v: Self::V);
    unsafe fn load_part(p: *const Self::T, n: usize) -> Self::V;
    unsafe fn store_part(p: *mut Self::T, n: usize, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// `a` where c > 0, else `b`.
    unsafe fn select(c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    unsafe fn round(a: Self::V) -> Self::V;
    /// 2ⁿ for whole n.
    unsafe fn two_to(n: Self::V) -> Self::V;
    /// Sum of the numbers, in an order that does not depend on anything.
    unsafe fn sum(a: Self::V) -> Self::T;

    /// `N` numbers of 16 bits.
    #[inline(always)]
    unsafe fn widen(p: *const u16, half: Half) -> Self::V {
        unsafe { Self::widen_part(p, half, Self::N) }
    }
    /// Rounds `N` numbers to 16 bits.
    #[inline(always)]
    unsafe fn narrow(p: *mut u16, half: Half, v: Self::V) {
        unsafe { Self::narrow_part(p, half, Self::N, v) }
    }
    /// The first `n` ≤ N numbers of 16 bits, then zeros.
    #[inline(always)]
    unsafe fn widen_part(p: *const u16, half: Half, n: usize) -> Self::V {
        unsafe {
            let mut buffer = [Self::T::default(); 16];
            for (i, slot) in buffer.iter_mut().enumerate().take(n) {
                *slot = Self::T::from_f64(f64::from(half.number(*p.add(i))));
            }
            Self::load(buffer.as_ptr())
        }
    }
    /// Rounds the first `n` ≤ N numbers to 16 bits.
    #[inline(always)]
    unsafe fn narrow_part(p: *mut u16, half: Half, n: usize, v: Self::V) {
        unsafe {
            let mut buffer = [Self::T::default(); 16];
            Self::store(buffer.as_mut_ptr(), v);
            for (i, value) in buffer.iter().enumerate().take(n) {
                *p.add(i) = half.bits(value.to_f64() as f32);
            }
        }
    }

    /// eˣ by range reduction and its series; NaN stays NaN, the ends of the range saturate.
    #[inline(always)]
    unsafe fn exp(x: Self::V) -> Self::V {
        use sealed::Float;
        unsafe {
            let (low, high) = Self::T::EXP_RANGE;
            let x = Self::min(Self::splat(high), Self::max(Self::splat(low), x));
            let n = Self::round(Self::mul(x, Self::splat(Self::T::LOG2_E)));
            let minus = |x: Self::T| Self::T::ZERO - x;
            let r = Self::fma(n, Self::splat(minus(Self::T::LN2.0)), x);
            let r = Self::fma(n, Self::splat(minus(Self::T::LN2.1)), r);
            // even and odd powers side by side, since each step waits for the one before
            let square = Self::mul(r, r);
            let terms = Self::T::EXP_TERMS;
            let (mut odd, mut even) = (Self::splat(terms[0]), Self::splat(terms[1]));
            let mut next = 2;
            while next + 2 < terms.len() {
                odd = Self::fma(odd, square, Self::splat(terms[next]));
                even = Self::fma(even, square, Self::splat(terms[next + 1]));
                next += 2;
            }
            odd = Self::fma(odd, square, Self::splat(terms[next]));
            // the largest term, 1, is added last, so that only this sum is rounded at its magnitude
            let above = Self::fma(odd, r, Self::mul(even, square));
            let sum = Self::add(above, Self::splat(terms[next + 1]));
            Self::mul(sum, Self::two_to(n))
        }
    }
}

/// Plain arrays, for any machine.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T>(std::marker::PhantomData<T>);

macro_rules! each {
    ($f:expr) => {{
        let f = $f;
        std::array::from_fn(f)
    }};
}

impl<T: Number> Lanes for Portable<T> {
    type T = T;
    type V = [T; 4];
    const N: usize = 4;
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn splat(x: T) -> [T; 4] {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> [T; 4] {
        unsafe { each!(|i| *p.add(i)) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut T, v: [T; 4]) {
        unsafe { (0..4).for_each(|i| *p.add(i) = v[i]) }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const T, n: usize) -> [T; 4] {
        unsafe { each!(|i| if i < n { *p.add(i) } else { T::ZERO }) }
    }
    #[inline(always)]
    unsafe fn store_part(p: *mut T, n: usize, v: [T; 4]) {
        unsafe { (0..n.min(4)).for_each(|i| *p.add(i) = v[i]) }
    }
    #[inline(always)]
    unsafe fn add(a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: [T; 4], b: [T; 4], c: [T; 4]) -> [T; 4] {
        each!(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn sqrt(a: [T; 4]) -> [T; 4] {
        each!(|i| sealed::Float::sqrt(a[i]))
    }
    #[inline(always)]
    unsafe fn max(a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn select(c: [T; 4], a: [T; 4], b: [T; 4]) -> [T; 4] {
        each!(|i| if c[i] > T::ZERO { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn round(a: [T; 4]) -> [T; 4] {
        each!(|i| sealed::Float::round(a[i]))
    }
    #[inline(always)]
    unsafe fn two_to(n: [T; 4]) -> [T; 4] {
        each!(|i| T::two_to(n[i]))
    }
    #[inline(always)]
    unsafe fn sum(a: [T; 4]) -> T {
        (a[0] + a[2]) + (a[1] + a[3])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};
