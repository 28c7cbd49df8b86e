//! The radial networks: weights of an edge from its length and the elements at its ends.

use dipm_field::Field;

use super::EquiformerV2Config;
use crate::layers::escn::{EndEmbeddings, RadialMlp};
use crate::{AtomEdgeEmbedding, Init, ParameterSpec};

/// Standard deviation of the embeddings of a single radial network at the start.
const ISOLATED_STD: f64 = 0.001;

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
        let own = || EndEmbeddings::new(embeddings, num_species, width, Init::Normal(ISOLATED_STD));
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
        let own = self.ends.as_ref().map(|ends| ends.tables(graph));
        self.mlp.forward(scalars.radial, own.or(scalars.ends))
    }
}
