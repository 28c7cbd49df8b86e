//! Messages: products of features with harmonics, weighted channel by channel.

use std::ops::Range;

use dipm_field::{Field, Map, ProductTable, Slot};
use dipm_o3::{ClebschGordan, Irrep, Irreps};

use crate::layers::{Block, live};

/// One way to couple a feature with a harmonic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Entry of the feature's irreps.
    pub input: usize,
    /// Degree of the harmonic.
    pub degree: usize,
    /// The irrep of the result.
    pub output: Irrep,
    /// Columns of the radial network's last layer that weight the path, one a channel.
    pub columns: Range<usize>,
}

/// m_p\[k, u\] = √(2l₃ + 1) w_p\[u\] Σ_ab C\[a, b, k\] x_j\[a, u\] Y\[b\] for each path p, summed
/// over the edges that arrive at an atom.
///
/// All paths of one input entry are one sparse product, so that its rows stay in cache between
/// them.
#[derive(Debug, Clone)]
pub struct TensorProduct {
    groups: Vec<Group>,
    num_paths: usize,
}

/// The live paths of one input entry.
#[derive(Debug, Clone)]
struct Group {
    input: usize,
    /// x [2l₁ + 1, C], Y [(l_max + 1)²], w [P, C], result [Σ(2l₃ + 1), C].
    table: ProductTable,
    columns: Vec<Range<usize>>,
    /// Number, first component and size of each path in the result.
    paths: Vec<(usize, usize, usize)>,
}

impl TensorProduct {
    /// The product of a feature with the harmonics up to l_max along the paths that are live.
    pub fn new(input: &Irreps, l_max: usize, paths: &[Path], live: &[bool]) -> Self {
        let group = |(entry, mul_irrep): (usize, &dipm_o3::MulIrrep)| {
            let of_entry = paths.iter().enumerate().zip(live);
            let of_entry = of_entry.filter(|((_, path), live)| **live && path.input == entry);
            let mut terms = Vec::new();
            let mut layout = Vec::new();
            let mut columns = Vec::new();
            let mut start = 0;
            for (p, ((number, path), _)) in of_entry.enumerate() {
                let (l1, l2, l3) = (mul_irrep.irrep.l, path.degree, path.output.l);
                let norm = ((2 * l3 + 1) as f64).sqrt();
                for c in ClebschGordan::new(l1, l2, l3).nonzeros() {
                    terms.push((vec![c.i, l2 * l2 + c.j, p, start + c.k], norm * c.value));
                }
                layout.push((number, start, 2 * l3 + 1));
                columns.push(path.columns.clone());
                start += 2 * l3 + 1;
            }
            if layout.is_empty() {
                return None;
            }
            let slots = [
                Slot::channels(mul_irrep.irrep.dim()),
                Slot::scalars((l_max + 1) * (l_max + 1)),
                Slot::channels(layout.len()),
                Slot::channels(start),
            ];
            Some(Group {
                input: entry,
                table: ProductTable::new(&slots, terms),
                columns: live::merge(columns),
                paths: layout,
            })
        };
        Self {
            groups: input.iter().enumerate().filter_map(group).collect(),
            num_paths: paths.len(),
        }
    }

    /// Σ over incoming edges of the messages of each path, [2l₃ + 1, C] over atoms; `None` for dead
    /// paths. `weights` gives columns of the radial network, [P · C] over edges.
    pub fn forward<'g>(
        &self,
        x: &[Block<'g>],
        harmonics: Field<'g>,
        weights: impl Fn(&[Range<usize>]) -> Field<'g>,
    ) -> Vec<Block<'g>> {
        let mut sums = vec![None; self.num_paths];
        for group in &self.groups {
            let sent = x[group.input]
                .expect("what a live path reads is live")
                .gather(Map::Sender);
            let channels = sent.shape()[1];
            let weights = weights(&group.columns).reshape(&[group.paths.len(), channels]);
            let operands = [Some(sent), Some(harmonics), Some(weights), None];
            let sum = sent
                .graph()
                .product(&group.table, 3, &operands)
                .sum(Map::Receiver);
            for &(path, start, size) in &group.paths {
                sums[path] = Some(sum.slice(0, start, size));
            }
        }
        sums
    }
}
