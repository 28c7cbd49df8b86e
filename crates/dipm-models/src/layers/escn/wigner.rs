//! Tables of the Wigner matrices of frames: what their entries are made of.
//!
//! Notation of Pinchon and Hoggan, J. Phys. A 40, 1597 (2007): Z(θ) turns about the polar axis y,
//! and J is the matrix of the reflection σ: (x, y, z) → (−y, −x, z), so that J Z(θ) J turns about x.

use std::collections::BTreeMap;

use dipm_field::{ProductTable, Slot};
use dipm_o3::wigner_d;

use super::Coefficients;

/// Entries below this are zeros but for rounding.
const ROUNDING: f64 = 1e-12;

/// One after the other, the blocks l = 0..L of a Wigner matrix, row-major: rows are the orders
/// −l..l, columns the orders of the frame, at most m_max.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks(pub(super) Coefficients);

impl Blocks {
    /// Largest order of the columns of block l.
    fn width(self, l: usize) -> i32 {
        l.min(self.0.m_max) as i32
    }

    fn start(self, l: usize) -> usize {
        let size = |l: usize| (2 * l + 1) * (2 * self.width(l) as usize + 1);
        (0..l).map(size).sum()
    }

    /// Number of entries of all blocks.
    pub(super) fn len(self) -> usize {
        self.start(self.0.l_max + 1)
    }

    /// Place of an entry.
    pub(super) fn index(self, l: usize, row: i32, column: i32) -> usize {
        let width = self.width(l);
        let in_block = (row + l as i32) * (2 * width + 1) + column + width;
        self.start(l) + in_block as usize
    }

    /// Degree, row and column of all entries, in order.
    fn entries(self) -> impl Iterator<Item = (usize, i32, i32)> {
        (0..=self.0.l_max).flat_map(move |l| {
            let (rows, width) = (-(l as i32)..=l as i32, self.width(l));
            rows.flat_map(move |row| (-width..=width).map(move |column| (l, row, column)))
        })
    }
}

/// Number of the cosines and sines 1, cos θ, sin θ, cos 2θ, …, sin kθ.
pub(super) fn num_powers(k: usize) -> usize {
    2 * k + 1
}

/// Place of cos |m|θ among the powers.
fn cos(m: i32) -> usize {
    (2 * m.unsigned_abs() as usize).saturating_sub(1)
}

/// Place of sin |m|θ among the powers, m ≠ 0.
fn sin(m: i32) -> usize {
    2 * m.unsigned_abs() as usize
}

/// The non-zeros of row m of Z(θ): column, place of the power of θ, sign.
fn turn_row(m: i32) -> impl Iterator<Item = (i32, usize, f64)> {
    let sine = (m != 0).then(|| (-m, sin(m), f64::from(-m.signum())));
    std::iter::once((m, cos(m), 1.0)).chain(sine)
}

/// The non-zeros of column m of Z(θ): row, place of the power of θ, sign.
fn turn_column(m: i32) -> impl Iterator<Item = (i32, usize, f64)> {
    // Z(θ)ᵀ = Z(−θ)
    turn_row(m).map(move |(row, power, sign)| (row, power, if row == m { sign } else { -sign }))
}

/// J of the degrees up to l_max.
fn reflections(l_max: usize) -> impl Fn(usize, i32, i32) -> f64 {
    let sigma = [[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
    let matrices = wigner_d(l_max, sigma);
    move |l: usize, row: i32, column: i32| {
        let place = |m: i32| (m + l as i32) as usize;
        matrices[l][place(row) * (2 * l + 1) + place(column)]
    }
}

/// A table without the entries that are rounding errors.
fn table(slots: &[usize], terms: impl Iterator<Item = (Vec<usize>, f64)>) -> ProductTable {
    let mut sums = BTreeMap::new();
    for (index, value) in terms {
        *sums.entry(index).or_insert(0.0) += value;
    }
    let slots: Vec<Slot> = slots.iter().map(|dim| Slot::scalars(*dim)).collect();
    ProductTable::new(&slots, sums.into_iter().filter(|(_, x)| x.abs() > ROUNDING))
}

/// D = Z(α) J Z(β) J; slots: powers of α, powers of β, entries.
pub(super) fn frame(blocks: Blocks) -> ProductTable {
    let l_max = blocks.0.l_max;
    let j = reflections(l_max);
    let j = &j;
    let terms = blocks.entries().flat_map(move |(l, row, column)| {
        let orders = -(l as i32)..=l as i32;
        turn_row(row).flat_map(move |(n, a, sign_a)| {
            orders.clone().flat_map(move |p| {
                turn_row(p).map(move |(q, b, sign_b)| {
                    let value = sign_a * sign_b * j(l, n, p) * j(l, q, column);
                    (vec![a, b, blocks.index(l, row, column)], value)
                })
            })
        })
    });
    let powers = num_powers(l_max);
    table(&[powers, powers, blocks.len()], terms)
}

/// D′ = J D S, where S: x → −x changes the sign of the columns −m. Slots: entries of D, of D′.
///
/// If D takes y to σu, D′ takes y to u, and both are proper rotations.
pub(super) fn reflected(blocks: Blocks) -> ProductTable {
    let j = reflections(blocks.0.l_max);
    let j = &j;
    let terms = blocks.entries().flat_map(move |(l, row, column)| {
        let sign = if column < 0 { -1.0 } else { 1.0 };
        (-(l as i32)..=l as i32).map(move |n| {
            let (from, to) = (blocks.index(l, n, column), blocks.index(l, row, column));
            (vec![from, to], sign * j(l, row, n))
        })
    });
    table(&[blocks.len(), blocks.len()], terms)
}

/// D′ = D Z(γ); slots: entries of D, powers of γ, entries of D′.
pub(super) fn rolled(blocks: Blocks) -> ProductTable {
    let terms = blocks.entries().flat_map(move |(l, row, column)| {
        turn_column(column).map(move |(n, power, sign)| {
            let (from, to) = (blocks.index(l, row, n), blocks.index(l, row, column));
            (vec![from, power, to], sign)
        })
    });
    let powers = num_powers(blocks.0.m_max);
    table(&[blocks.len(), powers, blocks.len()], terms)
}

/// kθ from (k − 1)θ and θ as [cos, sin].
pub(super) fn addition() -> ProductTable {
    let terms = [
        (vec![0, 0, 0], 1.0),
        (vec![1, 1, 0], -1.0),
        (vec![0, 1, 1], 1.0),
        (vec![1, 0, 1], 1.0),
    ];
    table(&[2, 2, 2], terms.into_iter())
}
