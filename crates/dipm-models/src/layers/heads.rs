//! Attention heads: blocks of neighbouring channels.

use dipm_field::Field;

/// Σ over the channels of each head, [.., C] → [.., H, 1].
pub fn sum_heads(x: Field<'_>, num_heads: usize) -> Field<'_> {
    in_heads(x, num_heads).sum_axes(&[x.shape().len()])
}

/// Channels [.., C] times the number of their head, [H, 1].
pub fn scale_heads<'g>(x: Field<'g>, factors: Field<'g>) -> Field<'g> {
    (in_heads(x, factors.shape()[0]) * factors).reshape(&x.shape())
}

/// [.., C] → [.., H, C/H]
fn in_heads(x: Field<'_>, num_heads: usize) -> Field<'_> {
    let mut shape = x.shape();
    let channels = shape.pop().expect("features have channels");
    shape.extend([num_heads, channels / num_heads]);
    x.reshape(&shape)
}
