//! NequIP: message passing with features that rotate.
//!
//! Batzner et al., Nat. Commun. 13, 2453 (2022), in the layout of the JAX version published with
//! Merchant et al., Nature 624, 80 (2023). Parameters carry the names of the saved weights.
//! Features are one block [2l + 1, C] an irrep. Differs from the paper: gates are normalised silu,
//! and the residual depends on the element.

mod wiring;

use dipm_data::DatasetInfo;
use dipm_field::Field;
use dipm_o3::{Irrep, Irreps};
use serde::{Deserialize, Serialize};

use crate::layers::{
    Block, Edges, Gate, Linear, Live, Mlp, SpeciesEmbedding, SpeciesLinear, TensorProduct, add,
    bessel, harmonics, on_atoms,
};
use crate::{
    Activation, Architecture, ArchitectureConfig, ConfigProblem, Envelope, ModelError, Output,
    ParamDtype, ParameterSpec, ReferenceEnergies,
};
use wiring::Wiring;

/// Largest degree of the harmonics; the tables grow with its fifth power.
const LARGEST_DEGREE: usize = 10;
/// Degree of the polynomial envelope.
const ENVELOPE_DEGREE: i32 = 5;

/// `model:` with `target: NequIP`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NequipConfig {
    /// Whether forces are predicted directly; NequIP has no such head, so only `false` is accepted.
    pub force_head: bool,
    /// How parameters are stored.
    pub param_dtype: ParamDtype,
    /// Number of interactions.
    pub num_layers: usize,
    /// Irreps of the features, in order of degree, natural parity first, such as
    /// `64x0e + 32x1o + 8x2e`. What the harmonics cannot reach is left out of a layer.
    pub node_irreps: String,
    /// Largest degree of the harmonics.
    pub l_max: usize,
    /// Number of radial functions.
    pub num_bessel: usize,
    /// Nonlinearity of the radial network.
    pub radial_net_nonlinearity: Activation,
    /// Width of its hidden layers.
    pub radial_net_n_hidden: usize,
    /// Number of its hidden layers.
    pub radial_net_n_layers: usize,
    /// What takes messages to zero at the cutoff.
    pub radial_envelope: Envelope,
    /// Factor of the standard deviation with which its hidden layers start.
    pub scalar_mlp_std: f64,
    /// Energies of isolated atoms; those of the dataset when absent.
    pub atomic_energies: Option<ReferenceEnergies>,
    /// Mean number of neighbours, by which sums of messages are divided; that of the dataset when
    /// absent.
    pub avg_num_neighbors: Option<f64>,
}

impl Default for NequipConfig {
    fn default() -> Self {
        Self {
            force_head: false,
            param_dtype: ParamDtype::F32,
            num_layers: 2,
            node_irreps: "128x0e + 128x0o + 64x1o + 64x1e + 4x2e + 4x2o".to_owned(),
            l_max: 3,
            num_bessel: 8,
            radial_net_nonlinearity: Activation::Silu,
            radial_net_n_hidden: 64,
            radial_net_n_layers: 2,
            radial_envelope: Envelope::Polynomial,
            scalar_mlp_std: 4.0,
            atomic_energies: None,
            avg_num_neighbors: None,
        }
    }
}

impl NequipConfig {
    /// A network small enough for tests, with irreps of both parities and every kind of path.
    pub fn small() -> Self {
        Self {
            num_layers: 3,
            node_irreps: "6x0e + 4x0o + 3x1o + 2x1e + 2x2e".to_owned(),
            l_max: 2,
            radial_net_n_hidden: 8,
            ..Self::default()
        }
    }
}

impl ArchitectureConfig for NequipConfig {
    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, key, message: String| {
            if !holds {
                problems.push(ConfigProblem::new(key, message));
            }
        };
        let positive = |n: usize| format!("is {n}, expected a whole number > 0");
        let above_zero = |x: f64| format!("is {x}, expected a number > 0");
        expect(
            !self.force_head,
            "force_head",
            "NequIP has no force head".to_owned(),
        );
        expect(self.num_layers > 0, "num_layers", positive(self.num_layers));
        let degree = format!("is {}, expected at most {LARGEST_DEGREE}", self.l_max);
        expect(self.l_max <= LARGEST_DEGREE, "l_max", degree);
        expect(self.num_bessel > 0, "num_bessel", positive(self.num_bessel));
        let (width, depth) = (self.radial_net_n_hidden, self.radial_net_n_layers);
        expect(width > 0, "radial_net_n_hidden", positive(width));
        expect(depth > 0, "radial_net_n_layers", positive(depth));
        let activation = self.radial_net_nonlinearity;
        let learned =
            "`beta_swish` learns a β a channel, which the radial network has not; silu is like it without β".to_owned();
        expect(
            activation != Activation::BetaSwish,
            "radial_net_nonlinearity",
            learned,
        );
        let std = self.scalar_mlp_std;
        expect(
            std > 0.0 && std.is_finite(),
            "scalar_mlp_std",
            above_zero(std),
        );
        let neighbors = self.avg_num_neighbors.unwrap_or(1.0);
        let possible = neighbors > 0.0 && neighbors.is_finite();
        expect(possible, "avg_num_neighbors", above_zero(neighbors));
        match self.node_irreps.parse::<Irreps>() {
            Err(e) => expect(false, "node_irreps", e.to_string()),
            Ok(irreps) => {
                let ordered = irreps.regroup();
                let order =
                    format!("is `{irreps}`, write each irrep once and in order: `{ordered}`");
                expect(irreps == ordered, "node_irreps", order);
                let scalars = ordered.count(Irrep::SCALAR);
                let few = format!("has {scalars}x0e, the energy needs at least 2x0e");
                expect(scalars >= 2, "node_irreps", few);
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
        Ok(Box::new(Nequip::new(
            self,
            info.cutoff_distance_angstrom,
            num_species,
            info,
        )))
    }
}

/// The network.
#[derive(Debug)]
struct Nequip {
    /// Irreps of the options that no layer reaches.
    unreachable: Irreps,
    l_max: usize,
    num_bessel: usize,
    envelope: Envelope,
    r_max: f64,
    embedding: SpeciesEmbedding,
    layers: Vec<Interaction>,
    readout: [Linear; 2],
}

impl Nequip {
    fn new(config: &NequipConfig, r_max: f64, num_species: usize, info: &DatasetInfo) -> Self {
        let irreps: Irreps = config.node_irreps.parse().expect("options were validated");
        let channels = irreps.count(Irrep::SCALAR);
        let wirings = Wiring::of_layers(&irreps, config.l_max, config.num_layers);
        let last = wirings.last().expect("there is a layer").output();
        let hidden = Irreps::new([(channels / 2, Irrep::SCALAR)]);
        let readout = Linear::new("nequip_model.output.layers.0", &last, &hidden);
        let energy = Irreps::new([(1, Irrep::SCALAR)]);
        let avg_num_neighbors = config.avg_num_neighbors.unwrap_or(info.avg_num_neighbors);
        let layer = |(t, wiring): (usize, &Wiring)| {
            let prefix = format!("nequip_model.layers.{t}");
            Interaction::new(&prefix, config, wiring, num_species, avg_num_neighbors)
        };
        let reached = |irrep| wirings.iter().any(|wiring| wiring.output().contains(irrep));
        Self {
            unreachable: irreps.filter(|irrep| !reached(irrep)),
            l_max: config.l_max,
            num_bessel: config.num_bessel,
            envelope: config.radial_envelope,
            r_max,
            embedding: SpeciesEmbedding::new("nequip_model.node_embeddings", num_species, channels),
            layers: wirings.iter().enumerate().map(layer).collect(),
            readout: [
                readout,
                Linear::new("nequip_model.output.layers.1", &hidden, &energy),
            ],
        }
    }
}

impl Architecture for Nequip {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let layers = self.layers.iter().flat_map(Interaction::parameters);
        let readout = self.readout.iter().flat_map(Linear::parameters);
        self.embedding
            .parameters()
            .chain(layers)
            .chain(readout)
            .cloned()
            .collect()
    }

    fn remarks(&self) -> Vec<String> {
        if self.unreachable.is_empty() {
            return Vec::new();
        }
        let (irreps, layers, l_max) = (&self.unreachable, self.layers.len(), self.l_max);
        vec![format!(
            "{irreps} cannot be reached in {layers} layers with l_max {l_max}, left out"
        )]
    }

    /// h⁰ᵢ = W(zᵢ),  εᵢ = W₂ W₁ h^Tᵢ
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g> {
        let envelope = self
            .envelope
            .apply(edges.distance, self.r_max, ENVELOPE_DEGREE);
        let radial = bessel(edges, self.num_bessel, self.r_max) * envelope; // [E, K]
        let harmonics = harmonics(edges.direction, self.l_max); // [E, (l_max + 1)²]
        let mut h = vec![Some(self.embedding.forward(edges.graph()))];
        for layer in &self.layers {
            h = layer.forward(&h, radial, harmonics, edges);
        }
        for linear in &self.readout {
            h = linear.forward(&h, &Live::all(linear.output()));
        }
        let energy = h[0].expect("the energy is live");
        Output::energies(on_atoms(energy).reshape(&[1]))
    }
}

/// One round of messages.
#[derive(Debug)]
struct Interaction {
    linear_in: Linear,
    live_in: Live,
    mlp: Mlp,
    messages: TensorProduct,
    /// Paths in the order of their irreps, which is the order `linear_out` wants.
    message_order: Vec<usize>,
    linear_out: Linear,
    residual: SpeciesLinear,
    gate: Gate,
    avg_num_neighbors: f64,
}

impl Interaction {
    fn new(
        prefix: &str,
        config: &NequipConfig,
        wiring: &Wiring,
        num_species: usize,
        avg_num_neighbors: f64,
    ) -> Self {
        let mut widths = vec![config.num_bessel];
        widths.resize(1 + config.radial_net_n_layers, config.radial_net_n_hidden);
        widths.push(wiring.num_weights());
        let (std, activation) = (config.scalar_mlp_std, config.radial_net_nonlinearity);
        let before = wiring.gate.before();
        let residual = format!("{prefix}.residual_tensor_product");
        Self {
            linear_in: Linear::new(&format!("{prefix}.linear_in"), &wiring.input, &wiring.sent),
            live_in: Live::entries(&wiring.sent, &wiring.live_sent()),
            mlp: Mlp::new(&format!("{prefix}.mlp"), &widths, std, activation),
            messages: TensorProduct::new(
                &wiring.sent,
                config.l_max,
                &wiring.paths,
                &wiring.live_paths(),
            ),
            message_order: wiring.message_order.clone(),
            linear_out: Linear::new(&format!("{prefix}.linear_out"), &wiring.messages, before),
            residual: SpeciesLinear::new(&residual, &wiring.input, before, num_species),
            gate: wiring.gate.clone(),
            avg_num_neighbors,
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let before = self.linear_in.parameters().chain(self.mlp.parameters());
        before
            .chain(self.linear_out.parameters())
            .chain(self.residual.parameters())
    }

    /// mᵢ  = 1/n̄ Σ_{j→i} R(rⱼᵢ) · (W_in hⱼ) ⊗ Y(r̂ⱼᵢ)
    /// h′ᵢ = gate(W_out mᵢ + W_res(zᵢ) hᵢ)
    fn forward<'g>(
        &self,
        h: &[Block<'g>],
        radial: Field<'g>,
        harmonics: Field<'g>,
        edges: &Edges<'g>,
    ) -> Vec<Block<'g>> {
        let atoms = |blocks: Vec<Block<'g>>| blocks.into_iter().map(|block| block.map(on_atoms));
        let hidden = self.mlp.hidden(radial); // [E, n_hidden]
        let sent: Vec<_> = atoms(self.linear_in.forward(h, &self.live_in)).collect();
        let weights = |columns: &[_]| self.mlp.last(hidden, columns); // [E, P · C]
        let sums = self.messages.forward(&sent, harmonics, weights);
        let mean = |path: &usize| sums[*path].map(|sum| sum * self.avg_num_neighbors.recip());
        let means: Vec<_> = self.message_order.iter().map(mean).collect();
        let update = self.linear_out.forward(&means, self.gate.live());
        let residual = atoms(self.residual.forward(edges.graph(), h, self.gate.live()));
        let sum: Vec<_> = update
            .into_iter()
            .zip(residual)
            .map(|(u, r)| add(u, r))
            .collect();
        self.gate.forward(&sum, edges.precision)
    }
}

#[cfg(test)]
pub(crate) mod tests;
