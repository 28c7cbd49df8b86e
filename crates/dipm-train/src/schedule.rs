//! The learning rate: a linear rise, a linear change, then constant.

use crate::OptimizerConfig;

/// Learning rate as a function of the number of batches seen.
///
/// With W = `warmup_steps` and T = `transition_steps`, batch s (from 0) uses
///
/// - s < W: init + (peak − init)·s/W,
/// - s ≥ W: peak + (final − peak)·min(s − W, T)/T; the peak for ever where T = 0.
///
/// Batches count, not updates: with gradient accumulation, W and T are in batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    init: f64,
    peak: f64,
    last: f64,
    warmup: u64,
    transition: u64,
}

impl Schedule {
    /// The schedule of a configuration.
    pub fn new(config: &OptimizerConfig) -> Self {
        Schedule {
            init: config.init_learning_rate,
            peak: config.peak_learning_rate,
            last: config.final_learning_rate,
            warmup: config.warmup_steps,
            transition: config.transition_steps,
        }
    }

    /// Learning rate of batch `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.init + (self.peak - self.init) * (step as f64 / self.warmup as f64);
        }
        let since = (step - self.warmup).min(self.transition);
        if since == 0 {
            return self.peak;
        }
        self.peak + (self.last - self.peak) * (since as f64 / self.transition as f64)
    }
}
