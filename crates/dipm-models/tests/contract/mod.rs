//! The battery that every architecture passes. `contract!(name, config)` makes the tests.

use std::collections::BTreeMap;

use dipm_data::{AtomicEnergies, Batch, DatasetInfo, Graph, Structure};
use dipm_field::{Bindings, Executor, Graph as Equations, Map, Plan, Space, grad};
use dipm_models::{
    BatchInputs, Init, Mode, Model, ModelConfig, ParameterSpec, Potential, Precision, Prediction,
    Predictor, Real, Target, Values,
};
use dipm_o3::axis_angle;

use crate::stored;

/// Cutoff of the test models, Å.
const R_MAX: f64 = 4.0;

/// A model of the elements H, C and O. Its parameters are those of its start moved a little, so that
/// biases, which start at zero, matter.
pub fn model(config: impl Into<ModelConfig>) -> Model {
    let energies = BTreeMap::from([(1, -3.1), (6, -8.7), (8, -12.3)]);
    let info = DatasetInfo {
        cutoff_distance_angstrom: R_MAX,
        max_neighbors_per_atom: None,
        task_list: None,
        atomic_energies_map: AtomicEnergies::Single(energies),
        avg_num_neighbors: 14.0,
        avg_num_nodes: 12.0,
        avg_r_min_angstrom: Some(0.97),
        scaling_mean: 0.1,
        scaling_stdev: 1.3,
        median_num_neighbors: 14,
        max_total_edges: 300,
        median_num_nodes: 9,
        max_num_nodes: 30,
    };
    let mut model = Model::new(config, info, 11).unwrap();
    for parameter in &mut model.parameters {
        let spec = ParameterSpec::new(&parameter.name, &parameter.shape, Init::Normal(0.1));
        let precision = parameter.values.precision();
        let moves = spec.initialize(12, precision).values;
        let pairs = parameter.values.iter().zip(moves.iter());
        parameter.values = Values::new(precision, pairs.map(|(value, by)| value + by));
    }
    model
}

/// A molecule, two crystals and a larger cell, without labels.
pub fn structures() -> Vec<Structure> {
    stored::graphs()
        .into_iter()
        .map(|graph| Structure {
            energy: None,
            forces: None,
            stress: None,
            ..graph.structure
        })
        .collect()
}

pub fn batch(model: &Model, structures: &[Structure]) -> Batch {
    let graph = |s: &Structure| Graph::new(s.clone(), R_MAX, None).unwrap();
    let graphs: Vec<Graph> = structures.iter().map(graph).collect();
    Batch::new(&graphs, &model.species()).unwrap()
}

fn predict_in<T: Real>(model: &Model, structures: &[Structure]) -> Vec<Prediction> {
    Predictor::<T>::new(model)
        .predict(&batch(model, structures))
        .unwrap()
}

pub fn predict(model: &Model, structures: &[Structure]) -> Vec<Prediction> {
    predict_in::<f64>(model, structures)
}

/// Numbers that look random and are the same on every machine, between −1 and 1.
fn scattered(count: usize) -> Vec<f64> {
    (0..count)
        .map(|n| (1.0 + 2.3 * n as f64 + 0.7 * (n * n) as f64).sin())
        .collect()
}

#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1f64, |a, x| a.max(x.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * scale, "{a} {b} (of {scale})");
    }
}

type Matrix = [[f64; 3]; 3];

/// Each row times R as a column vector: R v.
fn turn(rows: &[[f64; 3]], r: &Matrix) -> Vec<[f64; 3]> {
    let one = |v: &[f64; 3]| r.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum());
    rows.iter().map(one).collect()
}

fn turned(structure: &Structure, r: &Matrix) -> Structure {
    let mut turned = structure.clone();
    turned.positions = turn(&structure.positions, r);
    turned.cell = structure
        .cell
        .map(|cell| turn(&cell, r).try_into().unwrap());
    turned
}

/// R S Rᵀ
fn turn_tensor(s: &Matrix, r: &Matrix) -> Vec<f64> {
    let pairs = (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
    pairs
        .map(|(i, j)| {
            let terms = (0..3).flat_map(|a| (0..3).map(move |b| (a, b)));
            terms.map(|(a, b)| r[i][a] * s[a][b] * r[j][b]).sum()
        })
        .collect()
}

/// To what share energies are expected to be the same in another orientation.
fn rotation_tolerance(model: &Model) -> f64 {
    match model.config.target() {
        // The format adds 1e-8 to every component of a vector before its length is taken.
        Target::Visnet => 1e-6,
        _ => 1e-11,
    }
}

fn check_orthogonal(model: &Model, r: &Matrix, tolerance: f64) {
    let structures = structures();
    let moved: Vec<Structure> = structures.iter().map(|s| turned(s, r)).collect();
    for (a, b) in predict(model, &structures)
        .iter()
        .zip(predict(model, &moved))
    {
        assert_close(&[b.energy], &[a.energy], tolerance);
        let (forces, virial) = (turn(&a.forces, r), turn_tensor(&a.virial, r));
        let tolerance = 10.0 * tolerance;
        assert_close(b.forces.as_flattened(), forces.as_flattened(), tolerance);
        assert_close(b.virial.as_flattened(), &virial, tolerance);
    }
}

pub fn rotation_turns_forces_and_stress(model: &Model) {
    let rotation = axis_angle([0.3, -1.0, 0.6], 1.2);
    check_orthogonal(model, &rotation, rotation_tolerance(model));
}

/// The same for an architecture with activations on a grid, of which the points do not turn along.
pub fn rotation_turns_forces_and_stress_but_for_the_grid(model: &Model) {
    check_orthogonal(model, &axis_angle([0.3, -1.0, 0.6], 1.2), 1e-6);
}

pub fn reflection_turns_forces_and_stress(model: &Model) {
    let rotation = axis_angle([0.9, 0.2, -0.6], 0.5);
    let reflection = rotation.map(|row| row.map(|x| -x));
    check_orthogonal(model, &reflection, rotation_tolerance(model));
}

/// For an architecture that tells left from right.
pub fn a_mirror_image_has_another_energy(model: &Model) {
    let mirror = [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let molecule = structures().swap_remove(0);
    let image = turned(&molecule, &mirror);
    let energies = predict(model, &[molecule, image]);
    let difference = energies[0].energy - energies[1].energy;
    assert!(
        difference.abs() > 1e-8 * energies[0].energy.abs(),
        "{difference}"
    );
}

pub fn translation_changes_nothing(model: &Model) {
    let structures = structures();
    let shift = |s: &Structure| {
        let mut moved = s.clone();
        for r in &mut moved.positions {
            *r = [r[0] + 3.0, r[1] - 17.0, r[2] + 0.25];
        }
        moved
    };
    let moved: Vec<Structure> = structures.iter().map(shift).collect();
    for (a, b) in predict(model, &structures)
        .iter()
        .zip(predict(model, &moved))
    {
        assert_close(&[b.energy], &[a.energy], 1e-10);
        assert_close(b.forces.as_flattened(), a.forces.as_flattened(), 1e-9);
        assert_close(b.virial.as_flattened(), a.virial.as_flattened(), 1e-9);
    }
}

pub fn permutation_permutes_forces(model: &Model) {
    for structure in structures() {
        let n = structure.num_atoms();
        let mut permuted = structure.clone();
        permuted.positions.reverse();
        permuted.atomic_numbers.reverse();
        let a = &predict(model, &[structure])[0];
        let b = &predict(model, &[permuted])[0];
        assert_close(&[b.energy], &[a.energy], 1e-11);
        for i in 0..n {
            assert_close(&b.forces[n - 1 - i], &a.forces[i], 1e-10);
        }
    }
}

pub fn batching_changes_nothing(model: &Model) {
    let structures = structures();
    let together = predict(model, &structures);
    for (structure, of_batch) in structures.iter().zip(together) {
        let alone = &predict(model, std::slice::from_ref(structure))[0];
        assert_close(&[of_batch.energy], &[alone.energy], 1e-12);
        assert_close(
            of_batch.forces.as_flattened(),
            alone.forces.as_flattened(),
            1e-11,
        );
        assert_close(
            of_batch.virial.as_flattened(),
            alone.virial.as_flattened(),
            1e-11,
        );
    }
}

/// O, H and C, the C at a distance from the O along x.
fn three_atoms(distance: f64) -> Structure {
    let positions = vec![[0.0; 3], [-0.2, 0.9, 0.3], [distance, 0.0, 0.0]];
    stored::structure(vec![8, 1, 6], positions, [[0.0; 3]; 3], [false; 3], 0)
}

pub fn energy_and_forces_are_smooth_at_the_cutoff(model: &Model) {
    let step = 1e-4;
    let inside = &predict(model, &[three_atoms(R_MAX - step)])[0];
    let outside = &predict(model, &[three_atoms(R_MAX + step)])[0];
    assert_close(&[inside.energy], &[outside.energy], 1e-8);
    assert_close(
        inside.forces.as_flattened(),
        outside.forces.as_flattened(),
        1e-5,
    );
    let far = &predict(model, &[three_atoms(R_MAX - 1.0)])[0];
    assert!(
        (far.energy - outside.energy).abs() > 1e-6,
        "nothing happens within the cutoff"
    );
}

/// The same for an architecture whose vector messages are f(W m + b) with a scalar message m that
/// vanishes at the cutoff: the format gives them no envelope of their own, so that they jump by
/// f(b) there once b has been trained.
pub fn energy_and_forces_are_smooth_at_the_cutoff_without_message_biases(model: &Model) {
    let is_message_bias =
        |name: &str| name.ends_with("s_proj.bias") || name.ends_with("part_linear1.bias");
    let mut model = model.clone();
    let mut count = 0;
    for parameter in &mut model.parameters {
        if is_message_bias(&parameter.name) {
            let zeros = vec![0.0; parameter.values.len()];
            parameter.values = Values::new(parameter.values.precision(), zeros);
            count += 1;
        }
    }
    assert!(count > 0, "there are no such biases");
    energy_and_forces_are_smooth_at_the_cutoff(&model);
}

pub fn energies_of_distant_parts_add(model: &Model) {
    let molecule = structures().swap_remove(0);
    let other = three_atoms(1.4);
    let mut both = molecule.clone();
    both.positions
        .extend(other.positions.iter().map(|r| [r[0] + 60.0, r[1], r[2]]));
    both.atomic_numbers.extend(&other.atomic_numbers);
    let parts = predict(model, &[molecule, other, both]);
    assert_close(
        &[parts[2].energy],
        &[parts[0].energy + parts[1].energy],
        1e-11,
    );
}

pub fn an_atom_alone_has_no_force(model: &Model) {
    let structure = |z| stored::structure(vec![z], vec![[1.0; 3]], [[0.0; 3]; 3], [false; 3], 0);
    for prediction in predict(model, &[structure(8), structure(1)]) {
        assert!(prediction.energy.is_finite());
        assert_eq!(prediction.forces, [[0.0; 3]]);
        assert_eq!(prediction.virial, [[0.0; 3]; 3]);
    }
}

pub fn forces_are_minus_the_energy_gradient(model: &Model) {
    let h = 2e-5;
    for structure in structures().into_iter().take(3) {
        let forces = predict(model, std::slice::from_ref(&structure))[0]
            .forces
            .clone();
        let moved = |atom: usize, axis: usize, by: f64| {
            let mut moved = structure.clone();
            moved.positions[atom][axis] += by;
            moved
        };
        for (atom, force) in forces.iter().enumerate().take(4) {
            for (axis, force) in force.iter().enumerate() {
                let ends = predict(model, &[moved(atom, axis, h), moved(atom, axis, -h)]);
                let slope = (ends[0].energy - ends[1].energy) / (2.0 * h);
                assert_close(&[*force], &[-slope], 1e-6);
            }
        }
    }
}

pub fn virial_is_the_derivative_by_strain(model: &Model) {
    let h = 3e-6; // narrow radial functions: the error of the difference falls with h²
    let mut periodic = structures();
    periodic.retain(|structure| structure.cell.is_some());
    assert!(periodic.len() >= 2);
    for structure in periodic {
        let prediction = &predict(model, std::slice::from_ref(&structure))[0];
        let strained = |i: usize, j: usize, by: f64| {
            let mut strain = [[0.0; 3]; 3];
            strain[i][j] += by / 2.0;
            strain[j][i] += by / 2.0;
            for (k, row) in strain.iter_mut().enumerate() {
                row[k] += 1.0;
            }
            turned(&structure, &strain)
        };
        for i in 0..3 {
            for j in 0..=i {
                let ends = predict(model, &[strained(i, j, h), strained(i, j, -h)]);
                let slope = (ends[0].energy - ends[1].energy) / (2.0 * h);
                assert_close(&[prediction.virial[i][j]], &[slope], 1e-6);
                assert_eq!(prediction.virial[i][j], prediction.virial[j][i]);
            }
        }
        let cell = structure.cell.unwrap();
        let cross = |a: [f64; 3], b: [f64; 3]| {
            [
                a[1] * b[2] - a[2] * b[1],
                a[2] * b[0] - a[0] * b[2],
                a[0] * b[1] - a[1] * b[0],
            ]
        };
        let volume: f64 = cross(cell[0], cell[1])
            .iter()
            .zip(cell[2])
            .map(|(a, b)| a * b)
            .sum();
        let stress = prediction.stress.unwrap();
        let expected: Vec<f64> = prediction
            .virial
            .as_flattened()
            .iter()
            .map(|v| v / volume.abs())
            .collect();
        assert_close(stress.as_flattened(), &expected, 1e-12);
    }
}

/// Value and parameter gradient of a loss with energies, forces and stress, in f64.
fn loss(model: &Model, batch: &Batch, parameters: &[Vec<f64>]) -> (f64, Vec<Vec<f64>>) {
    let graph = Equations::new();
    let potential = Potential::new(&graph, model, Precision::Double, Mode::Evaluation);
    let weights = [0.7, 0.3].map(|w| graph.literal(w));
    let force_weights = graph.constant(&[1.0, -0.5, 0.8], &[3]);
    let atoms = ((potential.forces * potential.forces) * weights[0]
        + potential.forces * force_weights)
        .sum_inner()
        .sum(Map::All(Space::Atoms));
    let structures = ((potential.energies * potential.energies) * weights[1]).sum_inner()
        + (potential.stress * potential.stress).sum_inner();
    let total = atoms + structures.sum(Map::All(Space::Structures));
    let fields: Vec<_> = potential
        .parameters
        .iter()
        .map(|(_, field)| *field)
        .collect();
    let gradients = grad(total, &fields);
    let names: Vec<String> = potential
        .parameters
        .iter()
        .map(|(name, _)| format!("grad.{name}"))
        .collect();
    let mut outputs: Vec<(&str, _)> = names
        .iter()
        .map(String::as_str)
        .zip(gradients.iter().copied())
        .collect();
    outputs.push(("loss", total));
    let mut executor = Executor::<f64>::new(Plan::new(&graph, &outputs));
    let inputs = BatchInputs::new(model, batch).unwrap();
    let mut bindings = inputs.bind(batch, Bindings::new());
    for ((name, _), values) in potential.parameters.iter().zip(parameters) {
        bindings = bindings.input(name, values);
    }
    executor.run(&bindings).unwrap();
    let gradients = names
        .iter()
        .map(|name| executor.output(name).to_vec())
        .collect();
    (executor.output("loss")[0], gradients)
}

pub fn the_gradient_of_a_force_loss_matches_finite_differences(model: &Model) {
    let batch = batch(model, &structures()[..2]);
    let start: Vec<Vec<f64>> = model
        .parameters
        .iter()
        .map(|p| p.values.iter().collect())
        .collect();
    let (_, gradients) = loss(model, &batch, &start);
    let mut compared = 0;
    for (number, parameter) in start.iter().enumerate() {
        let direction = scattered(parameter.len());
        let exact: f64 = gradients[number]
            .iter()
            .zip(&direction)
            .map(|(g, d)| g * d)
            .sum();
        let at = |h: f64| {
            let mut moved = start.clone();
            for (x, d) in moved[number].iter_mut().zip(&direction) {
                *x += h * d;
            }
            loss(model, &batch, &moved).0
        };
        // Five points: the error of the formula is of fourth order in the step. The step is short
        // because some norms have kinks.
        let h = 2e-6;
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        let name = &model.parameters[number].name;
        let scale = exact.abs().max(1.0);
        assert!(
            (exact - slope).abs() < 1e-5 * scale,
            "{name}: {exact} {slope}"
        );
        compared += usize::from(exact != 0.0);
    }
    assert!(
        compared * 3 > start.len(),
        "only {compared} of {} parameters matter",
        start.len()
    );
}

pub fn single_precision_agrees_with_double(model: &Model) {
    check_single_precision(model, 1e-4);
}

/// For models that are ill-conditioned on the second structure, see `golden.rs`.
pub fn single_precision_agrees_with_double_to_4e_4(model: &Model) {
    check_single_precision(model, 4e-4);
}

fn check_single_precision(model: &Model, tolerance: f64) {
    let structures = structures();
    let single = predict_in::<f32>(model, &structures);
    for (a, b) in single.iter().zip(predict(model, &structures)) {
        assert_close(&[a.energy], &[b.energy], 1e-4);
        let (a, b) = (a.forces.as_flattened(), b.forces.as_flattened());
        assert_close(a, b, tolerance);
    }
}

pub fn weights_survive_a_file(model: &Model) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model.safetensors");
    model.save(&file).unwrap();
    let loaded = Model::load(&file).unwrap();
    assert_eq!(loaded, *model);
    assert_eq!(std::fs::read(&file).unwrap(), loaded.to_bytes());
    let structures = structures();
    assert_eq!(predict(&loaded, &structures), predict(model, &structures));
}

/// Of the elements H, C and O those that occur can be kept: one more or less changes nothing.
pub fn elements_that_do_not_occur_can_be_dropped(model: &Model) {
    for dropped in [1, 6, 8] {
        let mut structures = structures();
        for z in structures.iter_mut().flat_map(|s| &mut s.atomic_numbers) {
            if *z == dropped {
                *z = if dropped == 6 { 8 } else { 6 };
            }
        }
        let fewer = model.with_elements(|z| z != dropped).unwrap();
        assert!(fewer.num_parameters() < model.num_parameters());
        for (a, b) in predict(&fewer, &structures)
            .iter()
            .zip(predict(model, &structures))
        {
            // parameters are stored in 32 bits, and some of them are scaled
            assert_close(&[a.energy], &[b.energy], 1e-6);
            assert_close(a.forces.as_flattened(), b.forces.as_flattened(), 1e-6);
        }
    }
}

/// For an architecture that can have a force head: without it the energy is as before, and forces
/// are derivatives of it.
pub fn the_force_head_can_be_dropped(model: &Model) {
    let bare = model.without_force_head().unwrap();
    assert!(bare.num_parameters() < model.num_parameters());
    for (a, b) in predict(&bare, &structures())
        .iter()
        .zip(predict(model, &structures()))
    {
        assert_close(&[a.energy], &[b.energy], 1e-13);
        assert_ne!(a.forces, b.forces);
    }
    forces_are_minus_the_energy_gradient(&bare);
}

/// Makes the tests of an architecture: a module name and small options. An architecture that is
/// not smooth at the cutoff names what holds instead; one that is not symmetric under rotations and
/// reflections, or whose forces are not derivatives of the energy, names what holds in a second
/// list.
macro_rules! contract {
    ($name:ident, $config:expr) => {
        contract!($name, $config, [energy_and_forces_are_smooth_at_the_cutoff]);
    };
    ($name:ident, $config:expr, [$($smoothness:ident)*]) => {
        contract!($name, $config, [$($smoothness)*], [
            rotation_turns_forces_and_stress
            reflection_turns_forces_and_stress
            forces_are_minus_the_energy_gradient
            single_precision_agrees_with_double
        ]);
    };
    ($name:ident, $config:expr, [$($smoothness:ident)*], [$($property:ident)*]) => {
        contract!(@tests $name, $config,
            $($smoothness)*
            $($property)*
            translation_changes_nothing
            permutation_permutes_forces
            batching_changes_nothing
            energies_of_distant_parts_add
            an_atom_alone_has_no_force
            virial_is_the_derivative_by_strain
            the_gradient_of_a_force_loss_matches_finite_differences
            weights_survive_a_file
            elements_that_do_not_occur_can_be_dropped
        );
    };
    (@tests $name:ident, $config:expr, $($property:ident)*) => {
        mod $name {
            use super::*;

            $(#[test]
            fn $property() {
                $crate::contract::$property(&$crate::contract::model($config));
            })*
        }
    };
}
pub(crate) use contract;
