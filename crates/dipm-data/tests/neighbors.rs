//! Neighbour lists against stored lists of awkward cells and against brute force.

use dipm_data::{NeighborList, neighbor_list};
use proptest::prelude::*;
use serde_json::Value;

type Cell = [[f64; 3]; 3];
type Edge = (u32, u32, [i32; 3]);

fn edges(list: &NeighborList) -> Vec<Edge> {
    (0..list.len())
        .map(|e| (list.senders[e], list.receivers[e], list.shifts[e]))
        .collect()
}

fn sorted(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_unstable();
    edges
}

fn distance(positions: &[[f64; 3]], cell: &Cell, (sender, receiver, shift): Edge) -> f64 {
    let vector = (0..3).map(|k| {
        let offset: f64 = (0..3).map(|a| f64::from(shift[a]) * cell[a][k]).sum();
        positions[receiver as usize][k] - positions[sender as usize][k] + offset
    });
    vector.map(|x| x * x).sum::<f64>().sqrt()
}

/// All pairs and images up to `images[a]` cells away along axis a.
fn brute_force(
    positions: &[[f64; 3]],
    cell: &Cell,
    pbc: [bool; 3],
    r_max: f64,
    images: [i32; 3],
) -> Vec<Edge> {
    let range = |a: usize| {
        if pbc[a] {
            -images[a]..=images[a]
        } else {
            0..=0
        }
    };
    let mut found = Vec::new();
    for receiver in 0..positions.len() as u32 {
        for sender in 0..positions.len() as u32 {
            for n0 in range(0) {
                for n1 in range(1) {
                    for n2 in range(2) {
                        let edge = (sender, receiver, [n0, n1, n2]);
                        let is_self = sender == receiver && [n0, n1, n2] == [0; 3];
                        if !is_self && distance(positions, cell, edge) < r_max {
                            found.push(edge);
                        }
                    }
                }
            }
        }
    }
    found
}

fn golden() -> serde_json::Map<String, Value> {
    let text = include_str!("golden/neighbors.json");
    serde_json::from_str(text).expect("golden file")
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("golden entry")
}

fn golden_edges(case: &Value) -> Vec<Edge> {
    let (senders, receivers): (Vec<u32>, Vec<u32>) =
        (parse(&case["senders"]), parse(&case["receivers"]));
    let shifts: Vec<[f64; 3]> = parse(&case["shifts"]);
    let shifts = shifts.into_iter().map(|s| s.map(|x| x as i32));
    senders
        .into_iter()
        .zip(receivers)
        .zip(shifts)
        .map(|((s, r), n)| (s, r, n))
        .collect()
}

#[test]
fn lists_of_awkward_cells_match_the_golden_lists() {
    for (name, case) in &golden() {
        let (positions, cell): (Vec<[f64; 3]>, Cell) =
            (parse(&case["positions"]), parse(&case["cell"]));
        let pbc = parse(&case["pbc"]);
        let cutoff = case["cutoff"].as_f64().unwrap();
        let list = neighbor_list(&positions, Some(&cell), pbc, cutoff, None);
        let expected = sorted(golden_edges(case));
        assert_eq!(sorted(edges(&list)), expected, "{name}");
        let Some(max5) = case.get("max5") else {
            continue;
        };
        // Ties may be broken either way: the distances kept must be equal.
        let capped = neighbor_list(&positions, Some(&cell), pbc, cutoff, Some(5));
        let kept = |edges: Vec<Edge>| {
            let mut kept: Vec<(u32, f64)> = edges
                .into_iter()
                .map(|e| (e.1, distance(&positions, &cell, e)))
                .collect();
            kept.sort_by(|a, b| a.partial_cmp(b).unwrap());
            kept
        };
        let (ours, theirs) = (kept(edges(&capped)), kept(golden_edges(max5)));
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (a, b) in ours.iter().zip(&theirs) {
            assert!(
                a.0 == b.0 && (a.1 - b.1).abs() < 1e-12,
                "{name}: {a:?} {b:?}"
            );
        }
    }
}

#[test]
fn edges_are_sorted_by_receiver_then_sender_then_shift() {
    for (name, case) in &golden() {
        let (positions, cell): (Vec<[f64; 3]>, Cell) =
            (parse(&case["positions"]), parse(&case["cell"]));
        for limit in [None, Some(4)] {
            let list = neighbor_list(&positions, Some(&cell), parse(&case["pbc"]), 4.0, limit);
            let keys = edges(&list).into_iter().map(|(s, r, n)| (r, s, n));
            assert!(keys.is_sorted(), "{name}");
        }
    }
}

#[test]
fn an_atom_exactly_at_the_cutoff_is_no_neighbor() {
    let positions = [[0.0; 3], [1.5, 0.0, 0.0]];
    assert!(neighbor_list(&positions, None, [false; 3], 1.5, None).is_empty());
    assert_eq!(
        neighbor_list(&positions, None, [false; 3], 1.5 + 1e-12, None).len(),
        2
    );
    let cube = [[1.2, 0.0, 0.0], [0.0, 1.2, 0.0], [0.0, 0.0, 1.2]];
    assert_eq!(
        neighbor_list(&positions[..1], Some(&cube), [true; 3], 1.5, None).len(),
        6
    );
    assert!(neighbor_list(&positions[..1], Some(&cube), [true; 3], 1.2, None).is_empty());
}

#[test]
fn nearest_neighbors_win_and_ties_go_to_the_smaller_sender_and_shift() {
    let positions = [[0.0; 3], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.5, 0.0]];
    let list = neighbor_list(&positions, None, [false; 3], 3.0, Some(2));
    let to_first: Vec<Edge> = edges(&list).into_iter().filter(|e| e.1 == 0).collect();
    assert_eq!(to_first, [(1, 0, [0; 3]), (3, 0, [0; 3])]);
    let cube = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]];
    let list = neighbor_list(&positions[..1], Some(&cube), [true; 3], 2.5, Some(1));
    assert_eq!(edges(&list), [(0, 0, [-1, 0, 0])]);
}

#[test]
fn the_time_grows_linearly_with_the_number_of_atoms() {
    let lattice = |n: usize| -> Vec<[f64; 3]> {
        let side = (n as f64).cbrt().round() as usize;
        (0..side.pow(3))
            .map(|i| [i % side, i / side % side, i / side / side].map(|x| 2.0 * x as f64 + 0.1))
            .collect()
    };
    let time = |side: usize| {
        let positions = lattice(side.pow(3));
        let length = 2.0 * side as f64;
        let cell = [[length, 0.0, 0.0], [0.0, length, 0.0], [0.0, 0.0, length]];
        let start = std::time::Instant::now();
        let list = neighbor_list(&positions, Some(&cell), [true; 3], 2.5, None);
        assert_eq!(list.len(), 6 * positions.len());
        start.elapsed().as_secs_f64()
    };
    let best = |side| (0..4).map(|_| time(side)).fold(f64::INFINITY, f64::min);
    let (small, large) = (best(10), best(30));
    assert!(
        large < 27.0 * 6.0 * small,
        "{small} s for 1000 atoms, {large} s for 27000"
    );
}

fn vectors(range: std::ops::Range<f64>) -> impl Strategy<Value = [f64; 3]> {
    [range.clone(), range.clone(), range]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lists_of_random_cells_equal_brute_force(
        positions in prop::collection::vec(vectors(-7.0..7.0), 1..6),
        cell in [vectors(-4.0..4.0), vectors(-4.0..4.0), vectors(-4.0..4.0)],
        pbc in [any::<bool>(), any::<bool>(), any::<bool>()],
        r_max in 0.5..3.5,
    ) {
        let cross = |a: [f64; 3], b: [f64; 3]| -> [f64; 3] {
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        };
        let norm = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let normal = |i: usize| cross(cell[(i + 1) % 3], cell[(i + 2) % 3]);
        let det: f64 = (0..3).map(|k| cell[0][k] * normal(0)[k]).sum();
        prop_assume!(det.abs() > 2.0);
        // No two atoms are further apart than the diagonal of their box, and an image n cells away
        // is at least n heights away.
        let heights = [0, 1, 2].map(|i| det.abs() / norm(normal(i)));
        let reach: f64 = 14.0 * 3_f64.sqrt() + r_max;
        let images = heights.map(|h| (reach / h).ceil() as i32);
        let count: i32 = (0..3).filter(|a| pbc[*a]).map(|a| 2 * images[a] + 1).product();
        prop_assume!(count < 40_000);
        let list = neighbor_list(&positions, Some(&cell), pbc, r_max, None);
        let expected = brute_force(&positions, &cell, pbc, r_max, images);
        prop_assert_eq!(sorted(edges(&list)), sorted(expected));
    }

    #[test]
    fn every_edge_has_its_reverse(
        positions in prop::collection::vec(vectors(-20.0..20.0), 1..60),
        pbc in [any::<bool>(), any::<bool>(), any::<bool>()],
        skew in vectors(-3.0..3.0),
    ) {
        let cell = [[6.0, 0.0, 0.0], [skew[0], -5.0, 0.0], [skew[1], skew[2], 7.0]];
        let list = neighbor_list(&positions, Some(&cell), pbc, 3.0, None);
        let reverse = edges(&list).into_iter().map(|(s, r, n)| (r, s, n.map(|x| -x)));
        prop_assert_eq!(sorted(reverse.collect()), sorted(edges(&list)));
    }
}
