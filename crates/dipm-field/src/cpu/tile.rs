//! A tile of rows, and where its operands lie.

use super::instruction::{Instruction, Operand, OperandRows};
use super::lanes::Number;
use super::view::View;
use crate::Space;
use crate::plan::place::Place;

/// The source rows of every target row of a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inverse {
    /// Rows of target t: `rows[bounds[t] .. bounds[t + 1]]`.
    pub bounds: Vec<usize>,
    pub rows: Vec<u32>,
}

impl Inverse {
    /// Source rows of a target row.
    pub fn of(&self, target: usize) -> impl ExactSizeIterator<Item = usize> + Clone + '_ {
        self.rows_of(target).iter().map(|&row| row as usize)
    }

    /// The same, as they are kept.
    pub fn rows_of(&self, target: usize) -> &[u32] {
        &self.rows[self.bounds[target]..self.bounds[target + 1]]
    }
}

/// Memory of one thread.
pub(crate) struct Workspace<T> {
    /// Scratch of a tile.
    pub scratch: super::arena::Arena<T>,
    /// Scratch of one kernel.
    pub kernel: super::arena::Arena<T>,
    pub offsets: [Vec<usize>; 2],
    pub order: Vec<u32>,
    /// Nanoseconds spent in each step, where steps are timed.
    pub nanoseconds: Vec<u64>,
}

/// One tile of rows with all that its instructions touch.
pub(crate) struct Tile<'a, T> {
    pub scratch: *mut T,
    /// Rows that the scratch has room for.
    pub capacity: usize,
    pub first: usize,
    pub rows: usize,
    /// Rows of every space.
    pub spaces: &'a [(Space, usize)],
    /// First row of every value that is not in scratch.
    pub bases: &'a [*mut T],
    pub maps: &'a [*const u32],
    pub inverses: &'a [Inverse],
    /// First receiver, and the edges of each receiver relative to the tile.
    pub receivers: (usize, &'a [usize]),
    pub accumulators: *mut T,
}

impl<T: Number> Tile<'_, T> {
    /// The rows of an operand that belong to the tile.
    pub unsafe fn view(&self, operand: &Operand) -> View<T> {
        unsafe {
            let whole = self.whole(operand);
            match (operand.place, operand.rows) {
                (_, OperandRows::Via(_)) => View {
                    index: whole.index.add(self.first),
                    ..whole
                },
                (Place::Scratch(_), _) => whole,
                _ => View {
                    ptr: whole.ptr.add(self.first * whole.row_stride),
                    ..whole
                },
            }
        }
    }

    /// All rows of an operand that is packed.
    pub unsafe fn packed(&self, operand: &Operand) -> View<u16> {
        unsafe {
            View {
                ptr: self.bases[operand.value].cast::<u16>().add(operand.offset),
                row_stride: operand.row_stride,
                index: std::ptr::null(),
            }
        }
    }

    /// All rows of an operand.
    pub unsafe fn whole(&self, operand: &Operand) -> View<T> {
        unsafe {
            let base: *const T = match operand.place {
                Place::Scratch(column) => self.scratch.add(column * self.capacity),
                _ => self.bases[operand.value],
            };
            let (row_stride, index) = match operand.rows {
                OperandRows::Single => (0, std::ptr::null()),
                OperandRows::Same => (operand.row_stride, std::ptr::null()),
                OperandRows::Via(map) => (operand.row_stride, self.maps[map]),
            };
            View {
                ptr: base.add(operand.offset),
                row_stride,
                index,
            }
        }
    }

    pub unsafe fn output(&self, instruction: &Instruction) -> *mut T {
        unsafe {
            match instruction.output_place {
                Place::Scratch(column) => self.scratch.add(column * self.capacity),
                // reductions take another pointer, and this one may lie outside
                _ => self.bases[instruction.output].wrapping_add(self.first * instruction.width),
            }
        }
    }
}
