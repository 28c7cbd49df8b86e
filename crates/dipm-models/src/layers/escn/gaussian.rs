//! Gaussian radial functions.

use dipm_field::{Field, Graph};

use crate::parameters::spaced;
use crate::{Init, ParameterSpec};

/// φ_k(d) = exp(κ (d − μ_k)²), `[R]`.
///
/// μ_k are equally spaced from 0 to r_max, κ = −½/(width (μ_1 − μ_0))². They are parameters
/// `PREFIX.offset`, `[R]`, and `PREFIX.coeff`, [], when they are learned.
#[derive(Debug, Clone)]
pub struct Gaussians {
    num: usize,
    r_max: f64,
    /// κ, or where it starts.
    coefficient: f64,
    /// μ and κ.
    learned: Option<[ParameterSpec; 2]>,
}

impl Gaussians {
    /// R ≥ 2 functions that stay as they are; the width is in units of their distance.
    pub fn new(num: usize, r_max: f64, width: f64) -> Self {
        assert!(num >= 2, "{num} functions have no distance");
        let spacing = r_max / (num - 1) as f64;
        Self {
            num,
            r_max,
            coefficient: -0.5 / (width * spacing).powi(2),
            learned: None,
        }
    }

    /// The same, to be learned.
    #[must_use]
    pub fn learned(self, prefix: &str) -> Self {
        let offset = Init::Spaced(0.0, self.r_max);
        let coefficient = Init::Constant(self.coefficient);
        let learned = [
            ParameterSpec::new(format!("{prefix}.offset"), &[self.num], offset),
            ParameterSpec::new(format!("{prefix}.coeff"), &[], coefficient),
        ];
        Self {
            learned: Some(learned),
            ..self
        }
    }

    /// The parameters, none when the functions are fixed.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.learned.iter().flatten()
    }

    /// The functions at a distance [], `[R]`.
    pub fn forward<'g>(&self, distance: Field<'g>) -> Field<'g> {
        let [centres, coefficient] = self.values(distance.graph());
        let offset = distance - centres;
        (coefficient * (offset * offset)).exp()
    }

    fn values<'g>(&self, graph: &'g Graph) -> [Field<'g>; 2] {
        match &self.learned {
            Some(learned) => learned.each_ref().map(|spec| spec.field(graph)),
            None => {
                let centre = |k| spaced(0.0, self.r_max, k, self.num);
                let centres: Vec<f64> = (0..self.num).map(centre).collect();
                let centres = graph.constant(&centres, &[self.num]);
                [centres, graph.literal(self.coefficient)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_close, evaluate};
    use super::*;
    use crate::{Precision, Values};
    use dipm_field::Space;

    #[test]
    fn fixed_and_learned_functions_are_gaussians_around_their_centres() {
        let distances = [0.0, 0.4, 1.7, 4.0, 5.0];
        let fixed = Gaussians::new(10, 4.0, 2.0);
        let centres: Vec<f64> = (0..10).map(|k| 4.0 * f64::from(k) / 9.0).collect();
        let expected = distances.iter().flat_map(|d| {
            let function = move |mu: &f64| (-0.632_812_5 * (d - mu).powi(2)).exp();
            centres.iter().map(function)
        });
        let expected: Vec<f64> = expected.collect();
        let learned = fixed.clone().learned("basis");
        let starts: Vec<_> = learned
            .parameters()
            .map(|spec| spec.initialize(0, Precision::Double))
            .collect();
        assert_eq!(
            (&starts[1].shape[..], &starts[1].values),
            (&[][..], &Values::Double(vec![-0.632_812_5]))
        );
        for functions in [fixed, learned] {
            let inputs = [
                ("d", &distances[..]),
                ("basis.offset", &centres),
                ("basis.coeff", &[-0.632_812_5]),
            ];
            let found = evaluate(&inputs, |graph| {
                functions.forward(graph.input("d", Space::Edges, &[]))
            });
            assert_close(&found, &expected);
        }
    }
}
