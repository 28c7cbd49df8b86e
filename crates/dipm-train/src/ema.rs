//! The running average of the parameters that is evaluated and saved.

use crate::Real;

/// Zero-initialised exponential average of the parameters, updated after every batch.
///
/// After n updates a ← d·a + (1 − d)·p, the unbiased average is a / (1 − dⁿ): it equals the
/// parameters after the first update. The limit d → 1 of that average is the plain mean of all
/// parameters so far, and that is what `decay` 1 keeps here (dipm 0.0.8 divides 0 by 0).
#[derive(Debug, Clone, PartialEq)]
pub struct Ema<T> {
    pub(crate) decay: f64,
    pub(crate) updates: u64,
    pub(crate) average: Vec<T>,
}

/// a ← keep·a + add·p of one update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blend<T> {
    pub keep: T,
    pub add: T,
}

impl<T: Real> Ema<T> {
    /// An average over nothing yet, of `len` parameters; `decay` lies between 0 and 1.
    pub fn new(decay: f64, len: usize) -> Self {
        assert!(
            (0.0..=1.0).contains(&decay),
            "ema_decay {decay} outside 0..=1"
        );
        Ema {
            decay,
            updates: 0,
            average: vec![T::default(); len],
        }
    }

    /// Number of updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Counts one update and says how it blends.
    pub(crate) fn next_blend(&mut self) -> Blend<T> {
        self.updates += 1;
        let add = if self.decay == 1.0 {
            1.0 / self.updates as f64
        } else {
            1.0 - self.decay
        };
        Blend {
            keep: T::from_f64(1.0 - add),
            add: T::from_f64(add),
        }
    }

    /// Takes in the parameters after one batch.
    pub fn update(&mut self, parameters: &[T]) {
        assert_eq!(
            parameters.len(),
            self.average.len(),
            "parameters and average differ in length"
        );
        let blend = self.next_blend();
        for (average, &parameter) in self.average.iter_mut().zip(parameters) {
            *average = blend.keep * *average + blend.add * parameter;
        }
    }

    /// Replaces the content of a buffer by the unbiased average; false before the first update.
    pub fn debias_into(&self, buffer: &mut Vec<T>) -> bool {
        if self.updates == 0 {
            return false;
        }
        buffer.clear();
        if self.decay == 1.0 {
            buffer.extend_from_slice(&self.average);
            return true;
        }
        let weight = 1.0 - self.decay.powf(self.updates as f64);
        let weight = T::from_f64(weight);
        buffer.extend(self.average.iter().map(|&average| average / weight));
        true
    }

    /// The unbiased average; `None` before the first update.
    pub fn debiased(&self) -> Option<Vec<T>> {
        let mut values = Vec::new();
        self.debias_into(&mut values).then_some(values)
    }
}
