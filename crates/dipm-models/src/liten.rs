//! LiTEN: messages between scalars and vectors, with invariants of three and four bodies.
//!
//! Su et al. (tensorized quadrangle attention), arXiv:2507.00884. Parameters carry the names of the
//! saved weights.
//! Shapes: C channels, K radial functions, H heads; vectors are [3, C]. Charge, spin and task are
//! those of the structure. Differs from the paper: attention has no softmax.

mod readout;

use dipm_data::DatasetInfo;
use dipm_field::{Field, Map, Space};
use serde::{Deserialize, Serialize};

use crate::layers::{
    Dense, Edges, Embedding, ExpNormal, LayerNorm, SPECIES, scale_heads, sum_heads, vectors,
};
use crate::{
    Activation, Architecture, ArchitectureConfig, ConfigProblem, Envelope, Init, ModelError,
    Output, ParamDtype, ParameterSpec, ReferenceEnergies, StructureKey, VectorNorm,
};
use readout::Readout;

/// ε of the norms of scalars before a layer.
const LAYER_EPSILON: f64 = 1e-6;
/// ε under the root of the lengths of vectors.
const VECTOR_EPSILON: f64 = 1e-8;
/// ε under the root of the four-body invariant.
const QUADRANGLE_EPSILON: f64 = 1e-16;

/// `model:` with `target: LiTEN`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LitenConfig {
    /// Whether forces are predicted directly; LiTEN has no such head, so only `false` is accepted.
    pub force_head: bool,
    /// How parameters are stored.
    pub param_dtype: ParamDtype,
    /// Number of layers.
    pub num_layers: usize,
    /// Number of scalars, of vectors, and of channels of an edge; a multiple of `num_heads`.
    pub num_channels: usize,
    /// Number of attention heads.
    pub num_heads: usize,
    /// Number of radial functions.
    pub num_rbf: usize,
    /// Largest total charge in e: the network is given charges from −range to range, or none when
    /// absent.
    pub charge_range: Option<u32>,
    /// Number of spins: the network is given spins from 0 to one less, or none when absent.
    pub spin_range: Option<u32>,
    /// Whether centres and widths of the radial functions are learned.
    pub trainable_rbf: bool,
    /// Nonlinearity.
    pub activation: Activation,
    /// Energies of isolated atoms; those of the dataset when absent.
    pub atomic_energies: Option<ReferenceEnergies>,
}

impl Default for LitenConfig {
    fn default() -> Self {
        Self {
            force_head: false,
            param_dtype: ParamDtype::F32,
            num_layers: 2,
            num_channels: 256,
            num_heads: 8,
            num_rbf: 32,
            charge_range: None,
            spin_range: None,
            trainable_rbf: false,
            activation: Activation::Silu,
            atomic_energies: None,
        }
    }
}

impl LitenConfig {
    /// A network small enough for tests, with an edge update.
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

/// Number of tasks of a dataset, each of which has its own readout.
fn num_tasks(info: &DatasetInfo) -> usize {
    info.task_list.as_ref().map_or(1, |list| list.len().max(1))
}

impl LitenConfig {
    fn charge_key(&self) -> Option<StructureKey> {
        self.charge_range
            .map(|range| StructureKey::Charge { range })
    }

    fn spin_key(&self) -> Option<StructureKey> {
        self.spin_range.map(|count| StructureKey::Spin { count })
    }
}

/// The key of a dataset with more than one task.
fn task_key(info: &DatasetInfo) -> Option<StructureKey> {
    let count = num_tasks(info) as u32;
    (count > 1).then_some(StructureKey::Task { count })
}

impl ArchitectureConfig for LitenConfig {
    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, key, message: &str| {
            if !holds {
                problems.push(ConfigProblem::new(key, message));
            }
        };
        let positive = "is 0, expected a whole number > 0";
        expect(!self.force_head, "force_head", "LiTEN has no force head");
        expect(self.num_layers > 0, "num_layers", positive);
        expect(self.num_heads > 0, "num_heads", positive);
        expect(self.num_rbf > 0, "num_rbf", positive);
        expect(self.spin_range != Some(0), "spin_range", positive);
        let (channels, heads) = (self.num_channels, self.num_heads);
        let divisible = channels >= 2 && channels % heads.max(1) == 0;
        let channels =
            format!("is {channels}, expected at least 2 and a multiple of `num_heads` ({heads})");
        expect(divisible, "num_channels", &channels);
        let learned =
            "`beta_swish` learns a β a channel, which LiTEN has not; silu is like it without β";
        let simple = self.activation != Activation::BetaSwish;
        expect(simple, "activation", learned);
        problems
    }

    fn param_dtype(&self) -> ParamDtype {
        self.param_dtype
    }

    fn atomic_energies(&self) -> Option<&ReferenceEnergies> {
        self.atomic_energies.as_ref()
    }

    fn takes_tasks(&self) -> bool {
        true
    }

    fn structure_keys(&self, info: &DatasetInfo) -> Vec<StructureKey> {
        let keys = [self.charge_key(), self.spin_key(), task_key(info)];
        keys.into_iter().flatten().collect()
    }

    fn build(
        &self,
        info: &DatasetInfo,
        num_species: usize,
    ) -> Result<Box<dyn Architecture>, ModelError> {
        Ok(Box::new(Liten::new(self, info, num_species)))
    }
}

/// The network.
#[derive(Debug)]
struct Liten {
    r_max: f64,
    num_channels: usize,
    node_embedding: Embedding,
    /// Embeddings of charge and spin.
    structure_embeddings: Vec<(StructureKey, Embedding)>,
    radial: ExpNormal,
    edge_embedding: Dense,
    layers: Vec<Layer>,
    readout: Readout,
}

/// Geometry of the edges as LiTEN sees it.
#[derive(Clone, Copy)]
struct Geometry<'g> {
    /// φ, 1 at distance 0 and 0 at the cutoff, [].
    envelope: Field<'g>,
    /// u, the direction, `[3]`.
    direction: Field<'g>,
    /// |u|², [].
    square: Field<'g>,
}

/// Features between layers.
#[derive(Clone, Copy)]
struct Features<'a, 'g> {
    /// Of atoms, `[C]`.
    scalars: Field<'g>,
    /// Of atoms, [3, C].
    vectors: Field<'g>,
    edges: EdgeFeatures<'a, 'g>,
}

/// Features of edges, `[C]`.
#[derive(Clone, Copy)]
enum EdgeFeatures<'a, 'g> {
    /// The embedding of radial functions `[K]`. It is linear and K is small, so that a layer that
    /// follows is joined with it, and the features themselves are never formed.
    Embedded(&'a Dense, Field<'g>),
    /// What an edge update made of it.
    Updated(Field<'g>),
}

impl<'g> EdgeFeatures<'_, 'g> {
    /// W f + b
    fn through(&self, layer: &Dense) -> Field<'g> {
        match self {
            Self::Embedded(embedding, radial) => layer.after(embedding, *radial),
            Self::Updated(f) => layer.forward(*f),
        }
    }

    fn value(&self) -> Field<'g> {
        match self {
            Self::Embedded(embedding, radial) => embedding.forward(*radial),
            Self::Updated(f) => *f,
        }
    }
}

impl Liten {
    fn new(config: &LitenConfig, info: &DatasetInfo, num_species: usize) -> Self {
        let channels = config.num_channels;
        let r_max = info.cutoff_distance_angstrom;
        let name = |part: &str| format!("liten_block.{part}");
        let of_structures = |part: &str, key: Option<StructureKey>| {
            let embedding = |k: StructureKey| Embedding::new(&name(part), k.num_rows(), channels);
            key.map(|key| (key, embedding(key)))
        };
        let embeddings = [
            of_structures("charge_embedding", config.charge_key()),
            of_structures("spin_embedding", config.spin_key()),
        ];
        let radial = name("radial_embedding");
        Self {
            r_max,
            num_channels: channels,
            node_embedding: Embedding::new(&name("node_embedding"), num_species, channels),
            structure_embeddings: embeddings.into_iter().flatten().collect(),
            radial: ExpNormal::new(&radial, config.num_rbf, r_max, config.trainable_rbf),
            edge_embedding: Dense::lecun(&name("edge_embedding"), config.num_rbf, channels),
            layers: (0..config.num_layers)
                .map(|t| Layer::new(config, t))
                .collect(),
            readout: Readout::new("liten_block", channels, config.activation, task_key(info)),
        }
    }
}

impl Architecture for Liten {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let of_structures = self.structure_embeddings.iter();
        self.node_embedding
            .parameters()
            .chain(of_structures.flat_map(|(_, embedding)| embedding.parameters()))
            .chain(self.radial.parameters())
            .chain(self.edge_embedding.parameters())
            .chain(self.layers.iter().flat_map(Layer::parameters))
            .chain(self.readout.parameters())
            .cloned()
            .collect()
    }

    /// x⁰ᵢ = Emb(zᵢ) + Emb(charge) + Emb(spin),  f⁰ = W_e (B(d) φ) + b,  v⁰ = 0
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g> {
        let graph = edges.graph();
        let direction = edges.softened_direction();
        let geometry = Geometry {
            envelope: Envelope::Cosine.apply(edges.distance, self.r_max, 0),
            direction,
            square: (direction * direction).sum_inner(),
        };
        let mut scalars = self.node_embedding.forward(graph, SPECIES);
        for (key, embedding) in &self.structure_embeddings {
            scalars = scalars
                + embedding
                    .forward(graph, key.map())
                    .gather(Map::AtomStructure);
        }
        let radial = self.radial.forward(edges.distance) * geometry.envelope; // [E, K]
        let mut features = Features {
            scalars,
            vectors: graph.zeros(Space::Atoms, &[3, self.num_channels]),
            edges: EdgeFeatures::Embedded(&self.edge_embedding, radial),
        };
        for layer in &self.layers {
            features = layer.forward(features, &geometry);
        }
        Output::energies(self.readout.forward(features.scalars))
    }
}

/// One round of messages.
#[derive(Debug)]
struct Layer {
    num_channels: usize,
    num_heads: usize,
    is_last: bool,
    activation: Activation,
    norm: LayerNorm,
    /// α, [1, H, C/H].
    alpha: ParameterSpec,
    node_linear: Dense,
    edge_linear: Dense,
    vec_linear: Dense,
    part_linear1: Dense,
    part_linear2: Dense,
    /// Between the first and the last layer.
    edge_update: Option<EdgeUpdate>,
}

impl Layer {
    fn new(config: &LitenConfig, t: usize) -> Self {
        let (channels, heads) = (config.num_channels, config.num_heads);
        let (is_first, is_last) = (t == 0, t + 1 == config.num_layers);
        let name = |part: &str| format!("liten_block.liten_layers.{t}.{part}");
        let dense = |part: &str, blocks| Dense::xavier(&name(part), channels, blocks * channels);
        let per_head = channels / heads;
        let alpha = Init::xavier(heads, per_head);
        Self {
            num_channels: channels,
            num_heads: heads,
            is_last,
            activation: config.activation,
            norm: LayerNorm::new(&name("layernorm"), channels, LAYER_EPSILON),
            alpha: ParameterSpec::new(name("alpha"), &[1, heads, per_head], alpha),
            node_linear: dense("node_linear", 1),
            edge_linear: dense("edge_linear", 1),
            vec_linear: dense("vec_linear", 2).without_bias(),
            part_linear1: dense("part_linear1", if is_first { 1 } else { 2 }),
            part_linear2: dense("part_linear2", if is_last { 2 } else { 3 }),
            edge_update: (!is_first && !is_last).then(|| EdgeUpdate {
                activation: config.activation,
                cross_linear: dense("cross_linear", 1).without_bias(),
                f_linear: dense("f_linear", 1),
            }),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let scalars = [&self.node_linear, &self.edge_linear];
        let vectors = [&self.vec_linear, &self.part_linear1, &self.part_linear2];
        let update = self.edge_update.iter().flat_map(EdgeUpdate::parameters);
        let dense = scalars.into_iter().chain(vectors);
        self.norm
            .parameters()
            .chain(std::iter::once(&self.alpha))
            .chain(dense.flat_map(Dense::parameters))
            .chain(update)
    }

    /// n = W_n LN(x),  e = act(W_e f)
    /// m_e = nⱼ ∘ e ∘ φ Σ_head α ∘ act(nᵢ + nⱼ + e)
    /// V_e = ṽⱼ ∘ g₁ + u ⊗ g₂,  \[g₁, g₂\] = act(W₁ m_e)
    /// x ← x + Σ_{j→i} m_e,  v ← ṽ + Σ_{j→i} V_e,  \[A, B\] = W_v v,  \[y₁, y₂, y₃\] = W₂ x
    /// x′ = x + (|B|³ + A · B) ∘ y₁ + y₂,  v′ = v + A ∘ y₃
    fn forward<'a, 'g>(
        &self,
        features: Features<'a, 'g>,
        geometry: &Geometry<'g>,
    ) -> Features<'a, 'g> {
        let c = self.num_channels;
        let graph = features.scalars.graph();
        let act = |x: Field<'g>| self.activation.apply(x);
        let old = VectorNorm::MaxMin.apply(features.vectors, VECTOR_EPSILON); // ṽ
        let n = self
            .node_linear
            .forward(self.norm.forward(features.scalars));
        let (received, sent) = (n.gather(Map::Receiver), n.gather(Map::Sender));
        let e = act(features.edges.through(&self.edge_linear));
        let alpha = self.alpha.field(graph).reshape(&[c]);
        let logits = sum_heads(act(received + sent + e) * alpha, self.num_heads);
        let message = scale_heads(sent * e, logits * geometry.envelope); // [E, C]

        let g = act(self.part_linear1.forward(message));
        // Σ V
        let sum = if old.is_zero() {
            vectors::outer(geometry.direction, g).sum(Map::Receiver)
        } else {
            let carried = vectors::scale(old.gather(Map::Sender), g.slice(0, 0, c)); // [E, 3, C]
            let sent = vectors::outer(geometry.direction, g.slice(0, c, c));
            carried.sum(Map::Receiver) + sent.sum(Map::Receiver)
        };
        let scalars = features.scalars + message.sum(Map::Receiver);
        let vectors = old + sum;

        let projected = self.vec_linear.forward(vectors); // [N, 3, 2 C]
        let (a, b) = (projected.slice(1, 0, c), projected.slice(1, c, c));
        let square = vectors::dot(b, b) + QUADRANGLE_EPSILON;
        let invariants = square * square.sqrt() + vectors::dot(a, b);
        let y = self.part_linear2.forward(scalars);
        let edges = match &self.edge_update {
            Some(update) => EdgeFeatures::Updated(update.forward(&features.edges, old, geometry)),
            None => features.edges,
        };
        Features {
            scalars: scalars + invariants * y.slice(0, 0, c) + y.slice(0, c, c),
            vectors: if self.is_last {
                vectors
            } else {
                vectors + a * y.slice(0, 2 * c, c)
            },
            edges,
        }
    }
}

/// How edges learn of the angles between vectors.
#[derive(Debug)]
struct EdgeUpdate {
    activation: Activation,
    cross_linear: Dense,
    f_linear: Dense,
}

impl EdgeUpdate {
    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let dense = [&self.cross_linear, &self.f_linear];
        dense.into_iter().flat_map(Dense::parameters)
    }

    /// f′ = f + act(W_f f) ∘ (cⱼ × u) · (cᵢ × u),  c = W_c ṽ
    ///
    /// (cⱼ × u) · (cᵢ × u) = (cⱼ · cᵢ) |u|² − (cⱼ · u)(cᵢ · u), so that no product is formed.
    fn forward<'g>(
        &self,
        f: &EdgeFeatures<'_, 'g>,
        vectors: Field<'g>,
        geometry: &Geometry<'g>,
    ) -> Field<'g> {
        let c = self.cross_linear.forward(vectors);
        let (received, sent) = (c.gather(Map::Receiver), c.gather(Map::Sender));
        let along = |x| vectors::along(geometry.direction, x);
        let angle = vectors::dot(sent, received) * geometry.square - along(sent) * along(received);
        f.value() + self.activation.apply(f.through(&self.f_linear)) * angle
    }
}

#[cfg(test)]
mod tests;
