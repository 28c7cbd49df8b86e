//! The radial networks: weights of an edge from its length and the elements at its ends.

use dipm_field::{Field, Graph};

use super::EquiformerV2Config;
use crate::layers::escn::RadialMlp;
use crate::{AtomEdgeEmbedding, Init, ParameterSpec};

/// Standard deviation of the embeddings of a single radial network at the start.
const ISOLATED_STD: f64 = 0.001;

/// Embeddings of the elements as senders and as receivers.
///
/// Parameters `PREFIX.senders_embedding.embedding` and `PREFIX.receivers_embedding.embedding`,
/// [S, D].
#[derive(Debug)]
pub(super) struct EndEmbeddings([ParameterSpec; 2]);

impl EndEmbeddings {
    /// Those of all radial networks, if they share them.
    pub(super) fn shared(
        prefix: &str,
        config: &EquiformerV2Config,
        num_species: usize,
    ) -> Option<Self> {
        let std = (config.num_edge_channels as f64).sqrt().recip();
        let is_shared = config.atom_edge_embedding == AtomEdgeEmbedding::Shared;
        is_shared.then(|| Self::new(prefix, config, num_species, std))
    }

    fn new(prefix: &str, config: &EquiformerV2Config, num_species: usize, std: f64) -> Self {
        let shape = [num_species, config.num_edge_channels];
        let embedding = |end: &str| {
            let name = format!("{prefix}.{end}_embedding.embedding");
            ParameterSpec::new(name, &shape, Init::Normal(std))
        };
        Self(["senders", "receivers"].map(embedding))
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.0.iter()
    }

    /// Of senders and of receivers.
    pub(super) fn fields<'g>(&self, graph: &'g Graph) -> (Field<'g>, Field<'g>) {
        let [senders, receivers] = self.0.each_ref().map(|spec| spec.field(graph));
        (senders, receivers)
    }
}

/// What all radial networks see of an edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeScalars<'g> {
    /// Functions of its length, `[R]`.
    pub(super) radial: Field<'g>,
    /// Embeddings of the elements at the ends, if they are shared.
    pub(super) ends: Option<(Field<'g>, Field<'g>)>,
}

/// A radial network, with embeddings of its own if they are isolated.
///
/// Parameters `PREFIX.rad_func.*`, and the embeddings under `EMBEDDINGS.*`.
#[derive(Debug)]
pub(super) struct RadialNetwork {
    ends: Option<EndEmbeddings>,
    mlp: RadialMlp,
}

impl RadialNetwork {
    pub(super) fn new(
        prefix: &str,
        embeddings: &str,
        config: &EquiformerV2Config,
        num_species: usize,
        num_out: usize,
    ) -> Self {
        let width = config.num_edge_channels;
        let seen = match config.atom_edge_embedding {
            AtomEdgeEmbedding::None => 0,
            AtomEdgeEmbedding::Isolated | AtomEdgeEmbedding::Shared => 2 * width,
        };
        let widths = [config.num_rbf + seen, width, width, num_out];
        let own = || EndEmbeddings::new(embeddings, config, num_species, ISOLATED_STD);
        Self {
            ends: (config.atom_edge_embedding == AtomEdgeEmbedding::Isolated).then(own),
            mlp: RadialMlp::new(&format!("{prefix}.rad_func"), widths),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        let embeddings = self.ends.iter().flat_map(EndEmbeddings::parameters);
        embeddings.chain(self.mlp.parameters())
    }

    pub(super) fn forward<'g>(&self, scalars: EdgeScalars<'g>) -> Field<'g> {
        let graph = scalars.radial.graph();
        let own = self.ends.as_ref().map(|ends| ends.fields(graph));
        self.mlp.forward(scalars.radial, own.or(scalars.ends))
    }
}
