//! `dipm check`: configuration, data, and what training will cost.

use super::{Failure, cost, overrides, training::new_model};
use crate::cli::CheckArgs;
use crate::config;
use crate::datasets::Datasets;
use crate::run_config::RunConfig;
use dipm_data::{Finding, Severity};
use dipm_models::{Mode, Model};
use dipm_train::{Real, TrainingStep, take_parameters};

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = config::read(&args.config, &overrides(&args.data))?;
    let mut datasets = Datasets::open(&config.dataset)?;
    datasets.check()?;
    print!("{}", datasets.prepared.report);
    let of_parameters = cost::of_parameters(&config, &datasets)?;
    print_all(&of_parameters);
    refuse_errors(&of_parameters)?;
    let model = new_model(&config, &datasets)?;
    let costs = match config.train.dtype.is_double() {
        true => probe::<f64>(model, &config, &datasets)?,
        false => probe::<f32>(model, &config, &datasets)?,
    };
    print_all(&costs);
    let mut findings = datasets.prepared.report.findings;
    findings.extend(costs);
    refuse_errors(&findings)?;
    let warnings = findings.iter();
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

/// Prints findings, a paragraph each.
pub(super) fn print_all(findings: &[Finding]) {
    findings
        .iter()
        .for_each(|finding| print!("{}", finding.paragraph()));
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
    mut model: Model,
    config: &RunConfig,
    datasets: &Datasets,
) -> Result<Vec<Finding>, Failure> {
    let section = &config.train;
    let storage = section.dtype.storage();
    let mut objective =
        TrainingStep::<T>::with_storage(&model, &section.loss, Mode::Training, storage);
    cost::of_training(
        &mut objective,
        &take_parameters::<T>(&mut model),
        config,
        datasets,
        false,
    )
}
