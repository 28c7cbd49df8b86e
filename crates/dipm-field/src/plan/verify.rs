//! Checks of a plan that do not trust how it was made: every read finds the value that was meant.

use super::Plan;
use super::access::Rows;
use super::place::{Place, reads_own_row};
use super::program::{Kernel, Source};
use crate::Space;

/// Walks the plan as an executor would and checks every read and write.
pub(crate) fn verify(plan: &Plan) -> Result<(), String> {
    let (program, placement) = (&plan.program, &plan.placement);
    // group in which a stored value was completed
    let mut complete: Vec<Option<usize>> = vec![None; program.values.len()];
    let mut seen = vec![false; program.steps.len()];
    for (number, group) in placement.groups.iter().enumerate() {
        // which value owns each column of the tile's scratch
        let mut owner: Vec<Option<usize>> = vec![None; group.scratch_width];
        let mut written = vec![false; program.values.len()];
        for &index in &group.steps {
            let step = &program.steps[index];
            let fault = |what: &str| Err(format!("step {index} {:?}: {what}", step.kernel));
            if std::mem::replace(&mut seen[index], true) || placement.group_of[index] != number {
                return fault("is not in one group");
            }
            if step.domain != group.domain || step.in_blocks() != group.in_blocks {
                return fault("does not fit its group");
            }
            for access in &step.operands {
                let value = &program.values[access.value];
                let last = access
                    .shape
                    .iter()
                    .zip(&access.strides)
                    .map(|(&length, &stride)| length.saturating_sub(1) * stride)
                    .sum::<usize>()
                    + access.offset;
                let fits = match access.rows {
                    Rows::Single if value.space == Space::Const => last < value.width,
                    // rows of a table in a Const value, and the reverse: their number is checked
                    // when it is bound
                    Rows::Single => true,
                    _ if value.space == Space::Const => true,
                    _ => last < value.width.max(access.row_stride),
                };
                let unpacks = match step.kernel {
                    Kernel::Unpack(half) => value.packed == Some(half),
                    Kernel::FoldInto(..) | Kernel::ContractBlocks(_) => true,
                    _ => value.packed.is_none(),
                };
                if !unpacks {
                    return fault("reads numbers of another format");
                }
                if !fits {
                    return fault("reads past a row");
                }
                let Source::Step(_) = value.source else {
                    continue;
                };
                let own_row = reads_own_row(program, step, access);
                match placement.places[access.value] {
                    Place::Outside => return fault("reads a value that has no place"),
                    Place::Scratch(offset) => {
                        let columns = offset..offset + value.width;
                        if !own_row || !written[access.value] {
                            return fault("reads scratch of another group or row");
                        }
                        if owner[columns]
                            .iter()
                            .any(|&owner| owner != Some(access.value))
                        {
                            return fault("reads scratch that was overwritten");
                        }
                    }
                    Place::Stored => {
                        let earlier = complete[access.value].is_some_and(|group| group < number);
                        if !(earlier || own_row && written[access.value]) {
                            return fault("reads a stored value before it is complete");
                        }
                    }
                }
            }
            let packs = match step.kernel {
                Kernel::Pack(half) => Some(half),
                _ => None,
            };
            if program.values[step.output].packed != packs {
                return fault("writes numbers of another format");
            }
            match placement.places[step.output] {
                Place::Outside => return fault("has no place for its output"),
                Place::Stored => complete[step.output] = Some(number),
                Place::Scratch(offset) => {
                    let columns = offset..offset + program.values[step.output].width;
                    if columns.end > group.scratch_width || step.is_reduction() {
                        return fault("writes outside the scratch");
                    }
                    owner[columns].fill(Some(step.output));
                }
            }
            written[step.output] = true;
        }
    }
    if let Some(missing) = seen.iter().position(|&seen| !seen) {
        return Err(format!("step {missing} is never run"));
    }
    for (name, value) in &program.outputs {
        if placement.places[*value] != Place::Stored {
            return Err(format!("output `{name}` is not stored"));
        }
        if program.values[*value].packed.is_some() {
            return Err(format!("output `{name}` is packed"));
        }
    }
    Ok(())
}
