//! `dipm predict --check-derivatives`: forces and stress against finite differences of the energy.

use super::Failure;
use super::predictions::check_finite;
use dipm_data::{Batch, Dataset, Graph, SpeciesTable, Structure};
use dipm_models::{Model, Prediction, Predictor};

/// Length of a step, in Å over all atoms together, and as a strain.
const STEP: f64 = 1e-4;
/// Random directions in which forces are checked.
const DIRECTIONS: u64 = 3;

/// Prints, for each structure, the largest differences found. All is computed in f64.
pub(super) fn run(model: &Model, dataset: &Dataset) -> Result<(), Failure> {
    let info = &model.dataset_info;
    let mut check = Check {
        predictor: Predictor::new(model),
        species: model.species(),
        r_max: info.cutoff_distance_angstrom,
        cap: info.max_neighbors_per_atom,
    };
    println!("largest difference between predictions and finite differences of the energy");
    println!(
        "{:>7} {:>6} {:>15} {:>15} {:>17} {:>17}  origin",
        "number", "atoms", "|F·u| (eV/Å)", "difference", "|stress| (eV/Å³)", "difference"
    );
    let (mut worst_force, mut worst_stress) = (0.0f64, None::<f64>);
    for item in 0..dataset.len() {
        let structure = dataset.graph(item)?.structure;
        let prediction = check.predict(structure.clone())?;
        let forces = check.forces(&structure, &prediction)?;
        let stress = check.stress(&structure, &prediction)?;
        worst_force = worst_force.max(forces.difference);
        let shown = match stress {
            Some(stress) => {
                let worst = worst_stress.get_or_insert(0.0);
                *worst = worst.max(stress.difference);
                format!("{:>17.6e} {:>17.1e}", stress.largest, stress.difference)
            }
            None => format!("{:>17} {:>17}", "no cell", ""),
        };
        println!(
            "{item:>7} {:>6} {:>15.6} {:>15.1e} {shown}  {}",
            structure.atomic_numbers.len(),
            forces.largest,
            forces.difference,
            structure.origin
        );
    }
    let stress = worst_stress.map_or(String::new(), |w| format!(", stress {w:.1e} eV/Å³"));
    println!(
        "largest of {}: forces {worst_force:.1e} eV/Å{stress}",
        dataset.len()
    );
    Ok(())
}

/// How well numbers agree with their finite differences.
#[derive(Debug, Clone, Copy, Default)]
struct Agreement {
    /// Largest of the numbers.
    largest: f64,
    /// Largest difference.
    difference: f64,
}

impl Agreement {
    fn add(&mut self, number: f64, expected: f64) {
        self.largest = self.largest.max(number.abs());
        self.difference = self.difference.max((number - expected).abs());
    }
}

struct Check {
    predictor: Predictor<f64>,
    species: SpeciesTable,
    r_max: f64,
    cap: Option<usize>,
}

impl Check {
    /// A prediction of which every number is finite.
    fn predict(&mut self, structure: Structure) -> Result<Prediction, Failure> {
        let graph = Graph::new(structure, self.r_max, self.cap)?;
        let batch = Batch::new(std::slice::from_ref(&graph), &self.species)?;
        let prediction = self.predictor.predict(&batch)?.swap_remove(0);
        check_finite(&graph.structure, &prediction)?;
        Ok(prediction)
    }

    /// (E(+) − E(−)) / (2 h) for a structure moved by ±h.
    fn slope(&mut self, moved: impl Fn(f64) -> Structure) -> Result<f64, Failure> {
        let [ahead, behind] = [STEP, -STEP].map(|h| self.predict(moved(h)));
        Ok((ahead?.energy - behind?.energy) / (2.0 * STEP))
    }

    /// −F · u = ∂E/∂u for unit vectors u in the space of all coordinates.
    fn forces(
        &mut self,
        structure: &Structure,
        prediction: &Prediction,
    ) -> Result<Agreement, Failure> {
        let forces = &prediction.forces;
        let mut agreement = Agreement::default();
        for seed in 0..DIRECTIONS {
            let direction = unit_vector(seed, 3 * forces.len());
            let slope = self.slope(|h| {
                let mut moved = structure.clone();
                let coordinates = moved.positions.as_flattened_mut().iter_mut();
                coordinates.zip(&direction).for_each(|(x, u)| *x += h * u);
                moved
            })?;
            let along = forces.as_flattened().iter().zip(&direction);
            agreement.add(along.map(|(f, u)| f * u).sum(), -slope);
        }
        Ok(agreement)
    }

    /// σ_ab = ∂E/∂ε_ab / volume for the six symmetric strains; `None` without a cell.
    fn stress(
        &mut self,
        structure: &Structure,
        prediction: &Prediction,
    ) -> Result<Option<Agreement>, Failure> {
        let (Some(volume), Some(stress)) = (structure.volume(), prediction.stress) else {
            return Ok(None);
        };
        let mut agreement = Agreement::default();
        for (a, b) in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] {
            let slope = self.slope(|h| {
                let mut strain = [[0.0; 3]; 3];
                strain[a][b] += h / 2.0;
                strain[b][a] += h / 2.0;
                let strained = |x: &[f64; 3]| -> [f64; 3] {
                    std::array::from_fn(|k| x[k] + (0..3).map(|i| x[i] * strain[i][k]).sum::<f64>())
                };
                let mut moved = structure.clone();
                moved.positions = moved.positions.iter().map(strained).collect();
                moved.cell = moved.cell.map(|cell| cell.map(|row| strained(&row)));
                moved
            })?;
            agreement.add(stress[a][b], slope / volume);
        }
        Ok(Some(agreement))
    }
}

/// A unit vector with entries from a simple generator of random numbers (splitmix64).
fn unit_vector(seed: u64, len: usize) -> Vec<f64> {
    let number = |i: usize| {
        let mut z = (seed << 32 | i as u64)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64 - 0.5
    };
    let numbers: Vec<f64> = (0..len).map(number).collect();
    let norm = numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    numbers.iter().map(|x| x / norm).collect()
}
