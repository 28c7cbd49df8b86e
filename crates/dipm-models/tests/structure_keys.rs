//! Networks that look at charge, spin and task.

#[allow(dead_code)] // the stored structures only
mod stored;

use dipm_data::{AtomicEnergies, Batch, DatasetInfo};
use dipm_field::{Bindings, Executor, Graph, Plan};
use dipm_models::{
    BatchInputs, LitenConfig, Mode, Model, ModelConfig, ModelError, NoiseKey, Potential, Precision,
    Prediction, Predictor, ReferenceEnergies, UmaConfig,
};

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
    for config in [ModelConfig::from(config()), UmaConfig::small().into()] {
        let model = Model::new(config, info(), 3).unwrap();
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
    let model = Model::new(UmaConfig::small(), info(), 3).unwrap();
    for (charge, spin, task, expected) in [
        (-101, 0, 0, "charge is -101, the model has -100 to 100"),
        (0, 101, 0, "spin is 101, the model has 0 to 100"),
        (0, 0, 2, "task is 2, the model has 0 to 1"),
    ] {
        let error = predict(&model, charge, spin, task).unwrap_err().to_string();
        let expected = format!("stored.json, structure 0: {expected}");
        assert_eq!(error, expected);
    }
}

/// Structures 1, 0, 1, 2 with charge, spin and task.
fn charged_structures() -> Vec<dipm_data::Graph> {
    let stored = stored::graphs();
    let one = |(structure, charge, spin, task): (usize, i32, i32, usize)| {
        let mut graph = stored[structure].clone();
        graph.structure.charge = Some(charge);
        graph.structure.spin = Some(spin);
        graph.structure.task = Some(task);
        graph
    };
    let all = [(1, 2, 0, 0), (0, -1, 1, 1), (1, 0, 0, 0), (2, 2, 0, 0)];
    all.into_iter().map(one).collect()
}

#[test]
fn a_batch_of_different_charges_spins_and_tasks_is_as_good_as_one_by_one() {
    for use_composition_embedding in [false, true] {
        let config = UmaConfig {
            use_composition_embedding,
            ..UmaConfig::small()
        };
        let model = Model::new(config, info(), 3).unwrap();
        let mut predictor = Predictor::<f64>::new(&model);
        let graphs = charged_structures();
        let together = Batch::new(&graphs, &model.species()).unwrap();
        let together = predictor.predict(&together).unwrap();
        for (graph, of_batch) in graphs.into_iter().zip(&together) {
            let alone = Batch::new(&[graph], &model.species()).unwrap();
            let alone = predictor.predict(&alone).unwrap();
            assert!((alone[0].energy - of_batch.energy).abs() < 1e-12 * alone[0].energy.abs());
            let forces = alone[0].forces.as_flattened().iter();
            for (a, b) in forces.zip(of_batch.forces.as_flattened()) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
        assert!((together[0].energy - together[2].energy).abs() > 1e-6);
    }
}

#[test]
fn dropout_of_experts_is_drawn_for_each_structure_anew() {
    let config = UmaConfig {
        mole_dropout: 0.5,
        ..UmaConfig::small()
    };
    let model = Model::new(config, info(), 3).unwrap();
    let twice = vec![stored::graphs().swap_remove(0); 6];
    let batch = Batch::new(&twice, &model.species()).unwrap();
    let mut energies = Vec::new();
    for (mode, batch_number) in [
        (Mode::Evaluation, 0),
        (Mode::Training, 0),
        (Mode::Training, 0),
        (Mode::Training, 1),
    ] {
        let graph = Graph::new();
        let potential = Potential::new(&graph, &model, Precision::Double, mode);
        let plan = Plan::new(&graph, &[("energies", potential.energies)]);
        let key = NoiseKey {
            batch: batch_number,
            ..NoiseKey::default()
        };
        let inputs = BatchInputs::<f64>::new(&model, &batch).unwrap();
        let inputs = inputs.with_noise(&potential.noise, &batch, key);
        let values = model.parameters.iter().map(|parameter| {
            let double = parameter.values.iter();
            (parameter.name.as_str(), double.collect::<Vec<f64>>())
        });
        let values: Vec<_> = values.collect();
        let mut bindings = inputs.bind(&batch, Bindings::new());
        for (name, values) in &values {
            bindings = bindings.input(name, values);
        }
        let mut executor = Executor::<f64>::new(plan);
        executor.run(&bindings).unwrap();
        energies.push(executor.output("energies").to_vec());
    }
    let differ = |energies: &[f64]| energies.iter().any(|e| (e - energies[0]).abs() > 1e-9);
    assert!(!differ(&energies[0]), "{:?}", energies[0]);
    assert!(differ(&energies[1]), "{:?}", energies[1]);
    assert_eq!(energies[1], energies[2]);
    assert_ne!(energies[1], energies[3]);
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
