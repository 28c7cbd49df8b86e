//! Periodic neighbour lists by cell lists.
//!
//! Exact for any cell: smaller than the cutoff, skewed, left-handed, periodic along some axes only,
//! atoms anywhere. Space is cut into bins along the reciprocal vectors; the images of a bin are
//! enumerated as far as the cutoff reaches. Time grows linearly with the number of atoms at fixed
//! density.

use crate::cell::{self, Cell, dot, shift_vector};

/// Directed edges sorted by receiver, then sender, then shift.
///
/// Edge vector: r\[receiver\] − r\[sender\] + shift · cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeighborList {
    /// Atom that the edge comes from, `[E]`.
    pub senders: Vec<u32>,
    /// Atom that the edge goes to, `[E]`.
    pub receivers: Vec<u32>,
    /// Integer multiples of the cell vectors, [E, 3].
    pub shifts: Vec<[i32; 3]>,
}

impl NeighborList {
    /// Number of directed edges.
    pub fn len(&self) -> usize {
        self.senders.len()
    }

    /// Whether there is no edge.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }
}

/// All pairs and images closer than `r_max` (strictly), in both directions.
///
/// `positions` in Å, `cell` rows are lattice vectors, used along the axes that are periodic. An atom
/// is a neighbour of its own images, never of itself. `max_neighbors_per_atom` keeps the nearest
/// incoming edges of each receiver; ties go to the smaller sender, then the smaller shift.
///
/// # Panics
/// If `r_max` is not positive and finite, or an axis is periodic without an independent cell vector
/// ([`crate::Structure::validate`] reports that as an error).
pub fn neighbor_list(
    positions: &[[f64; 3]],
    cell: Option<&Cell>,
    pbc: [bool; 3],
    r_max: f64,
    max_neighbors_per_atom: Option<usize>,
) -> NeighborList {
    assert!(r_max > 0.0 && r_max.is_finite(), "cutoff {r_max} Å");
    let full = cell::complete(cell, pbc).expect("periodic axes have independent cell vectors");
    let bins = Bins::new(positions, &full, pbc, r_max);
    let mut list = NeighborList::default();
    let mut incoming: Vec<Incoming> = Vec::new();
    for receiver in 0..positions.len() {
        incoming.clear();
        bins.collect(receiver, &mut incoming);
        if let Some(limit) = max_neighbors_per_atom.filter(|&k| k < incoming.len()) {
            incoming.sort_unstable_by(|a, b| {
                let by_distance = a.distance_squared.total_cmp(&b.distance_squared);
                by_distance.then_with(|| a.key().cmp(&b.key()))
            });
            incoming.truncate(limit);
        }
        incoming.sort_unstable_by_key(Incoming::key);
        list.senders.extend(incoming.iter().map(|e| e.sender));
        list.shifts.extend(incoming.iter().map(|e| e.shift));
        list.receivers.resize(list.senders.len(), receiver as u32);
    }
    list
}

/// How many images of the cell lie within reach of it: the work a tiny cell causes.
pub(crate) fn images_in_reach(full: &Cell, pbc: [bool; 3], r_max: f64) -> f64 {
    let heights = cell::reciprocal(full).map(|g| 1.0 / cell::norm(g));
    let per_axis = |a: usize| {
        if pbc[a] {
            2.0 * (r_max / heights[a]).ceil() + 1.0
        } else {
            1.0
        }
    };
    (0..3).map(per_axis).product()
}

struct Incoming {
    sender: u32,
    shift: [i32; 3],
    distance_squared: f64,
}

impl Incoming {
    fn key(&self) -> (u32, [i32; 3]) {
        (self.sender, self.shift)
    }
}

struct Bins<'a> {
    positions: &'a [[f64; 3]],
    /// Positions moved into the cell along periodic axes.
    wrapped: Vec<[f64; 3]>,
    /// positions = wrapped + moved · cell.
    moved: Vec<[i32; 3]>,
    cell: Cell,
    pbc: [bool; 3],
    r_max: f64,
    /// Number of bins along each axis.
    counts: [i64; 3],
    /// How many bins the cutoff reaches along each axis.
    reach: [i64; 3],
    bin_of: Vec<[i64; 3]>,
    /// Atoms ordered by bin; bin b holds `atoms[starts[b]..starts[b + 1]]`.
    atoms: Vec<u32>,
    starts: Vec<u32>,
}

impl<'a> Bins<'a> {
    fn new(positions: &'a [[f64; 3]], full: &Cell, pbc: [bool; 3], r_max: f64) -> Self {
        let reciprocal = cell::reciprocal(full);
        let heights = reciprocal.map(|g| 1.0 / cell::norm(g));
        let mut moved = vec![[0; 3]; positions.len()];
        let mut fractions: Vec<[f64; 3]> = positions
            .iter()
            .map(|r| std::array::from_fn(|a| dot(reciprocal[a], *r)))
            .collect();
        let (mut low, mut extent) = ([0.0; 3], [1.0; 3]);
        for a in 0..3 {
            if pbc[a] {
                for (fraction, n) in fractions.iter_mut().zip(&mut moved) {
                    let whole = fraction[a].floor();
                    n[a] = whole as i32;
                    fraction[a] -= whole;
                }
            } else {
                let values = || fractions.iter().map(|f| f[a]);
                let least = values().fold(f64::INFINITY, f64::min);
                low[a] = if least.is_finite() { least } else { 0.0 };
                extent[a] = values().fold(low[a], f64::max) - low[a];
            }
        }
        let widths: [f64; 3] = std::array::from_fn(|a| extent[a] * heights[a]);
        let counts = bin_counts(widths, r_max, positions.len());
        let reach = std::array::from_fn(|a| {
            let bin_width = widths[a] / counts[a] as f64;
            // One part in 10⁹ more: a bin border may be off by rounding. Past the last bin of an
            // axis without periodicity there is nothing.
            let bins = if bin_width > 0.0 {
                (r_max / bin_width * (1.0 + 1e-9)).ceil()
            } else {
                0.0
            };
            if pbc[a] {
                bins as i64
            } else {
                (bins as i64).min(counts[a] - 1)
            }
        });
        let bin = |f: &[f64; 3]| -> [i64; 3] {
            std::array::from_fn(|a| {
                let share = if extent[a] > 0.0 {
                    (f[a] - low[a]) / extent[a]
                } else {
                    0.0
                };
                ((share * counts[a] as f64) as i64).clamp(0, counts[a] - 1)
            })
        };
        let bin_of: Vec<[i64; 3]> = fractions.iter().map(bin).collect();
        let wrapped = positions.iter().zip(&moved).map(|(r, n)| {
            let offset = shift_vector(*n, full);
            std::array::from_fn(|k| r[k] - offset[k])
        });
        let mut bins = Self {
            positions,
            wrapped: wrapped.collect(),
            moved,
            cell: *full,
            pbc,
            r_max,
            counts,
            reach,
            bin_of,
            atoms: Vec::new(),
            starts: Vec::new(),
        };
        bins.fill();
        bins
    }

    fn flat(&self, bin: [i64; 3]) -> usize {
        ((bin[0] * self.counts[1] + bin[1]) * self.counts[2] + bin[2]) as usize
    }

    /// Counting sort of the atoms by bin.
    fn fill(&mut self) {
        let num_bins = (self.counts[0] * self.counts[1] * self.counts[2]) as usize;
        let mut starts = vec![0_u32; num_bins + 1];
        for bin in &self.bin_of {
            starts[self.flat(*bin) + 1] += 1;
        }
        for b in 0..num_bins {
            starts[b + 1] += starts[b];
        }
        let mut next = starts.clone();
        let mut atoms = vec![0_u32; self.bin_of.len()];
        for (atom, bin) in self.bin_of.iter().enumerate() {
            let slot = &mut next[self.flat(*bin)];
            atoms[*slot as usize] = atom as u32;
            *slot += 1;
        }
        (self.atoms, self.starts) = (atoms, starts);
    }

    /// All incoming edges of one atom, in no particular order.
    fn collect(&self, receiver: usize, incoming: &mut Vec<Incoming>) {
        let home = self.bin_of[receiver];
        self.for_axis(0, home[0], &mut |b0, s0| {
            self.for_axis(1, home[1], &mut |b1, s1| {
                self.for_axis(2, home[2], &mut |b2, s2| {
                    self.collect_bin(receiver, [b0, b1, b2], [s0, s1, s2], incoming);
                });
            });
        });
    }

    /// Calls `visit(bin, image)` for the bins of one axis that the cutoff reaches.
    #[inline]
    fn for_axis(&self, axis: usize, home: i64, visit: &mut dyn FnMut(i64, i32)) {
        let (count, reach) = (self.counts[axis], self.reach[axis]);
        for bin in home - reach..=home + reach {
            if self.pbc[axis] {
                visit(bin.rem_euclid(count), bin.div_euclid(count) as i32);
            } else if (0..count).contains(&bin) {
                visit(bin, 0);
            }
        }
    }

    /// Edges from the atoms of one bin, displaced by `image` cells.
    fn collect_bin(
        &self,
        receiver: usize,
        bin: [i64; 3],
        image: [i32; 3],
        incoming: &mut Vec<Incoming>,
    ) {
        let b = self.flat(bin);
        let members = &self.atoms[self.starts[b] as usize..self.starts[b + 1] as usize];
        if members.is_empty() {
            return;
        }
        let offset = shift_vector(image, &self.cell);
        let here = self.wrapped[receiver];
        let limit = self.r_max * self.r_max;
        for &sender in members {
            let there = self.wrapped[sender as usize];
            let difference: [f64; 3] = std::array::from_fn(|k| (here[k] - there[k]) - offset[k]);
            let mut distance_squared = dot(difference, difference);
            if distance_squared > limit * (1.0 + 1e-9) {
                continue;
            }
            let shift: [i32; 3] = std::array::from_fn(|a| {
                let moved = self.moved[sender as usize][a] - self.moved[receiver][a];
                moved - image[a]
            });
            if distance_squared > limit * (1.0 - 1e-9) {
                distance_squared = self.distance_squared(sender as usize, receiver, shift);
            }
            let is_self = sender as usize == receiver && shift == [0; 3];
            if distance_squared < limit && !is_self {
                incoming.push(Incoming {
                    sender,
                    shift,
                    distance_squared,
                });
            }
        }
    }

    /// Decides at the cutoff, from the positions as given: |r_receiver − r_sender + shift · cell|².
    fn distance_squared(&self, sender: usize, receiver: usize, shift: [i32; 3]) -> f64 {
        let (to, from) = (self.positions[receiver], self.positions[sender]);
        let offset = shift_vector(shift, &self.cell);
        let edge: [f64; 3] = std::array::from_fn(|k| (to[k] - from[k]) + offset[k]);
        dot(edge, edge)
    }
}

/// Bins no narrower than the cutoff, about as many as there are atoms at most.
fn bin_counts(widths: [f64; 3], r_max: f64, num_atoms: usize) -> [i64; 3] {
    let most = 4 * num_atoms as i64 + 64;
    let mut counts = widths.map(|w| ((w / r_max) as i64).clamp(1, most));
    while counts.iter().product::<i64>() > most {
        let longest = counts.iter_mut().max().expect("three axes");
        *longest = (*longest + 1) / 2;
    }
    counts
}
