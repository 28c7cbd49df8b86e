//! Where many points lie: each of them while they are few, counts in cells of a grid once they are many.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Points that are kept one by one.
pub const MOST_POINTS: usize = 1500;
/// Cells along an axis, at most.
pub const MOST_CELLS: i64 = 96;
/// Cells are never so small that their number has no exact double.
const FARTHEST_CELL: f64 = (1_u64 << 50) as f64;

/// A set of points of the plane in bounded memory.
///
/// Beyond [`MOST_POINTS`] they are counted in cells whose sides are powers of two, the smallest with which
/// [`MOST_CELLS`] cells an axis hold them all; when a point falls outside, cells are joined two by two. The
/// result does not depend on the order of the points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Density {
    marks: Marks,
    count: u64,
    num_not_finite: u64,
    /// Least and largest value on each axis.
    ranges: [[f64; 2]; 2],
    has_square_cells: bool,
}

/// What is kept of the points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Marks {
    /// Each.
    Points(Vec<[f64; 2]>),
    /// How many lie in each cell.
    Cells(Cells),
}

/// A grid of counts. Cell (i, j) reaches from i·w to (i+1)·w along each axis, w = 2^exponent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    exponents: [i32; 2],
    /// First and last cell on each axis.
    ranges: [[i64; 2]; 2],
    counts: BTreeMap<[i64; 2], u64>,
}

impl Density {
    /// No points; cells will be as long and as wide as the points need.
    pub fn new() -> Self {
        Self {
            marks: Marks::Points(Vec::new()),
            count: 0,
            num_not_finite: 0,
            ranges: [[f64::INFINITY, f64::NEG_INFINITY]; 2],
            has_square_cells: false,
        }
    }

    /// No points; both axes show the same quantity, so that cells are squares.
    pub fn square() -> Self {
        Self {
            has_square_cells: true,
            ..Self::new()
        }
    }

    /// Takes in a point; one that is not finite is only counted.
    pub fn add(&mut self, point: [f64; 2]) {
        if !point.iter().all(|x| x.is_finite()) {
            self.num_not_finite += 1;
            return;
        }
        self.count += 1;
        for (range, x) in self.ranges.iter_mut().zip(point) {
            *range = [range[0].min(x), range[1].max(x)];
        }
        self.mark(point);
    }

    /// Keeps a finite point that is counted already.
    fn mark(&mut self, point: [f64; 2]) {
        match &mut self.marks {
            Marks::Points(points) => points.push(point),
            Marks::Cells(cells) => cells.add(point, self.has_square_cells),
        }
        if let Marks::Points(points) = &self.marks
            && points.len() > MOST_POINTS
        {
            self.marks = Marks::Cells(Cells::of(points, self.ranges, self.has_square_cells));
        }
    }

    /// Takes in the points of another part of the data, with the result of adding them all to one.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.num_not_finite += other.num_not_finite;
        for (range, [least, largest]) in self.ranges.iter_mut().zip(other.ranges) {
            *range = [range[0].min(least), range[1].max(largest)];
        }
        let points = match (&mut self.marks, other.marks) {
            (_, Marks::Points(points)) => points,
            (Marks::Cells(cells), Marks::Cells(others)) => {
                return cells.merge(others, self.has_square_cells);
            }
            (Marks::Points(points), others @ Marks::Cells(_)) => {
                let points = std::mem::take(points);
                self.marks = others;
                points
            }
        };
        points.into_iter().for_each(|point| self.mark(point));
    }

    /// What is kept of the points.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Finite points.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Points with a coordinate that is infinite or not a number.
    pub fn num_not_finite(&self) -> u64 {
        self.num_not_finite
    }

    /// Least and largest value of the finite points on each axis; `None` without any.
    pub fn ranges(&self) -> Option<[[f64; 2]; 2]> {
        (self.count > 0).then_some(self.ranges)
    }
}

impl Default for Density {
    fn default() -> Self {
        Self::new()
    }
}

impl Cells {
    fn of(points: &[[f64; 2]], ranges: [[f64; 2]; 2], square: bool) -> Self {
        let mut exponents = ranges.map(finest_exponent);
        if square {
            exponents = [exponents[0].max(exponents[1]); 2];
        }
        let mut cells = Cells {
            exponents,
            ranges: [[i64::MAX, i64::MIN]; 2],
            counts: BTreeMap::new(),
        };
        for point in points {
            cells.add(*point, square);
        }
        cells
    }

    fn add(&mut self, point: [f64; 2], square: bool) {
        for (axis, x) in point.iter().enumerate() {
            while x.abs() / width(self.exponents[axis]) >= FARTHEST_CELL {
                self.join(axis, square);
            }
        }
        loop {
            let cell = self.cell_of(point);
            let grown = [0, 1].map(|axis| {
                let [first, last] = self.ranges[axis];
                [first.min(cell[axis]), last.max(cell[axis])]
            });
            match (0..2).find(|&axis| grown[axis][1] - grown[axis][0] >= MOST_CELLS) {
                Some(axis) => self.join(axis, square),
                None => {
                    self.ranges = grown;
                    *self.counts.entry(cell).or_default() += 1;
                    return;
                }
            }
        }
    }

    fn cell_of(&self, point: [f64; 2]) -> [i64; 2] {
        [0, 1].map(|axis| (point[axis] / width(self.exponents[axis])).floor() as i64)
    }

    /// Takes in the counts of other cells.
    fn merge(&mut self, mut others: Self, square: bool) {
        for axis in 0..2 {
            while self.exponents[axis] < others.exponents[axis] {
                self.join(axis, square);
            }
            while others.exponents[axis] < self.exponents[axis] {
                others.join(axis, square);
            }
        }
        loop {
            let union = [0, 1].map(|axis| {
                let ([first, last], [other_first, other_last]) =
                    (self.ranges[axis], others.ranges[axis]);
                [first.min(other_first), last.max(other_last)]
            });
            match (0..2).find(|&axis| union[axis][1] - union[axis][0] >= MOST_CELLS) {
                Some(axis) => {
                    self.join(axis, square);
                    others.join(axis, square);
                }
                None => {
                    self.ranges = union;
                    for (cell, count) in others.counts {
                        *self.counts.entry(cell).or_default() += count;
                    }
                    return;
                }
            }
        }
    }

    /// Joins cells two by two along an axis, along both if they are squares.
    fn join(&mut self, axis: usize, square: bool) {
        let halved = |axis_of: usize, index: i64| match square || axis_of == axis {
            true => index >> 1,
            false => index,
        };
        for axis_of in 0..2 {
            self.exponents[axis_of] += i32::from(square || axis_of == axis);
            if !self.counts.is_empty() {
                self.ranges[axis_of] = self.ranges[axis_of].map(|index| halved(axis_of, index));
            }
        }
        for ([i, j], count) in std::mem::take(&mut self.counts) {
            *self.counts.entry([halved(0, i), halved(1, j)]).or_default() += count;
        }
    }

    /// Sides of a cell.
    pub fn widths(&self) -> [f64; 2] {
        self.exponents.map(width)
    }

    /// Lower left corner and count of each cell that is not empty, column by column.
    pub fn iter(&self) -> impl Iterator<Item = ([f64; 2], u64)> + '_ {
        let [wide, high] = self.widths();
        let corner = move |[i, j]: [i64; 2]| [i as f64 * wide, j as f64 * high];
        self.counts
            .iter()
            .map(move |(&cell, &count)| (corner(cell), count))
    }
}

fn width(exponent: i32) -> f64 {
    2_f64.powi(exponent)
}

/// Exponent of the largest cells of which [`MOST_CELLS`] are too few or just enough for a range.
fn finest_exponent([least, largest]: [f64; 2]) -> i32 {
    let smallest = least.abs().max(largest.abs()) / FARTHEST_CELL;
    let width = ((largest - least) / MOST_CELLS as f64).max(smallest);
    width.clamp(1e-300, 1e300).log2().floor() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between 0 and 1 that look random.
    fn noise(count: usize) -> impl Iterator<Item = f64> {
        let mut state = 12345_u64;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        })
        .take(count)
    }

    fn parity(count: usize) -> Vec<[f64; 2]> {
        let numbers: Vec<f64> = noise(2 * count).collect();
        let point = |pair: &[f64]| [20.0 * pair[0] - 10.0, 20.0 * pair[0] - 10.0 + 0.3 * pair[1]];
        numbers.chunks(2).map(point).collect()
    }

    fn cells(density: &Density) -> &Cells {
        match density.marks() {
            Marks::Cells(cells) => cells,
            Marks::Points(points) => panic!("{} points", points.len()),
        }
    }

    #[test]
    fn few_points_are_kept_as_they_are() {
        let points = parity(MOST_POINTS);
        let mut density = Density::square();
        points.iter().for_each(|&point| density.add(point));
        assert_eq!(density.marks(), &Marks::Points(points));
    }

    #[test]
    fn cells_count_what_lies_within_them() {
        let points = parity(20_000);
        for mut density in [Density::new(), Density::square()] {
            points.iter().for_each(|&point| density.add(point));
            let cells = cells(&density);
            let [wide, high] = cells.widths();
            for ([x, y], count) in cells.iter() {
                let within =
                    |p: &&[f64; 2]| (x..x + wide).contains(&p[0]) && (y..y + high).contains(&p[1]);
                assert_eq!(points.iter().filter(within).count() as u64, count);
            }
            assert_eq!(cells.iter().map(|(_, count)| count).sum::<u64>(), 20_000);
            assert_eq!(density.count(), 20_000);
        }
    }

    #[test]
    fn the_order_of_the_points_does_not_matter() {
        let mut points = parity(5000);
        points.extend([[1e3, 2e3], [-4e3, 1e-3], [5e5, 5e5]]);
        let (mut forwards, mut backwards) = (Density::new(), Density::new());
        points.iter().for_each(|&point| forwards.add(point));
        points.iter().rev().for_each(|&point| backwards.add(point));
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn parts_together_are_what_all_points_are() {
        let mut points = parity(6000);
        points.extend([[1e3, 2e3], [-4e3, 1e-3], [f64::NAN, 1.0], [5e5, 5e5]]);
        let of = |points: &[[f64; 2]], empty: fn() -> Density| {
            let mut density = empty();
            points.iter().for_each(|&point| density.add(point));
            density
        };
        for empty in [Density::new, Density::square] {
            // cells and cells, points and cells, points and points that become cells, nothing and points
            for (all, first) in [
                (6004, 3000),
                (6000, 10),
                (6004, 5990),
                (2000, 1000),
                (40, 0),
            ] {
                let mut merged = of(&points[..first], empty);
                merged.merge(of(&points[first..all], empty));
                // NaN is not equal to itself, but is not kept either
                assert_eq!(merged, of(&points[..all], empty), "{first} of {all}");
            }
        }
    }

    #[test]
    fn cells_are_the_smallest_that_suffice_and_their_number_is_bounded() {
        let mut density = Density::square();
        for (i, x) in noise(400_000).enumerate() {
            // a range that grows for ever, in both directions
            let scale = 1.0 + i as f64;
            density.add([scale * (x - 0.3), scale * (x - 0.6)]);
        }
        let cells = cells(&density);
        let used = cells.ranges.map(|[first, last]| last - first + 1);
        assert!(used.iter().all(|n| *n <= MOST_CELLS), "{used:?}");
        assert!(used.iter().any(|n| *n > MOST_CELLS / 2 - 2), "{used:?}");
        assert_eq!(cells.iter().map(|(_, count)| count).sum::<u64>(), 400_000);
    }

    #[test]
    fn extreme_values_neither_hang_nor_get_lost() {
        let mut density = Density::new();
        for i in 0..2000 {
            density.add([7.0, f64::from(i % 2)]);
        }
        for x in [1e300, -1e300, f64::MAX, f64::MIN_POSITIVE, 0.0] {
            density.add([x, x]);
        }
        density.add([f64::NAN, 0.0]);
        density.add([0.0, f64::INFINITY]);
        assert_eq!((density.count(), density.num_not_finite()), (2005, 2));
        assert_eq!(cells(&density).iter().map(|(_, n)| n).sum::<u64>(), 2005);
        assert_eq!(density.ranges(), Some([[-1e300, f64::MAX]; 2]));
    }
}
