//! Norms of vector features.

use dipm_field::{Field, Space};

use crate::VectorNorm;

impl VectorNorm {
    /// Normalises the parts of degree 1, 2, … of vectors [M, C] apart, M = (l_max + 1)² − 1.
    /// Lengths are δ = √(Σ_m v_m² + ε).
    ///
    /// - `rms`: v/√(mean_c δ²)
    /// - `max_min`: (δ − min_c δ)/(max_c δ − min_c δ + ε) v/δ
    pub fn apply<'g>(self, v: Field<'g>, epsilon: f64) -> Field<'g> {
        // Zeros stay zero, and a network that starts from them costs nothing.
        if self == Self::None || v.is_zero() {
            return v;
        }
        let num_components = v.shape()[0];
        let parts = (1..).map_while(|l: usize| {
            let (start, size) = (l * l - 1, 2 * l + 1);
            (start < num_components).then(|| self.apply_part(v.slice(0, start, size), epsilon))
        });
        v.graph().concat(&parts.collect::<Vec<_>>(), 0)
    }

    /// Normalises vectors of one degree, [2l + 1, C].
    fn apply_part(self, v: Field<'_>, epsilon: f64) -> Field<'_> {
        debug_assert_eq!(v.space(), Space::Atoms);
        let channels = v.shape()[1];
        let square = (v * v).sum_axes(&[0]) + epsilon; // [1, C]
        match self {
            Self::None => v,
            Self::Rms => {
                let mean = square.sum_axes(&[1]) * (channels as f64).recip();
                v * mean.sqrt().recip()
            }
            Self::MaxMin => {
                let length = square.sqrt();
                let (least, most) = (length.min_axes(&[1]), length.max_axes(&[1]));
                let above = length - least;
                // The derivative of the least length is 0: nothing is below it.
                let ratio = above * above.step() / (most - least + epsilon);
                v * (ratio / length)
            }
        }
    }
}
