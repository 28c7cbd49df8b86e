//! What looks wrong in data that can be read: the findings of `dipm check`.
//!
//! Reading refuses what is broken; here the numbers are held against each other and against what atoms do.
//! Energies and forces of two near structures must agree (E₂ − E₁ ≈ −½ (F₁ + F₂) · (r₂ − r₁), exact for a
//! harmonic surface), which shows wrong units and signs whatever method the labels come from; the same with a
//! strain of the cell shows the sign of the stress. What the data cannot tell is said, too.

mod consistency;
mod cover;
mod finding;
mod graphs;
mod outliers;
mod pairs;
mod sample;
mod stress_sign;
mod units;

pub use finding::{Finding, Severity, Subject};

use crate::error::DataError;
use crate::prepare::{DatasetOptions, Prepared};
use sample::Sample;

/// Looks at prepared data; findings come in the order of [`Subject`].
///
/// Up to 20 000 structures of each role are read again, evenly spread over larger sets.
///
/// # Errors
/// Those of reading.
pub fn check(prepared: &Prepared, options: &DatasetOptions) -> Result<Vec<Finding>, DataError> {
    let sample = Sample::read(prepared)?;
    let mut findings = sample.extent();
    findings.extend(cover::labels(prepared, options));
    findings.extend(units::check(&sample));
    findings.extend(consistency::check(&sample, options.required.forces));
    findings.extend(stress_sign::check(&sample, options.required.stress));
    findings.extend(outliers::check(&sample));
    findings.extend(cover::duplicates(prepared));
    findings.extend(cover::elements(&sample));
    findings.extend(cover::atomic_energies(prepared));
    findings.extend(graphs::check(prepared));
    Ok(findings)
}
