//! Evaluating a model.

use dipm_data::Batch;
use dipm_field::{Bindings, Executor, Graph, Plan};

use crate::{BatchInputs, Mode, Model, ModelError, Parameter, Potential, Real};

/// What a model says about one structure.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// eV, energies of isolated atoms included.
    pub energy: f64,
    /// eV/Å, `[N]`.
    pub forces: Vec<[f64; 3]>,
    /// eV/Å³, tension > 0; `None` for a structure without a cell.
    pub stress: Option<[[f64; 3]; 3]>,
    /// Derivative of the energy by a symmetric strain in eV: stress times volume.
    pub virial: [[f64; 3]; 3],
    /// Energy of each atom in eV, isolated atoms included, `[N]`.
    pub node_energies: Vec<f64>,
}

/// A model ready to be evaluated in f32 or f64.
pub struct Predictor<T> {
    model: Model,
    executor: Executor<T>,
    parameters: Vec<(String, Vec<T>)>,
}

impl<T: Real> Predictor<T> {
    /// Plans the evaluation of a model.
    pub fn new(model: &Model) -> Self {
        let graph = Graph::new();
        let potential = Potential::new(&graph, model, T::PRECISION, Mode::Evaluation);
        let plan = Plan::new(
            &graph,
            &[
                ("node_energies", potential.node_energies),
                ("forces", potential.forces),
                ("virials", potential.virials),
            ],
        );
        Self {
            model: model.clone(),
            executor: Executor::new(plan),
            parameters: model.parameters.iter().map(converted).collect(),
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Replaces the values of all parameters, in the order of [`Model::parameters`], each
    /// row-major.
    ///
    /// # Panics
    /// When the numbers of parameters or values differ.
    pub fn set_parameters<'a>(&mut self, values: impl IntoIterator<Item = &'a [T]>) {
        let mut count = 0;
        for (values, (name, held)) in values.into_iter().zip(&mut self.parameters) {
            assert_eq!(values.len(), held.len(), "values of {name}");
            held.copy_from_slice(values);
            count += 1;
        }
        assert_eq!(count, self.parameters.len(), "number of parameters");
    }

    /// Energies, forces and stress of each structure of a batch, whose species are those of
    /// [`Model::species`].
    ///
    /// # Errors
    /// [`ModelError::StructureKey`] when the model has no row for a charge, spin or task,
    /// [`ModelError::Evaluation`] when the batch is inconsistent.
    pub fn predict(&mut self, batch: &Batch) -> Result<Vec<Prediction>, ModelError> {
        let inputs = BatchInputs::<T>::new(&self.model, batch)?;
        let mut bindings = inputs.bind(batch, Bindings::new());
        for (name, values) in &self.parameters {
            bindings = bindings.input(name, values);
        }
        self.executor.run(&bindings)?;
        let double = |name| self.executor.output(name).iter().map(|x| x.into_double());
        let node_energies: Vec<f64> = double("node_energies")
            .zip(self.model.atom_offsets(batch))
            .map(|(e, offset)| e + offset)
            .collect();
        let forces: Vec<f64> = double("forces").collect();
        let virials: Vec<f64> = double("virials").collect();
        let mut predictions = Vec::with_capacity(batch.num_structures());
        let mut first = 0;
        for (g, &num_atoms) in batch.num_atoms.iter().enumerate() {
            let atoms = first..first + num_atoms as usize;
            first = atoms.end;
            let node_energies = node_energies[atoms.clone()].to_vec();
            let virial: [[f64; 3]; 3] =
                std::array::from_fn(|i| std::array::from_fn(|j| virials[9 * g + 3 * i + j]));
            let has_cell = batch.cells[g] != [[0.0; 3]; 3];
            predictions.push(Prediction {
                energy: node_energies.iter().sum(),
                forces: forces[3 * atoms.start..3 * atoms.end]
                    .as_chunks::<3>()
                    .0
                    .to_vec(),
                stress: has_cell.then(|| virial.map(|row| row.map(|x| x / batch.volumes[g]))),
                virial,
                node_energies,
            });
        }
        Ok(predictions)
    }
}

fn converted<T: Real>(parameter: &Parameter) -> (String, Vec<T>) {
    let values = parameter.values.iter().map(T::from_double);
    (parameter.name.clone(), values.collect())
}
