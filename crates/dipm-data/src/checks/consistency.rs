//! Whether energies and forces belong together, by pairs of near structures.

use crate::checks::pairs::{Cells, Line, Pair, line_of_nearest};
use crate::checks::sample::{Sample, median};
use crate::checks::units::{BOHR, ENERGIES, FORCES, Unit};
use crate::checks::{Finding, Severity, Subject};
use crate::structure::Structure;

/// Slopes that anharmonic surfaces give with right units.
const RIGHT: std::ops::RangeInclusive<f64> = 0.62..=1.6;
/// Slopes outside these are no matter of anharmonicity.
const MILD: std::ops::RangeInclusive<f64> = 0.4..=2.5;
/// Correlation from which a mild slope is taken for certain.
const CERTAIN: f64 = 0.95;
/// Logarithm of the ratio up to which a slope is taken for that of a pair of units.
const SAME_FACTOR: f64 = 0.3;

pub(crate) fn check(sample: &Sample, forces_are_trained: bool) -> Vec<Finding> {
    let found = sample.by_file(examine);
    if found.is_empty() {
        let sentence = "whether energies and forces agree could not be checked: there are too few structures of the \
                        same atoms that are near each other";
        return vec![Finding::note(Subject::Forces, sentence)];
    }
    let (right, wrong): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(line, _)| RIGHT.contains(&line.slope));
    let mut findings = Vec::new();
    if let Some(line) = Line::mean(right.iter().map(|(line, _)| line)) {
        let sentence = format!(
            "energies and forces agree: energies of {} pairs of near structures change {:.2} times as much as \
             their forces say",
            line.count, line.slope
        );
        findings.push(Finding::note(Subject::Forces, sentence));
    }
    for (line, typical_force) in wrong {
        // a strongly anharmonic surface may give a factor near these, but no straight line
        let is_certain = !MILD.contains(&line.slope) || line.correlation >= CERTAIN;
        let severity = match forces_are_trained && is_certain {
            true => Severity::Error,
            false => Severity::Warning,
        };
        let finding = disagreement(&line, typical_force).with_severity(severity);
        findings.push(finding.at(line.nearest));
    }
    findings
}

/// The line of energies over the work of forces, and the median norm of the forces.
fn examine(structures: &[&Structure]) -> Option<(Line, f64)> {
    let of_forces = |pair: &Pair| Some((pair.forces, pair.energy));
    // with different cells, energies change by the work of the stress as well
    let besides_stress = |pair: &Pair| Some((pair.forces, pair.energy - pair.stress?));
    let line = line_of_nearest(structures, Cells::Equal, of_forces);
    let line = line.or_else(|| line_of_nearest(structures, Cells::Strained, besides_stress))?;
    Some((line, typical_force(structures.iter().copied())))
}

fn disagreement(found: &Line, typical_force: f64) -> Finding {
    let what = format!(
        "energies and forces do not belong together: energies of {} pairs of near structures change {:.4} times as \
         much as their forces say (correlation {:.2})",
        found.count, found.slope, found.correlation
    );
    if RIGHT.contains(&-found.slope) {
        let advice = "these are gradients, not forces: multiply them by −1";
        return Finding::warning(Subject::Forces, what, advice);
    }
    if (0.8..1.2).contains(&(found.slope / BOHR)) {
        let advice = "this fits positions in Bohr: multiply positions and cells by 0.529177";
        return Finding::warning(Subject::Forces, what, advice);
    }
    let readings = readings(found.slope.abs(), typical_force);
    let sign = match found.slope < 0.0 {
        true => ", and the forces have the wrong sign",
        false => "",
    };
    let advice = match readings.as_slice() {
        [] => format!(
            "no pair of common units gives this factor{sign}; look at how the labels were written"
        ),
        some => {
            let texts: Vec<String> = some.iter().take(3).map(|(e, f)| conversion(e, f)).collect();
            format!("this fits {}{sign}", texts.join("; or "))
        }
    };
    Finding::warning(Subject::Forces, what, advice)
}

/// Units in which energies and forces would agree, the likeliest first.
fn readings(slope: f64, typical_force: f64) -> Vec<(&'static Unit, &'static Unit)> {
    let distance =
        |energy: &Unit, force: &Unit| (slope * energy.in_ours / force.in_ours).ln().abs();
    let mut found = Vec::new();
    for energy in &ENERGIES {
        for force in &FORCES {
            if distance(energy, force) < SAME_FACTOR {
                found.push((energy, force));
            }
        }
    }
    // labels of one program share their unit of energy; forces are of the size of forces after conversion
    found.sort_by_key(|(energy, force)| {
        let converted = typical_force * force.in_ours;
        let is_plausible = (0.02..=15.0).contains(&converted);
        let one_is_ours = energy.in_ours == 1.0 || force.in_ours == 1.0;
        let is_same = force.name.starts_with(energy.name);
        (
            force.name == "eV/Bohr",
            !is_plausible,
            !is_same && !one_is_ours,
            // then the nearest, as far as the slope is known
            (distance(energy, force) * 20.0) as u32,
        )
    });
    found
}

fn conversion(energy: &Unit, force: &Unit) -> String {
    let step = |what: &str, unit: &Unit| match unit.in_ours == 1.0 {
        true => format!("{what} in {}", unit.name),
        false => format!(
            "{what} in {} (multiply them by {})",
            unit.name,
            crate::checks::units::factor(unit.in_ours)
        ),
    };
    format!(
        "{} with {}",
        step("energies", energy),
        step("forces", force)
    )
}

/// Median norm of the forces, as in the files.
pub(crate) fn typical_force<'a>(structures: impl Iterator<Item = &'a Structure>) -> f64 {
    let forces = structures.flat_map(|s| s.forces.iter().flatten());
    let mut norms: Vec<f64> = forces.map(|f| crate::cell::norm(*f)).collect();
    median(&mut norms).unwrap_or(0.0)
}
