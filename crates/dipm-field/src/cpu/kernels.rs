//! Running the instructions of a group over one tile of rows, by instruction set.

use super::contract::{self, Matrix, Rows};
use super::gemm::Blocks;
use super::instruction::{Contraction, Instruction, Sum, Work};
use super::lanes::{Lanes, Number, Portable};
use super::packed::{self, Packed};
use super::product::{ProductProgram, Sink};
use super::tile::{Tile, Workspace};
use super::view::View;
use super::{expression, gemm, pointwise, product, rows, strips};
use crate::Space;

/// Offsets of rows relative to `view.ptr`, each with all leading offsets.
#[inline(always)]
unsafe fn offsets<T>(
    view: &View<T>,
    rows: impl Iterator<Item = usize>,
    leads: &[usize],
    out: &mut Vec<usize>,
) {
    out.clear();
    for row in rows {
        let source = if view.index.is_null() {
            row
        } else {
            unsafe { *view.index.add(row) as usize }
        };
        out.extend(leads.iter().map(|lead| source * view.row_stride + lead));
    }
}

/// Runs one instruction over a tile.
///
/// # Safety
/// The machine must have the instruction set of `L`; the tile's pointers must be valid for the plan
/// that the instruction was made from.
#[inline(always)]
unsafe fn run<L: Lanes>(
    instruction: &Instruction,
    tile: &Tile<'_, L::T>,
    workspace: &mut Workspace<L::T>,
) {
    unsafe {
        let view = |operand: usize| tile.view(&instruction.operands[operand]);
        let (count, width) = (tile.rows, instruction.width);
        let out = (tile.output(instruction), width);
        match &instruction.work {
            Work::Unary(function, nest) => {
                pointwise::unary::<L>(*function, nest, count, out, &[view(0)]);
            }
            Work::Binary(function, nest) => {
                pointwise::binary::<L>(*function, nest, count, out, &[view(0), view(1)]);
            }
            Work::Select(nest) => {
                pointwise::select::<L>(nest, count, out, &[view(0), view(1), view(2)]);
            }
            Work::Expression(program) => {
                let operands = std::array::from_fn(|i| view(i.min(instruction.operands.len() - 1)));
                expression::evaluate::<L>(program, count, out, &operands);
            }
            Work::Copy(nest) => pointwise::copy::<L>(nest, count, out, &[view(0)]),
            Work::Pad(nest, offset) => {
                rows::clear::<L>(out.0, count * width);
                pointwise::copy::<L>(nest, count, (out.0.add(*offset), width), &[view(0)]);
            }
            Work::Concat(parts) => {
                for (operand, (nest, offset)) in parts.iter().enumerate() {
                    let to = (out.0.add(*offset), width);
                    pointwise::copy::<L>(nest, count, to, &[view(operand)]);
                }
            }
            Work::SumAxes(nest) => pointwise::sum_axes::<L>(nest, count, out, &[view(0)]),
            Work::MaxAxes(nest) => pointwise::max_axes::<L>(nest, count, out, &[view(0)]),
            Work::Contract(sizes, strips) => {
                let bias = match instruction.operands.get(2) {
                    Some(bias) => tile.view(bias).ptr,
                    None => std::ptr::null(),
                };
                let strips =
                    strips.map_or(std::ptr::null(), |value| tile.bases[value].cast_const());
                let matrix = (&view(1), strips);
                contract_tile::<L>(sizes, &view(0), matrix, (out, bias), count, workspace);
            }
            Work::Strips(sizes) => {
                let to = tile.bases[instruction.output];
                strips::lay_out::<L>(sizes, view(0).ptr, tile.first, to);
            }
            Work::ContractAll(sizes, None, at) => {
                let (x, y) = (view(0), view(1));
                let [left, right] = &mut workspace.offsets;
                offsets(&x, 0..count, &sizes.leads[0], left);
                offsets(&y, 0..count, &sizes.leads[1], right);
                contract::contract_rows::<L>(
                    Rows {
                        base: x.ptr,
                        offsets: left,
                    },
                    Rows {
                        base: y.ptr,
                        offsets: right,
                    },
                    tile.accumulators.add(*at),
                    (sizes.k, sizes.n),
                );
            }
            Work::ContractAll(sizes, Some(blocks), at) => {
                let rows = All::Tile(tile.accumulators.add(*at));
                outer_products::<L>((sizes, blocks), rows, instruction, tile, workspace);
            }
            Work::ContractBlocks(sizes, blocks, source, map) => {
                let rows = All::Rows(*source, *map);
                outer_products::<L>((sizes, blocks), rows, instruction, tile, workspace);
            }
            Work::ContractInto(sizes, map) => {
                contract_into::<L>(sizes, *map, instruction, tile, workspace);
            }
            Work::Product(terms, sum) => {
                let scratch = workspace.kernel.pointer();
                products::<L>(terms, *sum, instruction, tile, scratch);
            }
            Work::SumAll(at) => {
                let x = view(0);
                let rows = (0..count).map(|row| x.row(row));
                rows::add_rows::<L>(tile.accumulators.add(*at), width, rows);
            }
            Work::FoldReceiver(fold) => {
                let (first, bounds) = tile.receivers;
                let out = tile.bases[instruction.output].add(first * width);
                let x = view(0);
                for (target, run) in bounds.windows(2).enumerate() {
                    let sources = (run[0]..run[1]).map(|row| x.row(row));
                    rows::fold_rows::<L>(*fold, out.add(target * width), width, sources);
                }
            }
            Work::FoldInto(fold, map) => {
                let operand = &instruction.operands[0];
                for row in 0..count {
                    let sources = tile.inverses[*map].of(tile.first + row);
                    let out = out.0.add(row * width);
                    match operand.packed {
                        None => {
                            let x = tile.whole(operand);
                            let rows = sources.map(|source| x.row(source));
                            rows::fold_rows::<L>(*fold, out, width, rows);
                        }
                        Some(half) => {
                            let x = tile.packed(operand);
                            let rows = sources.map(|source| Packed(x.row(source), half));
                            rows::fold_rows::<L>(*fold, out, width, rows);
                        }
                    }
                }
            }
            Work::Pack(half) => {
                let x = view(0);
                let length = width.next_multiple_of(2);
                let out = tile.bases[instruction.output].cast::<u16>();
                let out = out.add(tile.first * length);
                for row in 0..count {
                    packed::pack::<L>(*half, x.row(row), width, out.add(row * length));
                }
            }
            Work::Unpack(half) => {
                let x = tile.packed(&instruction.operands[0]);
                for row in 0..count {
                    let from = x.row(tile.first + row);
                    packed::unpack::<L>(*half, from, width, out.0.add(row * width));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn contract_tile<L: Lanes>(
    sizes: &Contraction,
    x: &View<L::T>,
    (weights, strips): (&View<L::T>, *const L::T),
    ((out, width), bias): ((*mut L::T, usize), *const L::T),
    count: usize,
    workspace: &mut Workspace<L::T>,
) {
    unsafe {
        let [left, right] = &mut workspace.offsets;
        let matrix = |row: u32| {
            if weights.index.is_null() {
                0
            } else {
                *weights.index.add(row as usize)
            }
        };
        // rows that use the same matrix go together
        let order = &mut workspace.order;
        order.clear();
        order.extend(0..count as u32);
        if !weights.index.is_null() {
            order.sort_by_key(|&row| matrix(row));
        }
        for run in order.chunk_by(|&a, &b| matrix(a) == matrix(b)) {
            left.clear();
            right.clear();
            for &row in run {
                let from = x.row(row as usize).offset_from(x.ptr) as usize;
                left.extend(sizes.leads[0].iter().map(|lead| from + lead));
                let to = row as usize * width;
                right.extend(sizes.leads[1].iter().map(|lead| to + lead));
            }
            let first = matrix(run[0]) as usize * weights.row_stride;
            let matrix = if !strips.is_null() {
                Matrix::Strips(strips)
            } else if sizes.column_stride != 1 {
                Matrix::Columns(weights.ptr.add(first), sizes.column_stride)
            } else {
                Matrix::Rows(weights.ptr.add(first), sizes.matrix_stride)
            };
            contract::contract::<L>(
                Rows {
                    base: x.ptr,
                    offsets: left,
                },
                matrix,
                (
                    Rows {
                        base: out,
                        offsets: right,
                    },
                    bias,
                ),
                (sizes.k, sizes.n),
                workspace.kernel.pointer(),
            );
        }
    }
}

#[inline(always)]
unsafe fn contract_into<L: Lanes>(
    sizes: &Contraction,
    map: usize,
    instruction: &Instruction,
    tile: &Tile<'_, L::T>,
    workspace: &mut Workspace<L::T>,
) {
    unsafe {
        let [x, y] = &instruction.operands[..] else {
            unreachable!("two operands")
        };
        let inverse = &tile.inverses[map];
        let [left, right] = &mut workspace.offsets;
        let (from, with) = (tile.whole(x), tile.whole(y));
        for row in 0..tile.rows {
            let sources = inverse.of(tile.first + row);
            offsets(&from, sources.clone(), &sizes.leads[0], left);
            offsets(&with, sources, &sizes.leads[1], right);
            let out = tile.output(instruction).add(row * instruction.width);
            rows::clear::<L>(out, instruction.width);
            contract::contract_rows::<L>(
                Rows {
                    base: from.ptr,
                    offsets: left,
                },
                Rows {
                    base: with.ptr,
                    offsets: right,
                },
                out,
                (sizes.k, sizes.n),
            );
        }
    }
}

/// Which rows outer products are summed over.
enum All<T> {
    /// Those of the tile, added to a matrix.
    Tile(*mut T),
    /// All of a space, or those that a map sends to a row of the domain.
    Rows(Space, Option<usize>),
}

/// Sums of outer products, as a whole or one block of it. One call of the kernel for both, since it is
/// inlined.
#[inline(always)]
unsafe fn outer_products<L: Lanes>(
    (sizes, blocks): (&Contraction, &Blocks),
    all: All<L::T>,
    instruction: &Instruction,
    tile: &Tile<'_, L::T>,
    workspace: &mut Workspace<L::T>,
) {
    unsafe {
        let [left, right] = &mut workspace.offsets;
        let target = tile.first / blocks.len();
        let [x, y] = [(0, left), (1, right)].map(|(number, to)| {
            let operand = &instruction.operands[number];
            let leads = &sizes.leads[number];
            let packed = operand.packed.map(|half| (tile.packed(operand), half));
            let view = match all {
                All::Tile(_) => tile.view(operand),
                All::Rows(..) => tile.whole(operand),
            };
            macro_rules! offsets_of {
                ($rows:expr) => {
                    match &packed {
                        None => offsets(&view, $rows, leads, to),
                        Some((view, _)) => offsets(view, $rows, leads, to),
                    }
                };
            }
            match all {
                All::Tile(_) => offsets_of!(0..tile.rows),
                All::Rows(space, None) => offsets_of!(0..super::rows_of(tile.spaces, space)),
                All::Rows(_, Some(map)) => offsets_of!(tile.inverses[map].of(target)),
            }
            let base = match packed {
                None => gemm::Base::Numbers(view.ptr),
                Some((view, half)) => gemm::Base::Packed(view.ptr, half),
            };
            Rows {
                base,
                offsets: &to[..],
            }
        });
        let (numbers, out, adds) = match all {
            All::Tile(out) => (0..blocks.len(), out, true),
            All::Rows(..) => {
                let number = tile.first % blocks.len();
                let out = tile.bases[instruction.output].add(target * instruction.width);
                (number..number + 1, out, false)
            }
        };
        for number in numbers {
            let scratch = workspace.kernel.pointer();
            gemm::outer_products::<L>((blocks, number), x, y, (out, adds), scratch);
        }
    }
}

/// Products of rows, or their sums. One call of the kernel for all cases, since it is inlined.
#[inline(always)]
unsafe fn products<L: Lanes>(
    terms: &[(ProductProgram, usize)],
    sum: Option<Sum>,
    instruction: &Instruction,
    tile: &Tile<'_, L::T>,
    scratch: *mut L::T,
) {
    unsafe {
        let width = instruction.width;
        let (first, bounds) = tile.receivers;
        let (out, targets) = match sum {
            Some(Sum::Receivers) => {
                let out = tile.bases[instruction.output].add(first * width);
                (out, bounds.len() - 1)
            }
            _ => (tile.output(instruction), tile.rows),
        };
        let mut calls = 1;
        if let Some(sum) = sum {
            rows::clear::<L>(out, targets * width);
            if let Sum::Rows(_) = sum {
                calls = tile.rows;
            }
        }
        let mut operands = &instruction.operands[..];
        for (program, num_operands) in terms {
            let (own, others) = operands.split_at(*num_operands);
            operands = others;
            let mut views = [tile.whole(&own[0]); 5];
            for (view, operand) in views.iter_mut().zip(own) {
                *view = match sum {
                    Some(Sum::Rows(_)) => tile.whole(operand),
                    _ => tile.view(operand),
                };
            }
            for call in 0..calls {
                let (rows, sink) = match sum {
                    None => (product::Rows::first(tile.rows), Sink::rows((out, width))),
                    Some(Sum::Receivers) => {
                        let sink = Sink::runs(out, width, bounds);
                        (product::Rows::first(tile.rows), sink)
                    }
                    Some(Sum::Rows(map)) => {
                        let rows = tile.inverses[map].rows_of(tile.first + call);
                        let sink = Sink::one(out.add(call * width));
                        (product::Rows::listed(rows), sink)
                    }
                };
                product::product::<L>(program, rows, sink, &views, scratch);
            }
        }
    }
}

/// An instruction set that kernels were compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstructionSet {
    /// Any machine.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512F.
    Avx512,
}

impl InstructionSet {
    /// The best one that this machine has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
            {
                return Self::Avx2;
            }
        }
        Self::Portable
    }
}

/// A function that runs one instruction over a tile.
pub(crate) type Run<T> = unsafe fn(&Instruction, &Tile<'_, T>, &mut Workspace<T>);

/// The number types with their kernels.
pub trait Scalar: Number {
    #[doc(hidden)]
    #[allow(private_interfaces)] // the table of kernels is this crate's own
    fn table(set: InstructionSet) -> Run<Self>;
}

macro_rules! kernels {
    ($($t:ident: $portable:ident $avx2:ident $avx512:ident)*) => {$(
        unsafe fn $portable(i: &Instruction, t: &Tile<'_, $t>, w: &mut Workspace<$t>) {
            unsafe { run::<Portable<$t>>(i, t, w) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $avx2(i: &Instruction, t: &Tile<'_, $t>, w: &mut Workspace<$t>) {
            unsafe { run::<super::lanes::Avx2<$t>>(i, t, w) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma,f16c")]
        unsafe fn $avx512(i: &Instruction, t: &Tile<'_, $t>, w: &mut Workspace<$t>) {
            unsafe { run::<super::lanes::Avx512<$t>>(i, t, w) }
        }
        impl Scalar for $t {
            #[allow(private_interfaces)]
            fn table(set: InstructionSet) -> Run<$t> {
                match set {
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx512 => $avx512,
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx2 => $avx2,
                    _ => $portable,
                }
            }
        }
    )*};
}
kernels! {
    f32: portable_f32 avx2_f32 avx512_f32
    f64: portable_f64 avx2_f64 avx512_f64
}
