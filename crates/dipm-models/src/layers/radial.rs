//! Radial functions: bases and envelopes.

use std::f64::consts::PI;

use dipm_field::Field;

use crate::Envelope;
use crate::layers::Edges;

/// Bessel functions B_k(d) = √(2/r_max) sin(kπd/r_max)/d, k = 1..K, and 0 at d = 0, `[K]`.
pub fn bessel<'g>(edges: &Edges<'g>, num: usize, r_max: f64) -> Field<'g> {
    let frequencies: Vec<f64> = (1..=num).map(|k| k as f64 * PI / r_max).collect();
    let frequencies = edges.graph().constant(&frequencies, &[num]);
    let waves = (edges.distance * frequencies).sin();
    // At d = 0 the sine is 0 and the inverse distance 1, both with derivative 0.
    waves * (edges.inverse_distance * (2.0 / r_max).sqrt())
}

impl Envelope {
    /// Value at a distance, 0 at and beyond `r_max`, []. `degree` matters to the polynomial only.
    pub fn apply<'g>(self, distance: Field<'g>, r_max: f64, degree: i32) -> Field<'g> {
        let graph = distance.graph();
        let zero = graph.literal(0.0);
        let inside = r_max - distance;
        let u = distance * (1.0 / r_max);
        let value = match self {
            Self::Polynomial => {
                let p = f64::from(degree);
                let (a, b, c) = (
                    (p + 1.0) * (p + 2.0) / 2.0,
                    p * (p + 2.0),
                    p * (p + 1.0) / 2.0,
                );
                1.0 - u.power(degree) * (a - u * (b - u * c))
            }
            Self::Phys => 1.0 - u.power(3) * (10.0 - u * (15.0 - u * 6.0)),
            Self::Cosine => ((u * PI).cos() + 1.0) * 0.5,
            Self::Soft => {
                // 1.2 e^½ exp(−1/t), t = 2 (1 − u); t is replaced where it is not positive.
                let t = inside.select(2.0 - u * 2.0, graph.literal(1.0));
                (-t.recip()).exp() * (1.2 * 0.5f64.exp())
            }
            Self::Exponential => {
                let room = inside.select(inside * (distance + r_max), graph.literal(1.0));
                let square = inside.select(distance * distance, zero);
                (-(square / room)).exp()
            }
        };
        inside.select(value, zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Precision};
    use dipm_field::{Bindings, Executor, Graph, Plan, Space, grad};

    const R_MAX: f64 = 4.0;

    /// Values and derivatives along x of a function of the edges, at distances along x.
    fn evaluate(
        distances: &[f64],
        function: impl for<'g> Fn(&Edges<'g>) -> Field<'g>,
    ) -> (Vec<f64>, Vec<f64>) {
        let graph = Graph::new();
        let vectors = graph.input("vectors", Space::Edges, &[3]);
        let value = function(&Edges::new(vectors, Precision::Double, Mode::Evaluation));
        let all = value.sum_inner().sum(dipm_field::Map::All(Space::Edges));
        let slope = grad(all, &[vectors])[0];
        let mut executor =
            Executor::<f64>::new(Plan::new(&graph, &[("value", value), ("slope", slope)]));
        let vectors: Vec<f64> = distances.iter().flat_map(|d| [*d, 0.0, 0.0]).collect();
        let bindings = Bindings::new()
            .rows(Space::Edges, distances.len())
            .input("vectors", &vectors);
        executor.run(&bindings).unwrap();
        let slopes = executor
            .output("slope")
            .iter()
            .step_by(3)
            .copied()
            .collect();
        (executor.output("value").to_vec(), slopes)
    }

    #[test]
    fn envelopes_have_their_values_and_vanish_at_the_cutoff() {
        let u: f64 = 0.6;
        let expected = [
            (
                Envelope::Polynomial,
                1.0 - 21.0 * u.powi(5) + 35.0 * u.powi(6) - 15.0 * u.powi(7),
            ),
            (Envelope::Soft, 1.978_465_524_84 * (-1.0f64 / 0.8).exp()),
            (Envelope::Cosine, 0.5 * ((PI * u).cos() + 1.0)),
            (
                Envelope::Phys,
                1.0 - 6.0 * u.powi(5) + 15.0 * u.powi(4) - 10.0 * u.powi(3),
            ),
            (Envelope::Exponential, (-(u * u) / (1.0 - u * u)).exp()),
        ];
        for (envelope, value) in expected {
            let distances = [2.4, 4.0, 5.0, 2.4 + 1e-6, 2.4 - 1e-6, 0.0];
            let (values, slopes) =
                evaluate(&distances, |edges| envelope.apply(edges.distance, R_MAX, 5));
            assert!(
                (values[0] - value).abs() < 1e-10,
                "{envelope}: {} {value}",
                values[0]
            );
            assert_eq!(values[1..3], [0.0, 0.0], "{envelope}");
            assert_eq!(slopes[1..3], [0.0, 0.0], "{envelope}");
            let slope = (values[3] - values[4]) / 2e-6;
            assert!(
                (slopes[0] - slope).abs() < 1e-8,
                "{envelope}: {} {slope}",
                slopes[0]
            );
            let origin = if envelope == Envelope::Soft { 1.2 } else { 1.0 };
            assert!((values[5] - origin).abs() < 1e-12, "{envelope}");
        }
    }

    #[test]
    fn bessel_functions_have_their_values_and_are_zero_at_zero_distance() {
        let (values, slopes) = evaluate(&[1.3, 0.0], |edges| bessel(edges, 3, R_MAX));
        for k in 1..=3 {
            let expected = 0.5f64.sqrt() * (k as f64 * PI * 1.3 / R_MAX).sin() / 1.3;
            assert!((values[k - 1] - expected).abs() < 1e-15);
            assert_eq!(values[3 + k - 1], 0.0);
        }
        assert_eq!(slopes[1], 0.0);
    }
}
