//! The plan: what is computed in which group, and where values live. Made once per graph; a batch
//! supplies only row counts.

pub(crate) mod access;
mod biases;
mod explain;
pub(crate) mod expression;
mod fuse;
mod lower;
mod narrow;
pub(crate) mod place;
pub(crate) mod program;
mod recompute;
mod sums;
mod verify;

use crate::graph::{Graph, NodeId};
use crate::{Field, Half, Space};
pub(crate) use explain::Measured;
use place::Placement;
use program::Program;

/// How the outputs of a graph are computed.
pub struct Plan {
    pub(crate) program: Program,
    pub(crate) placement: Placement,
}

impl Plan {
    /// A plan that computes the named `outputs`; what they do not need costs nothing.
    ///
    /// # Panics
    /// When an output belongs to another graph, or a check of the plan fails, which is a bug.
    pub fn new(graph: &Graph, outputs: &[(&str, Field<'_>)]) -> Self {
        Self::with_storage(graph, outputs, &|_| None)
    }

    /// The same, with values rounded to 16 bits while they wait for another group, where `kept_as`
    /// names a format for the node that they are computed for. Everything is still computed in the
    /// number type of the executor; sums over rows, outputs, values with a few numbers per row only
    /// and those of structures and parameters are kept in it as well.
    ///
    /// # Panics
    /// As [`Plan::new`].
    pub fn with_storage(
        graph: &Graph,
        outputs: &[(&str, Field<'_>)],
        kept_as: &dyn Fn(NodeId) -> Option<Half>,
    ) -> Self {
        let outputs: Vec<_> = outputs
            .iter()
            .map(|(name, field)| {
                assert!(
                    std::ptr::eq(field.graph, graph),
                    "output `{name}` is of another graph"
                );
                ((*name).to_owned(), field.id)
            })
            .collect();
        let mut program = lower::lower(graph, &outputs, kept_as);
        let placement = place::place(&mut program);
        let plan = Self { program, placement };
        if let Err(fault) = verify::verify(&plan) {
            panic!("the plan is wrong: {fault}");
        }
        plan
    }

    /// Names of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.program.outputs.iter().map(|(name, _)| name.as_str())
    }

    /// Names of the inputs that the plan reads.
    pub fn inputs_read(&self) -> Vec<&str> {
        let mut read: Vec<usize> = self
            .program
            .values
            .iter()
            .filter_map(|value| match value.source {
                program::Source::Input(index) => Some(index),
                _ => None,
            })
            .collect();
        read.sort_unstable();
        read.dedup();
        read.into_iter()
            .map(|index| self.program.inputs[index].name.as_str())
            .collect()
    }

    /// Number of groups.
    pub fn num_groups(&self) -> usize {
        self.placement.groups.len()
    }

    /// Number of steps.
    pub fn num_steps(&self) -> usize {
        self.program.steps.len()
    }

    /// Numbers of the executor's type per row that are kept in memory between groups, by space; two
    /// numbers of 16 bits count as one.
    pub fn stored_width(&self, space: Space) -> usize {
        let values = self.program.values.iter().zip(&self.placement.places);
        values
            .filter(|(value, place)| value.space == space && **place == place::Place::Stored)
            .map(|(value, _)| value.slots())
            .sum()
    }
}
