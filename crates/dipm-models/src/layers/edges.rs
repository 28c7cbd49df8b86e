//! Geometry of the edges.

use dipm_field::{Field, Graph};

use crate::{Mode, Precision};

/// What a network sees of the atoms' arrangement: fields over edges.
#[derive(Debug, Clone, Copy)]
pub struct Edges<'g> {
    /// r_receiver − r_sender + shift · cell in Å, `[3]`.
    pub vectors: Field<'g>,
    /// d = |vector| in Å, 0 where the vector is zero, [].
    pub distance: Field<'g>,
    /// 1/d, and 1 where the vector is zero, [].
    pub inverse_distance: Field<'g>,
    /// vector/d, zero where the vector is zero, `[3]`.
    pub direction: Field<'g>,
    /// Precision of the computation, which some constants of the format depend on.
    pub precision: Precision,
    /// Whether random numbers of training take part.
    pub mode: Mode,
}

impl<'g> Edges<'g> {
    /// Geometry from the edge vectors, `[3]`. All of it is finite and has finite derivatives
    /// even where a vector is zero.
    pub fn new(vectors: Field<'g>, precision: Precision, mode: Mode) -> Self {
        let graph = vectors.graph();
        let square = (vectors * vectors).sum_inner();
        let length = square.select(square, graph.literal(1.0)).sqrt();
        let inverse_distance = length.recip();
        Self {
            vectors,
            distance: square.select(length, graph.literal(0.0)),
            inverse_distance,
            direction: vectors * inverse_distance,
            precision,
            mode,
        }
    }

    /// vector/(d + 1e-8 Å), a little shorter than the direction, `[3]`.
    pub fn softened_direction(&self) -> Field<'g> {
        self.vectors * (self.distance + 1e-8).recip()
    }

    /// The graph the fields belong to.
    pub fn graph(&self) -> &'g Graph {
        self.vectors.graph()
    }
}
