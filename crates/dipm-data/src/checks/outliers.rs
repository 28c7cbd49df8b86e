//! Structures unlike the others: energies far from the rest, forces beyond reason, atoms too near.

use crate::checks::finding::structures;
use crate::checks::sample::{Entry, Sample, median};
use crate::checks::{Finding, Subject};

/// Energies this many times the typical deviation away are outliers …
const ENERGY_FACTOR: f64 = 20.0;
/// … if they are also this far away, eV/atom.
const ENERGY_LEAST: f64 = 1.0;
/// Forces this many times the typical one are outliers …
const FORCE_FACTOR: f64 = 50.0;
/// … if they are also this large, eV/Å.
const FORCE_LEAST: f64 = 50.0;
/// Structures named.
const NAMED: usize = 3;

pub(crate) fn check(sample: &Sample) -> Vec<Finding> {
    let findings: Vec<Finding> = [energies(sample), forces(sample)]
        .into_iter()
        .flatten()
        .collect();
    match findings.is_empty() {
        true => vec![Finding::note(
            Subject::Outliers,
            "no structure stands out by its energy or forces",
        )],
        false => findings,
    }
}

/// The worst of the entries whose measure is above a limit.
fn worst(entries: Vec<(f64, &Entry)>, limit: f64) -> Option<(usize, Vec<(f64, &Entry)>)> {
    let mut found: Vec<_> = entries.into_iter().filter(|(x, _)| *x > limit).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let count = found.len();
    found.truncate(NAMED);
    (count > 0).then_some((count, found))
}

fn energies(sample: &Sample) -> Option<Finding> {
    let per_atom = |e: &Entry| Some(e.excess? / e.structure.num_atoms() as f64);
    let values: Vec<(f64, &Entry)> = sample
        .entries
        .iter()
        .filter_map(|e| Some((per_atom(e)?, e)))
        .collect();
    let mut all: Vec<f64> = values.iter().map(|(x, _)| *x).collect();
    let centre = median(&mut all)?;
    let mut deviations: Vec<f64> = values.iter().map(|(x, _)| (x - centre).abs()).collect();
    let typical = median(&mut deviations)?;
    let limit = (ENERGY_FACTOR * typical).max(ENERGY_LEAST);
    let far = values
        .into_iter()
        .map(|(x, e)| ((x - centre).abs(), e))
        .collect();
    let (count, worst) = worst(far, limit)?;
    let what = format!(
        "{has} an energy more than {limit:.1} eV/atom from the others, the worst {:.1} eV/atom, where \
         {typical:.3} is typical",
        worst[0].0,
        has = structures(count, "has", "have"),
    );
    let advice = match count * 10 > all.len() {
        true => "so many are no outliers: are all files of the same method and in the same units?",
        false => "were these calculations converged, with the same settings as the others?",
    };
    let places = worst.iter().map(|(_, e)| e.structure.origin.clone());
    Some(Finding::warning(Subject::Outliers, what, advice).at(places))
}

fn forces(sample: &Sample) -> Option<Finding> {
    let largest = |e: &Entry| {
        let norms = e
            .structure
            .forces
            .as_ref()?
            .iter()
            .map(|f| crate::cell::norm(*f));
        Some(norms.fold(0.0, f64::max))
    };
    let values: Vec<(f64, &Entry)> = sample
        .entries
        .iter()
        .filter_map(|e| Some((largest(e)?, e)))
        .collect();
    let mut all: Vec<f64> = values.iter().map(|(x, _)| *x).collect();
    let typical = median(&mut all)?;
    let limit = (FORCE_FACTOR * typical).max(FORCE_LEAST);
    let (count, worst) = worst(values, limit)?;
    let what = format!(
        "{has} a force above {limit:.0} eV/Å, the largest {:.0} eV/Å, where {typical:.1} is typical for \
         the largest force of a structure",
        worst[0].0,
        has = structures(count, "has", "have"),
    );
    let advice = "are atoms too near, or is the calculation broken? One such force can dominate a whole epoch";
    let places = worst.iter().map(|(_, e)| e.structure.origin.clone());
    Some(Finding::warning(Subject::Outliers, what, advice).at(places))
}
