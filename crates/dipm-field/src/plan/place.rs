//! Which steps run together, in which order, and where their values live.

use super::access::{Access, Rows, ValueId};
use super::biases::start_from_biases;
use super::fuse::fuse;
use super::narrow::narrow;
use super::program::{Program, Source, Step};
use super::recompute::recompute;
use super::sums::sum_products;
use crate::Space;

/// Where a value lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In data bound at run time, or in a constant.
    Outside,
    /// In the tile's scratch memory, at this offset in values per row of the tile.
    Scratch(usize),
    /// In memory of its own, with all rows.
    Stored,
}

/// Steps over one space that run tile by tile: a tile of rows passes through all of them.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub domain: Space,
    /// Whether the steps are cut into blocks of their outputs, and not into rows of the domain.
    pub in_blocks: bool,
    pub steps: Vec<usize>,
    /// Scratch values per row of a tile.
    pub scratch_width: usize,
}

/// Groups in order of execution, and the place of every value.
pub(crate) struct Placement {
    pub groups: Vec<Group>,
    pub places: Vec<Place>,
    /// Group of every step.
    pub group_of: Vec<usize>,
}

/// Whether `step` can read `access` while the step that writes it is still running over the same
/// rows, so that both can be in one group.
pub(crate) fn reads_own_row(program: &Program, step: &Step, access: &Access) -> bool {
    let value = &program.values[access.value];
    let Source::Step(writer) = value.source else {
        return false;
    };
    let writer = &program.steps[writer];
    let rows = if step.domain == Space::Const {
        Rows::Single
    } else {
        Rows::Same
    };
    value.space == step.domain
        && writer.domain == step.domain
        && access.rows == rows
        && !writer.is_reduction()
        && !writer.in_blocks()
        && !step.reads_whole()
}

/// Whether values over a space are few enough to be stored always.
pub(super) fn is_small(space: Space) -> bool {
    matches!(space, Space::Const | Space::Table(_) | Space::Structures)
}

/// Puts steps into groups and values into memory; pointwise steps of a group are fused on the way, and
/// values that may be kept in 16 bits are.
pub(crate) fn place(program: &mut Program) -> Placement {
    start_from_biases(program);
    sum_products(program);
    let mut levels = earliest_levels(program);
    sink(program, &users(program), &mut levels);
    recompute(program, &mut levels);
    fuse(program, &mut levels);
    narrow(program, &mut levels);
    let program = &*program;
    let users = users(program);

    let mut keys: Vec<(usize, Space, bool)> = program
        .steps
        .iter()
        .zip(&levels)
        .map(|(step, &level)| (level, step.domain, step.in_blocks()))
        .collect();
    let all = keys.clone();
    keys.sort_unstable();
    keys.dedup();
    let group_of: Vec<usize> = all
        .iter()
        .map(|key| keys.binary_search(key).expect("every key is listed"))
        .collect();

    let mut places = vec![Place::Outside; program.values.len()];
    for (index, step) in program.steps.iter().enumerate() {
        places[step.output] = if is_stored(program, &users, &levels, index) {
            Place::Stored
        } else {
            Place::Scratch(0)
        };
    }

    let mut members = vec![vec![]; keys.len()];
    for (step, &group) in group_of.iter().enumerate() {
        members[group].push(step);
    }
    let groups = keys
        .iter()
        .zip(members)
        .map(|(&(_, domain, in_blocks), members)| {
            let steps = schedule(program, &members, &places);
            let scratch_width = assign_scratch(program, &steps, &mut places);
            Group {
                domain,
                in_blocks,
                steps,
                scratch_width,
            }
        })
        .collect();
    Placement {
        groups,
        places,
        group_of,
    }
}

/// Whether the value of a step has to be stored: it is read in another group, or not row by row.
pub(super) fn is_stored(
    program: &Program,
    users: &[Vec<usize>],
    levels: &[usize],
    index: usize,
) -> bool {
    let step = &program.steps[index];
    let output = step.output;
    let read_elsewhere = |&user: &usize| {
        let reader = &program.steps[user];
        let mut reads = reader.operands.iter().filter(|x| x.value == output);
        levels[user] != levels[index] || reads.any(|x| !reads_own_row(program, reader, x))
    };
    program.is_output(output)
        || step.is_reduction()
        || step.in_blocks()
        || is_small(step.domain)
        || users[output].iter().any(read_elsewhere)
}

/// The steps that read each value.
pub(super) fn users(program: &Program) -> Vec<Vec<usize>> {
    let mut users = vec![vec![]; program.values.len()];
    for (index, step) in program.steps.iter().enumerate() {
        for operand in &step.operands {
            if users[operand.value].last() != Some(&index) {
                users[operand.value].push(index);
            }
        }
    }
    users
}

/// The first level each step can run in: one more than what it needs complete.
fn earliest_levels(program: &Program) -> Vec<usize> {
    let mut levels: Vec<usize> = Vec::with_capacity(program.steps.len());
    for step in &program.steps {
        let level = step
            .operands
            .iter()
            .filter_map(|operand| match program.values[operand.value].source {
                Source::Step(writer) if reads_own_row(program, step, operand) => {
                    Some(levels[writer])
                }
                Source::Step(writer) => Some(levels[writer] + 1),
                _ => None,
            })
            .max();
        levels.push(level.unwrap_or(0));
    }
    levels
}

/// Moves steps to the level of their users where that stores less.
fn sink(program: &Program, users: &[Vec<usize>], levels: &mut [usize]) {
    for index in (0..program.steps.len()).rev() {
        let step = &program.steps[index];
        let is_output = program.is_output(step.output);
        if step.is_reduction() || step.in_blocks() || is_output || users[step.output].is_empty() {
            continue;
        }
        let mut latest = usize::MAX;
        let mut all_in_latest = true;
        for &user in &users[step.output] {
            let reader = &program.steps[user];
            let same_group = reader
                .operands
                .iter()
                .filter(|operand| operand.value == step.output)
                .all(|operand| reads_own_row(program, reader, operand));
            let limit = if same_group {
                levels[user]
            } else {
                levels[user] - 1
            };
            all_in_latest &= same_group && (latest == usize::MAX || limit == latest);
            latest = latest.min(limit);
        }
        if latest <= levels[index] {
            continue;
        }
        let gain = if all_in_latest {
            program.values[step.output].width
        } else {
            0
        };
        let mut cost = 0;
        for operand in &step.operands {
            let value = operand.value;
            if let Source::Step(writer) = program.values[value].source
                && levels[writer] == levels[index]
                && reads_own_row(program, step, operand)
            {
                let stored_anyway = users[value].iter().any(|&user| {
                    user != index
                        && (levels[user] != levels[writer]
                            || program.steps[user].operands.iter().any(|x| {
                                x.value == value && !reads_own_row(program, &program.steps[user], x)
                            }))
                });
                if !stored_anyway {
                    cost += program.values[value].width;
                }
            }
        }
        if cost <= gain {
            levels[index] = latest;
        }
    }
}

/// An order of `members` in which values die soon: depth first from what leaves the group.
fn schedule(program: &Program, members: &[usize], places: &[Place]) -> Vec<usize> {
    let mut done = vec![false; program.steps.len()];
    let mut inside = vec![false; program.steps.len()];
    for &step in members {
        inside[step] = true;
    }
    let mut order = Vec::with_capacity(members.len());
    let roots = members
        .iter()
        .copied()
        .filter(|&step| !matches!(places[program.steps[step].output], Place::Scratch(_)));
    for root in roots {
        let mut stack = vec![(root, false)];
        while let Some((step, expanded)) = stack.pop() {
            if done[step] {
                continue;
            }
            if expanded {
                done[step] = true;
                order.push(step);
                continue;
            }
            stack.push((step, true));
            for operand in program.steps[step].operands.iter().rev() {
                if let Source::Step(writer) = program.values[operand.value].source
                    && inside[writer]
                    && !done[writer]
                {
                    stack.push((writer, false));
                }
            }
        }
    }
    debug_assert_eq!(
        order.len(),
        members.len(),
        "every step leads out of its group"
    );
    order
}

/// Gives scratch values of a group their offsets, first fit; returns the width needed.
fn assign_scratch(program: &Program, order: &[usize], places: &mut [Place]) -> usize {
    let mut last_use = vec![0; program.values.len()];
    for (position, &step) in order.iter().enumerate() {
        for operand in &program.steps[step].operands {
            last_use[operand.value] = position;
        }
    }
    let mut live: Vec<(usize, usize, ValueId)> = vec![]; // (start, end, value), sorted by start
    let mut peak = 0;
    for (position, &step) in order.iter().enumerate() {
        let output = program.steps[step].output;
        if matches!(places[output], Place::Scratch(_)) {
            let width = program.values[output].width;
            let mut start = 0;
            let mut slot = 0;
            while slot < live.len() && live[slot].0 < start + width {
                start = live[slot].1.max(start);
                slot += 1;
            }
            live.insert(slot, (start, start + width, output));
            live.sort_unstable();
            peak = peak.max(start + width);
            places[output] = Place::Scratch(start);
        }
        live.retain(|&(_, _, value)| last_use[value] > position);
    }
    peak
}
