//! The plan as text.

use super::Plan;
use super::expression::Function;
use super::place::Place;
use super::program::Kernel;
use crate::Space;
use std::fmt::Write;

/// What an executor adds to the text: times, row counts, size of a number.
pub(crate) struct Measured<'a> {
    pub shares: &'a [f64],
    pub nanoseconds: &'a [u64],
    pub runs: u64,
    pub rows: &'a dyn Fn(Space) -> usize,
    pub size: usize,
}

impl Plan {
    /// The plan as text: groups with their operations, stored values, and work per row.
    pub fn explain(&self) -> String {
        self.explain_with(&vec![0; self.program.steps.len()], None)
    }

    /// `flops` holds the floating-point operations of every step in a run.
    pub(crate) fn explain_with(&self, flops: &[usize], measured: Option<&Measured<'_>>) -> String {
        let mut text = String::new();
        let (program, placement) = (&self.program, &self.placement);
        let line = |text: &mut String, args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("writing to a string");
            text.push('\n');
        };
        line(
            &mut text,
            format_args!(
                "{} operations in {} groups; stored values per row: edges {}, atoms {}, const {}",
                program.steps.len(),
                placement.groups.len(),
                self.stored_width(Space::Edges),
                self.stored_width(Space::Atoms),
                self.stored_width(Space::Const),
            ),
        );
        for (number, group) in placement.groups.iter().enumerate() {
            let stored: usize = group
                .steps
                .iter()
                .map(|&step| program.steps[step].output)
                .filter(|&value| placement.places[value] == Place::Stored)
                .filter(|&value| program.values[value].space == group.domain)
                .map(|value| program.values[value].slots())
                .sum();
            let work: usize = group.steps.iter().map(|&step| flops[step]).sum();
            let mut head = format!(
                "group {number} over {:?}: {} operations, scratch {} per row, stored {stored} per row",
                group.domain,
                group.steps.len(),
                group.scratch_width,
            );
            if let Some(measured) = measured {
                let rows = (measured.rows)(group.domain);
                write!(
                    head,
                    ", {:.2} MB, {:.1} MFLOP, {:.1} % of the time",
                    (stored * rows * measured.size) as f64 * 1e-6,
                    work as f64 * 1e-6,
                    measured.shares[number] * 100.0
                )
                .expect("writing to a string");
            }
            line(&mut text, format_args!("{head}"));
            for &index in &group.steps {
                let step = &program.steps[index];
                let mut row = format!("  #{index} {}", name(&step.kernel));
                write!(row, " → v{} {:?}", step.output, step.shape).expect("writing to a string");
                for operand in &step.operands {
                    write!(row, "  v{} {:?}", operand.value, operand.shape)
                        .expect("writing to a string");
                }
                if placement.places[step.output] == Place::Stored {
                    row.push_str("  stored");
                }
                if let Some(measured) = measured
                    && measured.nanoseconds[index] > 0
                {
                    let micros =
                        measured.nanoseconds[index] as f64 * 1e-3 / measured.runs.max(1) as f64;
                    write!(row, "  {micros:.0} µs").expect("writing to a string");
                    let work = flops[index] as f64;
                    write!(row, ", {:.1} GFLOP/s", work * 1e-3 / micros)
                        .expect("writing to a string");
                }
                line(&mut text, format_args!("{row}"));
            }
        }
        text
    }
}

fn name(kernel: &Kernel) -> String {
    match kernel {
        Kernel::Unary(function) => format!("{function:?}"),
        Kernel::Binary(function) => format!("{function:?}"),
        Kernel::Expression(expression) => {
            let functions =
                expression
                    .operations
                    .iter()
                    .map(|operation| match operation.function {
                        Function::Unary(function) => format!("{function:?}"),
                        Function::Binary(function) => format!("{function:?}"),
                        other => format!("{other:?}"),
                    });
            functions.collect::<Vec<_>>().join("+")
        }
        other => format!("{other:?}"),
    }
}
