//! Embeddings of the elements at the ends of edges.

use dipm_field::{Field, Graph};

use crate::layers::Embedding;
use crate::{Init, ParameterSpec};

/// Embeddings of the elements as senders and as receivers.
///
/// Parameters `PREFIX.senders_embedding.embedding` and `PREFIX.receivers_embedding.embedding`,
/// [S, D].
#[derive(Debug, Clone)]
pub struct EndEmbeddings([Embedding; 2]);

impl EndEmbeddings {
    /// Embeddings of S elements of this width.
    pub fn new(prefix: &str, num_species: usize, width: usize, init: Init) -> Self {
        let embedding = |end: &str| {
            let name = format!("{prefix}.{end}_embedding");
            Embedding::new(&name, num_species, width).starting(init)
        };
        Self(["senders", "receivers"].map(embedding))
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.0.iter().flat_map(Embedding::parameters)
    }

    /// Of senders and of receivers, [S, D] over Const.
    pub fn tables<'g>(&self, graph: &'g Graph) -> (Field<'g>, Field<'g>) {
        let [senders, receivers] = &self.0;
        (senders.table(graph), receivers.table(graph))
    }
}
