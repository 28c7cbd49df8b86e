//! From nodes to steps: views become strided accesses, everything else writes a value.

use super::access::{Access, Rows, dense_strides};
use super::narrow::kept_exactly;
use super::program::{Fold, Kernel, Program, Source, Step, Value};
use crate::field::broadcast_shapes;
use crate::graph::{Graph, Node, NodeId, Op};
use crate::{Half, Map, Space};
use std::collections::HashMap;

/// Entries from which on a matrix that is summed over rows gets no partial sums, and its operands are
/// stored instead.
const LARGE_MATRIX: usize = 1 << 17;
/// Rows from which on, and columns up to which, a transposed matrix is read by its columns, not copied.
const LONG_COLUMNS: usize = 1 << 12;
const FEW_COLUMNS: usize = 16;

/// Lowers the part of `graph` that `outputs` need; `kept_as` tells which nodes may be kept in 16 bits.
pub(crate) fn lower(
    graph: &Graph,
    outputs: &[(String, NodeId)],
    kept_as: &dyn Fn(NodeId) -> Option<Half>,
) -> Program {
    let nodes = graph.nodes.borrow();
    let mut needed = vec![false; nodes.len()];
    let mut stack: Vec<NodeId> = outputs.iter().map(|output| output.1).collect();
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut needed[id], true) {
            stack.extend(nodes[id].op.operands());
        }
    }
    let exact = kept_exactly(&nodes);
    let mut lowering = Lowering {
        nodes: &nodes,
        accesses: vec![None; nodes.len()],
        copies: HashMap::new(),
        kept_as: None,
        program: Program {
            values: vec![],
            steps: vec![],
            inputs: graph.inputs.borrow().clone(),
            constants: graph.constants.borrow().clone(),
            tables: graph.tables.borrow().clone(),
            outputs: vec![],
            maps: vec![],
            table_rows: vec![],
        },
    };
    for id in (0..nodes.len()).filter(|&id| needed[id]) {
        lowering.kept_as = kept_as(id).filter(|_| !exact[id]);
        let access = lowering.node(id);
        lowering.accesses[id] = Some(access);
    }
    for (name, id) in outputs {
        let access = lowering.access(*id);
        let space = nodes[*id].space;
        let value = &lowering.program.values[access.value];
        let whole = access.is_dense()
            && access.rows
                == if space == Space::Const {
                    Rows::Single
                } else {
                    Rows::Same
                }
            && access.offset == 0
            && value.space == space
            && value.width == nodes[*id].width();
        let written = matches!(value.source, Source::Step(_));
        let value = if whole && written {
            access.value
        } else {
            lowering.copy(access, space).value
        };
        lowering.program.outputs.push((name.clone(), value));
    }
    lowering.program
}

struct Lowering<'a> {
    nodes: &'a [Node],
    accesses: Vec<Option<Access>>,
    copies: HashMap<(Access, Space), Access>,
    /// That of the node that is lowered.
    kept_as: Option<Half>,
    program: Program,
}

impl Lowering<'_> {
    fn access(&self, id: NodeId) -> Access {
        self.accesses[id]
            .clone()
            .expect("operands are lowered before their users")
    }

    fn note_map(&mut self, map: Map) {
        if !matches!(map, Map::All(_)) && !self.program.maps.contains(&map) {
            self.program.maps.push(map);
        }
    }

    fn value(&mut self, source: Source, space: Space, shape: &[usize]) -> Access {
        let width = shape.iter().product();
        self.program.values.push(Value {
            source,
            space,
            width,
            kept_as: self.kept_as,
            packed: None,
        });
        let (rows, row_stride) = if space == Space::Const {
            (Rows::Single, 0)
        } else {
            (Rows::Same, width)
        };
        Access {
            value: self.program.values.len() - 1,
            rows,
            row_stride,
            offset: 0,
            shape: shape.to_vec(),
            strides: dense_strides(shape),
        }
    }

    fn step(
        &mut self,
        kernel: Kernel,
        domain: Space,
        (space, shape): (Space, &[usize]),
        operands: Vec<Access>,
    ) -> Access {
        for operand in &operands {
            if let Rows::Via(map) = operand.rows {
                self.note_map(map);
            }
        }
        let access = self.value(Source::Step(self.program.steps.len()), space, shape);
        let shape = shape.to_vec();
        self.program.steps.push(Step {
            kernel,
            domain,
            output: access.value,
            shape,
            operands,
        });
        access
    }

    /// The entries of `access`, over the rows of `space`, as a dense value of their own.
    fn copy(&mut self, access: Access, space: Space) -> Access {
        let key = (access, space);
        if let Some(known) = self.copies.get(&key) {
            return known.clone();
        }
        let shape = key.0.shape.clone();
        let copied = self.step(Kernel::Copy, space, (space, &shape), vec![key.0.clone()]);
        self.copies.insert(key, copied.clone());
        copied
    }

    /// The access itself if its last axis is contiguous, else a copy.
    fn contiguous_last(&mut self, access: Access, space: Space) -> Access {
        if access.last_stride() == 1 {
            access
        } else {
            self.copy(access, space)
        }
    }

    /// A dense value with one row per row of its space, which can be read whole.
    fn whole(&mut self, access: Access, space: Space) -> Access {
        let fits = access.is_dense() && access.rows == Rows::Same && access.row_stride != 0;
        if fits {
            access
        } else {
            self.copy(access, space)
        }
    }

    /// A dense view of the rows of a node.
    fn dense(&mut self, id: NodeId, space: Space) -> Access {
        let access = self.access(id);
        if access.is_dense() {
            access
        } else {
            self.copy(access, space)
        }
    }

    fn fold(&mut self, fold: Fold, x: NodeId, map: Map, shape: &[usize]) -> Access {
        let (from, to) = (map.source(), map.target());
        self.note_map(map);
        let x = self.dense(x, from);
        if map == Map::Receiver {
            return self.step(Kernel::FoldReceiver(fold), from, (to, shape), vec![x]);
        }
        let x = self.whole(x, from);
        self.step(Kernel::FoldInto(fold, map), to, (to, shape), vec![x])
    }

    fn node(&mut self, id: NodeId) -> Access {
        let nodes = self.nodes;
        let node = &nodes[id];
        let (space, shape) = (node.space, node.shape.as_slice());
        match &node.op {
            Op::Input(index) => self.value(Source::Input(*index), space, shape),
            Op::Literal(bits) => self.value(Source::Literal(*bits), space, shape),
            Op::Constant(index) => self.value(Source::Constant(*index), space, shape),
            Op::Broadcast(x) => self.access(*x).broadcast(shape),
            Op::Detach(x) => self.access(*x),
            Op::Permute(x, order) => self.access(*x).permute(order),
            Op::Slice(x, axis, start) => {
                let axis = *axis as usize;
                self.access(*x).slice(axis, *start, shape[axis])
            }
            Op::Reshape(x) => {
                let access = self.access(*x);
                access.reshape(shape).unwrap_or_else(|| {
                    let copied = self.copy(access, space);
                    copied
                        .reshape(shape)
                        .expect("a dense value takes any shape")
                })
            }
            Op::AsRows(x) => {
                let mut access = self.access(*x);
                self.program.table_rows.push((space, access.shape[0]));
                access.row_stride = access.strides.remove(0);
                access.shape.remove(0);
                access.rows = if access.row_stride == 0 {
                    Rows::Single
                } else {
                    Rows::Same
                };
                access
            }
            Op::Stack(x) => {
                let mut access = self.access(*x);
                self.program.table_rows.push((nodes[*x].space, shape[0]));
                if let Rows::Via(_) = access.rows {
                    access = self.copy(access, nodes[*x].space);
                }
                access.strides.insert(0, access.row_stride);
                access.shape.insert(0, shape[0]);
                (access.rows, access.row_stride) = (Rows::Single, 0);
                access
            }
            Op::Gather(x, map) => {
                let mut access = self.access(*x);
                if let Rows::Via(_) = access.rows {
                    access = self.copy(access, nodes[*x].space);
                }
                if access.rows == Rows::Same {
                    access.rows = Rows::Via(*map);
                }
                access
            }
            Op::Unary(function, x) => {
                let x = self.access(*x);
                self.step(Kernel::Unary(*function), space, (space, shape), vec![x])
            }
            Op::Binary(function, a, b) => {
                debug_assert_eq!(broadcast_shapes(&nodes[*a].shape, &nodes[*b].shape), shape);
                let operands = [a, b].map(|&x| self.access(x).broadcast(shape)).to_vec();
                self.step(Kernel::Binary(*function), space, (space, shape), operands)
            }
            Op::Select(c, a, b) => {
                let operands = [c, a, b].map(|&x| self.access(x)).to_vec();
                self.step(Kernel::Select, space, (space, shape), operands)
            }
            Op::SumAxes(x, mask) => {
                let x = self.access(*x);
                self.step(
                    Kernel::SumAxes { mask: *mask },
                    space,
                    (space, shape),
                    vec![x],
                )
            }
            Op::MaxAxes(x, mask) => {
                let x = self.access(*x);
                let kernel = Kernel::MaxAxes { mask: *mask };
                self.step(kernel, space, (space, shape), vec![x])
            }
            Op::Pad(x, axis, start) => {
                let kernel = Kernel::Pad {
                    axis: *axis as usize,
                    start: *start,
                };
                let x = self.access(*x);
                self.step(kernel, space, (space, shape), vec![x])
            }
            Op::Concat(parts, axis) => {
                let operands = parts.iter().map(|&part| self.access(part)).collect();
                let kernel = Kernel::Concat {
                    axis: *axis as usize,
                };
                self.step(kernel, space, (space, shape), operands)
            }
            Op::Contract(x, w, map) => {
                let x = self.access(*x);
                let x = self.contiguous_last(x, space);
                let mut weights = self.access(*w);
                if !is_read_by_columns(&weights) {
                    weights = self.contiguous_last(weights, nodes[*w].space);
                }
                if let Rows::Via(_) = weights.rows {
                    weights = self.copy(weights, nodes[*w].space);
                }
                if weights.rows == Rows::Same {
                    weights.rows = Rows::Via(*map);
                }
                self.step(Kernel::Contract, space, (space, shape), vec![x, weights])
            }
            Op::ContractRows(x, y, map) => {
                let from = map.source();
                let operands = [x, y].map(|&id| {
                    let access = self.access(id);
                    self.contiguous_last(access, from)
                });
                if shape.iter().product::<usize>() >= LARGE_MATRIX {
                    let kernel = Kernel::ContractBlocks(*map);
                    self.note_map(*map);
                    return self.step(kernel, space, (space, shape), operands.to_vec());
                }
                if let Map::All(_) = map {
                    let kernel = Kernel::ContractAll;
                    return self.step(kernel, from, (space, shape), operands.to_vec());
                }
                let operands = operands.map(|access| self.whole(access, from)).to_vec();
                self.note_map(*map);
                self.step(Kernel::ContractInto(*map), space, (space, shape), operands)
            }
            Op::Product(table, open, operands) => {
                let slots = self.program.tables[*table].clone();
                let accesses = operands
                    .iter()
                    .zip(slots.slots())
                    .filter_map(|(id, slot)| id.map(|id| (id, slot)))
                    .map(|(id, slot)| {
                        let access = self.access(id);
                        if slot.channels {
                            self.contiguous_last(access, space)
                        } else {
                            access
                        }
                    })
                    .collect();
                let kernel = Kernel::Product {
                    table: *table,
                    open: *open as usize,
                };
                self.step(kernel, space, (space, shape), accesses)
            }
            Op::Sum(x, Map::All(from)) => {
                let x = self.dense(*x, *from);
                self.step(Kernel::SumAll, *from, (space, shape), vec![x])
            }
            Op::Sum(x, map) => self.fold(Fold::Sum, *x, *map, shape),
            Op::Max(x, map) => self.fold(Fold::Max, *x, *map, shape),
        }
    }
}

/// Whether a matrix is a transposed one of a few long columns, which are contiguous.
fn is_read_by_columns(matrix: &Access) -> bool {
    matrix.shape[0] >= LONG_COLUMNS && matrix.shape[1] <= FEW_COLUMNS && matrix.strides[0] == 1
}
