//! The losses as equations over fields, so that the engine derives their gradient.
//!
//! The same formulas as in [`crate::loss`], which is their definition.

use dipm_field::{Bindings, Field, Graph, Map, Scalar, Space};

use crate::loss::{HUBER_DELTA, Labels, LossKind, LossWeights, huber_force_delta};

const ENERGY: &str = "loss.energy";
const FORCES: &str = "loss.forces";
const STRESS: &str = "loss.stress";
const FORCE_DELTA: &str = "loss.force_delta";
const STRUCTURE_WEIGHT: &str = "loss.structure_weight";
const INVERSE_ATOMS: &str = "loss.inverse_atoms";
const ENERGY_WEIGHT: &str = "loss.energy_weight";
const FORCES_WEIGHT: &str = "loss.forces_weight";
const STRESS_WEIGHT: &str = "loss.stress_weight";

/// The loss of a batch and its terms, all of shape [] over [`Space::Const`].
#[derive(Debug, Clone, Copy)]
pub struct LossFields<'g> {
    /// c_E·ℓE + c_F·ℓF + c_S·ℓS
    pub loss: Field<'g>,
    /// ℓE
    pub energy: Field<'g>,
    /// ℓF
    pub forces: Field<'g>,
    /// ℓS, if the model predicts the stress.
    pub stress: Option<Field<'g>>,
}

impl<'g> LossFields<'g> {
    /// Adds the loss to the graph of `energies` [Structures, 1], `forces` [Atoms, 3] and `stress`
    /// [Structures, 9].
    pub fn new(
        kind: LossKind,
        energies: Field<'g>,
        forces: Field<'g>,
        stress: Option<Field<'g>>,
    ) -> Self {
        let graph = energies.graph();
        let per_structure = |name| graph.input(name, Space::Structures, &[]);
        let number = |name| graph.input(name, Space::Const, &[]);
        let inverse_atoms = per_structure(INVERSE_ATOMS);
        // w_g over the number of structures, so that a sum is the mean
        let weight = per_structure(STRUCTURE_WEIGHT);
        let mean = |terms: Field<'g>| (weight * terms).sum(Map::All(Space::Structures));

        let energy_error = (energies.reshape(&[]) - per_structure(ENERGY)) * inverse_atoms;
        let energy = mean(energy_term(kind, energy_error));

        let force_error = forces - graph.input(FORCES, Space::Atoms, &[3]);
        let force_sums = force_term(kind, graph, force_error).sum(Map::AtomStructure);
        let forces = mean(force_sums * inverse_atoms);

        let stress = stress.map(|stress| {
            let error = stress - graph.input(STRESS, Space::Structures, &[9]);
            mean(stress_term(kind, error))
        });
        let mut loss = number(ENERGY_WEIGHT) * energy + number(FORCES_WEIGHT) * forces;
        if let Some(stress) = stress {
            loss = loss + number(STRESS_WEIGHT) * stress;
        }
        LossFields {
            loss,
            energy,
            forces,
            stress,
        }
    }
}

/// ℓE/w of the error per atom, [Structures].
fn energy_term(kind: LossKind, error: Field<'_>) -> Field<'_> {
    match kind {
        LossKind::Mse => error * error,
        LossKind::Huber => huber(error, error.graph().literal(HUBER_DELTA)),
        LossKind::L2mae => error.abs(),
    }
}

/// Summand of ℓF·N/w, [Atoms].
fn force_term<'g>(kind: LossKind, graph: &'g Graph, error: Field<'g>) -> Field<'g> {
    match kind {
        LossKind::Mse => (error * error).sum_inner() * (1.0 / 3.0),
        LossKind::Huber => {
            let delta = graph.input(FORCE_DELTA, Space::Atoms, &[1]);
            huber(error, delta).sum_inner() * (1.0 / 3.0)
        }
        LossKind::L2mae => length(error),
    }
}

/// ℓS/w, [Structures].
fn stress_term(kind: LossKind, error: Field<'_>) -> Field<'_> {
    match kind {
        LossKind::Mse => (error * error).sum_inner() * (1.0 / 9.0),
        LossKind::Huber => {
            huber(error, error.graph().literal(HUBER_DELTA)).sum_inner() * (1.0 / 9.0)
        }
        LossKind::L2mae => length(error),
    }
}

/// H_δ(x)
fn huber<'g>(x: Field<'g>, delta: Field<'g>) -> Field<'g> {
    let magnitude = x.abs();
    let linear = delta * (magnitude - 0.5 * delta);
    (magnitude - delta).select(linear, 0.5 * (x * x))
}

/// ‖x‖₂ over the only inner axis, with derivative 0 at x = 0, where the true one does not exist.
fn length(x: Field<'_>) -> Field<'_> {
    let squared = (x * x).sum_inner();
    let graph = x.graph();
    let positive = squared.select(squared, graph.literal(1.0));
    squared.select(positive.sqrt(), graph.literal(0.0))
}

/// The inputs of [`LossFields`] for one batch.
#[derive(Debug, Clone, Default)]
pub struct LossInputs<T> {
    energy: Vec<T>,
    forces: Vec<T>,
    stress: Vec<T>,
    force_delta: Vec<T>,
    structure_weight: Vec<T>,
    inverse_atoms: Vec<T>,
    weights: [T; 3],
}

impl<T: Scalar> LossInputs<T> {
    /// The inputs of a batch. `num_structures` divides the sum over structures: that of the batch,
    /// or of all batches whose gradients are added up. A label that is missing gets the weight 0.
    pub fn new(labels: &Labels, weights: &LossWeights, num_structures: usize) -> Self {
        let convert = |values: &[f64]| values.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
        let structures = labels.num_atoms.len();
        let atoms = labels.num_atoms.iter().sum::<u32>() as usize;
        let known = |known: bool, weight: f64| T::from_f64(if known { weight } else { 0.0 });
        let or_zeros = |values: Option<&[f64]>, len: usize| {
            values.map_or_else(|| vec![T::from_f64(0.0); len], convert)
        };
        let deltas = labels.forces.iter().flatten().map(huber_force_delta);
        let deltas: Vec<f64> = deltas
            .chain(std::iter::repeat(HUBER_DELTA))
            .take(atoms)
            .collect();
        let forces = labels.forces.as_ref().map(|forces| forces.as_flattened());
        let stresses = labels
            .stresses
            .as_ref()
            .map(|s| s.as_flattened().as_flattened());
        let scale = 1.0 / num_structures as f64;
        let structure_weights = labels.weights.iter().map(|w| T::from_f64(w * scale));
        let inverse_atoms = labels
            .num_atoms
            .iter()
            .map(|&n| T::from_f64(1.0 / f64::from(n)));
        LossInputs {
            energy: or_zeros(labels.energies.as_deref(), structures),
            forces: or_zeros(forces, 3 * atoms),
            stress: or_zeros(stresses, 9 * structures),
            force_delta: convert(&deltas),
            structure_weight: structure_weights.collect(),
            inverse_atoms: inverse_atoms.collect(),
            weights: [
                known(labels.energies.is_some(), weights.energy),
                known(labels.forces.is_some(), weights.forces),
                known(labels.stresses.is_some(), weights.stress),
            ],
        }
    }

    /// Binds the inputs; those that the plan does not read are left alone.
    #[must_use]
    pub fn bind<'a>(&'a self, bindings: Bindings<'a, T>) -> Bindings<'a, T> {
        bindings
            .input(ENERGY, &self.energy)
            .input(FORCES, &self.forces)
            .input(STRESS, &self.stress)
            .input(FORCE_DELTA, &self.force_delta)
            .input(STRUCTURE_WEIGHT, &self.structure_weight)
            .input(INVERSE_ATOMS, &self.inverse_atoms)
            .input(ENERGY_WEIGHT, &self.weights[..1])
            .input(FORCES_WEIGHT, &self.weights[1..2])
            .input(STRESS_WEIGHT, &self.weights[2..])
    }
}

#[cfg(test)]
#[path = "loss_fields_tests.rs"]
mod tests;
