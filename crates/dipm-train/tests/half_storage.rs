//! Training steps that keep values in 16 bits between operations, beside those that do not.
//! A table of all architectures: `cargo test -p dipm-train --test half_storage -- --nocapture`.

#[path = "../../dipm-models/tests/stored/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod stored;

use dipm_data::{Batch, Graph};
use dipm_field::Half;
use dipm_models::{Mode, Model, NoiseKey, Values};
use dipm_train::optimizer::norm;
use dipm_train::{
    BatchDump, LossConfig, LossKind, LossWeights, Objective, TrainingStep, diagnose,
    flat_parameters,
};

const CASES: [&str; 6] = [
    "nequip_small",
    "mace_small",
    "visnet_small",
    "liten_small",
    "eqv2_small",
    "uma_fixed_noexp",
];
const WEIGHTS: LossWeights = LossWeights {
    energy: 1.0,
    forces: 25.0,
    stress: 0.0,
};

fn model(case: &str) -> Model {
    Model::load(stored::path(&format!("{case}/weights.safetensors"))).unwrap()
}

/// Loss, gradient and MiB of a training step, and energies of its evaluation.
struct Found {
    loss: f64,
    gradient: Vec<f32>,
    bytes: usize,
    energies: Vec<f64>,
}

fn compute(model: &Model, batch: &Batch, storage: Option<Half>) -> Found {
    let loss = LossConfig::constant(LossKind::Mse, WEIGHTS);
    let mut step = TrainingStep::<f32>::with_storage(model, &loss, Mode::Evaluation, storage);
    let parameters = flat_parameters(model);
    let mut gradient = vec![0.0; parameters.len()];
    let noise = NoiseKey::default();
    let terms = step.gradient(&parameters, batch, &WEIGHTS, noise, &mut gradient);
    let loss = terms.unwrap().weighted(&WEIGHTS);
    let bytes = step.executor().memory_bytes();
    let (_, predictions) = step.predict(&parameters, batch).unwrap();
    Found {
        loss,
        gradient,
        bytes,
        energies: predictions.energies,
    }
}

/// Norm of the difference relative to the norm of `b`.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let difference: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(b)
}

/// Rounding to 8 and 11 bits moves the gradient by about as much, saves memory, and leaves evaluation alone.
#[test]
fn gradients_stay_near_those_of_f32_and_take_less_memory() {
    println!("gradient relative to f32, MiB of a step in f32, bfloat16, float16");
    for case in CASES {
        let model = model(case);
        // enough rows for values to outweigh constants
        let graphs: Vec<Graph> = (0..8).flat_map(|_| stored::graphs()).collect();
        let batch = Batch::new(&graphs, &model.species()).unwrap();
        let exact = compute(&model, &batch, None);
        let mib = |bytes: usize| bytes as f64 / f64::from(1u32 << 20);
        let mut line = format!("{case:16}");
        let mut memory = format!("{:8.2}", mib(exact.bytes));
        for (half, bound) in [(Half::Bfloat16, 0.08), (Half::Float16, 0.01)] {
            let rounded = compute(&model, &batch, Some(half));
            let error = relative(&rounded.gradient, &exact.gradient);
            line += &format!(" {error:9.1e}");
            memory += &format!(" {:8.2}", mib(rounded.bytes));
            assert!(error > 0.0 && error < bound, "{case}: {error}");
            let loss = (rounded.loss - exact.loss).abs() / exact.loss;
            assert!(loss < 0.02, "{case}: {} {}", rounded.loss, exact.loss);
            assert!(
                (rounded.bytes as f64) < 0.9 * exact.bytes as f64,
                "{case}: {} of {} bytes",
                rounded.bytes,
                exact.bytes
            );
            assert_eq!(rounded.energies, exact.energies, "{case}");
        }
        println!("{line} {memory}");
    }
}

/// What is finite in f32 and too large for float16 is found so, and is no failure of an operation.
#[test]
fn values_too_large_for_float16_are_told_from_those_of_an_operation() {
    let mut model = model("nequip_small");
    let batch = Batch::new(&stored::graphs(), &model.species()).unwrap();
    for parameter in &mut model.parameters {
        if parameter.name.contains("embed") {
            let precision = parameter.values.precision();
            let larger: Vec<f64> = parameter.values.iter().map(|x| x * 1e3).collect();
            parameter.values = Values::new(precision, larger);
        }
    }
    let finite = |storage| {
        let found = compute(&model, &batch, storage);
        found.loss.is_finite() && found.gradient.iter().all(|x| x.is_finite())
    };
    assert!(finite(None) && finite(Some(Half::Bfloat16)));
    assert!(!finite(Some(Half::Float16)));
    let dump = BatchDump {
        format: 1,
        program_version: "0.1.0".to_owned(),
        dtype: "F16".to_owned(),
        quantity: "loss".to_owned(),
        value: "inf".to_owned(),
        loss: LossConfig::constant(LossKind::Mse, WEIGHTS),
        weights: WEIGHTS,
        noise: NoiseKey::default(),
        batch,
    };
    let parameters = flat_parameters::<f32>(&model);
    let diagnosis = diagnose(&dump, &model, &parameters).unwrap();
    assert!(!diagnosis.gradient_norm.is_finite());
    assert!(diagnosis.first.is_none(), "{:?}", diagnosis.first);
}
