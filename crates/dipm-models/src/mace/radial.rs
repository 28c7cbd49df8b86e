//! The radial functions.

use dipm_data::DatasetInfo;
use dipm_field::{Bindings, Executor, Field, Graph, Plan, Space};

use super::MaceConfig;
use crate::layers::{Edges, bessel};
use crate::{Envelope, Mode, Precision};

/// Distances at which the mean square of the functions is taken.
const SAMPLES: usize = 1000;

/// R_k(d) = ρ B_k(d) f(d) with Bessel functions B_k and an envelope f.
///
/// ρ^(−2) is the mean of (B_k f)² over k and distances from `r_min` to the cutoff; without `r_min`,
/// ρ = 1.
#[derive(Debug, Clone)]
pub(super) struct Radial {
    num: usize,
    envelope: Envelope,
    degree: i32,
    r_max: f64,
    scale: f64,
}

impl Radial {
    pub fn new(config: &MaceConfig, info: &DatasetInfo) -> Self {
        let mut radial = Self {
            num: config.num_bessel,
            envelope: config.radial_envelope,
            degree: i32::try_from(config.polynomial_degree).expect("options were validated"),
            r_max: info.cutoff_distance_angstrom,
            scale: 1.0,
        };
        if let Some(r_min) = config.avg_r_min.or(info.avg_r_min_angstrom) {
            radial.scale = radial.mean_square(r_min).sqrt().recip();
        }
        radial
    }

    /// The functions at the edges, `[K]`, 0 where the distance is 0.
    pub fn forward<'g>(&self, edges: &Edges<'g>) -> Field<'g> {
        let envelope = self.envelope.apply(edges.distance, self.r_max, self.degree);
        bessel(edges, self.num, self.r_max) * (envelope * self.scale)
    }

    /// Mean square over all functions and equally spaced distances, both ends included.
    fn mean_square(&self, r_min: f64) -> f64 {
        let graph = Graph::new();
        let vectors = graph.input("vectors", Space::Edges, &[3]);
        let functions = self.forward(&Edges::new(vectors, Precision::Double, Mode::Evaluation));
        let mut executor = Executor::<f64>::new(Plan::new(&graph, &[("functions", functions)]));
        let step = (self.r_max - r_min) / (SAMPLES - 1) as f64;
        let vector = |n: usize| [r_min + step * n as f64, 0.0, 0.0];
        let vectors: Vec<f64> = (0..SAMPLES).flat_map(vector).collect();
        let bindings = Bindings::new()
            .rows(Space::Edges, SAMPLES)
            .input("vectors", &vectors);
        executor
            .run(&bindings)
            .expect("the only input is bound with its size");
        let values = executor.output("functions");
        values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64
    }
}
