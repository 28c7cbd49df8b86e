//! EquiformerV2: attention with messages in the frame of each edge.
//!
//! Liao et al., arXiv:2306.12059. Parameters carry the names of the saved weights.
//! Shapes: L largest degree, K = (L + 1)² coefficients, C channels. There is no cutoff function:
//! the energy jumps where an edge comes or goes. Under reflections energies change, for each frame
//! has a handedness.

mod attention;
mod config;
mod feed_forward;
mod radial;

use dipm_data::DatasetInfo;
use dipm_field::{Field, Map, Space};

use crate::layers::escn::{
    Coefficients, EdgeRotation, EndEmbeddings, Gauge, Gaussians, SphericalNorm, edge_degree,
};
use crate::layers::{Dropout, Edges, Embedding, SPECIES};
use crate::{
    Architecture, ArchitectureConfig, AtomEdgeEmbedding, ConfigProblem, Distribution, Init,
    ModelError, NoiseSpec, Output, ParamDtype, ParameterSpec, ReferenceEnergies,
};
use attention::{Attention, MessageEdges};
pub use config::EquiformerV2Config;
use feed_forward::FeedForward;
use radial::{EdgeScalars, RadialNetwork};

/// Width of the radial functions in units of their distance.
const RADIAL_WIDTH: f64 = 2.0;

impl ArchitectureConfig for EquiformerV2Config {
    fn validate(&self) -> Vec<ConfigProblem> {
        self.problems()
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
        Ok(Box::new(EquiformerV2::new(self, info, num_species)))
    }
}

/// The network.
#[derive(Debug)]
struct EquiformerV2 {
    l_max: usize,
    num_channels: usize,
    num_neighbors: f64,
    num_atoms: f64,
    species: Embedding,
    shared_ends: Option<EndEmbeddings>,
    radial: Gaussians,
    rotation: EdgeRotation,
    /// A random turn of each frame about its edge, if that matters.
    roll: Option<NoiseSpec>,
    edge_degree: RadialNetwork,
    layers: Vec<Layer>,
    norm: SphericalNorm,
    energy_block: FeedForward,
    force_block: Option<Attention>,
    /// Whether grids have no more points than they need to hold the features.
    has_sparse_grids: bool,
}

impl EquiformerV2 {
    fn new(config: &EquiformerV2Config, info: &DatasetInfo, num_species: usize) -> Self {
        let name = |part: &str| format!("equiformer_model.{part}");
        let (l_max, channels) = (config.l_max, config.sphere_channels);
        let coefficients = Coefficients::new(l_max, config.m_max);
        let is_free = config.use_gate_act || config.m_max == 0;
        let gauge = if is_free { Gauge::Free } else { Gauge::Fixed };
        let roll = || NoiseSpec::new("roll", Space::Edges, &[], Distribution::Angle);
        let axial = coefficients.num_degrees() * channels;
        let degree = name("edge_degree_embedding");
        let force_block = || Attention::new(&name("force_block"), config, num_species, 1, 0.0);
        let width = config.num_edge_channels;
        let shared = Init::Normal((width as f64).sqrt().recip());
        let shared_ends = (config.atom_edge_embedding == AtomEdgeEmbedding::Shared)
            .then(|| EndEmbeddings::new("equiformer_model", num_species, width, shared));
        let has_grids = config.use_grid_mlp || !config.use_gate_act;
        Self {
            l_max,
            num_channels: channels,
            num_neighbors: config.avg_num_neighbors.unwrap_or(info.avg_num_neighbors),
            num_atoms: config.avg_num_nodes.unwrap_or(info.avg_num_nodes),
            species: Embedding::new(&name("sphere_embedding"), num_species, channels),
            shared_ends,
            radial: Gaussians::new(config.num_rbf, info.cutoff_distance_angstrom, RADIAL_WIDTH),
            rotation: EdgeRotation::new(coefficients, true, gauge),
            roll: (!is_free).then(roll),
            edge_degree: RadialNetwork::new(&degree, &degree, config, num_species, axial),
            layers: (0..config.num_layers)
                .map(|i| Layer::new(&name(&format!("layers.{i}")), config, num_species))
                .collect(),
            norm: SphericalNorm::new(&name("norm"), config.norm_type, l_max, channels),
            energy_block: FeedForward::new(&name("energy_block"), config, 1),
            force_block: config.force_head.then(force_block),
            has_sparse_grids: has_grids && config.grid_resolution.is_none(),
        }
    }

    /// Whether nothing but the scalars of the last layer matters.
    fn ends_with_scalars(&self) -> bool {
        self.force_block.is_none()
            && self.norm.keeps_scalars_apart()
            && self.energy_block.keeps_scalars_apart()
    }
}

impl Architecture for EquiformerV2 {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let ends = self.shared_ends.iter().flat_map(EndEmbeddings::parameters);
        let layers = self.layers.iter().flat_map(Layer::parameters);
        self.species
            .parameters()
            .chain(ends)
            .chain(self.edge_degree.parameters())
            .chain(layers)
            .chain(self.norm.parameters())
            .chain(self.energy_block.parameters())
            .chain(self.force_block.iter().flat_map(Attention::parameters))
            .cloned()
            .collect()
    }

    fn remarks(&self) -> Vec<String> {
        let sparse = "`grid_resolution` is not given, so that grids have the fewest points that \
                      hold the features and energies change under rotations; 18 is usual";
        let jumps = "the network has no cutoff function: energies jump where a pair of atoms \
                     crosses the cutoff";
        let sparse = self.has_sparse_grids.then_some(sparse);
        let jumps = self.force_block.is_none().then_some(jumps);
        sparse.into_iter().chain(jumps).map(str::to_owned).collect()
    }

    fn noise(&self) -> Vec<NoiseSpec> {
        let layers = self.layers.iter().flat_map(Layer::noise);
        layers.chain(&self.roll).cloned().collect()
    }

    /// x⁰ᵢ = Emb(zᵢ) + (1/n̄) Σ_{j→i} D̂ R(rⱼᵢ),  εᵢ = FF_E(norm(x^T))ᵢ / N̄,
    /// fᵢ = Att_F(norm(x^T))ᵢ, its part of degree 1
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g> {
        let graph = edges.graph();
        let roll = self
            .roll
            .as_ref()
            .and_then(|roll| roll.in_mode(graph, edges.mode));
        let edges = MessageEdges {
            frames: self.rotation.frames(edges, roll),
            scalars: EdgeScalars {
                radial: self.radial.forward(edges.distance),
                ends: self.shared_ends.as_ref().map(|ends| ends.tables(graph)),
            },
            mode: edges.mode,
        };
        let species = self.species.forward(graph, SPECIES);
        let num_coefficients = (self.l_max + 1).pow(2);
        let axial = self.edge_degree.forward(edges.scalars);
        let mut x = species
            .reshape(&[1, self.num_channels])
            .pad(0, 0, num_coefficients)
            + edge_degree(axial, &edges.frames, self.num_neighbors); // [N, K, C]
        let (last, layers) = self.layers.split_last().expect("there is a layer");
        for layer in layers {
            x = layer.forward(x, &edges);
        }
        let x = if self.ends_with_scalars() {
            self.norm.scalars(last.scalars(x, &edges))
        } else {
            self.norm.forward(last.forward(x, &edges))
        };
        let energies = self.energy_block.scalars(x).reshape(&[1]) * self.num_atoms.recip();
        let force = |block: &Attention| block.forward(x, &edges, 1..2).reshape(&[3]);
        Output {
            node_energies: energies,
            forces: self.force_block.as_ref().map(force),
        }
    }
}

/// One round of messages.
#[derive(Debug)]
struct Layer {
    l_max: usize,
    norm_1: SphericalNorm,
    attention: Attention,
    norm_2: SphericalNorm,
    feed_forward: FeedForward,
    /// Leave out a branch for a structure.
    drop_paths: [Dropout; 2],
}

impl Layer {
    fn new(prefix: &str, config: &EquiformerV2Config, num_species: usize) -> Self {
        let name = |part: &str| format!("{prefix}.{part}");
        let (l_max, channels) = (config.l_max, config.sphere_channels);
        let norm = |part: &str| SphericalNorm::new(&name(part), config.norm_type, l_max, channels);
        let (attention, drop) = (name("graph_attn"), config.alpha_drop);
        let drop_path = |part: &str| {
            let name = name(&format!("{part}.drop_path"));
            Dropout::new(&name, Space::Structures, &[], config.drop_path_rate)
        };
        Self {
            l_max,
            norm_1: norm("norm_1"),
            attention: Attention::new(&attention, config, num_species, channels, drop),
            norm_2: norm("norm_2"),
            feed_forward: FeedForward::new(&name("ffn"), config, channels),
            drop_paths: ["graph_attn", "ffn"].map(drop_path),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.norm_1
            .parameters()
            .chain(self.attention.parameters())
            .chain(self.norm_2.parameters())
            .chain(self.feed_forward.parameters())
    }

    fn noise(&self) -> impl Iterator<Item = &NoiseSpec> {
        let paths = self.drop_paths.iter().flat_map(Dropout::noise);
        self.attention.noise().chain(paths)
    }

    /// A branch, left out for some structures.
    fn branch<'g>(&self, which: usize, x: Field<'g>, edges: &MessageEdges<'_, 'g>) -> Field<'g> {
        match self.drop_paths[which].factor(x, edges.mode) {
            Some(factor) => x * factor.gather(Map::AtomStructure),
            None => x,
        }
    }

    /// x ← x + Att(norm₁ x),  x′ = x + FF(norm₂ x)
    fn forward<'g>(&self, x: Field<'g>, edges: &MessageEdges<'_, 'g>) -> Field<'g> {
        let degrees = 0..self.l_max + 1;
        let sum = self
            .attention
            .forward(self.norm_1.forward(x), edges, degrees);
        let x = x + self.branch(0, sum, edges);
        let update = self.feed_forward.forward(self.norm_2.forward(x));
        x + self.branch(1, update, edges)
    }

    /// The scalars of [`Layer::forward`], [1, C], where they do not depend on higher degrees of the
    /// sum of messages.
    fn scalars<'g>(&self, x: Field<'g>, edges: &MessageEdges<'_, 'g>) -> Field<'g> {
        let sum = self.attention.forward(self.norm_1.forward(x), edges, 0..1);
        let x = x.slice(0, 0, 1) + self.branch(0, sum, edges);
        let update = self.feed_forward.scalars(self.norm_2.scalars(x));
        x + self.branch(1, update, edges)
    }
}
