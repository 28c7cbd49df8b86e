//! Energies from features.

use dipm_field::Field;
use dipm_o3::Irreps;

use super::MaceConfig;
use crate::layers::{Block, Linear, Live};
use crate::{Activation, ParameterSpec, Precision};

/// A readout: linear, or in the last layer a network with one hidden layer.
#[derive(Debug, Clone)]
pub(super) enum Readout {
    Linear(Linear),
    Network {
        linear_in: Linear,
        activation: Activation,
        linear_out: Linear,
    },
}

impl Readout {
    pub fn new(prefix: &str, config: &MaceConfig, input: &Irreps, last: bool) -> Self {
        let (hidden, output) = (config.readout(0), config.readout(1));
        if !last {
            return Self::Linear(Linear::new(prefix, input, &output));
        }
        Self::Network {
            linear_in: Linear::new(&format!("{prefix}.linear_in"), input, &hidden),
            activation: config.activation,
            linear_out: Linear::new(&format!("{prefix}.linear_out"), &hidden, &output),
        }
    }

    pub fn parameters(&self) -> Vec<&ParameterSpec> {
        match self {
            Self::Linear(linear) => linear.parameters().collect(),
            Self::Network {
                linear_in,
                linear_out,
                ..
            } => linear_in
                .parameters()
                .chain(linear_out.parameters())
                .collect(),
        }
    }

    /// The energy of each atom, [1, 1]: W h, and in the last layer W₂ ψ(W₁ h).
    pub fn forward<'g>(&self, h: &[Block<'g>], precision: Precision) -> Field<'g> {
        let first = Live::new([std::iter::once(0..1).collect()]);
        let energy = match self {
            Self::Linear(linear) => linear.forward(h, &first),
            Self::Network {
                linear_in,
                activation,
                linear_out,
            } => {
                let hidden = linear_in.forward(h, &Live::all(linear_in.output()));
                let hidden: Vec<_> = hidden
                    .into_iter()
                    .map(|block| block.map(|x| activation.apply_normalized(x, precision)))
                    .collect();
                linear_out.forward(&hidden, &first)
            }
        };
        energy[0].expect("the energy is live")
    }
}
