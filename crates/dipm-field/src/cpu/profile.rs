//! Where the time goes: per group of the plan and per kind of operation.

use super::{Executor, Scalar};
use crate::Space;
use crate::plan::program::Kernel;

/// Time and size of one group of the plan, over all runs so far.
#[derive(Clone, Debug)]
pub struct GroupProfile {
    /// Number of the group, in order of execution.
    pub group: usize,
    /// Space whose rows it walks over.
    pub space: Space,
    /// Number of operations.
    pub operations: usize,
    /// Floating-point operations per row.
    pub flops_per_row: usize,
    /// Values per row in the tile's scratch.
    pub scratch_width: usize,
    /// Seconds, wall time, per run.
    pub seconds: f64,
    /// Share of the time of all groups.
    pub share: f64,
}

impl<T: Scalar> Executor<T> {
    /// Times every single operation from now on, at some cost, for [`Executor::operation_times`].
    pub fn time_operations(&mut self, on: bool) {
        self.time_steps = on;
    }

    /// Forgets the times measured so far.
    pub fn reset_times(&mut self) {
        self.runs = 0;
        for stage in &mut self.stages {
            stage.nanoseconds = 0;
        }
        for workspace in &mut self.workspaces {
            workspace.nanoseconds.fill(0);
        }
    }

    /// Time and size of every group, in order of execution.
    pub fn group_profiles(&self) -> Vec<GroupProfile> {
        let total: u64 = self.stages.iter().map(|stage| stage.nanoseconds).sum();
        let profile = |(group, stage): (usize, &super::Stage)| GroupProfile {
            group,
            space: stage.domain,
            operations: stage.instructions.len(),
            flops_per_row: stage.instructions.iter().map(|i| i.operations).sum(),
            scratch_width: stage.scratch_width,
            seconds: stage.nanoseconds as f64 * 1e-9 / self.runs.max(1) as f64,
            share: stage.nanoseconds as f64 / total.max(1) as f64,
        };
        self.stages.iter().enumerate().map(profile).collect()
    }

    /// Seconds per run in each kind of operation, most first; needs [`Executor::time_operations`].
    pub fn operation_times(&self) -> Vec<(&'static str, f64)> {
        let mut times: Vec<(&'static str, f64)> = vec![];
        for (index, step) in self.plan.program.steps.iter().enumerate() {
            let kind = kind(&step.kernel);
            let nanoseconds: u64 = self.workspaces.iter().map(|w| w.nanoseconds[index]).sum();
            let seconds = nanoseconds as f64 * 1e-9 / self.runs.max(1) as f64;
            match times.iter_mut().find(|known| known.0 == kind) {
                Some(known) => known.1 += seconds,
                None => times.push((kind, seconds)),
            }
        }
        times.sort_by(|a, b| b.1.total_cmp(&a.1));
        times
    }

    /// The plan as text, with the time share of each group as measured so far and, if operations
    /// were timed, of each operation.
    pub fn explain(&self) -> String {
        let profiles = self.group_profiles();
        let nanoseconds: Vec<u64> = (0..self.plan.program.steps.len())
            .map(|step| self.workspaces.iter().map(|w| w.nanoseconds[step]).sum())
            .collect();
        let rows = |space: Space| super::rows_of(&self.rows, space);
        let flops: Vec<usize> = {
            let mut flops = vec![0; self.plan.program.steps.len()];
            for instruction in self.stages.iter().flat_map(|stage| &stage.instructions) {
                let rows = rows(instruction.worked_through);
                flops[instruction.step] = instruction.operations * rows;
            }
            flops
        };
        let shares: Vec<f64> = profiles.iter().map(|profile| profile.share).collect();
        let measured = crate::plan::Measured {
            shares: &shares,
            nanoseconds: &nanoseconds,
            runs: self.runs,
            rows: &rows,
            size: size_of::<T>(),
        };
        self.plan.explain_with(&flops, Some(&measured))
    }
}

/// The kind of operation that a step is, for summaries.
pub(crate) fn kind(kernel: &Kernel) -> &'static str {
    match kernel {
        Kernel::Unary(_) | Kernel::Binary(_) | Kernel::Select | Kernel::Expression(_) => {
            "pointwise"
        }
        Kernel::Copy | Kernel::Pad { .. } | Kernel::Concat { .. } => "copy",
        Kernel::SumAxes { .. } | Kernel::MaxAxes { .. } => "inner sum",
        Kernel::Contract => "contract",
        Kernel::ContractAll | Kernel::ContractInto(_) | Kernel::ContractBlocks(_) => {
            "contract rows"
        }
        Kernel::Product { .. } | Kernel::ProductSum { .. } => "product",
        Kernel::SumAll | Kernel::FoldReceiver(_) | Kernel::FoldInto(..) => "row sum",
        Kernel::Pack(_) | Kernel::Unpack(_) => "16 bits",
    }
}
