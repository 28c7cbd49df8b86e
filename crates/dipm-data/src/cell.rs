//! Arithmetic on cells: rows are lattice vectors.

/// Rows are lattice vectors.
pub(crate) type Cell = [[f64; 3]; 3];

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

pub(crate) fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

/// det C = a · (b × c).
pub(crate) fn determinant(cell: &Cell) -> f64 {
    dot(cell[0], cross(cell[1], cell[2]))
}

/// n · C for an integer triple n.
pub(crate) fn shift_vector(shift: [i32; 3], cell: &Cell) -> [f64; 3] {
    let n = shift.map(f64::from);
    std::array::from_fn(|k| n[0] * cell[0][k] + n[1] * cell[1][k] + n[2] * cell[2][k])
}

/// Reciprocal vectors g with g[a] · C[b] = δ_ab: fractional coordinate a of r is g[a] · r.
pub(crate) fn reciprocal(cell: &Cell) -> Cell {
    let det = determinant(cell);
    let row = |a: usize| cross(cell[(a + 1) % 3], cell[(a + 2) % 3]).map(|x| x / det);
    [row(0), row(1), row(2)]
}

/// A regular cell whose periodic vectors are those given, the others unit vectors orthogonal to
/// them.
///
/// Along an axis that is not periodic the given vector has no meaning for distances. `None` when
/// the periodic vectors are absent, zero or not independent.
pub(crate) fn complete(cell: Option<&Cell>, pbc: [bool; 3]) -> Option<Cell> {
    let mut full: Cell = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    if pbc == [false; 3] {
        return Some(full);
    }
    let given = cell?;
    let kept: Vec<usize> = (0..3).filter(|&a| pbc[a]).collect();
    for &a in &kept {
        full[a] = given[a];
    }
    match kept[..] {
        [a] => {
            let (b, c) = ((a + 1) % 3, (a + 2) % 3);
            let smallest = (0..3).min_by(|&i, &j| full[a][i].abs().total_cmp(&full[a][j].abs()));
            let mut axis = [0.0; 3];
            axis[smallest.expect("three components")] = 1.0;
            full[b] = unit(cross(full[a], axis))?;
            full[c] = unit(cross(full[a], full[b]))?;
        }
        [a, b] => full[3 - a - b] = unit(cross(full[a], full[b]))?,
        _ => {}
    }
    // sin of the angle between a vector and the plane of the others; rounding stays far below.
    let lengths: f64 = full.iter().map(|v| norm(*v)).product();
    let volume = determinant(&full).abs();
    (volume.is_finite() && volume > 1e-10 * lengths).then_some(full)
}

fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = norm(v);
    (length > 0.0 && length.is_finite()).then(|| v.map(|x| x / length))
}
