//! Dropout.

use dipm_field::{Field, Space};

use crate::{Distribution, Mode, NoiseSpec};

/// In training, each entry is dropped with a probability and divided by that of staying otherwise;
/// in evaluation nothing happens.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// `None` for a rate of 0.
    noise: Option<NoiseSpec>,
}

impl Dropout {
    /// Dropout of features of `shape` over a space. Drop path is that of one number a structure.
    pub fn new(name: &str, space: Space, shape: &[usize], rate: f64) -> Self {
        let noise = || NoiseSpec::new(name, space, shape, Distribution::Keep { rate });
        Self {
            noise: (rate > 0.0).then(noise),
        }
    }

    /// The random numbers.
    pub fn noise(&self) -> impl Iterator<Item = &NoiseSpec> {
        self.noise.iter()
    }

    /// The factor that the features are multiplied with; `None` if it is 1.
    pub fn factor<'g>(&self, like: Field<'g>, mode: Mode) -> Option<Field<'g>> {
        self.noise.as_ref()?.in_mode(like.graph(), mode)
    }

    /// Features over the same space.
    pub fn forward<'g>(&self, x: Field<'g>, mode: Mode) -> Field<'g> {
        match self.factor(x, mode) {
            Some(factor) => x * factor,
            None => x,
        }
    }
}
