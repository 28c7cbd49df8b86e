use dipm_field::{Graph, Space, grad};
use dipm_o3::spherical_harmonics;

use super::super::fixture::{assert_close, evaluate, stored};
use super::*;
use crate::{Mode, Precision};

const GAUGES: [Gauge; 2] = [Gauge::Free, Gauge::Fixed];

fn identity(graph: &Graph, size: usize) -> Field<'_> {
    let value = |i| f64::from(u8::from(i % (size + 1) == 0));
    let values: Vec<f64> = (0..size * size).map(value).collect();
    graph.constant(&values, &[size, size])
}

fn edges(graph: &Graph) -> Edges<'_> {
    let vectors = graph.input("r", Space::Edges, &[3]);
    Edges::new(vectors, Precision::Double, Mode::Training)
}

#[test]
fn rotations_are_the_stored_ones() {
    let coefficients = Coefficients::new(3, 2);
    let inputs = [("r", &stored("r")[..]), ("gamma", &stored("gamma"))];
    for rescaled in [true, false] {
        let rotation = EdgeRotation::new(coefficients, rescaled, Gauge::Fixed);
        let turned = |into: bool| {
            evaluate(&inputs, |graph| {
                let roll = graph.input("gamma", Space::Edges, &[]);
                let frames = rotation.frames(&edges(graph), Some(roll));
                if into {
                    frames.turn_in(identity(graph, coefficients.num_node()))
                } else {
                    frames.turn_out(identity(graph, coefficients.num_edge()), 0..4)
                }
            })
        };
        assert_close(&turned(true), &stored("wigner"));
        let name = if rescaled {
            "wigner_inv_scaled"
        } else {
            "wigner_inv_unscaled"
        };
        assert_close(&turned(false), &stored(name));
    }
}

/// Vectors near and on both poles of both frames.
fn polar_vectors(offset: f64) -> Vec<f64> {
    let o = offset;
    [
        [0.6 * o, 1.3, 0.8 * o],
        [-o, -0.9, 0.0],
        [2.1, o, 0.0],
        [-1.1, 0.6 * o, -0.8 * o],
        [0.0, 0.0, 1.0],
    ]
    .concat()
}

#[test]
fn a_frame_takes_the_axis_to_the_edge_even_at_the_poles() {
    let coefficients = Coefficients::new(4, 4);
    for gauge in GAUGES {
        let rotation = EdgeRotation::new(coefficients, false, gauge);
        for offset in [0.0, 1e-12, 1e-6, 1e-3, 0.009, 0.3] {
            let vectors = polar_vectors(offset);
            let turned_in = evaluate(&[("r", &vectors)], |graph| {
                let frames = rotation.frames(&edges(graph), None);
                frames.turn_in(identity(graph, 25))
            });
            for (matrix, v) in turned_in.chunks_exact(625).zip(vectors.chunks_exact(3)) {
                // of the opposite of the edge, because frames are reflected
                let opposite = [-v[0], -v[1], -v[2]];
                let harmonics = spherical_harmonics(4, opposite);
                let found = matrix
                    .chunks_exact(25)
                    .map(|row| row.iter().zip(&harmonics).map(|(d, y)| d * y).sum::<f64>());
                let axis = spherical_harmonics(4, [0.0, 1.0, 0.0]);
                let expected = coefficients
                    .edge()
                    .into_iter()
                    .map(|h| axis[h.node_index()]);
                assert_close(&found.collect::<Vec<_>>(), &expected.collect::<Vec<_>>());
                for (i, a) in matrix.chunks_exact(25).enumerate() {
                    for (j, b) in matrix.chunks_exact(25).enumerate() {
                        let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                        assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12);
                    }
                }
            }
        }
    }
}

/// A number that does not depend on the turn about the edge, and its gradient.
fn invariant<'g>(rotation: &EdgeRotation, graph: &'g Graph) -> (Field<'g>, Field<'g>) {
    let coefficients = rotation.coefficients();
    let geometry = edges(graph);
    let values = (0..coefficients.num_node()).map(|i| (1.3 * i as f64).sin());
    let x = graph.constant(&values.collect::<Vec<_>>(), &[coefficients.num_node(), 1]);
    let y = rotation.frames(&geometry, None).turn_in(x);
    let weights = coefficients.edge().into_iter();
    let weights = weights.map(|h| (h.degree + 3 * h.order.unsigned_abs() as usize) as f64);
    let weights = graph.constant(&weights.collect::<Vec<_>>(), &[coefficients.num_edge(), 1]);
    let number = (y * y * weights).sum_inner();
    let total = number.sum(dipm_field::Map::All(Space::Edges));
    (number, grad(total, &[geometry.vectors])[0])
}

#[test]
fn derivatives_are_right_at_the_poles() {
    let rotation = EdgeRotation::new(Coefficients::new(3, 2), true, Gauge::Free);
    for offset in [0.0, 1e-12, 1e-7, 1e-3] {
        let vectors = polar_vectors(offset);
        let at = |axis: usize, by: f64| {
            let mut moved = vectors.clone();
            moved
                .iter_mut()
                .skip(axis)
                .step_by(3)
                .for_each(|x| *x += by);
            moved
        };
        let number = |v: &[f64]| evaluate(&[("r", v)], |g| invariant(&rotation, g).0);
        let gradient = |v: &[f64]| evaluate(&[("r", v)], |g| invariant(&rotation, g).1);
        let second = |v: &[f64], axis| {
            evaluate(&[("r", v)], |graph| {
                let (_, gradient) = invariant(&rotation, graph);
                let total = gradient.slice(0, axis, 1).sum_inner();
                let total = total.sum(dipm_field::Map::All(Space::Edges));
                grad(total, &[edges(graph).vectors])[0]
            })
        };
        let h = 1e-5;
        let (first, close) = (gradient(&vectors), |a: f64, b: f64| {
            assert!(
                (a - b).abs() < 1e-7 * b.abs().max(100.0),
                "{offset}: {a} {b}"
            );
        });
        for axis in 0..3 {
            let (up, down) = (at(axis, h), at(axis, -h));
            let slopes = number(&up).into_iter().zip(number(&down));
            for (edge, (up, down)) in slopes.enumerate() {
                close(first[3 * edge + axis], (up - down) / (2.0 * h));
            }
            let slopes = gradient(&up).into_iter().zip(gradient(&down));
            for (exact, (up, down)) in second(&vectors, axis).into_iter().zip(slopes) {
                close(exact, (up - down) / (2.0 * h));
            }
        }
    }
}

fn edge_features(graph: &Graph) -> Field<'_> {
    graph.input("y", Space::Edges, &[14, 2])
}

#[test]
fn turning_out_some_degrees_or_the_axial_part_is_a_part_of_turning_out_all() {
    let coefficients = Coefficients::new(3, 2);
    let rotation = EdgeRotation::new(coefficients, true, Gauge::Fixed);
    let y: Vec<f64> = (0..5 * 14 * 2).map(|i| (0.7 * i as f64).cos()).collect();
    let inputs = [("r", &stored("r")[..]), ("y", &y)];
    let all = |keep: fn(&Harmonic) -> bool| {
        evaluate(&inputs, |graph| {
            let kept = coefficients.edge().into_iter();
            let mask = kept.map(|h| f64::from(u8::from(keep(&h))));
            let mask = graph.constant(&mask.collect::<Vec<_>>(), &[14, 1]);
            rotation
                .frames(&edges(graph), None)
                .turn_out(edge_features(graph) * mask, 0..4)
        })
    };
    let axial = evaluate(&inputs, |graph| {
        let frames = rotation.frames(&edges(graph), None);
        frames.turn_out_axial(edge_features(graph).slice(0, 0, 4))
    });
    assert_close(&axial, &all(|h| h.order == 0));
    let some = evaluate(&inputs, |graph| {
        let frames = rotation.frames(&edges(graph), None);
        let rows = coefficients.edge().into_iter().enumerate();
        let rows = rows.filter(|(_, h)| (1..3).contains(&h.degree));
        let rows: Vec<_> = rows
            .map(|(i, _)| edge_features(graph).slice(0, i, 1))
            .collect();
        frames.turn_out(graph.concat(&rows, 0), 1..3)
    });
    let expected: Vec<f64> = all(|_| true)
        .chunks_exact(32)
        .flat_map(|edge| edge[2..18].to_vec())
        .collect();
    assert_close(&some, &expected);
}
