//! A vector that is added to a contraction becomes what the contraction starts from.

use super::access::{Access, Rows};
use super::place::users;
use super::program::{Kernel, Program, Source};
use crate::Space;
use crate::functions::Binary;

/// Gives contractions the vector that is added to each of their rows as a third operand.
pub(super) fn start_from_biases(program: &mut Program) {
    let users = users(program);
    let mut is_dead = vec![false; program.steps.len()];
    for index in 0..program.steps.len() {
        let step = &program.steps[index];
        let (Kernel::Binary(Binary::Add), [x, y]) = (&step.kernel, &step.operands[..]) else {
            continue;
        };
        let contraction = |access: &Access| only_here(program, &users, index, access);
        let (writer, bias) = match (contraction(x), contraction(y)) {
            (Some(writer), _) if is_bias(y) => (writer, y.clone()),
            (_, Some(writer)) if is_bias(x) => (writer, x.clone()),
            _ => continue,
        };
        let mut operands = program.steps[writer].operands.clone();
        operands.push(bias);
        is_dead[writer] = true;
        let step = &mut program.steps[index];
        (step.kernel, step.operands) = (Kernel::Contract, operands);
    }
    let order: Vec<usize> = (0..is_dead.len()).filter(|&i| !is_dead[i]).collect();
    program.take_steps(&order);
}

/// The contraction over the same rows whose result `access` reads whole, if nothing but step `reader`
/// reads it and it starts from zero.
fn only_here(
    program: &Program,
    users: &[Vec<usize>],
    reader: usize,
    access: &Access,
) -> Option<usize> {
    let value = &program.values[access.value];
    let Source::Step(writer) = value.source else {
        return None;
    };
    let (step, own) = (&program.steps[writer], program.steps[reader].domain);
    if !matches!(step.kernel, Kernel::Contract) {
        return None;
    }
    let is_whole = access.is_dense()
        && access.offset == 0
        && access.shape.iter().product::<usize>() == value.width
        && access.shape.last() == step.shape.last()
        && (access.rows == Rows::Same || value.space == Space::Const);
    let fits = step.domain == own
        && step.operands.len() == 2
        && users[access.value] == [reader]
        && !program.is_output(access.value);
    (is_whole && fits).then_some(writer)
}

/// Whether an operand is one vector, the same for all rows and leading axes.
fn is_bias(access: &Access) -> bool {
    let leading = access.strides.len().saturating_sub(1);
    access.rows == Rows::Single
        && access.last_stride() == 1
        && access.strides[..leading].iter().all(|&stride| stride == 0)
}
