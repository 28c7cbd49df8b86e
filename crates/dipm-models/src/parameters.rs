//! Parameters: names, shapes, how they start, values.

use dipm_field::{Field, Graph, Space};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Precision;

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Normal with mean 0, cut off at two standard deviations, and this standard deviation after
    /// the cut.
    TruncatedNormal(f64),
    /// Uniform between minus and plus this bound.
    Uniform(f64),
    /// Uniform between these bounds.
    Between(f64, f64),
    /// All values equal.
    Constant(f64),
    /// Equally spaced, the first and the last value given.
    Spaced(f64, f64),
}

/// Standard deviation of a standard normal cut off at ±2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

impl Init {
    /// Truncated normal of standard deviation 1/√fan_in, the start of dense layers.
    pub fn lecun(fan_in: usize) -> Self {
        Self::TruncatedNormal((fan_in as f64).sqrt().recip())
    }

    /// Uniform on ±√(6/(fan_in + fan_out)).
    pub fn xavier(fan_in: usize, fan_out: usize) -> Self {
        Self::Uniform((6.0 / (fan_in + fan_out) as f64).sqrt())
    }

    /// Value number `index` of `len`.
    fn sample(self, rng: &mut ChaCha8Rng, index: usize, len: usize) -> f64 {
        match self {
            Self::Normal(std) => std * normal(rng),
            Self::TruncatedNormal(std) => loop {
                let x = normal(rng);
                if x.abs() <= 2.0 {
                    return std / TRUNCATED_STD * x;
                }
            },
            Self::Uniform(bound) => bound * (2.0 * rng.random::<f64>() - 1.0),
            Self::Between(low, high) => low + (high - low) * rng.random::<f64>(),
            Self::Constant(value) => value,
            Self::Spaced(first, last) => spaced(first, last, index, len),
        }
    }
}

/// Number `index` of `len` equally spaced numbers from `first` to `last`.
pub(crate) fn spaced(first: f64, last: f64, index: usize, len: usize) -> f64 {
    first + (last - first) * index as f64 / len.saturating_sub(1).max(1) as f64
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Name, shape and start of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Name in the file.
    pub name: String,
    /// Shape in the file.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Whether the network divides it by √S, S the number of species of the model.
    pub over_root_species: bool,
}

impl ParameterSpec {
    /// A parameter.
    pub fn new(name: impl Into<String>, shape: &[usize], init: Init) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            init,
            over_root_species: false,
        }
    }

    /// The same for a network that divides the values by √S, S the number of species.
    pub fn divided_by_root_of_species(self) -> Self {
        Self {
            over_root_species: true,
            ..self
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parameter as a field over [`Space::Const`], with the shape of the file.
    pub fn field<'g>(&self, graph: &'g Graph) -> Field<'g> {
        graph.input(&self.name, Space::Const, &self.shape)
    }

    /// Values for the start: a function of the seed and the name alone, so that neither the order
    /// nor the presence of other parameters matters.
    pub fn initialize(&self, seed: u64, precision: Precision) -> Parameter {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(fnv1a(self.name.as_bytes()));
        let values = (0..self.len()).map(|index| self.init.sample(&mut rng, index, self.len()));
        Parameter {
            name: self.name.clone(),
            shape: self.shape.clone(),
            values: Values::new(precision, values),
        }
    }
}

/// The 64-bit hash of Fowler, Noll and Vo.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A parameter with its values, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name in the file.
    pub name: String,
    /// Shape in the file.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Values,
}

/// Numbers in one of two precisions. Those that a file keeps in 16 bits are held in 32.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// In 32 bits.
    Single(Vec<f32>),
    /// In 64 bits.
    Double(Vec<f64>),
}

impl Values {
    /// The numbers, rounded to a precision.
    pub fn new(precision: Precision, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter();
        match precision {
            Precision::Single => Self::Single(values.map(|value| value as f32).collect()),
            Precision::Double => Self::Double(values.collect()),
        }
    }

    /// Their precision.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Single(_) => Precision::Single,
            Self::Double(_) => Precision::Double,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = f64> + Clone {
        let (single, double): (&[f32], &[f64]) = match self {
            Self::Single(values) => (values, &[]),
            Self::Double(values) => (&[], values),
        };
        let single = single.iter().map(|value| f64::from(*value));
        single.chain(double.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init) -> (f64, f64, f64) {
        let values = ParameterSpec::new("w", &[200, 500], init)
            .initialize(7, Precision::Single)
            .values;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|x| x.powi(2)).sum::<f64>() / n;
        let largest = values.iter().fold(0f64, |a, x| a.max(x.abs()));
        (mean, (square - mean * mean).sqrt(), largest)
    }

    #[test]
    fn distributions_have_their_moments() {
        let (mean, std, largest) = moments(Init::Normal(2.0));
        assert!(mean.abs() < 0.02 && (std - 2.0).abs() < 0.02 && largest > 7.0);
        let (mean, std, largest) = moments(Init::lecun(16));
        assert!(mean.abs() < 0.003 && (std - 0.25).abs() < 0.003);
        assert!(largest <= 0.5 / TRUNCATED_STD && largest > 0.56);
        let (mean, std, largest) = moments(Init::xavier(2, 4));
        assert!(mean.abs() < 0.01 && (std - 3f64.sqrt().recip()).abs() < 0.01 && largest <= 1.0);
        let (mean, std, largest) = moments(Init::Between(2.0, 3.0));
        assert!((mean - 2.5).abs() < 0.01 && (std - 12f64.sqrt().recip()).abs() < 0.01);
        assert!(largest <= 3.0);
        assert_eq!(moments(Init::Constant(0.5)), (0.5, 0.0, 0.5));
        let spaced =
            ParameterSpec::new("w", &[5], Init::Spaced(1.0, -1.0)).initialize(7, Precision::Single);
        let expected = vec![1.0, 0.5, 0.0, -0.5, -1.0];
        assert_eq!(spaced.values, Values::Single(expected));
    }

    #[test]
    fn a_parameter_starts_by_seed_and_name_alone() {
        let spec = |name: &str| ParameterSpec::new(name, &[3, 4], Init::Normal(1.0));
        assert_eq!(
            spec("a").initialize(1, Precision::Single),
            spec("a").initialize(1, Precision::Single)
        );
        assert_ne!(
            spec("a").initialize(1, Precision::Single).values,
            spec("a").initialize(2, Precision::Single).values
        );
        assert_ne!(
            spec("a").initialize(1, Precision::Single).values,
            spec("b").initialize(1, Precision::Single).values
        );
    }
}
