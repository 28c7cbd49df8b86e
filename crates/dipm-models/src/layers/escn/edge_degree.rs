//! The first features of atoms: what their edges are.

use dipm_field::{Field, Map};

use super::Frames;

/// xᵢ = (1/n̄) Σ_{j→i} D̂_e v_e, with v_e of order 0 in the frame of the edge.
///
/// `axial` are the v_e, [(L + 1) C] from a radial network, times an envelope if there is one.
/// Result [K, C].
pub fn edge_degree<'g>(axial: Field<'g>, frames: &Frames<'_, 'g>, divisor: f64) -> Field<'g> {
    let degrees = frames.coefficients().num_degrees();
    let channels = axial.shape()[0] / degrees;
    let axial = axial.reshape(&[degrees, channels]);
    frames.turn_out_axial(axial).sum(Map::Receiver) * divisor.recip()
}
