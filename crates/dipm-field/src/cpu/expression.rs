//! Expressions over several operands: some vectors of each pass through all operations at a time.

use super::lanes::Lanes;
use super::pointwise::{self as functions, On, Pointwise};
use super::view::{Inner, Nest, View, load, store, walk};
use crate::functions::{Binary, Unary};
use crate::plan::expression::{Argument, Expression, Function, MAX_OPERANDS, MAX_OPERATIONS};

/// Vectors that pass through the operations together, so that finding out what to do costs little.
const VECTORS: usize = 4;

/// One operation. Arguments and result are numbers of slots: first those of results, then those of
/// operands.
#[derive(Clone, Copy, Debug)]
struct Operation {
    function: Function,
    arguments: [usize; 3],
    to: usize,
}

/// An expression with its loops, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct ExpressionProgram {
    operations: Vec<Operation>,
    nest: Nest,
    num_operands: usize,
}

impl ExpressionProgram {
    /// For an expression over the operands of `nest`.
    pub fn new(expression: &Expression, mut nest: Nest) -> Self {
        let expression = expression.clone().with_multiply_adds();
        let mut free: Vec<usize> = (0..MAX_OPERATIONS).rev().collect();
        let mut registers = vec![];
        let mut operations = vec![];
        for operation in &expression.operations {
            let arguments = operation.arguments.map(|argument| match argument {
                Argument::Operand(i) => MAX_OPERATIONS + i,
                Argument::Result(i) => registers[i],
            });
            // a result is read once only, so its slot can take the new one
            let mut done = arguments[..operation.function.arity()].to_vec();
            done.retain(|&slot| slot < MAX_OPERATIONS);
            done.sort_unstable();
            done.dedup();
            free.extend(done);
            let to = free.pop().expect("no more results than operations");
            registers.push(to);
            operations.push(Operation {
                function: operation.function,
                arguments,
                to,
            });
        }
        // loops of a fixed number of operands: the others stand still
        let axes = nest.lengths.len();
        let num_operands = nest.strides.len() - 1;
        nest.strides.resize(MAX_OPERANDS + 1, vec![0; axes]);
        Self {
            operations,
            nest,
            num_operands,
        }
    }

    /// Number of operations per entry.
    pub fn operations(&self) -> usize {
        self.operations.len()
    }
}

/// Evaluates the expression for every entry; of the operands only the first ones are read.
///
/// # Safety
/// The instruction set must be there and the views must cover the tile.
#[inline(always)]
pub(crate) unsafe fn evaluate<L: Lanes>(
    program: &ExpressionProgram,
    rows: usize,
    out: (*mut L::T, usize),
    operands: &[View<L::T>; MAX_OPERANDS],
) {
    unsafe {
        let last = program.nest.lengths.len() - 1;
        // every slot is written before it is read
        let mut slots = std::mem::MaybeUninit::<Slots<L>>::uninit();
        let slots = slots.as_mut_ptr().cast::<L::T>();
        let own: Pointers<L> = std::array::from_fn(|slot| slots.add(slot * VECTORS * L::N));
        let body = Evaluate {
            operations: &program.operations,
            result: program.operations.last().map_or(0, |last| last.to),
            own,
            num_operands: program.num_operands,
            out_stride: program.nest.strides[0][last],
            strides: std::array::from_fn(|i| program.nest.strides[i + 1][last]),
        };
        let body = On::<L, _>(body, std::marker::PhantomData);
        walk(&program.nest, rows, out, operands, &body);
    }
}

/// Some vectors of every slot.
type Slots<L> = [[<L as Lanes>::V; VECTORS]; MAX_OPERATIONS + MAX_OPERANDS];

/// Where the vectors of every slot are.
type Pointers<L> = [*mut <L as Lanes>::T; MAX_OPERATIONS + MAX_OPERANDS];

/// The operations in an innermost loop.
struct Evaluate<'a, L: Lanes> {
    operations: &'a [Operation],
    /// Slot of the value of the expression.
    result: usize,
    /// Memory of each slot; operands that are read in order are not copied there.
    own: Pointers<L>,
    num_operands: usize,
    out_stride: usize,
    strides: [usize; MAX_OPERANDS],
}

impl<L: Lanes> Inner<L::T, MAX_OPERANDS> for On<L, Evaluate<'_, L>> {
    #[inline(always)]
    unsafe fn run(&self, out: *mut L::T, from: [*const L::T; MAX_OPERANDS], length: usize) {
        unsafe {
            let mut pointers = self.0.own;
            // what stands still is spread out once
            let spread = length.div_ceil(L::N).min(VECTORS);
            for a in 0..self.0.num_operands {
                if self.0.strides[a] == 0 {
                    let x = L::splat(*from[a]);
                    for v in 0..spread {
                        L::store(pointers[MAX_OPERATIONS + a].add(v * L::N), x);
                    }
                }
            }
            let mut i = 0;
            if self.0.out_stride == 1 {
                while i + VECTORS * L::N <= length {
                    whole::<L, VECTORS>(&self.0, (out, i), &from, &mut pointers);
                    i += VECTORS * L::N;
                }
                while i + 2 * L::N <= length {
                    whole::<L, 2>(&self.0, (out, i), &from, &mut pointers);
                    i += 2 * L::N;
                }
                if i + L::N <= length {
                    whole::<L, 1>(&self.0, (out, i), &from, &mut pointers);
                    i += L::N;
                }
            }
            let Evaluate {
                operations,
                result,
                own,
                num_operands,
                out_stride,
                strides,
            } = &self.0;
            while i < length {
                let n = (length - i).min(L::N);
                for a in 0..*num_operands {
                    if strides[a] != 0 {
                        let slot = MAX_OPERATIONS + a;
                        pointers[slot] = own[slot];
                        let x = load::<L>(from[a].add(i * strides[a]), strides[a], n);
                        L::store(own[slot], x);
                    }
                }
                vectors::<L, 1>(operations, &pointers);
                store::<L>(
                    out.add(i * out_stride),
                    *out_stride,
                    n,
                    L::load(own[*result]),
                );
                i += n;
            }
        }
    }
}

/// `U` whole vectors from entry `i` on, written in order.
#[inline(always)]
unsafe fn whole<L: Lanes, const U: usize>(
    body: &Evaluate<'_, L>,
    (out, i): (*mut L::T, usize),
    from: &[*const L::T; MAX_OPERANDS],
    pointers: &mut Pointers<L>,
) {
    unsafe {
        for (a, &from) in from.iter().enumerate().take(body.num_operands) {
            let (slot, stride) = (MAX_OPERATIONS + a, body.strides[a]);
            if stride == 1 {
                pointers[slot] = from.add(i).cast_mut();
            } else if stride > 1 {
                for v in 0..U {
                    let entry = from.add((i + v * L::N) * stride);
                    L::store(pointers[slot].add(v * L::N), load::<L>(entry, stride, L::N));
                }
            }
        }
        vectors::<L, U>(body.operations, pointers);
        let result = body.own[body.result];
        for v in 0..U {
            L::store(out.add(i + v * L::N), L::load(result.add(v * L::N)));
        }
    }
}

/// Runs all operations on `U` vectors. Loops and no closures, which the compiler may leave outside of
/// the function that enables the instruction set.
#[inline(always)]
unsafe fn vectors<L: Lanes, const U: usize>(operations: &[Operation], pointers: &Pointers<L>) {
    unsafe {
        for operation in operations {
            let [x, y, z] = operation.arguments;
            let x = pointers.get_unchecked(x).cast_const();
            let y = pointers.get_unchecked(y).cast_const();
            let z = pointers.get_unchecked(z).cast_const();
            let to = *pointers.get_unchecked(operation.to);
            macro_rules! unary {
                ($function:expr) => {
                    for v in 0..U {
                        let x = L::load(x.add(v * L::N));
                        L::store(to.add(v * L::N), Pointwise::<L, 1>::eval($function, [x]));
                    }
                };
            }
            macro_rules! binary {
                ($function:path) => {
                    for v in 0..U {
                        let (x, y) = (L::load(x.add(v * L::N)), L::load(y.add(v * L::N)));
                        L::store(to.add(v * L::N), $function(x, y));
                    }
                };
            }
            macro_rules! ternary {
                ($function:path) => {
                    for v in 0..U {
                        let (x, y) = (L::load(x.add(v * L::N)), L::load(y.add(v * L::N)));
                        let z = L::load(z.add(v * L::N));
                        L::store(to.add(v * L::N), $function(x, y, z));
                    }
                };
            }
            match operation.function {
                Function::Binary(Binary::Mul) => binary!(L::mul),
                Function::MultiplyAdd => ternary!(L::fma),
                Function::Binary(Binary::Add) => binary!(L::add),
                Function::Binary(Binary::Sub) => binary!(L::sub),
                Function::Binary(Binary::Div) => binary!(L::div),
                Function::Select => ternary!(L::select),
                Function::Unary(function) => match function {
                    Unary::Neg => unary!(functions::Neg),
                    Unary::Recip => unary!(functions::Recip),
                    Unary::Sqrt => unary!(functions::Sqrt),
                    Unary::Exp => unary!(functions::Exp),
                    Unary::Log => unary!(functions::Log),
                    Unary::Sin => unary!(functions::Sin),
                    Unary::Cos => unary!(functions::Cos),
                    Unary::Tanh => unary!(functions::Tanh),
                    Unary::Sigmoid => unary!(functions::Sigmoid),
                    Unary::Silu(0) => unary!(functions::Silu0),
                    Unary::Silu(1) => unary!(functions::Silu1),
                    Unary::Silu(2) => unary!(functions::Silu2),
                    Unary::Silu(3) => unary!(functions::Silu3),
                    Unary::Silu(4) => unary!(functions::Silu4),
                    Unary::Silu(n) => panic!("derivative {n} of silu is not available"),
                    Unary::Abs => unary!(functions::Abs),
                    Unary::Sign => unary!(functions::Sign),
                    Unary::Step => unary!(functions::Step),
                    Unary::Power(n) => unary!(functions::Power(n)),
                },
            }
        }
    }
}
