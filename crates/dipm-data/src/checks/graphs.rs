//! Neighbours within the cutoff.

use crate::checks::{Finding, Subject};
use crate::prepare::Prepared;
use crate::report::ValueRange;

/// More neighbours than this on average cost more than they give.
const MANY: f64 = 150.0;
/// With fewer on average, atoms hardly see each other.
const FEW: f64 = 2.0;

pub(crate) fn check(prepared: &Prepared) -> Vec<Finding> {
    let files = &prepared.report.files;
    let mut range = ValueRange::default();
    files
        .iter()
        .for_each(|file| range.merge(&file.edges_per_atom_range));
    let (atoms, edges): (u64, u64) = (
        files.iter().map(|file| file.num_atoms).sum(),
        files.iter().map(|file| file.num_edges).sum(),
    );
    let mean = edges as f64 / atoms.max(1) as f64;
    let cutoff = prepared.info.cutoff_distance_angstrom;
    let sentence = format!(
        "{mean:.1} neighbours an atom within {cutoff} Å, {:.1} to {:.1} by structure",
        range.min, range.max
    );
    let mut findings = vec![Finding::note(Subject::Neighbors, sentence)];
    let lonely: u64 = files.iter().map(|file| file.num_lonely_atoms).sum();
    if lonely > 0 {
        let what = format!("{lonely} of {atoms} atoms have no neighbour within {cutoff} Å");
        let advice =
            "to the model they are free atoms: raise `graph_cutoff_angstrom` if they are not";
        let places = files
            .iter()
            .filter_map(|file| file.first_lonely.clone())
            .take(3);
        findings.push(Finding::warning(Subject::Neighbors, what, advice).at(places));
    }
    if mean > MANY {
        let what = format!("{mean:.0} neighbours an atom are many");
        let advice = "lower `graph_cutoff_angstrom` or set `max_neighbors_per_atom`; time grows with their number";
        findings.push(Finding::warning(Subject::Neighbors, what, advice));
    } else if mean < FEW {
        let what = format!("{mean:.1} neighbours an atom are few");
        let advice = "raise `graph_cutoff_angstrom`, or check that positions are in Å";
        findings.push(Finding::warning(Subject::Neighbors, what, advice));
    }
    findings
}
