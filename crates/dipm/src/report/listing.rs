//! The tables of an evaluation for a terminal, and as JSON for other programs.

use super::tables;
use crate::evaluation::{Evaluation, Worst};
use dipm_data::symbol_or_number;
use serde_json::{Map, Value, json};

/// Structures of the terminal's list of the worst.
const NUM_LISTED: usize = 5;

/// The tables as text: what was compared, errors, by element, by class, the worst structures.
pub fn table_text(evaluation: &Evaluation) -> String {
    let mut text = format!("{}\n", tables::coverage(evaluation));
    let worst_forces = tables::worst(
        "Largest errors of the forces",
        &evaluation.worst_forces,
        NUM_LISTED,
    );
    let worst_energies = tables::worst(
        "Largest errors of the energy per atom",
        &evaluation.worst_energies,
        NUM_LISTED,
    );
    // one list is enough where there are forces
    let worst = if worst_forces.is_empty() {
        worst_energies
    } else {
        worst_forces
    };
    for table in [
        tables::errors(evaluation),
        tables::by_element(evaluation),
        tables::by_config_type(evaluation),
        worst,
    ] {
        if !table.is_empty() {
            text.push_str(&format!("\n{}", table.text()));
        }
    }
    if tables::errors(evaluation).is_empty() {
        text.push_str("\nThe data hold no energies, forces or stress to compare with.\n");
    }
    text
}

/// The tables as a JSON object, in eV, eV/Å and eV/Å³.
pub fn tables_as_json(evaluation: &Evaluation) -> Value {
    let [energies, forces, stresses] = evaluation.num_labelled;
    let elements: Map<String, Value> = evaluation
        .elements
        .iter()
        .map(|(z, element)| (symbol_or_number(*z), json!(element.forces.summary())))
        .collect();
    let config_types: Vec<Value> = evaluation
        .config_types
        .list()
        .into_iter()
        .map(|(name, class)| {
            json!({
                "config_type": name,
                "num_structures": class.num_structures,
                "energy_per_atom": class.energy_per_atom.summary(),
                "forces": class.forces.summary(),
                "stress": class.stress.summary(),
            })
        })
        .collect();
    json!({
        "num_structures": evaluation.num_structures,
        "num_atoms": evaluation.num_atoms,
        "num_with_energy": energies,
        "num_with_forces": forces,
        "num_with_stress": stresses,
        "num_without_labels": evaluation.num_unlabelled,
        "energy": evaluation.energy.summary(),
        "energy_per_atom": evaluation.energy_per_atom.summary(),
        "forces": evaluation.forces.summary(),
        "stress": evaluation.stress.summary(),
        "forces_by_element": elements,
        "config_types": config_types,
        "worst_forces": worst(&evaluation.worst_forces),
        "worst_energies": worst(&evaluation.worst_energies),
    })
}

fn worst(worst: &Worst) -> Vec<Value> {
    let objects = worst.structures().map(|structure| {
        json!({
            "file": structure.origin.file.display().to_string(),
            "index": structure.origin.index,
            "formula": structure.formula,
            "config_type": structure.config_type,
            "energy_error_per_atom": structure.energy_error_per_atom,
            "force_rmse": structure.force_rmse,
            "worst_atom": structure.worst_atom.map(|atom| json!({
                "index": atom.index,
                "element": symbol_or_number(atom.atomic_number),
                "error": atom.error,
            })),
        })
    });
    objects.collect()
}
