//! What a model gets right and wrong on a data set, taken in structure by structure in bounded memory.

mod collector;
mod density;
mod groups;
mod parity;
mod statistics;
mod worst;

pub use collector::Collector;
pub use density::{Cells, Density, MOST_CELLS, MOST_POINTS, Marks};
pub use groups::{ConfigTypeErrors, ConfigTypes, ElementErrors, MOST_CONFIG_TYPES};
pub use parity::Parity;
pub use statistics::{ErrorStatistics, ErrorSummary};
pub use worst::{NUM_WORST, Worst, WorstAtom, WorstStructure, formula};

use dipm_data::{Batch, Origin};
use dipm_train::{Labels, Predictions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Forces and errors of forces are shown from here on, in eV/Å: their logarithm has to begin somewhere.
pub const LEAST_FORCE: f64 = 1e-4;

/// A structure with what it should be and what a model says. Reference values that are missing are `None`.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// File and number.
    pub origin: &'a Origin,
    /// Its class, where the file gives one.
    pub config_type: Option<&'a str>,
    /// `[N]`
    pub atomic_numbers: &'a [u8],
    /// Reference and predicted energy in eV, both without the energies of isolated atoms.
    pub energy: Option<[f64; 2]>,
    /// Reference and predicted forces in eV/Å, each `[N, 3]`.
    pub forces: Option<[&'a [[f64; 3]]; 2]>,
    /// Reference and predicted stress in eV/Å³, tension > 0.
    pub stress: Option<[[[f64; 3]; 3]; 2]>,
}

/// Errors, parity and worst structures over a data set.
///
/// Memory is bounded whatever the size of the set: sums, [`Density`]s, the [`NUM_WORST`] worst structures and at
/// most [`MOST_CONFIG_TYPES`] classes of structures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Structures seen.
    pub num_structures: u64,
    /// Their atoms.
    pub num_atoms: u64,
    /// Structures with a reference energy, with forces, with a stress.
    pub num_labelled: [u64; 3],
    /// Structures with none of the three, which take no part in any error.
    pub num_unlabelled: u64,
    /// Of the energy of a structure, eV.
    pub energy: ErrorStatistics,
    /// Of the energy over the number of atoms, eV/atom.
    pub energy_per_atom: Parity,
    /// Of force components, eV/Å.
    pub forces: ErrorStatistics,
    /// Of stress components, eV/Å³.
    pub stress: Parity,
    /// log₁₀ of the length of the reference force and of the error vector, eV/Å, for each atom.
    pub force_errors: Density,
    /// Forces by element.
    pub elements: BTreeMap<u8, ElementErrors>,
    /// Energies and forces by class of structures.
    pub config_types: ConfigTypes,
    /// By root mean square error of forces.
    pub worst_forces: Worst,
    /// By error of the energy per atom.
    pub worst_energies: Worst,
}

impl Evaluation {
    /// Takes in a structure.
    ///
    /// # Panics
    /// When the forces are not those of its atoms.
    pub fn add(&mut self, structure: &Compared) {
        let num_atoms = structure.atomic_numbers.len();
        self.num_structures += 1;
        self.num_atoms += num_atoms as u64;
        let labelled = [
            structure.energy.is_some(),
            structure.forces.is_some(),
            structure.stress.is_some(),
        ];
        for (count, is_labelled) in self.num_labelled.iter_mut().zip(labelled) {
            *count += u64::from(is_labelled);
        }
        if !labelled.contains(&true) {
            self.num_unlabelled += 1;
            return;
        }
        let per_atom = structure
            .energy
            .map(|energies| energies.map(|energy| energy / num_atoms as f64));
        if let (Some([reference, predicted]), Some(per_atom)) = (structure.energy, per_atom) {
            self.energy.add(reference, predicted);
            self.energy_per_atom.add(per_atom);
        }
        if let Some([reference, predicted]) = structure.forces {
            assert_eq!([reference.len(), predicted.len()], [num_atoms; 2], "forces");
            self.add_forces(structure.atomic_numbers, reference, predicted);
        }
        if let Some([reference, predicted]) = &structure.stress {
            components([reference, predicted]).for_each(|pair| self.stress.add(pair));
        }
        self.config_types.add(structure, per_atom);
        self.rank(structure, per_atom);
    }

    fn add_forces(
        &mut self,
        atomic_numbers: &[u8],
        reference: &[[f64; 3]],
        predicted: &[[f64; 3]],
    ) {
        for (z, (reference, predicted)) in
            atomic_numbers.iter().zip(reference.iter().zip(predicted))
        {
            let element = self.elements.entry(*z).or_default();
            element.num_atoms += 1;
            for (reference, predicted) in reference.iter().zip(predicted) {
                self.forces.add(*reference, *predicted);
                element.forces.add([*reference, *predicted]);
            }
            let lengths = [length(reference), length(&difference(predicted, reference))];
            // NaN passes through, to be counted as what it is
            self.force_errors.add(lengths.map(|x| {
                if x < LEAST_FORCE {
                    LEAST_FORCE.log10()
                } else {
                    x.log10()
                }
            }));
        }
    }

    /// Looks whether the structure is one of the worst.
    fn rank(&mut self, structure: &Compared, per_atom: Option<[f64; 2]>) {
        let energy_error_per_atom = per_atom.map(|[reference, predicted]| predicted - reference);
        let forces = structure
            .forces
            .map(|[reference, predicted]| force_error(structure, reference, predicted));
        let describe = || WorstStructure {
            origin: structure.origin.clone(),
            config_type: structure.config_type.map(str::to_owned),
            formula: formula(structure.atomic_numbers),
            energy_error_per_atom,
            force_rmse: forces.map(|(rmse, _)| rmse),
            worst_atom: forces.and_then(|(_, atom)| atom),
        };
        if let Some((rmse, _)) = forces {
            self.worst_forces.consider(rmse, describe);
        }
        if let Some(error) = energy_error_per_atom {
            self.worst_energies.consider(error.abs(), describe);
        }
    }

    /// Takes in the structures of another part of the data.
    pub fn merge(&mut self, other: Self) {
        self.num_structures += other.num_structures;
        self.num_atoms += other.num_atoms;
        for (count, others) in self.num_labelled.iter_mut().zip(other.num_labelled) {
            *count += others;
        }
        self.num_unlabelled += other.num_unlabelled;
        self.energy.merge(&other.energy);
        self.energy_per_atom.merge(other.energy_per_atom);
        self.forces.merge(&other.forces);
        self.stress.merge(other.stress);
        self.force_errors.merge(other.force_errors);
        for (z, errors) in other.elements {
            self.elements.entry(z).or_default().merge(errors);
        }
        self.config_types.merge(other.config_types);
        self.worst_forces.merge(other.worst_forces);
        self.worst_energies.merge(other.worst_energies);
    }

    /// Takes in a batch of an evaluation during training, where every structure has the same labels.
    ///
    /// # Panics
    /// When labels and predictions are of another batch.
    pub fn add_batch(&mut self, batch: &Batch, labels: &Labels, predictions: &Predictions) {
        let mut first = 0;
        for (g, &num_atoms) in batch.num_atoms.iter().enumerate() {
            let atoms = first..first + num_atoms as usize;
            first = atoms.end;
            let forces = labels.forces.as_ref();
            let stresses = labels.stresses.as_ref().zip(predictions.stresses.as_ref());
            self.add(&Compared {
                origin: &batch.origins[g],
                config_type: batch.config_types.get(g).and_then(Option::as_deref),
                atomic_numbers: &batch.atomic_numbers[atoms.clone()],
                energy: labels
                    .energies
                    .as_ref()
                    .map(|energies| [energies[g], predictions.energies[g]]),
                forces: forces
                    .map(|forces| [&forces[atoms.clone()], &predictions.forces[atoms.clone()]]),
                stress: stresses.map(|(labels, predicted)| [labels[g], predicted[g]]),
            });
        }
    }
}

/// Root mean square error of the components, and the worst atom.
fn force_error(
    structure: &Compared,
    reference: &[[f64; 3]],
    predicted: &[[f64; 3]],
) -> (f64, Option<WorstAtom>) {
    let errors = reference
        .iter()
        .zip(predicted)
        .map(|(reference, predicted)| length(&difference(predicted, reference)));
    let mut squares = 0.0;
    let mut worst: Option<WorstAtom> = None;
    for (index, error) in errors.enumerate() {
        squares += error * error;
        if worst.is_none_or(|worst| error > worst.error || error.is_nan()) {
            worst = Some(WorstAtom {
                index,
                atomic_number: structure.atomic_numbers[index],
                error,
            });
        }
    }
    let count = 3 * reference.len().max(1);
    ((squares / count as f64).sqrt(), worst)
}

/// Components of vectors, each with its prediction.
fn components<'a>(
    [reference, predicted]: [&'a [[f64; 3]]; 2],
) -> impl Iterator<Item = [f64; 2]> + 'a {
    let pairs = reference
        .as_flattened()
        .iter()
        .zip(predicted.as_flattened());
    pairs.map(|(reference, predicted)| [*reference, *predicted])
}

fn difference(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| a[k] - b[k])
}

fn length(vector: &[f64; 3]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
