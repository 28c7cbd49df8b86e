//! The options of UMA.

use dipm_data::DatasetInfo;
use serde::{Deserialize, Serialize};

use super::{Uma, conditioning};
use crate::{
    Architecture, ArchitectureConfig, ConfigProblem, EdgeActivation, EquivariantNorm, FeedForward,
    ModelError, ParamDtype, ReferenceEnergies, StructureClasses, StructureKey,
};

/// Largest degree of the features.
const LARGEST_DEGREE: usize = 11;

/// `model:` with `target: UMA`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UmaConfig {
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
    /// Channels of the atoms, and of the embedding of charge, spin and task.
    pub sphere_channels: usize,
    /// Width of the radial networks, and of the embeddings of the elements at the ends of an edge.
    pub edge_channels: usize,
    /// Channels between the two convolutions of a layer, of the feed-forward networks and of the
    /// energy head.
    pub hidden_channels: usize,
    /// Number of radial functions, at least 2.
    pub num_rbf: usize,
    /// Number of latitudes and of longitudes of the spheres, even; when absent, as few as hold
    /// the features: 2 (lmax + 1) latitudes and about as many longitudes.
    pub grid_resolution: Option<usize>,
    /// How features are normalised before a layer.
    pub norm_type: EquivariantNorm,
    /// What stands between the two convolutions of a layer.
    pub act_type: EdgeActivation,
    /// The network that each atom passes after its messages.
    ///
    /// The description of dipm 0.0.8 says that this is `spectral` unless asked for; it is `grid`.
    pub ff_type: FeedForward,
    /// Energies of isolated atoms; those of the dataset when absent.
    pub atomic_energies: Option<ReferenceEnergies>,
    /// Number of experts whose kernels are mixed by structure, 0 for one kernel and no mixing.
    pub num_experts: usize,
    /// Share of the router's outputs that training sets to 0.
    pub mole_dropout: f64,
    /// Whether the mixture depends on the elements of a structure, not on its charge, spin and task
    /// alone.
    pub use_composition_embedding: bool,
}

impl Default for UmaConfig {
    fn default() -> Self {
        Self {
            force_head: false,
            param_dtype: ParamDtype::F32,
            num_layers: 12,
            l_max: 6,
            m_max: 2,
            sphere_channels: 128,
            edge_channels: 128,
            hidden_channels: 128,
            num_rbf: 600,
            grid_resolution: None,
            norm_type: EquivariantNorm::LayerNormSh,
            act_type: EdgeActivation::Gate,
            ff_type: FeedForward::Grid,
            atomic_energies: None,
            num_experts: 8,
            mole_dropout: 0.0,
            use_composition_embedding: false,
        }
    }
}

impl UmaConfig {
    /// A network small enough for tests, without a grid.
    pub fn small() -> Self {
        Self {
            num_layers: 2,
            l_max: 2,
            m_max: 1,
            sphere_channels: 4,
            edge_channels: 4,
            hidden_channels: 4,
            num_rbf: 6,
            ff_type: FeedForward::Spectral,
            num_experts: 3,
            ..Self::default()
        }
    }
}

impl ArchitectureConfig for UmaConfig {
    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, key, message: String| {
            if !holds {
                problems.push(ConfigProblem::new(key, message));
            }
        };
        for (key, count, least) in [
            ("num_layers", self.num_layers, 1),
            ("sphere_channels", self.sphere_channels, 1),
            ("edge_channels", self.edge_channels, 1),
            ("hidden_channels", self.hidden_channels, 1),
            ("num_rbf", self.num_rbf, 2),
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
        let rate = self.mole_dropout;
        let message = format!("is {rate}, expected at least 0 and less than 1");
        expect((0.0..1.0).contains(&rate), "mole_dropout", message);
        let needs = || "needs experts, and `num_experts` is 0".to_owned();
        let routed = self.num_experts > 0;
        expect(routed || rate == 0.0, "mole_dropout", needs());
        let composition = self.use_composition_embedding;
        expect(routed || !composition, "use_composition_embedding", needs());
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
        conditioning::structure_keys(info)
    }

    fn structure_classes(&self) -> Option<StructureClasses> {
        let by_structure = self.use_composition_embedding || self.mole_dropout > 0.0;
        Some(if by_structure {
            StructureClasses::Apart
        } else {
            StructureClasses::Alike
        })
    }

    fn build(
        &self,
        info: &DatasetInfo,
        num_species: usize,
    ) -> Result<Box<dyn Architecture>, ModelError> {
        Ok(Box::new(Uma::new(self, info, num_species)))
    }
}
