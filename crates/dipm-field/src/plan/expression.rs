//! Pointwise functions of several operands, computed in one pass.

use super::access::{Access, Rows};
use super::program::{Kernel, Step};
use crate::functions::{Binary, Unary};

/// Most operands of an expression.
pub(crate) const MAX_OPERANDS: usize = 8;
/// Most operations of an expression.
pub(crate) const MAX_OPERATIONS: usize = 16;
/// Entries in a row that every operand must offer, lest loops are too short to be worth it.
const SHORTEST_RUN: usize = 16;

/// A function of the operands of a step: operations in order, of which the last is the result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    pub operations: Vec<Operation>,
}

/// One operation; of the arguments as many count as the function has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Operation {
    pub function: Function,
    pub arguments: [Argument; 3],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    Unary(Unary),
    Binary(Binary),
    /// The second argument where the first is positive, else the third.
    Select,
    /// The first argument times the second, plus the third.
    MultiplyAdd,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Argument {
    /// An operand of the step.
    Operand(usize),
    /// The result of an earlier operation.
    Result(usize),
}

impl Function {
    /// Number of arguments.
    pub fn arity(self) -> usize {
        match self {
            Self::Unary(_) => 1,
            Self::Binary(_) => 2,
            Self::Select | Self::MultiplyAdd => 3,
        }
    }
}

impl Expression {
    /// What a pointwise step computes; none for other steps.
    pub fn of(kernel: &Kernel) -> Option<Self> {
        let function = match kernel {
            Kernel::Unary(function) => Function::Unary(*function),
            Kernel::Binary(function) => Function::Binary(*function),
            Kernel::Select => Function::Select,
            Kernel::Expression(expression) => return Some(expression.clone()),
            _ => return None,
        };
        let arguments = [0, 1, 2].map(|i| Argument::Operand(i.min(function.arity() - 1)));
        Some(Self {
            operations: vec![Operation {
                function,
                arguments,
            }],
        })
    }

    fn map(self, mut change: impl FnMut(Argument) -> Argument) -> impl Iterator<Item = Operation> {
        self.operations.into_iter().map(move |operation| Operation {
            arguments: operation.arguments.map(&mut change),
            ..operation
        })
    }

    /// With products that are only added to something as one operation with the sum.
    pub fn with_multiply_adds(mut self) -> Self {
        let mut index = 0;
        while index < self.operations.len() {
            let sum = self.operations[index];
            let product = |argument: Argument| match argument {
                Argument::Result(i) => {
                    let is_product = self.operations[i].function == Function::Binary(Binary::Mul);
                    is_product.then_some(i)
                }
                Argument::Operand(_) => None,
            };
            let [left, right, _] = sum.arguments;
            // every result has one reader, but x·y + x·y reads its product twice
            let found = if sum.function != Function::Binary(Binary::Add) || left == right {
                None
            } else if let Some(i) = product(left) {
                Some((i, right))
            } else {
                product(right).map(|i| (i, left))
            };
            if let Some((i, other)) = found {
                let [a, b, _] = self.operations[i].arguments;
                self.operations[index] = Operation {
                    function: Function::MultiplyAdd,
                    arguments: [a, b, other],
                };
                self.operations.remove(i);
                let shift = |argument| match argument {
                    Argument::Result(j) if j > i => Argument::Result(j - 1),
                    other => other,
                };
                self = Self {
                    operations: self.map(shift).collect(),
                };
            } else {
                index += 1;
            }
        }
        self
    }
}

/// `user` with the pointwise step `writer`, which writes its operand `access`, as a part of it; none
/// where that is not possible or not worthwhile.
pub(super) fn absorbed(user: &Step, access: &Access, writer: &Step) -> Option<Step> {
    let (outer, inner) = (
        Expression::of(&user.kernel)?,
        Expression::of(&writer.kernel)?,
    );
    if inner.operations.len() + outer.operations.len() > MAX_OPERATIONS {
        return None;
    }
    let mut operands: Vec<Access> = vec![];
    let mut place = |operand: Access| {
        let known = operands.iter().position(|known| *known == operand);
        known.unwrap_or_else(|| {
            operands.push(operand);
            operands.len() - 1
        })
    };
    let from_inner: Option<Vec<usize>> = (writer.operands.iter())
        .map(|operand| Some(place(operand.reshape(&user.shape)?)))
        .collect();
    let from_inner = from_inner?;
    let from_outer: Vec<Option<usize>> = (user.operands.iter())
        .map(|operand| (operand != access).then(|| place(operand.clone())))
        .collect();
    let count = inner.operations.len();
    let inner = inner.map(|argument| match argument {
        Argument::Operand(i) => Argument::Operand(from_inner[i]),
        result => result,
    });
    let outer = outer.map(|argument| match argument {
        Argument::Operand(i) => match from_outer[i] {
            Some(place) => Argument::Operand(place),
            None => Argument::Result(count - 1),
        },
        Argument::Result(i) => Argument::Result(count + i),
    });
    let operations = inner.chain(outer).collect();
    let fits = operands.len() <= MAX_OPERANDS && runs_on(&user.shape, &operands);
    fits.then(|| Step {
        kernel: Kernel::Expression(Expression { operations }),
        operands,
        ..user.clone()
    })
}

/// Whether all operands can be read in order, or stand still, over many entries at a time.
fn runs_on(shape: &[usize], operands: &[Access]) -> bool {
    let mut axes = (0..shape.len()).rev().filter(|&axis| shape[axis] != 1);
    let Some(last) = axes.next() else {
        // one entry a row: the loop is over rows
        return operands.iter().all(|x| !matches!(x.rows, Rows::Via(_)));
    };
    if operands.iter().any(|x| x.strides[last] > 1) {
        return false;
    }
    let (mut run, mut inner) = (shape[last], last);
    for axis in axes {
        let joins = |x: &Access| x.strides[axis] == x.strides[inner] * shape[inner];
        if !operands.iter().all(joins) {
            return run >= SHORTEST_RUN;
        }
        run *= shape[axis];
        inner = axis;
    }
    let next_row = |x: &Access| match x.rows {
        Rows::Single => x.strides[inner] == 0,
        Rows::Same => x.row_stride == x.strides[inner] * shape[inner],
        Rows::Via(_) => false,
    };
    run >= SHORTEST_RUN || operands.iter().all(next_row)
}
