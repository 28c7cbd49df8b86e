//! The options of MACE.

use dipm_data::DatasetInfo;
use dipm_o3::{Irrep, Irreps, MAX_ORDER};
use serde::{Deserialize, Serialize};

use super::Mace;
use crate::{
    Activation, Architecture, ArchitectureConfig, ConfigProblem, Envelope, ModelError, ParamDtype,
    ReferenceEnergies,
};

/// Largest degree by correlation; the number of couplings grows with a high power of it.
const LARGEST_DEGREES: [usize; MAX_ORDER] = [6, 6, 6, 4];

/// `model:` with `target: MACE`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaceConfig {
    /// Whether forces are predicted directly; MACE has no such head, so only `false` is accepted.
    pub force_head: bool,
    /// How parameters are stored.
    pub param_dtype: ParamDtype,
    /// Number of interactions.
    pub num_layers: usize,
    /// Copies of every irrep.
    pub num_channels: usize,
    /// Largest degree of the harmonics and of the summed messages, at most 6, with fourth powers 4.
    pub l_max: usize,
    /// Largest degree of the features between layers; `l_max` when absent.
    pub node_symmetry: Option<usize>,
    /// Highest power of the summed messages, 1 to 4.
    pub correlation: usize,
    /// Hidden scalars of the last readout, and scalars it gives, of which the first is the energy.
    pub readout_irreps: [String; 2],
    /// Number of readouts a layer; their energies are summed.
    pub num_readout_heads: usize,
    /// Whether summed messages have the irreps of both parities, or of the natural one only.
    ///
    /// The description of dipm 0.0.8 says that this is off unless asked for; it is on.
    pub include_pseudotensors: bool,
    /// Number of radial functions.
    pub num_bessel: usize,
    /// Nonlinearity of the radial networks and of the last readout.
    pub activation: Activation,
    /// What takes messages to zero at the cutoff.
    pub radial_envelope: Envelope,
    /// Degree of the polynomial envelope; no other envelope has one.
    pub polynomial_degree: usize,
    /// Whether weights of the contraction refer to the basis of symmetric couplings.
    pub symmetric_tensor_product_basis: bool,
    /// Energies of isolated atoms; those of the dataset when absent.
    pub atomic_energies: Option<ReferenceEnergies>,
    /// Mean number of neighbours, by which sums of messages are divided; that of the dataset when
    /// absent.
    pub avg_num_neighbors: Option<f64>,
    /// Mean distance of the nearest neighbour in Å, from which to the cutoff the radial functions
    /// are scaled to a mean square of 1; that of the dataset when absent, no scaling when the
    /// dataset has none.
    pub avg_r_min: Option<f64>,
    /// Whether the contraction is followed by a gate that depends on the element.
    pub gate_nodes: bool,
    /// Width of an embedding of the elements whose pairs weight the messages; none when absent.
    pub species_embedding_dim: Option<usize>,
}

impl Default for MaceConfig {
    fn default() -> Self {
        Self {
            force_head: false,
            param_dtype: ParamDtype::F32,
            num_layers: 2,
            num_channels: 128,
            l_max: 3,
            node_symmetry: None,
            correlation: 3,
            readout_irreps: ["16x0e".to_owned(), "0e".to_owned()],
            num_readout_heads: 1,
            include_pseudotensors: true,
            num_bessel: 8,
            activation: Activation::Silu,
            radial_envelope: Envelope::Polynomial,
            polynomial_degree: 5,
            symmetric_tensor_product_basis: false,
            atomic_energies: None,
            avg_num_neighbors: None,
            avg_r_min: None,
            gate_nodes: false,
            species_embedding_dim: None,
        }
    }
}

impl MaceConfig {
    /// A network small enough for tests.
    pub fn small() -> Self {
        Self {
            num_channels: 4,
            l_max: 2,
            readout_irreps: ["4x0e".to_owned(), "0e".to_owned()],
            ..Self::default()
        }
    }

    /// Scalars of a valid `readout_irreps` entry.
    pub(super) fn readout(&self, position: usize) -> Irreps {
        let irreps: Irreps = self.readout_irreps[position]
            .parse()
            .expect("options were validated");
        irreps.simplify()
    }
}

impl ArchitectureConfig for MaceConfig {
    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, key, message: String| {
            if !holds {
                problems.push(ConfigProblem::new(key, message));
            }
        };
        expect(
            !self.force_head,
            "force_head",
            "MACE has no force head".to_owned(),
        );
        for (key, count) in [
            ("num_layers", self.num_layers),
            ("num_channels", self.num_channels),
            ("num_readout_heads", self.num_readout_heads),
            ("num_bessel", self.num_bessel),
            (
                "species_embedding_dim",
                self.species_embedding_dim.unwrap_or(1),
            ),
        ] {
            let message = format!("is {count}, expected a whole number > 0");
            expect(count > 0, key, message);
        }
        let in_range = |value: usize, least: usize, most: usize| {
            let message = format!("is {value}, expected {least} to {most}");
            ((least..=most).contains(&value), message)
        };
        let power = self.correlation.clamp(1, MAX_ORDER);
        let (holds, message) = in_range(self.l_max, 0, LARGEST_DEGREES[power - 1]);
        expect(
            holds,
            "l_max",
            format!("{message} with `correlation: {power}`"),
        );
        let (holds, message) = in_range(self.correlation, 1, MAX_ORDER);
        expect(holds, "correlation", message);
        let (holds, message) = in_range(self.polynomial_degree, 1, 100);
        expect(holds, "polynomial_degree", message);
        let node_symmetry = self.node_symmetry.unwrap_or(0);
        let message = format!("is {node_symmetry}, more than `l_max`, {}", self.l_max);
        expect(node_symmetry <= self.l_max, "node_symmetry", message);
        let learned = "`beta_swish` learns a β a channel, which the networks have not; silu is like it without β".to_owned();
        let fixed = self.activation != Activation::BetaSwish;
        expect(fixed, "activation", learned);
        for (key, value) in [
            ("avg_num_neighbors", self.avg_num_neighbors),
            ("avg_r_min", self.avg_r_min),
        ] {
            let value = value.unwrap_or(1.0);
            let message = format!("is {value}, expected a number > 0");
            expect(value > 0.0 && value.is_finite(), key, message);
        }
        for text in &self.readout_irreps {
            match text.parse::<Irreps>() {
                Err(e) => expect(false, "readout_irreps", e.to_string()),
                Ok(irreps) => {
                    let scalars = irreps.iter().all(|entry| entry.irrep == Irrep::SCALAR);
                    let message = format!("`{text}` is not a number of scalars such as `16x0e`");
                    expect(scalars && irreps.dim() > 0, "readout_irreps", message);
                }
            }
        }
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
        let cutoff = info.cutoff_distance_angstrom;
        let r_min = self.avg_r_min.or(info.avg_r_min_angstrom);
        if let Some(r_min) = r_min.filter(|r_min| *r_min >= cutoff) {
            return Err(ModelError::Dataset {
                target: "mace",
                reason: format!(
                    "the mean distance of nearest neighbours, {r_min} Å, is not below the cutoff, \
                     {cutoff} Å"
                ),
            });
        }
        Ok(Box::new(Mace::new(self, info, num_species)))
    }
}
