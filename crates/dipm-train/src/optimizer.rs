//! AMSGrad with coupled weight decay, clipping, accumulation and a schedule, over one flat buffer
//! of parameters.
//!
//! The arithmetic runs in the type of the parameters in one fixed order, so that equal inputs give
//! equal bits on any number of threads and any x86-64 or aarch64 machine: no fused multiply-add, no
//! run-time choice of instructions.

use std::ops::Range;

use crate::ema::Blend;
pub use crate::ema::Ema;
use crate::{OptimizerConfig, Real, Schedule};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// What one batch did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MicroStep {
    /// Learning rate of this batch.
    pub learning_rate: f64,
    /// Whether the parameters moved: false while gradients are being accumulated.
    pub updated: bool,
}

/// Everything the optimizer remembers; saved in checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState<T> {
    /// Batches seen; counts the schedule.
    pub micro_steps: u64,
    /// Updates made; counts the bias correction.
    pub updates: u64,
    /// Batches in `accumulated`.
    pub num_accumulated: u32,
    /// Mean gradient since the last update; empty when every batch updates.
    pub accumulated: Vec<T>,
    /// μ, mean of the gradients.
    pub first_moment: Vec<T>,
    /// ν, mean of their squares.
    pub second_moment: Vec<T>,
    /// Largest bias-corrected ν so far.
    pub max_second_moment: Vec<T>,
}

/// Moves parameters along gradients.
///
/// One batch with gradient g at learning rate η (see [`Schedule`]); λ, the largest norm c and k
/// come from the config:
///
/// 1. ḡ ← ḡ + (g − ḡ)/(j + 1) for j = 0 … k − 1, and only after the last of these:
/// 2. ḡ ← ḡ + λ·p for the decayed parameters (L2, not the decoupled decay of AdamW);
/// 3. ḡ ← ḡ·c/‖ḡ‖ if ‖ḡ‖ ≥ c; a zero gradient stays zero also for c = 0 (0.0.8: NaN);
/// 4. μ ← 0.9 μ + 0.1 ḡ; ν ← 0.999 ν + 0.001 ḡ²; ν_max ← max(ν_max, ν/(1 − 0.999ᵗ));
/// 5. p ← p − η·μ/(1 − 0.9ᵗ) / (√ν_max + 1e-8), with t the number of updates including this one.
///
/// Reddi et al., ICLR 2018, with the maximum taken over bias-corrected moments as in optax.
#[derive(Debug, Clone)]
pub struct Optimizer<T> {
    schedule: Schedule,
    num_accumulation: u32,
    grad_norm: f64,
    /// Ranges of the flat buffer and their λ, covering all of it in order.
    decay: Vec<(Range<usize>, f64)>,
    state: OptimizerState<T>,
}

impl<T: Real> Optimizer<T> {
    /// An optimizer at rest. `parameters` gives length and decay of each parameter in the order of
    /// the flat buffer; see [`crate::decayed_parameters`].
    pub fn new(
        config: &OptimizerConfig,
        parameters: impl IntoIterator<Item = (usize, bool)>,
    ) -> Self {
        let mut decay: Vec<(Range<usize>, f64)> = Vec::new();
        let mut len = 0;
        for (parameter_len, decays) in parameters {
            let lambda = if decays { config.weight_decay } else { 0.0 };
            let end = len + parameter_len;
            match decay.last_mut() {
                Some((range, last)) if *last == lambda => range.end = end,
                _ => decay.push((len..end, lambda)),
            }
            len = end;
        }
        let zeros = || vec![T::default(); len];
        let num_accumulation = config.num_gradient_accumulation_steps;
        Optimizer {
            schedule: Schedule::new(config),
            num_accumulation,
            grad_norm: config.grad_norm,
            decay,
            state: OptimizerState {
                micro_steps: 0,
                updates: 0,
                num_accumulated: 0,
                accumulated: if config.accumulates() {
                    zeros()
                } else {
                    Vec::new()
                },
                first_moment: zeros(),
                second_moment: zeros(),
                max_second_moment: zeros(),
            },
        }
    }

    /// What has to be saved.
    pub fn state(&self) -> &OptimizerState<T> {
        &self.state
    }

    /// Goes on from a saved state, which must have been made with as many parameters and
    /// accumulation steps.
    pub fn set_state(&mut self, state: OptimizerState<T>) {
        assert_eq!(
            state.first_moment.len(),
            self.state.first_moment.len(),
            "moments of another model"
        );
        assert_eq!(
            state.second_moment.len(),
            self.state.first_moment.len(),
            "moments of another model"
        );
        assert_eq!(
            state.max_second_moment.len(),
            self.state.first_moment.len(),
            "moments of another model"
        );
        assert_eq!(
            state.accumulated.len(),
            self.state.accumulated.len(),
            "other accumulation"
        );
        self.state = state;
    }

    /// Continues the counters of another optimizer with zero moments.
    pub fn set_counters(&mut self, micro_steps: u64) {
        self.state.micro_steps = micro_steps;
    }

    /// Takes in the gradient of one batch and updates parameters and average (module
    /// documentation).
    pub fn step(&mut self, parameters: &mut [T], gradient: &[T], ema: &mut Ema<T>) -> MicroStep {
        let learning_rate = self.schedule.learning_rate(self.state.micro_steps);
        self.step_at(learning_rate, parameters, gradient, ema)
    }

    fn step_at(
        &mut self,
        learning_rate: f64,
        parameters: &mut [T],
        gradient: &[T],
        ema: &mut Ema<T>,
    ) -> MicroStep {
        let len = self.state.first_moment.len();
        assert_eq!(parameters.len(), len, "parameters of another model");
        assert_eq!(gradient.len(), len, "gradient of another model");
        assert_eq!(ema.average.len(), len, "average of another model");
        self.state.micro_steps += 1;
        if self.num_accumulation == 1 {
            self.update(learning_rate, parameters, Some(gradient), ema);
            return MicroStep {
                learning_rate,
                updated: true,
            };
        }
        self.accumulate(gradient);
        let updated = self.state.num_accumulated == self.num_accumulation;
        if updated {
            self.update(learning_rate, parameters, None, ema);
            self.state.accumulated.fill(T::default());
            self.state.num_accumulated = 0;
        } else {
            ema.update(parameters);
        }
        MicroStep {
            learning_rate,
            updated,
        }
    }

    /// ḡ ← ḡ + (g − ḡ)/(j + 1)
    fn accumulate(&mut self, gradient: &[T]) {
        let count = T::from_f64(f64::from(self.state.num_accumulated + 1));
        for (mean, &new) in self.state.accumulated.iter_mut().zip(gradient) {
            *mean += (new - *mean) / count;
        }
        self.state.num_accumulated += 1;
    }

    /// Steps 2 to 5 with `gradient`, or with the accumulated one.
    fn update(
        &mut self,
        learning_rate: f64,
        parameters: &mut [T],
        gradient: Option<&[T]>,
        ema: &mut Ema<T>,
    ) {
        let state = &mut self.state;
        state.updates += 1;
        let gradient = gradient.unwrap_or(&state.accumulated);
        let scale = clipping_scale(
            decayed_norm(gradient, parameters, &self.decay),
            self.grad_norm,
        );
        let steps = state.updates as f64;
        let blend = ema.next_blend();
        for (range, lambda) in &self.decay {
            let range = range.clone();
            amsgrad(
                &mut parameters[range.clone()],
                &gradient[range.clone()],
                &mut state.first_moment[range.clone()],
                &mut state.second_moment[range.clone()],
                &mut state.max_second_moment[range.clone()],
                &mut ema.average[range],
                &Coefficients {
                    lambda: T::from_f64(*lambda),
                    scale: T::from_f64(scale),
                    correction: T::from_f64(1.0 / (1.0 - BETA_2.powf(steps))),
                    rate: T::from_f64(learning_rate / (1.0 - BETA_1.powf(steps))),
                    blend,
                },
            );
        }
    }
}

/// Scalars of one update.
struct Coefficients<T> {
    lambda: T,
    scale: T,
    /// 1/(1 − β₂ᵗ)
    correction: T,
    /// η/(1 − β₁ᵗ)
    rate: T,
    blend: Blend<T>,
}

/// Steps 2 to 5 and the average in one pass that reads and writes each array once.
fn amsgrad<T: Real>(
    parameters: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
    largest: &mut [T],
    average: &mut [T],
    c: &Coefficients<T>,
) {
    let n = parameters.len();
    // Equal lengths known to the compiler: no bounds checks in the loop, which then uses vector
    // instructions.
    let (gradient, first, second) = (&gradient[..n], &mut first[..n], &mut second[..n]);
    let (largest, average) = (&mut largest[..n], &mut average[..n]);
    let (beta_1, rest_1) = (T::from_f64(BETA_1), T::from_f64(1.0 - BETA_1));
    let (beta_2, rest_2) = (T::from_f64(BETA_2), T::from_f64(1.0 - BETA_2));
    let epsilon = T::from_f64(EPSILON);
    for i in 0..n {
        let p = parameters[i];
        let g = (gradient[i] + c.lambda * p) * c.scale;
        let mu = beta_1 * first[i] + rest_1 * g;
        let nu = beta_2 * second[i] + rest_2 * (g * g);
        let nu_max = (nu * c.correction).larger(largest[i]);
        let p = p - c.rate * mu / (nu_max.square_root() + epsilon);
        first[i] = mu;
        second[i] = nu;
        largest[i] = nu_max;
        parameters[i] = p;
        average[i] = c.blend.keep * average[i] + c.blend.add * p;
    }
}

/// Factor of step 3 for a gradient of length `norm`.
fn clipping_scale(norm: f64, grad_norm: f64) -> f64 {
    if norm < grad_norm {
        1.0
    } else if norm == 0.0 {
        0.0
    } else {
        grad_norm / norm
    }
}

/// ‖g + λ p‖₂
fn decayed_norm<T: Real>(gradient: &[T], parameters: &[T], decay: &[(Range<usize>, f64)]) -> f64 {
    let mut sum = 0.0;
    for (range, lambda) in decay {
        let gradient = &gradient[range.clone()];
        sum += if *lambda == 0.0 {
            sum_of_squares(gradient.len(), |i| gradient[i])
        } else {
            let (lambda, parameters) = (T::from_f64(*lambda), &parameters[range.clone()]);
            sum_of_squares(gradient.len(), |i| gradient[i] + lambda * parameters[i])
        };
    }
    sum.sqrt()
}

/// ‖g‖₂ in f64: the global norm of a gradient that is reported and tested for being finite.
pub fn norm<T: Real>(values: &[T]) -> f64 {
    sum_of_squares(values.len(), |i| values[i]).sqrt()
}

/// Σ value(i)² over `len` values: blocks in the type of the parameters over eight lanes, their sums
/// in f64. A block that overflows is summed again in f64.
fn sum_of_squares<T: Real>(len: usize, value: impl Fn(usize) -> T) -> f64 {
    const BLOCK: usize = 1024;
    const LANES: usize = 8;
    let mut total = 0.0;
    for start in (0..len).step_by(BLOCK) {
        let end = len.min(start + BLOCK);
        let mut lanes = [T::default(); LANES];
        let whole = start + (end - start) / LANES * LANES;
        for chunk in (start..whole).step_by(LANES) {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                let value = value(chunk + lane);
                *sum += value * value;
            }
        }
        for i in whole..end {
            lanes[i - whole] += value(i) * value(i);
        }
        let block: f64 = lanes.iter().map(|sum| sum.to_f64()).sum();
        total += if block.is_finite() {
            block
        } else {
            (start..end).map(|i| value(i).to_f64().powi(2)).sum()
        };
    }
    total
}

#[cfg(test)]
#[path = "optimizer_tests.rs"]
mod tests;
