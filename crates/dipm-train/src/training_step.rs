//! A model's loss and its gradient: two plans, made once, run for each batch.

use std::ops::Range;

use dipm_data::Batch;
use dipm_field::{Bindings, Executor, Field, Graph, Half, NodeId, Plan, grad};
use dipm_models::{
    BatchInputs, Mode, Model, ModelError, NoiseKey, NoiseSpec, Parameter, Potential, Values,
};

use crate::loss::{Labels, LossConfig, LossTerms, LossWeights, Predictions};
use crate::{LossFields, LossInputs, Objective, ParameterLayout, Real, TrainError};

/// Evaluates the loss of a model and its gradient by all parameters.
///
/// Second derivatives (the parameter gradient of a loss of forces) come from the engine. Labels are
/// compared without the energies of isolated atoms, which are subtracted in f64. Parameters are not
/// kept here: each call is given the flat buffer, in the order of [`TrainingStep::layout`].
pub struct TrainingStep<T> {
    /// Without the values of its parameters.
    model: Model,
    parameters: Vec<TrainedParameter>,
    layout: ParameterLayout,
    training: Executor<T>,
    evaluation: Executor<T>,
    has_stress_term: bool,
    noise: Vec<NoiseSpec>,
    storage: Option<Half>,
}

/// Where a parameter lies, and whether anything depends on it.
struct TrainedParameter {
    name: String,
    range: Range<usize>,
    /// Name of the output with its gradient; `None` for a parameter that cannot matter.
    gradient: Option<String>,
}

/// Predictions, loss and its gradient as fields of a graph.
pub(crate) struct Equations<'g> {
    pub potential: Potential<'g>,
    pub fields: LossFields<'g>,
    /// By each parameter, in the order of the model.
    pub gradients: Vec<Field<'g>>,
    /// Where in the graph each part ends.
    ends: [(&'static str, usize); 3],
}

impl<'g> Equations<'g> {
    pub fn new<T: dipm_models::Real>(
        graph: &'g Graph,
        model: &Model,
        loss: &LossConfig,
        mode: Mode,
    ) -> Self {
        let potential = Potential::new(graph, model, T::PRECISION, mode);
        let of_potential = graph.len();
        let stress = loss.uses_stress().then_some(potential.stress);
        let fields = LossFields::new(loss.kind, potential.energies, potential.forces, stress);
        let of_loss = graph.len();
        let inputs: Vec<_> = potential
            .parameters
            .iter()
            .map(|(_, field)| *field)
            .collect();
        Self {
            gradients: grad(fields.loss, &inputs),
            ends: [
                ("energy", potential.energies.node() + 1),
                ("forces and stress", of_potential),
                ("loss", of_loss),
            ],
            potential,
            fields,
        }
    }

    /// The format that the values of a node may be kept in between groups: 16 bits for what depends on
    /// parameters; geometry and harmonics do not. Gradients of the loss may be smaller than float16 can
    /// hold, so that loss would have to be scaled; they take the range of bfloat16 instead.
    fn storage(
        &self,
        graph: &Graph,
        half: Option<Half>,
    ) -> impl Fn(NodeId) -> Option<Half> + use<> {
        let parameters = self.potential.parameters.iter();
        let inputs: Vec<_> = parameters.map(|(_, field)| *field).collect();
        let reached = graph.reached_from(&inputs);
        let of_loss = self.ends[2].1;
        move |node| {
            half.filter(|_| reached[node])
                .map(|half| match node < of_loss {
                    true => half,
                    false => Half::Bfloat16,
                })
        }
    }

    /// What a node is part of.
    pub fn part(&self, node: NodeId) -> &'static str {
        let ends = self.ends.iter();
        ends.clone()
            .find(|(_, end)| node < *end)
            .map_or("gradient of the loss", |(part, _)| part)
    }
}

impl<T: Real + dipm_models::Real> TrainingStep<T> {
    /// Plans loss, gradient and evaluation of a model. The stress is part of the training plan only
    /// if a stage of the loss weighs it. In [`Mode::Evaluation`] loss and gradient are those without
    /// the random numbers of training.
    pub fn new(model: &Model, loss: &LossConfig, mode: Mode) -> Self {
        Self::with_storage(model, loss, mode, None)
    }

    /// The same, where loss and gradient keep values between two groups of operations in 16 bits, if
    /// they depend on parameters and are not sums over atoms or edges, energies or forces. Operations,
    /// parameters, geometry, harmonics, and all of the evaluation stay in `T`.
    pub fn with_storage(
        model: &Model,
        loss: &LossConfig,
        mode: Mode,
        storage: Option<Half>,
    ) -> Self {
        let graph = Graph::new();
        let equations = Equations::new::<T>(&graph, model, loss, mode);
        let kept_as = equations.storage(&graph, storage);
        let Equations {
            potential,
            fields,
            gradients,
            ..
        } = equations;
        let mut parameters = Vec::with_capacity(gradients.len());
        let mut outputs = vec![("energy", fields.energy), ("forces", fields.forces)];
        outputs.extend(fields.stress.map(|stress| ("stress", stress)));
        let mut start = 0;
        for ((name, field), gradient) in potential.parameters.iter().zip(&gradients) {
            let end = start + field.shape().iter().product::<usize>();
            parameters.push(TrainedParameter {
                name: name.clone(),
                range: start..end,
                gradient: (!gradient.is_zero()).then(|| format!("gradient.{name}")),
            });
            start = end;
        }
        let named = parameters.iter().zip(&gradients);
        outputs.extend(named.filter_map(|(p, &field)| Some((p.gradient.as_deref()?, field))));
        let training = Executor::new(Plan::with_storage(&graph, &outputs, &kept_as));

        let evaluated = match potential.noise.is_empty() {
            true => potential.clone(),
            false => Potential::new(&graph, model, T::PRECISION, Mode::Evaluation),
        };
        let evaluated = [
            ("energies", evaluated.energies),
            ("forces", evaluated.forces),
            ("stress", evaluated.stress),
        ];
        let evaluation = Executor::new(Plan::new(&graph, &evaluated));
        let shapes = potential
            .parameters
            .iter()
            .map(|(name, field)| (name.clone(), field.shape()));
        TrainingStep {
            model: without_parameters(model),
            layout: ParameterLayout::new(shapes),
            has_stress_term: fields.stress.is_some(),
            noise: potential.noise,
            storage,
            parameters,
            training,
            evaluation,
        }
    }

    /// Names and shapes of the parameters in the order of the flat buffers: that of the model.
    pub fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    /// The plan of loss and gradient.
    pub fn plan(&self) -> &Plan {
        self.training.plan()
    }

    /// The executor of loss and gradient, for its timings.
    pub fn executor(&mut self) -> &mut Executor<T> {
        &mut self.training
    }

    /// Bytes that loss and gradient, and an evaluation, take for a batch, one at a time and beside parameters
    /// and gradient; nothing is taken yet.
    ///
    /// # Errors
    /// As [`Objective::gradient`].
    pub fn memory_needed(
        &mut self,
        parameters: &[T],
        batch: &Batch,
    ) -> Result<[usize; 2], TrainError> {
        let labels = self.labels(batch);
        let weights = LossWeights::default();
        let loss_inputs = LossInputs::new(&labels, &weights, batch.num_structures());
        let inputs = BatchInputs::new(&self.model, batch)?;
        let bindings = inputs.bind(batch, Bindings::new());
        let bindings = bind_parameters(bindings, &self.parameters, parameters);
        let evaluation = self.evaluation.memory_needed(&bindings, &[]);
        let inputs = inputs.with_noise(&self.noise, batch, NoiseKey::default());
        let bindings = inputs.bind(batch, loss_inputs.bind(Bindings::new()));
        let bindings = bind_parameters(bindings, &self.parameters, parameters);
        let gradients = self.parameters.iter();
        let gradients: Vec<_> = gradients.filter_map(|p| p.gradient.as_deref()).collect();
        let training = self.training.memory_needed(&bindings, &gradients);
        Ok([
            training.map_err(ModelError::from)?,
            evaluation.map_err(ModelError::from)?,
        ])
    }

    /// Reference values of a batch, without what [`Model::energy_offsets`] gives.
    pub fn labels(&self, batch: &Batch) -> Labels {
        let without_offset = |energies: &Vec<f64>| {
            let offsets = self.model.energy_offsets(batch);
            energies
                .iter()
                .zip(offsets)
                .map(|(energy, offset)| energy - offset)
                .collect()
        };
        Labels {
            num_atoms: batch.num_atoms.clone(),
            weights: batch.weights.clone(),
            energies: batch.energies.as_ref().map(without_offset),
            forces: batch.forces.clone(),
            stresses: batch.stresses.clone(),
        }
    }
}

/// The values of all parameters of a model in one buffer, in the order of [`TrainingStep::layout`].
pub fn flat_parameters<T: Real>(model: &Model) -> Vec<T> {
    let parameters = model.parameters.iter();
    let values = parameters.flat_map(|parameter| parameter.values.iter());
    values.map(T::from_f64).collect()
}

/// The same, taken out of the model, which is left without parameters.
pub fn take_parameters<T: Real>(model: &mut Model) -> Vec<T> {
    let mut flat = Vec::with_capacity(model.num_parameters());
    for parameter in std::mem::take(&mut model.parameters) {
        flat.extend(parameter.values.iter().map(T::from_f64));
    }
    flat
}

/// A model, of which everything but the parameters is used, with the values of a flat buffer, rounded to the
/// precision that its options say.
///
/// # Panics
/// When the buffer is that of another layout.
pub fn with_parameters<T: Real>(model: &Model, layout: &ParameterLayout, flat: &[T]) -> Model {
    let precision = model.config.param_dtype().precision();
    let parameter = |(name, shape, values): (&str, &[usize], &[T])| Parameter {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: Values::new(precision, values.iter().map(|x| x.to_f64())),
    };
    Model {
        parameters: layout.split(flat).map(parameter).collect(),
        ..without_parameters(model)
    }
}

/// Everything but the parameters, whose values are not copied on the way.
fn without_parameters(model: &Model) -> Model {
    Model {
        config: model.config.clone(),
        dataset_info: model.dataset_info.clone(),
        predict_stress: model.predict_stress,
        parameters: Vec::new(),
    }
}

/// Adds the parameters of a flat buffer to the bindings, by their names in the layout.
pub(crate) fn bind_named<'a, T>(
    bindings: Bindings<'a, T>,
    layout: &'a ParameterLayout,
    flat: &'a [T],
) -> Bindings<'a, T> {
    let parameters = layout.split(flat);
    parameters.fold(bindings, |bindings, (name, _, values)| {
        bindings.input(name, values)
    })
}

/// Adds the parameters of a flat buffer to the bindings.
fn bind_parameters<'a, T>(
    mut bindings: Bindings<'a, T>,
    parameters: &'a [TrainedParameter],
    flat: &'a [T],
) -> Bindings<'a, T> {
    for parameter in parameters {
        bindings = bindings.input(&parameter.name, &flat[parameter.range.clone()]);
    }
    bindings
}

impl<T: Real + dipm_models::Real> Objective<T> for TrainingStep<T> {
    fn gradient(
        &mut self,
        parameters: &[T],
        batch: &Batch,
        weights: &LossWeights,
        noise: NoiseKey,
        gradient: &mut [T],
    ) -> Result<LossTerms, TrainError> {
        let labels = self.labels(batch);
        let loss_inputs = LossInputs::new(&labels, weights, batch.num_structures());
        let inputs = BatchInputs::new(&self.model, batch)?;
        let inputs = inputs.with_noise(&self.noise, batch, noise);
        let bindings = inputs.bind(batch, loss_inputs.bind(Bindings::new()));
        let bindings = bind_parameters(bindings, &self.parameters, parameters);
        self.evaluation.release_memory();
        let mut rest = gradient;
        let mut gradients = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            let target;
            (target, rest) = rest.split_at_mut(parameter.range.len());
            match &parameter.gradient {
                Some(output) => gradients.push((output.as_str(), target)),
                None => target.fill(T::default()),
            }
        }
        let run = self.training.run_into(&bindings, gradients);
        run.map_err(ModelError::from)?;
        let term = |name, known| {
            if known {
                self.training.output(name)[0].to_f64()
            } else {
                0.0
            }
        };
        Ok(LossTerms {
            energy: term("energy", labels.energies.is_some()),
            forces: term("forces", labels.forces.is_some()),
            stress: term("stress", self.has_stress_term && labels.stresses.is_some()),
        })
    }

    fn predict(
        &mut self,
        parameters: &[T],
        batch: &Batch,
    ) -> Result<(Labels, Predictions), TrainError> {
        let inputs = BatchInputs::new(&self.model, batch)?;
        let bindings = inputs.bind(batch, Bindings::new());
        let bindings = bind_parameters(bindings, &self.parameters, parameters);
        self.training.release_memory();
        self.evaluation.run(&bindings).map_err(ModelError::from)?;
        let double = |name| -> Vec<f64> {
            self.evaluation
                .output(name)
                .iter()
                .map(|x| x.to_f64())
                .collect()
        };
        let (forces, stress) = (double("forces"), double("stress"));
        let predictions = Predictions {
            energies: double("energies"),
            forces: forces.as_chunks::<3>().0.to_vec(),
            stresses: Some(stress.as_chunks::<3>().0.as_chunks::<3>().0.to_vec()),
        };
        Ok((self.labels(batch), predictions))
    }

    fn dtype(&self) -> String {
        match self.storage {
            None => format!("{:?}", T::DTYPE),
            Some(Half::Bfloat16) => "BF16".to_owned(),
            Some(Half::Float16) => "F16".to_owned(),
        }
    }

    fn as_saved(&self, mut parameters: Vec<T>) -> Vec<T> {
        let dtype = self.model.config.param_dtype();
        let round = |value: &mut T| *value = T::from_f64(dtype.round(value.to_f64()));
        parameters.iter_mut().for_each(round);
        parameters
    }

    fn model(&self, parameters: &[T]) -> Option<Model> {
        Some(with_parameters(&self.model, &self.layout, parameters))
    }
}
