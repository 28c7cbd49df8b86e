//! The graph: nodes, the closed op set, and hash-consing.

use crate::functions::{Binary, Unary};
use crate::{Field, Map, ProductTable, Space};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a node in its graph; operands come before the nodes that use them.
pub type NodeId = usize;
/// Inner shape of a field, without rows.
pub type Shape = Vec<usize>;

/// An operation. The derivative of every op is written in ops of the same set.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Data bound at run time: index into the graph's inputs.
    Input(usize),
    /// A number (its bits), of shape `[]` over [`Space::Const`].
    Literal(u64),
    /// A constant tensor over [`Space::Const`]: index into the graph's constants.
    Constant(usize),
    /// f(x), entry by entry.
    Unary(Unary, NodeId),
    /// f(a, b), entry by entry; inner shapes broadcast from the right, a Const operand to all rows.
    Binary(Binary, NodeId, NodeId),
    /// a where c > 0, else b, entry by entry. All three have the same shape.
    Select(NodeId, NodeId, NodeId),
    /// Sum over the axes whose bit is set; they stay, with length 1.
    SumAxes(NodeId, u8),
    /// Largest entry along the axes whose bit is set; they stay, with length 1.
    MaxAxes(NodeId, u8),
    /// Repeats axes of length 1, prepends axes, and repeats a Const row over a space. A view.
    Broadcast(NodeId),
    /// The same values in another inner shape. A view.
    Reshape(NodeId),
    /// Axes in another order: axis i of the result is axis p\[i\]. A view.
    Permute(NodeId, Vec<u8>),
    /// A range of one axis: axis and start. A view.
    Slice(NodeId, u8, usize),
    /// Zeros around x along one axis: axis and start of x. The adjoint of `Slice`.
    Pad(NodeId, u8, usize),
    /// Fields side by side along one axis.
    Concat(Vec<NodeId>, u8),
    /// The same values, which derivatives take for constants. A view.
    Detach(NodeId),
    /// Reads a Const tensor `[R, …]` as the R rows of a table. A view.
    AsRows(NodeId),
    /// Reads the rows of a table as a Const tensor `[R, …]`. The adjoint of `AsRows`.
    Stack(NodeId),
    /// x `[.., K]` times the matrix `[K, N]` of the row that the map sends x's row to.
    Contract(NodeId, NodeId, Map),
    /// Σ xᵀ y, `[K, N]`, over the rows that the map sends to a row. The adjoint of `Contract`.
    ContractRows(NodeId, NodeId, Map),
    /// A k-linear product: table, open slot, operands (`None` at the open slot).
    Product(usize, u8, Vec<Option<NodeId>>),
    /// x of the row that the map sends a row to.
    Gather(NodeId, Map),
    /// Σ x over the rows that the map sends to a row. The adjoint of `Gather`.
    Sum(NodeId, Map),
    /// Largest x, entry by entry, over the rows that the map sends to a row; 0 where there are none.
    Max(NodeId, Map),
}

impl Op {
    /// The operands, in order.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Op::Input(_) | Op::Literal(_) | Op::Constant(_) => vec![],
            Op::Unary(_, x)
            | Op::SumAxes(x, _)
            | Op::MaxAxes(x, _)
            | Op::Broadcast(x)
            | Op::Reshape(x)
            | Op::Permute(x, _)
            | Op::Slice(x, ..)
            | Op::Pad(x, ..)
            | Op::Detach(x)
            | Op::AsRows(x)
            | Op::Stack(x)
            | Op::Gather(x, _)
            | Op::Sum(x, _)
            | Op::Max(x, _) => vec![*x],
            Op::Binary(_, a, b) | Op::Contract(a, b, _) | Op::ContractRows(a, b, _) => {
                vec![*a, *b]
            }
            Op::Select(c, a, b) => vec![*c, *a, *b],
            Op::Concat(parts, _) => parts.clone(),
            Op::Product(_, _, operands) => operands.iter().flatten().copied().collect(),
        }
    }

    /// Whether the op only renames or repeats the values of its operand.
    pub fn is_view(&self) -> bool {
        matches!(
            self,
            Op::Broadcast(_)
                | Op::Reshape(_)
                | Op::Permute(..)
                | Op::Slice(..)
                | Op::Detach(_)
                | Op::AsRows(_)
                | Op::Stack(_)
        )
    }
}

/// A node: an op with the space and inner shape of its result.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    pub space: Space,
    pub shape: Shape,
}

impl Node {
    /// Values per row.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Name, space and inner shape of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// Name under which data are bound.
    pub name: String,
    /// Space of its rows.
    pub space: Space,
    /// Inner shape.
    pub shape: Shape,
}

/// A graph of fields. Building simplifies: equal nodes are shared, zeros and ones folded.
#[derive(Default)]
pub struct Graph {
    pub(crate) nodes: RefCell<Vec<Node>>,
    known: RefCell<HashMap<(Op, Space, Shape), NodeId>>,
    pub(crate) inputs: RefCell<Vec<InputSpec>>,
    pub(crate) constants: RefCell<Vec<Arc<Vec<f64>>>>,
    pub(crate) tables: RefCell<Vec<Arc<ProductTable>>>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Data bound at run time under `name`: `[rows(space), shape…]`. Parameters are inputs too.
    ///
    /// # Panics
    /// When the name is taken with another space or shape.
    pub fn input(&self, name: &str, space: Space, shape: &[usize]) -> Field<'_> {
        let mut inputs = self.inputs.borrow_mut();
        let index = match inputs.iter().position(|input| input.name == name) {
            Some(index) => {
                let found = &inputs[index];
                assert!(
                    found.space == space && found.shape == shape,
                    "input `{name}` is {found:?}, asked for as {space:?} {shape:?}"
                );
                index
            }
            None => {
                inputs.push(InputSpec {
                    name: name.into(),
                    space,
                    shape: shape.to_vec(),
                });
                inputs.len() - 1
            }
        };
        self.push(Op::Input(index), space, shape.to_vec())
    }

    /// A number.
    pub fn literal(&self, value: f64) -> Field<'_> {
        self.push(Op::Literal(value.to_bits()), Space::Const, vec![])
    }

    /// A constant tensor of `shape`, row-major.
    ///
    /// # Panics
    /// When `values` has another number of entries than `shape`.
    pub fn constant(&self, values: &[f64], shape: &[usize]) -> Field<'_> {
        assert_eq!(
            values.len(),
            shape.iter().product::<usize>(),
            "constant of shape {shape:?}"
        );
        let mut constants = self.constants.borrow_mut();
        let index = constants
            .iter()
            .position(|c| c.as_slice() == values)
            .unwrap_or_else(|| {
                constants.push(Arc::new(values.to_vec()));
                constants.len() - 1
            });
        drop(constants);
        self.push(Op::Constant(index), Space::Const, shape.to_vec())
    }

    /// Zeros of `shape` over `space`.
    pub fn zeros(&self, space: Space, shape: &[usize]) -> Field<'_> {
        self.literal(0.0).broadcast(space, shape)
    }

    /// The inputs declared so far.
    pub fn inputs(&self) -> Vec<InputSpec> {
        self.inputs.borrow().clone()
    }

    /// Number of nodes built so far.
    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// Whether nothing was built yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For every node built so far, whether it depends on one of `fields`, or is one.
    pub fn reached_from(&self, fields: &[Field<'_>]) -> Vec<bool> {
        let nodes = self.nodes.borrow();
        let mut reached = vec![false; nodes.len()];
        for field in fields {
            reached[field.id] = true;
        }
        for (id, node) in nodes.iter().enumerate() {
            reached[id] = reached[id] || node.op.operands().iter().any(|&x| reached[x]);
        }
        reached
    }

    pub(crate) fn push(&self, op: Op, space: Space, shape: Shape) -> Field<'_> {
        assert!(
            shape.len() <= MAX_AXES,
            "a field has at most {MAX_AXES} axes: {shape:?}"
        );
        let key = (op, space, shape);
        if let Some(&id) = self.known.borrow().get(&key) {
            return Field { graph: self, id };
        }
        let mut nodes = self.nodes.borrow_mut();
        let (op, space, shape) = key.clone();
        nodes.push(Node { op, space, shape });
        self.known.borrow_mut().insert(key, nodes.len() - 1);
        Field {
            graph: self,
            id: nodes.len() - 1,
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes.borrow()[id].clone()
    }

    pub(crate) fn at(&self, id: NodeId) -> Field<'_> {
        Field { graph: self, id }
    }

    pub(crate) fn intern(&self, table: &ProductTable) -> usize {
        let mut tables = self.tables.borrow_mut();
        tables
            .iter()
            .position(|known| **known == *table)
            .unwrap_or_else(|| {
                tables.push(Arc::new(table.clone()));
                tables.len() - 1
            })
    }
}

/// Most inner axes of a field.
pub const MAX_AXES: usize = 5;
