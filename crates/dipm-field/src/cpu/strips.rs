//! Matrices that many rows are multiplied with, laid out in strips of columns beforehand.
//!
//! Every tile reads the whole matrix. Where it lies row by row, the short pieces that a strip takes of each
//! row come slowly from memory, and every tile copies them together again. So before a stage runs, its
//! large matrices are laid out in strips once; they are kept until the stage ends.

use super::contract;
use super::instruction::{Contraction, Instruction, Operand, OperandRows, Work};
use super::lanes::Lanes;
use super::stage::Stage;
use crate::Space;
use crate::plan::place::Place;

/// Columns that are laid out at a time: a whole number of strips of every instruction set.
pub(super) const BLOCK: usize = 32;
/// Entries from which on a matrix is laid out.
const LARGE: usize = 1 << 12;
/// Rows from which on laying out is worthwhile: more than one tile.
const MANY_ROWS: usize = 192;

/// Takes the large matrices of contractions over the rows of `domain`, and returns the stage that lays
/// them out, in blocks of columns. Each gets a value of its own, numbered from `values` on, whose size is
/// added to `sizes`.
pub(super) fn stage(
    domain: Space,
    instructions: &mut [Instruction],
    values: usize,
    sizes: &mut Vec<usize>,
) -> Option<Box<Stage>> {
    let mut layouts: Vec<Instruction> = vec![];
    for instruction in instructions {
        let Work::Contract(contraction, strips) = &mut instruction.work else {
            continue;
        };
        let matrix = &instruction.operands[1];
        let size = contraction.k * contraction.n;
        let is_by_columns = contraction.column_stride != 1;
        if domain == Space::Const || size < LARGE || is_by_columns || !is_read_whole(matrix) {
            continue;
        }
        let is_same = |known: &&Instruction| match &known.work {
            Work::Strips(other) => {
                known.operands[0] == *matrix
                    && (other.k, other.n, other.matrix_stride)
                        == (contraction.k, contraction.n, contraction.matrix_stride)
            }
            _ => false,
        };
        if let Some(known) = layouts.iter().find(is_same) {
            *strips = Some(known.output);
            continue;
        }
        let output = values + sizes.len();
        sizes.push(contraction.k * contraction.n.next_multiple_of(BLOCK));
        *strips = Some(output);
        layouts.push(Instruction {
            step: instruction.step,
            work: Work::Strips(contraction.clone()),
            operands: vec![matrix.clone()],
            output,
            output_place: Place::Stored,
            width: 0,
            operations: 0,
            worked_through: Space::Const,
        });
    }
    if layouts.is_empty() {
        return None;
    }
    Some(Box::new(Stage {
        allocate: layouts.iter().map(|layout| layout.output).collect(),
        instructions: layouts,
        ..Stage::in_blocks(Space::Const)
    }))
}

/// Whether matrices are laid out for so many rows of a stage.
pub(super) fn is_worthwhile(rows: usize) -> bool {
    rows >= MANY_ROWS
}

/// Whether an operand is one matrix in memory, the same for all rows.
fn is_read_whole(operand: &Operand) -> bool {
    operand.rows == OperandRows::Single
        && !matches!(operand.place, Place::Scratch(_))
        && operand.packed.is_none()
}

/// Lays out the strips of one block of columns.
///
/// # Safety
/// `matrix` must be readable with the sizes and the stride of the contraction, and `to` writable for its
/// rows × its columns, rounded up to whole blocks.
#[inline(always)]
pub(super) unsafe fn lay_out<L: Lanes>(
    sizes: &Contraction,
    matrix: *const L::T,
    block: usize,
    to: *mut L::T,
) {
    let end = sizes.n.min((block + 1) * BLOCK);
    for column in (block * BLOCK..end).step_by(2 * L::N) {
        let width = (sizes.n - column).min(2 * L::N);
        unsafe {
            let from = (matrix.add(column), sizes.matrix_stride);
            contract::copy_strip::<L>(from, sizes.k, width, to.add(column * sizes.k));
        }
    }
}
