//! MACE: messages of one neighbour each, their sums multiplied with themselves.
//!
//! Batatia, Kovács, Simm, Ortner and Csányi, NeurIPS 2022, arXiv:2206.07697, in the JAX version of
//! Brunken et al., arXiv:2505.22397, from which the gate and the weights by pairs of elements come.
//! Parameters carry the names of the saved weights. Every irrep has C copies, held as one block
//! [2l + 1, C]. Differs from the paper: the first layer has a matrix by element in place of a
//! residual.

mod config;
mod gate;
mod radial;
mod readout;
mod wiring;

use dipm_data::DatasetInfo;
use dipm_field::{Field, Map};
use dipm_o3::{BasisKind, Irreps};

use crate::layers::{
    Block, Edges, Linear, Live, ScaledMlp, SpeciesEmbedding, SpeciesLinear, SymmetricContraction,
    TensorProduct, add, harmonics, on_atoms, species_rows,
};
use crate::{Architecture, Init, Output, ParameterSpec};
pub use config::MaceConfig;
use gate::SpeciesGate;
use radial::Radial;
use readout::Readout;
use wiring::Wiring;

/// Hidden layers of the radial networks.
const HIDDEN: [usize; 3] = [64; 3];

/// The network.
#[derive(Debug)]
struct Mace {
    l_max: usize,
    radial: Radial,
    embedding: SpeciesEmbedding,
    pair_embedding: Option<ParameterSpec>,
    layers: Vec<Layer>,
}

impl Mace {
    fn new(config: &MaceConfig, info: &DatasetInfo, num_species: usize) -> Self {
        let name = "mace_block.node_embed.embeddings";
        let pair_embedding = |dim: usize| {
            let init = Init::Normal((dim as f64).sqrt().recip());
            ParameterSpec::new(
                "mace_block.species_embed.embedding",
                &[num_species, dim],
                init,
            )
        };
        let wirings = Wiring::of_layers(config);
        let layer = |(t, wiring)| Layer::new(t, config, info, wiring, num_species);
        Self {
            l_max: config.l_max,
            radial: Radial::new(config, info),
            embedding: SpeciesEmbedding::named(name, num_species, config.num_channels),
            pair_embedding: config.species_embedding_dim.map(pair_embedding),
            layers: wirings.iter().enumerate().map(layer).collect(),
        }
    }

    /// [gⱼ, gᵢ, gⱼ ∘ gᵢ], g the embedding of the element.
    fn pairs<'g>(&self, edges: &Edges<'g>) -> Option<Field<'g>> {
        let embedding = self.pair_embedding.as_ref()?.field(edges.graph());
        let g = on_atoms(species_rows(embedding));
        let (sender, receiver) = (g.gather(Map::Sender), g.gather(Map::Receiver));
        let parts = [sender, receiver, sender * receiver];
        Some(edges.graph().concat(&parts, 0))
    }
}

impl Architecture for Mace {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let embedding = self.embedding.parameters().chain(&self.pair_embedding);
        let layers = self.layers.iter().flat_map(Layer::parameters);
        embedding.chain(layers).cloned().collect()
    }

    /// h⁰ᵢ = W(zᵢ),  εᵢ = Σ_t readout_t(h^tᵢ)
    fn forward<'g>(&self, edges: &Edges<'g>) -> Output<'g> {
        let geometry = Geometry {
            radial: self.radial.forward(edges),
            pairs: self.pairs(edges),
            // The format takes harmonics of the vector from receiver to sender.
            harmonics: harmonics(-edges.direction, self.l_max),
        };
        let mut h = vec![Some(self.embedding.forward(edges.graph()))];
        let mut energies = Vec::new();
        for layer in &self.layers {
            h = layer.forward(&h, &geometry, edges);
            let readouts = layer.readouts.iter();
            energies.extend(readouts.map(|readout| readout.forward(&h, edges.precision)));
        }
        let energy = energies.into_iter().reduce(|a, b| a + b);
        Output::energies(energy.expect("there is a layer").reshape(&[1]))
    }
}

/// What the messages of all layers depend on, over edges.
#[derive(Debug, Clone, Copy)]
struct Geometry<'g> {
    /// Radial functions, `[K]`.
    radial: Field<'g>,
    /// Embedding of the pair of elements.
    pairs: Option<Field<'g>>,
    /// [(l_max + 1)²]
    harmonics: Field<'g>,
}

/// One round of messages, the contraction of their sums, and readouts.
#[derive(Debug)]
struct Layer {
    residual: Option<SpeciesLinear>,
    linear_up: Linear,
    live_up: Live,
    mix: ScaledMlp,
    mix_pairs: Option<ScaledMlp>,
    messages: TensorProduct,
    wiring: Wiring,
    linear_down: Linear,
    live_down: Live,
    selector: Option<SpeciesLinear>,
    contraction: SymmetricContraction,
    gate: Option<SpeciesGate>,
    linear_out: Linear,
    readouts: Vec<Readout>,
    avg_num_neighbors: f64,
}

impl Layer {
    fn new(
        t: usize,
        config: &MaceConfig,
        info: &DatasetInfo,
        wiring: &Wiring,
        num_species: usize,
    ) -> Self {
        let prefix = format!("mace_block.layers.{t}");
        let name = |leaf: &str| format!("{prefix}.{leaf}");
        let single = |irreps: &Irreps| Irreps::new(irreps.iter().map(|entry| (1, entry.irrep)));
        let kind = if config.symmetric_tensor_product_basis {
            BasisKind::Symmetric
        } else {
            BasisKind::Plain
        };
        let contraction = SymmetricContraction::new(
            &name("equivariant_product.contraction"),
            kind,
            &single(&wiring.features),
            &single(&wiring.output),
            config.correlation,
            [num_species, config.num_channels],
        );
        let live_paths = wiring.live_paths(contraction.read());
        let live_input = wiring.live_input(&live_paths);
        let num_weights = wiring.paths.len() * config.num_channels;
        let mlp = |leaf: &str, input: usize, biases: bool| {
            let widths = [&[input], &HIDDEN[..], &[num_weights]].concat();
            ScaledMlp::new(&name(leaf), &widths, biases, config.activation)
        };
        let species_linear = |leaf: &str, input: &Irreps, output: &Irreps| {
            SpeciesLinear::new(&name(leaf), input, output, num_species)
        };
        let (features, output) = (&wiring.features, &wiring.output);
        let last = t + 1 == config.num_layers;
        let readout =
            |r: usize| Readout::new(&name(&format!("readout_layers.{r}")), config, output, last);
        let gate = name("equivariant_product");
        Self {
            residual: (t > 0).then(|| species_linear("residual_connection", &wiring.input, output)),
            linear_up: Linear::new(&name("interaction.linear_up"), &wiring.input, &wiring.input),
            live_up: Live::entries(&wiring.input, &live_input),
            mix: mlp("interaction.conv.mix", config.num_bessel, false),
            mix_pairs: config
                .species_embedding_dim
                .map(|dim| mlp("interaction.conv.mix_species", 3 * dim, true)),
            messages: TensorProduct::new(&wiring.input, config.l_max, &wiring.paths, &live_paths),
            linear_down: Linear::new(&name("interaction.linear_down"), &wiring.messages, features),
            live_down: Live::entries(features, contraction.read()),
            selector: (t == 0).then(|| species_linear("selector_tp_layer", features, features)),
            gate: config
                .gate_nodes
                .then(|| SpeciesGate::new(&gate, output, num_species)),
            linear_out: Linear::new(&name("equivariant_product.linear_out"), output, output),
            readouts: (0..config.num_readout_heads).map(readout).collect(),
            avg_num_neighbors: config.avg_num_neighbors.unwrap_or(info.avg_num_neighbors),
            wiring: wiring.clone(),
            contraction,
        }
    }

    fn parameters(&self) -> Vec<&ParameterSpec> {
        let interaction = self
            .linear_up
            .parameters()
            .chain(self.mix.parameters())
            .chain(self.mix_pairs.iter().flat_map(ScaledMlp::parameters))
            .chain(self.linear_down.parameters());
        let by_species = self.selector.iter().chain(&self.residual);
        interaction
            .chain(by_species.flat_map(SpeciesLinear::parameters))
            .chain(self.contraction.parameters())
            .chain(self.gate.iter().flat_map(SpeciesGate::parameters))
            .chain(self.linear_out.parameters())
            .chain(self.readouts.iter().flat_map(Readout::parameters))
            .collect()
    }

    /// Aᵢ  = W_down 1/n̄ Σ_{j→i} R(rⱼᵢ) · (W_up hⱼ) ⊗ Y(−r̂ⱼᵢ)
    /// Bᵢ  = Σ_ν W⁽ᵛ⁾(zᵢ) U⁽ᵛ⁾ Aᵢᵛ
    /// h′ᵢ = W_out gate(Bᵢ) + W_res(zᵢ) hᵢ
    fn forward<'g>(
        &self,
        h: &[Block<'g>],
        geometry: &Geometry<'g>,
        edges: &Edges<'g>,
    ) -> Vec<Block<'g>> {
        let graph = edges.graph();
        let features = self.sum_messages(h, geometry, edges);
        let mut product = self.contraction.forward(graph, &features);
        if let Some(gate) = &self.gate {
            product = gate.forward(graph, &product);
        }
        let all = Live::all(self.linear_out.output());
        let update = self.linear_out.forward(&product, &all);
        let Some(residual) = &self.residual else {
            return update;
        };
        let residual = residual.forward(graph, h, &all);
        update
            .into_iter()
            .zip(residual)
            .map(|(u, r)| add(u, r))
            .collect()
    }

    /// Aᵢ, in the first layer mixed once more by the element of i.
    fn sum_messages<'g>(
        &self,
        h: &[Block<'g>],
        geometry: &Geometry<'g>,
        edges: &Edges<'g>,
    ) -> Vec<Block<'g>> {
        let graph = edges.graph();
        let sent = self.linear_up.forward(h, &self.live_up);
        let sent: Vec<_> = sent.into_iter().map(|block| block.map(on_atoms)).collect();
        let hidden = self.mix.hidden(geometry.radial, edges.precision);
        let of_pairs = self.mix_pairs.as_ref().zip(geometry.pairs);
        let of_pairs = of_pairs.map(|(mix, pairs)| (mix, mix.hidden(pairs, edges.precision)));
        let weights = |columns: &[_]| {
            let radial = self.mix.last(hidden, columns); // [E, P · C]
            match of_pairs {
                None => radial,
                Some((mix, hidden)) => radial * mix.last(hidden, columns),
            }
        };
        let sums = self.messages.forward(&sent, geometry.harmonics, weights);
        let merged = |paths: &std::ops::Range<usize>| {
            let of_irrep: Option<Vec<_>> = sums[paths.clone()].iter().copied().collect();
            of_irrep.map(|parts| graph.concat(&parts, 1)) // [2l + 1, n C]
        };
        let merged: Vec<_> = self.wiring.message_paths.iter().map(merged).collect();
        let mean = |sum: Field<'g>| sum * self.avg_num_neighbors.recip();
        let features = self.linear_down.forward(&merged, &self.live_down);
        let features: Vec<_> = features.into_iter().map(|block| block.map(mean)).collect();
        match &self.selector {
            None => features,
            Some(selector) => selector.forward(graph, &features, &self.live_down),
        }
    }
}

#[cfg(test)]
mod tests;
