//! Attention: messages in the frames of edges, weighted by a softmax over the edges of an atom.

use std::ops::Range;

use dipm_field::{Field, Map, ProductTable, Slot, Space};

use super::EquiformerV2Config;
use super::radial::{EdgeScalars, RadialNetwork};
use crate::layers::escn::{
    Coefficients, DegreeLinear, Frames, MessageActivation, Mixture, So2Convolution,
};
use crate::layers::{Dropout, LayerNorm, scale_heads};
use crate::{Init, Mode, NoiseSpec, ParameterSpec};

/// ε of the norm of the attention features.
const ALPHA_EPSILON: f64 = 1e-6;
/// Slope of the smooth leaky relu far below 0.
const SLOPE: f64 = 0.2;
/// Keeps the softmax of no edges finite.
const SOFTMAX_EPSILON: f64 = 1e-16;

/// What messages see of their edges.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageEdges<'a, 'g> {
    pub(super) frames: Frames<'a, 'g>,
    pub(super) scalars: EdgeScalars<'g>,
    pub(super) mode: Mode,
}

/// yᵢ = W Σ_{j→i} D̂ (a ∘ SO2₂(act(SO2₁(D̂ᵀ \[xⱼ | xᵢ\]))))
///
/// The first convolution also gives the features u of the heads, from which the weights
/// a = softmax(Σ_k α_hk leaky(LN(u_hk))) over the edges of the receiver come.
///
/// Parameters `PREFIX.so2_conv_{1,2}.*`, `PREFIX.alpha_norm.*`, `PREFIX.alpha_dot` [H, k],
/// `PREFIX.proj.*`, and those of the radial network: `PREFIX.so2_conv_1.rad_func.*`, or
/// `PREFIX.rad_func.*` if it gives weights of degrees.
#[derive(Debug)]
pub(super) struct Attention {
    coefficients: Coefficients,
    num_heads: usize,
    /// Of the attention features.
    alpha_channels: usize,
    radial: RadialNetwork,
    /// Spreads the weights of degrees over orders; `None` if the radial network weights those too.
    degree_weights: Option<ProductTable>,
    first: So2Convolution,
    activation: MessageActivation,
    second: So2Convolution,
    alpha_norm: Option<LayerNorm>,
    alpha_dot: ParameterSpec,
    dropout: Dropout,
    proj: DegreeLinear,
}

impl Attention {
    /// An attention with results of `num_out` channels; `drop` is the share of the weights that
    /// training drops.
    pub(super) fn new(
        prefix: &str,
        config: &EquiformerV2Config,
        num_species: usize,
        num_out: usize,
        drop: f64,
    ) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let coefficients = Coefficients::new(config.l_max, config.m_max);
        let (heads, hidden) = (config.num_heads, config.attn_hidden_channels);
        let num_in = 2 * config.sphere_channels;
        let values = heads * config.attn_value_channels;
        let alpha = config.attn_alpha_channels;
        let resolution = config.grid_resolution;
        let activation = match (config.use_gate_act, config.use_sep_s2_act) {
            (true, _) => MessageActivation::gate(coefficients),
            (false, true) => MessageActivation::separable(coefficients, resolution),
            (false, false) => MessageActivation::sphere(coefficients, resolution),
        };
        let scalars = heads * alpha + activation.num_scalars() * hidden;
        let (radial_prefix, num_weights) = match config.use_m_share_rad {
            true => (prefix.to_owned(), num_in * coefficients.num_degrees()),
            false => {
                let num = So2Convolution::num_radial(coefficients, num_in);
                (name("so2_conv_1"), num)
            }
        };
        let convolution = |part: &str, channels, scalars| {
            So2Convolution::new(&name(part), coefficients, channels, scalars, 0)
        };
        let shape = [heads, alpha];
        Self {
            coefficients,
            num_heads: heads,
            alpha_channels: alpha,
            radial: RadialNetwork::new(&radial_prefix, prefix, config, num_species, num_weights),
            degree_weights: config.use_m_share_rad.then(|| by_degree(coefficients)),
            first: convolution("so2_conv_1", [num_in, hidden], scalars),
            activation,
            second: convolution("so2_conv_2", [hidden, values], 0),
            alpha_norm: config
                .use_attn_renorm
                .then(|| LayerNorm::new(&name("alpha_norm"), alpha, ALPHA_EPSILON)),
            alpha_dot: ParameterSpec::new(name("alpha_dot"), &shape, Init::lecun(alpha)),
            dropout: Dropout::new(&name("dropout"), Space::Edges, &[heads, 1], drop),
            proj: DegreeLinear::new(&name("proj"), config.l_max, values, num_out),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let convolutions = self.first.parameters().chain(self.second.parameters());
        let norm = self.alpha_norm.iter().flat_map(LayerNorm::parameters);
        self.radial
            .parameters()
            .chain(convolutions)
            .chain(norm)
            .chain([&self.alpha_dot])
            .chain(self.proj.parameters())
    }

    pub(super) fn noise(&self) -> impl Iterator<Item = &NoiseSpec> {
        self.dropout.noise()
    }

    /// Applies the attention to features [K, C]; of the result only the given degrees are computed.
    pub(super) fn forward<'g>(
        &self,
        x: Field<'g>,
        edges: &MessageEdges<'_, 'g>,
        degrees: Range<usize>,
    ) -> Field<'g> {
        let graph = x.graph();
        let ends = [Map::Sender, Map::Receiver].map(|end| edges.frames.turn_in(x.gather(end)));
        let mut y = graph.concat(&ends, 1); // [E, K_r, 2 C]
        let mut weights = Some(self.radial.forward(edges.scalars));
        if let Some(table) = &self.degree_weights {
            let [_, channels] = y.shape()[..] else {
                unreachable!("a feature has two axes")
            };
            let shape = [self.coefficients.num_degrees(), channels];
            let of_degrees = weights.take().map(|weights| weights.reshape(&shape));
            y = graph.product(table, 2, &[of_degrees, Some(y), None]);
        }
        let all = 0..self.coefficients.num_degrees();
        let (y, scalars) = self.first.forward(y, weights, all, Mixture::Single);
        let num_alpha = self.num_heads * self.alpha_channels;
        let rest = scalars.slice(0, num_alpha, scalars.shape()[0] - num_alpha);
        let y = self.activation.forward(rest, y);
        let (values, _) = self
            .second
            .forward(y, None, degrees.clone(), Mixture::Single);
        let weights = self.weights(scalars.slice(0, 0, num_alpha), edges.mode);
        let messages = scale_heads(values, weights);
        let sum = edges
            .frames
            .turn_out(messages, degrees.clone())
            .sum(Map::Receiver);
        self.proj.degrees(sum, degrees)
    }

    /// The attention weights, [H, 1].
    fn weights<'g>(&self, features: Field<'g>, mode: Mode) -> Field<'g> {
        let mut u = features.reshape(&[self.num_heads, self.alpha_channels]);
        if let Some(norm) = &self.alpha_norm {
            u = norm.forward(u);
        }
        let leaky = u * SLOPE + u.silu() * (1.0 - SLOPE);
        let logits = (leaky * self.alpha_dot.field(u.graph())).sum_axes(&[1]);
        let largest = logits.detach().max(Map::Receiver).gather(Map::Receiver);
        let shares = (logits - largest).exp();
        let sum = shares.sum(Map::Receiver) + SOFTMAX_EPSILON;
        let weights = shares * sum.recip().gather(Map::Receiver);
        self.dropout.forward(weights, mode)
    }
}

/// Weights of degrees times coefficients of an edge.
fn by_degree(coefficients: Coefficients) -> ProductTable {
    let num = coefficients.num_edge();
    let slots = [coefficients.num_degrees(), num, num].map(Slot::channels);
    let edge = coefficients.edge().into_iter().enumerate();
    ProductTable::new(&slots, edge.map(|(k, h)| (vec![h.degree, k, k], 1.0)))
}
