//! Speed of the kernels that carry most of a training step, in f32 on one thread: dense
//! contractions with large weights, their adjoint, and products with dense tables.
//!
//! `cargo bench -p dipm-field`; every figure is the best of several runs.

use dipm_field::{Bindings, Executor, Field, Graph, Map, Plan, ProductTable, Slot, Space};
use std::collections::HashMap;
use std::time::Instant;

const ROWS: usize = 4_916;
const TABLE: u8 = 0;
const BY_TABLE: Map = Map::Index {
    from: Space::Edges,
    table: TABLE,
};

/// Runs the graph that `build` makes and prints its speed for `operations` per edge.
fn measure(name: &str, operations: usize, build: impl Fn(&Graph) -> Field<'_>) {
    if std::env::args()
        .nth(1)
        .is_some_and(|wanted| !wanted.starts_with("--") && !name.contains(&wanted))
    {
        return;
    }
    let graph = Graph::new();
    let plan = Plan::new(&graph, &[("out", build(&graph))]);
    let rows = HashMap::from([
        (Space::Const, 1),
        (Space::Table(TABLE), 4),
        (Space::Edges, ROWS),
    ]);
    let mut bindings = Bindings::new();
    for (&space, &rows) in &rows {
        bindings = bindings.rows(space, rows);
    }
    let index: Vec<u32> = (0..ROWS).map(|row| (row * 4 / ROWS) as u32).collect();
    let specs = graph.inputs();
    let data: Vec<Vec<f32>> = specs
        .iter()
        .map(|spec| {
            let size = rows[&spec.space] * spec.shape.iter().product::<usize>();
            (0..size).map(|i| (i % 97) as f32 * 0.01 - 0.4).collect()
        })
        .collect();
    for (spec, data) in specs.iter().zip(&data) {
        bindings = bindings.input(&spec.name, data);
    }
    bindings = bindings.map(BY_TABLE, &index);
    let mut executor = Executor::<f32>::new(plan);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("one thread");
    let mut best = f64::INFINITY;
    pool.install(|| {
        for _ in 0..6 {
            let start = Instant::now();
            executor.run(&bindings).expect("everything is bound");
            best = best.min(start.elapsed().as_secs_f64());
        }
    });
    println!(
        "{name:44} {:8.2} ms {:7.1} GFLOP/s",
        best * 1e3,
        (operations * ROWS) as f64 * 1e-9 / best
    );
}

fn contractions() {
    for (k, n) in [
        (128, 128),
        (256, 256),
        (1280, 832),
        (1280, 1024),
        (448, 640),
        (1792, 1024),
        (1792, 1664),
    ] {
        let operations = 2 * k * n;
        measure(&format!("contract {k}×{n}"), operations, |graph| {
            let x = graph.input("x", Space::Edges, &[k]);
            x.contract(graph.input("w", Space::Const, &[k, n]))
        });
        measure(
            &format!("contract, transposed weights {k}×{n}"),
            operations,
            |graph| {
                let x = graph.input("x", Space::Edges, &[k]);
                x.contract(graph.input("w", Space::Const, &[n, k]).transpose())
            },
        );
        measure(
            &format!("contract by 4 matrices {k}×{n}"),
            operations,
            |graph| {
                let x = graph.input("x", Space::Edges, &[k]);
                let weights = graph.input("w", Space::Const, &[4, k, n]).as_rows(TABLE);
                x.contract_by(weights, BY_TABLE)
            },
        );
        measure(&format!("contract rows {k}×{n}"), operations, |graph| {
            let x = graph.input("x", Space::Edges, &[k]);
            let y = graph.input("y", Space::Edges, &[n]);
            x.contract_rows(y, Map::All(Space::Edges))
        });
        measure(
            &format!("contract rows into 4 matrices {k}×{n}"),
            operations,
            |graph| {
                let x = graph.input("x", Space::Edges, &[k]);
                let y = graph.input("y", Space::Edges, &[n]);
                x.contract_rows(y, BY_TABLE)
            },
        );
    }
}

/// All entries of a table with `a` × `b` components, with made-up coefficients.
fn dense_table(a: usize, b: usize) -> ProductTable {
    let entries = (0..a * b).map(|i| (vec![i / b, i % b], (i % 13) as f64 * 0.1 - 0.65));
    ProductTable::new(&[Slot::channels(a), Slot::channels(b)], entries)
}

/// Blocks of dense matrices of degree l = 0 … l_max, entry by entry a scalar of the edge.
fn rotation_table(l_max: usize) -> (usize, ProductTable) {
    let dim = (l_max + 1) * (l_max + 1);
    let mut entries = vec![];
    for l in 0..=l_max {
        for i in l * l..(l + 1) * (l + 1) {
            for j in l * l..(l + 1) * (l + 1) {
                entries.push((vec![entries.len(), j, i], 1.0));
            }
        }
    }
    let slots = [
        Slot::scalars(entries.len()),
        Slot::channels(dim),
        Slot::channels(dim),
    ];
    (entries.len(), ProductTable::new(&slots, entries))
}

fn products() {
    for (a, b, channels) in [(29, 70, 64), (25, 324, 128), (324, 25, 128), (9, 50, 128)] {
        let table = dense_table(a, b);
        measure(
            &format!("dense table {a} → {b}, {channels} channels"),
            2 * a * b * channels,
            |graph| {
                let x = graph.input("x", Space::Edges, &[a, channels]);
                graph.product(&table, 1, &[Some(x), None]).sum_axes(&[0])
            },
        );
    }
    for (l_max, channels) in [(2, 256), (4, 128), (6, 64)] {
        let (scalars, table) = rotation_table(l_max);
        let dim = (l_max + 1) * (l_max + 1);
        measure(
            &format!("rotation to degree {l_max}, {channels} channels"),
            2 * scalars * channels,
            |graph| {
                let x = graph.input("x", Space::Edges, &[dim, channels]);
                let wigner = graph.input("wigner", Space::Edges, &[scalars]);
                graph.product(&table, 2, &[Some(wigner), Some(x), None])
            },
        );
        measure(
            &format!("rotation's own derivative {l_max}, {channels} channels"),
            2 * scalars * channels,
            |graph| {
                let x = graph.input("x", Space::Edges, &[dim, channels]);
                let y = graph.input("y", Space::Edges, &[dim, channels]);
                graph.product(&table, 0, &[None, Some(x), Some(y)])
            },
        );
    }
}

/// Pointwise functions: per operation, alone and as one expression.
fn expressions() {
    let entries = 256;
    measure("sum of inner products", 2 * 4 * entries, |graph| {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|x| graph.input(x, Space::Edges, &[256]));
        (a * b + c * d + a * c).sum_axes(&[0])
    });
    measure("silu of a product", 2 * entries, |graph| {
        let [a, b] = ["a", "b"].map(|x| graph.input(x, Space::Edges, &[256]));
        (a * b).silu().sum_axes(&[0])
    });
}

fn main() {
    expressions();
    contractions();
    products();
}
