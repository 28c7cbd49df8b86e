//! The two floating-point types parameters are kept in.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::{Ranks, RanksError};

/// `f32` or `f64`: the type of parameters, gradients, moments and their average.
pub trait Real:
    dipm_field::Scalar
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Name in a safetensors header.
    const DTYPE: safetensors::Dtype;

    /// Square root, rounded to nearest.
    fn square_root(self) -> Self;

    /// The larger of two numbers; `other` where `self` is NaN or not larger.
    fn larger(self, other: Self) -> Self;

    /// Replaces each number by its sum over ranks.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    fn sum_over(ranks: &mut dyn Ranks, values: &mut [Self]) -> Result<(), RanksError>;

    /// Appends the little-endian bytes of `values`.
    fn write_bytes(values: &[Self], bytes: &mut Vec<u8>);

    /// Reads little-endian `bytes`, whose length is a multiple of the size of this type.
    fn read_bytes(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! real {
    ($type:ident, $dtype:ident, $sum:ident) => {
        impl Real for $type {
            const DTYPE: safetensors::Dtype = safetensors::Dtype::$dtype;

            fn square_root(self) -> Self {
                self.sqrt()
            }

            fn larger(self, other: Self) -> Self {
                if self > other { self } else { other }
            }

            fn sum_over(ranks: &mut dyn Ranks, values: &mut [Self]) -> Result<(), RanksError> {
                ranks.$sum(values)
            }

            fn write_bytes(values: &[Self], bytes: &mut Vec<u8>) {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }

            fn read_bytes(bytes: &[u8]) -> Vec<Self> {
                const SIZE: usize = size_of::<$type>();
                let chunks = bytes.chunks_exact(SIZE);
                assert!(
                    chunks.remainder().is_empty(),
                    "{} bytes are no whole number of {SIZE}-byte values",
                    bytes.len()
                );
                chunks
                    .map(|chunk| $type::from_le_bytes(chunk.try_into().expect("chunks_exact")))
                    .collect()
            }
        }
    };
}

real!(f32, F32, sum_f32);
real!(f64, F64, sum_f64);
