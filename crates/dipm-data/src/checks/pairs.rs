//! Pairs of structures that are near each other, and what their labels say about one another.

use std::collections::BTreeMap;

use nalgebra::{Matrix3, Vector3};

use crate::cell::{Cell, determinant, reciprocal};
use crate::structure::{Origin, Structure};

/// Pairs compared before the nearest are taken.
const MOST_COMPARED: usize = 20_000;
/// Structures of one kind that are compared with one another.
const MOST_OF_A_KIND: usize = 120;
/// Pairs taken.
const MOST_PAIRS: usize = 200;
/// Atoms that moved further than this between two structures, in Å, see another surface.
const LONGEST_STEP: f64 = 0.6;
/// Shorter steps are the rounding of files.
const SHORTEST_STEP: f64 = 1e-3;
/// Strains beyond this are not small.
const LARGEST_STRAIN: f64 = 0.12;

/// Two near structures: change of energy, and the parts that labels predict.
pub(crate) struct Pair {
    /// E₂ − E₁, eV.
    pub energy: f64,
    /// −½ (F₁ + F₂) · u, with u the displacements beyond rotation and strain, eV.
    pub forces: f64,
    /// ½ (V₁ σ₁ + V₂ σ₂) : ε, eV; 0 without strain, `None` without stresses.
    pub stress: Option<f64>,
    /// Length of the longest displacement, Å, or the strain in tenths.
    distance: f64,
    pub origins: [Origin; 2],
}

/// The line y = slope · x through the origin that pairs follow.
#[derive(Clone)]
pub(crate) struct Line {
    pub slope: f64,
    pub correlation: f64,
    /// Pairs.
    pub count: usize,
    /// The nearest pair.
    pub nearest: [Origin; 2],
}

impl Line {
    /// Slopes weighted by pairs; `None` without lines.
    pub(crate) fn mean<'a>(lines: impl Iterator<Item = &'a Self>) -> Option<Self> {
        lines.cloned().reduce(|a, b| {
            let count = a.count + b.count;
            let sum = a.slope * a.count as f64 + b.slope * b.count as f64;
            Self {
                slope: sum / count as f64,
                count,
                ..a
            }
        })
    }
}

/// Fewer pairs say nothing.
const FEWEST: usize = 8;
/// Below this the pairs are too far apart for a comparison.
const LEAST_CORRELATION: f64 = 0.9;

/// The line through the nearest pairs, as many as follow one; `None` where not even a few do.
pub(crate) fn line_of_nearest(
    structures: &[&Structure],
    cells: Cells,
    point: impl Fn(&Pair) -> Option<(f64, f64)>,
) -> Option<Line> {
    let pairs = nearest(structures, cells);
    let points: Vec<(f64, f64)> = pairs.iter().filter_map(point).collect();
    let mut count = points.len();
    while count >= FEWEST {
        if let Some((slope, correlation)) = fit(&points[..count])
            && correlation.abs() >= LEAST_CORRELATION
        {
            return Some(Line {
                slope,
                correlation,
                count,
                nearest: pairs[0].origins.clone(),
            });
        }
        count = count * 3 / 4;
    }
    None
}

/// Slope and correlation; the slope is that of the reduced major axis, which scatter does not flatten.
fn fit(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let sum = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
    let (xx, xy, yy) = (sum(|p| p.0 * p.0), sum(|p| p.0 * p.1), sum(|p| p.1 * p.1));
    let slope = (yy / xx).sqrt().copysign(xy);
    (xx > 0.0 && yy > 0.0).then(|| (slope, xy / (xx * yy).sqrt()))
}

/// Which cells the structures of a pair have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    /// The same, or none.
    Equal,
    /// Different, periodic along all axes.
    Strained,
}

/// The nearest pairs among structures of the same atoms in the same order.
fn nearest(structures: &[&Structure], cells: Cells) -> Vec<Pair> {
    let mut kinds: BTreeMap<Kind, Vec<&Structure>> = BTreeMap::new();
    for structure in structures {
        let is_labelled = structure.energy.is_some() && structure.forces.is_some();
        if is_labelled
            && structure.num_atoms() > 1
            && let Some(kind) = kind(structure, cells)
        {
            kinds.entry(kind).or_default().push(structure);
        }
    }
    let mut kinds: Vec<Vec<&Structure>> = kinds.into_values().filter(|of| of.len() > 1).collect();
    kinds.sort_by_key(|of| std::cmp::Reverse(of.len()));
    let (mut compared, mut pairs) = (0, Vec::new());
    'kinds: for of in kinds {
        let count = of.len().min(MOST_OF_A_KIND);
        let chosen: Vec<&Structure> = (0..count).map(|i| of[i * of.len() / count]).collect();
        for (i, first) in chosen.iter().enumerate() {
            for second in &chosen[i + 1..] {
                compared += 1;
                if compared > MOST_COMPARED {
                    break 'kinds;
                }
                pairs.extend(compare(first, second, cells));
            }
        }
    }
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    pairs.truncate(MOST_PAIRS);
    pairs
}

type Kind = (Vec<u8>, [bool; 3], Option<[i64; 9]>, Option<usize>);

/// What structures must share: atoms in order, periodicity, for unstrained pairs the cell, and the task.
fn kind(structure: &Structure, cells: Cells) -> Option<Kind> {
    let numbers = structure.atomic_numbers.clone();
    let rounded = || {
        let cell = structure.cell.unwrap_or_default();
        let flat: Vec<i64> = cell
            .as_flattened()
            .iter()
            .map(|x| (x * 1e6).round() as i64)
            .collect();
        <[i64; 9]>::try_from(flat).expect("a cell has nine numbers")
    };
    let cell = match cells {
        Cells::Equal => structure.is_periodic().then(rounded),
        Cells::Strained if structure.pbc != [true; 3] || structure.stress.is_none() => return None,
        Cells::Strained => None,
    };
    Some((numbers, structure.pbc, cell, structure.task))
}

fn vector(v: [f64; 3]) -> Vector3<f64> {
    Vector3::from(v)
}

fn matrix(m: &Cell) -> Matrix3<f64> {
    Matrix3::from_fn(|i, j| m[i][j])
}

/// `None` when the structures are far from each other, or the same.
fn compare(first: &Structure, second: &Structure, cells: Cells) -> Option<Pair> {
    let strain = match cells {
        Cells::Equal => Matrix3::zeros(),
        Cells::Strained => strain(first, second)?,
    };
    let (rotation, steps) = match first.is_periodic() {
        true => (Matrix3::identity(), periodic_steps(first, second)?),
        false => aligned_steps(first, second)?,
    };
    let longest = steps.iter().map(|u| u.norm()).fold(0.0, f64::max);
    if longest > LONGEST_STEP || longest.max(strain.norm()) < SHORTEST_STEP {
        return None;
    }
    let forces = first
        .forces
        .iter()
        .flatten()
        .zip(second.forces.iter().flatten());
    let work: f64 = forces
        .zip(&steps)
        .map(|((a, b), u)| -0.5 * (vector(*a) + rotation * vector(*b)).dot(u))
        .sum();
    let tensor = |s: &Structure| Some(matrix(&s.stress?) * s.volume()?);
    let stress = tensor(first).zip(tensor(second));
    Some(Pair {
        energy: second.energy? - first.energy?,
        forces: work,
        stress: stress.map(|(a, b)| 0.5 * (a + b).dot(&strain)),
        distance: longest.max(10.0 * strain.norm()),
        origins: [first.origin.clone(), second.origin.clone()],
    })
}

/// ε with cell₂ = cell₁ (1 + ε), `None` when it is large or turns the cell.
fn strain(first: &Structure, second: &Structure) -> Option<Matrix3<f64>> {
    let (a, b) = (first.cell.as_ref()?, second.cell.as_ref()?);
    let gradient = matrix(a).try_inverse()? * matrix(b) - Matrix3::identity();
    let symmetric = (gradient + gradient.transpose()) * 0.5;
    let turns = (gradient - symmetric).norm();
    (symmetric.norm() < LARGEST_STRAIN && symmetric.norm() > 1e-4 && turns < LARGEST_STRAIN)
        .then_some(symmetric)
}

/// Displacements by fractional coordinates, nearest images, in the mean cell; without the drift of all atoms.
fn periodic_steps(first: &Structure, second: &Structure) -> Option<Vec<Vector3<f64>>> {
    let full = |s: &Structure| crate::cell::complete(s.cell.as_ref(), s.pbc);
    let (a, b) = (full(first)?, full(second)?);
    let mean = (matrix(&a) + matrix(&b)) * 0.5;
    if determinant(&a) == 0.0 || determinant(&b) == 0.0 {
        return None;
    }
    let (inverse_a, inverse_b) = (reciprocal(&a), reciprocal(&b));
    let fractional = |g: &Cell, r: [f64; 3]| Vector3::from_fn(|k, _| crate::cell::dot(g[k], r));
    let pairs = first.positions.iter().zip(&second.positions);
    let mut steps: Vec<Vector3<f64>> = pairs
        .map(|(p, q)| {
            let mut d = fractional(&inverse_b, *q) - fractional(&inverse_a, *p);
            for k in 0..3 {
                if first.pbc[k] {
                    d[k] -= d[k].round();
                }
            }
            mean.transpose() * d
        })
        .collect();
    let drift = steps.iter().sum::<Vector3<f64>>() / steps.len() as f64;
    steps.iter_mut().for_each(|u| *u -= drift);
    Some(steps)
}

/// The rotation that lays the second molecule on the first, and the displacements that remain.
///
/// Kabsch, Acta Cryst. A 32, 922 (1976).
fn aligned_steps(
    first: &Structure,
    second: &Structure,
) -> Option<(Matrix3<f64>, Vec<Vector3<f64>>)> {
    let centred = |s: &Structure| {
        let positions: Vec<Vector3<f64>> = s.positions.iter().map(|r| vector(*r)).collect();
        let centre = positions.iter().sum::<Vector3<f64>>() / positions.len() as f64;
        positions
            .into_iter()
            .map(|r| r - centre)
            .collect::<Vec<_>>()
    };
    let (p, q) = (centred(first), centred(second));
    let covariance: Matrix3<f64> = p.iter().zip(&q).map(|(a, b)| a * b.transpose()).sum();
    let svd = covariance.try_svd(true, true, f64::EPSILON, 1000)?;
    let (u, v_t) = (svd.u?, svd.v_t?);
    let mut signs = Matrix3::identity();
    signs[(2, 2)] = (u * v_t).determinant().signum();
    let rotation = u * signs * v_t;
    let steps = p.iter().zip(&q).map(|(a, b)| rotation * b - a).collect();
    Some((rotation, steps))
}
