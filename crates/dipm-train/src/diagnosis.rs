//! Why the loss or the gradient of a batch is not finite.

use std::fmt;

use dipm_data::{Batch, Origin};
use dipm_field::{Bindings, Graph, NonFinite, Space, first_non_finite};
use dipm_models::{BatchInputs, Mode, Model, ModelError};

use crate::loss::LossTerms;
use crate::optimizer::norm;
use crate::training_step::{Equations, bind_named};
use crate::{BatchDump, LossInputs, Objective, Real, TrainError, TrainingStep};

/// What a batch gives when it is computed again.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// Terms of the loss.
    pub loss_terms: LossTerms,
    /// Norm of the gradient.
    pub gradient_norm: f64,
    /// Parameters whose gradient is not finite.
    pub parameters: Vec<String>,
    /// The structures, with what the model says of them.
    pub structures: Vec<StructureState>,
    /// The first operation whose result is not finite.
    pub first: Option<FirstNonFinite>,
}

/// A structure of the batch.
#[derive(Debug, Clone)]
pub struct StructureState {
    /// File and number.
    pub origin: Origin,
    /// Number of atoms.
    pub num_atoms: usize,
    /// Predicted less reference energy in eV an atom; `None` without a label.
    pub energy_error: Option<f64>,
    /// Largest component of a predicted force, eV/Å.
    pub largest_force: f64,
    /// Shortest edge, Å; infinite without edges.
    pub shortest_edge: f64,
}

/// An operation with its place in the computation.
#[derive(Debug, Clone)]
pub struct FirstNonFinite {
    /// `energy`, `forces and stress`, `loss` or `gradient of the loss`.
    pub part: &'static str,
    /// The operation.
    pub operation: NonFinite,
    /// Edge, atom or structure of its row, if it has one.
    pub place: Option<String>,
}

impl fmt::Display for FirstNonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.operation;
        write!(
            f,
            "{} gives {} in the computation of the {} ({:?} {:?}, node {})",
            found.operation, found.value, self.part, found.space, found.shape, found.node
        )?;
        if let Some(place) = &self.place {
            write!(f, "\n  of {place}")?;
        }
        for (name, least, largest) in &found.operands {
            write!(f, "\n  operand {name}: from {least:.4e} to {largest:.4e}")?;
        }
        if !found.nearest_inputs.is_empty() {
            let names = found.nearest_inputs.join(", ");
            write!(f, "\n  nearest parameters: {names}")?;
        }
        Ok(())
    }
}

/// Computes a batch again, as training did, and searches what is not finite.
///
/// # Errors
/// Whatever keeps the batch from being computed.
pub fn diagnose<T: Real + dipm_models::Real>(
    dump: &BatchDump,
    model: &Model,
    parameters: &[T],
) -> Result<Diagnosis, TrainError> {
    let storage = dump.storage();
    let mut step = TrainingStep::<T>::with_storage(model, &dump.loss, Mode::Training, storage);
    let batch = &dump.batch;
    let mut gradient = vec![T::default(); parameters.len()];
    let loss_terms = step.gradient(parameters, batch, &dump.weights, dump.noise, &mut gradient)?;
    let named = step.layout().split(&gradient);
    let not_finite = named.filter(|(_, _, g)| g.iter().any(|x| !x.to_f64().is_finite()));
    let parameters_not_finite = not_finite.map(|(name, ..)| name.to_owned()).collect();
    let (labels, predictions) = step.predict(parameters, batch)?;
    let mut first = 0;
    let structures = (0..batch.num_structures()).map(|g| {
        let num_atoms = batch.num_atoms[g] as usize;
        let forces = predictions.forces[first..first + num_atoms].as_flattened();
        first += num_atoms;
        let error =
            |energies: &Vec<f64>| (predictions.energies[g] - energies[g]) / num_atoms as f64;
        StructureState {
            origin: batch.origins[g].clone(),
            num_atoms,
            energy_error: labels.energies.as_ref().map(error),
            // a NaN is the largest of all
            largest_force: forces
                .iter()
                .fold(0.0, |a: f64, x| match x.is_nan() || a.is_nan() {
                    true => f64::NAN,
                    false => a.max(x.abs()),
                }),
            shortest_edge: shortest_edge(batch, g),
        }
    });
    Ok(Diagnosis {
        loss_terms,
        gradient_norm: norm(&gradient),
        parameters: parameters_not_finite,
        structures: structures.collect(),
        first: search(&step, dump, model, parameters)?,
    })
}

/// The first operation, in the order in which the equations are written.
fn search<T: Real + dipm_models::Real>(
    step: &TrainingStep<T>,
    dump: &BatchDump,
    model: &Model,
    parameters: &[T],
) -> Result<Option<FirstNonFinite>, TrainError> {
    let graph = Graph::new();
    let equations = Equations::new::<T>(&graph, model, &dump.loss, Mode::Training);
    let labels = step.labels(&dump.batch);
    let loss_inputs = LossInputs::new(&labels, &dump.weights, dump.batch.num_structures());
    let inputs = BatchInputs::new(model, &dump.batch)?;
    let inputs = inputs.with_noise(&equations.potential.noise, &dump.batch, dump.noise);
    let bindings = inputs.bind(&dump.batch, loss_inputs.bind(Bindings::new()));
    let bindings = bind_named(bindings, step.layout(), parameters);
    let mut outputs = vec![equations.fields.loss];
    outputs.extend(equations.gradients.iter().filter(|field| !field.is_zero()));
    let found = first_non_finite(&graph, &outputs, &bindings).map_err(ModelError::from)?;
    Ok(found.map(|operation| FirstNonFinite {
        part: equations.part(operation.node),
        place: place(&dump.batch, &operation),
        operation,
    }))
}

/// The edge, atom or structure of a row.
fn place(batch: &Batch, found: &NonFinite) -> Option<String> {
    let structure = |g: usize| batch.origins[g].to_string();
    let first_atom = |g: usize| batch.num_atoms[..g].iter().sum::<u32>();
    match found.space {
        Space::Structures => Some(structure(found.row)),
        Space::Atoms => {
            let g = batch.atom_structure[found.row] as usize;
            let atom = found.row - first_atom(g) as usize;
            Some(format!("atom {atom} of {}", structure(g)))
        }
        Space::Edges => {
            let g = batch.edge_structure[found.row] as usize;
            let [from, to] =
                [&batch.senders, &batch.receivers].map(|ends| ends[found.row] - first_atom(g));
            let length = batch.edge_length(found.row);
            Some(format!(
                "the edge from atom {from} to atom {to}, {length:.4} Å, of {}",
                structure(g)
            ))
        }
        _ => None,
    }
}

fn shortest_edge(batch: &Batch, structure: usize) -> f64 {
    let edges = batch.edge_structure.iter().enumerate();
    edges
        .filter(|(_, g)| **g as usize == structure)
        .map(|(edge, _)| batch.edge_length(edge))
        .fold(f64::INFINITY, f64::min)
}
