//! Turning features into the frame of an edge and back.

use std::ops::Range;

use dipm_field::{Field, ProductTable, Slot};

use super::wigner::{self, Blocks, num_powers};
use super::{Coefficients, Harmonic};
use crate::layers::Edges;

/// Which of two frames an edge has.
///
/// A frame is a rotation that takes the y axis to the edge. No choice is continuous on the whole
/// sphere: that of the format, turns about x and then y, has poles at ±y, where even its
/// derivatives diverge. So near those poles a frame with poles at ±x is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// For networks that do not depend on the turn of a frame about its edge: each edge has the
    /// frame whose poles are farther.
    Free,
    /// For networks that depend on it, as activations on a grid do a little: the frame of the
    /// format but for edges within 0.01 of the poles.
    ///
    /// Differs from dipm 0.0.8, which loses orders there: an edge along y has no turn about y. The
    /// energy of such a network jumps a little where the frame changes.
    Fixed,
}

impl Gauge {
    /// sin² of the angle to ±y below which the second frame is used.
    fn threshold(self) -> f64 {
        match self {
            Self::Free => 0.5,
            Self::Fixed => 1e-4,
        }
    }
}

/// The matrices D̂_l = (−1)^l D_l(frame) and their tables.
///
/// A turn into the frame is D̂ᵀ, cut off at the order M; a turn back is ρ_l D̂, with the factors ρ_l
/// of [`Coefficients::rescale`] if asked for. The factor (−1)^l is of the format: the frame is
/// reflected, so that it takes y to the opposite of the edge.
#[derive(Debug, Clone)]
pub struct EdgeRotation {
    blocks: Blocks,
    rescaled: bool,
    gauge: Gauge,
    frame: ProductTable,
    reflected: ProductTable,
    turn_in: ProductTable,
}

impl EdgeRotation {
    /// The rotations of features with these coefficients.
    pub fn new(coefficients: Coefficients, rescaled: bool, gauge: Gauge) -> Self {
        let blocks = Blocks(coefficients);
        let node = Slot::channels(coefficients.num_node());
        let slots = [
            Slot::scalars(blocks.len()),
            node,
            Slot::channels(coefficients.num_edge()),
        ];
        let terms = coefficients.edge().into_iter().enumerate();
        let terms = terms.flat_map(|(place, h)| {
            column(blocks, h).map(move |(entry, row)| (vec![entry, row, place], parity(h.degree)))
        });
        Self {
            blocks,
            rescaled,
            gauge,
            frame: wigner::frame(blocks),
            reflected: wigner::reflected(blocks),
            turn_in: ProductTable::new(&slots, terms),
        }
    }

    /// The coefficients of the features.
    pub fn coefficients(&self) -> Coefficients {
        self.blocks.0
    }

    /// The frames of the edges; `roll` is a further turn of each about its edge, in radians, [].
    pub fn frames<'a, 'g>(&'a self, edges: &Edges<'g>, roll: Option<Field<'g>>) -> Frames<'a, 'g> {
        let graph = edges.graph();
        let component = |v: Field<'g>, axis| v.slice(0, axis, 1).reshape(&[]);
        let from_y = |v: Field<'g>| component(v, 2).power(2) + component(v, 0).power(2);
        // 0 < a vector's share off the poles of the first frame, so never a zero vector
        let square = (edges.vectors * edges.vectors).sum_inner();
        let first = from_y(edges.vectors) - square * self.gauge.threshold();
        let reflected = graph.concat(
            &[
                -edges.vectors.slice(0, 1, 1),
                -edges.vectors.slice(0, 0, 1),
                edges.vectors.slice(0, 2, 1),
            ],
            0,
        );
        let v = first.select(edges.vectors, reflected);
        let t_square = from_y(v);
        let t = t_square.select(t_square, graph.literal(1.0)).sqrt();
        let inverse_t = t.recip();
        let (l_max, m_max) = (self.coefficients().l_max, self.coefficients().m_max);
        let alpha = powers(
            component(v, 2) * inverse_t,
            component(v, 0) * inverse_t,
            l_max,
        );
        let beta = powers(
            component(v, 1) * edges.inverse_distance,
            t * edges.inverse_distance,
            l_max,
        );
        let entries = graph.product(&self.frame, 2, &[Some(alpha), Some(beta), None]);
        let other = graph.product(&self.reflected, 1, &[Some(entries), None]);
        let mut entries = first.reshape(&[1]).select(entries, other);
        if let Some(roll) = roll.filter(|_| m_max > 0) {
            let gamma = powers(roll.cos(), roll.sin(), m_max);
            let table = wigner::rolled(self.blocks);
            entries = graph.product(&table, 2, &[Some(entries), Some(gamma), None]);
        }
        Frames {
            rotation: self,
            entries,
        }
    }
}

/// (−1)^l
fn parity(l: usize) -> f64 {
    if l.is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// The entries of the column of a coefficient, and the coefficients of their rows.
fn column(blocks: Blocks, h: Harmonic) -> impl Iterator<Item = (usize, usize)> {
    let l = h.degree;
    (-(l as i32)..=l as i32).map(move |order| {
        let row = Harmonic { degree: l, order };
        (blocks.index(l, order, h.order), row.node_index())
    })
}

/// 1, cos θ, sin θ, …, cos kθ, sin kθ from cos θ and sin θ, [2 k + 1].
fn powers<'g>(cos: Field<'g>, sin: Field<'g>, k: usize) -> Field<'g> {
    let graph = cos.graph();
    let one = graph.literal(1.0).broadcast(cos.space(), &[1]);
    let first = graph.concat(&[cos.reshape(&[1]), sin.reshape(&[1])], 0);
    let addition = wigner::addition();
    let next =
        |last: &Field<'g>| Some(graph.product(&addition, 2, &[Some(*last), Some(first), None]));
    let multiples = std::iter::successors(Some(first), next).take(k);
    let powers = graph.concat(
        &std::iter::once(one).chain(multiples).collect::<Vec<_>>(),
        0,
    );
    debug_assert_eq!(powers.shape(), [num_powers(k)]);
    powers
}

/// The frames of the edges of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Frames<'a, 'g> {
    rotation: &'a EdgeRotation,
    /// Of D, the blocks one after the other.
    entries: Field<'g>,
}

impl<'g> Frames<'_, 'g> {
    /// The coefficients of the features.
    pub fn coefficients(&self) -> Coefficients {
        self.rotation.coefficients()
    }

    /// Into the frame, [K, C] → [K_r, C].
    pub fn turn_in(&self, x: Field<'g>) -> Field<'g> {
        let operands = [Some(self.entries), Some(x), None];
        x.graph().product(&self.rotation.turn_in, 2, &operands)
    }

    /// Back, of the given degrees only: their coefficients of an edge → those of a node.
    pub fn turn_out(&self, y: Field<'g>, degrees: Range<usize>) -> Field<'g> {
        if degrees == (0..1) {
            return y; // scalars do not turn
        }
        self.back(y, degrees, |_| true)
    }

    /// Back from the order 0 alone, [L + 1, C] → [K, C].
    pub fn turn_out_axial(&self, y: Field<'g>) -> Field<'g> {
        let degrees = 0..self.coefficients().num_degrees();
        self.back(y, degrees, |h| h.order == 0)
    }

    fn back(
        &self,
        y: Field<'g>,
        degrees: Range<usize>,
        is_given: impl Fn(&Harmonic) -> bool,
    ) -> Field<'g> {
        let (blocks, coefficients) = (self.rotation.blocks, self.coefficients());
        let given: Vec<Harmonic> = coefficients
            .edge_of(&degrees)
            .into_iter()
            .filter(is_given)
            .collect();
        let first_row = degrees.start.pow(2);
        let slots = [
            Slot::scalars(blocks.len()),
            Slot::channels(given.len()),
            Slot::channels(degrees.end.pow(2) - first_row),
        ];
        let terms = given.into_iter().enumerate().flat_map(|(place, h)| {
            let rescale = if self.rotation.rescaled {
                coefficients.rescale(h.degree)
            } else {
                1.0
            };
            let factor = parity(h.degree) * rescale;
            column(blocks, h).map(move |(entry, row)| (vec![entry, place, row - first_row], factor))
        });
        let table = ProductTable::new(&slots, terms);
        y.graph()
            .product(&table, 2, &[Some(self.entries), Some(y), None])
    }
}

#[cfg(test)]
mod tests;
