//! Sign and unit of the stress, by pairs of structures whose cells differ by a small strain.

use crate::checks::pairs::{Cells, Line, Pair, line_of_nearest};
use crate::checks::sample::Sample;
use crate::checks::{Finding, Severity, Subject};

/// Slopes that finite strains give with right units.
const RIGHT: std::ops::RangeInclusive<f64> = 0.5..=2.0;
/// GPa in an eV/Å³ (CODATA 2018).
const GPA: f64 = 160.217_663_4;

pub(crate) fn check(sample: &Sample, stress_is_trained: bool) -> Vec<Finding> {
    let with_stress = sample.structures().filter(|s| s.stress.is_some()).count();
    if with_stress == 0 {
        return Vec::new();
    }
    // E₂ − E₁ + ½ (F₁ + F₂) · u against ½ (V₁ σ₁ + V₂ σ₂) : ε
    let point = |pair: &Pair| Some((pair.stress?, pair.energy - pair.forces));
    let found = sample.by_file(|structures| line_of_nearest(structures, Cells::Strained, point));
    if found.is_empty() {
        let sentence = format!(
            "the sign of the stress could not be checked: of {with_stress} structures with stress too few pairs have \
             the same atoms in cells that differ by a small strain"
        );
        return vec![Finding::note(Subject::Stress, sentence)];
    }
    let (right, wrong): (Vec<Line>, Vec<Line>) = found
        .into_iter()
        .partition(|line| RIGHT.contains(&line.slope));
    let mut findings = Vec::new();
    if let Some(line) = Line::mean(right.iter()) {
        let sentence = format!(
            "stress and energies agree: energies of {} pairs of strained cells change {:.2} times as much as their \
             stress says",
            line.count, line.slope
        );
        findings.push(Finding::note(Subject::Stress, sentence));
    }
    let severity = match stress_is_trained {
        true => Severity::Error,
        false => Severity::Warning,
    };
    let wrong = wrong
        .into_iter()
        .map(|line| disagreement(&line).with_severity(severity).at(line.nearest));
    findings.extend(wrong);
    findings
}

fn disagreement(found: &Line) -> Finding {
    let what = format!(
        "stress and energies do not belong together: energies of {} pairs of strained cells change {:.5} times as much \
         as their stress says (correlation {:.2})",
        found.count, found.slope, found.correlation
    );
    let size = match found.slope.abs() {
        x if RIGHT.contains(&x) => None,
        x if RIGHT.contains(&(x * GPA)) => Some("it looks like GPa: divide it by 160.218"),
        x if RIGHT.contains(&(x * GPA * 10.0)) => Some("it looks like kbar: divide it by 1602.18"),
        _ => Some("its unit is not eV/Å³; is it a virial in eV, to be given as `virial`?"),
    };
    let sign = "its sign is wrong: here tension is positive, multiply it by −1";
    let advice = match (size, found.slope < 0.0) {
        (Some(size), true) => format!("{size}, and {sign}"),
        (Some(size), false) => size.to_owned(),
        (None, _) => sign.to_owned(),
    };
    Finding::warning(Subject::Stress, what, advice)
}
