//! Predictions beside reference values: how large the errors are, and where the pairs lie.

use super::{Density, ErrorStatistics, ErrorSummary};
use serde::{Deserialize, Serialize};

/// Errors of a quantity, and the density of its pairs of reference value and prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// In the unit of the quantity.
    pub errors: ErrorStatistics,
    /// Reference values and predictions.
    pub density: Density,
}

impl Default for Parity {
    fn default() -> Self {
        Self {
            errors: ErrorStatistics::default(),
            density: Density::square(),
        }
    }
}

impl Parity {
    /// Takes in a reference value and its prediction.
    pub fn add(&mut self, pair: [f64; 2]) {
        self.errors.add(pair[0], pair[1]);
        self.density.add(pair);
    }

    /// Takes in the pairs of another part of the data.
    pub fn merge(&mut self, other: Self) {
        self.errors.merge(&other.errors);
        self.density.merge(other.density);
    }

    /// The means of the errors; `None` when nothing was compared.
    pub fn summary(&self) -> Option<ErrorSummary> {
        self.errors.summary()
    }
}
