//! Errors of predictions against reference values, and how much of the variation they explain.

use dipm_train::ErrorSums;
use serde::{Deserialize, Serialize};

/// Sums over pairs of a reference value and its prediction.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ErrorStatistics {
    errors: ErrorSums,
    /// Σ (predicted − reference)
    signed: f64,
    largest: f64,
    /// Mean of the reference values and Σ (y − mean)², updated as by Welford, Technometrics 4, 419 (1962).
    mean: f64,
    variation: f64,
}

/// Errors of a quantity, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ErrorSummary {
    /// Values compared.
    pub count: u64,
    /// Mean absolute error.
    pub mae: f64,
    /// Root mean square error.
    pub rmse: f64,
    /// Largest absolute error.
    pub max: f64,
    /// Mean of predicted − reference.
    pub bias: f64,
    /// 1 − Σ (y − ŷ)² / Σ (y − ȳ)²; `None` if all reference values are the same.
    pub r2: Option<f64>,
}

impl ErrorStatistics {
    /// Takes in one pair.
    pub fn add(&mut self, reference: f64, predicted: f64) {
        let error = reference - predicted;
        self.errors.add(error);
        self.signed -= error;
        // a NaN stays
        if error.is_nan() || error.abs() > self.largest {
            self.largest = error.abs();
        }
        let difference = reference - self.mean;
        self.mean += difference / self.errors.count as f64;
        self.variation += difference * (reference - self.mean);
    }

    /// Takes in the pairs of other sums, as Chan, Golub and LeVeque, COMPSTAT 1982, 30.
    pub fn merge(&mut self, other: &Self) {
        if other.errors.count == 0 {
            return;
        }
        let (count, others) = (self.errors.count as f64, other.errors.count as f64);
        let share = others / (count + others);
        let difference = other.mean - self.mean;
        self.mean += difference * share;
        self.variation += other.variation + difference * difference * count * share;
        self.errors.merge(&other.errors);
        self.signed += other.signed;
        if other.largest.is_nan() || other.largest > self.largest {
            self.largest = other.largest;
        }
    }

    /// The means; `None` when nothing was compared.
    pub fn summary(&self) -> Option<ErrorSummary> {
        let errors = self.errors.summary()?;
        Some(ErrorSummary {
            count: self.errors.count,
            mae: errors.mae,
            rmse: errors.rmse,
            max: self.largest,
            bias: self.signed / self.errors.count as f64,
            r2: (self.variation > 0.0).then(|| 1.0 - self.errors.squared / self.variation),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_that_of_straightforward_sums() {
        // a large offset, as energies have, does not spoil R²
        let pairs: Vec<(f64, f64)> = (0..1000)
            .map(f64::from)
            .map(|i| {
                (
                    -9000.0 + (0.7 * i).sin(),
                    -9000.0 + (0.7 * i).sin() + 0.1 * (1.3 * i).cos(),
                )
            })
            .collect();
        let mut statistics = ErrorStatistics::default();
        pairs
            .iter()
            .for_each(|&(y, predicted)| statistics.add(y, predicted));
        let summary = statistics.summary().unwrap();
        let n = pairs.len() as f64;
        let errors: Vec<f64> = pairs.iter().map(|(y, p)| y - p).collect();
        let mean = pairs.iter().map(|(y, _)| y).sum::<f64>() / n;
        let squares = errors.iter().map(|e| e * e).sum::<f64>();
        let variation = pairs.iter().map(|(y, _)| (y - mean).powi(2)).sum::<f64>();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(summary.mae, errors.iter().map(|e| e.abs()).sum::<f64>() / n);
        close(summary.rmse, (squares / n).sqrt());
        close(summary.max, errors.iter().fold(0.0, |m, e| m.max(e.abs())));
        close(summary.r2.unwrap(), 1.0 - squares / variation);
        close(summary.bias, -errors.iter().sum::<f64>() / n);
        assert_eq!(summary.count, 1000);
    }

    #[test]
    fn a_constant_has_no_variation_to_explain_and_a_nan_is_not_lost() {
        let mut statistics = ErrorStatistics::default();
        assert_eq!(statistics.summary(), None);
        statistics.add(2.0, 1.5);
        statistics.add(2.0, f64::NAN);
        statistics.add(2.0, 2.5);
        let summary = statistics.summary().unwrap();
        assert!(summary.max.is_nan() && summary.rmse.is_nan());
        assert_eq!(summary.r2, None);
    }
}
