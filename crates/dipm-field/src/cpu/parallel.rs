//! Running the stages of a plan on several threads.
//!
//! The threads go through the stages together: each takes chunks of the present stage until there are
//! none, and one of them, the leader, closes a stage when all its chunks are done. Nobody waits for a
//! thread that has not come yet, so a busy pool slows a run down and never blocks it. Waiting threads
//! look again and again, since most stages are far shorter than waking a sleeping thread takes.

use super::bind::Bound;
use super::kernels::Run;
use super::lanes::Number;
use super::stage::{ROW_UNIT, Stage, TileRange, chunks};
use super::tile::{Tile, Workspace};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What all stages of a run share.
pub(super) struct Context<'a, T> {
    /// First row of every value that is not in scratch.
    pub bases: &'a [*mut T],
    pub bound: &'a Bound<T>,
    pub run: Run<T>,
    /// Numbers of scratch that kernels need.
    pub kernel_scratch: usize,
    pub time_steps: bool,
}

// SAFETY: chunks write disjoint rows and disjoint accumulators, and read only what earlier stages
// have completed.
unsafe impl<T: Sync> Sync for Context<'_, T> {}

/// One stage of a run: its tiles, and how far it is.
pub(super) struct StageRun<'a, T> {
    stage: &'a Stage,
    tiles: Vec<TileRange>,
    num_chunks: usize,
    /// Rows that the scratch needs room for.
    capacity: usize,
    accumulators: *mut T,
    next: AtomicUsize,
    done: AtomicUsize,
}

// SAFETY: as for the context; the counters are atomic.
unsafe impl<T: Sync> Sync for StageRun<'_, T> {}

impl<'a, T: Number> StageRun<'a, T> {
    /// # Safety
    /// `accumulators` must point to memory for those of all chunks that the tiles of the stage make.
    pub unsafe fn new(stage: &'a Stage, tiles: Vec<TileRange>, accumulators: *mut T) -> Self {
        let largest = tiles.iter().map(|tile| tile.rows).max().unwrap_or(0);
        Self {
            stage,
            num_chunks: chunks(stage, &tiles),
            capacity: largest.next_multiple_of(ROW_UNIT),
            tiles,
            accumulators,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
        }
    }

    /// Takes chunks until there are none.
    unsafe fn work(&self, context: &Context<'_, T>, workspace: &mut Workspace<T>) {
        loop {
            let chunk = self.next.fetch_add(1, Ordering::Relaxed);
            if chunk >= self.num_chunks {
                break;
            }
            let _done = OnDrop(|| {
                self.done.fetch_add(1, Ordering::Release);
            });
            // SAFETY: every chunk is taken once.
            unsafe { self.chunk(chunk, context, workspace) };
        }
    }

    unsafe fn chunk(&self, chunk: usize, context: &Context<'_, T>, workspace: &mut Workspace<T>) {
        let stage = self.stage;
        workspace
            .scratch
            .reserve(stage.scratch_width * self.capacity);
        workspace.kernel.reserve(context.kernel_scratch);
        let sums = self.accumulators.wrapping_add(chunk * stage.accumulators);
        for i in 0..stage.accumulators {
            // SAFETY: every chunk has its own accumulators inside the reserved range.
            unsafe { *sums.add(i) = T::default() };
        }
        let first = chunk * self.tiles.len() / self.num_chunks;
        let last = (chunk + 1) * self.tiles.len() / self.num_chunks;
        let mut bounds = vec![];
        for range in &self.tiles[first..last] {
            let (receiver, count) = range.receivers;
            bounds.clear();
            if stage.sums_by_receiver {
                let edges = &context.bound.receiver_bounds[receiver..=receiver + count];
                bounds.extend(edges.iter().map(|edge| edge - range.first));
            }
            let tile = Tile {
                scratch: workspace.scratch.pointer(),
                capacity: self.capacity,
                first: range.first,
                rows: range.rows,
                spaces: &context.bound.rows,
                bases: context.bases,
                maps: &context.bound.maps,
                inverses: &context.bound.inverses,
                receivers: (receiver, &bounds),
                accumulators: sums,
            };
            let instructions = match range.instruction {
                Some(only) => &stage.instructions[only..=only],
                None => &stage.instructions,
            };
            for instruction in instructions {
                let start = context.time_steps.then(Instant::now);
                // SAFETY: see `run`; tiles of different chunks write different rows.
                unsafe { (context.run)(instruction, &tile, workspace) };
                if let Some(start) = start {
                    workspace.nanoseconds[instruction.step] += start.elapsed().as_nanos() as u64;
                }
            }
        }
    }

    /// Waits for all chunks and adds their partial sums, in order.
    unsafe fn close(&self, context: &Context<'_, T>) {
        wait_until(|| self.done.load(Ordering::Acquire) == self.num_chunks);
        for &(at, value, width) in &self.stage.totals {
            // SAFETY: the value is stored and has one row of `width`, which nothing else points into.
            let total = unsafe { std::slice::from_raw_parts_mut(context.bases[value], width) };
            for chunk in 0..self.num_chunks {
                let from = chunk * self.stage.accumulators + at;
                // SAFETY: inside the accumulators, which no thread writes any more.
                let part =
                    unsafe { std::slice::from_raw_parts(self.accumulators.add(from), width) };
                if chunk == 0 {
                    total.copy_from_slice(part);
                } else {
                    let pairs = total.iter_mut().zip(part);
                    pairs.for_each(|(sum, &x)| *sum = *sum + x);
                }
            }
        }
    }
}

/// Runs all stages, with one thread for each workspace, and returns the nanoseconds of each stage.
///
/// # Safety
/// The pointers of context and stages must be valid for the plan and the bound data.
pub(super) unsafe fn run<T: Number>(
    stages: &[StageRun<'_, T>],
    context: &Context<'_, T>,
    workspaces: &mut [Workspace<T>],
) -> Vec<u64> {
    let (first, others) = workspaces.split_first_mut().expect("there is a thread");
    let current = AtomicUsize::new(0);
    let lead = |workspace: &mut Workspace<T>| {
        let _end = OnDrop(|| current.store(usize::MAX, Ordering::Release));
        let mut nanoseconds = Vec::with_capacity(stages.len());
        for (number, stage) in stages.iter().enumerate() {
            let start = Instant::now();
            // SAFETY: passed on from the caller.
            unsafe {
                stage.work(context, workspace);
                stage.close(context);
            }
            nanoseconds.push(start.elapsed().as_nanos() as u64);
            current.store(number + 1, Ordering::Release);
        }
        nanoseconds
    };
    if others.is_empty() {
        return lead(first);
    }
    let follow = |workspace: &mut Workspace<T>| {
        loop {
            let number = current.load(Ordering::Acquire);
            let Some(stage) = stages.get(number) else {
                break;
            };
            // SAFETY: passed on from the caller.
            unsafe { stage.work(context, workspace) };
            wait_until(|| current.load(Ordering::Acquire) != number);
        }
    };
    rayon::scope(|scope| {
        for workspace in others {
            scope.spawn(|_| follow(workspace));
        }
        lead(first)
    })
}

/// Does something at the end of a scope, also when that is left by a panic, so that no thread waits
/// for one that is gone.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Looks until `condition` holds; after a while other threads of the machine go first.
fn wait_until(condition: impl Fn() -> bool) {
    let mut looks = 0u32;
    while !condition() {
        looks += 1;
        if looks < 500 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}
