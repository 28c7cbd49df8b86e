//! The options of EquiformerV2.

use serde::{Deserialize, Serialize};

use crate::{AtomEdgeEmbedding, ConfigProblem, EquivariantNorm, ParamDtype, ReferenceEnergies};

/// Largest degree of the features.
const LARGEST_DEGREE: usize = 11;
/// Mean number of neighbours in OC20, with which the published models were trained.
const NEIGHBORS_IN_OC20: f64 = 23.395238876342773;
/// Mean number of atoms in OC20.
const ATOMS_IN_OC20: f64 = 77.81317;

/// `model:` with `target: EquiformerV2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EquiformerV2Config {
    /// Whether forces are predicted directly, not as derivatives of the energy.
    pub force_head: bool,
    /// How parameters are stored.
    pub param_dtype: ParamDtype,
    /// Number of layers.
    pub num_layers: usize,
    /// Largest degree of the features, 1 to 11.
    #[serde(rename = "lmax")]
    pub l_max: usize,
    /// Largest order of the features in the frame of an edge, at most `lmax`.
    #[serde(rename = "mmax")]
    pub m_max: usize,
    /// Channels of the atoms.
    pub sphere_channels: usize,
    /// Width of the radial networks and of the embeddings of the elements at the ends of an edge.
    pub num_edge_channels: usize,
    /// How radial networks are told the elements at the ends of their edge.
    pub atom_edge_embedding: AtomEdgeEmbedding,
    /// Number of radial functions, at least 2.
    pub num_rbf: usize,
    /// Channels between the two convolutions of an attention.
    pub attn_hidden_channels: usize,
    /// Number of attention heads.
    pub num_heads: usize,
    /// Channels a head from which the attention weight is made.
    pub attn_alpha_channels: usize,
    /// Channels a head that the attention weight multiplies.
    pub attn_value_channels: usize,
    /// Channels within the feed-forward networks.
    pub ffn_hidden_channels: usize,
    /// How features are normalised before a layer.
    pub norm_type: EquivariantNorm,
    /// Number of latitudes and of longitudes of the spheres, even; when absent, as few as hold
    /// the features: 2 (lmax + 1) latitudes and about as many longitudes. Activations on so few
    /// points disturb the symmetry under rotations; published models have 18.
    pub grid_resolution: Option<usize>,
    /// Whether the radial network weights degrees, not each degree and order.
    pub use_m_share_rad: bool,
    /// Whether the channels of the attention weight are normalised.
    pub use_attn_renorm: bool,
    /// Whether the convolutions, and feed-forward networks without a grid, have a gate between
    /// them instead of an activation on a sphere.
    pub use_gate_act: bool,
    /// Whether the feed-forward networks are networks at the points of a sphere.
    pub use_grid_mlp: bool,
    /// Whether activations on a sphere treat scalars apart.
    pub use_sep_s2_act: bool,
    /// Share of the attention weights that training sets to 0.
    pub alpha_drop: f64,
    /// Share of the structures for which training leaves out a branch of a layer.
    pub drop_path_rate: f64,
    /// Mean number of neighbours, by which the embedding of the edges is divided; that of OC20
    /// unless given, that of the dataset when null.
    pub avg_num_neighbors: Option<f64>,
    /// Mean number of atoms, by which the energies of the atoms are divided; that of OC20 unless
    /// given, that of the dataset when null.
    pub avg_num_nodes: Option<f64>,
    /// Energies of isolated atoms; those of the dataset when absent.
    pub atomic_energies: Option<ReferenceEnergies>,
}

impl Default for EquiformerV2Config {
    fn default() -> Self {
        Self {
            force_head: false,
            param_dtype: ParamDtype::F32,
            num_layers: 12,
            l_max: 6,
            m_max: 2,
            sphere_channels: 128,
            num_edge_channels: 128,
            atom_edge_embedding: AtomEdgeEmbedding::Isolated,
            num_rbf: 600,
            attn_hidden_channels: 64,
            num_heads: 8,
            attn_alpha_channels: 64,
            attn_value_channels: 16,
            ffn_hidden_channels: 128,
            norm_type: EquivariantNorm::LayerNormSh,
            grid_resolution: None,
            use_m_share_rad: false,
            use_attn_renorm: true,
            use_gate_act: false,
            use_grid_mlp: true,
            use_sep_s2_act: true,
            alpha_drop: 0.1,
            drop_path_rate: 0.05,
            avg_num_neighbors: Some(NEIGHBORS_IN_OC20),
            avg_num_nodes: Some(ATOMS_IN_OC20),
            atomic_energies: None,
        }
    }
}

impl EquiformerV2Config {
    /// A network small enough for tests.
    pub fn small() -> Self {
        Self {
            num_layers: 2,
            l_max: 2,
            m_max: 1,
            sphere_channels: 4,
            num_edge_channels: 4,
            num_rbf: 6,
            attn_hidden_channels: 4,
            num_heads: 2,
            attn_alpha_channels: 3,
            attn_value_channels: 2,
            ffn_hidden_channels: 4,
            avg_num_neighbors: None,
            avg_num_nodes: None,
            ..Self::default()
        }
    }

    /// Everything that is wrong with the options.
    pub(super) fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, key, message: String| {
            if !holds {
                problems.push(ConfigProblem::new(key, message));
            }
        };
        for (key, count, least) in [
            ("num_layers", self.num_layers, 1),
            ("sphere_channels", self.sphere_channels, 1),
            ("num_edge_channels", self.num_edge_channels, 1),
            ("num_rbf", self.num_rbf, 2),
            ("attn_hidden_channels", self.attn_hidden_channels, 1),
            ("num_heads", self.num_heads, 1),
            ("attn_alpha_channels", self.attn_alpha_channels, 1),
            ("attn_value_channels", self.attn_value_channels, 1),
            ("ffn_hidden_channels", self.ffn_hidden_channels, 1),
        ] {
            let message = format!("is {count}, expected a whole number ≥ {least}");
            expect(count >= least, key, message);
        }
        let message = format!("is {}, expected 1 to {LARGEST_DEGREE}", self.l_max);
        expect((1..=LARGEST_DEGREE).contains(&self.l_max), "lmax", message);
        let message = format!("is {}, more than `lmax`, {}", self.m_max, self.l_max);
        expect(self.m_max <= self.l_max, "mmax", message);
        let resolution = self.grid_resolution.unwrap_or(2);
        let message = format!("is {resolution}, expected an even number > 0");
        let is_even = resolution > 0 && resolution.is_multiple_of(2);
        expect(is_even, "grid_resolution", message);
        for (key, rate) in [
            ("alpha_drop", self.alpha_drop),
            ("drop_path_rate", self.drop_path_rate),
        ] {
            let message = format!("is {rate}, expected at least 0 and less than 1");
            expect((0.0..1.0).contains(&rate), key, message);
        }
        for (key, value) in [
            ("avg_num_neighbors", self.avg_num_neighbors),
            ("avg_num_nodes", self.avg_num_nodes),
        ] {
            let value = value.unwrap_or(1.0);
            let message = format!("is {value}, expected a number > 0");
            expect(value > 0.0 && value.is_finite(), key, message);
        }
        problems
    }
}
