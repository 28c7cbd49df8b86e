//! Energies of isolated atoms for a pretrained model on data of another method.

use std::collections::BTreeMap;

use dipm_data::{AtomicEnergies, Composition, EnergyFit, composition};
use dipm_models::{Model, ModelConfig, Predictor};

use crate::{Batches, TrainError};

/// A model whose energies of isolated atoms were moved.
#[derive(Debug, Clone)]
pub struct Refit {
    /// The model; its energies of isolated atoms are those of its dataset info now.
    pub model: Model,
    /// Root mean square error of the energy before, eV an atom.
    pub rmse_before: f64,
    /// The same after.
    pub rmse_after: f64,
}

/// Errors of structures of one composition and task.
#[derive(Default)]
struct Errors {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Errors {
    /// Σ (error − shift)²
    fn squared_distance(&self, shift: f64) -> f64 {
        self.squares - 2.0 * shift * self.sum + self.count * shift * shift
    }
}

/// Adds to the energies of isolated atoms the least change δ that minimises
/// Σ_g (E_g − Ê_g − Σ_z n_gz δ_z)² over all structures of the data, Ê the energies that the model
/// predicts: two methods of quantum chemistry differ in the energies of atoms far more than in
/// those of bonds.
///
/// With several tasks each has its own energies. Elements that do not occur keep theirs.
///
/// # Errors
/// Those of reading and evaluating, and [`TrainError::Config`] when a structure has no energy or
/// the fit fails.
pub fn refit_atomic_energies(model: &Model, data: &dyn Batches) -> Result<Refit, TrainError> {
    let refuse = |problem: &str| TrainError::Config {
        key: "refit_atomic_energies",
        problem: problem.to_owned(),
    };
    let num_tasks = model.dataset_info.task_list.as_ref().map_or(1, Vec::len);
    let mut energies: Vec<BTreeMap<u8, f64>> = (0..num_tasks)
        .map(|task| model.reference_energies(task))
        .collect();
    for energy in energies.iter_mut().flat_map(BTreeMap::values_mut) {
        // a task of the old data that lacked the element
        *energy = if energy.is_nan() { 0.0 } else { *energy };
    }
    let start = with_energies(model, &energies);
    let mut predictor = Predictor::<f32>::new(&start);
    let mut fits: Vec<EnergyFit> = (0..num_tasks).map(|_| EnergyFit::default()).collect();
    let mut errors: BTreeMap<(usize, Composition), Errors> = BTreeMap::new();
    for batch in data.epoch(0, 0) {
        let batch = batch?;
        let labels = batch
            .energies
            .as_ref()
            .ok_or_else(|| refuse("some structures of the training data have no energy"))?;
        let mut first = 0;
        for (g, prediction) in predictor.predict(&batch)?.iter().enumerate() {
            let atoms = first..first + batch.num_atoms[g] as usize;
            first = atoms.end;
            let composition = composition(&batch.atomic_numbers[atoms]);
            let (task, error) = (batch.tasks[g] as usize, labels[g] - prediction.energy);
            if !error.is_finite() {
                return Err(refuse(&format!(
                    "the pretrained model predicts an energy of {} for {}",
                    prediction.energy, batch.origins[g]
                )));
            }
            fits[task].add(&composition, error);
            let entry = errors.entry((task, composition)).or_default();
            entry.count += 1.0;
            entry.sum += error;
            entry.squares += error * error;
        }
    }
    // nothing was added for a task without data
    let changes: Vec<BTreeMap<u8, f64>> = fits
        .into_iter()
        .map(|fit| fit.solve().unwrap_or_default())
        .collect();
    for (energies, changes) in energies.iter_mut().zip(&changes) {
        for (z, change) in changes {
            *energies.get_mut(z).expect("an element of the model") += change;
        }
    }
    Ok(Refit {
        rmse_before: rmse(&errors, &vec![BTreeMap::new(); num_tasks]),
        rmse_after: rmse(&errors, &changes),
        model: with_energies(model, &energies),
    })
}

/// Root mean square of (error − Σ_z n_z δ_z) / N over structures, δ by task.
fn rmse(errors: &BTreeMap<(usize, Composition), Errors>, changes: &[BTreeMap<u8, f64>]) -> f64 {
    let (mut squares, mut count) = (0.0, 0.0);
    for ((task, composition), errors) in errors {
        let (mut shift, mut num_atoms) = (0.0, 0.0);
        for (z, n) in composition {
            shift += f64::from(*n) * changes[*task].get(z).unwrap_or(&0.0);
            num_atoms += f64::from(*n);
        }
        squares += errors.squared_distance(shift) / (num_atoms * num_atoms);
        count += errors.count;
    }
    (squares.max(0.0) / count).sqrt()
}

/// The model with these energies of isolated atoms by task, taken from its dataset info.
fn with_energies(model: &Model, energies: &[BTreeMap<u8, f64>]) -> Model {
    let mut model = model.clone();
    let map = &mut model.dataset_info.atomic_energies_map;
    *map = match (&map, energies) {
        (AtomicEnergies::Single(_), [energies]) => AtomicEnergies::Single(energies.clone()),
        _ => AtomicEnergies::PerTask(
            energies[0]
                .keys()
                .map(|z| (*z, energies.iter().map(|of_task| of_task[z]).collect()))
                .collect(),
        ),
    };
    model.config = from_dataset(&model.config);
    model
}

/// The options with the energies of isolated atoms taken from the dataset info.
fn from_dataset(config: &ModelConfig) -> ModelConfig {
    let mut options = config.to_json();
    options["atomic_energies"] = serde_json::Value::Null;
    config
        .target()
        .read_config(options)
        .expect("every architecture takes the energies of the dataset")
}
