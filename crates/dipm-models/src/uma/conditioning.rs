//! What charge, spin, task and elements of a structure do: an embedding, and weights of experts.

use dipm_data::DatasetInfo;
use dipm_field::{Field, Graph, Space};

use super::UmaConfig;
use crate::layers::{Dense, Dropout, Embedding, SPECIES};
use crate::{CLASSES, Init, Mode, ParameterSpec, StructureKey, class_of};

/// Largest charge there is an embedding for.
const LARGEST_CHARGE: u32 = 100;
/// Number of spins there are embeddings for.
const NUM_SPINS: u32 = 101;
/// What is added to the weight of each expert.
const LEAST_WEIGHT: f64 = 0.005;

/// What the network looks up by structure.
pub(super) fn structure_keys(info: &DatasetInfo) -> Vec<StructureKey> {
    let charge = StructureKey::Charge {
        range: LARGEST_CHARGE,
    };
    let spin = StructureKey::Spin { count: NUM_SPINS };
    let tasks = info.task_list.iter().filter(|list| !list.is_empty());
    let task = tasks.map(|list| StructureKey::Task {
        count: list.len() as u32,
    });
    [charge, spin].into_iter().chain(task).collect()
}

/// c = silu(T\[charge\] + T\[spin\] + T\[task\] + b), `[C]`.
///
/// Parameters `PREFIX.charge_emb.embedding`, [201, C], `PREFIX.spin_emb.embedding`, [101, C], with
/// tasks `PREFIX.task_emb.embedding`, [T, C], and `PREFIX.bias`, `[C]`.
#[derive(Debug)]
pub(super) struct StructureEmbedding {
    tables: Vec<(StructureKey, Embedding)>,
    bias: ParameterSpec,
}

impl StructureEmbedding {
    pub(super) fn new(prefix: &str, info: &DatasetInfo, channels: usize) -> Self {
        let table = |key: StructureKey| {
            let part = match key {
                StructureKey::Charge { .. } => "charge_emb",
                StructureKey::Spin { .. } => "spin_emb",
                StructureKey::Task { .. } => "task_emb",
            };
            let name = format!("{prefix}.{part}");
            (key, Embedding::new(&name, key.num_rows(), channels))
        };
        let bias = ParameterSpec::new(format!("{prefix}.bias"), &[channels], Init::Constant(0.0));
        Self {
            tables: structure_keys(info).into_iter().map(table).collect(),
            bias,
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let tables = self.tables.iter();
        let tables = tables.flat_map(|(_, embedding)| embedding.parameters());
        tables.chain([&self.bias])
    }

    /// The embedding of each class of structures, `[C]`.
    pub(super) fn forward<'g>(&self, graph: &'g Graph) -> Field<'g> {
        let rows =
            |(key, table): &(StructureKey, Embedding)| table.forward(graph, key.map_from(CLASSES));
        let tables = self.tables.iter().map(rows);
        tables.fold(self.bias.field(graph), |a, b| a + b).silu()
    }
}

/// κ = softmax(h) + 0.005, `[X]`: the weights of X experts, not of sum 1. h is a network's of c, or
/// of \[mean over atoms of T\[z\] | c\].
///
/// Parameters `mole_router.layers.q.kernel` and `.bias`, q = 0, 2, 4, and, if the elements take
/// part, `composition_embedding.embedding`, [S, C].
#[derive(Debug)]
pub(super) struct Router {
    composition: Option<Embedding>,
    layers: [Dense; 3],
    dropout: Dropout,
}

impl Router {
    pub(super) fn new(config: &UmaConfig, num_species: usize) -> Self {
        let (channels, experts) = (config.sphere_channels, config.num_experts);
        let composition = config
            .use_composition_embedding
            .then(|| Embedding::new("composition_embedding", num_species, channels));
        let num_in = if composition.is_some() { 2 } else { 1 } * channels;
        let dense =
            |q, num_in, num_out| Dense::lecun(&format!("mole_router.layers.{q}"), num_in, num_out);
        let rate = config.mole_dropout;
        Self {
            composition,
            layers: [
                dense(0, num_in, 2 * experts),
                dense(2, 2 * experts, 2 * experts),
                dense(4, 2 * experts, experts),
            ],
            dropout: Dropout::new("mole_dropout", Space::Structures, &[experts], rate),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let composition = self.composition.iter().flat_map(Embedding::parameters);
        composition.chain(self.layers.iter().flat_map(Dense::parameters))
    }

    pub(super) fn dropout(&self) -> &Dropout {
        &self.dropout
    }

    /// The weights of each class of structures, `[X]`; c is over classes.
    pub(super) fn forward<'g>(&self, c: Field<'g>, mode: Mode) -> Field<'g> {
        let graph = c.graph();
        let input = match &self.composition {
            Some(table) => {
                let of_atoms = class_of(Space::Atoms);
                let sum = table.forward(graph, SPECIES).sum(of_atoms);
                let one = graph.literal(1.0).broadcast(Space::Atoms, &[1]);
                graph.concat(&[sum / one.sum(of_atoms), c], 0)
            }
            None => c,
        };
        let layers = self.layers.iter();
        let mut h = layers.fold(input, |h, layer| layer.forward(h).silu());
        if let Some(factor) = self.dropout.factor(h, mode) {
            // With dropout each structure is a class of its own.
            h = h * factor.sum(class_of(Space::Structures));
        }
        let e = (h - h.max_axes(&[0]).detach()).exp();
        e / e.sum_axes(&[0]) + LEAST_WEIGHT
    }
}
