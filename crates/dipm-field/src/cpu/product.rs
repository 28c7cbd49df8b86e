//! The k-linear product: a program made from the table once, and the kernel that runs it.
//!
//! Slots without channels ("scalars") are folded into one factor per distinct combination of the
//! channel indices and, if it has channels, the open index. These factors are computed for a block
//! of rows at a time, one row per lane; then each row runs over its channels with them.

mod dense;
mod kernel;

use crate::ProductTable;
use dense::DenseBlock;
pub(crate) use kernel::{Rows, Sink, product};
use std::collections::BTreeMap;

/// An open index, and the indices or offsets of channel operands.
type Key = (usize, Vec<usize>);

/// Σ over `terms` of coefficient · Π scalars.
#[derive(Clone, Debug, Default)]
struct Factor {
    /// Coefficient and one position (in the transposed scalars) per scalar slot.
    terms: Vec<(f64, Vec<usize>)>,
}

/// out += (Π outer) · Σ inner (factor · a).
#[derive(Clone, Debug)]
struct Sum {
    /// Entry offsets into the outer channel operands, in order.
    outer: Vec<usize>,
    /// (offset into the inner operand, factor).
    inner: Vec<(usize, usize)>,
}

/// out\[target\] += Σ over channels of factor · (Π outer) · a, for each `a` of `inner`.
#[derive(Clone, Debug)]
struct Reduction {
    outer: Vec<usize>,
    /// Offset into the inner operand, and the (target, factor) pairs that use the product.
    inner: Vec<(usize, Vec<(usize, usize)>)>,
}

#[derive(Clone, Debug)]
enum Body {
    /// The open slot has channels.
    Channels { sums: Vec<Vec<Sum>> },
    /// The open slot has channels, and so has exactly one other.
    Dense { blocks: Vec<DenseBlock> },
    /// The open slot has none, but others have.
    Reduce { reductions: Vec<Reduction> },
    /// No slot has channels: factor number = open index.
    Scalars,
}

/// How to run a product with one slot open.
#[derive(Clone, Debug)]
pub(crate) struct ProductProgram {
    pub channels: usize,
    /// Components of the open slot.
    open_dim: usize,
    /// Operand numbers of the scalars, with the number of their components and their stride.
    scalars: Vec<(usize, usize, usize)>,
    /// Operand number of the inner channel operand, then of the outer ones.
    channel_operands: Vec<usize>,
    factors: Vec<Factor>,
    /// Whether every factor is one scalar, so that it is read where it lies.
    factors_are_scalars: bool,
    /// Factors as numbers where there are no scalars.
    constants: Vec<f64>,
    body: Body,
    /// Multiply-adds per row.
    pub operations: usize,
}

impl ProductProgram {
    /// For `table` with slot `open` open. `strides` holds, for each operand in slot order, the
    /// stride of its components; `channels` is 1 where there are none.
    pub fn new(table: &ProductTable, open: usize, strides: &[usize], channels: usize) -> Self {
        let slots = table.slots();
        let others: Vec<usize> = (0..slots.len()).filter(|&slot| slot != open).collect();
        let operand = |slot: usize| others.iter().position(|&s| s == slot).expect("not open");
        let scalar_slots: Vec<usize> = others
            .iter()
            .copied()
            .filter(|&slot| !slots[slot].channels)
            .collect();
        let channel_slots: Vec<usize> = others
            .iter()
            .copied()
            .filter(|&slot| slots[slot].channels)
            .collect();
        let mut scalars = vec![];
        let mut starts = vec![];
        let mut position = 0;
        for &slot in &scalar_slots {
            scalars.push((operand(slot), slots[slot].dim, strides[operand(slot)]));
            starts.push(position);
            position += slots[slot].dim;
        }
        let open_has_channels = slots[open].channels;
        // every distinct (open index, channel indices) is one factor
        let mut keys: BTreeMap<Key, Factor> = BTreeMap::new();
        for entry in table.entries() {
            let at = |slot: usize| entry.index[slot] as usize;
            let key = (
                at(open),
                channel_slots.iter().map(|&slot| at(slot)).collect(),
            );
            let place = scalar_slots
                .iter()
                .zip(&starts)
                .map(|(&slot, start)| start + at(slot))
                .collect();
            keys.entry(key)
                .or_default()
                .terms
                .push((entry.coefficient, place));
        }
        let open_dim = slots[open].dim;
        let inner_slot = inner_choice(&keys, channel_slots.len(), open_has_channels);
        let mut order: Vec<usize> = (0..channel_slots.len()).collect();
        if !order.is_empty() {
            order.swap(0, inner_slot);
        }
        let channel_operands: Vec<usize> =
            order.iter().map(|&i| operand(channel_slots[i])).collect();
        let offset =
            |which: usize, index: &[usize]| index[order[which]] * strides[channel_operands[which]];
        let mut factors = vec![];
        let mut operations = 0;
        let mut factors_are_scalars = false;
        let body = if channel_slots.is_empty() {
            factors = vec![Factor::default(); open_dim];
            for ((target, _), factor) in keys {
                operations += factor.terms.len() * (scalars.len() + 1);
                factors[target] = factor;
            }
            Body::Scalars
        } else if open_has_channels && channel_slots.len() == 1 {
            let mut pairs = vec![];
            for ((target, index), factor) in keys {
                pairs.push((target, offset(0, &index), factors.len()));
                operations += channels + factor.terms.len() * scalars.len();
                factors.push(factor);
            }
            let scalar = |factor: &Factor| matches!(&factor.terms[..], [(c, places)] if *c == 1.0 && places.len() == 1);
            factors_are_scalars = scalars.len() == 1 && factors.iter().all(scalar);
            if factors_are_scalars {
                for pair in &mut pairs {
                    pair.2 = factors[pair.2].terms[0].1[0] * scalars[0].2;
                }
            }
            let blocks = dense::blocks(open_dim, &pairs);
            Body::Dense { blocks }
        } else if open_has_channels {
            let mut groups: BTreeMap<Key, Vec<(usize, usize)>> = BTreeMap::new();
            for ((target, index), factor) in keys {
                let outer = (1..order.len())
                    .map(|which| offset(which, &index))
                    .collect();
                let inner = (offset(0, &index), factors.len());
                groups.entry((target, outer)).or_default().push(inner);
                operations += factor.terms.len() * scalars.len();
                factors.push(factor);
            }
            let mut sums = vec![vec![]; open_dim];
            for ((target, outer), inner) in groups {
                operations += channels * (inner.len() + outer.len());
                sums[target].push(Sum { outer, inner });
            }
            Body::Channels { sums }
        } else {
            type Inner = BTreeMap<usize, Vec<(usize, usize)>>;
            let mut groups: BTreeMap<Vec<usize>, Inner> = BTreeMap::new();
            for ((target, index), factor) in keys {
                let outer = (1..order.len())
                    .map(|which| offset(which, &index))
                    .collect();
                let uses = groups
                    .entry(outer)
                    .or_default()
                    .entry(offset(0, &index))
                    .or_default();
                uses.push((target, factors.len()));
                operations += factor.terms.len() * scalars.len();
                factors.push(factor);
            }
            let reductions = groups
                .into_iter()
                .map(|(outer, inner)| {
                    operations += channels * (inner.len() + outer.len());
                    Reduction {
                        outer,
                        inner: inner.into_iter().collect(),
                    }
                })
                .collect();
            Body::Reduce { reductions }
        };
        let constants = if scalars.is_empty() {
            factors
                .iter()
                .map(|factor| factor.terms.iter().map(|term| term.0).sum())
                .collect()
        } else {
            vec![]
        };
        Self {
            channels,
            open_dim,
            scalars,
            channel_operands,
            factors,
            factors_are_scalars,
            constants,
            body,
            operations,
        }
    }

    /// Numbers of scratch that the kernel needs beside its operands, for vectors of at most 16.
    pub fn scratch(&self) -> usize {
        let transposed: usize = self.scalars.iter().map(|scalar| scalar.1).sum();
        16 * (transposed + self.factors.len() + self.open_dim)
    }
}

/// The channel operand to sum over innermost: the one that leaves the fewest distinct outer tuples.
fn inner_choice(keys: &BTreeMap<Key, Factor>, operands: usize, with_target: bool) -> usize {
    (0..operands)
        .min_by_key(|&inner| {
            let outer: std::collections::BTreeSet<Key> = keys
                .keys()
                .map(|(target, index)| {
                    let mut rest = index.clone();
                    rest.remove(inner);
                    (if with_target { *target } else { 0 }, rest)
                })
                .collect();
            outer.len()
        })
        .unwrap_or(0)
}
