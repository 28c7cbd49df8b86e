//! A layer: messages along edges, then a network of each atom.

use dipm_field::{Field, Map};

use super::UmaConfig;
use crate::layers::Dense;
use crate::layers::escn::{
    Coefficients, DegreeGate, DegreeLinear, Frames, GridMlp, MessageActivation, Mixture, RadialMlp,
    So2Convolution, SphereGrid, SphericalNorm,
};
use crate::{EdgeActivation, FeedForward, ParameterSpec};

/// What all layers know of the edges.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a, 'g> {
    pub frames: Frames<'a, 'g>,
    /// Radial functions, `[R]`.
    pub radial: Field<'g>,
    /// Embeddings of the elements as senders and as receivers, [S, D] over Const.
    pub ends: (Field<'g>, Field<'g>),
    /// 1 at distance 0 and 0 at the cutoff, [].
    pub envelope: Field<'g>,
    /// How the kernels of an edge come about.
    pub mixture: Mixture<'g>,
}

impl<'g> Surroundings<'_, 'g> {
    /// What a radial network makes of each edge.
    pub(super) fn weights(&self, network: &RadialMlp) -> Field<'g> {
        network.forward(self.radial, Some(self.ends))
    }

    /// Features of edges [K_r, C] times the envelope.
    pub(super) fn enveloped(&self, y: Field<'g>) -> Field<'g> {
        y * self.envelope
    }
}

/// x ← x + messages(norm₁(x)), x ← x + network(norm₂(x)).
#[derive(Debug)]
pub(super) struct Layer {
    norm_1: SphericalNorm,
    messages: Messages,
    norm_2: SphericalNorm,
    network: Network,
}

impl Layer {
    pub(super) fn new(config: &UmaConfig, prefix: &str) -> Self {
        let norm = |part: &str| {
            let (name, channels) = (format!("{prefix}.{part}"), config.sphere_channels);
            SphericalNorm::new(&name, config.norm_type, config.l_max, channels)
        };
        Self {
            norm_1: norm("norm_1"),
            messages: Messages::new(config, &format!("{prefix}.edge_wise")),
            norm_2: norm("norm_2"),
            network: Network::new(config, &format!("{prefix}.atom_wise")),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let norms = [&self.norm_1, &self.norm_2].into_iter();
        norms
            .flat_map(SphericalNorm::parameters)
            .chain(self.messages.parameters())
            .chain(self.network.parameters())
    }

    /// Features of atoms, [K, C] → [K, C].
    pub(super) fn forward<'g>(&self, x: Field<'g>, edges: &Surroundings<'_, 'g>) -> Field<'g> {
        let x = x + self.messages.forward(self.norm_1.forward(x), edges);
        x + self.network.forward(self.norm_2.forward(x))
    }
}

/// xᵢ′ = Σ_{j→i} D φ conv₂(act(conv₁(Dᵀ \[xⱼ | xᵢ\]))), D the frame of the edge and φ the envelope.
/// conv₁ weights its input by a radial network, and gives scalars for the activation.
#[derive(Debug)]
struct Messages {
    radial: RadialMlp,
    first: So2Convolution,
    activation: MessageActivation,
    second: So2Convolution,
}

impl Messages {
    fn new(config: &UmaConfig, prefix: &str) -> Self {
        let coefficients = config.coefficients();
        let (channels, hidden) = (config.sphere_channels, config.hidden_channels);
        let activation = match config.act_type {
            EdgeActivation::Gate => MessageActivation::gate(coefficients),
            EdgeActivation::S2Sep => {
                MessageActivation::separable(coefficients, config.grid_resolution)
            }
        };
        let num_scalars = activation.num_scalars() * hidden;
        let convolution = |part: &str, widths, num_scalars| {
            let name = format!("{prefix}.{part}");
            So2Convolution::new(&name, coefficients, widths, num_scalars, config.num_experts)
        };
        let num_radial = So2Convolution::num_radial(coefficients, 2 * channels);
        Self {
            radial: config.radial_mlp(&format!("{prefix}.so2_conv_1.rad_func"), num_radial),
            first: convolution("so2_conv_1", [2 * channels, hidden], num_scalars),
            activation,
            second: convolution("so2_conv_2", [hidden, channels], 0),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let convolutions = [&self.first, &self.second].into_iter();
        let convolutions = convolutions.flat_map(So2Convolution::parameters);
        self.radial.parameters().chain(convolutions)
    }

    fn forward<'g>(&self, x: Field<'g>, edges: &Surroundings<'_, 'g>) -> Field<'g> {
        let degrees = 0..edges.frames.coefficients().num_degrees();
        let ends = [x.gather(Map::Sender), x.gather(Map::Receiver)];
        let y = edges.frames.turn_in(x.graph().concat(&ends, 1)); // [K_r, 2 C]
        let radial = Some(edges.weights(&self.radial));
        let (y, scalars) = self
            .first
            .forward(y, radial, degrees.clone(), edges.mixture);
        let y = self.activation.forward(scalars, y); // [K_r, H]
        let (y, _) = self.second.forward(y, None, degrees.clone(), edges.mixture);
        let message = edges.frames.turn_out(edges.enveloped(y), degrees); // [K, C]
        message.sum(Map::Receiver)
    }
}

/// The network of an atom, [K, C] → [K, C].
#[derive(Debug)]
enum Network {
    /// W₂ gate(silu(A x₀ + a), W₁ x)
    Spectral {
        scalars: Dense,
        first: DegreeLinear,
        gate: DegreeGate,
        second: DegreeLinear,
    },
    Grid(GridMlp),
}

impl Network {
    fn new(config: &UmaConfig, prefix: &str) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let (l_max, channels) = (config.l_max, config.sphere_channels);
        let hidden = config.hidden_channels;
        match config.ff_type {
            FeedForward::Spectral => Self::Spectral {
                scalars: Dense::lecun(&name("scalar_mlp.layers.0"), channels, l_max * hidden),
                first: DegreeLinear::new(&name("so3_linear_1"), l_max, channels, hidden),
                gate: DegreeGate::of_nodes(l_max),
                second: DegreeLinear::new(&name("so3_linear_2"), l_max, hidden, channels),
            },
            FeedForward::Grid => {
                let grid = SphereGrid::of_nodes(l_max, config.grid_resolution);
                let widths = [channels, hidden, hidden, channels];
                Self::Grid(GridMlp::new(&name("grid_mlp"), widths, grid))
            }
        }
    }

    fn parameters(&self) -> Box<dyn Iterator<Item = &ParameterSpec> + '_> {
        match self {
            Self::Spectral {
                scalars,
                first,
                second,
                ..
            } => {
                let linear = [first, second].into_iter();
                let linear = linear.flat_map(DegreeLinear::parameters);
                Box::new(scalars.parameters().chain(linear))
            }
            Self::Grid(network) => Box::new(network.parameters()),
        }
    }

    fn forward<'g>(&self, x: Field<'g>) -> Field<'g> {
        match self {
            Self::Spectral {
                scalars,
                first,
                gate,
                second,
            } => {
                let x_0 = x.slice(0, 0, 1).reshape(&x.shape()[1..]);
                let gates = scalars.forward(x_0).silu();
                second.forward(gate.forward(gates, first.forward(x)))
            }
            Self::Grid(network) => network.forward(x),
        }
    }
}

impl UmaConfig {
    pub(super) fn coefficients(&self) -> Coefficients {
        Coefficients::new(self.l_max, self.m_max)
    }

    /// A radial network of this many outputs.
    pub(super) fn radial_mlp(&self, prefix: &str, num_out: usize) -> RadialMlp {
        let width = self.edge_channels;
        RadialMlp::new(prefix, [self.num_rbf + 2 * width, width, width, num_out])
    }
}
