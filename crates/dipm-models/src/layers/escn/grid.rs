//! Features as functions on a sphere, at the points of a grid.

use std::f64::consts::PI;

use dipm_field::{Field, ProductTable, Slot};

use super::{Coefficients, Harmonic};

/// B latitudes times A longitudes, between which and coefficients features go back and forth.
///
/// Latitudes β_b = (b + ½) π/B with the weights q_b of Driscoll and Healy (Adv. Appl. Math. 15, 202
/// (1994)), longitudes α_a = 2π a/A around the axis y, which in the frame of an edge is the edge.
/// Harmonics are P̄_l|m|(cos β) times a wave cos mα or sin |m|α, so each way is two small products:
/// degrees are summed first, which leaves the waves on each latitude, then orders.
///
/// The scale is such that coefficients of variance 1 give a function of variance 1. ρ_l² of a
/// coefficient comes back, see [`Coefficients::rescale`]. A nonlinear function of the points has
/// parts of any degree, of which the grid mistakes the highest for lower ones: what is made of them
/// depends on the orientation, less with more points.
#[derive(Debug, Clone)]
pub struct SphereGrid {
    /// Coefficients [K′, C] to waves [B (2M + 1), C].
    degrees: ProductTable,
    /// The same of the way back, with the weights of the latitudes.
    weighted_degrees: ProductTable,
    /// Waves to points [B A, C]; both ways.
    orders: ProductTable,
}

impl SphereGrid {
    /// A sphere around an atom, for features in the order of the nodes.
    pub fn of_nodes(l_max: usize, resolution: Option<usize>) -> Self {
        let coefficients = Coefficients::new(l_max, l_max);
        Self::new(coefficients, &coefficients.node(), resolution)
    }

    /// A sphere in the frame of an edge, for features in the order of the edges.
    pub fn of_edges(coefficients: Coefficients, resolution: Option<usize>) -> Self {
        Self::new(coefficients, &coefficients.edge(), resolution)
    }

    /// Latitudes and longitudes of a resolution; without one, as few as hold the features.
    pub fn shape(coefficients: Coefficients, resolution: Option<usize>) -> [usize; 2] {
        let num = 2 * (coefficients.l_max + 1);
        match resolution {
            Some(resolution) => [resolution, resolution],
            None if coefficients.m_max == coefficients.l_max => [num, num + 1],
            None => [num, 2 * coefficients.m_max + 1],
        }
    }

    fn new(coefficients: Coefficients, harmonics: &[Harmonic], resolution: Option<usize>) -> Self {
        let Coefficients { l_max, m_max } = coefficients;
        let [latitudes, longitudes] = Self::shape(coefficients, resolution);
        let num_orders = 2 * m_max + 1;
        let wave =
            |b: usize, order: i32| b * num_orders + m_max.wrapping_add_signed(order as isize);
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for b in 0..latitudes {
            let angle = (b as f64 + 0.5) * PI / latitudes as f64;
            let weight = latitude_weight(angle, latitudes) / longitudes as f64;
            let legendre = legendre(l_max, -angle.cos());
            for (k, harmonic) in harmonics.iter().enumerate() {
                let l = harmonic.degree;
                let norm = (((2 * l + 1) * (l_max + 1)) as f64).sqrt();
                let value = legendre[l][harmonic.order.unsigned_abs() as usize]
                    * (4.0 * PI).sqrt()
                    * coefficients.rescale(l);
                let index = vec![k, wave(b, harmonic.order)];
                to.push((index.clone(), value / norm));
                from.push((index, value * norm * weight));
            }
        }
        let mut waves = Vec::new();
        for b in 0..latitudes {
            for a in 0..longitudes {
                let angle = 2.0 * PI * a as f64 / longitudes as f64;
                for order in -(m_max as i32)..=m_max as i32 {
                    let value = azimuthal(order, angle);
                    if value.abs() > 1e-14 {
                        waves.push((vec![wave(b, order), b * longitudes + a], value));
                    }
                }
            }
        }
        let slots = |dims: [usize; 2]| dims.map(Slot::channels);
        let of_degrees = slots([harmonics.len(), latitudes * num_orders]);
        let of_orders = slots([latitudes * num_orders, latitudes * longitudes]);
        Self {
            degrees: ProductTable::new(&of_degrees, to),
            weighted_degrees: ProductTable::new(&of_degrees, from),
            orders: ProductTable::new(&of_orders, waves),
        }
    }

    /// Values at the points of the function with coefficients x, [K′, C] → [B A, C].
    pub fn to_grid<'g>(&self, x: Field<'g>) -> Field<'g> {
        let waves = x.graph().product(&self.degrees, 1, &[Some(x), None]);
        x.graph().product(&self.orders, 1, &[Some(waves), None])
    }

    /// Coefficients of the function with values y, [B A, C] → [K′, C].
    pub fn from_grid<'g>(&self, y: Field<'g>) -> Field<'g> {
        let waves = y.graph().product(&self.orders, 0, &[None, Some(y)]);
        y.graph()
            .product(&self.weighted_degrees, 0, &[None, Some(waves)])
    }
}

/// q_b, the share of the sphere at a latitude; the sum over latitudes is 1.
fn latitude_weight(angle: f64, latitudes: usize) -> f64 {
    let odd = (0..latitudes / 2).map(|k| (2 * k + 1) as f64);
    let sum: f64 = odd.map(|k| (k * angle).sin() / k).sum();
    2.0 / latitudes as f64 * angle.sin() * sum
}

/// 1, √2 cos mα or √2 sin |m|α.
fn azimuthal(order: i32, angle: f64) -> f64 {
    let turns = f64::from(order.abs()) * angle;
    match order {
        0 => 1.0,
        1.. => 2f64.sqrt() * turns.cos(),
        _ => 2f64.sqrt() * turns.sin(),
    }
}

/// Associated Legendre functions P̄_lm(y), 0 ≤ m ≤ l ≤ l_max, whose square times a wave's has the
/// integral 1 over the sphere, without alternating signs.
fn legendre(l_max: usize, y: f64) -> Vec<Vec<f64>> {
    let s = (1.0 - y * y).sqrt();
    let mut p = vec![vec![0.0; l_max + 1]; l_max + 1];
    p[0][0] = (4.0 * PI).sqrt().recip();
    for m in 0..=l_max {
        let order = m as f64;
        if m > 0 {
            p[m][m] = (1.0 + 0.5 / order).sqrt() * s * p[m - 1][m - 1];
        }
        for l in m + 1..=l_max {
            let degree = l as f64;
            let square = |l: f64| (l * l - order * order) / (4.0 * l * l - 1.0);
            let before = if l > m + 1 { p[l - 2][m] } else { 0.0 };
            let below = square(degree - 1.0).max(0.0).sqrt() * before;
            p[l][m] = (y * p[l - 1][m] - below) / square(degree).sqrt();
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_close, evaluate, stored};
    use super::*;
    use dipm_field::Space;

    /// The matrix [points, K′] of either way, found by unit vectors as channels.
    fn matrix(grid: &SphereGrid, num: usize, points: usize, back: bool) -> Vec<f64> {
        let one = |n: usize| -> Vec<f64> {
            let ones = |i: usize| f64::from(u8::from(i / n == i % n));
            (0..n * n).map(ones).collect()
        };
        let n = if back { points } else { num };
        evaluate(&[("x", &one(n))], |graph| {
            let x = graph.input("x", Space::Const, &[n, n]);
            if back {
                grid.from_grid(x).transpose()
            } else {
                grid.to_grid(x)
            }
        })
    }

    #[test]
    fn both_ways_are_the_stored_matrices() {
        let edges = Coefficients::new(3, 2);
        for (name, grid, num, points) in [
            ("edge", SphereGrid::of_edges(edges, None), 14, 40),
            ("node", SphereGrid::of_nodes(3, None), 16, 72),
            ("res14", SphereGrid::of_nodes(3, Some(14)), 16, 196),
        ] {
            for (way, back) in [("to", false), ("from", true)] {
                let found = matrix(&grid, num, points, back);
                assert_close(&found, &stored(&format!("s2.{name}.{way}")));
            }
        }
    }

    #[test]
    fn what_goes_to_the_grid_comes_back() {
        for (grid, c, harmonics) in [
            (
                SphereGrid::of_nodes(6, None),
                Coefficients::new(6, 6),
                Coefficients::new(6, 6).node(),
            ),
            (
                SphereGrid::of_edges(Coefficients::new(6, 2), Some(18)),
                Coefficients::new(6, 2),
                Coefficients::new(6, 2).edge(),
            ),
        ] {
            let x: Vec<f64> = (0..harmonics.len()).map(|k| (k as f64).cos()).collect();
            let found = evaluate(&[("x", &x)], |graph| {
                let x = graph.input("x", Space::Const, &[harmonics.len(), 1]);
                grid.from_grid(grid.to_grid(x))
            });
            let scaled = x.iter().zip(&harmonics);
            let expected: Vec<f64> = scaled
                .map(|(x, h)| x * c.rescale(h.degree).powi(2))
                .collect();
            assert_close(&found, &expected);
        }
    }
}
