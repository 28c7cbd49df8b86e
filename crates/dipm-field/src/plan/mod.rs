//! The plan: what is computed in which group, and where values live. Made once per graph; a batch
//! supplies only row counts.

pub(crate) mod access;
mod explain;
pub(crate) mod expression;
mod fuse;
pub(crate) mod lower;
pub(crate) mod place;
mod recompute;
mod verify;

use crate::graph::Graph;
use crate::{Field, Space};
pub(crate) use explain::Measured;
use lower::Program;
use place::Placement;

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
        let mut program = lower::lower(graph, &outputs);
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
                lower::Source::Input(index) => Some(index),
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

    /// Values per row that are kept in memory between groups, by space.
    pub fn stored_width(&self, space: Space) -> usize {
        let values = self.program.values.iter().zip(&self.placement.places);
        values
            .filter(|(value, place)| value.space == space && **place == place::Place::Stored)
            .map(|(value, _)| value.width)
            .sum()
    }
}
