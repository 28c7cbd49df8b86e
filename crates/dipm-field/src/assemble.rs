//! Building fields from several: side by side, and k-linear products.

use crate::field::broadcast_spaces;
use crate::graph::{Graph, Op};
use crate::{Field, ProductTable, Space};

impl Graph {
    /// Fields side by side along `axis`.
    pub fn concat<'g>(&'g self, parts: &[Field<'g>], axis: usize) -> Field<'g> {
        let parts: Vec<Field<'g>> = parts
            .iter()
            .copied()
            .filter(|part| part.shape()[axis] > 0)
            .collect();
        let space = parts
            .iter()
            .fold(Space::Const, |s, part| broadcast_spaces(s, part.space()));
        if parts.len() == 1 {
            return parts[0];
        }
        let mut shape = parts[0].shape();
        shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
        if parts.iter().all(|part| part.is_zero()) {
            return self.zeros(space, &shape);
        }
        let ids = parts
            .iter()
            .map(|part| {
                let mut expected = shape.clone();
                expected[axis] = part.shape()[axis];
                part.broadcast(space, &expected).id
            })
            .collect();
        self.push(Op::Concat(ids, axis as u8), space, shape)
    }

    /// A [`ProductTable`] with `operands` in its slots and slot `open` left open (`None` there).
    ///
    /// Operands of slots with channels have shape `[dim, C]`, of slots without `[dim]`.
    pub fn product<'g>(
        &'g self,
        table: &ProductTable,
        open: usize,
        operands: &[Option<Field<'g>>],
    ) -> Field<'g> {
        let slots = table.slots();
        assert_eq!(operands.len(), slots.len(), "one operand per slot");
        assert!(operands[open].is_none(), "slot {open} is open");
        let channels = operands
            .iter()
            .zip(slots)
            .find_map(|(operand, slot)| operand.filter(|_| slot.channels).map(|f| f.shape()[1]));
        let mut space = Space::Const;
        for (position, (operand, slot)) in operands.iter().zip(slots).enumerate() {
            if position == open {
                continue;
            }
            let field = operand.unwrap_or_else(|| panic!("slot {position} has no operand"));
            space = broadcast_spaces(space, field.space());
            let expected = match channels {
                Some(channels) if slot.channels => vec![slot.dim, channels],
                _ => vec![slot.dim],
            };
            assert_eq!(
                field.shape(),
                expected,
                "operand {position} of a product, {field:?}"
            );
        }
        let shape = match channels {
            Some(channels) if slots[open].channels => vec![slots[open].dim, channels],
            _ => vec![slots[open].dim],
        };
        if table.entries().is_empty() || operands.iter().flatten().any(|f| f.is_zero()) {
            return self.zeros(space, &shape);
        }
        let ids = operands
            .iter()
            .map(|operand| operand.map(|f| f.id))
            .collect();
        self.push(
            Op::Product(self.intern(table), open as u8, ids),
            space,
            shape,
        )
    }
}
