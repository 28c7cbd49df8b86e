//! What a plan stores, and the memory of executors.

use dipm_field::{Bindings, Executor, Graph, Half, Map, Plan, Scalar, Space, grad};

/// Squared slopes of Σ silu(x w)² over edges, whose activations are read again in later groups.
fn plan(graph: &Graph) -> Plan {
    plan_kept_as(graph, None)
}

/// The same, with what depends on the parameters kept in 16 bits.
fn plan_kept_as(graph: &Graph, half: Option<Half>) -> Plan {
    let x = graph.input("x", Space::Edges, &[32]);
    let w = graph.input("w", Space::Const, &[32, 64]);
    let v = graph.input("v", Space::Const, &[64, 48]);
    let hidden = x.contract(w).silu().contract(v).silu();
    let energy = (hidden * hidden)
        .sum_inner()
        .sum(Map::Receiver)
        .sum(Map::All(Space::Atoms));
    let slope = grad(energy, &[x])[0];
    let sum = (slope * slope).sum_inner().sum(Map::All(Space::Edges));
    let gradients = grad(sum, &[w, v]);
    let outputs = [("energy", energy), ("w", gradients[0]), ("v", gradients[1])];
    let reached = graph.reached_from(&[w, v]);
    Plan::with_storage(graph, &outputs, &|node| half.filter(|_| reached[node]))
}

fn run<T: Scalar>(executor: &mut Executor<T>) -> Vec<T> {
    with_data(executor, |executor, bindings| {
        executor.run(bindings).unwrap();
    });
    ["energy", "w", "v"]
        .iter()
        .flat_map(|name| executor.output(name).to_vec())
        .collect()
}

fn with_data<T: Scalar, R>(
    executor: &mut Executor<T>,
    act: impl Fn(&mut Executor<T>, &Bindings<'_, T>) -> R,
) -> R {
    let numbers = |count: usize| -> Vec<T> {
        let number = |i: usize| T::from_f64(((i * 37 % 101) as f64 - 50.0) * 0.01);
        (0..count).map(number).collect()
    };
    let (x, w, v) = (numbers(40 * 32), numbers(32 * 64), numbers(64 * 48));
    let receivers: Vec<u32> = (0..40).map(|edge| edge / 8).collect();
    let bindings = Bindings::new()
        .rows(Space::Edges, 40)
        .rows(Space::Atoms, 5)
        .map(Map::Receiver, &receivers)
        .input("x", &x)
        .input("w", &w)
        .input("v", &v);
    act(executor, &bindings)
}

#[test]
fn of_activations_and_their_slopes_only_the_arguments_are_stored() {
    let graph = Graph::new();
    // both arguments; the adjoints and tangents that products with weights leave, and no silu of them
    let stored = plan(&graph).stored_width(Space::Edges);
    assert!(stored <= 4 * (64 + 48), "{stored} values per edge");
}

/// Runs on one thread: of several some may have nothing to do, and take no memory, in one run and not in another.
fn on_one_thread<R: Send>(act: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.unwrap().install(act)
}

#[test]
fn memory_that_was_released_is_taken_again() {
    let graph = Graph::new();
    let mut executor = Executor::<f64>::new(plan(&graph));
    on_one_thread(|| {
        let first = run(&mut executor);
        let taken = executor.memory_bytes();
        assert!(taken > 0);
        executor.release_memory();
        assert_eq!(executor.memory_bytes(), 0);
        assert_eq!(run(&mut executor), first);
        assert_eq!(executor.memory_bytes(), taken);
    });
}

#[test]
fn the_memory_of_a_run_is_known_before_it() {
    let graph = Graph::new();
    let mut executor = Executor::<f64>::new(plan(&graph));
    on_one_thread(|| {
        let needed = with_data(&mut executor, |executor, bindings| {
            executor.memory_needed(bindings, &[]).unwrap()
        });
        assert_eq!(executor.memory_bytes(), 0);
        let first = run(&mut executor);
        let taken = executor.memory_bytes();
        // blocks are whole cache lines
        assert!((needed..needed + 256).contains(&taken), "{needed} {taken}");
        assert_eq!(run(&mut executor), first);
    });
}

#[test]
fn outputs_are_written_where_the_caller_wants_them() {
    let graph = Graph::new();
    let (x, y) = (
        graph.input("x", Space::Atoms, &[3]),
        graph.input("y", Space::Atoms, &[3]),
    );
    let sum = x + y;
    let total = sum.sum(Map::All(Space::Atoms));
    let outputs = [("sum", sum), ("total", total), ("again", total)];
    let mut executor = Executor::<f64>::new(Plan::new(&graph, &outputs));
    on_one_thread(|| {
        for atoms in [1, 4, 2] {
            let values: Vec<f64> = (0..3 * atoms).map(|i| i as f64).collect();
            let bindings = Bindings::new()
                .rows(Space::Atoms, atoms)
                .input("x", &values)
                .input("y", &values);
            executor.run(&bindings).unwrap();
            let [sum, total] = ["sum", "total"].map(|name| executor.output(name).to_vec());
            let all = executor.memory_bytes();
            let (mut outside, mut again) = (vec![f64::NAN; 3], vec![f64::NAN; 3]);
            let memory = vec![("total", &mut outside[..]), ("again", &mut again[..])];
            executor.run_into(&bindings, memory).unwrap();
            assert_eq!(
                (executor.output("sum"), &outside, &again),
                (&sum[..], &total, &total)
            );
            // and back
            executor.run(&bindings).unwrap();
            assert_eq!(executor.output("total"), total);
            let needed = executor.memory_needed(&bindings, &[]).unwrap();
            let without = executor
                .memory_needed(&bindings, &["sum", "total"])
                .unwrap();
            assert!(
                without < needed && needed <= all,
                "{without} {needed} {all}"
            );
        }
    });
}

#[test]
#[should_panic(expected = "the caller has `sum`")]
fn outputs_that_the_caller_has_are_not_given_again() {
    let graph = Graph::new();
    let x = graph.input("x", Space::Atoms, &[]);
    let mut executor = Executor::<f64>::new(Plan::new(&graph, &[("sum", x + x)]));
    let bindings = Bindings::new().rows(Space::Atoms, 1).input("x", &[1.0]);
    let mut sum = [0.0];
    executor
        .run_into(&bindings, vec![("sum", &mut sum)])
        .unwrap();
    executor.output("sum");
}

#[test]
fn values_in_16_bits_take_half_the_memory_and_differ_by_rounding() {
    let graph = Graph::new();
    let mut exact = Executor::<f32>::new(plan(&graph));
    let expected = run(&mut exact);
    let width = exact.plan().stored_width(Space::Edges);
    for (half, tolerance) in [(Half::Bfloat16, 4e-3), (Half::Float16, 5e-4)] {
        let mut executor = Executor::<f32>::new(plan_kept_as(&graph, Some(half)));
        assert_eq!(executor.plan().stored_width(Space::Edges), width / 2);
        let found = run(&mut executor);
        let parts = [0..1, 1..1 + 32 * 64, 1 + 32 * 64..expected.len()];
        let errors = parts.map(|part| {
            let difference = |i: usize| (expected[i] - found[i]).powi(2);
            let error: f32 = part.clone().map(difference).sum();
            let norm: f32 = part.map(|i| expected[i].powi(2)).sum();
            (error / norm).sqrt()
        });
        assert!(
            errors.iter().all(|e| *e < tolerance),
            "{half:?}: {errors:?}"
        );
        assert!(
            errors[1] > 0.01 * tolerance,
            "{half:?}: nothing was rounded"
        );
    }
}

/// Sums over the edges of each atom and over all edges, which one group makes, and what is stored after them.
fn both_sums() -> Executor<f64> {
    let graph = Graph::new();
    let x = graph.input("x", Space::Edges, &[32]);
    let y = x.contract(graph.input("w", Space::Const, &[32, 64])).silu();
    let by_atom = y.sum(Map::Receiver);
    let all = y.sum(Map::All(Space::Edges));
    let later = (by_atom * by_atom).sum(Map::All(Space::Atoms));
    let outputs = [("by_atom", by_atom), ("all", all), ("later", later)];
    Executor::new(Plan::new(&graph, &outputs))
}

/// Partial sums are kept for each of some tiles, and tiles end where receivers do. So their number is another for
/// other receivers of as many edges, and there must be room for them.
#[test]
fn there_is_room_for_all_partial_sums_when_only_the_receivers_change() {
    let (edges, atoms) = (2048, 512);
    let numbers = |count: usize| -> Vec<f64> {
        let number = |i: usize| ((i * 37 % 101) as f64 - 50.0) * 0.01;
        (0..count).map(number).collect()
    };
    let (x, w) = (numbers(edges * 32), numbers(32 * 64));
    // all edges at one atom, and four at each
    let receivers = [vec![7; edges], (0..edges as u32).map(|e| e / 4).collect()];
    let outputs = |executor: &mut Executor<f64>, receivers: &[u32]| {
        let bindings = Bindings::new()
            .rows(Space::Edges, edges)
            .rows(Space::Atoms, atoms)
            .map(Map::Receiver, receivers)
            .input("x", &x)
            .input("w", &w);
        executor.run(&bindings).unwrap();
        ["by_atom", "all", "later"].map(|name| executor.output(name).to_vec())
    };
    on_one_thread(|| {
        let mut executor = both_sums();
        for receivers in &receivers {
            let expected = outputs(&mut both_sums(), receivers);
            assert!(outputs(&mut executor, receivers) == expected);
        }
    });
}
