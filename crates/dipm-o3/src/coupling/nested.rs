//! Contraction with a coupling basis as a few sparse products of pairs.
//!
//! Contracted with one feature x in all factors, the tensors of a basis are polynomials of x, and
//! far from independent. All of them are combinations of few covariants that are products of two
//! lower ones: the squares y = x ⊗ x, the cubes y ⊗ x and the fourth powers y ⊗ y.

use std::collections::{BTreeMap, BTreeSet};

use super::family::Components;
use super::{BasisKind, CouplingBasis, MAX_ORDER, SparseTensor};
use crate::{ClebschGordan, Irrep, Irreps};

/// √(2l + 1) Σ_ij C\[i, j, k\] left\[i\] right\[j\], l the degree of `irrep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coupling {
    /// Number of the left factor.
    pub left: usize,
    /// Number of the right factor.
    pub right: usize,
    /// What they are coupled to.
    pub irrep: Irrep,
}

/// What one order adds to one irrep: Σ_k w_k U_k xⁿ = Σ_p (Σ_k `fold`\[p, k\] w_k) covariant_p.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// n
    pub order: usize,
    /// The irrep.
    pub irrep: Irrep,
    /// Number κ of paths k of the basis.
    pub num_paths: usize,
    /// Numbers of the covariants p: entries of x, squares, cubes or fourth powers by the order.
    pub covariants: Vec<usize>,
    /// [covariants, κ], row-major.
    pub fold: Vec<f64>,
}

/// The contraction with the coupling bases of orders 1 to n.
#[derive(Debug, Clone, PartialEq)]
pub struct NestedContraction {
    /// Products of two entries of x.
    pub squares: Vec<Coupling>,
    /// Products of a square and an entry of x.
    pub cubes: Vec<Coupling>,
    /// Products of two squares.
    pub fourths: Vec<Coupling>,
    /// The terms, highest order first, within an order by irrep.
    pub terms: Vec<Term>,
}

/// Coefficients of monomials, scaled so that the inner product is that of symmetric tensors.
type Polynomial = BTreeMap<[u16; MAX_ORDER], f64>;

/// Stands in sorted indices where there is no factor.
const NONE: u16 = u16::MAX;

/// A coupling with its polynomials, one a component (or the first only), and the entries of x that
/// occur in it, sorted. Those with different entries are orthogonal.
struct Candidate {
    coupling: Coupling,
    cost: usize,
    content: Vec<usize>,
    components: Vec<Polynomial>,
}

impl NestedContraction {
    /// The contraction of a feature with single copies of `irreps`, sorted, into `keep`.
    ///
    /// # Panics
    /// As [`CouplingBasis::new`].
    pub fn new(kind: BasisKind, irreps: &Irreps, max_order: usize, keep: &Irreps) -> Self {
        let features = features(irreps);
        let squares = squares(&features);
        let mut contraction = Self {
            squares: squares.iter().map(|square| square.coupling).collect(),
            cubes: Vec::new(),
            fourths: Vec::new(),
            terms: Vec::new(),
        };
        for order in (1..=max_order).rev() {
            let components = Components::First;
            let basis = CouplingBasis::with_components(kind, irreps, order, keep, components);
            let first = |irrep| match order {
                1 => numbered(&features, irrep),
                2 => numbered(&squares, irrep),
                3 => products(&squares, &features, irrep, false),
                _ => products(&squares, &squares, irrep, true),
            };
            for entry in basis.irreps().iter() {
                let candidates = first(entry.irrep);
                let (chosen, fold) = fold(&candidates, &basis, entry.irrep, irreps);
                let couplings = chosen.iter().map(|&c| candidates[c].coupling);
                let place = match order {
                    1 | 2 => None,
                    3 => Some(&mut contraction.cubes),
                    _ => Some(&mut contraction.fourths),
                };
                let covariants = match place {
                    None => chosen
                        .iter()
                        .map(|&c| candidates[c].coupling.left)
                        .collect(),
                    Some(list) => {
                        list.extend(couplings);
                        (list.len() - chosen.len()..list.len()).collect()
                    }
                };
                contraction.terms.push(Term {
                    order,
                    irrep: entry.irrep,
                    num_paths: entry.mul,
                    covariants,
                    fold,
                });
            }
        }
        contraction.drop_unread_squares();
        contraction
    }

    /// For each entry of x, whether the result depends on it.
    pub fn read_entries(&self, num_entries: usize) -> Vec<bool> {
        let squares = self.squares.iter().flat_map(|c| [c.left, c.right]);
        let cubes = self.cubes.iter().map(|c| c.right);
        let singles = self.terms.iter().filter(|term| term.order == 1);
        let singles = singles.flat_map(|term| term.covariants.iter().copied());
        let read: BTreeSet<usize> = squares.chain(cubes).chain(singles).collect();
        (0..num_entries)
            .map(|entry| read.contains(&entry))
            .collect()
    }

    fn drop_unread_squares(&mut self) {
        let cubes = self.cubes.iter().map(|c| c.left);
        let fourths = self.fourths.iter().flat_map(|c| [c.left, c.right]);
        let doubles = self.terms.iter().filter(|term| term.order == 2);
        let doubles = doubles.flat_map(|term| term.covariants.iter().copied());
        let read: BTreeSet<usize> = cubes.chain(fourths).chain(doubles).collect();
        let number: BTreeMap<usize, usize> = read.iter().copied().zip(0..).collect();
        self.squares = read.iter().map(|&square| self.squares[square]).collect();
        for cube in &mut self.cubes {
            cube.left = number[&cube.left];
        }
        for fourth in &mut self.fourths {
            (fourth.left, fourth.right) = (number[&fourth.left], number[&fourth.right]);
        }
        for term in self.terms.iter_mut().filter(|term| term.order == 2) {
            for square in &mut term.covariants {
                *square = number[square];
            }
        }
    }
}

/// The entries of x.
fn features(irreps: &Irreps) -> Vec<Candidate> {
    let mut start = 0;
    let entry = |(number, entry): (usize, &crate::MulIrrep)| {
        let component = |i: usize| {
            let mut index = [NONE; MAX_ORDER];
            index[0] = u16::try_from(start + i).expect("features are small");
            Polynomial::from([(index, 1.0)])
        };
        let components = (0..entry.irrep.dim()).map(component).collect();
        start += entry.irrep.dim();
        Candidate {
            coupling: Coupling {
                left: number,
                right: number,
                irrep: entry.irrep,
            },
            cost: 0,
            content: vec![number],
            components,
        }
    };
    irreps.iter().enumerate().map(entry).collect()
}

/// All squares that are not zero.
fn squares(features: &[Candidate]) -> Vec<Candidate> {
    let mut squares = Vec::new();
    for (left, a) in features.iter().enumerate() {
        for (right, b) in features.iter().enumerate().skip(left) {
            for irrep in a.coupling.irrep.products(b.coupling.irrep) {
                if left == right && irrep.l % 2 == 1 {
                    continue; // antisymmetric
                }
                let coupling = Coupling { left, right, irrep };
                squares.push(candidate(coupling, a, b, irrep.dim()));
            }
        }
    }
    squares
}

/// Candidates of an irrep, with their own number in place of the left factor.
fn numbered(list: &[Candidate], irrep: Irrep) -> Vec<Candidate> {
    let own = list.iter().enumerate();
    own.filter(|(_, c)| c.coupling.irrep == irrep)
        .map(|(left, c)| Candidate {
            coupling: Coupling { left, ..c.coupling },
            cost: c.cost,
            content: c.content.clone(),
            components: c.components[..1].to_vec(),
        })
        .collect()
}

/// All products of an irrep, the cheap ones first.
fn products(
    left: &[Candidate],
    right: &[Candidate],
    irrep: Irrep,
    ordered: bool,
) -> Vec<Candidate> {
    let mut list = Vec::new();
    for (l, a) in left.iter().enumerate() {
        let skip = if ordered { l } else { 0 };
        for (r, b) in right.iter().enumerate().skip(skip) {
            let mut reached = a.coupling.irrep.products(b.coupling.irrep);
            if reached.any(|reached| reached == irrep) {
                let coupling = Coupling {
                    left: l,
                    right: r,
                    irrep,
                };
                list.push(candidate(coupling, a, b, 1));
            }
        }
    }
    list.sort_by_key(|candidate| candidate.cost);
    list
}

fn candidate(coupling: Coupling, a: &Candidate, b: &Candidate, components: usize) -> Candidate {
    let (l1, l2, l) = (a.coupling.irrep.l, b.coupling.irrep.l, coupling.irrep.l);
    let cg = ClebschGordan::new(l1, l2, l);
    let mut polynomials = vec![Polynomial::new(); components];
    for c in cg.nonzeros().filter(|c| c.k < components) {
        let factor = ((2 * l + 1) as f64).sqrt() * c.value;
        for (p, x) in &a.components[c.i] {
            for (q, y) in &b.components[c.j] {
                let index = sorted(p.iter().chain(q).copied());
                *polynomials[c.k].entry(index).or_insert(0.0) += factor * x * y;
            }
        }
    }
    let mut content = [a.content.as_slice(), b.content.as_slice()].concat();
    content.sort_unstable();
    Candidate {
        coupling,
        cost: cg.nonzeros().count(),
        content,
        components: polynomials,
    }
}

fn sorted(indices: impl Iterator<Item = u16>) -> [u16; MAX_ORDER] {
    let mut list: Vec<u16> = indices.filter(|&index| index != NONE).collect();
    list.sort_unstable();
    list.resize(MAX_ORDER, NONE);
    list.try_into().expect("as long as there are factors")
}

/// Divides by the root of the number of orders of each monomial, so that inner products become
/// those of symmetric tensors.
fn scaled(polynomial: &Polynomial) -> Polynomial {
    let scale = |(index, value): (&[u16; MAX_ORDER], &f64)| {
        let factors = index.iter().take_while(|&&a| a != NONE).count();
        let mut orders: usize = (1..=factors).product();
        let mut run = 1;
        for pair in index[..factors].windows(2) {
            run = if pair[0] == pair[1] { run + 1 } else { 1 };
            orders /= run; // one after the other: k! of a run of k
        }
        (*index, value / (orders as f64).sqrt())
    };
    polynomial.iter().map(scale).collect()
}

/// The polynomial of a tensor, its content, the entries of x in it.
fn polynomial(tensor: &SparseTensor, order: usize, entry_of: &[usize]) -> (Polynomial, Vec<usize>) {
    let mut polynomial = Polynomial::new();
    for (index, value) in tensor {
        let index = sorted(index[..order].iter().copied());
        *polynomial.entry(index).or_insert(0.0) += value;
    }
    let first = tensor.keys().next().expect("a path has norm 1");
    let mut content: Vec<usize> = first[..order]
        .iter()
        .map(|&a| entry_of[usize::from(a)])
        .collect();
    content.sort_unstable();
    (scaled(&polynomial), content)
}

/// An orthonormal polynomial, and its combination of chosen candidates.
struct Direction {
    polynomial: Polynomial,
    combination: Vec<(usize, f64)>,
}

/// Candidates that span what the paths of a basis span, and the paths as combinations of them,
/// [chosen, κ].
///
/// A candidate is chosen when enough of it is orthogonal to those before; first much is asked for,
/// then less, so that the combinations stay well conditioned.
fn fold(
    candidates: &[Candidate],
    basis: &CouplingBasis,
    irrep: Irrep,
    irreps: &Irreps,
) -> (Vec<usize>, Vec<f64>) {
    let entries = irreps.iter().enumerate();
    let entry_of: Vec<usize> = entries
        .flat_map(|(number, entry)| std::iter::repeat_n(number, entry.irrep.dim()))
        .collect();
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (number, candidate) in candidates.iter().enumerate() {
        let group = groups.entry(candidate.content.clone()).or_default();
        group.push(number);
    }
    let paths: Vec<_> = basis
        .paths(irrep)
        .iter()
        .map(|path| polynomial(&path[0], basis.order, &entry_of))
        .collect();
    let mut chosen = Vec::new();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for (content, group) in &groups {
        let directions = directions(candidates, group);
        let used: BTreeSet<usize> = directions
            .iter()
            .flat_map(|d| d.combination.iter().map(|(c, _)| *c))
            .collect();
        let used: Vec<usize> = used.into_iter().collect();
        let mut block = vec![vec![0.0; paths.len()]; used.len()];
        for (k, (path, of_path)) in paths.iter().enumerate() {
            if of_path != content {
                continue;
            }
            for direction in &directions {
                let overlap = dot(path, &direction.polynomial);
                for (c, coefficient) in &direction.combination {
                    let row = used.binary_search(c).expect("collected above");
                    block[row][k] += overlap * coefficient;
                }
            }
        }
        chosen.extend(used);
        rows.extend(block);
    }
    (chosen, rows.concat())
}

/// An orthonormal basis of the span of a group of candidates.
fn directions(candidates: &[Candidate], group: &[usize]) -> Vec<Direction> {
    let mut directions: Vec<Direction> = Vec::new();
    let mut left: Vec<(usize, Polynomial)> = group
        .iter()
        .map(|&c| (c, scaled(&candidates[c].components[0])))
        .collect();
    for least in [0.5, 0.2, 0.05, 1e-6] {
        left.retain(|(number, polynomial)| {
            let norm = dot(polynomial, polynomial).sqrt();
            if norm < 1e-10 {
                return false; // vanishes when all factors are equal
            }
            let mut rest = Direction {
                polynomial: polynomial.clone(),
                combination: vec![(*number, 1.0)],
            };
            for known in &directions {
                rest.subtract(known);
            }
            let length = dot(&rest.polynomial, &rest.polynomial).sqrt();
            if length < least * norm {
                return true;
            }
            rest.scale(length.recip());
            directions.push(rest);
            false
        });
    }
    directions
}

impl Direction {
    fn subtract(&mut self, known: &Self) {
        let overlap = dot(&self.polynomial, &known.polynomial);
        for (index, value) in &known.polynomial {
            *self.polynomial.entry(*index).or_insert(0.0) -= overlap * value;
        }
        for (number, coefficient) in &known.combination {
            let entry = self.combination.iter_mut().find(|(n, _)| n == number);
            match entry {
                Some((_, sum)) => *sum -= overlap * coefficient,
                None => self.combination.push((*number, -overlap * coefficient)),
            }
        }
    }

    fn scale(&mut self, factor: f64) {
        self.polynomial
            .values_mut()
            .for_each(|value| *value *= factor);
        self.combination.iter_mut().for_each(|(_, c)| *c *= factor);
    }
}

fn dot(a: &Polynomial, b: &Polynomial) -> f64 {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let term = |(index, x): (&_, &f64)| many.get(index).map_or(0.0, |y| x * y);
    few.iter().map(term).sum()
}
