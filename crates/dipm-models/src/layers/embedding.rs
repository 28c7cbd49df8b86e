//! Embeddings: a learned row for each value of an index.

use dipm_field::{Field, Graph, Map, Space};

use crate::{Init, ParameterSpec};

/// h = W\[index\].
///
/// Parameter `PREFIX.embedding`, [R, C], normal of standard deviation 1/√C unless said otherwise.
#[derive(Debug, Clone)]
pub struct Embedding {
    rows: ParameterSpec,
}

impl Embedding {
    /// An embedding of R values in C channels.
    pub fn new(prefix: &str, num_rows: usize, channels: usize) -> Self {
        let init = Init::Normal((channels as f64).sqrt().recip());
        let name = format!("{prefix}.embedding");
        Self {
            rows: ParameterSpec::new(name, &[num_rows, channels], init),
        }
    }

    /// The embedding with another start.
    #[must_use]
    pub fn starting(mut self, init: Init) -> Self {
        self.rows.init = init;
        self
    }

    /// All rows, [R, C] over Const.
    pub fn table<'g>(&self, graph: &'g Graph) -> Field<'g> {
        self.rows.field(graph)
    }

    /// The parameter.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        std::iter::once(&self.rows)
    }

    /// The row of each index, `[C]` over the space that carries the index.
    ///
    /// # Panics
    /// When the map does not lead to a table.
    pub fn forward<'g>(&self, graph: &'g Graph, index: Map) -> Field<'g> {
        let Space::Table(table) = index.target() else {
            panic!("{index:?} does not lead to a table")
        };
        self.rows.field(graph).as_rows(table).gather(index)
    }
}
