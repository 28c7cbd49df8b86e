//! Representation matrices of rotations and reflections.

use crate::{ClebschGordan, Irreps, Parity};

/// Matrices D^0 … D^l_max of an orthogonal 3×3 matrix R acting on column vectors (x, y, z), each
/// row-major [2l + 1, 2l + 1], with Y_l(R u) = D^l Y_l(u).
///
/// R may be improper: then D^l includes the natural parity (−1)^l.
pub fn wigner_d(l_max: usize, rotation: [[f64; 3]; 3]) -> Vec<Vec<f64>> {
    let mut matrices = vec![vec![1.0]];
    for l in 1..=l_max {
        let below = &matrices[l - 1];
        let (size, width) = (2 * l + 1, 2 * l - 1);
        let cg: Vec<_> = ClebschGordan::new(l - 1, 1, l).nonzeros().collect();
        let mut matrix = vec![0.0; size * size];
        for a in &cg {
            for b in &cg {
                matrix[a.k * size + b.k] +=
                    size as f64 * a.value * below[a.i * width + b.i] * rotation[a.j][b.j] * b.value;
            }
        }
        matrices.push(matrix);
    }
    matrices
}

/// Applies an orthogonal matrix to a feature vector of these irreps (each copy its 2l + 1
/// components, copies of an entry one after the other).
///
/// # Panics
/// When the length of the features is not `irreps.dim()`.
pub fn rotate_irreps(irreps: &Irreps, rotation: [[f64; 3]; 3], features: &[f64]) -> Vec<f64> {
    assert_eq!(features.len(), irreps.dim(), "features of {irreps}");
    let l_max = irreps.iter().map(|entry| entry.irrep.l).max().unwrap_or(0);
    let matrices = wigner_d(l_max, rotation);
    let improper = determinant(&rotation) < 0.0;
    let mut rotated = Vec::with_capacity(features.len());
    let mut rest = features;
    for entry in irreps.iter() {
        let (l, size) = (entry.irrep.l, entry.irrep.dim());
        let unnatural = entry.irrep.parity != Parity::natural(l);
        let factor = if improper && unnatural { -1.0 } else { 1.0 };
        let (copies, after) = rest.split_at(entry.dim());
        for copy in copies.chunks_exact(size) {
            for row in matrices[l].chunks_exact(size) {
                let sum: f64 = row.iter().zip(copy).map(|(d, x)| d * x).sum();
                rotated.push(factor * sum);
            }
        }
        rest = after;
    }
    rotated
}

/// The rotation by an angle (radians) about an axis of any length, acting on column vectors.
///
/// # Panics
/// When the axis is zero.
pub fn axis_angle(axis: [f64; 3], angle: f64) -> [[f64; 3]; 3] {
    let length = axis.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!(length > 0.0, "a rotation needs an axis");
    let [x, y, z] = axis.map(|a| a / length);
    let (s, c) = angle.sin_cos();
    let t = 1.0 - c;
    [
        [c + x * x * t, x * y * t - z * s, x * z * t + y * s],
        [y * x * t + z * s, c + y * y * t, y * z * t - x * s],
        [z * x * t - y * s, z * y * t + x * s, c + z * z * t],
    ]
}

fn determinant(m: &[[f64; 3]; 3]) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spherical_harmonics;

    fn apply(r: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        r.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
    }

    #[test]
    fn rotating_the_vector_rotates_its_harmonics() {
        let proper = axis_angle([0.3, -1.0, 0.8], 1.1);
        let improper = proper.map(|row| row.map(|x| -x));
        let v = [0.2, 0.9, -0.5];
        for rotation in [proper, improper] {
            let (before, after) = (
                spherical_harmonics(6, v),
                spherical_harmonics(6, apply(&rotation, v)),
            );
            let rotated = rotate_irreps(&Irreps::harmonics(6), rotation, &before);
            for (a, b) in after.iter().zip(rotated) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
    }

    #[test]
    fn degree_one_is_the_rotation_itself_and_all_degrees_are_orthogonal() {
        let rotation = axis_angle([1.0, 2.0, 3.0], -0.7);
        let matrices = wigner_d(5, rotation);
        for (a, b) in matrices[1].iter().zip(rotation.as_flattened()) {
            assert!((a - b).abs() < 1e-15);
        }
        for (l, matrix) in matrices.iter().enumerate() {
            let n = 2 * l + 1;
            for i in 0..n {
                for j in 0..n {
                    let dot: f64 = (0..n).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
                    let expected = f64::from(u8::from(i == j));
                    assert!((dot - expected).abs() < 1e-13, "{l} {i} {j}: {dot}");
                }
            }
        }
    }

    #[test]
    fn an_axial_vector_keeps_its_sign_under_inversion() {
        let inversion = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]];
        let irreps: Irreps = "1e + 1o + 0o".parse().unwrap();
        let rotated = rotate_irreps(&irreps, inversion, &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 5.0]);
        for (a, b) in rotated.iter().zip([1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -5.0]) {
            assert!((a - b).abs() < 1e-14);
        }
    }
}
