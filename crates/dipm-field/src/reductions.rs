//! Building fields: sums, contractions, and what joins the rows of spaces.

use crate::field::broadcast_spaces;
use crate::functions::{Binary, Unary};
use crate::graph::{Op, Shape};
use crate::{Field, Map, Space};

impl<'g> Field<'g> {
    /// Sums over `axes`, which stay with length 1.
    pub fn sum_axes(self, axes: &[usize]) -> Self {
        let shape = self.shape();
        let mask = axes
            .iter()
            .filter(|&&axis| shape[axis] > 1)
            .fold(0u8, |m, &axis| m | 1 << axis);
        if mask == 0 {
            return self;
        }
        let summed = |axis: usize| mask >> axis & 1 == 1;
        let result: Shape = (0..shape.len())
            .map(|a| if summed(a) { 1 } else { shape[a] })
            .collect();
        if let Some(value) = self.as_literal() {
            let count = shape.iter().product::<usize>() / result.iter().product::<usize>();
            return self.filled(value * count as f64, self.space(), &result);
        }
        // a factor that is constant along the axes is taken out of the sum
        let flat = |f: Self| {
            let inner = f.shape();
            let missing = shape.len() - inner.len();
            (0..shape.len()).all(|a| !summed(a) || a < missing || inner[a - missing] == 1)
        };
        match self.op() {
            Op::Unary(Unary::Neg, x) => return -self.at(x).sum_axes(axes),
            Op::Binary(Binary::Mul, a, b) => {
                let (a, b) = (self.at(a), self.at(b));
                for (factor, rest) in [(a, b), (b, a)] {
                    if flat(factor) {
                        let sum = rest.broadcast(rest.space(), &shape).sum_axes(axes);
                        return (sum * factor).broadcast(self.space(), &result);
                    }
                }
            }
            _ => {}
        }
        self.graph
            .push(Op::SumAxes(self.id, mask), self.space(), result)
    }

    /// The largest entry along `axes`, which stay with length 1. In the derivative, equal largest
    /// entries share alike.
    pub fn max_axes(self, axes: &[usize]) -> Self {
        let shape = self.shape();
        let mask = axes
            .iter()
            .filter(|&&axis| shape[axis] > 1)
            .fold(0u8, |m, &axis| m | 1 << axis);
        let summed = |axis: usize| mask >> axis & 1 == 1;
        let result: Shape = (0..shape.len())
            .map(|a| if summed(a) { 1 } else { shape[a] })
            .collect();
        if mask == 0 {
            return self;
        }
        if let Some(value) = self.as_literal() {
            return self.filled(value, self.space(), &result);
        }
        self.graph
            .push(Op::MaxAxes(self.id, mask), self.space(), result)
    }

    /// The smallest entry along `axes`, which stay with length 1.
    pub fn min_axes(self, axes: &[usize]) -> Self {
        -(-self).max_axes(axes)
    }

    /// Sum over all inner axes, of shape `[]`.
    pub fn sum_inner(self) -> Self {
        let axes: Vec<usize> = (0..self.shape().len()).collect();
        self.sum_axes(&axes).reshape(&[])
    }

    /// self `[.., K]` times `weights` `[K, N]` over Const.
    pub fn contract(self, weights: Self) -> Self {
        self.contract_by(weights, Map::All(self.space()))
    }

    /// self `[.., K]` times the matrix `[K, N]` of the row that `map` sends each row to.
    pub fn contract_by(self, weights: Self, map: Map) -> Self {
        let (mut shape, matrix) = (self.shape(), weights.shape());
        assert!(
            matrix.len() == 2 && shape.last() == Some(&matrix[0]),
            "contraction of {self:?} with {weights:?}"
        );
        assert_eq!(map.source(), self.space(), "map {map:?} of {self:?}");
        assert_eq!(map.target(), weights.space(), "map {map:?} of {weights:?}");
        *shape.last_mut().expect("checked above") = matrix[1];
        if self.is_zero() || weights.is_zero() {
            return self.filled(0.0, self.space(), &shape);
        }
        self.graph
            .push(Op::Contract(self.id, weights.id, map), self.space(), shape)
    }

    /// Σ selfᵀ `other`, `[K, N]`, over leading axes and the rows that `map` sends to a row.
    pub fn contract_rows(self, other: Self, map: Map) -> Self {
        let space = broadcast_spaces(self.space(), other.space());
        assert_eq!(map.source(), space, "map {map:?} of {self:?}");
        let (x, y) = (self.shape(), other.shape());
        assert_eq!(
            x[..x.len() - 1],
            y[..y.len() - 1],
            "leading axes of {self:?} and {other:?}"
        );
        let shape = vec![x[x.len() - 1], y[y.len() - 1]];
        if self.is_zero() || other.is_zero() {
            return self.filled(0.0, map.target(), &shape);
        }
        let (a, b) = (self.broadcast(space, &x), other.broadcast(space, &y));
        self.graph
            .push(Op::ContractRows(a.id, b.id, map), map.target(), shape)
    }

    /// The value at the row that `map` sends each row to.
    pub fn gather(self, map: Map) -> Self {
        assert_eq!(
            map.target(),
            self.space(),
            "gather of {self:?} along {map:?}"
        );
        if let Op::Broadcast(x) = self.op()
            && self.at(x).space() == Space::Const
        {
            return self.at(x).broadcast(map.source(), &self.shape());
        }
        if let Map::All(space) = map {
            return self.broadcast(space, &self.shape());
        }
        self.graph
            .push(Op::Gather(self.id, map), map.source(), self.shape())
    }

    /// The sum over the rows that `map` sends to a row.
    pub fn sum(self, map: Map) -> Self {
        assert_eq!(map.source(), self.space(), "sum of {self:?} along {map:?}");
        if map == Map::All(Space::Const) {
            return self;
        }
        if self.is_zero() {
            return self.filled(0.0, map.target(), &self.shape());
        }
        match self.op() {
            Op::Unary(Unary::Neg, x) => return -self.at(x).sum(map),
            Op::Binary(Binary::Mul, factor, x) => {
                let (factor, x) = (self.at(factor), self.at(x));
                if factor.as_literal().is_some() && x.shape() == self.shape() {
                    return factor * x.broadcast(self.space(), &self.shape()).sum(map);
                }
            }
            _ => {}
        }
        self.graph
            .push(Op::Sum(self.id, map), map.target(), self.shape())
    }

    /// The largest entry, component by component, over the rows that `map` sends to a row; 0 where
    /// there are none. In the derivative, equal largest entries share alike.
    ///
    /// # Panics
    /// When `map` is a [`Map::All`], along which there is no maximum.
    pub fn max(self, map: Map) -> Self {
        assert_eq!(map.source(), self.space(), "maximum of {self:?}");
        assert!(
            !matches!(map, Map::All(_)),
            "maximum of {self:?} along {map:?}"
        );
        if self.is_zero() {
            return self.filled(0.0, map.target(), &self.shape());
        }
        self.graph
            .push(Op::Max(self.id, map), map.target(), self.shape())
    }

    /// Reads a Const tensor `[R, …]` as the R rows, of shape `[…]`, of a table.
    pub fn as_rows(self, table: u8) -> Self {
        assert_eq!(self.space(), Space::Const, "rows of {self:?}");
        let shape = self.shape();
        if let Op::Stack(x) = self.op() {
            return self.at(x);
        }
        if let Some(value) = self.as_literal() {
            return self.filled(value, Space::Table(table), &shape[1..]);
        }
        self.graph.push(
            Op::AsRows(self.id),
            Space::Table(table),
            shape[1..].to_vec(),
        )
    }

    /// Reads the `rows` rows of a table as a Const tensor `[rows, …]`.
    pub fn stack(self, rows: usize) -> Self {
        assert!(matches!(self.space(), Space::Table(_)), "stack of {self:?}");
        let mut shape = vec![rows];
        shape.extend(self.shape());
        if let Some(value) = self.as_literal() {
            return self.filled(value, Space::Const, &shape);
        }
        self.graph.push(Op::Stack(self.id), Space::Const, shape)
    }
}
