//! Steps of the plan made ready for kernels: loops collapsed, offsets and programs computed.

use super::expression::ExpressionProgram;
use super::gemm::Blocks;
use super::product::ProductProgram;
use super::view::Nest;
use crate::functions::{Binary, Unary};
use crate::plan::access::{Access, Rows, dense_strides};
use crate::plan::lower::{Fold, Kernel, Step};
use crate::plan::place::Place;
use crate::{Half, Map, Plan, Space};

/// Where an operand is read.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub value: usize,
    pub place: Place,
    pub rows: OperandRows,
    pub row_stride: usize,
    pub offset: usize,
    /// The format of its numbers, if not that of the executor; strides count these numbers.
    pub packed: Option<Half>,
}

/// Which row of an operand belongs to a row of the tile; maps by their number in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperandRows {
    Single,
    Same,
    Via(usize),
}

/// What to do, with everything that does not depend on the batch.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Unary(Unary, Nest),
    Binary(Binary, Nest),
    Select(Nest),
    Expression(Box<ExpressionProgram>),
    Copy(Nest),
    /// Zeros, then a copy into the output from an offset.
    Pad(Nest, usize),
    /// Copies into the output from an offset each.
    Concat(Vec<(Nest, usize)>),
    SumAxes(Nest),
    MaxAxes(Nest),
    Contract(Contraction),
    /// With the offset of the output in the accumulators.
    ContractAll(Contraction, usize),
    ContractInto(Contraction, usize),
    /// With the space of the rows, and the map to the rows of the output unless there is only one.
    ContractBlocks(Contraction, Blocks, Space, Option<usize>),
    Product(Box<ProductProgram>),
    /// With the offset of the output in the accumulators.
    SumAll(usize),
    FoldReceiver(Fold),
    FoldInto(Fold, usize),
    Pack(Half),
    Unpack(Half),
}

/// Sizes and leading offsets of a contraction.
#[derive(Clone, Debug)]
pub(crate) struct Contraction {
    pub k: usize,
    pub n: usize,
    /// Offsets of the leading axes in the left and right (or output) operand.
    pub leads: [Vec<usize>; 2],
    /// Stride between the rows of the matrix.
    pub matrix_stride: usize,
}

/// A step, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub step: usize,
    pub work: Work,
    pub operands: Vec<Operand>,
    pub output: usize,
    pub output_place: Place,
    pub width: usize,
    /// Floating-point operations per row of the domain.
    pub operations: usize,
}

/// Makes the instructions of one group; `accumulators` grows by what they add up over all rows.
pub(crate) fn instructions(
    plan: &Plan,
    group: usize,
    accumulators: &mut usize,
) -> Vec<Instruction> {
    let steps = &plan.placement.groups[group].steps;
    steps
        .iter()
        .map(|&step| instruction(plan, step, accumulators))
        .collect()
}

fn instruction(plan: &Plan, index: usize, accumulators: &mut usize) -> Instruction {
    let program = &plan.program;
    let step = &program.steps[index];
    let width = program.values[step.output].width;
    let map_number = |map: Map| {
        program
            .maps
            .iter()
            .position(|&known| known == map)
            .expect("maps that are read are listed")
    };
    let operands = step
        .operands
        .iter()
        .map(|access| Operand {
            value: access.value,
            place: plan.placement.places[access.value],
            rows: match access.rows {
                Rows::Single => OperandRows::Single,
                Rows::Same => OperandRows::Same,
                Rows::Via(map) => OperandRows::Via(map_number(map)),
            },
            row_stride: access.row_stride,
            offset: access.offset,
            packed: program.values[access.value].packed,
        })
        .collect();
    let mut accumulate = || {
        let offset = *accumulators;
        *accumulators += width.next_multiple_of(16);
        offset
    };
    let work = match &step.kernel {
        Kernel::Unary(function) => Work::Unary(*function, nest(step, width)),
        Kernel::Binary(function) => Work::Binary(*function, nest(step, width)),
        Kernel::Select => Work::Select(nest(step, width)),
        Kernel::Expression(expression) => {
            let nest = nest(step, width);
            Work::Expression(Box::new(ExpressionProgram::new(expression, nest)))
        }
        Kernel::Copy => Work::Copy(nest(step, width)),
        Kernel::Pad { axis, start } => {
            let (nest, offset) = part(step, &step.operands[0], *axis, *start, width);
            Work::Pad(nest, offset)
        }
        Kernel::Concat { axis } => {
            let mut start = 0;
            let mut copies = vec![];
            for operand in &step.operands {
                copies.push(part(step, operand, *axis, start, width));
                start += operand.shape[*axis];
            }
            Work::Concat(copies)
        }
        Kernel::SumAxes { mask } | Kernel::MaxAxes { mask } => {
            let mut strides = dense_strides(&step.shape);
            for (axis, stride) in strides.iter_mut().enumerate() {
                if mask >> axis & 1 == 1 {
                    *stride = 0;
                }
            }
            let x = &step.operands[0];
            let nest = Nest::new(&x.shape, &[&strides, &x.strides], &[None, None]);
            match step.kernel {
                Kernel::SumAxes { .. } => Work::SumAxes(nest),
                _ => Work::MaxAxes(nest),
            }
        }
        Kernel::Contract => {
            let (x, w) = (&step.operands[0], &step.operands[1]);
            let (k, n) = (w.shape[0], w.shape[1]);
            let to: Vec<usize> = (0..width / n).map(|lead| lead * n).collect();
            let leads = [leading_offsets(x), to];
            Work::Contract(Contraction {
                k,
                n,
                leads,
                matrix_stride: w.strides[0],
            })
        }
        Kernel::ContractAll => Work::ContractAll(rows_contraction(step), accumulate()),
        Kernel::ContractInto(map) => Work::ContractInto(rows_contraction(step), map_number(*map)),
        Kernel::ContractBlocks(map) => {
            let number = (!matches!(map, Map::All(_))).then(|| map_number(*map));
            let blocks = Blocks::new(step.shape[0], step.shape[1]);
            Work::ContractBlocks(rows_contraction(step), blocks, map.source(), number)
        }
        Kernel::Product { table, open } => {
            let table = &program.tables[*table];
            let strides: Vec<usize> = step
                .operands
                .iter()
                .map(|access| access.strides[0])
                .collect();
            let channels = step
                .operands
                .iter()
                .find_map(|x| x.shape.get(1).copied())
                .unwrap_or(1);
            Work::Product(Box::new(ProductProgram::new(
                table, *open, &strides, channels,
            )))
        }
        Kernel::SumAll => Work::SumAll(accumulate()),
        Kernel::FoldReceiver(fold) => Work::FoldReceiver(*fold),
        Kernel::FoldInto(fold, map) => Work::FoldInto(*fold, map_number(*map)),
        Kernel::Pack(half) => Work::Pack(*half),
        Kernel::Unpack(half) => Work::Unpack(*half),
    };
    let operations = match &work {
        Work::Contract(c)
        | Work::ContractAll(c, _)
        | Work::ContractInto(c, _)
        | Work::ContractBlocks(c, ..) => 2 * c.k * c.n * c.leads[0].len(),
        Work::Product(program) => 2 * program.operations,
        Work::Concat(_) | Work::Copy(_) | Work::Pad(..) | Work::Pack(_) | Work::Unpack(_) => 0,
        Work::Expression(program) => width * program.operations(),
        Work::SumAxes(nest) | Work::MaxAxes(nest) => nest.lengths.iter().product(),
        _ => width,
    };
    Instruction {
        step: index,
        work,
        operands,
        output: step.output,
        output_place: plan.placement.places[step.output],
        width,
        operations,
    }
}

/// Distance between rows of an operand, where they are evenly spaced.
fn row_stride(access: &Access) -> Option<usize> {
    match access.rows {
        Rows::Single => Some(0),
        Rows::Same => Some(access.row_stride),
        Rows::Via(_) => None,
    }
}

/// Loops over all entries of a step whose operands have the shape of its output.
fn nest(step: &Step, width: usize) -> Nest {
    let output = dense_strides(&step.shape);
    let mut strides: Vec<&[usize]> = vec![&output];
    let mut rows = vec![Some(width)];
    for access in &step.operands {
        debug_assert_eq!(access.shape, step.shape, "operand of {:?}", step.kernel);
        strides.push(&access.strides);
        rows.push(row_stride(access));
    }
    Nest::new(&step.shape, &strides, &rows)
}

/// Loops that copy `operand` into the output, from `start` of `axis`; and its offset there.
fn part(step: &Step, operand: &Access, axis: usize, start: usize, width: usize) -> (Nest, usize) {
    let output = dense_strides(&step.shape);
    let rows = [Some(width), row_stride(operand)];
    (
        Nest::new(&operand.shape, &[&output, &operand.strides], &rows),
        start * output[axis],
    )
}

/// Offsets of all positions of the axes before the last, row-major.
fn leading_offsets(access: &Access) -> Vec<usize> {
    let rank = access.shape.len();
    let mut offsets = vec![0];
    for axis in 0..rank - 1 {
        let (length, stride) = (access.shape[axis], access.strides[axis]);
        offsets = offsets
            .iter()
            .flat_map(|&offset| (0..length).map(move |i| offset + i * stride))
            .collect();
    }
    offsets
}

fn rows_contraction(step: &Step) -> Contraction {
    let (x, y) = (&step.operands[0], &step.operands[1]);
    Contraction {
        k: step.shape[0],
        n: step.shape[1],
        leads: [leading_offsets(x), leading_offsets(y)],
        matrix_stride: step.shape[1],
    }
}
