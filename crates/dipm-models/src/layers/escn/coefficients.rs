//! The orders in which coefficients of spherical functions are held.

use std::ops::Range;

/// Degree l and order m of a coefficient, −l ≤ m ≤ l.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Harmonic {
    /// l
    pub degree: usize,
    /// m
    pub order: i32,
}

impl Harmonic {
    /// Place in the order of the nodes, l² + l + m.
    pub fn node_index(self) -> usize {
        let center = self.degree * self.degree + self.degree;
        center.wrapping_add_signed(self.order as isize)
    }
}

/// Which coefficients there are: degrees up to l_max; in the frame of an edge, orders up to m_max.
///
/// Features of nodes hold l after l, m from −l to l ("l-primary"). Features of edges hold the order
/// 0 of all degrees, then for each m ≥ 1 the order m of the degrees l ≥ m (the "real part") and
/// then the order −m of the same (the "imaginary part"; "m-primary").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coefficients {
    /// Largest degree, L.
    pub l_max: usize,
    /// Largest order in the frame of an edge, M ≤ L.
    pub m_max: usize,
}

impl Coefficients {
    /// # Panics
    /// When m_max is more than l_max.
    pub fn new(l_max: usize, m_max: usize) -> Self {
        assert!(m_max <= l_max, "orders up to {m_max}, degrees to {l_max}");
        Self { l_max, m_max }
    }

    /// Number of degrees, L + 1.
    pub fn num_degrees(self) -> usize {
        self.l_max + 1
    }

    /// Number of degrees that have the order m, n_m = L + 1 − m.
    pub fn degrees_with(self, m: usize) -> usize {
        self.l_max + 1 - m
    }

    /// Number of coefficients of a node, K = (L + 1)².
    pub fn num_node(self) -> usize {
        (self.l_max + 1).pow(2)
    }

    /// Number of coefficients of an edge, K_r = n_0 + 2 (n_1 + … + n_M).
    pub fn num_edge(self) -> usize {
        self.edge_rows(self.m_max).end
    }

    /// Where an edge holds the orders m and −m: 2 n_m rows, for m = 0 n_0.
    pub fn edge_rows(self, m: usize) -> Range<usize> {
        let rows = |m: usize| self.degrees_with(m) * if m == 0 { 1 } else { 2 };
        let start = (0..m).map(rows).sum();
        start..start + rows(m)
    }

    /// The coefficients of a node, in order.
    pub fn node(self) -> Vec<Harmonic> {
        let orders = |l: usize| -(l as i32)..=l as i32;
        let of_degree = |degree| orders(degree).map(move |order| Harmonic { degree, order });
        (0..=self.l_max).flat_map(of_degree).collect()
    }

    /// The coefficients of an edge, in order.
    pub fn edge(self) -> Vec<Harmonic> {
        let of_order = |order: i32| {
            let degrees = order.unsigned_abs() as usize..=self.l_max;
            degrees.map(move |degree| Harmonic { degree, order })
        };
        let positive = (1..=self.m_max as i32).flat_map(|m| of_order(m).chain(of_order(-m)));
        of_order(0).chain(positive).collect()
    }

    /// The coefficients of an edge that are of these degrees, in order.
    pub fn edge_of(self, degrees: &Range<usize>) -> Vec<Harmonic> {
        let mut list = self.edge();
        list.retain(|h| degrees.contains(&h.degree));
        list
    }

    /// ρ_l = √((2l + 1)/(2M + 1)) for degrees l > M, of which orders are missing, and 1 for others.
    pub fn rescale(self, degree: usize) -> f64 {
        let ratio = (2 * degree + 1) as f64 / (2 * self.m_max + 1) as f64;
        ratio.max(1.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_holds_order_after_order() {
        let c = Coefficients::new(3, 2);
        let places: Vec<usize> = c.edge().into_iter().map(Harmonic::node_index).collect();
        assert_eq!(places, [0, 2, 6, 12, 3, 7, 13, 1, 5, 11, 8, 14, 4, 10]);
        assert_eq!(c.num_edge(), 14);
        assert_eq!(
            [c.edge_rows(0), c.edge_rows(1), c.edge_rows(2)],
            [0..4, 4..10, 10..14]
        );
    }

    #[test]
    fn a_node_holds_degree_after_degree() {
        let c = Coefficients::new(4, 1);
        let places = c.node().into_iter().map(Harmonic::node_index);
        assert!(places.eq(0..25));
        assert_eq!((c.num_node(), c.num_edge()), (25, 13));
    }

    #[test]
    fn only_degrees_that_miss_orders_are_rescaled() {
        let c = Coefficients::new(4, 2);
        let squares: Vec<f64> = (0..=4).map(|l| c.rescale(l).powi(2) * 5.0).collect();
        for (found, expected) in squares.iter().zip([5.0, 5.0, 5.0, 7.0, 9.0]) {
            assert!((found - expected).abs() < 1e-14);
        }
    }
}
