//! Steps of the plan made ready for kernels: loops collapsed, offsets and programs computed.

use super::contract;
use super::expression::ExpressionProgram;
use super::gemm::Blocks;
use super::product::ProductProgram;
use super::view::Nest;
use crate::functions::{Binary, Unary};
use crate::plan::access::{Access, Rows, dense_strides};
use crate::plan::place::Place;
use crate::plan::program::{Fold, Kernel, Step};
use crate::{Half, Map, Plan, ProductTable, Space};

/// Smaller side, and entries, from which on a matrix makes packing its operands worthwhile.
const PACKED_SIDE: usize = 12;
const PACKED_MATRIX: usize = 1 << 11;

/// Where an operand is read.
#[derive(Clone, Debug, PartialEq)]
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

/// Which products are added up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum {
    /// Those of the edges of a receiver in the tile.
    Receivers,
    /// Those of the rows that a map, by its number, sends to a row of the tile.
    Rows(usize),
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
    /// With the value that holds the matrix in strips where it is laid out so.
    Contract(Contraction, Option<usize>),
    /// The matrix of a contraction in strips, see [`super::strips`].
    Strips(Contraction),
    /// With the blocks to compute unless the matrix is small, and the offset of the output in the
    /// accumulators.
    ContractAll(Contraction, Option<Blocks>, usize),
    ContractInto(Contraction, usize),
    /// With the space of the rows, and the map to the rows of the output unless there is only one.
    ContractBlocks(Contraction, Blocks, Space, Option<usize>),
    /// The terms with their numbers of operands, and what is added up.
    Product(Vec<(ProductProgram, usize)>, Option<Sum>),
    /// With the offset of the output in the accumulators.
    SumAll(usize),
    FoldReceiver(Fold),
    FoldInto(Fold, usize),
    Pack(Half),
    Unpack(Half),
}

impl Work {
    /// Numbers of scratch that the kernel needs beside the tile's, for numbers of `size` bytes.
    pub fn kernel_scratch(&self, size: usize) -> usize {
        match self {
            Self::Contract(..) => contract::scratch(size),
            Self::ContractAll(_, Some(blocks), _) | Self::ContractBlocks(_, blocks, ..) => {
                blocks.scratch()
            }
            Self::Product(terms, _) => {
                let needed = terms.iter().map(|term| term.0.scratch());
                needed.max().unwrap_or(0)
            }
            _ => 0,
        }
    }
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
    /// Stride between its columns: 1, or its rows lie side by side.
    pub column_stride: usize,
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
    /// Floating-point operations per row of the space that is worked through.
    pub operations: usize,
    /// The domain, or what its rows are sums over.
    pub worked_through: Space,
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
            let sizes = Contraction {
                k,
                n,
                leads,
                matrix_stride: w.strides[0],
                column_stride: w.last_stride(),
            };
            Work::Contract(sizes, None)
        }
        Kernel::ContractAll => {
            let sizes = rows_contraction(step);
            let is_small = sizes.k.min(sizes.n) < PACKED_SIDE || width < PACKED_MATRIX;
            let blocks = (!is_small).then(|| Blocks::new(sizes.k, sizes.n));
            Work::ContractAll(sizes, blocks, accumulate())
        }
        Kernel::ContractInto(map) => Work::ContractInto(rows_contraction(step), map_number(*map)),
        Kernel::ContractBlocks(map) => {
            let number = (!matches!(map, Map::All(_))).then(|| map_number(*map));
            let blocks = Blocks::new(step.shape[0], step.shape[1]);
            Work::ContractBlocks(rows_contraction(step), blocks, map.source(), number)
        }
        Kernel::Product { table, open } => {
            let table = &program.tables[*table];
            let program = product(table, *open, &step.operands);
            Work::Product(vec![(program, step.operands.len())], None)
        }
        Kernel::ProductSum { terms, map } => {
            let mut operands = &step.operands[..];
            let programs = terms.iter().map(|term| {
                let (own, others) = operands.split_at(term.num_operands);
                operands = others;
                let program = product(&program.tables[term.table], term.open, own);
                (program, term.num_operands)
            });
            let programs = programs.collect();
            let sum = match map {
                Map::Receiver => Sum::Receivers,
                map => Sum::Rows(map_number(*map)),
            };
            Work::Product(programs, Some(sum))
        }
        Kernel::SumAll => Work::SumAll(accumulate()),
        Kernel::FoldReceiver(fold) => Work::FoldReceiver(*fold),
        Kernel::FoldInto(fold, map) => Work::FoldInto(*fold, map_number(*map)),
        Kernel::Pack(half) => Work::Pack(*half),
        Kernel::Unpack(half) => Work::Unpack(*half),
    };
    let operations = match &work {
        Work::Contract(c, _)
        | Work::ContractAll(c, ..)
        | Work::ContractInto(c, _)
        | Work::ContractBlocks(c, ..) => 2 * c.k * c.n * c.leads[0].len(),
        Work::Product(terms, _) => terms.iter().map(|term| 2 * term.0.operations).sum(),
        Work::Concat(_) | Work::Copy(_) | Work::Pad(..) | Work::Pack(_) | Work::Unpack(_) => 0,
        Work::Strips(_) => 0,
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
        worked_through: step.inverse().map_or(step.domain, Map::source),
    }
}

fn product(table: &ProductTable, open: usize, operands: &[Access]) -> ProductProgram {
    let strides: Vec<usize> = operands.iter().map(|access| access.strides[0]).collect();
    let channels = operands.iter().find_map(|x| x.shape.get(1).copied());
    ProductProgram::new(table, open, &strides, channels.unwrap_or(1))
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
        column_stride: 1,
    }
}
