//! Random numbers of training: dropout, drop path, random rotations.

use dipm_field::{Bindings, Field, Graph, Space};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Real;
use crate::parameters::fnv1a;

/// Whether a network is trained or evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is random.
    Evaluation,
    /// With what [`crate::Architecture::noise`] lists.
    Training,
}

/// A distribution of random numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// 0 with probability `rate`, else 1/(1 − rate).
    Keep {
        /// From 0 to below 1.
        rate: f64,
    },
    /// Uniform in [0, 2π).
    Angle,
}

impl Distribution {
    fn sample(self, rng: &mut ChaCha8Rng) -> f64 {
        let uniform = rng.random::<f64>();
        match self {
            Self::Keep { rate } if uniform < rate => 0.0,
            Self::Keep { rate } => (1.0 - rate).recip(),
            Self::Angle => std::f64::consts::TAU * uniform,
        }
    }
}

/// Random numbers that a network in training is given anew for each batch: an input over a space.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseSpec {
    name: String,
    space: Space,
    shape: Vec<usize>,
    distribution: Distribution,
}

impl NoiseSpec {
    /// Numbers of `shape` for each row of a space. The name tells them from all others.
    pub fn new(
        name: impl Into<String>,
        space: Space,
        shape: &[usize],
        distribution: Distribution,
    ) -> Self {
        Self {
            name: name.into(),
            space,
            shape: shape.to_vec(),
            distribution,
        }
    }

    /// The numbers as a field.
    pub fn field<'g>(&self, graph: &'g Graph) -> Field<'g> {
        graph.input(&self.name, self.space, &self.shape)
    }

    /// The numbers as a field in training, none in evaluation.
    pub fn in_mode<'g>(&self, graph: &'g Graph, mode: Mode) -> Option<Field<'g>> {
        (mode == Mode::Training).then(|| self.field(graph))
    }
}

/// Which random numbers are drawn: they are a function of this key and of their names alone, so
/// that neither the number of threads nor an interruption of the run changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NoiseKey {
    /// Of the run.
    pub seed: u64,
    /// From 0.
    pub epoch: u64,
    /// Position of the batch in the epoch, from 0.
    pub batch: u64,
}

/// The random numbers of a batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noise<T> {
    inputs: Vec<(String, Vec<T>)>,
}

impl<T: Real> Noise<T> {
    /// Draws numbers for as many rows as `rows` says that a space has.
    pub(crate) fn draw(specs: &[NoiseSpec], key: NoiseKey, rows: impl Fn(Space) -> usize) -> Self {
        let input = |spec: &NoiseSpec| {
            let mut seed = [0; 32];
            let words = [key.seed, key.epoch, key.batch, fnv1a(spec.name.as_bytes())];
            for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            let mut rng = ChaCha8Rng::from_seed(seed);
            let len = rows(spec.space) * spec.shape.iter().product::<usize>();
            let number = |_| T::from_double(spec.distribution.sample(&mut rng));
            (spec.name.clone(), (0..len).map(number).collect())
        };
        Self {
            inputs: specs.iter().map(input).collect(),
        }
    }

    pub(crate) fn bind<'a>(&'a self, bindings: Bindings<'a, T>) -> Bindings<'a, T> {
        let inputs = self.inputs.iter();
        inputs.fold(bindings, |bindings, (name, values)| {
            bindings.input(name, values)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTENTION: &str = "layers.0.attention.dropout";

    fn draw(key: NoiseKey) -> Vec<f64> {
        let keep = Distribution::Keep { rate: 0.25 };
        let specs = [
            NoiseSpec::new("rotation", Space::Edges, &[], Distribution::Angle),
            NoiseSpec::new(ATTENTION, Space::Edges, &[4], keep),
        ];
        let noise = Noise::draw(&specs, key, |_| 5000);
        assert_eq!(noise.inputs[0].1.len(), 5000);
        noise.inputs[1].1.clone()
    }

    #[test]
    fn kept_values_have_mean_one_and_the_rate_of_zeros() {
        let values = draw(NoiseKey::default());
        assert_eq!(values.len(), 20_000);
        let zeros = values.iter().filter(|x| **x == 0.0).count();
        assert!((zeros as f64 / 20_000.0 - 0.25).abs() < 0.01, "{zeros}");
        assert!(values.iter().all(|x| *x == 0.0 || *x == 1.0 / 0.75));
    }

    #[test]
    fn numbers_depend_on_seed_epoch_and_batch_and_on_nothing_else() {
        let key = |seed, epoch, batch| NoiseKey { seed, epoch, batch };
        let first = draw(key(1, 2, 3));
        assert_eq!(first, draw(key(1, 2, 3)));
        for other in [key(2, 2, 3), key(1, 3, 3), key(1, 2, 4), key(1, 3, 2)] {
            assert_ne!(first, draw(other), "{other:?}");
        }
    }
}
