//! Irreducible representations of O(3).

use std::cmp::Ordering;
use std::fmt;
use std::ops::Mul;

/// Behaviour under inversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parity {
    /// Unchanged, written `e`.
    Even,
    /// Changes sign, written `o`.
    Odd,
}

impl Parity {
    /// Parity (−1)^l of the harmonics of degree l.
    pub fn natural(l: usize) -> Self {
        if l.is_multiple_of(2) {
            Self::Even
        } else {
            Self::Odd
        }
    }
}

impl Mul for Parity {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        if self == other { Self::Even } else { Self::Odd }
    }
}

/// An irrep of O(3): degree and parity, of dimension 2l + 1.
///
/// Ordered by degree, the natural parity first: 0e < 0o < 1o < 1e < 2e < 2o < …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Irrep {
    /// Degree.
    pub l: usize,
    /// Behaviour under inversion.
    pub parity: Parity,
}

impl Irrep {
    /// The scalar, 0e.
    pub const SCALAR: Self = Self {
        l: 0,
        parity: Parity::Even,
    };

    /// An irrep from its degree and parity.
    pub fn new(l: usize, parity: Parity) -> Self {
        Self { l, parity }
    }

    /// The irrep of the harmonics of degree l of a polar vector.
    pub fn natural(l: usize) -> Self {
        Self::new(l, Parity::natural(l))
    }

    /// 2l + 1
    pub fn dim(self) -> usize {
        2 * self.l + 1
    }

    /// Whether the degree is 0.
    pub fn is_scalar(self) -> bool {
        self.l == 0
    }

    /// Irreps in the product with another: l from |l₁ − l₂| to l₁ + l₂, increasing.
    pub fn products(self, other: Self) -> impl Iterator<Item = Self> {
        let parity = self.parity * other.parity;
        (self.l.abs_diff(other.l)..=self.l + other.l).map(move |l| Self::new(l, parity))
    }

    /// All irreps up to a degree, in order.
    pub fn up_to(l_max: usize) -> impl Iterator<Item = Self> {
        (0..=l_max).flat_map(|l| {
            let natural = Parity::natural(l);
            [natural, natural * Parity::Odd].map(|parity| Self::new(l, parity))
        })
    }
}

impl Ord for Irrep {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |irrep: &Self| (irrep.l, irrep.parity != Parity::natural(irrep.l));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Irrep {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Irrep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::Even => 'e',
            Parity::Odd => 'o',
        };
        write!(f, "{}{parity}", self.l)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irreps_come_in_order_of_degree_natural_parity_first() {
        let all: Vec<Irrep> = Irrep::up_to(3).collect();
        let text: Vec<String> = all.iter().map(Irrep::to_string).collect();
        assert_eq!(text, ["0e", "0o", "1o", "1e", "2e", "2o", "3o", "3e"]);
        assert!(all.is_sorted());
    }

    #[test]
    fn products_follow_the_selection_rules() {
        let text = |a: Irrep, b: Irrep| a.products(b).map(|i| i.to_string()).collect::<Vec<_>>();
        let (p, d) = (Irrep::natural(1), Irrep::natural(2));
        assert_eq!(text(p, p), ["0e", "1e", "2e"]);
        assert_eq!(text(p, d), ["1o", "2o", "3o"]);
        assert_eq!(text(Irrep::new(0, Parity::Odd), d), ["2o"]);
    }
}
