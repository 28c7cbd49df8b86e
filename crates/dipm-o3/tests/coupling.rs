//! Coupling bases: comparison with dipm 0.0.8, and with their evaluation as nested products.

use dipm_o3::{BasisKind, ClebschGordan, CouplingBasis, Irrep, Irreps, NestedContraction};
use safetensors::SafeTensors;

fn irreps(text: &str) -> Irreps {
    text.parse().unwrap()
}

/// Σ a_n cos(n) over the row-major array.
fn fingerprint(values: &[f64]) -> f64 {
    let term = |(n, a): (usize, &f64)| a * (n as f64).cos();
    values.iter().enumerate().map(term).sum()
}

const NATURAL: &str = "0e+1o+2e+3o";
const MIXED: &str = "0e+1o+1e+2e+2o+3o+3e";
type Expected = (usize, usize, f64);
/// Irreps, order, result, all that is kept; paths, non-zeros and fingerprint, plain and symmetric.
const FINGERPRINTS: [(&str, usize, &str, &str, Expected, Expected); 17] = [
    (
        "0e+1o",
        2,
        "0e",
        "0e+1o",
        (2, 4, 1.2144502886),
        (2, 4, 1.2144502886),
    ),
    (
        "0e+1o",
        2,
        "1o",
        "0e+1o",
        (2, 6, 1.7895945087),
        (1, 6, 1.8091085664),
    ),
    (
        "0e+1o",
        3,
        "0e",
        "0e+1o",
        (4, 10, 1.0397828128),
        (2, 10, 0.8065297252),
    ),
    (
        "0e+1o",
        3,
        "1o",
        "0e+1o",
        (6, 51, 2.2563423952),
        (2, 30, 1.8396597310),
    ),
    (
        "0e+1o+2e",
        2,
        "0e",
        "0e+1o+2e",
        (3, 9, 0.5443211020),
        (3, 9, 0.5443211020),
    ),
    (
        "0e+1o+2e",
        2,
        "1o",
        "0e+1o+2e",
        (4, 28, 6.9171318273),
        (2, 28, 0.7706322936),
    ),
    (
        "0e+1o+2e",
        2,
        "2e",
        "0e+1o+2e",
        (4, 46, 2.7315100094),
        (3, 46, -1.4570749028),
    ),
    (
        "0e+1o+2e",
        3,
        "0e",
        "0e+1o+2e",
        (11, 83, 4.7440631814),
        (5, 83, 1.7600997440),
    ),
    (
        "0e+1o+2e",
        3,
        "1o",
        "0e+1o+2e",
        (21, 507, 5.2486685716),
        (5, 294, 1.7087608839),
    ),
    (
        "0e+1o+2e",
        3,
        "2e",
        "0e+1o+2e",
        (23, 976, 6.0782180216),
        (6, 386, 1.0762291544),
    ),
    (
        "0e+1o+2e",
        4,
        "0e",
        "0e",
        (55, 1566, 0.3751948263),
        (9, 763, 1.7286839281),
    ),
    (
        NATURAL,
        3,
        "0e",
        NATURAL,
        (23, 353, -0.1703329003),
        (8, 353, -0.7455407604),
    ),
    (
        NATURAL,
        3,
        "1o",
        NATURAL,
        (51, 2838, -11.1980742457),
        (12, 1686, -5.2976486316),
    ),
    (
        NATURAL,
        3,
        "2e",
        NATURAL,
        (65, 5782, 5.5180086362),
        (14, 3764, -8.6064692683),
    ),
    (
        NATURAL,
        3,
        "3o",
        NATURAL,
        (65, 8589, 24.7617647890),
        (15, 4527, -6.3892734832),
    ),
    (
        MIXED,
        3,
        "0e",
        "0e",
        (115, 2351, 5.1147787398),
        (22, 1739, 2.6215032675),
    ),
    (
        "0e+0o+1o+1e",
        3,
        "1e",
        "0e+1e",
        (36, 276, 3.4786956117),
        (7, 183, -3.7543976231),
    ),
];

#[test]
fn fingerprints_of_both_bases_agree() {
    for (of, order, result, keep, plain, symmetric) in FINGERPRINTS {
        let irrep = irreps(result).entries()[0].irrep;
        for (kind, (paths, nonzeros, expected)) in
            [(BasisKind::Plain, plain), (BasisKind::Symmetric, symmetric)]
        {
            let basis = CouplingBasis::new(kind, &irreps(of), order, &irreps(keep));
            let case = format!("{kind:?} {of} {order} {result}");
            assert_eq!(basis.paths(irrep).len(), paths, "{case}");
            let dense = basis.dense(irrep);
            let count = dense.iter().filter(|x| **x != 0.0).count();
            assert_eq!(count, nonzeros, "{case}");
            let found = fingerprint(&dense);
            assert!(
                (found - expected).abs() < 1e-8,
                "{case}: {found} {expected}"
            );
        }
    }
}

/// The stored tensors have the paths of all irreps in one last axis, (path, component) flattened.
#[test]
fn bases_equal_the_stored_ones() {
    let file = SafeTensors::deserialize(include_bytes!("golden/coupling.safetensors")).unwrap();
    let cases = [
        ("l1.o1", "0e+1o", 1, "0e+1o"),
        ("l1.o2", "0e+1o", 2, "0e+1o"),
        ("l1.o3", "0e+1o", 3, "0e+1o"),
        ("l2.o2", "0e+1o+2e", 2, "0e+1o+2e"),
        ("l1p.o2", "0e+0o+1o+1e", 2, "0e+1o"),
    ];
    for (name, of, order, keep) in cases {
        for (kind, word) in [(BasisKind::Plain, "full"), (BasisKind::Symmetric, "sym")] {
            let view = file.tensor(&format!("U.{word}.{name}.U")).unwrap();
            let bytes = view.data().chunks_exact(8);
            let stored: Vec<f64> = bytes
                .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
                .collect();
            let width = *view.shape().last().unwrap();
            let basis = CouplingBasis::new(kind, &irreps(of), order, &irreps(keep));
            let rows = stored.len() / width;
            let mut start = 0;
            for entry in basis.irreps().iter() {
                let dense = basis.dense(entry.irrep);
                for (row, found) in dense.chunks_exact(dense.len() / rows).enumerate() {
                    let expected = &stored[row * width + start..][..found.len()];
                    for (a, b) in found.iter().zip(expected) {
                        assert!((a - b).abs() < 1e-11, "{word} {name} {}", entry.irrep);
                    }
                }
                start += entry.dim();
            }
            assert_eq!(start, width, "{word} {name}");
        }
    }
}

fn scattered(count: usize, seed: f64) -> Vec<f64> {
    (0..count)
        .map(|n| (seed + 2.3 * n as f64 + 0.7 * (n * n) as f64).sin())
        .collect()
}

/// Components of covariants, each the coupling of two lists.
fn coupled(
    couplings: &[dipm_o3::Coupling],
    left: &[(Irrep, Vec<f64>)],
    right: &[(Irrep, Vec<f64>)],
) -> Vec<(Irrep, Vec<f64>)> {
    let one = |coupling: &dipm_o3::Coupling| {
        let ((a, x), (b, y)) = (&left[coupling.left], &right[coupling.right]);
        let l = coupling.irrep.l;
        let mut product = vec![0.0; 2 * l + 1];
        for c in ClebschGordan::new(a.l, b.l, l).nonzeros() {
            product[c.k] += ((2 * l + 1) as f64).sqrt() * c.value * x[c.i] * y[c.j];
        }
        (coupling.irrep, product)
    };
    couplings.iter().map(one).collect()
}

#[test]
fn nested_products_equal_the_contraction_with_the_basis() {
    for (of, order, keep) in [
        ("0e+1o", 4, "0e+1o"),
        ("0e+1o+2e", 4, "0e+1o+2e"),
        (NATURAL, 3, NATURAL),
        (MIXED, 3, "0e"),
        ("0e+0o+1o+1e", 4, "0e+1o"),
        ("0e", 4, "0e"),
    ] {
        let of = irreps(of);
        let x = scattered(of.dim(), 1.0);
        let mut start = 0;
        let mut features = Vec::new();
        for entry in of.iter() {
            features.push((entry.irrep, x[start..start + entry.dim()].to_vec()));
            start += entry.dim();
        }
        for kind in [BasisKind::Plain, BasisKind::Symmetric] {
            let nested = NestedContraction::new(kind, &of, order, &irreps(keep));
            let squares = coupled(&nested.squares, &features, &features);
            let cubes = coupled(&nested.cubes, &squares, &features);
            let fourths = coupled(&nested.fourths, &squares, &squares);
            for term in &nested.terms {
                let lists = [&features, &squares, &cubes, &fourths];
                let weights = scattered(term.num_paths, 0.3);
                let mut found = vec![0.0; term.irrep.dim()];
                let rows = term.fold.chunks_exact(term.num_paths);
                for (row, &covariant) in rows.zip(&term.covariants) {
                    let weight: f64 = row.iter().zip(&weights).map(|(a, b)| a * b).sum();
                    let (irrep, values) = &lists[term.order - 1][covariant];
                    assert_eq!(*irrep, term.irrep);
                    for (sum, value) in found.iter_mut().zip(values) {
                        *sum += weight * value;
                    }
                }
                let basis = CouplingBasis::new(kind, &of, term.order, &irreps(keep));
                let mut expected = vec![0.0; term.irrep.dim()];
                for (path, weight) in basis.paths(term.irrep).iter().zip(&weights) {
                    for (sum, tensor) in expected.iter_mut().zip(path) {
                        for (index, value) in tensor {
                            let factors = index[..term.order].iter();
                            let product: f64 = factors.map(|&a| x[usize::from(a)]).product();
                            *sum += weight * value * product;
                        }
                    }
                }
                for (a, b) in found.iter().zip(&expected) {
                    let order = term.order;
                    assert!((a - b).abs() < 1e-11, "{kind:?} {of} {order}: {a} {b}");
                }
                let largest = term.fold.iter().fold(0f64, |a, x| a.max(x.abs()));
                assert!(largest < 10.0, "{kind:?} {of} {}: {largest}", term.order);
            }
        }
    }
}

#[test]
fn the_plain_basis_folds_to_as_few_covariants_as_the_symmetric_one() {
    let (natural, mixed) = (irreps(NATURAL), irreps(MIXED));
    for (of, keep, expected) in [(&natural, &natural, 49), (&mixed, &irreps("0e"), 22)] {
        for kind in [BasisKind::Plain, BasisKind::Symmetric] {
            let nested = NestedContraction::new(kind, of, 3, keep);
            assert_eq!(nested.cubes.len(), expected, "{kind:?} {of}");
        }
    }
}

#[test]
fn entries_that_no_term_reads_are_known() {
    let contraction =
        |order| NestedContraction::new(BasisKind::Plain, &irreps(MIXED), order, &irreps("0e"));
    let first_only = [true, false, false, false, false, false, false];
    assert_eq!(contraction(1).read_entries(7), first_only);
    assert_eq!(contraction(2).read_entries(7), [true; 7]);
}
