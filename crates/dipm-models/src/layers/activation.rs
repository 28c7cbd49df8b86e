//! Pointwise nonlinearities.

use dipm_field::Field;

use crate::{Activation, Precision};

impl Activation {
    /// f(x), entry by entry.
    ///
    /// # Panics
    /// For [`Activation::BetaSwish`], whose β is a parameter that no layer has.
    pub fn apply<'g>(self, x: Field<'g>) -> Field<'g> {
        let graph = x.graph();
        match self {
            Self::Tanh => x.tanh(),
            Self::Silu => x.silu(),
            Self::Relu => x * x.step(),
            Self::Elu => {
                // The branch not taken must stay finite, in value and derivative.
                let below = x.select(graph.literal(0.0), x);
                x.select(x, below.exp() - 1.0)
            }
            Self::Sigmoid => x.sigmoid(),
            Self::None => x,
            Self::BetaSwish => panic!("beta_swish is refused when options are validated"),
        }
    }

    /// ψ(x) = f(x)/c with c² the mean of f² over a standard normal variable.
    pub fn apply_normalized<'g>(self, x: Field<'g>, precision: Precision) -> Field<'g> {
        self.apply(x) * self.second_moment_root(precision).recip()
    }

    /// c as dipm 0.0.8 has it: the mean is taken over 1 000 001 quantiles of the normal
    /// distribution, and rounds differently in single and double precision. It differs from the
    /// exact integral by 2e-5, so the values belong to the format.
    fn second_moment_root(self, precision: Precision) -> f64 {
        let (single, double) = match self {
            Self::Silu => (0.596_457_7_f32, 0.596_458_685_423_304_5),
            Self::Tanh => (0.627_928_2, 0.627_928_248_163_850_2),
            Self::Sigmoid => (0.541_644_5, 0.541_644_565_416_210_8),
            Self::Relu => (0.707_097_05, 0.707_097_894_018_724),
            Self::Elu => (0.803_076_15, 0.803_076_895_588_000_2),
            Self::None => (0.999_986_77, 0.999_987_431_646_732_8),
            Self::BetaSwish => panic!("beta_swish is refused when options are validated"),
        };
        match precision {
            Precision::Single => f64::from(single),
            Precision::Double => double,
        }
    }
}
