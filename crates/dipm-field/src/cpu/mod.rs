//! Execution of a plan on the CPU: threads over tiles, kernels by instruction set.
//!
//! Rows are cut into tiles and tiles into chunks by the plan and the row counts alone, every chunk
//! has accumulators of its own, and these are added in a fixed order. So the number of threads
//! changes nothing in the results.

mod arena;
mod bind;
mod contract;
mod expression;
mod gemm;
mod instruction;
mod kernels;
mod lanes;
mod packed;
mod parallel;
mod pointwise;
mod product;
mod profile;
mod rows;
mod stage;
mod strips;
mod tile;
mod view;

use crate::plan::program::Source;
use crate::{Bindings, FieldError, Plan, Space};
use arena::{Arena, Ranges};
use kernels::Run;
pub use kernels::{InstructionSet, Scalar};
pub use lanes::Number;
use parallel::{Context, StageRun};
pub use profile::GroupProfile;
use stage::{ROW_UNIT, Stage, TileRange, chunks, tile_ranges};
use tile::Workspace;

/// Offset of what does not lie in the arena.
const ELSEWHERE: usize = usize::MAX;

/// Runs a plan on the CPU with numbers of type `T`, using the threads of the current rayon pool.
pub struct Executor<T> {
    plan: Plan,
    stages: Vec<Stage>,
    run: Run<T>,
    set: InstructionSet,
    constants: Vec<Vec<T>>,
    arena: Arena<T>,
    /// Sizes of the matrices in strips, which are values after those of the plan.
    strips: Vec<usize>,
    /// Offset of each stored value in the arena.
    offsets: Vec<usize>,
    /// Values that the caller keeps, in order of their numbers.
    outside: Vec<usize>,
    /// Rows of each space that `offsets` was made for, and the partial sums of each stage.
    rows: Vec<(Space, usize)>,
    partial_sums: Vec<usize>,
    accumulator_offsets: Vec<usize>,
    workspaces: Vec<Workspace<T>>,
    kernel_scratch: usize,
    time_steps: bool,
    runs: u64,
}

impl<T: Scalar> Executor<T> {
    /// An executor for `plan`, with the best instruction set of this machine.
    pub fn new(plan: Plan) -> Self {
        Self::with_instruction_set(plan, InstructionSet::detect())
    }

    /// An executor for `plan` with a given instruction set, which the machine must have.
    pub fn with_instruction_set(plan: Plan, set: InstructionSet) -> Self {
        let program = &plan.program;
        let mut last_group = vec![0; program.values.len()];
        for (index, step) in program.steps.iter().enumerate() {
            let group = plan.placement.group_of[index];
            for value in step.operands.iter().map(|x| x.value).chain([step.output]) {
                last_group[value] = last_group[value].max(group);
            }
        }
        for (_, value) in &program.outputs {
            last_group[*value] = usize::MAX;
        }
        let mut strips = vec![];
        let groups = 0..plan.placement.groups.len();
        let stages: Vec<Stage> = groups
            .map(|number| Stage::new(&plan, number, &last_group, &mut strips))
            .collect();
        let scratch = stages
            .iter()
            .map(|stage| stage.kernel_scratch(size_of::<T>()));
        let kernel_scratch = scratch.max().unwrap_or(0);
        let constants = program
            .values
            .iter()
            .map(|value| match value.source {
                Source::Constant(index) => program.constants[index]
                    .iter()
                    .map(|&x| T::from_f64(x))
                    .collect(),
                Source::Literal(bits) => vec![T::from_f64(f64::from_bits(bits))],
                _ => vec![],
            })
            .collect();
        Self {
            offsets: vec![0; program.values.len() + strips.len()],
            strips,
            accumulator_offsets: vec![0; stages.len()],
            plan,
            stages,
            run: T::table(set),
            set,
            constants,
            arena: Arena::new(),
            outside: vec![],
            rows: vec![],
            partial_sums: vec![],
            workspaces: vec![],
            kernel_scratch,
            time_steps: false,
            runs: 0,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The instruction set in use.
    pub fn instruction_set(&self) -> InstructionSet {
        self.set
    }

    /// Computes the outputs for the bound data.
    ///
    /// # Errors
    /// When data that the plan reads are missing or do not fit together.
    pub fn run(&mut self, bindings: &Bindings<'_, T>) -> Result<(), FieldError> {
        self.run_into(bindings, vec![])
    }

    /// The same with the named outputs written to memory of the caller, `[rows, shape…]` each;
    /// [`Executor::output`] gives the others only.
    ///
    /// # Errors
    /// As [`Executor::run`].
    ///
    /// # Panics
    /// When the plan has no output of such a name, or it has another size.
    pub fn run_into(
        &mut self,
        bindings: &Bindings<'_, T>,
        outputs: Vec<(&str, &mut [T])>,
    ) -> Result<(), FieldError> {
        let bound = bind::bind(&self.plan.program, bindings)?;
        let mut outside: Vec<(usize, &mut [T])> = vec![];
        // outputs that are one and the same value are written once and copied
        let mut copies: Vec<(usize, &mut [T])> = vec![];
        for (name, memory) in outputs {
            let value = self.value_of_output(name);
            assert_eq!(
                memory.len(),
                self.output_size(value, &bound.rows),
                "size of `{name}`"
            );
            match outside.iter().any(|known| known.0 == value) {
                true => copies.push((value, memory)),
                false => outside.push((value, memory)),
            }
        }
        outside.sort_by_key(|output| output.0);
        let is_known = outside.iter().map(|output| &output.0).eq(&self.outside);
        let cuts = self.cuts(&bound);
        let sums = self.partial_sums(&cuts);
        if self.rows != bound.rows || self.partial_sums != sums || !is_known {
            self.outside = outside.iter().map(|output| output.0).collect();
            let length = self.lay_out(&bound.rows, sums);
            self.arena.reserve(length);
            self.rows.clone_from(&bound.rows);
        }
        let threads = rayon::current_num_threads();
        while self.workspaces.len() < threads {
            self.workspaces.push(Workspace {
                scratch: Arena::new(),
                kernel: Arena::new(),
                offsets: [vec![], vec![]],
                order: vec![],
                nanoseconds: vec![0; self.plan.program.steps.len()],
            });
        }
        let arena = self.arena.pointer();
        let values = &self.plan.program.values;
        let mut bases: Vec<*mut T> = values
            .iter()
            .enumerate()
            .map(|(index, value)| match value.source {
                Source::Input(input) => bound.inputs[input].cast_mut(),
                Source::Constant(_) | Source::Literal(_) => {
                    self.constants[index].as_ptr().cast_mut()
                }
                Source::Nowhere => std::ptr::null_mut(),
                Source::Step(_) if self.offsets[index] == ELSEWHERE => std::ptr::null_mut(),
                // SAFETY: offsets of stored values lie inside the arena.
                Source::Step(_) => unsafe { arena.add(self.offsets[index]) },
            })
            .collect();
        for (value, memory) in &mut outside {
            bases[*value] = memory.as_mut_ptr();
        }
        let strips = &self.offsets[values.len()..];
        bases.extend(strips.iter().map(|&at| match at {
            ELSEWHERE => std::ptr::null_mut(),
            // SAFETY: as above.
            at => unsafe { arena.add(at) },
        }));
        let mut stages = vec![];
        for (number, (stage, tiles)) in self.stages.iter().zip(cuts).enumerate() {
            if let Some(strips) = stage.strips(&bound.rows) {
                let tiles = tile_ranges(strips, size_of::<T>(), &bound);
                // SAFETY: strips have no accumulators.
                stages.push(unsafe { StageRun::new(strips, tiles, std::ptr::null_mut()) });
            }
            let at = self.accumulator_offsets[number];
            // SAFETY: lay_out gave room in the arena to the accumulators of every stage, for these tiles.
            stages.push(unsafe { StageRun::new(stage, tiles, arena.add(at)) });
        }
        let context = Context {
            bases: &bases,
            bound: &bound,
            run: self.run,
            kernel_scratch: self.kernel_scratch,
            time_steps: self.time_steps,
        };
        // SAFETY: `bases` points to the bound inputs, the constants, the memory of outputs and the arena,
        // which were sized for these row counts; the plan was verified when it was made.
        let nanoseconds =
            unsafe { parallel::run(&stages, &context, &mut self.workspaces[..threads]) };
        drop(stages);
        let mut nanoseconds = nanoseconds.into_iter();
        for stage in &mut self.stages {
            let runs = 1 + usize::from(stage.strips(&bound.rows).is_some());
            stage.nanoseconds += nanoseconds.by_ref().take(runs).sum::<u64>();
        }
        self.runs += 1;
        for (value, memory) in copies {
            let written = outside.iter().find(|output| output.0 == value);
            memory.copy_from_slice(written.expect("it was written").1);
        }
        Ok(())
    }

    /// Values of an output of the last run: `[rows, shape…]`.
    ///
    /// # Panics
    /// When the plan has no output of that name, it was written to memory of the caller, or nothing was run
    /// yet.
    pub fn output(&self, name: &str) -> &[T] {
        let value = self.value_of_output(name);
        assert!(!self.outside.contains(&value), "the caller has `{name}`");
        self.arena
            .slice(self.offsets[value], self.output_size(value, &self.rows))
    }

    fn value_of_output(&self, name: &str) -> usize {
        let mut outputs = self.plan.program.outputs.iter();
        let output = outputs.find(|output| output.0 == name);
        output
            .unwrap_or_else(|| panic!("the plan has no output `{name}`"))
            .1
    }

    /// Numbers in an output.
    fn output_size(&self, value: usize, rows: &[(Space, usize)]) -> usize {
        let value = &self.plan.program.values[value];
        rows_of(rows, value.space) * value.width
    }

    /// Gives the memory back that the executor holds, and with it the outputs of the last run; the next
    /// run takes it again. For executors that take turns.
    pub fn release_memory(&mut self) {
        self.arena = Arena::new();
        self.workspaces.iter_mut().for_each(|workspace| {
            workspace.scratch = Arena::new();
            workspace.kernel = Arena::new();
        });
        self.rows.clear();
    }

    /// Bytes held by the executor: stored values and the scratch of all threads.
    pub fn memory_bytes(&self) -> usize {
        let scratch = |w: &Workspace<T>| w.scratch.bytes() + w.kernel.bytes();
        self.arena.bytes() + self.workspaces.iter().map(scratch).sum::<usize>()
    }

    /// Bytes that a run on the bound data would hold, with one tile in work on each thread and without the
    /// outputs that the caller keeps. Nothing is taken, but outputs of the last run are no longer there.
    ///
    /// # Errors
    /// As [`Executor::run`].
    ///
    /// # Panics
    /// When the plan has no output of such a name.
    pub fn memory_needed(
        &mut self,
        bindings: &Bindings<'_, T>,
        outputs: &[&str],
    ) -> Result<usize, FieldError> {
        let bound = bind::bind(&self.plan.program, bindings)?;
        let outside = outputs.iter().map(|name| self.value_of_output(name));
        self.outside = outside.collect();
        self.outside.sort_unstable();
        self.outside.dedup();
        let cuts = self.cuts(&bound);
        let stored = self.lay_out(&bound.rows, self.partial_sums(&cuts));
        self.rows.clear();
        let scratch = self.stages.iter().zip(&cuts).map(|(stage, tiles)| {
            let rows = tiles.iter().map(|tile| tile.rows).max().unwrap_or(0);
            stage.scratch_width * rows.next_multiple_of(ROW_UNIT)
        });
        let workspace = scratch.max().unwrap_or(0) + self.kernel_scratch;
        let threads = rayon::current_num_threads();
        Ok((stored + workspace * threads) * size_of::<T>())
    }

    /// The tiles of every stage.
    fn cuts(&self, bound: &bind::Bound<T>) -> Vec<Vec<TileRange>> {
        let stages = self.stages.iter();
        let cut = |stage| tile_ranges(stage, size_of::<T>(), bound);
        stages.map(cut).collect()
    }

    /// Numbers in the partial sums of every stage that is cut so. They depend on the tiles, and these where a
    /// stage sums by receiver on the receivers, not on the row counts alone.
    fn partial_sums(&self, cuts: &[Vec<TileRange>]) -> Vec<usize> {
        let stages = self.stages.iter().zip(cuts);
        stages
            .map(|(stage, tiles)| stage.accumulators * chunks(stage, tiles))
            .collect()
    }

    /// Gives every stored value and every stage's partial sums their place in an arena, whose length is
    /// returned.
    fn lay_out(&mut self, rows: &[(Space, usize)], partial_sums: Vec<usize>) -> usize {
        let values = &self.plan.program.values;
        let mut ranges = Ranges::default();
        let size = |value: usize| rows_of(rows, values[value].space) * values[value].slots();
        let strip_size = |value: usize| self.strips[value - values.len()];
        self.offsets[values.len()..].fill(ELSEWHERE);
        for (number, stage) in self.stages.iter().enumerate() {
            let strips = stage
                .strips(rows)
                .map_or(&[][..], |strips| &strips.allocate);
            for &value in strips {
                self.offsets[value] = ranges.take(strip_size(value));
            }
            for &value in &stage.allocate {
                self.offsets[value] = match self.outside.binary_search(&value) {
                    Ok(_) => ELSEWHERE,
                    Err(_) => ranges.take(size(value)),
                };
            }
            let sums = partial_sums[number];
            self.accumulator_offsets[number] = ranges.take(sums);
            ranges.give_back(self.accumulator_offsets[number], sums);
            for &value in strips {
                ranges.give_back(self.offsets[value], strip_size(value));
            }
            for &value in &stage.release {
                ranges.give_back(self.offsets[value], size(value));
            }
        }
        self.partial_sums = partial_sums;
        ranges.end
    }
}

/// Rows bound for a space.
fn rows_of(rows: &[(Space, usize)], space: Space) -> usize {
    rows.iter()
        .find(|known| known.0 == space)
        .map_or(0, |known| known.1)
}
