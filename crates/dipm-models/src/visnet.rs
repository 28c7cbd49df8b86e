//! ViSNet: messages between scalars and vectors, weighted by attention.
//!
//! Wang et al., Nat. Commun. 15, 313 (2024); output block of Schütt et al. (PaiNN), arXiv:2102.03150.
//! Parameters carry the names of the saved weights.
//! Shapes: C channels, M = (l_max + 1)² − 1 components of a vector (degree 0 is left out), K radial
//! functions, H heads. Differs from the paper: attention is an activation times the cutoff, and at
//! l_max 2 the rejection takes both degrees together.

mod output;

use dipm_data::DatasetInfo;
use dipm_field::{Field, Map, Space};
use serde::{Deserialize, Serialize};

use crate::layers::{
    Dense, Edges, Embedding, ExpNormal, LayerNorm, SPECIES, harmonics, scale_heads, sum_heads,
    vectors,
};
use crate::{
    Activation, Architecture, ArchitectureConfig, ConfigProblem, Envelope, ModelError, Output,
    ParamDtype, ParameterSpec, Precision, ReferenceEnergies, VectorNorm,
};
use output::OutputNetwork;

/// ε of the layer norms.
const LAYER_EPSILON: f64 = 1e-5;
/// ε under the root of the lengths of vectors.
const VECTOR_EPSILON: f64 = 1e-12;

/// `model:` with `target: ViSNet`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisnetConfig {
    /// Whether forces are predicted directly; ViSNet has no such head, so only `false` is accepted.
    pub force_head: bool,
    /// How parameters are stored.
    pub param_dtype: ParamDtype,
    /// Number of layers.
    pub num_layers: usize,
    /// Number of scalars, of vectors, and of channels of an edge; an even multiple of `num_heads`.
    pub num_channels: usize,
    /// Largest degree of vectors, 1 or 2.
    pub l_max: usize,
    /// Number of attention heads.
    pub num_heads: usize,
    /// Number of radial functions.
    pub num_rbf: usize,
    /// Whether centres and widths of the radial functions are learned.
    pub trainable_rbf: bool,
    /// Nonlinearity of messages, edges and the output.
    pub activation: Activation,
    /// Nonlinearity of the attention weights.
    pub attn_activation: Activation,
    /// Norm of vectors before each layer and the output.
    pub vecnorm_type: VectorNorm,
    /// Energies of isolated atoms; those of the dataset when absent.
    pub atomic_energies: Option<ReferenceEnergies>,
}

impl Default for VisnetConfig {
    fn default() -> Self {
        Self {
            force_head: false,
            param_dtype: ParamDtype::F32,
            num_layers: 4,
            num_channels: 256,
            l_max: 2,
            num_heads: 8,
            num_rbf: 32,
            trainable_rbf: false,
            activation: Activation::Silu,
            attn_activation: Activation::Silu,
            vecnorm_type: VectorNorm::None,
            atomic_energies: None,
        }
    }
}

impl VisnetConfig {
    /// A network small enough for tests, with an edge update that matters.
    pub fn small() -> Self {
        Self {
            num_layers: 3,
            num_channels: 8,
            num_heads: 2,
            num_rbf: 6,
            ..Self::default()
        }
    }
}

impl ArchitectureConfig for VisnetConfig {
    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, key, message: &str| {
            if !holds {
                problems.push(ConfigProblem::new(key, message));
            }
        };
        let positive = "is 0, expected a whole number > 0";
        expect(!self.force_head, "force_head", "ViSNet has no force head");
        expect(self.num_layers > 0, "num_layers", positive);
        expect(self.num_heads > 0, "num_heads", positive);
        expect(self.num_rbf > 0, "num_rbf", positive);
        let (channels, heads) = (self.num_channels, self.num_heads);
        let divisible = channels > 0 && channels % 2 == 0 && channels % heads.max(1) == 0;
        let channels = format!("is {channels}, expected an even multiple of `num_heads` ({heads})");
        expect(divisible, "num_channels", &channels);
        let degree = format!("is {}, expected 1 or 2", self.l_max);
        expect((1..=2).contains(&self.l_max), "l_max", &degree);
        let learned =
            "`beta_swish` learns a β a channel, which ViSNet has not; silu is like it without β";
        let simple = |activation| activation != Activation::BetaSwish;
        expect(simple(self.activation), "activation", learned);
        expect(simple(self.attn_activation), "attn_activation", learned);
        problems
    }

    fn param_dtype(&self) -> ParamDtype {
        self.param_dtype
    }

    fn atomic_energies(&self) -> Option<&ReferenceEnergies> {
        self.atomic_energies.as_ref()
    }

    fn build(
        &self,
        info: &DatasetInfo,
        num_species: usize,
    ) -> Result<Box<dyn Architecture>, ModelError> {
        let r_max = info.cutoff_distance_angstrom;
        Ok(Box::new(Visnet::new(self, r_max, num_species)))
    }
}

/// The network.
#[derive(Debug)]
struct Visnet {
    r_max: f64,
    l_max: usize,
    node_embedding: Embedding,
    neighbor_embedding: Embedding,
    radial: ExpNormal,
    distance_proj: Dense,
    combine: Dense,
    edge_proj: Dense,
    layers: Vec<Layer>,
    out_norm: LayerNorm,
    vector_norm: VectorNorm,
    output: OutputNetwork,
}

/// Geometry of the edges as ViSNet sees it.
#[derive(Clone, Copy)]
struct Geometry<'g> {
    /// φ, 1 at distance 0 and 0 at the cutoff, [].
    envelope: Field<'g>,
    /// Harmonics of degree 1 … l_max of the direction, each degree of length 1, `[M]`.
    sphere: Field<'g>,
    /// |sphere|² − 2, []; `None` where it rounds to 0.
    excess: Option<Field<'g>>,
}

/// Features between layers.
#[derive(Clone, Copy)]
struct Features<'g> {
    /// Of atoms, `[C]`.
    scalars: Field<'g>,
    /// Of atoms, [M, C].
    vectors: Field<'g>,
    /// Of edges, `[C]`.
    edges: Field<'g>,
}

impl Visnet {
    fn new(config: &VisnetConfig, r_max: f64, num_species: usize) -> Self {
        let (channels, num_rbf) = (config.num_channels, config.num_rbf);
        let name = |part: &str| format!("visnet_model.{part}");
        let embedding = |part: &str| Embedding::new(&name(part), num_species, channels);
        let dense = |part: &str, num_in| Dense::xavier(&name(part), num_in, channels);
        let (radial, is_trainable) = (name("radial_embedding"), config.trainable_rbf);
        Self {
            r_max,
            l_max: config.l_max,
            node_embedding: embedding("node_embedding"),
            neighbor_embedding: embedding("neighbor_embedding.embedding"),
            radial: ExpNormal::new(&radial, num_rbf, r_max, is_trainable),
            distance_proj: dense("neighbor_embedding.distance_proj", num_rbf),
            combine: dense("neighbor_embedding.combine", 2 * channels),
            edge_proj: dense("edge_embedding.edge_proj", num_rbf),
            layers: (0..config.num_layers)
                .map(|t| Layer::new(config, t))
                .collect(),
            out_norm: LayerNorm::new(&name("out_norm"), channels, LAYER_EPSILON),
            vector_norm: config.vecnorm_type,
            output: OutputNetwork::new("output_model.output_network", channels, config.activation),
        }
    }

    fn geometry<'g>(&self, edges: &Edges<'g>) -> Geometry<'g> {
        let direction = edges.softened_direction();
        let norms = (1..=self.l_max).flat_map(|l| {
            let components = 2 * l + 1;
            vec![(components as f64).sqrt().recip(); components]
        });
        let norms: Vec<f64> = norms.collect();
        let sphere = harmonics(direction, self.l_max).slice(0, 1, norms.len());
        let sphere = sphere * edges.graph().constant(&norms, &[norms.len()]);
        // With both degrees |s|² is 2 but for the offset of the distance, 6e-8/d: below the
        // rounding of single precision.
        let vanishes = self.l_max == 2 && edges.precision == Precision::Single;
        Geometry {
            envelope: Envelope::Cosine.apply(edges.distance, self.r_max, 0),
            sphere,
            excess: (!vanishes).then(|| (sphere * sphere).sum_inner() - 2.0),
        }
    }
}

impl Architecture for Visnet {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let embeddings = self.node_embedding.parameters();
        let dense = [&self.distance_proj, &self.combine, &self.edge_proj];
        embeddings
            .chain(self.neighbor_embedding.parameters())
            .chain(self.radial.parameters())
            .chain(dense.into_iter().flat_map(Dense::parameters))
            .chain(self.layers.iter().flat_map(Layer::parameters))
            .chain(self.out_norm.parameters())
            .chain(self.output.parameters())
            .cloned()
            .collect()
    }

    /// ρ = B(d) φ,  h⁰ᵢ = W_c [Emb(zᵢ), Σ_{j→i} Emb′(zⱼ) ∘ φ W_d ρ] + b,
    /// f⁰ = (hᵢ + hⱼ) ∘ W_e ρ,  v⁰ = 0
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g> {
        let graph = edges.graph();
        let geometry = self.geometry(edges);
        let radial = self.radial.forward(edges.distance) * geometry.envelope; // [E, K]
        let own = self.node_embedding.forward(graph, SPECIES);
        let sent = self.neighbor_embedding.forward(graph, SPECIES);
        let weights = self.distance_proj.forward(radial) * geometry.envelope;
        let received = (sent.gather(Map::Sender) * weights).sum(Map::Receiver);
        let scalars = self.combine.forward(graph.concat(&[own, received], 0));
        let ends = scalars.gather(Map::Receiver) + scalars.gather(Map::Sender);
        let components = geometry.sphere.shape()[0];
        let channels = scalars.shape()[0];
        let mut features = Features {
            scalars,
            vectors: graph.zeros(Space::Atoms, &[components, channels]),
            edges: ends * self.edge_proj.forward(radial),
        };
        for layer in &self.layers {
            features = layer.forward(features, &geometry);
        }
        let scalars = self.out_norm.forward(features.scalars);
        let vectors = self.vector_norm.apply(features.vectors, VECTOR_EPSILON);
        Output::energies(self.output.forward(scalars, vectors))
    }
}

/// One round of messages.
#[derive(Debug)]
struct Layer {
    num_channels: usize,
    num_heads: usize,
    activation: Activation,
    attn_activation: Activation,
    vector_norm: VectorNorm,
    norm: LayerNorm,
    kqv_proj: Dense,
    dkdv_proj: Dense,
    s_proj: Dense,
    o_proj: Dense,
    vec_proj: Dense,
    edge_update: Option<EdgeUpdate>,
}

impl Layer {
    fn new(config: &VisnetConfig, t: usize) -> Self {
        let channels = config.num_channels;
        let name = |part: &str| format!("visnet_model.visnet_layers.{t}.{part}");
        let dense = |part: &str, blocks| Dense::xavier(&name(part), channels, blocks * channels);
        let is_last = t + 1 == config.num_layers;
        Self {
            num_channels: channels,
            num_heads: config.num_heads,
            activation: config.activation,
            attn_activation: config.attn_activation,
            vector_norm: config.vecnorm_type,
            norm: LayerNorm::new(&name("layernorm"), channels, LAYER_EPSILON),
            kqv_proj: dense("kqv_proj", 3),
            dkdv_proj: dense("dkdv_proj", 2),
            s_proj: dense("s_proj", 2),
            o_proj: dense("o_proj", 3),
            vec_proj: dense("vec_proj", 3).without_bias(),
            edge_update: (!is_last).then(|| EdgeUpdate {
                activation: config.activation,
                f_proj: dense("f_proj", 1),
                w_src_proj: dense("w_src_proj", 1).without_bias(),
                w_trg_proj: dense("w_trg_proj", 1).without_bias(),
            }),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let nodes = [&self.kqv_proj, &self.o_proj, &self.vec_proj];
        let edges = [&self.dkdv_proj, &self.s_proj];
        let update = self.edge_update.iter().flat_map(EdgeUpdate::parameters);
        let dense = nodes.into_iter().chain(edges).flat_map(Dense::parameters);
        self.norm.parameters().chain(dense).chain(update)
    }

    /// m_e = wⱼ ∘ dv ∘ φ act(Σ_head qᵢ ∘ kⱼ ∘ dk)
    /// V_e = ṽⱼ ∘ s₁ + s_e ⊗ s₂,  \[s₁, s₂\] = act(W_s m_e)
    /// h′ᵢ = hᵢ + (Σ_m v₁ ∘ v₂) ∘ o₂ + o₃,  \[o₁, o₂, o₃\] = W_o Σ_{j→i} m_e
    /// v′ᵢ = vᵢ + v₃ ∘ o₁ + Σ_{j→i} V_e,  \[v₁, v₂, v₃\] = W_v ṽᵢ
    fn forward<'g>(&self, features: Features<'g>, geometry: &Geometry<'g>) -> Features<'g> {
        let c = self.num_channels;
        let act = |x: Field<'g>| self.activation.apply(x);
        let vectors = self.vector_norm.apply(features.vectors, VECTOR_EPSILON); // ṽ
        let kqv = self.kqv_proj.forward(self.norm.forward(features.scalars));
        let of_atoms = |block: usize, end: Map| kqv.slice(0, block * c, c).gather(end);
        let (key, query) = (of_atoms(0, Map::Sender), of_atoms(1, Map::Receiver));
        let dkdv = act(self.dkdv_proj.forward(features.edges));
        let logits = sum_heads(query * key * dkdv.slice(0, 0, c), self.num_heads);
        let attention = self.attn_activation.apply(logits) * geometry.envelope; // [E, H, 1]
        let values = of_atoms(2, Map::Sender) * dkdv.slice(0, c, c);
        let message = scale_heads(values, attention); // [E, C]
        let received = message.sum(Map::Receiver);

        if vectors.is_zero() {
            // Of the first layer s₁, o₁, o₂ and the edge update do nothing.
            let sent = vectors::outer(geometry.sphere, act(self.s_proj.columns(message, c, c)));
            return Features {
                scalars: features.scalars + self.o_proj.columns(received, 2 * c, c),
                vectors: sent.sum(Map::Receiver),
                edges: features.edges,
            };
        }
        let s = act(self.s_proj.forward(message));
        let carried = vectors::scale(vectors.gather(Map::Sender), s.slice(0, 0, c)); // [E, M, C]
        let sent = vectors::outer(geometry.sphere, s.slice(0, c, c));
        let sum = carried.sum(Map::Receiver) + sent.sum(Map::Receiver);
        let o = self.o_proj.forward(received);
        let v = self.vec_proj.forward(vectors); // [N, M, 3 C]
        let inner = vectors::dot(v.slice(1, 0, c), v.slice(1, c, c));
        let edges = match &self.edge_update {
            Some(update) => update.forward(features.edges, vectors, geometry),
            None => features.edges,
        };
        Features {
            scalars: features.scalars + inner * o.slice(0, c, c) + o.slice(0, 2 * c, c),
            vectors: features.vectors + v.slice(1, 2 * c, c) * o.slice(0, 0, c) + sum,
            edges,
        }
    }
}

/// How edges learn of the angles between vectors.
#[derive(Debug)]
struct EdgeUpdate {
    activation: Activation,
    f_proj: Dense,
    w_src_proj: Dense,
    w_trg_proj: Dense,
}

impl EdgeUpdate {
    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let dense = [&self.f_proj, &self.w_src_proj, &self.w_trg_proj];
        dense.into_iter().flat_map(Dense::parameters)
    }

    /// f′ = f + act(W_f f) ∘ Σ_m rej(aᵢ) ∘ rej(bⱼ),  rej(x) = x − s (s · x)
    ///
    /// Σ_m rej(a) ∘ rej(b) = a · b + (|s|² − 2) (s · a) (s · b), so that no rejection is formed.
    fn forward<'g>(&self, f: Field<'g>, vectors: Field<'g>, geometry: &Geometry<'g>) -> Field<'g> {
        let a = self.w_trg_proj.forward(vectors).gather(Map::Receiver);
        let b = self.w_src_proj.forward(vectors).gather(Map::Sender);
        let mut angle = vectors::dot(a, b);
        if let Some(excess) = geometry.excess {
            let along = |x| vectors::along(geometry.sphere, x);
            angle = angle + along(a) * along(b) * excess;
        }
        f + self.activation.apply(self.f_proj.forward(f)) * angle
    }
}

#[cfg(test)]
mod tests;
