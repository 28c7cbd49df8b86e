//! Pointwise steps whose value only one other pointwise step reads become part of that step, so that
//! the value passes through registers instead of memory.

use super::expression::{Expression, absorbed};
use super::place::{reads_own_row, users};
use super::program::{Program, Source};

/// Fuses pointwise steps that run in the same group; `levels` holds the level of each step.
pub(super) fn fuse(program: &mut Program, levels: &mut Vec<usize>) {
    let users = users(program);
    let mut alive = vec![true; program.steps.len()];
    for index in 0..program.steps.len() {
        if Expression::of(&program.steps[index].kernel).is_none() {
            continue;
        }
        let mut position = 0;
        while let Some(access) = program.steps[index].operands.get(position).cloned() {
            position += 1;
            let Source::Step(writer) = program.values[access.value].source else {
                continue;
            };
            let (step, source) = (&program.steps[index], &program.steps[writer]);
            let whole = access.is_dense()
                && access.offset == 0
                && program.values[access.value].width == access.shape.iter().product::<usize>();
            let one_way = (step.operands.iter())
                .all(|operand| operand.value != access.value || *operand == access);
            let fits = levels[writer] == levels[index]
                && whole
                && one_way
                && reads_own_row(program, step, &access)
                && users[access.value] == [index]
                && !program.is_output(access.value);
            if fits && let Some(fused) = absorbed(step, &access, source) {
                program.steps[index] = fused;
                alive[writer] = false;
                // operands of the writer come first now, and none of them could be absorbed
                position = 0;
            }
        }
    }
    let order: Vec<usize> = (0..program.steps.len()).filter(|&i| alive[i]).collect();
    *levels = order.iter().map(|&index| levels[index]).collect();
    program.take_steps(&order);
}
