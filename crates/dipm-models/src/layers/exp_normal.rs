//! Radial functions of exponential-normal form.

use dipm_field::{Field, Graph};

use crate::parameters::spaced;
use crate::{Init, ParameterSpec};

/// B_k(d) = exp(−β_k (e^(−5d/r_max) − μ_k)²), `[K]` (Unke and Meuwly, J. Chem. Theory Comput. 15,
/// 3678 (2019)).
///
/// μ_k are equally spaced from e^(−r_max) to 1, β_k = (2/K (1 − e^(−r_max)))^(−2). They are
/// parameters `PREFIX.means` and `PREFIX.betas`, `[K]`, when they are learned.
#[derive(Debug, Clone)]
pub struct ExpNormal {
    means: ParameterSpec,
    betas: ParameterSpec,
    is_trainable: bool,
    r_max: f64,
}

impl ExpNormal {
    /// K functions up to the cutoff.
    pub fn new(prefix: &str, num: usize, r_max: f64, is_trainable: bool) -> Self {
        let first = (-r_max).exp();
        let width = 2.0 / num as f64 * (1.0 - first);
        let parameter =
            |name: &str, init| ParameterSpec::new(format!("{prefix}.{name}"), &[num], init);
        Self {
            means: parameter("means", Init::Spaced(first, 1.0)),
            betas: parameter("betas", Init::Constant(width.powi(-2))),
            is_trainable,
            r_max,
        }
    }

    /// The parameters, none when the functions are fixed.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let all = [&self.means, &self.betas].into_iter();
        all.filter(|_| self.is_trainable)
    }

    /// The functions at a distance [], `[K]`.
    pub fn forward<'g>(&self, distance: Field<'g>) -> Field<'g> {
        let graph = distance.graph();
        let value = |spec| self.value(graph, spec);
        let offset = (distance * (-5.0 / self.r_max)).exp() - value(&self.means);
        (-(value(&self.betas) * (offset * offset))).exp()
    }

    fn value<'g>(&self, graph: &'g Graph, spec: &ParameterSpec) -> Field<'g> {
        let num = spec.shape[0];
        match spec.init {
            _ if self.is_trainable => spec.field(graph),
            Init::Spaced(first, last) => {
                let values: Vec<f64> = (0..num).map(|k| spaced(first, last, k, num)).collect();
                graph.constant(&values, &[num])
            }
            Init::Constant(value) => graph.literal(value),
            _ => unreachable!("means are spaced and betas equal"),
        }
    }
}
