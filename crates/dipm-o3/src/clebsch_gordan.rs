//! Clebsch-Gordan coefficients in the real basis.

use crate::harmonics::sign;

/// A non-zero coefficient C\[i, j, k\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// Component of the first factor.
    pub i: usize,
    /// Component of the second factor.
    pub j: usize,
    /// Component of the product.
    pub k: usize,
    /// Value.
    pub value: f64,
}

/// Real coefficients C\[i, j, k\] of l₁ ⊗ l₂ → l₃, normalised to Σ C² = 1.
///
/// Σ_ij C\[i, j, k\] C\[i, j, k′\] = δ/(2l₃ + 1), and likewise for the other pairs: a real 3j
/// symbol. Exchanging two degrees with their indices multiplies by (−1)^(l₁ + l₂ + l₃).
#[derive(Debug, Clone, PartialEq)]
pub struct ClebschGordan {
    shape: [usize; 3],
    dense: Vec<f64>,
}

impl ClebschGordan {
    /// Coefficients of three degrees; all zero when they break the triangle rule.
    pub fn new(l1: usize, l2: usize, l3: usize) -> Self {
        let shape = [l1, l2, l3].map(|l| 2 * l + 1);
        let mut dense = vec![0.0; shape.iter().product()];
        if (l1.abs_diff(l2)..=l1 + l2).contains(&l3) {
            let [a, b, c] = [l1 as i64, l2 as i64, l3 as i64];
            for m1 in -a..=a {
                for m2 in (-b).max(-c - m1)..=b.min(c - m1) {
                    add_real(&mut dense, [a, b, c], [m1, m2, m1 + m2]);
                }
            }
        }
        // What should be zero comes out as a rounding error of the change of basis.
        for value in &mut dense {
            if value.abs() < 1e-14 {
                *value = 0.0;
            }
        }
        Self { shape, dense }
    }

    /// [2l₁ + 1, 2l₂ + 1, 2l₃ + 1]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// C\[i, j, k\]
    pub fn get(&self, i: usize, j: usize, k: usize) -> f64 {
        self.dense[(i * self.shape[1] + j) * self.shape[2] + k]
    }

    /// All coefficients, row-major.
    pub fn dense(&self) -> &[f64] {
        &self.dense
    }

    /// The non-zero coefficients, in row-major order.
    pub fn nonzeros(&self) -> impl Iterator<Item = Coefficient> + '_ {
        let [_, n2, n3] = self.shape;
        let nonzero = self
            .dense
            .iter()
            .enumerate()
            .filter(|(_, value)| **value != 0.0);
        nonzero.map(move |(n, &value)| Coefficient {
            i: n / (n2 * n3),
            j: n / n3 % n2,
            k: n % n3,
            value,
        })
    }
}

/// Adds what one complex coefficient contributes to the real ones:
/// C\[a, b, c\] = Σ Q_{l₁}\[m₁, a\] Q_{l₂}\[m₂, b\] conj(Q_{l₃}\[m₃, c\]) c\[m₁, m₂, m₃\].
fn add_real(dense: &mut [f64], l: [i64; 3], m: [i64; 3]) {
    let coefficient = complex_coefficient(l, m);
    for (a, qa) in real_basis(l[0], m[0]) {
        for (b, qb) in real_basis(l[1], m[1]) {
            for (c, qc) in real_basis(l[2], m[2]) {
                let product = times(times(qa, qb), [qc[0], -qc[1]]);
                let index = ((l[0] + a) * (2 * l[1] + 1) + l[1] + b) * (2 * l[2] + 1) + l[2] + c;
                dense[index as usize] += product[0] * coefficient;
            }
        }
    }
}

fn times(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// Non-zeros (m′, Q\[m, m′\]) of row m of the change of basis from complex to real harmonics,
/// including the factor (−i)^l; complex numbers as \[re, im\].
fn real_basis(l: i64, m: i64) -> Vec<(i64, [f64; 2])> {
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let row = match m {
        0 => vec![(0, [1.0, 0.0])],
        m if m < 0 => vec![(-m, [half, 0.0]), (m, [0.0, -half])],
        m => vec![(m, [sign(m) * half, 0.0]), (-m, [0.0, sign(m) * half])],
    };
    let phase = [[1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 1.0]][(l % 4) as usize];
    row.into_iter()
        .map(|(column, q)| (column, times(q, phase)))
        .collect()
}

/// ⟨l₁ m₁; l₂ m₂ | l₃ m₃⟩ / √(2l₃ + 1) with the phases of Condon and Shortley (Racah's formula).
fn complex_coefficient([l1, l2, l3]: [i64; 3], [m1, m2, m3]: [i64; 3]) -> f64 {
    let first = (-l1 + l2 + m3).max(-l1 + m1).max(0);
    let last = (l2 + l3 + m1).min(l3 - l1 + l2).min(l3 + m3);
    let term = |v: i64| {
        sign(v + l2 + m2) * factorial(l2 + l3 + m1 - v) * factorial(l1 - m1 + v)
            / (factorial(v)
                * factorial(l3 - l1 + l2 - v)
                * factorial(l3 + m3 - v)
                * factorial(v + l1 - l2 - m3))
    };
    let root = factorial(l3 + l1 - l2) * factorial(l3 - l1 + l2) * factorial(l1 + l2 - l3)
        / factorial(l1 + l2 + l3 + 1)
        * (factorial(l3 + m3) * factorial(l3 - m3))
        / (factorial(l1 - m1) * factorial(l1 + m1) * factorial(l2 - m2) * factorial(l2 + m2));
    root.sqrt() * (first..=last).map(term).sum::<f64>()
}

/// n!, exact in f64 up to 22!.
fn factorial(n: i64) -> f64 {
    (2..=n).map(|k| k as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_add_to_one_and_triangles_are_required() {
        for l1 in 0..6 {
            for l2 in 0..6 {
                for l3 in 0..12 {
                    let cg = ClebschGordan::new(l1, l2, l3);
                    let norm: f64 = cg.dense().iter().map(|c| c * c).sum();
                    let allowed = (l1.abs_diff(l2)..=l1 + l2).contains(&l3);
                    let expected = f64::from(u8::from(allowed));
                    assert!((norm - expected).abs() < 1e-12, "{l1} {l2} {l3}: {norm}");
                }
            }
        }
    }

    #[test]
    fn exchanging_two_degrees_changes_the_sign_by_the_sum_of_degrees() {
        for [l1, l2, l3] in [[1, 1, 1], [1, 2, 3], [2, 3, 4], [2, 2, 1], [3, 2, 2]] {
            let (cg, swapped) = (
                ClebschGordan::new(l1, l2, l3),
                ClebschGordan::new(l2, l1, l3),
            );
            let cycled = ClebschGordan::new(l3, l2, l1);
            let s = sign((l1 + l2 + l3) as i64);
            for c in cg.nonzeros() {
                assert!((swapped.get(c.j, c.i, c.k) - s * c.value).abs() < 1e-14);
                assert!((cycled.get(c.k, c.j, c.i) - s * c.value).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn two_vectors_couple_to_their_cross_product() {
        let cg = ClebschGordan::new(1, 1, 1);
        assert!((cg.get(0, 1, 2) - 1.0 / 6f64.sqrt()).abs() < 1e-15);
        assert_eq!(cg.nonzeros().count(), 6);
    }
}
