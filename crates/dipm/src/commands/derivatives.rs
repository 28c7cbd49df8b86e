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
    let (mut all_forces, mut all_stress) = (Agreement::default(), None::<Agreement>);
    for item in 0..dataset.len() {
        let structure = dataset.graph(item)?.structure;
        let prediction = check.predict(structure.clone())?;
        let forces = check.forces(&structure, &prediction)?;
        let stress = check.stress(&structure, &prediction)?;
        all_forces.join(forces);
        let shown = match stress {
            Some(stress) => {
                all_stress.get_or_insert_default().join(stress);
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
    let stress = all_stress.map_or(String::new(), |all| {
        format!(", stress {:.1e} eV/Å³", all.difference)
    });
    println!(
        "largest of {}: forces {:.1e} eV/Å{stress}",
        dataset.len(),
        all_forces.difference
    );
    let has_force_head = model.config.to_json()["force_head"] == true;
    let sentence = verdict(has_force_head, all_forces, all_stress).map_err(Failure::Other)?;
    println!("{sentence}");
    Ok(())
}

/// What the differences say of a model, in a sentence; an error where they say that it is wrong.
fn verdict(
    has_force_head: bool,
    forces: Agreement,
    stress: Option<Agreement>,
) -> Result<&'static str, String> {
    let checked = [
        ("forces differ", Some(forces).filter(|_| !has_force_head)),
        ("stress differs", stress),
    ];
    let wrong = checked.iter().filter_map(|(name, agreement)| {
        let agreement = agreement.filter(|agreement| !agreement.is_good())?;
        let Agreement {
            difference,
            largest,
        } = agreement;
        Some(format!(
            "{name} from derivatives of the energy by {difference:.1e}, where they are at most {largest:.1e}"
        ))
    });
    let wrong: Vec<String> = wrong.collect();
    match (wrong.is_empty(), has_force_head, stress) {
        (false, ..) => Err(format!(
            "{}; energies jump or have kinks near these structures, or the model is wrong: do not use it for dynamics",
            wrong.join(", and ")
        )),
        (true, true, None) => Ok(
            "forces are those of a force head, which need not be derivatives of the energy: dynamics does not conserve energy",
        ),
        (true, true, Some(_)) => Ok(
            "stress is the derivative of the energy; forces are those of a force head, which need not be: dynamics does not \
             conserve energy",
        ),
        (true, false, None) => Ok("forces are derivatives of the energy"),
        (true, false, Some(_)) => Ok("forces and stress are derivatives of the energy"),
    }
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
    /// Part of the largest number by which finite differences may be off, and what they may be off at all.
    const ROOM: [f64; 2] = [1e-3, 1e-5];

    /// Whether the differences are those of finite steps.
    fn is_good(&self) -> bool {
        self.difference <= Self::ROOM[0] * self.largest + Self::ROOM[1]
    }

    fn join(&mut self, other: Self) {
        self.largest = self.largest.max(other.largest);
        self.difference = self.difference.max(other.difference);
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_derivative_is_an_error_unless_it_need_not_be_one() {
        let of = |difference| Agreement {
            largest: 2.0,
            difference,
        };
        let (good, bad) = (of(1e-6), of(0.1));
        assert!(
            verdict(false, good, None)
                .unwrap()
                .starts_with("forces are derivatives")
        );
        assert!(
            verdict(false, good, Some(good))
                .unwrap()
                .starts_with("forces and stress")
        );
        assert!(verdict(true, bad, None).unwrap().contains("force head"));
        assert!(
            verdict(true, bad, Some(good))
                .unwrap()
                .contains("stress is the derivative")
        );
        for (has_head, forces, stress, part) in [
            (false, bad, None, "forces differ"),
            (false, good, Some(bad), "stress differs"),
            (true, bad, Some(bad), "stress differs"),
            (false, of(f64::NAN), None, "forces differ"),
        ] {
            let error = verdict(has_head, forces, stress).unwrap_err();
            assert!(error.starts_with(part), "{error}");
        }
    }
}
