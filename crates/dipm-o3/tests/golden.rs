//! Comparison with stored numbers of dipm 0.0.8 (e3nn-jax 0.21.0), all f64.

use dipm_o3::{ClebschGordan, spherical_harmonics};
use safetensors::SafeTensors;

fn values(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let bytes = file.tensor(name).unwrap().data();
    bytes
        .chunks_exact(8)
        .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// Σ a_n cos(n) over the row-major array.
fn fingerprint(values: &[f64]) -> f64 {
    values
        .iter()
        .enumerate()
        .map(|(n, a)| a * (n as f64).cos())
        .sum()
}

#[test]
fn coefficients_equal_the_stored_ones_up_to_degree_4() {
    let file = SafeTensors::deserialize(include_bytes!("golden/o3.safetensors")).unwrap();
    let mut compared = 0;
    for name in file.names() {
        let Some(degrees) = name.strip_prefix("cg.") else {
            continue;
        };
        let l: Vec<usize> = degrees.split('.').map(|l| l.parse().unwrap()).collect();
        let cg = ClebschGordan::new(l[0], l[1], l[2]);
        for (a, b) in cg.dense().iter().zip(values(&file, name)) {
            assert!((a - b).abs() < 1e-13, "{name}: {a} {b}");
        }
        compared += 1;
    }
    assert_eq!(compared, 65);
}

#[test]
fn harmonics_equal_the_stored_ones_up_to_degree_6() {
    let file = SafeTensors::deserialize(include_bytes!("golden/o3.safetensors")).unwrap();
    let vectors = values(&file, "vectors");
    let expected = values(&file, "sh.component.normalized_input");
    for (v, expected) in vectors.chunks_exact(3).zip(expected.chunks_exact(49)) {
        let y = spherical_harmonics(6, v.try_into().unwrap());
        for (a, b) in y.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{v:?}: {a} {b}");
        }
    }
}

#[test]
fn fingerprints_of_coefficients_agree() {
    for (l, expected) in [
        ([1, 1, 1], 0.123323724696),
        ([1, 1, 2], 0.088602038556),
        ([1, 2, 3], -1.089682628828),
        ([2, 2, 2], 0.307354509317),
        ([2, 2, 1], -0.411710504063),
        ([3, 3, 3], 0.184341806458),
        ([2, 3, 4], -0.440871010177),
        ([4, 4, 4], -0.513490046972),
    ] {
        let value = fingerprint(ClebschGordan::new(l[0], l[1], l[2]).dense());
        assert!((value - expected).abs() < 1e-11, "{l:?}: {value}");
    }
}

#[test]
fn fingerprints_of_harmonics_agree() {
    let rows = [[0.3, -0.7, 0.9], [1.1, 0.2, -0.4]].map(|v| spherical_harmonics(6, v));
    let expected = [
        -2.609779419302,
        2.303669767554,
        0.759854857141,
        -2.482261373505,
        -0.586972696043,
        2.777363205953,
    ];
    for (l, expected) in (1..).zip(expected) {
        let of_degree = rows.iter().flat_map(|row| &row[l * l..(l + 1) * (l + 1)]);
        let value = fingerprint(&of_degree.copied().collect::<Vec<_>>());
        assert!((value - expected).abs() < 1e-11, "{l}: {value}");
    }
}
