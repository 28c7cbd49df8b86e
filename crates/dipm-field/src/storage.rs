//! Numbers of 16 bits, as values may be kept in between groups.

/// A binary format of 16 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Half {
    /// Sign, 8 bits of exponent, 7 of mantissa: the range of f32 with a relative error of at most
    /// 2⁻⁹ (0.2 %).
    Bfloat16,
    /// Sign, 5 bits of exponent, 10 of mantissa (IEEE binary16): at most 65504, with a relative
    /// error of at most 2⁻¹² from 6.1e-5 upwards.
    Float16,
}

impl Half {
    /// The nearest number of this format, ties to even; NaN stays NaN.
    pub(crate) fn bits(self, x: f32) -> u16 {
        match self {
            Half::Bfloat16 => ::half::bf16::from_f32(x).to_bits(),
            Half::Float16 => ::half::f16::from_f32(x).to_bits(),
        }
    }

    /// The number with these bits.
    pub(crate) fn number(self, bits: u16) -> f32 {
        match self {
            Half::Bfloat16 => ::half::bf16::from_bits(bits).to_f32(),
            Half::Float16 => ::half::f16::from_bits(bits).to_f32(),
        }
    }
}
