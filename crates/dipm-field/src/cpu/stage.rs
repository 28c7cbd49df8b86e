//! Groups of a plan made ready to run, and how their rows are cut.

use super::bind::Bound;
use super::instruction::{Instruction, Work, instructions};
use super::{rows_of, strips};
use crate::plan::place::Place;
use crate::{Plan, Space};

/// Scratch memory of a tile, in bytes: about what stays in a core's own cache.
const TILE_BYTES: usize = 512 << 10;
/// Entries from which on a matrix is large: tiles have rows enough to make reading it worthwhile.
const LARGE_MATRIX: usize = 1 << 16;
/// Rows that are multiplied with a large matrix at a time, at least.
const LARGE_MATRIX_ROWS: usize = 96;
/// Rows that scratch is made for are a multiple of this.
pub(super) const ROW_UNIT: usize = 16;
/// Most rows of a tile.
const MAX_TILE_ROWS: usize = 128;
/// Most partial sums of one quantity over all rows.
const MAX_CHUNKS: usize = 16;
/// Fewest rows that are worth a partial sum of their own.
const MIN_CHUNK_ROWS: usize = 64;

/// A group ready to run.
pub(super) struct Stage {
    pub domain: Space,
    /// What lays out its large matrices before it runs, if there are many rows.
    pub strips: Option<Box<Stage>>,
    /// Whether instructions are cut into blocks of their outputs, and not into rows of the domain.
    pub in_blocks: bool,
    pub instructions: Vec<Instruction>,
    pub scratch_width: usize,
    /// Fewest rows of a tile that large matrices are worth reading for.
    pub least_rows: usize,
    /// Values added up over all rows.
    pub accumulators: usize,
    /// (accumulator offset, value, width) of each total.
    pub totals: Vec<(usize, usize, usize)>,
    pub sums_by_receiver: bool,
    /// Values that are first written here, and values that nothing reads after.
    pub allocate: Vec<usize>,
    pub release: Vec<usize>,
    pub nanoseconds: u64,
}

impl Stage {
    /// The stage of a group; `last_group` says in which group each value is read last. The sizes of
    /// matrices that it lays out in strips are added to `strips`.
    pub fn new(plan: &Plan, number: usize, last_group: &[usize], strips: &mut Vec<usize>) -> Self {
        let (program, group) = (&plan.program, &plan.placement.groups[number]);
        let num_values = program.values.len();
        let mut accumulators = 0;
        let mut instructions = instructions(plan, number, &mut accumulators);
        let layout = strips::stage(group.domain, &mut instructions, num_values, strips);
        let mut totals = vec![];
        let mut least_rows = ROW_UNIT;
        for instruction in &instructions {
            match &instruction.work {
                Work::ContractAll(_, _, at) | Work::SumAll(at) => {
                    totals.push((*at, instruction.output, instruction.width));
                }
                Work::Contract(sizes, _) if sizes.k * sizes.n >= LARGE_MATRIX => {
                    let rows = LARGE_MATRIX_ROWS.div_ceil(sizes.leads[0].len());
                    least_rows = least_rows.max(rows.next_multiple_of(ROW_UNIT));
                }
                _ => {}
            }
        }
        let places = &plan.placement.places;
        let is_released =
            |value: usize| last_group[value] == number && places[value] == Place::Stored;
        let mut steps = group.steps.iter();
        Self {
            strips: layout,
            in_blocks: group.in_blocks,
            sums_by_receiver: steps.any(|&step| program.steps[step].is_by_receiver()),
            scratch_width: group.scratch_width,
            least_rows,
            accumulators,
            totals,
            allocate: instructions
                .iter()
                .filter(|instruction| instruction.output_place == Place::Stored)
                .map(|instruction| instruction.output)
                .collect(),
            release: (0..num_values)
                .filter(|&value| is_released(value))
                .collect(),
            instructions,
            ..Self::in_blocks(group.domain)
        }
    }

    /// Numbers of scratch of `size` bytes that its kernels need.
    pub fn kernel_scratch(&self, size: usize) -> usize {
        let instructions = self.instructions.iter();
        let needed = instructions.map(|instruction| instruction.work.kernel_scratch(size));
        needed.max().unwrap_or(0)
    }

    /// A stage without instructions, which are to be cut into blocks of their outputs.
    pub fn in_blocks(domain: Space) -> Self {
        Self {
            domain,
            strips: None,
            in_blocks: true,
            instructions: vec![],
            scratch_width: 0,
            least_rows: 0,
            accumulators: 0,
            totals: vec![],
            sums_by_receiver: false,
            allocate: vec![],
            release: vec![],
            nanoseconds: 0,
        }
    }

    /// The stage that lays out matrices, if that is worthwhile for the rows of a batch.
    pub fn strips(&self, rows: &[(Space, usize)]) -> Option<&Stage> {
        let is_worthwhile = strips::is_worthwhile(rows_of(rows, self.domain));
        self.strips.as_deref().filter(|_| is_worthwhile)
    }
}

/// A range of rows: for edges also the receivers they belong to. Or one block of one instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileRange {
    pub instruction: Option<usize>,
    pub first: usize,
    pub rows: usize,
    pub receivers: (usize, usize),
}

/// Number of pieces that can run at the same time; with sums over all rows, one partial sum each.
pub(super) fn chunks(stage: &Stage, tiles: &[TileRange]) -> usize {
    if stage.accumulators == 0 {
        return tiles.len();
    }
    let rows: usize = tiles.iter().map(|tile| tile.rows).sum();
    (rows / MIN_CHUNK_ROWS)
        .clamp(1, MAX_CHUNKS)
        .min(tiles.len().max(1))
}

/// Cuts the rows of a stage into tiles. Depends on the plan and the batch only.
pub(super) fn tile_ranges<T>(stage: &Stage, size: usize, bound: &Bound<T>) -> Vec<TileRange> {
    let rows = rows_of(&bound.rows, stage.domain);
    if stage.in_blocks {
        let blocks = |instruction: &Instruction| match &instruction.work {
            Work::ContractBlocks(_, blocks, ..) => blocks.len() * rows,
            Work::Strips(sizes) => sizes.n.div_ceil(strips::BLOCK),
            _ => 0,
        };
        let numbered = stage.instructions.iter().enumerate();
        return numbered
            .flat_map(|(i, instruction)| (0..blocks(instruction)).map(move |block| (i, block)))
            .map(|(instruction, first)| TileRange {
                instruction: Some(instruction),
                first,
                rows: 1,
                receivers: (0, 0),
            })
            .collect();
    }
    let room = match stage.domain {
        Space::Const | Space::Table(_) => 1,
        Space::Structures => 16,
        _ => {
            let fitting = TILE_BYTES / (stage.scratch_width.max(1) * size);
            (fitting / ROW_UNIT * ROW_UNIT).clamp(stage.least_rows, MAX_TILE_ROWS)
        }
    };
    if !stage.sums_by_receiver {
        return (0..rows.div_ceil(room))
            .map(|i| {
                let first = i * room;
                TileRange {
                    instruction: None,
                    first,
                    rows: room.min(rows - first),
                    receivers: (0, 0),
                }
            })
            .collect();
    }
    // whole receivers, so that the sum over the edges of each is complete within a tile
    let bounds = &bound.receiver_bounds;
    let mut tiles: Vec<TileRange> = vec![];
    let mut start = 0;
    for atom in 0..bounds.len() - 1 {
        let edges = bounds[atom + 1] - bounds[start];
        if edges > room && atom > start {
            let receivers = (start, atom - start);
            tiles.push(TileRange {
                instruction: None,
                first: bounds[start],
                rows: bounds[atom] - bounds[start],
                receivers,
            });
            start = atom;
        }
    }
    let atoms = bounds.len() - 1;
    if atoms > start {
        let rows = bounds[atoms] - bounds[start];
        tiles.push(TileRange {
            instruction: None,
            first: bounds[start],
            rows,
            receivers: (start, atoms - start),
        });
    }
    tiles
}
