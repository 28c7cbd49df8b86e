//! Coupling bases: all ways to couple several copies of a feature to an irrep.
//!
//! Batatia et al., NeurIPS 2022, arXiv:2206.07697, section 4. Weights of the symmetric contraction
//! of MACE refer to these bases, so order, signs and normalisation belong to the format.

mod family;
mod nested;
mod symmetric;

pub use family::{Path, SparseTensor};
pub use nested::{Coupling, NestedContraction, Term};

use family::{Components, Family, couple, slot};

use crate::{Irrep, Irreps};

/// Most factors that can be coupled.
pub const MAX_ORDER: usize = 4;

/// Which of the two bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BasisKind {
    /// Factors are told apart.
    Plain,
    /// Tensors that exchanging factors leaves alone.
    Symmetric,
}

/// The ways to couple n equal features x to irreps: for each path k into an irrep of degree L a
/// tensor U\[a₁, …, aₙ, i\], i = 0..2L.
///
/// Every component of a path has norm 1, and different paths are orthogonal.
#[derive(Debug, Clone, PartialEq)]
pub struct CouplingBasis {
    order: usize,
    dim: usize,
    family: Family,
}

impl CouplingBasis {
    /// The basis for a feature with one copy of each irrep of `irreps`, in order.
    ///
    /// # Panics
    /// When the order is not 1 to [`MAX_ORDER`], or `irreps` is not sorted with single copies.
    pub fn new(kind: BasisKind, irreps: &Irreps, order: usize, keep: &Irreps) -> Self {
        Self::with_components(kind, irreps, order, keep, Components::All)
    }

    /// The basis, perhaps without all components but the first of each path.
    fn with_components(
        kind: BasisKind,
        irreps: &Irreps,
        order: usize,
        keep: &Irreps,
        components: Components,
    ) -> Self {
        assert!((1..=MAX_ORDER).contains(&order), "coupling of {order}");
        let single = irreps.iter().all(|entry| entry.mul == 1);
        assert!(
            single && *irreps == irreps.regroup(),
            "coupling of {irreps}"
        );
        let kept = |irrep: Irrep| keep.contains(irrep);
        let family = match kind {
            BasisKind::Plain => plain(irreps, order, &kept, components),
            BasisKind::Symmetric => symmetric::symmetric(irreps, order, &kept, components),
        };
        Self {
            order,
            dim: irreps.dim(),
            family,
        }
    }

    /// The irreps that are reached, with the number of paths into each.
    pub fn irreps(&self) -> Irreps {
        let count = |(irrep, paths): (&Irrep, &Vec<Path>)| (paths.len(), *irrep);
        Irreps::new(self.family.iter().map(count))
    }

    /// The paths into an irrep.
    pub fn paths(&self, irrep: Irrep) -> &[Path] {
        self.family
            .get(&irrep)
            .map_or(&[], |paths| paths.as_slice())
    }

    /// All paths into an irrep, [D, …, D, κ, 2L + 1] row-major.
    pub fn dense(&self, irrep: Irrep) -> Vec<f64> {
        let paths = self.paths(irrep);
        let mut values = vec![0.0; self.dim.pow(self.order as u32) * paths.len() * irrep.dim()];
        for (k, path) in paths.iter().enumerate() {
            for (i, tensor) in path.iter().enumerate() {
                for (index, value) in tensor {
                    let slots = index[..self.order].iter();
                    let place = slots.fold(0, |place, &a| place * self.dim + usize::from(a));
                    values[(place * paths.len() + k) * irrep.dim() + i] += value;
                }
            }
        }
        values
    }
}

/// Coupled one after the other; four factors as two pairs, of which the second is the left one.
fn plain(
    irreps: &Irreps,
    order: usize,
    keep: &dyn Fn(Irrep) -> bool,
    components: Components,
) -> Family {
    let pair = |first| {
        let (left, right) = (slot(irreps, first), slot(irreps, first + 1));
        couple(&left, &right, &|_| true, Components::All)
    };
    match order {
        1 => {
            let mut single = slot(irreps, 0);
            single.retain(|irrep, _| keep(*irrep));
            single
        }
        2 => couple(&slot(irreps, 0), &slot(irreps, 1), keep, components),
        3 => couple(&pair(0), &slot(irreps, 2), keep, components),
        _ => couple(&pair(2), &pair(0), keep, components),
    }
}
