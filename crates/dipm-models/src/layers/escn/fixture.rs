//! Stored numbers of the layers, and evaluating a layer on them.

use std::path::Path;

use dipm_field::{Bindings, Executor, Field, Graph, Plan, Space};
use safetensors::SafeTensors;

/// A tensor of `tests/golden/escn_layers.safetensors`, row-major.
pub fn stored(name: &str) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/escn_layers.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor(name).unwrap().data().to_vec();
    let numbers = data.as_chunks::<8>().0.iter();
    numbers.map(|b| f64::from_le_bytes(*b)).collect()
}

/// The value of a field for 5 edges and 4 atoms.
pub fn evaluate(
    inputs: &[(&str, &[f64])],
    equations: impl for<'g> Fn(&'g Graph) -> Field<'g>,
) -> Vec<f64> {
    let graph = Graph::new();
    let plan = Plan::new(&graph, &[("value", equations(&graph))]);
    let mut bindings = Bindings::new().rows(Space::Edges, 5).rows(Space::Atoms, 4);
    for (name, values) in inputs {
        bindings = bindings.input(name, values);
    }
    let mut executor = Executor::<f64>::new(plan);
    executor.run(&bindings).unwrap();
    executor.output("value").to_vec()
}

#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} {b}");
    }
}
