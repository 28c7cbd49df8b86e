//! Fields, and building them with simplifications: entry by entry, and views.

use crate::Space;
use crate::functions::{Binary, Unary};
use crate::graph::{Graph, NodeId, Op, Shape};

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
pub(crate) fn broadcast_spaces(a: Space, b: Space) -> Space {
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

    /// Number of its node: operands have smaller ones.
    pub fn node(self) -> crate::NodeId {
        self.id
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

    pub(crate) fn at(self, id: NodeId) -> Self {
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

    pub(crate) fn filled(self, value: f64, space: Space, shape: &[usize]) -> Self {
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

    pub(crate) fn binary(self, function: Binary, other: Self) -> Self {
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

    /// The same values, which derivatives take for constants.
    pub fn detach(self) -> Self {
        if self.as_literal().is_some() || matches!(self.op(), Op::Detach(_)) {
            return self;
        }
        self.graph
            .push(Op::Detach(self.id), self.space(), self.shape())
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
}
