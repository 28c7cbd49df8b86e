//! `dipm check`: configuration, data, and what training will cost.

use super::{Failure, overrides, training::new_model};
use crate::cli::CheckArgs;
use crate::config;
use crate::datasets::Datasets;
use crate::resources::{available_memory_mib, peak_memory_mib};
use crate::run_config::RunConfig;
use dipm_data::{Batch, Finding, Severity, Subject};
use dipm_models::{Mode, Model, NoiseKey};
use dipm_train::{Objective, Real, TrainError, TrainingStep, flat_parameters};
use std::time::Instant;

/// Batches of which the largest is tried.
const TRIED: usize = 4;
/// A step that takes longer is not repeated, in seconds.
const LONG_STEP: f64 = 5.0;

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = config::read(&args.config, &overrides(&args.data))?;
    let mut datasets = Datasets::open(&config.dataset)?;
    datasets.check()?;
    print!("{}", datasets.prepared.report);
    let model = new_model(&config, &datasets)?;
    let costs = match config.train.dtype.is_double() {
        true => probe::<f64>(&model, &config, &datasets)?,
        false => probe::<f32>(&model, &config, &datasets)?,
    };
    costs
        .iter()
        .for_each(|finding| print!("{}", finding.paragraph()));
    let findings = &datasets.prepared.report.findings;
    refuse_errors(findings)?;
    let warnings = findings.iter().chain(&costs);
    let warnings = warnings.filter(|f| f.severity == Severity::Warning).count();
    match warnings {
        0 => println!("ready to train"),
        n => println!("ready to train, with {} to look at", count(n, "warning")),
    }
    Ok(())
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// Fails where a finding cannot be right.
pub(super) fn refuse_errors(findings: &[Finding]) -> Result<(), Failure> {
    let errors = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .count();
    match errors {
        0 => Ok(()),
        n => Err(Failure::Findings(count(n, "line"))),
    }
}

fn probe<T: Real + dipm_models::Real>(
    model: &Model,
    config: &RunConfig,
    datasets: &Datasets,
) -> Result<Vec<Finding>, Failure> {
    let section = &config.train;
    let storage = section.dtype.storage();
    let mut objective =
        TrainingStep::<T>::with_storage(model, &section.loss, Mode::Training, storage);
    cost(
        &mut objective,
        &flat_parameters::<T>(model),
        config,
        datasets,
    )
}

/// Time and memory of training, from a step on the largest of the first batches. Nothing of the run is changed.
pub(super) fn cost<T: Real + dipm_models::Real>(
    objective: &mut TrainingStep<T>,
    parameters: &[T],
    config: &RunConfig,
    datasets: &Datasets,
) -> Result<Vec<Finding>, Failure> {
    let batches = datasets.first_batches(TRIED)?;
    let largest = batches.into_iter().max_by_key(Batch::total_edges);
    let batch = largest.ok_or(TrainError::NoTrainingData { epoch: 1 })?;
    let weights = config.train.loss.weights(1);
    let mut gradient = vec![T::default(); parameters.len()];
    let mut step = || -> Result<f64, Failure> {
        let start = Instant::now();
        objective.gradient(
            parameters,
            &batch,
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
    let step_mib = objective.executor().memory_bytes() as f64 / 1048576.0;
    let others_mib = (peak_memory_mib() - step_mib).max(0.0);
    objective.executor().release_memory();
    let edges = batch.total_edges().max(1) as f64;
    let train = &datasets.prepared.train;
    let total: u64 = (0..train.len())
        .filter_map(|i| train.size(i))
        .map(|(_, e)| u64::from(e))
        .sum();
    let epoch = seconds * total as f64 / edges / datasets.shard.count as f64;
    let epochs = config.train.training.num_epochs;
    let largest_mib = step_mib * (datasets.most_edges()? as f64 / edges).max(1.0);
    let sentence = format!(
        "a step on {} structures, {} atoms, {} edges takes {}, so an epoch about {} and {epochs} epochs about {}, without \
         validation; memory {:.0} MiB for the step, at most about {:.0} MiB for the largest possible batch, and {:.0} MiB besides",
        batch.num_structures(),
        batch.total_atoms(),
        batch.total_edges(),
        duration(seconds),
        duration(epoch),
        duration(epoch * epochs as f64),
        step_mib,
        largest_mib,
        others_mib,
    );
    let mut findings = vec![Finding::note(Subject::Cost, sentence)];
    let needed = largest_mib + others_mib;
    if let Some(available) = available_memory_mib().filter(|available| needed > *available) {
        let what = format!(
            "training may need {needed:.0} MiB of memory, {available:.0} MiB are available"
        );
        let advice = "lower `batch_size`, set `max_n_edge`, or choose a smaller model";
        findings.push(Finding::warning(Subject::Cost, what, advice));
    }
    Ok(findings)
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
