//! Steps, and the values that they read and write.

use super::access::{Access, ValueId};
use super::expression::Expression;
use crate::functions::{Binary, Unary};
use crate::{Half, InputSpec, Map, ProductTable, Space};
use std::sync::Arc;

/// Where the values of a [`Value`] come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Bound at run time.
    Input(usize),
    /// A tensor of the graph.
    Constant(usize),
    /// A number: its bits.
    Literal(u64),
    /// Written by a step.
    Step(usize),
    /// Of a step that has become part of another one.
    Nowhere,
}

/// An array `[rows(space), width]`, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub source: Source,
    pub space: Space,
    pub width: usize,
    /// The format of 16 bits that the numbers may be rounded to where they are kept between groups.
    pub kept_as: Option<Half>,
    /// The format that they are in, two of them in the place of one, if not that of the executor.
    pub packed: Option<Half>,
}

impl Value {
    /// Numbers of the executor's type that a row takes.
    pub fn slots(&self) -> usize {
        match self.packed {
            Some(_) => self.width.div_ceil(2),
            None => self.width,
        }
    }

    /// Distance between rows, in numbers of the value's own format.
    pub fn row_length(&self) -> usize {
        match self.packed {
            Some(_) => self.width.next_multiple_of(2),
            None => self.width,
        }
    }
}

/// What a step computes for each row of its domain.
#[derive(Clone, Debug)]
pub(crate) enum Kernel {
    Unary(Unary),
    Binary(Binary),
    Select,
    Expression(Expression),
    Copy,
    /// Zeros, then the operand into the rest of the output's access.
    Pad {
        axis: usize,
        start: usize,
    },
    Concat {
        axis: usize,
    },
    SumAxes {
        mask: u8,
    },
    MaxAxes {
        mask: u8,
    },
    /// Operand 0 `[.., K]` times operand 1 `[K, N]`, plus the vector `[N]` of operand 2 if there is one.
    Contract,
    /// Σ over the rows of the domain, into the only row of a Const value.
    ContractAll,
    /// Σ over the source rows that belong to a row of the domain.
    ContractInto(Map),
    /// The same for large matrices, block by block of the matrix.
    ContractBlocks(Map),
    Product {
        table: usize,
        open: usize,
    },
    /// Σ of products: over the edges of a receiver, with the domain Edges, or else over the source rows
    /// that belong to a row of the domain.
    ProductSum {
        terms: Vec<Term>,
        map: Map,
    },
    /// Σ over the rows of the domain, into the only row of a Const value.
    SumAll,
    /// Over the edges of a receiver; the domain is Edges.
    FoldReceiver(Fold),
    /// Over the source rows that belong to a row of the domain.
    FoldInto(Fold, Map),
    /// Rounds to 16 bits.
    Pack(Half),
    /// The numbers of a packed value.
    Unpack(Half),
}

/// One product of a sum, and how many operands it has; they follow each other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Term {
    pub table: usize,
    pub open: usize,
    pub num_operands: usize,
}

/// How the rows that a map sends to one row are made one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fold {
    Sum,
    Max,
}

/// One computation of one value.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub kernel: Kernel,
    /// The space whose rows are walked over.
    pub domain: Space,
    pub output: ValueId,
    /// Inner shape of the output.
    pub shape: Vec<usize>,
    pub operands: Vec<Access>,
}

impl Step {
    /// Whether the output is complete only after the last row of the domain.
    pub fn is_reduction(&self) -> bool {
        matches!(self.kernel, Kernel::ContractAll | Kernel::SumAll) || self.is_by_receiver()
    }

    /// Whether the output is a sum over the edges of a receiver, computed with the edges.
    pub fn is_by_receiver(&self) -> bool {
        match &self.kernel {
            Kernel::FoldReceiver(_) => true,
            Kernel::ProductSum { map, .. } => *map == Map::Receiver,
            _ => false,
        }
    }

    /// The map that the rows of a row of the domain are found by.
    pub fn inverse(&self) -> Option<Map> {
        match &self.kernel {
            Kernel::ContractInto(map) | Kernel::ContractBlocks(map) | Kernel::FoldInto(_, map) => {
                Some(*map)
            }
            Kernel::ProductSum { map, .. } => (*map != Map::Receiver).then_some(*map),
            _ => None,
        }
    }

    /// Whether the operands are read whole, not row by row.
    pub fn reads_whole(&self) -> bool {
        self.inverse().is_some()
    }

    /// Whether the work is cut into blocks of the output instead of rows of the domain.
    pub fn in_blocks(&self) -> bool {
        matches!(self.kernel, Kernel::ContractBlocks(_))
    }
}

/// The steps that compute some outputs, in a valid order.
pub(crate) struct Program {
    pub values: Vec<Value>,
    pub steps: Vec<Step>,
    pub inputs: Vec<InputSpec>,
    pub constants: Vec<Arc<Vec<f64>>>,
    pub tables: Vec<Arc<ProductTable>>,
    pub outputs: Vec<(String, ValueId)>,
    /// Maps that are read.
    pub maps: Vec<Map>,
    /// Tables of parameters with their fixed number of rows.
    pub table_rows: Vec<(Space, usize)>,
}

impl Program {
    /// Whether a value is one of the outputs.
    pub fn is_output(&self, value: ValueId) -> bool {
        self.outputs.iter().any(|output| output.1 == value)
    }

    /// Keeps the steps of these numbers, in this order.
    pub fn take_steps(&mut self, order: &[usize]) {
        for value in &mut self.values {
            if let Source::Step(_) = value.source {
                value.source = Source::Nowhere;
            }
        }
        self.steps = (order.iter())
            .map(|&index| self.steps[index].clone())
            .collect();
        for (index, step) in self.steps.iter().enumerate() {
            self.values[step.output].source = Source::Step(index);
        }
    }
}
