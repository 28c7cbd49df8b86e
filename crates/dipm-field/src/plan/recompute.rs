//! Values that are cheap to compute from other values that are stored anyway are computed again
//! where they are read, instead of being stored themselves.

use super::access::ValueId;
use super::place::{is_small, is_stored, reads_own_row, users};
use super::program::{Kernel, Program, Source, Step, Value};
use crate::Space;
use crate::functions::Unary;
use std::collections::HashMap;

/// Most groups in which a value is computed again.
const MAX_GROUPS: usize = 3;
/// Most steps that one value takes.
const MAX_STEPS: usize = 6;
/// Most multiplications per entry of a product that counts as cheap.
const CHEAP_PRODUCT: usize = 10;

/// Adds steps that compute values again; `levels` holds the level of each step.
pub(super) fn recompute(program: &mut Program, levels: &mut Vec<usize>) {
    let users = users(program);
    let stored = (0..program.values.len())
        .map(|value| match program.values[value].source {
            Source::Step(writer) => is_stored(program, &users, levels, writer),
            _ => false,
        })
        .collect();
    let mut pass = Pass {
        stored,
        users,
        again: HashMap::new(),
        origin: (0..program.values.len()).collect(),
        first_new: program.steps.len(),
        program,
        levels,
    };
    for index in 0..pass.first_new {
        if let Some((recipe, levels)) = pass.worthwhile(index) {
            pass.apply(index, &recipe, &levels);
        }
    }
    pass.finish();
}

/// How a value can be computed again.
#[derive(Clone, Default)]
struct Recipe {
    /// Steps to repeat, in order.
    steps: Vec<usize>,
    /// Values that they read, and that are stored, or will be.
    leaves: Vec<ValueId>,
    /// What keeping the leaves longer takes: size times levels.
    cost: usize,
}

struct Pass<'a> {
    program: &'a mut Program,
    levels: &'a mut Vec<usize>,
    users: Vec<Vec<usize>>,
    stored: Vec<bool>,
    /// A value's copy in a level; values are those that were there at first.
    again: HashMap<(ValueId, usize), ValueId>,
    /// What a value is a copy of, or the value itself.
    origin: Vec<ValueId>,
    first_new: usize,
}

impl Pass<'_> {
    /// How the value of a step is computed again, and in which levels, if that saves memory.
    fn worthwhile(&self, index: usize) -> Option<(Recipe, Vec<usize>)> {
        let program = &*self.program;
        let step = &program.steps[index];
        let value = step.output;
        if !self.stored[value]
            || is_small(step.domain)
            || program.is_output(value)
            || !is_cheap(program, step)
        {
            return None;
        }
        let own = self.levels[index];
        let mut levels = vec![];
        for &user in &self.users[value] {
            let reader = &program.steps[user];
            let mut reads = reader.operands.iter().filter(|x| x.value == value);
            if !reads.all(|x| reads_own_row(program, reader, x)) {
                return None;
            }
            if self.levels[user] != own {
                levels.push(self.levels[user]);
            }
        }
        levels.sort_unstable();
        levels.dedup();
        let last = *levels.last()?;
        if levels.len() > MAX_GROUPS {
            return None;
        }
        let mut recipe = Recipe::default();
        self.collect(index, last, &mut recipe);
        let gain = size(&program.values[value]) * (last - own);
        let shared = || {
            // with two stored values that are made from it, a leaf of their size replaces both
            recipe.leaves.iter().any(|&leaf| {
                let others = self.users[leaf].iter().filter(|&&user| {
                    let step = &program.steps[user];
                    self.stored[step.output] && is_cheap(program, step)
                });
                !self.stored[leaf] && others.count() > 1
            })
        };
        let pays = recipe.cost < gain || recipe.cost == gain && shared();
        (pays && recipe.steps.len() <= MAX_STEPS).then_some((recipe, levels))
    }

    /// Adds the steps that the value of a step needs at level `last`, and the values they read, which
    /// are or will be stored.
    fn collect(&self, index: usize, last: usize, recipe: &mut Recipe) {
        if recipe.steps.contains(&index) || recipe.steps.len() > MAX_STEPS {
            return;
        }
        for operand in &self.program.steps[index].operands {
            let value = operand.value;
            let Source::Step(writer) = self.program.values[value].source else {
                continue;
            };
            if recipe.leaves.contains(&value) {
                continue;
            }
            let until = if self.stored[value] {
                self.last_use(value)
            } else {
                self.levels[writer]
            };
            let cost = size(&self.program.values[value]) * last.saturating_sub(until);
            let step = &self.program.steps[writer];
            if !self.stored[value] && is_cheap(self.program, step) {
                let mut deeper = recipe.clone();
                self.collect(writer, last, &mut deeper);
                if deeper.steps.len() < MAX_STEPS && deeper.cost <= recipe.cost + cost {
                    *recipe = deeper;
                    continue;
                }
            }
            recipe.leaves.push(value);
            recipe.cost += cost;
        }
        recipe.steps.push(index);
    }

    /// Level of the last step that reads a value.
    fn last_use(&self, value: ValueId) -> usize {
        let levels = self.users[value].iter().map(|&user| self.levels[user]);
        if self.program.is_output(value) {
            return usize::MAX;
        }
        levels.max().unwrap_or(0)
    }

    fn apply(&mut self, index: usize, recipe: &Recipe, levels: &[usize]) {
        let value = self.program.steps[index].output;
        for &leaf in &recipe.leaves {
            self.stored[leaf] = true;
        }
        for &level in levels {
            for &repeated in &recipe.steps {
                self.repeat(repeated, level);
            }
            let copy = self.again[&(value, level)];
            let (there, others): (Vec<usize>, Vec<usize>) =
                (self.users[value].iter()).partition(|&&user| self.levels[user] == level);
            self.users[value] = others;
            for &user in &there {
                for operand in &mut self.program.steps[user].operands {
                    if operand.value == value {
                        operand.value = copy;
                    }
                }
            }
            self.users[copy].extend(there);
        }
        self.stored[value] = false;
    }

    /// A copy of a step in another level, unless there is one.
    fn repeat(&mut self, index: usize, level: usize) {
        let mut step = self.program.steps[index].clone();
        let value = step.output;
        let origin = self.origin[value];
        if self.again.contains_key(&(origin, level)) {
            return;
        }
        let new = self.program.steps.len();
        for operand in &mut step.operands {
            if let Some(&copy) = self.again.get(&(self.origin[operand.value], level))
                && !self.stored[operand.value]
            {
                operand.value = copy;
            }
            let users = &mut self.users[operand.value];
            if users.last() != Some(&new) {
                users.push(new);
            }
        }
        step.output = self.program.values.len();
        self.again.insert((origin, level), step.output);
        self.origin.push(origin);
        self.program.values.push(Value {
            source: Source::Step(new),
            ..self.program.values[value].clone()
        });
        self.users.push(vec![]);
        self.stored.push(false);
        self.program.steps.push(step);
        self.levels.push(level);
    }

    /// Puts the new steps at the start of their levels and drops steps that nothing reads any more.
    fn finish(self) {
        let Self {
            program,
            levels,
            first_new,
            ..
        } = self;
        let mut read = vec![false; program.values.len()];
        for (_, value) in &program.outputs {
            read[*value] = true;
        }
        let mut order: Vec<usize> = (0..program.steps.len()).collect();
        order.sort_by_key(|&index| (levels[index], index < first_new));
        let mut kept = vec![];
        for &index in order.iter().rev() {
            let step = &program.steps[index];
            if read[step.output] {
                kept.push(index);
                for operand in &step.operands {
                    read[operand.value] = true;
                }
            }
        }
        kept.reverse();
        *levels = kept.iter().map(|&index| levels[index]).collect();
        program.take_steps(&kept);
    }
}

/// Values per atom, about: there are some tens of edges for each.
fn size(value: &Value) -> usize {
    match value.space {
        Space::Edges => 16 * value.width,
        Space::Atoms => value.width,
        _ => 0,
    }
}

/// Whether a step costs no more than what it takes to write its value to memory and read it again.
fn is_cheap(program: &Program, step: &Step) -> bool {
    match &step.kernel {
        Kernel::Unary(function) => {
            !matches!(function, Unary::Log | Unary::Sin | Unary::Cos | Unary::Tanh)
        }
        Kernel::Binary(_) | Kernel::Select => true,
        Kernel::Copy | Kernel::Pad { .. } | Kernel::Concat { .. } => true,
        Kernel::Product { table, .. } => {
            let channels = step.operands.iter().find_map(|x| x.shape.get(1).copied());
            let terms = program.tables[*table].entries().len() * channels.unwrap_or(1);
            terms <= CHEAP_PRODUCT * program.values[step.output].width
        }
        _ => false,
    }
}
