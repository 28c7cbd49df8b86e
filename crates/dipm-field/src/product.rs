//! The k-linear product with a sparse constant table, of which one slot is left open.
//!
//! A table with slots s = 0 … k−1 and entries (i₀, …, i₋₁; c) stands for the k-linear form
//!
//! ```text
//!     Σ_entries  c · Σ_channels  x₀[i₀] · x₁[i₁] · … · x₋₁[i₋₁]
//! ```
//!
//! where a slot either carries channels, `[dim, C]`, or does not, `[dim]`. Leaving slot `t` open
//! gives the vector that the form is the inner product of `x_t` with:
//!
//! ```text
//!     out[i_t]  =  Σ_entries  c · Π_{s≠t} x_s[i_s]        (summed over channels if slot t has none)
//! ```
//!
//! Tensor products with Clebsch–Gordan coefficients, outer products and rotations are all of this
//! form, and so is the derivative of each in each operand: the same table with another slot open.

/// Most slots that a table may have.
pub const MAX_SLOTS: usize = 6;

/// One operand position of a [`ProductTable`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// Number of components.
    pub dim: usize,
    /// Whether each component is a vector over channels.
    pub channels: bool,
}

impl Slot {
    /// A slot of shape `[dim, C]`.
    pub fn channels(dim: usize) -> Self {
        Self {
            dim,
            channels: true,
        }
    }

    /// A slot of shape `[dim]`.
    pub fn scalars(dim: usize) -> Self {
        Self {
            dim,
            channels: false,
        }
    }
}

/// One non-zero of a [`ProductTable`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Entry {
    /// Component of each slot; positions past the last slot are 0.
    pub index: [u16; MAX_SLOTS],
    /// Coefficient.
    pub coefficient: f64,
}

/// A sparse constant tensor with one index per slot.
#[derive(Clone, PartialEq, Debug)]
pub struct ProductTable {
    slots: Vec<Slot>,
    entries: Vec<Entry>,
}

impl ProductTable {
    /// A table from its slots and entries; entries with the same indices are added, zeros dropped.
    ///
    /// # Panics
    /// When there are fewer than two or more than six slots, an index is out of range, or
    /// exactly one slot carries channels.
    pub fn new(slots: &[Slot], entries: impl IntoIterator<Item = (Vec<usize>, f64)>) -> Self {
        assert!(
            (2..=MAX_SLOTS).contains(&slots.len()),
            "a product has 2 to {MAX_SLOTS} slots"
        );
        let with_channels = slots.iter().filter(|slot| slot.channels).count();
        assert!(
            with_channels != 1,
            "a product has no slot with channels, or at least two"
        );
        let mut sorted: std::collections::BTreeMap<[u16; MAX_SLOTS], f64> = Default::default();
        for (indices, coefficient) in entries {
            assert_eq!(indices.len(), slots.len(), "one index per slot");
            let mut index = [0; MAX_SLOTS];
            for ((to, &from), slot) in index.iter_mut().zip(&indices).zip(slots) {
                assert!(from < slot.dim, "index {indices:?} outside slots {slots:?}");
                *to = u16::try_from(from).expect("components of a slot are few");
            }
            *sorted.entry(index).or_insert(0.0) += coefficient;
        }
        let entries = sorted
            .into_iter()
            .filter(|&(_, coefficient)| coefficient != 0.0)
            .map(|(index, coefficient)| Entry { index, coefficient })
            .collect();
        Self {
            slots: slots.to_vec(),
            entries,
        }
    }

    /// The slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The non-zeros, sorted by index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether any slot carries channels.
    pub fn has_channels(&self) -> bool {
        self.slots.iter().any(|slot| slot.channels)
    }
}
