//! Building fields: the operations with their simplifications.

use crate::graph::{Binary, Graph, NodeId, Op, Shape, Unary};
use crate::{Map, ProductTable, Space};
use std::ops;

/// A tensor over a space: a handle to a node of a [`Graph`].
#[derive(Clone, Copy)]
pub struct Field<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) id: NodeId,
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let node = self.graph.node(self.id);
        write!(
            f,
            "#{} {:?} {:?} {:?}",
            self.id, node.space, node.shape, node.op
        )
    }
}

/// The shape that two inner shapes broadcast to, aligned from the right.
///
/// # Panics
/// When an axis has two different lengths, neither of which is 1.
pub(crate) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Shape {
    let rank = a.len().max(b.len());
    let length = |shape: &[usize], axis: usize| {
        if axis + shape.len() >= rank {
            shape[axis + shape.len() - rank]
        } else {
            1
        }
    };
    (0..rank)
        .map(|axis| match (length(a, axis), length(b, axis)) {
            (x, y) if x == y || y == 1 => x,
            (1, y) => y,
            _ => panic!("shapes {a:?} and {b:?} do not broadcast"),
        })
        .collect()
}

/// The space that two spaces broadcast to.
fn broadcast_spaces(a: Space, b: Space) -> Space {
    assert!(
        a == b || a == Space::Const || b == Space::Const,
        "fields over {a:?} and {b:?} do not combine; gather or sum along a map first"
    );
    a.max(b)
}

impl<'g> Field<'g> {
    /// The graph that this field belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// The space of the rows.
    pub fn space(self) -> Space {
        self.graph.nodes.borrow()[self.id].space
    }

    /// The inner shape.
    pub fn shape(self) -> Shape {
        self.graph.nodes.borrow()[self.id].shape.clone()
    }

    pub(crate) fn op(self) -> Op {
        self.graph.nodes.borrow()[self.id].op.clone()
    }

    fn at(self, id: NodeId) -> Self {
        self.graph.at(id)
    }

    /// The number that every entry is known to equal, if there is one.
    pub fn as_literal(self) -> Option<f64> {
        match self.op() {
            Op::Literal(bits) => Some(f64::from_bits(bits)),
            Op::Broadcast(x) => self.at(x).as_literal(),
            _ => None,
        }
    }

    /// Whether every entry is known to be zero.
    pub fn is_zero(self) -> bool {
        self.as_literal() == Some(0.0)
    }

    fn filled(self, value: f64, space: Space, shape: &[usize]) -> Self {
        self.graph.literal(value).broadcast(space, shape)
    }

    /// f(x), entry by entry.
    pub fn unary(self, function: Unary) -> Self {
        if let Some(value) = self.as_literal() {
            return self.filled(function.value(value), self.space(), &self.shape());
        }
        match (function, self.op()) {
            (Unary::Neg, Op::Unary(Unary::Neg, x)) => return self.at(x),
            (Unary::Power(1), _) => return self,
            (Unary::Power(0), _) => return self.filled(1.0, self.space(), &self.shape()),
            // computed before the broadcast, on fewer entries
            (_, Op::Broadcast(x)) => {
                return self
                    .at(x)
                    .unary(function)
                    .broadcast(self.space(), &self.shape());
            }
            _ => {}
        }
        self.graph
            .push(Op::Unary(function, self.id), self.space(), self.shape())
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        use Binary::{Add, Div, Mul, Sub};
        let shape = broadcast_shapes(&self.shape(), &other.shape());
        let space = broadcast_spaces(self.space(), other.space());
        let full = |f: Self| f.broadcast(space, &shape);
        if let (Some(x), Some(y)) = (self.as_literal(), other.as_literal()) {
            return self.filled(function.value(x, y), space, &shape);
        }
        match (function, self.as_literal(), other.as_literal()) {
            (Mul | Div, Some(0.0), _) | (Mul, _, Some(0.0)) => {
                return self.filled(0.0, space, &shape);
            }
            (Add, Some(0.0), _) => return full(other),
            (Add | Sub, _, Some(0.0)) => return full(self),
            (Sub, Some(0.0), _) => return full(-other),
            (Mul, Some(1.0), _) => return full(other),
            (Mul | Div, _, Some(1.0)) => return full(self),
            (Mul, Some(-1.0), _) => return full(-other),
            (Mul, _, Some(-1.0)) => return full(-self),
            (Div, Some(1.0), None) => return full(other.unary(Unary::Recip)),
            (Div, None, Some(y)) => return self.binary(Mul, self.graph.literal(1.0 / y)),
            (Mul, None, Some(_)) => return other.binary(Mul, self), // literals to the left
            (Mul, Some(x), None) => match other.op() {
                Op::Binary(Mul, factor, rest) => {
                    if let Some(y) = self.at(factor).as_literal() {
                        return full(self.graph.literal(x * y) * self.at(rest));
                    }
                }
                Op::Unary(Unary::Neg, rest) => {
                    return full(self.graph.literal(-x) * self.at(rest));
                }
                _ => {}
            },
            _ => {}
        }
        // a broadcast operand is read through its small original
        let strip = |f: Self, other: Self| match f.op() {
            Op::Broadcast(x)
                if broadcast_shapes(&self.at(x).shape(), &other.shape()) == shape
                    && self.at(x).space().max(other.space()) == space =>
            {
                self.at(x)
            }
            _ => f,
        };
        let a = strip(self, other);
        let b = strip(other, a);
        match (function, a.op(), b.op()) {
            (Mul | Div, Op::Unary(Unary::Neg, x), _) => return -self.at(x).binary(function, b),
            (Mul | Div, _, Op::Unary(Unary::Neg, y)) => return -a.binary(function, self.at(y)),
            (Add, _, Op::Unary(Unary::Neg, y)) => return a.binary(Sub, self.at(y)),
            (Add, Op::Unary(Unary::Neg, x), _) => return b.binary(Sub, self.at(x)),
            (Sub, _, Op::Unary(Unary::Neg, y)) => return a.binary(Add, self.at(y)),
            _ => {}
        }
        let swap = matches!(function, Add | Mul)
            && a.id > b.id
            && a.as_literal().is_none()
            && b.as_literal().is_none();
        let (a, b) = if swap { (b, a) } else { (a, b) };
        self.graph
            .push(Op::Binary(function, a.id, b.id), space, shape)
    }

    /// `a` where self > 0, else `b`, entry by entry, with broadcasting.
    pub fn select(self, a: Self, b: Self) -> Self {
        let shape = broadcast_shapes(&broadcast_shapes(&self.shape(), &a.shape()), &b.shape());
        let space = broadcast_spaces(broadcast_spaces(self.space(), a.space()), b.space());
        let full = |f: Field<'g>| f.broadcast(space, &shape);
        if let Some(value) = self.as_literal() {
            return full(if value > 0.0 { a } else { b });
        }
        if a.id == b.id {
            return full(a);
        }
        self.graph.push(
            Op::Select(full(self).id, full(a).id, full(b).id),
            space,
            shape,
        )
    }

    /// Repeats axes of length 1, prepends axes, and repeats a Const row over `space`.
    pub fn broadcast(self, space: Space, shape: &[usize]) -> Self {
        if self.shape() == shape && self.space() == space {
            return self;
        }
        if let Op::Broadcast(x) = self.op() {
            return self.at(x).broadcast(space, shape);
        }
        assert_eq!(
            broadcast_shapes(&self.shape(), shape),
            shape,
            "broadcast of {self:?}"
        );
        assert_eq!(
            broadcast_spaces(self.space(), space),
            space,
            "broadcast of {self:?}"
        );
        self.graph
            .push(Op::Broadcast(self.id), space, shape.to_vec())
    }

    /// The same values, row-major, in another inner shape.
    pub fn reshape(self, shape: &[usize]) -> Self {
        let size = |shape: &[usize]| shape.iter().product::<usize>();
        assert_eq!(
            size(&self.shape()),
            size(shape),
            "{self:?} reshaped to {shape:?}"
        );
        if self.shape() == shape {
            return self;
        }
        if let Some(value) = self.as_literal() {
            return self.filled(value, self.space(), shape);
        }
        match self.op() {
            Op::Reshape(x) => return self.at(x).reshape(shape),
            Op::Unary(Unary::Neg, x) => return -self.at(x).reshape(shape),
            _ => {}
        }
        self.graph
            .push(Op::Reshape(self.id), self.space(), shape.to_vec())
    }

    /// Axis i of the result is axis `order[i]` of self.
    pub fn permute(self, order: &[usize]) -> Self {
        let shape = self.shape();
        assert_eq!(order.len(), shape.len(), "order of the axes of {self:?}");
        if order.iter().enumerate().all(|(i, &axis)| i == axis) {
            return self;
        }
        let permuted: Shape = order.iter().map(|&axis| shape[axis]).collect();
        if let Some(value) = self.as_literal() {
            return self.filled(value, self.space(), &permuted);
        }
        if let Op::Permute(x, first) = self.op() {
            let both: Vec<usize> = order.iter().map(|&axis| first[axis] as usize).collect();
            return self.at(x).permute(&both);
        }
        let order = order.iter().map(|&axis| axis as u8).collect();
        self.graph
            .push(Op::Permute(self.id, order), self.space(), permuted)
    }

    /// The last two axes exchanged.
    pub fn transpose(self) -> Self {
        let rank = self.shape().len();
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        self.permute(&order)
    }

    /// Entries `start .. start + length` of one axis.
    pub fn slice(self, axis: usize, start: usize, length: usize) -> Self {
        let mut shape = self.shape();
        assert!(
            start + length <= shape[axis],
            "slice {start}+{length} of axis {axis} of {self:?}"
        );
        if start == 0 && length == shape[axis] {
            return self;
        }
        shape[axis] = length;
        if let Some(value) = self.as_literal() {
            return self.filled(value, self.space(), &shape);
        }
        match self.op() {
            Op::Slice(x, inner, from) if inner as usize == axis => {
                return self.at(x).slice(axis, from + start, length);
            }
            Op::Concat(parts, along) if along as usize == axis => {
                let mut offset = 0;
                for part in parts {
                    let width = self.at(part).shape()[axis];
                    if start >= offset && start + length <= offset + width {
                        return self.at(part).slice(axis, start - offset, length);
                    }
                    offset += width;
                }
            }
            Op::Pad(x, along, from) if along as usize == axis => {
                let width = self.at(x).shape()[axis];
                if start >= from && start + length <= from + width {
                    return self.at(x).slice(axis, start - from, length);
                }
                if start + length <= from || start >= from + width {
                    return self.filled(0.0, self.space(), &shape);
                }
            }
            _ => {}
        }
        self.graph
            .push(Op::Slice(self.id, axis as u8, start), self.space(), shape)
    }

    /// Zeros around self, which starts at `start` of `total` entries along `axis`.
    pub fn pad(self, axis: usize, start: usize, total: usize) -> Self {
        let mut shape = self.shape();
        assert!(
            start + shape[axis] <= total,
            "pad of {self:?} to {total} from {start}"
        );
        if start == 0 && shape[axis] == total {
            return self;
        }
        shape[axis] = total;
        if self.is_zero() {
            return self.filled(0.0, self.space(), &shape);
        }
        self.graph
            .push(Op::Pad(self.id, axis as u8, start), self.space(), shape)
    }

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

    /// √x
    pub fn sqrt(self) -> Self {
        self.unary(Unary::Sqrt)
    }

    /// eˣ
    pub fn exp(self) -> Self {
        self.unary(Unary::Exp)
    }

    /// ln x
    pub fn log(self) -> Self {
        self.unary(Unary::Log)
    }

    /// sin x
    pub fn sin(self) -> Self {
        self.unary(Unary::Sin)
    }

    /// cos x
    pub fn cos(self) -> Self {
        self.unary(Unary::Cos)
    }

    /// tanh x
    pub fn tanh(self) -> Self {
        self.unary(Unary::Tanh)
    }

    /// 1/(1 + e⁻ˣ)
    pub fn sigmoid(self) -> Self {
        self.unary(Unary::Sigmoid)
    }

    /// x·sigmoid(x)
    pub fn silu(self) -> Self {
        self.unary(Unary::Silu(0))
    }

    /// |x|
    pub fn abs(self) -> Self {
        self.unary(Unary::Abs)
    }

    /// 1/x
    pub fn recip(self) -> Self {
        self.unary(Unary::Recip)
    }

    /// 1 where x > 0, else 0.
    pub fn step(self) -> Self {
        self.unary(Unary::Step)
    }

    /// xⁿ for a whole n.
    pub fn power(self, exponent: i32) -> Self {
        self.unary(Unary::Power(exponent))
    }
}

impl Graph {
    /// Fields side by side along `axis`.
    pub fn concat<'g>(&'g self, parts: &[Field<'g>], axis: usize) -> Field<'g> {
        let parts: Vec<Field<'g>> = parts
            .iter()
            .copied()
            .filter(|part| part.shape()[axis] > 0)
            .collect();
        let space = parts
            .iter()
            .fold(Space::Const, |s, part| broadcast_spaces(s, part.space()));
        if parts.len() == 1 {
            return parts[0];
        }
        let mut shape = parts[0].shape();
        shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
        if parts.iter().all(|part| part.is_zero()) {
            return self.zeros(space, &shape);
        }
        let ids = parts
            .iter()
            .map(|part| {
                let mut expected = shape.clone();
                expected[axis] = part.shape()[axis];
                part.broadcast(space, &expected).id
            })
            .collect();
        self.push(Op::Concat(ids, axis as u8), space, shape)
    }

    /// A [`ProductTable`] with `operands` in its slots and slot `open` left open (`None` there).
    ///
    /// Operands of slots with channels have shape `[dim, C]`, of slots without `[dim]`.
    pub fn product<'g>(
        &'g self,
        table: &ProductTable,
        open: usize,
        operands: &[Option<Field<'g>>],
    ) -> Field<'g> {
        let slots = table.slots();
        assert_eq!(operands.len(), slots.len(), "one operand per slot");
        assert!(operands[open].is_none(), "slot {open} is open");
        let channels = operands
            .iter()
            .zip(slots)
            .find_map(|(operand, slot)| operand.filter(|_| slot.channels).map(|f| f.shape()[1]));
        let mut space = Space::Const;
        for (position, (operand, slot)) in operands.iter().zip(slots).enumerate() {
            if position == open {
                continue;
            }
            let field = operand.unwrap_or_else(|| panic!("slot {position} has no operand"));
            space = broadcast_spaces(space, field.space());
            let expected = match channels {
                Some(channels) if slot.channels => vec![slot.dim, channels],
                _ => vec![slot.dim],
            };
            assert_eq!(
                field.shape(),
                expected,
                "operand {position} of a product, {field:?}"
            );
        }
        let shape = match channels {
            Some(channels) if slots[open].channels => vec![slots[open].dim, channels],
            _ => vec![slots[open].dim],
        };
        if table.entries().is_empty() || operands.iter().flatten().any(|f| f.is_zero()) {
            return self.zeros(space, &shape);
        }
        let ids = operands
            .iter()
            .map(|operand| operand.map(|f| f.id))
            .collect();
        self.push(
            Op::Product(self.intern(table), open as u8, ids),
            space,
            shape,
        )
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident)*) => {$(
        impl<'g> ops::$trait for Field<'g> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(Binary::$trait, other)
            }
        }
        impl<'g> ops::$trait<f64> for Field<'g> {
            type Output = Self;
            fn $method(self, other: f64) -> Self {
                self.binary(Binary::$trait, self.graph.literal(other))
            }
        }
        impl<'g> ops::$trait<Field<'g>> for f64 {
            type Output = Field<'g>;
            fn $method(self, other: Field<'g>) -> Field<'g> {
                other.graph.literal(self).binary(Binary::$trait, other)
            }
        }
    )*};
}
arithmetic!(Add add Sub sub Mul mul Div div);

impl ops::Neg for Field<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Unary::Neg)
    }
}

impl Unary {
    /// f(x) in double precision: the definition that every kernel is tested against.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Unary::Neg => -x,
            Unary::Recip => 1.0 / x,
            Unary::Sqrt => x.sqrt(),
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Unary::Silu(order) => {
                let s = 1.0 / (1.0 + (-x).exp());
                let c = 1.0 - s;
                // derivatives of s: s' = sc, s'' = sc(c−s), s''' = sc(1 − 6sc), s⁗ = sc(c−s)(1−12sc)
                let (d1, d2) = (s * c, s * c * (c - s));
                let (d3, d4) = (d1 * (1.0 - 6.0 * d1), d2 * (1.0 - 12.0 * d1));
                match order {
                    0 => x * s,
                    1 => s + x * d1,
                    2 => 2.0 * d1 + x * d2,
                    3 => 3.0 * d2 + x * d3,
                    4 => 4.0 * d3 + x * d4,
                    _ => panic!("derivative {order} of silu is not available"),
                }
            }
            Unary::Abs => x.abs(),
            Unary::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Unary::Step => f64::from(x > 0.0),
            Unary::Power(exponent) => x.powi(exponent),
        }
    }
}

impl Binary {
    /// f(a, b) in double precision.
    pub fn value(self, a: f64, b: f64) -> f64 {
        match self {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
        }
    }
}
