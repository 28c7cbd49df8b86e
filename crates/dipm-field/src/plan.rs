//! (interim) Plan.
use crate::{Field, Graph};
/// A plan.
pub struct Plan {
    pub(crate) graph: Graph,
    pub(crate) outputs: Vec<(String, usize)>,
}
impl Plan {
    /// A plan that computes `outputs`.
    pub fn new(graph: &Graph, outputs: &[(&str, Field<'_>)]) -> Self {
        Self {
            graph: graph.clone(),
            outputs: outputs.iter().map(|(n, f)| (n.to_string(), f.id)).collect(),
        }
    }
}
