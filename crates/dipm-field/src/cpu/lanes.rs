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
mod x86 {
    use super::Lanes;
    use crate::Half;
    use std::arch::x86_64::*;

    /// AVX-512F.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512<T>(std::marker::PhantomData<T>);
    /// AVX2 with FMA.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2<T>(std::marker::PhantomData<T>);

    macro_rules! methods {
        ($t:ty, $v:ty, $n:expr, $wide:expr;
         $(fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block)*) => {
            type T = $t;
            type V = $v;
            const N: usize = $n;
            const WIDE: bool = $wide;
            $(#[inline(always)]
            unsafe fn $name($($arg: $ty),*) -> $out { unsafe { $body } })*
        };
    }

    impl Lanes for Avx512<f32> {
        methods! { f32, __m512, 16, true;
            fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
            fn load(p: *const f32) -> __m512 { _mm512_loadu_ps(p) }
            fn store(p: *mut f32, v: __m512) -> () { _mm512_storeu_ps(p, v) }
            fn load_part(p: *const f32, n: usize) -> __m512 {
                _mm512_maskz_loadu_ps(((1u32 << n.min(16)) - 1) as u16, p)
            }
            fn store_part(p: *mut f32, n: usize, v: __m512) -> () {
                _mm512_mask_storeu_ps(p, ((1u32 << n.min(16)) - 1) as u16, v)
            }
            fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
            fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
            fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
            fn div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
            fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
            fn sqrt(a: __m512) -> __m512 { _mm512_sqrt_ps(a) }
            fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
            fn min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
            fn select(c: __m512, a: __m512, b: __m512) -> __m512 {
                _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(c, _mm512_setzero_ps()), b, a)
            }
            fn round(a: __m512) -> __m512 { _mm512_roundscale_ps::<8>(a) }
            fn two_to(n: __m512) -> __m512 { _mm512_scalef_ps(_mm512_set1_ps(1.0), n) }
            fn sum(a: __m512) -> f32 { _mm512_reduce_add_ps(a) }
            fn widen(p: *const u16, half: Half) -> __m512 {
                let bits = _mm256_loadu_si256(p.cast());
                match half {
                    Half::Bfloat16 => {
                        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
                    }
                    Half::Float16 => _mm512_cvtph_ps(bits),
                }
            }
            fn narrow(p: *mut u16, half: Half, v: __m512) -> () {
                let bits = match half {
                    Half::Bfloat16 => {
                        let bits = _mm512_castps_si512(v);
                        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                        let below_half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
                        let nearest = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, below_half));
                        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
                        let quiet = _mm512_set1_epi32(0x7fc0);
                        _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(nearest, nan, quiet))
                    }
                    Half::Float16 => _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v),
                };
                _mm256_storeu_si256(p.cast(), bits);
            }
        }
    }

    impl Lanes for Avx512<f64> {
        methods! { f64, __m512d, 8, true;
            fn splat(x: f64) -> __m512d { _mm512_set1_pd(x) }
            fn load(p: *const f64) -> __m512d { _mm512_loadu_pd(p) }
            fn store(p: *mut f64, v: __m512d) -> () { _mm512_storeu_pd(p, v) }
            fn load_part(p: *const f64, n: usize) -> __m512d {
                _mm512_maskz_loadu_pd(((1u32 << n.min(8)) - 1) as u8, p)
            }
            fn store_part(p: *mut f64, n: usize, v: __m512d) -> () {
                _mm512_mask_storeu_pd(p, ((1u32 << n.min(8)) - 1) as u8, v)
            }
            fn add(a: __m512d, b: __m512d) -> __m512d { _mm512_add_pd(a, b) }
            fn sub(a: __m512d, b: __m512d) -> __m512d { _mm512_sub_pd(a, b) }
            fn mul(a: __m512d, b: __m512d) -> __m512d { _mm512_mul_pd(a, b) }
            fn div(a: __m512d, b: __m512d) -> __m512d { _mm512_div_pd(a, b) }
            fn fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d { _mm512_fmadd_pd(a, b, c) }
            fn sqrt(a: __m512d) -> __m512d { _mm512_sqrt_pd(a) }
            fn max(a: __m512d, b: __m512d) -> __m512d { _mm512_max_pd(a, b) }
            fn min(a: __m512d, b: __m512d) -> __m512d { _mm512_min_pd(a, b) }
            fn select(c: __m512d, a: __m512d, b: __m512d) -> __m512d {
                _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(c, _mm512_setzero_pd()), b, a)
            }
            fn round(a: __m512d) -> __m512d { _mm512_roundscale_pd::<8>(a) }
            fn two_to(n: __m512d) -> __m512d { _mm512_scalef_pd(_mm512_set1_pd(1.0), n) }
            fn sum(a: __m512d) -> f64 { _mm512_reduce_add_pd(a) }
        }
    }

    /// −1 in the first n of 8 lanes.
    #[inline(always)]
    unsafe fn mask8(n: usize) -> __m256i {
        unsafe {
            let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(n.min(8) as i32), lane)
        }
    }

    /// −1 in the first n of 4 lanes.
    #[inline(always)]
    unsafe fn mask4(n: usize) -> __m256i {
        unsafe {
            let lane = _mm256_setr_epi64x(0, 1, 2, 3);
            _mm256_cmpgt_epi64(_mm256_set1_epi64x(n.min(4) as i64), lane)
        }
    }

    impl Lanes for Avx2<f32> {
        methods! { f32, __m256, 8, false;
            fn splat(x: f32) -> __m256 { _mm256_set1_ps(x) }
            fn load(p: *const f32) -> __m256 { _mm256_loadu_ps(p) }
            fn store(p: *mut f32, v: __m256) -> () { _mm256_storeu_ps(p, v) }
            fn load_part(p: *const f32, n: usize) -> __m256 { _mm256_maskload_ps(p, mask8(n)) }
            fn store_part(p: *mut f32, n: usize, v: __m256) -> () {
                _mm256_maskstore_ps(p, mask8(n), v)
            }
            fn add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
            fn sub(a: __m256, b: __m256) -> __m256 { _mm256_sub_ps(a, b) }
            fn mul(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
            fn div(a: __m256, b: __m256) -> __m256 { _mm256_div_ps(a, b) }
            fn fma(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
            fn sqrt(a: __m256) -> __m256 { _mm256_sqrt_ps(a) }
            fn max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
            fn min(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
            fn select(c: __m256, a: __m256, b: __m256) -> __m256 {
                _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_GT_OQ>(c, _mm256_setzero_ps()))
            }
            fn round(a: __m256) -> __m256 { _mm256_round_ps::<8>(a) }
            fn two_to(n: __m256) -> __m256 {
                let bits = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(bits))
            }
            fn sum(a: __m256) -> f32 {
                let half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
                let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
                _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
            }
            fn widen(p: *const u16, half: Half) -> __m256 {
                let bits = _mm_loadu_si128(p.cast());
                match half {
                    Half::Bfloat16 => {
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
                    }
                    Half::Float16 => _mm256_cvtph_ps(bits),
                }
            }
            fn narrow(p: *mut u16, half: Half, v: __m256) -> () {
                let bits = match half {
                    Half::Bfloat16 => {
                        let bits = _mm256_castps_si256(v);
                        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
                        let below_half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
                        let nearest = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, below_half));
                        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
                        let quiet = _mm256_set1_epi32(0x7fc0);
                        let nearest = _mm256_blendv_epi8(nearest, quiet, nan);
                        let halves = _mm256_packus_epi32(nearest, nearest);
                        _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(halves))
                    }
                    Half::Float16 => _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v),
                };
                _mm_storeu_si128(p.cast(), bits);
            }
        }
    }

    impl Lanes for Avx2<f64> {
        methods! { f64, __m256d, 4, false;
            fn splat(x: f64) -> __m256d { _mm256_set1_pd(x) }
            fn load(p: *const f64) -> __m256d { _mm256_loadu_pd(p) }
            fn store(p: *mut f64, v: __m256d) -> () { _mm256_storeu_pd(p, v) }
            fn load_part(p: *const f64, n: usize) -> __m256d { _mm256_maskload_pd(p, mask4(n)) }
            fn store_part(p: *mut f64, n: usize, v: __m256d) -> () {
                _mm256_maskstore_pd(p, mask4(n), v)
            }
            fn add(a: __m256d, b: __m256d) -> __m256d { _mm256_add_pd(a, b) }
            fn sub(a: __m256d, b: __m256d) -> __m256d { _mm256_sub_pd(a, b) }
            fn mul(a: __m256d, b: __m256d) -> __m256d { _mm256_mul_pd(a, b) }
            fn div(a: __m256d, b: __m256d) -> __m256d { _mm256_div_pd(a, b) }
            fn fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d { _mm256_fmadd_pd(a, b, c) }
            fn sqrt(a: __m256d) -> __m256d { _mm256_sqrt_pd(a) }
            fn max(a: __m256d, b: __m256d) -> __m256d { _mm256_max_pd(a, b) }
            fn min(a: __m256d, b: __m256d) -> __m256d { _mm256_min_pd(a, b) }
            fn select(c: __m256d, a: __m256d, b: __m256d) -> __m256d {
                _mm256_blendv_pd(b, a, _mm256_cmp_pd::<_CMP_GT_OQ>(c, _mm256_setzero_pd()))
            }
            fn round(a: __m256d) -> __m256d { _mm256_round_pd::<8>(a) }
            fn two_to(n: __m256d) -> __m256d {
                let whole = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(n));
                let bits = _mm256_add_epi64(whole, _mm256_set1_epi64x(1023));
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(bits))
            }
            fn sum(a: __m256d) -> f64 {
                let half = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
                _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)))
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};
