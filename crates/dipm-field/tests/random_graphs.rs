//! Random graphs, with first and second derivatives, against the reference: every instruction set,
//! both number types, one thread and several.

use dipm_field::{
    Bindings, Executor, Field, Graph, Half, InstructionSet, Map, Plan, ProductTable, Scalar, Slot,
    Space, Unary, grad, reference,
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

const TABLE: u8 = 0;
const SPECIES: Map = Map::Index {
    from: Space::Atoms,
    table: TABLE,
};
const MAPS: [Map; 5] = [
    Map::Sender,
    Map::Receiver,
    Map::AtomStructure,
    Map::EdgeStructure,
    SPECIES,
];

/// Rows and maps of a made-up batch; some atoms have no edges, one structure has no atoms' edges.
struct Batch {
    rows: Vec<(Space, usize)>,
    maps: Vec<(Map, Vec<u32>)>,
}

impl Batch {
    fn random(rng: &mut ChaCha8Rng, edges: usize) -> Self {
        let (atoms, structures, species) = (edges / 5 + 3, 4, 3);
        let mut atom_structure: Vec<u32> = (0..atoms)
            .map(|_| rng.random_range(0..structures as u32))
            .collect();
        atom_structure.sort_unstable();
        let mut receivers: Vec<u32> = (0..edges)
            .map(|_| rng.random_range(1..atoms as u32))
            .collect();
        receivers.sort_unstable();
        let senders = (0..edges)
            .map(|_| rng.random_range(0..atoms as u32))
            .collect();
        let edge_structure = receivers
            .iter()
            .map(|&r| atom_structure[r as usize])
            .collect();
        let elements = (0..atoms)
            .map(|_| rng.random_range(0..species as u32))
            .collect();
        Self {
            rows: vec![
                (Space::Edges, edges),
                (Space::Atoms, atoms),
                (Space::Structures, structures),
                (Space::Table(TABLE), species),
                (Space::Const, 1),
            ],
            maps: vec![
                (Map::Sender, senders),
                (Map::Receiver, receivers),
                (Map::AtomStructure, atom_structure),
                (Map::EdgeStructure, edge_structure),
                (SPECIES, elements),
            ],
        }
    }

    /// As many rows, with all edges at one atom.
    fn crowded(&self) -> Self {
        let mut crowded = Self {
            rows: self.rows.clone(),
            maps: self.maps.clone(),
        };
        for (map, targets) in &mut crowded.maps {
            if [Map::Receiver, Map::EdgeStructure].contains(map) {
                targets.fill(if *map == Map::Receiver { 1 } else { 0 });
            }
        }
        crowded
    }

    fn rows(&self, space: Space) -> usize {
        self.rows.iter().find(|known| known.0 == space).unwrap().1
    }

    fn bindings<T>(&self) -> Bindings<'_, T> {
        let mut bindings = Bindings::new();
        for &(space, rows) in &self.rows {
            bindings = bindings.rows(space, rows);
        }
        for (map, targets) in &self.maps {
            bindings = bindings.map(*map, targets);
        }
        bindings
    }
}

fn random_shape(rng: &mut ChaCha8Rng) -> Vec<usize> {
    let rank = rng.random_range(0..=3);
    (0..rank)
        .map(|_| *[1, 2, 3, 4, 5, 7, 17, 20].choose(rng).unwrap())
        .collect()
}

fn random_table(rng: &mut ChaCha8Rng, slots: &[Slot]) -> ProductTable {
    let count = rng.random_range(1..25);
    let entries: Vec<_> = (0..count)
        .map(|_| {
            let index = slots
                .iter()
                .map(|slot| rng.random_range(0..slot.dim))
                .collect();
            (index, rng.random_range(-1.0..1.0))
        })
        .collect();
    ProductTable::new(slots, entries)
}

/// A product of x `[a, C]`, alone or with scalars y: a dense or sparse table, or a matrix that the
/// scalars are the entries of.
fn linear_product<'g>(
    rng: &mut ChaCha8Rng,
    graph: &'g Graph,
    x: Field<'g>,
    y: Field<'g>,
) -> Field<'g> {
    let (a, b, num_scalars) = (
        x.shape()[0],
        *[1, 2, 5, 7, 9, 14].choose(rng).unwrap(),
        y.shape()[0],
    );
    let (from, to) = (Slot::channels(a), Slot::channels(b));
    let kept = rng.random_range(0.3..1.3);
    let mut pairs: Vec<(usize, usize)> = (0..a * b).map(|i| (i / b, i % b)).collect();
    pairs.retain(|_| rng.random_bool(f64::min(kept, 1.0)));
    match rng.random_range(0..3) {
        0 => {
            let entries = pairs.into_iter().enumerate();
            let entries = entries.map(|(n, (i, j))| (vec![i, j], 0.3 - n as f64 * 0.01));
            let table = ProductTable::new(&[from, to], entries);
            graph.product(&table, 1, &[Some(x), None])
        }
        1 => {
            let slots = [from, Slot::scalars(num_scalars), to];
            let table = random_table(rng, &slots);
            graph.product(&table, 2, &[Some(x), Some(y), None])
        }
        _ => {
            let slots = [Slot::scalars(num_scalars), from, to];
            let entries = pairs.into_iter().zip(0..num_scalars);
            let entries = entries.map(|((i, j), s)| (vec![s, i, j], 1.0));
            let table = ProductTable::new(&slots, entries);
            graph.product(&table, 2, &[Some(y), Some(x), None])
        }
    }
}

/// One more field from fields that are there, or none if the draw does not fit.
fn random_op<'g>(
    rng: &mut ChaCha8Rng,
    graph: &'g Graph,
    pool: &[Field<'g>],
    detach: bool,
) -> Option<Field<'g>> {
    let x = *pool.choose(rng)?;
    let shape = x.shape();
    let partner = |rng: &mut ChaCha8Rng, fits: &dyn Fn(&Field<'g>) -> bool| {
        let fitting: Vec<_> = pool.iter().copied().filter(fits).collect();
        fitting.choose(rng).copied()
    };
    let bounded = |f: Field<'g>| (f * 0.3).tanh();
    Some(match rng.random_range(0..if detach { 22 } else { 21 }) {
        0 => x.silu(),
        1 => (x * x + 1.0).sqrt(),
        2 => x.sin() + x.cos() * 0.5,
        3 => (x * x + 0.7).recip(),
        4 => *[
            x.abs(),
            x.sigmoid(),
            x.power(3).tanh(),
            (x * x + 0.5).log(),
            (-x).exp().tanh(),
        ]
        .choose(rng)?,
        5 | 6 => {
            let y = partner(rng, &|y| {
                let other = y.shape();
                (y.space() == x.space() || y.space() == Space::Const || x.space() == Space::Const)
                    && shape
                        .iter()
                        .rev()
                        .zip(other.iter().rev())
                        .all(|(&a, &b)| a == b || a == 1 || b == 1)
            })?;
            match rng.random_range(0..4) {
                0 => x + y,
                1 => x - y * 0.3,
                2 => x * y,
                _ => x / (y * y + 1.0),
            }
        }
        7 => {
            let y = partner(rng, &|y| y.space() == x.space() && y.shape() == shape)?;
            (x - 0.1).select(y, x * 0.5)
        }
        8 => {
            let axes: Vec<usize> = (0..shape.len()).filter(|_| rng.random_bool(0.6)).collect();
            if rng.random_bool(0.3) {
                x.max_axes(&axes)
            } else {
                bounded(x.sum_axes(&axes))
            }
        }
        9 => {
            let size: usize = shape.iter().product();
            let divisors: Vec<usize> = (1..=size).filter(|&d| size.is_multiple_of(d)).collect();
            let first = *divisors.choose(rng)?;
            x.reshape(&[first, size / first])
        }
        10 => {
            let mut order: Vec<usize> = (0..shape.len()).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, rng.random_range(0..=i));
            }
            x.permute(&order)
        }
        11 => {
            let axis = rng.random_range(0..shape.len().max(1));
            let length = *shape.get(axis)?;
            let start = rng.random_range(0..length);
            x.slice(axis, start, rng.random_range(1..=length - start))
        }
        12 => {
            let axis = rng.random_range(0..shape.len().max(1));
            let length = *shape.get(axis)?;
            x.pad(axis, rng.random_range(0..3), length + 3)
        }
        13 => {
            let axis = rng.random_range(0..shape.len().max(1));
            shape.get(axis)?;
            let y = partner(rng, &|y| {
                let mut other = y.shape();
                other.len() == shape.len() && (y.space() == x.space()) && {
                    other[axis] = shape[axis];
                    other == shape
                }
            })?;
            graph.concat(&[x, y, x * 2.0], axis)
        }
        14 | 15 => {
            let k = *shape.last()?;
            let index = rng.random_range(0..3);
            let n = [1, 6, 35][index];
            if x.space() == Space::Atoms && rng.random_bool(0.5) {
                let w = graph.input(&format!("species{k}x{n}"), Space::Const, &[k, 3, n]);
                bounded(x.contract_by(w.permute(&[1, 0, 2]).as_rows(TABLE), SPECIES))
            } else {
                bounded(x.contract(graph.input(&format!("w{k}x{n}"), Space::Const, &[k, n])))
            }
        }
        16 => {
            shape.last()?;
            let y = partner(rng, &|y| {
                let other = y.shape();
                y.space() == x.space()
                    && other.len() == shape.len()
                    && other[..other.len() - 1] == shape[..shape.len() - 1]
            })?;
            let mut maps = vec![Map::All(x.space())];
            maps.extend(
                MAPS.iter()
                    .filter(|m| m.source() == x.space() && **m != Map::Receiver),
            );
            bounded(x.contract_rows(y, *maps.choose(rng)?) * 0.1)
        }
        17 => {
            let [a, c] = shape[..] else { return None };
            let y = partner(rng, &|y| {
                y.space() == x.space() && y.shape().len() == 1 && y.shape()[0] > 1
            })?;
            if rng.random_bool(0.4) {
                return Some(bounded(linear_product(rng, graph, x, y)));
            }
            let z = partner(rng, &|z| {
                z.shape().len() == 2 && z.shape()[1] == c && z.space() == x.space()
            })?;
            let slots = [
                Slot::channels(a),
                Slot::scalars(y.shape()[0]),
                Slot::channels(z.shape()[0]),
                if rng.random_bool(0.5) {
                    Slot::channels(4)
                } else {
                    Slot::scalars(4)
                },
            ];
            let table = random_table(rng, &slots);
            bounded(graph.product(&table, 3, &[Some(x), Some(y), Some(z), None]))
        }
        18 => {
            let map = *MAPS
                .iter()
                .filter(|m| m.target() == x.space())
                .collect::<Vec<_>>()
                .choose(rng)?;
            x.gather(*map)
        }
        19 | 20 => {
            let maps: Vec<Map> = MAPS
                .iter()
                .copied()
                .filter(|m| m.source() == x.space())
                .collect();
            let map = *maps.choose(rng)?;
            if rng.random_bool(0.6) {
                bounded(x.sum(map))
            } else {
                x.max(map)
            }
        }
        _ => x.detach(),
    })
}

/// Name of an input field; tables are read from the input of that name.
fn input_name(graph: &Graph, field: Field<'_>) -> String {
    let inputs = graph.inputs();
    let find = |name: &str| inputs.iter().find(|input| input.name == name).cloned();
    let known = inputs.iter().find(|input| {
        let same = graph.input(&input.name, input.space, &input.shape);
        format!("{same:?}") == format!("{field:?}")
    });
    known.cloned().or_else(|| find("table")).unwrap().name
}

/// A random graph with its outputs: some fields, a scalar, its derivatives, and the derivatives of
/// a function of these. Central differences know nothing of `detach`.
fn random_graph<'g>(
    rng: &mut ChaCha8Rng,
    graph: &'g Graph,
    detach: bool,
) -> Vec<(String, Field<'g>)> {
    let mut pool = vec![];
    for (i, space) in [
        Space::Edges,
        Space::Edges,
        Space::Atoms,
        Space::Atoms,
        Space::Structures,
    ]
    .into_iter()
    .enumerate()
    {
        pool.push(graph.input(&format!("x{i}"), space, &random_shape(rng)));
    }
    pool.push(graph.input("edge_scalars", Space::Edges, &[6]));
    pool.push(graph.input("edge_vectors", Space::Edges, &[3, 20]));
    pool.push(graph.input("parameter", Space::Const, &[3, 5]));
    pool.push(graph.input("table", Space::Const, &[3, 4]).as_rows(TABLE));
    let inputs = pool.clone();
    for _ in 0..rng.random_range(5..40) {
        if let Some(field) = random_op(rng, graph, &pool, detach)
            && field.shape().iter().product::<usize>() <= 2000
            && field.shape().len() <= 3
        {
            pool.push(field);
        }
    }
    let total = |f: Field<'g>| f.tanh().sum_inner().sum(Map::All(f.space()));
    let scalar = pool
        .iter()
        .rev()
        .take(6)
        .map(|&f| total(f))
        .reduce(|a, b| a + b)
        .unwrap();
    let mut outputs = vec![("scalar".to_owned(), scalar)];
    for (i, field) in pool.iter().rev().take(4).enumerate() {
        outputs.push((format!("value{i}"), *field));
    }
    let first = grad(scalar, &inputs);
    assert_eq!(first.len(), inputs.len());
    let loss = first
        .iter()
        .map(|&f| total(f * f))
        .reduce(|a, b| a + b)
        .unwrap()
        + scalar;
    outputs.push(("loss".to_owned(), loss));
    for (input, field) in inputs.iter().zip(&first) {
        outputs.push((
            format!("d scalar / d {}", input_name(graph, *input)),
            *field,
        ));
    }
    for (input, field) in inputs.iter().zip(grad(loss, &inputs)) {
        outputs.push((format!("d loss / d {}", input_name(graph, *input)), field));
    }
    outputs
}

fn compare<T: Scalar>(
    graph: &Graph,
    outputs: &[(&str, Field<'_>)],
    batch: &Batch,
    inputs: &[(String, Vec<f64>)],
    expected: &[reference::Value],
    tolerance: f64,
) {
    let converted: Vec<(&str, Vec<T>)> = inputs
        .iter()
        .map(|(name, data)| {
            (
                name.as_str(),
                data.iter().map(|&x| T::from_f64(x)).collect(),
            )
        })
        .collect();
    let crowded = batch.crowded();
    let [bindings, before] = [batch, &crowded].map(|batch| {
        let mut bindings = batch.bindings::<T>();
        for (name, data) in &converted {
            bindings = bindings.input(name, data);
        }
        bindings
    });
    let mut sets = vec![InstructionSet::Portable];
    match InstructionSet::detect() {
        InstructionSet::Avx512 => sets.extend([InstructionSet::Avx2, InstructionSet::Avx512]),
        other => sets.push(other),
    }
    for set in sets {
        let mut results: Vec<Vec<Vec<T>>> = vec![];
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut executor = Executor::<T>::with_instruction_set(Plan::new(graph, outputs), set);
            pool.install(|| {
                // what an executor did before leaves no trace, and other tiles have the room that they need
                if threads > 1 {
                    executor.run(&before).unwrap();
                }
                executor.run(&bindings).unwrap();
            });
            results.push(
                outputs
                    .iter()
                    .map(|o| executor.output(o.0).to_vec())
                    .collect(),
            );
        }
        for (((name, field), value), found) in outputs.iter().zip(expected).zip(&results[0]) {
            assert_eq!(found.len(), value.data.len(), "{name}");
            // sums that cancel are judged by the size of their terms, which is about 1
            let floor = if tolerance > 1e-6 { 1.0 } else { 1e-3 };
            let largest = value.data.iter().fold(floor, |m: f64, x| m.max(x.abs()));
            for (i, (x, y)) in found.iter().zip(&value.data).enumerate() {
                let error = (x.to_f64() - y).abs();
                assert!(
                    error <= tolerance * largest,
                    "{set:?} {name}[{i}] is {x:?}, expected {y} (largest {largest}); {field:?}\n{}",
                    Plan::new(graph, outputs).explain()
                );
            }
        }
        assert_eq!(
            results[0], results[1],
            "{set:?}: results depend on the number of threads, or on what was computed before"
        );
    }
}

fn check(seed: u64, edges: usize, both_types: bool) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let graph = Graph::new();
    let outputs = random_graph(&mut rng, &graph, true);
    let outputs: Vec<(&str, Field<'_>)> = outputs.iter().map(|o| (o.0.as_str(), o.1)).collect();
    let batch = Batch::random(&mut rng, edges);
    let inputs: Vec<(String, Vec<f64>)> = graph
        .inputs()
        .into_iter()
        .map(|input| {
            let size = batch.rows(input.space) * input.shape.iter().product::<usize>();
            (
                input.name,
                (0..size).map(|_| rng.random_range(-1.0..1.0)).collect(),
            )
        })
        .collect();
    let mut bindings = batch.bindings::<f64>();
    for (name, data) in &inputs {
        bindings = bindings.input(name, data);
    }
    let fields: Vec<Field<'_>> = outputs.iter().map(|o| o.1).collect();
    let expected = reference::evaluate(&graph, &fields, &bindings).unwrap();
    compare::<f64>(&graph, &outputs, &batch, &inputs, &expected, 1e-9);
    if both_types {
        // steps and signs may flip in single precision; the tolerance is for everything else
        compare::<f32>(&graph, &outputs[..1], &batch, &inputs, &expected[..1], 1e-3);
    }
}

#[test]
fn random_graphs_agree_with_the_reference() {
    let count: u64 = std::env::var("DIPM_RANDOM_GRAPHS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(150);
    for seed in 0..count {
        check(seed, 20 + (seed as usize % 7) * 13, true);
    }
    println!("{count} random graphs");
}

#[test]
fn graphs_over_many_tiles_agree_with_the_reference() {
    for seed in 1000..1010 {
        check(seed, 700, false);
    }
}

/// Central differences of `scalar` and `loss` along random directions against their derivatives.
/// The outputs of a random graph in f32, with all values kept as told; and the numbers that are stored.
fn run_kept_as(
    seed: u64,
    edges: usize,
    half: Option<Half>,
    set: InstructionSet,
    threads: usize,
) -> (Vec<Vec<f32>>, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let graph = Graph::new();
    let outputs = random_graph(&mut rng, &graph, true);
    let outputs: Vec<(&str, Field<'_>)> = outputs.iter().map(|o| (o.0.as_str(), o.1)).collect();
    let batch = Batch::random(&mut rng, edges);
    let inputs = graph.inputs().into_iter().map(|input| {
        let size = batch.rows(input.space) * input.shape.iter().product::<usize>();
        let numbers = (0..size).map(|_| rng.random_range(-1.0..1.0));
        (input.name, numbers.collect::<Vec<f32>>())
    });
    let inputs: Vec<_> = inputs.collect();
    let mut bindings = batch.bindings::<f32>();
    for (name, data) in &inputs {
        bindings = bindings.input(name, data);
    }
    let plan = Plan::with_storage(&graph, &outputs, &|_| half);
    let stored = plan.stored_width(Space::Edges) + plan.stored_width(Space::Atoms);
    let mut executor = Executor::<f32>::with_instruction_set(plan, set);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let run = || executor.run(&bindings);
    pool.build().unwrap().install(run).unwrap();
    let values = outputs.iter().map(|o| executor.output(o.0).to_vec());
    (values.collect(), stored)
}

fn bits(values: &[Vec<f32>]) -> Vec<u32> {
    values.iter().flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn random_graphs_that_are_kept_in_16_bits_differ_by_rounding() {
    let best = InstructionSet::detect();
    let (mut narrowed, mut near, mut compared) = (0, 0, 0);
    for seed in 0..60 {
        let half = [Half::Bfloat16, Half::Float16][seed as usize % 2];
        let (exact, whole) = run_kept_as(seed, 150, None, best, 1);
        let (rounded, stored) = run_kept_as(seed, 150, Some(half), best, 1);
        let (threaded, _) = run_kept_as(seed, 150, Some(half), best, 3);
        assert_eq!(bits(&rounded), bits(&threaded), "{seed}: threads matter");
        assert!(stored <= whole);
        if stored == whole {
            assert_eq!(bits(&exact), bits(&rounded), "{seed}: nothing is packed");
            continue;
        }
        narrowed += 1;
        for (x, y) in exact.iter().zip(&rounded) {
            let norm = |values: &mut dyn Iterator<Item = f32>| {
                values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
            };
            let size = norm(&mut x.iter().copied());
            let error = norm(&mut x.iter().zip(y).map(|(x, y)| x - y));
            if size.is_finite() {
                compared += 1;
                near += usize::from(error <= 0.02 * size.max(1.0));
            }
        }
    }
    // steps and signs flip when their argument is rounded, and what cancels is judged by its terms
    println!("{narrowed} graphs, {near} of {compared} outputs within 2 %");
    assert!(
        narrowed > 20,
        "only {narrowed} graphs keep something in 16 bits"
    );
    assert!(
        near * 100 > compared * 90,
        "{near} of {compared} outputs are near"
    );
}

#[test]
fn packing_is_the_same_with_every_instruction_set() {
    let graph = Graph::new();
    let x = graph.input("x", Space::Edges, &[37]);
    // a sum by sender is made in another group than the product that it sums
    let y = x.unary(Unary::Abs).sum(Map::Sender);
    let batch = Batch::random(&mut ChaCha8Rng::seed_from_u64(3), 50);
    let mut numbers: Vec<f32> = (0..50 * 37)
        .map(|i| (i as f32 * 0.7).sin().powi(5))
        .collect();
    numbers[40] = 1e-6;
    numbers[41] = -3e38;
    numbers[80] = f32::NAN;
    let bindings = batch.bindings::<f32>().input("x", &numbers);
    for half in [Half::Bfloat16, Half::Float16] {
        let run = |set| {
            let plan = Plan::with_storage(&graph, &[("y", y)], &|_| Some(half));
            assert!(plan.explain().contains("Pack"), "{}", plan.explain());
            let mut executor = Executor::<f32>::with_instruction_set(plan, set);
            executor.run(&bindings).unwrap();
            let values = executor.output("y").iter();
            values
                .map(|x| (x.is_nan(), x.to_bits()))
                .map(|(nan, bits)| (!nan).then_some(bits))
                .collect::<Vec<_>>()
        };
        let expected = run(InstructionSet::Portable);
        assert!(expected.contains(&None) && expected.iter().flatten().count() > 100);
        match InstructionSet::detect() {
            InstructionSet::Avx512 => {
                assert_eq!(run(InstructionSet::Avx512), expected, "{half:?}");
                assert_eq!(run(InstructionSet::Avx2), expected, "{half:?}");
            }
            set => assert_eq!(run(set), expected, "{half:?}"),
        }
    }
}

fn check_derivatives(seed: u64) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let graph = Graph::new();
    let outputs = random_graph(&mut rng, &graph, false);
    let batch = Batch::random(&mut rng, 23);
    let data: Vec<(String, Vec<f64>)> = graph
        .inputs()
        .into_iter()
        .map(|input| {
            let size = batch.rows(input.space) * input.shape.iter().product::<usize>();
            (
                input.name,
                (0..size).map(|_| rng.random_range(-1.0..1.0)).collect(),
            )
        })
        .collect();
    let evaluate = |data: &[(String, Vec<f64>)], fields: &[Field<'_>]| {
        let mut bindings = batch.bindings::<f64>();
        for (name, values) in data {
            bindings = bindings.input(name, values);
        }
        reference::evaluate(&graph, fields, &bindings).unwrap()
    };
    let mut checked = 0;
    for function in ["scalar", "loss"] {
        let target = outputs.iter().find(|o| o.0 == function).unwrap().1;
        for (name, derivative) in &outputs {
            let Some(input) = name.strip_prefix(&format!("d {function} / d ")) else {
                continue;
            };
            let derivative = &evaluate(&data, &[*derivative])[0].data;
            let direction: Vec<f64> = derivative
                .iter()
                .map(|_| rng.random_range(-1.0..1.0))
                .collect();
            let expected: f64 = derivative.iter().zip(&direction).map(|(a, b)| a * b).sum();
            let moved = |step: f64| {
                let mut data = data.clone();
                let values = &mut data.iter_mut().find(|d| d.0 == input).unwrap().1;
                for (x, d) in values.iter_mut().zip(&direction) {
                    *x += step * d;
                }
                evaluate(&data, &[target])[0].data[0]
            };
            // the best of two steps: one is right unless a kink lies in both
            let error = [1e-4, 1e-6]
                .map(|h| ((moved(h) - moved(-h)) / (2.0 * h) - expected).abs())
                .into_iter()
                .fold(f64::INFINITY, f64::min);
            let scale = derivative.iter().map(|x| x.abs()).sum::<f64>().max(1.0);
            let size = evaluate(&data, &[target])[0].data[0].abs();
            assert!(
                error <= 2e-5 * scale + 1e-9 * size,
                "seed {seed}: {name} is off by {error} of {scale} ({expected})"
            );
            checked += 1;
        }
    }
    checked
}

#[test]
fn first_and_second_derivatives_match_central_differences() {
    let checked: usize = (2000..2040).map(check_derivatives).sum();
    println!("{checked} derivatives");
}

#[test]
fn an_empty_batch_runs() {
    let graph = Graph::new();
    let x = graph.input("x", Space::Edges, &[3]);
    let total = x
        .sum(Map::Receiver)
        .unary(Unary::Tanh)
        .sum_inner()
        .sum(Map::All(Space::Atoms));
    let force = grad(total, &[x])[0];
    let mut executor =
        Executor::<f64>::new(Plan::new(&graph, &[("total", total), ("force", force)]));
    let bindings = Bindings::new()
        .rows(Space::Edges, 0)
        .rows(Space::Atoms, 2)
        .map(Map::Receiver, &[])
        .input("x", &[]);
    executor.run(&bindings).unwrap();
    assert_eq!(executor.output("total"), &[0.0]);
    assert!(executor.output("force").is_empty());
}

#[test]
fn a_maximum_along_a_map_is_shared_by_equal_entries() {
    let graph = Graph::new();
    let x = graph.input("x", Space::Edges, &[2]);
    let largest = x.max(Map::Receiver);
    let total = largest.sum_inner().sum(Map::All(Space::Atoms));
    let share = grad(total, &[x])[0];
    let plan = Plan::new(&graph, &[("largest", largest), ("share", share)]);
    let mut executor = Executor::<f64>::new(plan);
    let data = [-1.0, 2.0, -3.0, 2.0, -1.0, 1.0, -5.0, 4.0];
    let bindings = Bindings::new()
        .rows(Space::Edges, 4)
        .rows(Space::Atoms, 3)
        .map(Map::Receiver, &[0, 0, 0, 2])
        .input("x", &data);
    executor.run(&bindings).unwrap();
    assert_eq!(
        executor.output("largest"),
        &[-1.0, 2.0, 0.0, 0.0, -5.0, 4.0]
    );
    let expected = [0.5, 0.5, 0.0, 0.5, 0.5, 0.0, 1.0, 1.0];
    assert_eq!(executor.output("share"), &expected);
}

#[test]
fn a_detached_field_is_a_constant_for_derivatives_and_no_operation() {
    let graph = Graph::new();
    let x = graph.input("x", Space::Atoms, &[]);
    let plain = (x * x).sum(Map::All(Space::Atoms));
    let held = (x * x.detach()).sum(Map::All(Space::Atoms));
    let outputs = [("value", held), ("slope", grad(held, &[x])[0])];
    let plan = Plan::new(&graph, &outputs);
    assert!(plan.num_steps() <= Plan::new(&graph, &[("value", plain), ("slope", x)]).num_steps());
    let mut executor = Executor::<f64>::new(plan);
    let bindings = Bindings::new()
        .rows(Space::Atoms, 2)
        .input("x", &[3.0, -2.0]);
    executor.run(&bindings).unwrap();
    assert_eq!(executor.output("value"), &[13.0]);
    assert_eq!(executor.output("slope"), &[3.0, -2.0]);
}
