//! Losses, parameter gradients and training steps of dipm 0.0.8, followed from its
//! stored numbers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dipm_data::{Batch, Graph, Origin, Structure};
use dipm_field::Number;
use dipm_models::{Model, NoiseKey};
use dipm_train::optimizer::norm;
use dipm_train::{
    Ema, LossConfig, LossKind, LossWeights, Objective, Optimizer, OptimizerConfig, Real,
    TrainingStep, decayed_parameters, flat_parameters,
};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;

const CASES: &[&str] = &[
    "liten_1layer_trbf",
    "liten_3layers",
    "liten_charge_spin",
    "liten_default_arch",
    "liten_small",
    "liten_tasks",
    "mace_1layer_corr1",
    "mace_3layers_norminNone",
    "mace_default_arch",
    "mace_gate",
    "mace_heads2",
    "mace_nopseudo_corr3_sym1",
    "mace_small",
    "mace_soft",
    "mace_species4",
    "mace_symbasis_corr3",
    "nequip_default_arch",
    "nequip_lmax1",
    "nequip_lmax3",
    "nequip_small",
    "nequip_soft",
    "nequip_tanh_3layers",
    "uma_fixed_exp4_comp_tasks",
    "uma_fixed_noexp",
    "visnet_default_arch",
    "visnet_lmax1",
    "visnet_maxmin",
    "visnet_rms",
    "visnet_small",
    "visnet_trainable_rbf",
];
const KINDS: [(&str, LossKind); 3] = [
    ("mse", LossKind::Mse),
    ("huber", LossKind::Huber),
    ("l2mae", LossKind::L2mae),
];
const DEFAULT: LossWeights = LossWeights {
    energy: 1.0,
    forces: 25.0,
    stress: 0.0,
};
const WITH_STRESS: LossWeights = LossWeights {
    energy: 1.0,
    forces: 25.0,
    stress: 10.0,
};

/// A file of this crate's stored numbers.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// A file that is stored once, beside the models.
fn of_models(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dipm-models/tests/golden")
        .join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers<const N: usize>(value: &Value) -> Vec<[f64; N]> {
    serde_json::from_value::<Vec<Vec<f64>>>(value.clone())
        .unwrap()
        .into_iter()
        .map(|row| row.try_into().unwrap())
        .collect()
}

/// The four labelled structures at a cutoff of 4 Å.
fn batch(model: &Model) -> Batch {
    let stored = json(&of_models("STRUCTS_4.json"));
    let file: Arc<Path> = Arc::from(Path::new("STRUCTS_4.json"));
    let graph = |(index, s): (usize, &Value)| {
        let cell: [[f64; 3]; 3] = numbers::<3>(&s["cell"]).try_into().unwrap();
        let structure = Structure {
            atomic_numbers: serde_json::from_value(s["numbers"].clone()).unwrap(),
            positions: numbers(&s["positions"]),
            cell: (cell != [[0.0; 3]; 3]).then_some(cell),
            pbc: serde_json::from_value(s["pbc"].clone()).unwrap(),
            energy: Some(s["ref_energy"].as_f64().unwrap()),
            forces: Some(numbers(&s["ref_forces"])),
            stress: Some(numbers::<3>(&s["ref_stress"]).try_into().unwrap()),
            charge: s["charge"].as_i64().map(|charge| charge as i32),
            spin: s["spin"].as_i64().map(|spin| spin as i32),
            task: s["task"].as_u64().map(|task| task as usize),
            weight: s["weight"].as_f64().unwrap_or(1.0),
            config_type: None,
            origin: Origin {
                file: Arc::clone(&file),
                index,
            },
        };
        Graph::new(structure, 4.0, None).unwrap()
    };
    let structures = stored["structures"].as_array().unwrap();
    let graphs: Vec<Graph> = structures.iter().enumerate().map(graph).collect();
    Batch::new(&graphs, &model.species()).unwrap()
}

fn model(case: &str) -> Model {
    Model::load(of_models(&format!("{case}/weights.safetensors"))).unwrap()
}

/// Tensors with a prefix in the order of the model, flat.
fn flat(path: &Path, prefix: &str, step_layout: &dipm_train::ParameterLayout) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let names = step_layout
        .sizes()
        .map(|(name, _)| format!("{prefix}{name}"));
    let read = |name: String| {
        let view = tensors
            .tensor(&name)
            .unwrap_or_else(|_| panic!("{name} in {path:?}"));
        match view.dtype() {
            safetensors::Dtype::F64 => f64::read_bytes(view.data()),
            safetensors::Dtype::F32 => f32::read_bytes(view.data())
                .into_iter()
                .map(f64::from)
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    names.flat_map(read).collect()
}

/// Rounding of the numbers in a file: some gradients are stored in single precision.
fn rounding(path: &Path) -> f64 {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let single = |(_, view): &(String, TensorView<'_>)| view.dtype() == safetensors::Dtype::F32;
    if tensors.tensors().iter().any(single) {
        1e-7
    } else {
        0.0
    }
}

/// Largest difference over the largest stored number.
fn difference(found: &[f64], stored: &[f64]) -> f64 {
    assert_eq!(found.len(), stored.len());
    let scale = stored.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
    found
        .iter()
        .zip(stored)
        .fold(0.0, |a: f64, (x, y)| a.max((x - y).abs()))
        / scale
}

/// The weighted loss and its gradient.
fn evaluate<T: Real + dipm_models::Real>(
    case: &str,
    kind: LossKind,
    weights: LossWeights,
) -> (f64, Vec<f64>, dipm_train::ParameterLayout) {
    let model = model(case);
    let mut step = TrainingStep::<T>::new(&model, &LossConfig::constant(kind, weights));
    let parameters = flat_parameters(&model);
    let mut gradient = vec![T::default(); parameters.len()];
    let terms = step
        .gradient(
            &parameters,
            &batch(&model),
            &weights,
            NoiseKey::default(),
            &mut gradient,
        )
        .unwrap();
    let gradient = gradient.into_iter().map(Number::to_f64).collect();
    (terms.weighted(&weights), gradient, step.layout().clone())
}

fn losses_agree<T: Real + dipm_models::Real>(tolerance: f64) {
    for &case in CASES {
        let golden = json(&of_models(&format!("{case}/golden.json")));
        for (name, kind) in KINDS {
            for (key, weights) in [
                ("loss_weights_1_25_0", DEFAULT),
                ("loss_weights_1_25_10", WITH_STRESS),
            ] {
                let stored = golden[key][name].as_f64().unwrap();
                let (loss, ..) = evaluate::<T>(case, kind, weights);
                let error = (loss - stored).abs() / stored;
                assert!(
                    error < tolerance,
                    "{case}, {name}, {key}: {loss} differs by {error:e}"
                );
            }
        }
    }
}

#[test]
fn losses_agree_to_1e_9_in_double_precision() {
    losses_agree::<f64>(1e-9);
}

#[test]
fn losses_agree_to_2e_5_in_single_precision() {
    losses_agree::<f32>(2e-5);
}

fn gradients_agree<T: Real + dipm_models::Real>(tolerance: f64) {
    for &case in CASES {
        for (name, kind) in KINDS {
            let suffix = if name == "mse" {
                String::new()
            } else {
                format!("_{name}")
            };
            let path = own(&format!("{case}/grads{suffix}.safetensors"));
            if !path.exists() {
                assert!(
                    !case.ends_with("_small") && name != "mse",
                    "{path:?} is missing"
                );
                continue;
            }
            let (_, gradient, layout) = evaluate::<T>(case, kind, DEFAULT);
            let stored = flat(&path, "", &layout);
            let tolerance = tolerance.max(rounding(&path));
            let (mut found, mut expected) = (&gradient[..], &stored[..]);
            let scale = stored.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
            // Some large cases are stored in single precision.
            let is_single = stored.iter().all(|x| f64::from(*x as f32) == *x);
            let tolerance = if is_single {
                tolerance.max(1e-7)
            } else {
                tolerance
            };
            for (parameter, len) in layout.sizes() {
                let (one, rest) = found.split_at(len);
                let (other, tail) = expected.split_at(len);
                (found, expected) = (rest, tail);
                let largest = one
                    .iter()
                    .zip(other)
                    .fold(0.0, |a: f64, (x, y)| a.max((x - y).abs()));
                let error = largest / scale;
                assert!(
                    error < tolerance,
                    "{case}, {name}: {parameter} differs by {error:e}"
                );
            }
        }
    }
}

#[test]
fn parameter_gradients_agree_to_1e_9_in_double_precision() {
    gradients_agree::<f64>(1e-9);
}

#[test]
fn parameter_gradients_agree_to_1e_4_in_single_precision() {
    gradients_agree::<f32>(1e-4);
}

#[test]
fn parameters_that_cannot_matter_have_no_gradient() {
    for case in ["nequip_small", "mace_1layer_corr1", "mace_small"] {
        let golden = json(&of_models(&format!("{case}/golden.json")));
        let dead = golden["zero_gradient_params"].clone();
        let dead: Vec<String> = serde_json::from_value(dead).unwrap();
        let (_, gradient, layout) = evaluate::<f64>(case, LossKind::Mse, DEFAULT);
        for (name, _, values) in layout.split(&gradient) {
            let is_zero = values.iter().all(|&x| x == 0.0);
            assert_eq!(is_zero, dead.iter().any(|dead| dead == name), "{name}");
        }
    }
}

#[test]
fn eight_training_steps_follow_the_stored_trajectory() {
    let golden = json(&own("trajectory_nequip_small.json"));
    let config: OptimizerConfig = serde_json::from_value(golden["optimizer"].clone()).unwrap();
    let model = model("nequip_small");
    let batch = batch(&model);
    let mut step = TrainingStep::<f64>::new(&model, &LossConfig::new(LossKind::Mse));
    let layout = step.layout().clone();
    let mut parameters = flat_parameters::<f64>(&model);
    let mut gradient = vec![0.0; parameters.len()];
    let decays = decayed_parameters(layout.sizes().map(|(name, _)| name), true);
    let mut optimizer = Optimizer::new(&config, layout.sizes().map(|(_, len)| len).zip(decays));
    let mut ema = Ema::new(golden["ema_decay"].as_f64().unwrap(), parameters.len());
    let steps = golden["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 8);
    for (number, stored) in steps.iter().enumerate() {
        let terms = step
            .gradient(
                &parameters,
                &batch,
                &DEFAULT,
                NoiseKey::default(),
                &mut gradient,
            )
            .unwrap();
        // The reference keeps its learning rate in f32.
        for (name, found) in [
            ("loss", terms.weighted(&DEFAULT)),
            ("gradient_norm", norm(&gradient)),
        ] {
            let stored = stored[name].as_f64().unwrap();
            let error = (found - stored).abs() / stored;
            assert!(
                error < 1e-6,
                "step {number}: {name} {found} differs by {error:e}"
            );
        }
        optimizer.step(&mut parameters, &gradient, &mut ema);
    }
    let path = own("trajectory_nequip_small.safetensors");
    assert!(difference(&parameters, &flat(&path, "params.", &layout)) < 1e-6);
    assert!(difference(&ema.debiased().unwrap(), &flat(&path, "ema.", &layout)) < 1e-6);
}

#[test]
fn predictions_and_the_definition_give_the_loss_of_the_fields() {
    let model = model("nequip_small");
    let batch = batch(&model);
    for (_, kind) in KINDS {
        let mut step = TrainingStep::<f64>::new(&model, &LossConfig::constant(kind, WITH_STRESS));
        let parameters = flat_parameters(&model);
        let mut gradient = vec![0.0; parameters.len()];
        let terms = step
            .gradient(
                &parameters,
                &batch,
                &WITH_STRESS,
                NoiseKey::default(),
                &mut gradient,
            )
            .unwrap();
        let (labels, predictions) = step.predict(&parameters, &batch).unwrap();
        let mut mean = dipm_train::LossTerms::default();
        let each = kind.structure_terms(&labels, &predictions);
        each.iter()
            .for_each(|terms| mean.add_scaled(terms, 1.0 / each.len() as f64));
        let error = (mean.weighted(&WITH_STRESS) / terms.weighted(&WITH_STRESS) - 1.0).abs();
        assert!(error < 1e-12, "{kind:?}: {mean:?} and {terms:?}");
    }
}

#[test]
fn the_gradient_of_a_loss_with_stress_matches_finite_differences() {
    let model = model("nequip_small");
    let batch = batch(&model);
    for (_, kind) in KINDS {
        let mut step = TrainingStep::<f64>::new(&model, &LossConfig::constant(kind, WITH_STRESS));
        let parameters = flat_parameters::<f64>(&model);
        let mut gradient = vec![0.0; parameters.len()];
        step.gradient(
            &parameters,
            &batch,
            &WITH_STRESS,
            NoiseKey::default(),
            &mut gradient,
        )
        .unwrap();
        let scale = gradient.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
        let mut unused = vec![0.0; parameters.len()];
        for i in (0..parameters.len()).step_by(97) {
            let mut at = |by: f64| {
                let mut moved = parameters.clone();
                moved[i] += by;
                step.gradient(
                    &moved,
                    &batch,
                    &WITH_STRESS,
                    NoiseKey::default(),
                    &mut unused,
                )
                .unwrap()
                .weighted(&WITH_STRESS)
            };
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!(
                (gradient[i] - expected).abs() < 1e-5 * scale,
                "{kind:?}, value {i}"
            );
        }
    }
}
