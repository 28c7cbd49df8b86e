//! Contractions with matrices whose strips are copied and whose sums are packed, and with some that are
//! too large for partial sums as well, against the reference: every instruction set, both number types, one thread and several.

use dipm_field::{
    Bindings, Executor, Field, Graph, InstructionSet, Map, Plan, Scalar, Space, grad, reference,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BY_TABLE: Map = Map::Index {
    from: Space::Edges,
    table: 0,
};
const EDGES: usize = 61;
const ATOMS: usize = 9;
const SPECIES: usize = 3;

/// Rows and columns of a matrix that is large, and of one that is not.
const SIZES: [(usize, usize); 2] = [(387, 389), (41, 61)];

/// Contractions of edge features, gathered and with a leading axis, with one matrix and with one for
/// each species (the last has no edges); with first and second derivatives.
fn outputs(graph: &Graph, (k, n): (usize, usize)) -> Vec<(&'static str, Field<'_>)> {
    let x = graph.input("x", Space::Atoms, &[2, k]);
    let single = graph.input("single", Space::Const, &[k, n]);
    let several = graph.input("several", Space::Const, &[SPECIES, k, n]);
    let y = x.gather(Map::Sender).contract(single);
    let z = (x.gather(Map::Receiver) * 0.5).contract_by(several.as_rows(0), BY_TABLE);
    let energy = (y * z).tanh().sum_inner().sum(Map::All(Space::Edges));
    let force = grad(energy, &[x])[0];
    let loss = (force * force).sum_inner().sum(Map::All(Space::Atoms));
    let slopes = grad(loss, &[single, several, x]);
    vec![
        ("energy", energy),
        ("force", force),
        ("single", slopes[0]),
        ("several", slopes[1]),
        ("x", slopes[2]),
    ]
}

fn random(rng: &mut ChaCha8Rng, size: usize, scale: f64) -> Vec<f64> {
    (0..size)
        .map(|_| rng.random_range(-1.0..1.0) * scale)
        .collect()
}

/// A matrix for each structure class that is a mixture of a few large ones, which the derivative by the
/// weights of the mixture is multiplied with transposed; with and without a bias.
fn mixed(graph: &Graph) -> Vec<(&'static str, Field<'_>)> {
    const LENGTH: usize = 4500;
    let weights = graph.input("weights", Space::Table(0), &[1, 5]);
    let large = graph.input("large", Space::Const, &[5, LENGTH]);
    let bias = graph.input("bias", Space::Const, &[5]);
    let mixture = weights.contract(large);
    let back = (mixture * mixture).tanh().contract(large.transpose()) + bias;
    let energy = (mixture.tanh() * mixture).sum_inner() + (back * back).sum_inner();
    let energy = energy.sum(Map::All(Space::Table(0)));
    let slopes = grad(energy, &[weights, large]);
    vec![
        ("energy", energy),
        ("back", back),
        ("weights", slopes[0]),
        ("large", slopes[1]),
    ]
}

fn check<T: Scalar>(outputs: impl Fn(&Graph) -> Vec<(&'static str, Field<'_>)>, tolerance: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let graph = Graph::new();
    let outputs = outputs(&graph);
    let inputs: Vec<(String, Vec<f64>)> = (graph.inputs().into_iter())
        .map(|input| {
            let rows = match input.space {
                Space::Atoms => ATOMS,
                Space::Table(0) => SPECIES,
                _ => 1,
            };
            let size = rows * input.shape.iter().product::<usize>();
            (input.name, random(&mut rng, size, 0.05))
        })
        .collect();
    let mut receivers: Vec<u32> = (0..EDGES).map(|_| rng.random_range(0..9)).collect();
    receivers.sort_unstable();
    let senders: Vec<u32> = (0..EDGES).map(|_| rng.random_range(0..9)).collect();
    let species: Vec<u32> = (0..EDGES).map(|_| rng.random_range(0..2)).collect();
    fn bind<'a, T>(
        maps: [&'a [u32]; 3],
        inputs: impl Iterator<Item = (&'a str, &'a [T])>,
    ) -> Bindings<'a, T>
    where
        T: 'a,
    {
        let bindings = Bindings::new()
            .rows(Space::Edges, EDGES)
            .rows(Space::Atoms, ATOMS)
            .rows(Space::Table(0), SPECIES)
            .map(Map::Receiver, maps[0])
            .map(Map::Sender, maps[1])
            .map(BY_TABLE, maps[2]);
        inputs.fold(bindings, |all, (name, data)| all.input(name, data))
    }
    let maps: [&[u32]; 3] = [&receivers, &senders, &species];
    let exact = bind(maps, inputs.iter().map(|x| (x.0.as_str(), x.1.as_slice())));
    let fields: Vec<Field<'_>> = outputs.iter().map(|output| output.1).collect();
    let expected = reference::evaluate(&graph, &fields, &exact).unwrap();
    let converted: Vec<(&str, Vec<T>)> = (inputs.iter())
        .map(|(name, data)| {
            let data = data.iter().map(|&x| T::from_f64(x)).collect();
            (name.as_str(), data)
        })
        .collect();
    let bindings = bind(maps, converted.iter().map(|x| (x.0, x.1.as_slice())));
    let mut sets = vec![InstructionSet::Portable];
    match InstructionSet::detect() {
        InstructionSet::Avx512 => sets.extend([InstructionSet::Avx2, InstructionSet::Avx512]),
        other => sets.push(other),
    }
    for set in sets {
        let results: Vec<Vec<Vec<T>>> = [1, 3]
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let plan = Plan::new(&graph, &outputs);
                let mut executor = Executor::<T>::with_instruction_set(plan, set);
                let run = || executor.run(&bindings).unwrap();
                pool.build().unwrap().install(run);
                let values = outputs.iter().map(|x| executor.output(x.0).to_vec());
                values.collect()
            })
            .into();
        assert_eq!(results[0], results[1], "{set:?} on several threads");
        for (((name, _), value), found) in outputs.iter().zip(&expected).zip(&results[0]) {
            let largest = value.data.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            assert!(largest > 0.0, "{name} is zero");
            for (x, y) in found.iter().zip(&value.data) {
                let error = (x.to_f64() - y).abs();
                assert!(error <= tolerance * largest, "{set:?} {name}: {x:?}, {y}");
            }
        }
    }
}

#[test]
fn matrices_agree_with_the_reference_in_double_precision() {
    for size in SIZES {
        check::<f64>(|graph| outputs(graph, size), 1e-12);
    }
}

#[test]
fn matrices_agree_with_the_reference_in_single_precision() {
    for size in SIZES {
        check::<f32>(|graph| outputs(graph, size), 1e-5);
    }
}

#[test]
fn transposed_matrices_of_a_few_long_columns_agree_with_the_reference() {
    check::<f64>(mixed, 1e-12);
    check::<f32>(mixed, 1e-5);
}
