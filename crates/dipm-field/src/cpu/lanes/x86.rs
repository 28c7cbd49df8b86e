//! Vectors of x86-64: AVX-512F, and AVX2 with FMA.

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
