//! The gate: scalars pass an activation, other irreps are multiplied by one.

use dipm_field::Field;
use dipm_o3::{Irrep, Irreps, Parity};

use crate::layers::{Block, Live};
use crate::{Activation, Precision};

/// Scalars → ψ(scalars); each copy of other irreps → ψ(its gate scalar) · copy.
///
/// ψ is the normalised silu for even scalars and gates, the normalised tanh for odd scalars. The
/// input holds scalars, gates and the other irreps, in this order, adjacent equal irreps merged.
#[derive(Debug, Clone)]
pub struct Gate {
    output: Irreps,
    before: Irreps,
    live: Live,
    scalars: Vec<Piece>,
    gates: Vec<Piece>,
    gated: Vec<Piece>,
}

/// Some copies of an entry of the input, counted among its live copies.
#[derive(Debug, Clone)]
struct Piece {
    live: bool,
    entry: usize,
    start: usize,
    len: usize,
}

impl Gate {
    /// A gate for scalars and other irreps, each irrep in one entry. `live` says of each entry of
    /// the output, scalars first, whether something reads it.
    pub fn new(scalars: &Irreps, gated: &Irreps, live: &[bool]) -> Self {
        let gates = Irreps::new(gated.iter().map(|entry| (entry.mul, Irrep::SCALAR)));
        let (live_scalars, live_gated) = live.split_at(scalars.len());
        let flags = live_scalars.iter().chain(live_gated).chain(live_gated);
        let mut before: Vec<(usize, Irrep)> = Vec::new();
        let mut ranges = Vec::new();
        let mut pieces = Vec::new();
        for (entry, &live) in scalars
            .iter()
            .chain(gates.iter())
            .chain(gated.iter())
            .zip(flags)
        {
            if before.last().is_none_or(|last| last.1 != entry.irrep) {
                before.push((0, entry.irrep));
                ranges.push(Vec::new());
            }
            let number = before.len() - 1;
            let start = before[number].0;
            before[number].0 += entry.mul;
            let of_entry: &mut Vec<std::ops::Range<usize>> = &mut ranges[number];
            pieces.push(Piece {
                live,
                entry: number,
                start: of_entry.iter().map(ExactSizeIterator::len).sum(),
                len: entry.mul,
            });
            if live {
                of_entry.push(start..start + entry.mul);
            }
        }
        let gated_pieces = pieces.split_off(scalars.len() + gates.len());
        let gates = pieces.split_off(scalars.len());
        Self {
            output: scalars.concat(gated),
            before: Irreps::new(before),
            live: Live::new(ranges),
            scalars: pieces,
            gates,
            gated: gated_pieces,
        }
    }

    /// The irreps of the input: scalars, gates and the others.
    pub fn before(&self) -> &Irreps {
        &self.before
    }

    /// The copies of the input that are read.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The irreps of the result.
    pub fn output(&self) -> &Irreps {
        &self.output
    }

    /// Applies the gate to the live copies of the input.
    pub fn forward<'g>(&self, x: &[Block<'g>], precision: Precision) -> Vec<Block<'g>> {
        let read = |piece: &Piece| -> Field<'g> {
            let block = x[piece.entry].expect("an entry with live copies is live");
            block.slice(1, piece.start, piece.len)
        };
        let scalars = self
            .scalars
            .iter()
            .zip(self.output.iter())
            .map(|(piece, entry)| {
                let activation = match entry.irrep.parity {
                    Parity::Even => Activation::Silu,
                    Parity::Odd => Activation::Tanh,
                };
                piece
                    .live
                    .then(|| activation.apply_normalized(read(piece), precision))
            });
        let gated = self.gated.iter().zip(&self.gates).map(|(piece, gate)| {
            let factor = || Activation::Silu.apply_normalized(read(gate), precision);
            piece.live.then(|| read(piece) * factor())
        });
        scalars.chain(gated).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn irreps(text: &str) -> Irreps {
        text.parse().unwrap()
    }

    #[test]
    fn gates_stand_between_scalars_and_the_rest() {
        let gate = Gate::new(&irreps("4x0e + 3x0o"), &irreps("2x1o + 5x2e"), &[true; 4]);
        assert_eq!(*gate.before(), irreps("4x0e + 3x0o + 7x0e + 2x1o + 5x2e"));
        let gate = Gate::new(&irreps("4x0e"), &irreps("2x1o + 5x2e"), &[true; 3]);
        assert_eq!(*gate.before(), irreps("11x0e + 2x1o + 5x2e"));
        assert_eq!(gate.live(), &Live::all(gate.before()));
    }

    #[test]
    fn dead_outputs_take_their_gates_with_them() {
        let gate = Gate::new(
            &irreps("4x0e"),
            &irreps("2x1o + 5x2e"),
            &[true, false, true],
        );
        assert_eq!(gate.live().ranges(0), [0..4, 6..11]);
        assert_eq!(gate.live().count(1), 0);
        assert_eq!(gate.gates[1].start, 4);
    }
}
