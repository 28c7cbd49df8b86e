//! The floating-point types that a model is computed in.

use dipm_field::Scalar;

/// Precision of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32
    Single,
    /// f64
    Double,
}

/// A type that a model is computed in: f32 or f64.
pub trait Real: Scalar {
    /// Its precision.
    const PRECISION: Precision;

    /// The nearest value.
    fn from_double(value: f64) -> Self;

    /// The same value.
    fn into_double(self) -> f64;
}

impl Real for f32 {
    const PRECISION: Precision = Precision::Single;

    fn from_double(value: f64) -> Self {
        value as f32
    }

    fn into_double(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const PRECISION: Precision = Precision::Double;

    fn from_double(value: f64) -> Self {
        value
    }

    fn into_double(self) -> f64 {
        self
    }
}
