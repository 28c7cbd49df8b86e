//! Values that are kept between groups in 16 bits a number: a step packs what its group computed, and
//! every other group that reads it unpacks it again, tile by tile, so that all arithmetic stays in the
//! number type of the executor.

use super::access::{Access, Rows, ValueId, dense_strides};
use super::place::{is_small, is_stored, users};
use super::program::{Kernel, Program, Source, Step, Value};
use crate::functions::{Binary, Unary};
use crate::graph::{Node, NodeId, Op};
use crate::{Half, Map, Space};
use std::collections::BTreeMap;

/// Fewest numbers of a row that are worth packing. Narrower values (energies of atoms, distances,
/// forces, norms) take little memory, and errors of rounding would show in them most.
const LEAST_WIDTH: usize = 8;

/// Adds steps that pack and unpack the values which are to be kept in 16 bits; `levels` holds the
/// level of each step.
pub(super) fn narrow(program: &mut Program, levels: &mut Vec<usize>) {
    if program.values.iter().all(|value| value.kept_as.is_none()) {
        return;
    }
    let users = users(program);
    let count = program.steps.len();
    // where a new step belongs: after (1) the step of this number
    let mut positions: Vec<(usize, u8)> = (0..count).map(|index| (index, 0)).collect();
    for index in 0..count {
        let value = program.steps[index].output;
        let Some(half) = packable(program, &users, levels, index) else {
            continue;
        };
        let packed = pack(program, levels, index, half);
        positions.push((index, 1));
        let mut unpacked = BTreeMap::new();
        for &user in &users[value] {
            if levels[user] == levels[index] {
                continue; // the value itself is still there
            }
            let whole = program.steps[user].reads_whole();
            for operand in 0..program.steps[user].operands.len() {
                let access = program.steps[user].operands[operand].clone();
                if access.value != value {
                    continue;
                }
                let access = if whole {
                    let row_stride = program.values[packed].row_length();
                    Access {
                        value: packed,
                        row_stride,
                        ..access
                    }
                } else {
                    let level = levels[user];
                    let copy = *unpacked.entry(level).or_insert_with(|| {
                        positions.push((user, 0));
                        unpack(program, levels, packed, level)
                    });
                    Access {
                        value: copy,
                        ..access
                    }
                };
                program.steps[user].operands[operand] = access;
            }
        }
    }
    let mut order: Vec<usize> = (0..program.steps.len()).collect();
    order.sort_by_key(|&index| (positions[index], index < count));
    *levels = order.iter().map(|&index| levels[index]).collect();
    program.take_steps(&order);
}

/// Nodes that are not rounded: arguments of functions that are singular at 0, which a small number may
/// become, and what a maximum depends on without a sum over rows or a matrix between: its derivative
/// compares them with it, perhaps computed again from what is stored, and finds none equal if the one was
/// rounded and the other not.
pub(super) fn kept_exactly(nodes: &[Node]) -> Vec<bool> {
    let mut exact = vec![false; nodes.len()];
    let mut compared = vec![];
    for (id, node) in nodes.iter().enumerate() {
        match node.op {
            Op::Max(x, _) | Op::MaxAxes(x, _) => {
                exact[id] = true;
                compared.push(x);
            }
            Op::Unary(Unary::Recip | Unary::Sqrt | Unary::Log, x)
            | Op::Binary(Binary::Div, _, x) => {
                exact[viewed(nodes, x)] = true;
            }
            Op::Unary(Unary::Power(exponent), x) if exponent < 0 => exact[viewed(nodes, x)] = true,
            _ => {}
        }
    }
    let mut seen = vec![false; nodes.len()];
    while let Some(id) = compared.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        exact[id] = true;
        let ends = matches!(
            nodes[id].op,
            Op::Contract(..) | Op::ContractRows(..) | Op::Sum(..) | Op::Max(..) | Op::Gather(..)
        );
        if !ends {
            compared.extend(nodes[id].op.operands());
        }
    }
    exact
}

/// The node whose values a node shows.
fn viewed(nodes: &[Node], mut id: NodeId) -> NodeId {
    while nodes[id].op.is_view() {
        id = nodes[id].op.operands()[0];
    }
    id
}

/// The format that the value of a step is to be packed in, where it is kept at all and every reader
/// can unpack it.
fn packable(
    program: &Program,
    users: &[Vec<usize>],
    levels: &[usize],
    index: usize,
) -> Option<Half> {
    let step = &program.steps[index];
    let value = &program.values[step.output];
    let half = value.kept_as?;
    let fits = value.width >= LEAST_WIDTH
        && value.space == step.domain
        && !is_small(value.space)
        && !step.is_reduction()
        && !program.is_output(step.output)
        && is_stored(program, users, levels, index);
    let readable = |&user: &usize| {
        let reader = &program.steps[user];
        let mut reads = reader.operands.iter().enumerate();
        reads.all(|(operand, access)| {
            access.value != step.output || is_readable(reader, operand, value)
        })
    };
    (fits && users[step.output].iter().all(readable)).then_some(half)
}

/// Whether a step can read an operand that is packed.
fn is_readable(reader: &Step, operand: usize, value: &Value) -> bool {
    let access = &reader.operands[operand];
    let own = access.rows == Rows::Same && access.row_stride == value.width;
    match &reader.kernel {
        // their operands are read where they lie, and unpacked on the way
        Kernel::FoldInto(..) => own,
        Kernel::ContractBlocks(_) => own && access.last_stride() == 1,
        Kernel::ContractInto(_) => false,
        Kernel::ProductSum { map, .. } if *map != Map::Receiver => false,
        // a matrix is read at once by all rows that use it
        Kernel::Contract if operand > 0 => false,
        // a gathered row would be unpacked again for each row that reads it
        _ => own && reader.domain == value.space,
    }
}

/// Adds the step that packs the value of step `index`.
fn pack(program: &mut Program, levels: &mut Vec<usize>, index: usize, half: Half) -> ValueId {
    let value = program.steps[index].output;
    let Value { space, width, .. } = program.values[value];
    let packed = Value {
        packed: Some(half),
        kept_as: None,
        ..program.values[value].clone()
    };
    let operand = dense(value, width);
    let step = (Kernel::Pack(half), space);
    push(program, levels, step, levels[index], packed, operand)
}

/// Adds a step that unpacks a value in a group of another level.
fn unpack(
    program: &mut Program,
    levels: &mut Vec<usize>,
    packed: ValueId,
    level: usize,
) -> ValueId {
    let value = &program.values[packed];
    let half = value.packed.expect("it was packed");
    let operand = Access {
        row_stride: value.row_length(),
        ..dense(packed, value.width)
    };
    let copy = Value {
        packed: None,
        ..value.clone()
    };
    let step = (Kernel::Unpack(half), value.space);
    push(program, levels, step, level, copy, operand)
}

fn dense(value: ValueId, width: usize) -> Access {
    Access {
        value,
        rows: Rows::Same,
        row_stride: width,
        offset: 0,
        shape: vec![width],
        strides: dense_strides(&[width]),
    }
}

fn push(
    program: &mut Program,
    levels: &mut Vec<usize>,
    (kernel, domain): (Kernel, Space),
    level: usize,
    mut output: Value,
    operand: Access,
) -> ValueId {
    output.source = Source::Step(program.steps.len());
    let shape = vec![output.width];
    program.values.push(output);
    levels.push(level);
    program.steps.push(Step {
        kernel,
        domain,
        output: program.values.len() - 1,
        shape,
        operands: vec![operand],
    });
    program.values.len() - 1
}
