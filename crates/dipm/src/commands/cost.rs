//! What training will cost in memory and time, as far as it can be known before the first step.

use super::{Failure, disk};
use crate::datasets::Datasets;
use crate::resources::{MIB, available_memory_mib, peak_memory_mib};
use crate::run_config::RunConfig;
use dipm_data::{Batch, Finding, Subject};
use dipm_models::NoiseKey;
use dipm_train::{Objective, Real, TrainError, TrainingStep, memory::resident_mib};
use std::time::Instant;

/// Batches of which the largest is tried.
const TRIED: usize = 4;
/// A step that takes longer is not repeated, in seconds.
const LONG_STEP: f64 = 5.0;
/// Copies of the parameters beside those that are trained: gradient, three moments, average. What is judged
/// takes the place of the gradient.
const COPIES: f64 = 5.0;
const ADVICE: &str =
    "lower `batch_size`, set `max_n_edge`, take `dtype: bfloat16`, or choose a smaller model";

/// What follows from the number of parameters alone, found before any of them takes memory: the size of what
/// is written, and whether memory is too small.
///
/// # Errors
/// Options that make no model.
pub(super) fn of_parameters(run: &RunConfig, datasets: &Datasets) -> Result<Vec<Finding>, Failure> {
    let parameters = run.model.config.build(datasets.info())?.parameters();
    let count: usize = parameters.iter().map(|parameter| parameter.len()).sum();
    let has_validation = datasets.prepared.valid.is_some();
    let mut findings = vec![disk::finding(run, count, has_validation)];
    findings.extend(memory_of_parameters(count, run, datasets));
    Ok(findings)
}

/// An error where memory is too small for the parameters alone.
fn memory_of_parameters(count: usize, run: &RunConfig, datasets: &Datasets) -> Option<Finding> {
    let copies = 1.0 + COPIES + extra_copies(run, datasets);
    let needed = copies * (count * run.train.dtype.bytes()) as f64 / MIB;
    let available = available_memory_mib().filter(|available| needed > *available);
    available.map(|available| {
        let what = format!(
            "{count} parameters with their gradient, moments and averages need {needed:.0} MiB of memory, {available:.0} MiB are \
             available"
        );
        let advice = "choose a smaller model (fewer layers or channels, for UMA also fewer experts), or a machine with more memory";
        too_large(what, advice)
    })
}

/// Copies of the parameters that only some runs have: the accumulated gradient, and without a results
/// directory, which only the first process has, the best model.
fn extra_copies(run: &RunConfig, datasets: &Datasets) -> f64 {
    let accumulates = run.train.optimizer.accumulates();
    let directory = &run.train.checkpoints.local_model_output_dir;
    let keeps_best = directory.is_none() || datasets.shard.index > 0;
    f64::from(u8::from(accumulates) + u8::from(keeps_best))
}

fn too_large(what: String, advice: &str) -> Finding {
    Finding::warning(Subject::Cost, what, advice).with_severity(dipm_data::Severity::Error)
}

/// Memory of training, from the sizes of its plan, and time, from a step on the largest of the first batches
/// if that fits or is to be tried `anyway`. Nothing of the run is changed.
///
/// # Errors
/// Those of reading and of the step.
pub(super) fn of_training<T: Real + dipm_models::Real>(
    objective: &mut TrainingStep<T>,
    parameters: &[T],
    config: &RunConfig,
    datasets: &Datasets,
    anyway: bool,
) -> Result<Vec<Finding>, Failure> {
    let batches = datasets.first_batches(TRIED)?;
    let largest = batches.into_iter().max_by_key(Batch::total_edges);
    let batch = largest.ok_or(TrainError::NoTrainingData { epoch: 1 })?;
    let edges = batch.total_edges().max(1) as f64;
    let growth = (datasets.most_edges()? as f64 / edges).max(1.0);
    let [step, evaluation] = objective
        .memory_needed(parameters, &batch)?
        .map(|bytes| bytes as f64 / MIB);
    let copy = size_of_val(parameters) as f64 / MIB;
    let copies = (COPIES + extra_copies(config, datasets)) * copy;
    let prefetched = datasets.prefetched_batches() as f64 * batch.bytes() as f64 / MIB;
    let more = copies + prefetched + f64::max(step, evaluation) * growth;
    let resident = resident_mib().unwrap_or_else(peak_memory_mib);
    let peak = f64::max(resident + more, peak_memory_mib());
    let memory = format!(
        "memory {step:.0} MiB for a step, at most about {:.0} MiB for the largest possible batch, {peak:.0} MiB in all",
        step * growth
    );
    if let Some(available) = available_memory_mib().filter(|available| more > *available) {
        let what = format!(
            "training may need {more:.0} MiB of memory more than the {resident:.0} MiB it has, {available:.0} MiB are available: {memory}"
        );
        let finding = too_large(what, ADVICE);
        if !anyway {
            return Ok(vec![finding]);
        }
    }
    let seconds = seconds_of_step(objective, parameters, config, &batch)?;
    let train = &datasets.prepared.train;
    let total: u64 = (0..train.len())
        .filter_map(|i| train.size(i))
        .map(|(_, e)| u64::from(e))
        .sum();
    let epoch = seconds * total as f64 / edges / datasets.shard.count as f64;
    let epochs = config.train.training.num_epochs;
    let sentence = format!(
        "a step on {} structures, {} atoms, {} edges takes {}, so an epoch about {} and {epochs} epochs about {}, without \
         validation; {memory}",
        batch.num_structures(),
        batch.total_atoms(),
        batch.total_edges(),
        duration(seconds),
        duration(epoch),
        duration(epoch * epochs as f64),
    );
    Ok(vec![Finding::note(Subject::Cost, sentence)])
}

fn seconds_of_step<T: Real + dipm_models::Real>(
    objective: &mut TrainingStep<T>,
    parameters: &[T],
    config: &RunConfig,
    batch: &Batch,
) -> Result<f64, Failure> {
    let weights = config.train.loss.weights(1);
    let mut gradient = vec![T::default(); parameters.len()];
    let mut step = || -> Result<f64, Failure> {
        let start = Instant::now();
        objective.gradient(
            parameters,
            batch,
            &weights,
            NoiseKey::default(),
            &mut gradient,
        )?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut seconds = step()?;
    if seconds < LONG_STEP {
        // the first step also takes its memory from the system
        seconds = step()?;
    }
    objective.executor().release_memory();
    Ok(seconds)
}

/// A time as a person would say it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_are_said_in_units_that_fit() {
        let shown = [0.0123, 3.21, 600.0, 36000.0].map(duration);
        assert_eq!(shown, ["12 ms", "3.2 s", "10 minutes", "10.0 hours"]);
    }
}
