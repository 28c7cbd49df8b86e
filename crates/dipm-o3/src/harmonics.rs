//! Real spherical harmonics, "component" normalisation: |Y_l(u)|² = 2l + 1 for a unit vector u.

use std::collections::BTreeMap;

use crate::{ClebschGordan, Coefficient};

/// (−1)^m
pub(crate) fn sign(m: i64) -> f64 {
    if m % 2 == 0 { 1.0 } else { -1.0 }
}

/// The table T_l, l ≥ 1, by which the harmonics of degree l follow from those of degree l − 1:
/// Y_l\[k\] = Σ T_l\[i, j, k\] Y_{l−1}\[i\] u\[j\].
///
/// It is κ_l √3 C_{l−1,1,l} with κ_l > 0 fixed by the norm. It holds for unit vectors, and for any
/// vector when Y are the solid harmonics (homogeneous polynomials of degree l).
///
/// # Panics
/// When l is 0.
pub fn harmonic_recursion(l: usize) -> Vec<Coefficient> {
    assert!(l > 0, "the recursion starts at degree 1");
    let cg = ClebschGordan::new(l - 1, 1, l);
    // At the pole u = y only m = 0 lives, with the value √(2l + 1).
    let ratio = (2 * l + 1) as f64 / (2 * l - 1) as f64;
    let scale = ratio.sqrt() / cg.get(l - 1, 1, l);
    cg.nonzeros()
        .map(|c| Coefficient {
            value: scale * c.value,
            ..c
        })
        .collect()
}

/// Solid harmonics of degree 0 to l_max of any vector, one after the other, [(l_max + 1)²].
pub fn solid_harmonics(l_max: usize, vector: [f64; 3]) -> Vec<f64> {
    let mut values = vec![0.0; (l_max + 1) * (l_max + 1)];
    values[0] = 1.0;
    for l in 1..=l_max {
        let (below, this) = values.split_at_mut(l * l);
        let previous = &below[(l - 1) * (l - 1)..];
        for t in harmonic_recursion(l) {
            this[t.k] += t.value * previous[t.i] * vector[t.j];
        }
    }
    values
}

/// Harmonics of degree 0 to l_max of the direction of a vector, [(l_max + 1)²].
///
/// The zero vector has no direction: Y_0 is 1, all others are 0.
pub fn spherical_harmonics(l_max: usize, vector: [f64; 3]) -> Vec<f64> {
    let square: f64 = vector.iter().map(|x| x * x).sum();
    let length = if square == 0.0 { 1.0 } else { square.sqrt() };
    solid_harmonics(l_max, vector.map(|x| x / length))
}

/// A term c · x^a y^b z^c of a polynomial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Monomial {
    /// Exponents of x, y and z.
    pub exponents: [u32; 3],
    /// Factor.
    pub coefficient: f64,
}

impl Monomial {
    /// Value at a point.
    pub fn value(&self, point: [f64; 3]) -> f64 {
        let powers = point
            .iter()
            .zip(self.exponents)
            .map(|(x, n)| x.powi(n as i32));
        self.coefficient * powers.product::<f64>()
    }
}

/// The 2l + 1 solid harmonics of degree l as homogeneous polynomials in x, y and z.
pub fn harmonic_polynomials(l: usize) -> Vec<Vec<Monomial>> {
    let mut polynomials: Vec<BTreeMap<[u32; 3], f64>> = vec![BTreeMap::from([([0; 3], 1.0)])];
    for degree in 1..=l {
        let mut next = vec![BTreeMap::new(); 2 * degree + 1];
        for t in harmonic_recursion(degree) {
            for (exponents, coefficient) in &polynomials[t.i] {
                let mut raised = *exponents;
                raised[t.j] += 1;
                *next[t.k].entry(raised).or_insert(0.0) += t.value * coefficient;
            }
        }
        polynomials = next;
    }
    let monomials = |polynomial: BTreeMap<[u32; 3], f64>| {
        let terms = polynomial.into_iter().filter(|(_, c)| c.abs() > 1e-12);
        terms
            .map(|(exponents, coefficient)| Monomial {
                exponents,
                coefficient,
            })
            .collect()
    };
    polynomials.into_iter().map(monomials).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const U: [f64; 3] = [0.36, -0.48, 0.8];

    #[test]
    fn low_degrees_are_the_textbook_polynomials() {
        let [x, y, z] = U;
        let values = spherical_harmonics(3, [0.9, -1.2, 2.0]);
        let q = x * x + z * z;
        let expected = [
            1.0,
            3f64.sqrt() * x,
            3f64.sqrt() * y,
            3f64.sqrt() * z,
            15f64.sqrt() * x * z,
            15f64.sqrt() * x * y,
            5f64.sqrt() * (y * y - q / 2.0),
            15f64.sqrt() * y * z,
            15f64.sqrt() / 2.0 * (z * z - x * x),
            (35f64 / 8.0).sqrt() * x * (3.0 * z * z - x * x),
            105f64.sqrt() * x * y * z,
            (21f64 / 8.0).sqrt() * x * (4.0 * y * y - q),
            7f64.sqrt() / 2.0 * y * (2.0 * y * y - 3.0 * q),
            (21f64 / 8.0).sqrt() * z * (4.0 * y * y - q),
            105f64.sqrt() / 2.0 * y * (z * z - x * x),
            (35f64 / 8.0).sqrt() * z * (z * z - 3.0 * x * x),
        ];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-14, "{value} {expected}");
        }
    }

    #[test]
    fn each_degree_has_norm_2l_plus_1_on_the_unit_sphere() {
        let values = spherical_harmonics(10, U);
        for l in 0..=10 {
            let norm: f64 = values[l * l..(l + 1) * (l + 1)].iter().map(|y| y * y).sum();
            assert!((norm - (2 * l + 1) as f64).abs() < 1e-11, "{l}: {norm}");
        }
    }

    #[test]
    fn polynomials_have_the_values_of_the_solid_harmonics() {
        let point = [0.7, -1.3, 0.4];
        let values = solid_harmonics(6, point);
        for l in 0..=6 {
            for (k, polynomial) in harmonic_polynomials(l).iter().enumerate() {
                let value: f64 = polynomial.iter().map(|term| term.value(point)).sum();
                let expected = values[l * l + k];
                assert!((value - expected).abs() < 1e-11 * expected.abs().max(1.0));
                assert!(
                    polynomial
                        .iter()
                        .all(|t| t.exponents.iter().sum::<u32>() == l as u32)
                );
            }
        }
    }

    #[test]
    fn the_zero_vector_has_only_the_scalar_harmonic() {
        let values = spherical_harmonics(3, [0.0; 3]);
        assert_eq!(values[0], 1.0);
        assert!(values[1..].iter().all(|y| *y == 0.0));
    }
}
