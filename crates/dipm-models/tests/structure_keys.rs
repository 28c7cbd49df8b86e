//! Networks that look at charge, spin and task.

#[allow(dead_code)] // the stored structures only
mod stored;

use dipm_data::{AtomicEnergies, Batch, DatasetInfo};
use dipm_models::{LitenConfig, Model, ModelError, Prediction, Predictor, ReferenceEnergies};

fn info() -> DatasetInfo {
    let golden = stored::json("liten_tasks/golden.json");
    serde_json::from_value(golden["dataset_info"].clone()).unwrap()
}

fn config() -> LitenConfig {
    LitenConfig {
        charge_range: Some(1),
        spin_range: Some(2),
        ..LitenConfig::small()
    }
}

/// Predictions of the first structure with a charge, spin and task.
fn predict(
    model: &Model,
    charge: i32,
    spin: i32,
    task: usize,
) -> Result<Vec<Prediction>, ModelError> {
    let mut graph = stored::graphs().swap_remove(0);
    graph.structure.charge = Some(charge);
    graph.structure.spin = Some(spin);
    graph.structure.task = Some(task);
    let batch = Batch::new(&[graph], &model.species()).unwrap();
    Predictor::<f64>::new(model).predict(&batch)
}

#[test]
fn charge_spin_and_task_change_the_forces() {
    let model = Model::new(config(), info(), 3).unwrap();
    let forces = |charge, spin, task| {
        let prediction = predict(&model, charge, spin, task).unwrap().swap_remove(0);
        assert!(prediction.energy.is_finite());
        prediction.forces
    };
    let start = forces(0, 0, 0);
    assert_ne!(forces(1, 0, 0), start);
    assert_ne!(forces(-1, 0, 0), forces(1, 0, 0));
    assert_ne!(forces(0, 1, 0), start);
    assert_ne!(forces(0, 0, 1), start);
}

#[test]
fn numbers_without_a_row_are_refused_with_the_structure() {
    let model = Model::new(config(), info(), 3).unwrap();
    for (charge, spin, task, expected) in [
        (-2, 0, 0, "charge is -2, the model has -1 to 1"),
        (2, 0, 0, "charge is 2, the model has -1 to 1"),
        (0, 2, 0, "spin is 2, the model has 0 to 1"),
        (0, -1, 0, "spin is -1, the model has 0 to 1"),
        (0, 0, 2, "task is 2, the model has 0 to 1"),
    ] {
        let error = predict(&model, charge, spin, task).unwrap_err().to_string();
        let expected = format!("stored.json, structure 0: {expected}");
        assert_eq!(error, expected);
    }
}

#[test]
fn energies_of_isolated_atoms_are_those_of_the_task() {
    let info = info();
    let AtomicEnergies::PerTask(map) = &info.atomic_energies_map else {
        panic!("the dataset has tasks")
    };
    let model = Model::new(config(), info.clone(), 3).unwrap();
    let mut graphs = stored::graphs();
    graphs.truncate(2);
    graphs[0].structure.task = Some(1);
    graphs[1].structure.task = Some(0);
    let batch = Batch::new(&graphs, &model.species()).unwrap();
    let offsets = model.energy_offsets(&batch);
    for (graph, offset) in graphs.iter().zip(offsets) {
        let task = graph.structure.task.unwrap();
        let atoms = graph.structure.atomic_numbers.iter();
        let expected: f64 = atoms.map(|z| map[z][task] + info.scaling_mean).sum();
        assert!((offset - expected).abs() < 1e-12, "{offset} {expected}");
    }
    let zero = LitenConfig {
        atomic_energies: Some(ReferenceEnergies::Zero),
        ..config()
    };
    let model = Model::new(zero, info, 3).unwrap();
    assert_eq!(model.reference_energies(1)[&8], 0.0);
}
