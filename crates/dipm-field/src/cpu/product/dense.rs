//! Products with one channel operand: each component of the result is a sum of components of the
//! operand with factors. Components with the same terms, such as those of a rotation or of a dense
//! table, are computed together, as in a product of matrices.

use crate::cpu::lanes::{Lanes, sealed::Float};
use crate::cpu::view::{load_vectors, store_vectors};
use std::collections::BTreeMap;

/// Components of the result that are sums over the same components of the operand.
#[derive(Clone, Debug)]
pub(super) struct DenseBlock {
    targets: Vec<usize>,
    /// Offsets of the components of the operand.
    offsets: Vec<usize>,
    /// Position of the factor of each term: for each offset, all targets.
    factors: Vec<usize>,
}

/// Blocks for all `open_dim` components from (component of the result, offset of a component of the
/// operand, position of the factor), sorted by the first two.
pub(super) fn blocks(open_dim: usize, pairs: &[(usize, usize, usize)]) -> Vec<DenseBlock> {
    let mut terms = vec![(vec![], vec![]); open_dim];
    for &(target, offset, factor) in pairs {
        terms[target].0.push(offset);
        terms[target].1.push(factor);
    }
    let mut alike: BTreeMap<Vec<usize>, Vec<(usize, Vec<usize>)>> = BTreeMap::new();
    for (target, (offsets, factors)) in terms.into_iter().enumerate() {
        alike.entry(offsets).or_default().push((target, factors));
    }
    alike
        .into_iter()
        .map(|(offsets, targets)| DenseBlock {
            factors: (0..offsets.len())
                .flat_map(|i| targets.iter().map(move |target| target.1[i]))
                .collect(),
            targets: targets.iter().map(|target| target.0).collect(),
            offsets,
        })
        .collect()
}

/// One row of the result, which is added to what is there if `adds`. Factor p is at `factors.0.add(p * factors.1)`.
///
/// # Safety
/// The instruction set must be there; `x`, the factors and `out` must be valid for the blocks.
#[inline(always)]
pub(super) unsafe fn dense_row<L: Lanes>(
    blocks: &[DenseBlock],
    x: *const L::T,
    factors: (*const L::T, usize),
    (out, adds): (*mut L::T, bool),
    channels: usize,
) {
    unsafe {
        for block in blocks {
            let mut c = 0;
            while c < channels {
                let (x, out, left) = (x.add(c), out.add(c), channels - c);
                if L::WIDE && left >= 4 * L::N {
                    columns::<L, 4, false>(block, x, factors, (out, channels, adds), L::N);
                    c += 4 * L::N;
                } else if !L::WIDE && left >= 2 * L::N {
                    columns::<L, 2, false>(block, x, factors, (out, channels, adds), L::N);
                    c += 2 * L::N;
                } else if left >= L::N {
                    columns::<L, 1, false>(block, x, factors, (out, channels, adds), L::N);
                    c += L::N;
                } else {
                    columns::<L, 1, true>(block, x, factors, (out, channels, adds), left);
                    c += L::N;
                }
            }
        }
    }
}

/// `U` vectors of channels of all targets of a block, the last with `last` numbers if `PART`.
#[inline(always)]
unsafe fn columns<L: Lanes, const U: usize, const PART: bool>(
    block: &DenseBlock,
    x: *const L::T,
    factors: (*const L::T, usize),
    out: (*mut L::T, usize, bool),
    last: usize,
) {
    unsafe {
        let mut t = 0;
        while t < block.targets.len() {
            t += match block.targets.len() - t {
                1 => some::<L, 1, U, PART>(block, t, x, factors, out, last),
                2 => some::<L, 2, U, PART>(block, t, x, factors, out, last),
                3 => some::<L, 3, U, PART>(block, t, x, factors, out, last),
                5 => some::<L, 5, U, PART>(block, t, x, factors, out, last),
                4 | 7 | 8 => some::<L, 4, U, PART>(block, t, x, factors, out, last),
                _ => some::<L, 6, U, PART>(block, t, x, factors, out, last),
            };
        }
    }
}

/// `M` targets of a block, from number `t`; returns `M`.
#[inline(always)]
unsafe fn some<L: Lanes, const M: usize, const U: usize, const PART: bool>(
    block: &DenseBlock,
    t: usize,
    x: *const L::T,
    (factors, step): (*const L::T, usize),
    (out, channels, adds): (*mut L::T, usize, bool),
    last: usize,
) -> usize {
    unsafe {
        let mut sums = [[L::splat(L::T::ZERO); U]; M];
        if adds {
            for (m, sums) in sums.iter_mut().enumerate() {
                let out = out.add(block.targets[t + m] * channels);
                *sums = load_vectors::<L, U, PART>(out, last);
            }
        }
        let mut positions = block.factors.as_ptr().wrapping_add(t);
        for &offset in &block.offsets {
            let x = load_vectors::<L, U, PART>(x.add(offset), last);
            for (m, sums) in sums.iter_mut().enumerate() {
                let factor = L::splat(*factors.add(*positions.add(m) * step));
                for u in 0..U {
                    sums[u] = L::fma(factor, x[u], sums[u]);
                }
            }
            positions = positions.wrapping_add(block.targets.len());
        }
        for (m, sums) in sums.into_iter().enumerate() {
            let out = out.add(block.targets[t + m] * channels);
            store_vectors::<L, U, PART>(out, last, sums);
        }
        M
    }
}
