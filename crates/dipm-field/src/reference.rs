//! The definition of every op: whole arrays, plain loops, double precision.
//!
//! Slow and obvious on purpose. Kernels and plans are tested against it.

use crate::graph::{NodeId, Op};
use crate::{Bindings, Field, FieldError, Graph, Map};
use std::collections::HashMap;

/// The values of a field: `[rows, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Number of rows.
    pub rows: usize,
    /// Values per row.
    pub width: usize,
    /// The values.
    pub data: Vec<f64>,
}

impl Value {
    fn row(&self, row: usize) -> &[f64] {
        // a field over Const has one row, which stands for all rows
        let row = if self.rows == 1 { 0 } else { row };
        &self.data[row * self.width..(row + 1) * self.width]
    }
}

/// Evaluates `outputs`, in order.
///
/// # Errors
/// When an input, map or row count that is needed was not bound or does not fit.
pub fn evaluate(
    graph: &Graph,
    outputs: &[Field<'_>],
    bindings: &Bindings<'_, f64>,
) -> Result<Vec<Value>, FieldError> {
    let mut needed = vec![false; graph.len()];
    let mut stack: Vec<NodeId> = outputs.iter().map(|field| field.id).collect();
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut needed[id], true) {
            stack.extend(graph.nodes.borrow()[id].op.operands());
        }
    }
    let mut values: HashMap<NodeId, Value> = HashMap::new();
    for id in (0..graph.len()).filter(|&id| needed[id]) {
        let value = node_value(graph, id, bindings, &values)?;
        values.insert(id, value);
    }
    Ok(outputs
        .iter()
        .map(|field| values[&field.id].clone())
        .collect())
}

/// Target row of every row of a map's source.
fn targets(map: Map, rows: usize, bindings: &Bindings<'_, f64>) -> Result<Vec<usize>, FieldError> {
    if let Map::All(_) = map {
        return Ok(vec![0; rows]);
    }
    let targets = bindings
        .map_targets(map)
        .ok_or(FieldError::MissingMap(map))?;
    if targets.len() != rows {
        return Err(FieldError::MapLength(map, rows, targets.len()));
    }
    Ok(targets.iter().map(|&target| target as usize).collect())
}

/// Positions of a row-major array of `shape`, as one index per axis.
fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product::<usize>()).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (slot, &length) in index.iter_mut().zip(shape).rev() {
            *slot = flat % length;
            flat /= length;
        }
        index
    })
}

/// Row-major position of `index` in `shape`; the index is aligned from the right, and axes of
/// length 1 repeat.
fn flat(index: &[usize], shape: &[usize]) -> usize {
    let skipped = index.len() - shape.len();
    let read = |(&i, &length): (&usize, &usize)| (if length == 1 { 0 } else { i }, length);
    index[skipped..]
        .iter()
        .zip(shape)
        .map(read)
        .fold(0, |at, (i, length)| at * length + i)
}

fn node_value(
    graph: &Graph,
    id: NodeId,
    bindings: &Bindings<'_, f64>,
    values: &HashMap<NodeId, Value>,
) -> Result<Value, FieldError> {
    let node = graph.node(id);
    let (shape, width) = (&node.shape, node.width());
    let rows = bindings
        .row_count(node.space)
        .ok_or(FieldError::MissingRows(node.space))?;
    let shape_of = |id: NodeId| graph.node(id).shape;
    let mut data = vec![0.0; rows * width];
    // fills row by row from a function of (row, index along the axes)
    let mut fill = |entry: &dyn Fn(usize, &[usize]) -> f64| {
        let all: Vec<Vec<usize>> = positions(shape).collect();
        for row in 0..rows {
            for (slot, index) in data[row * width..(row + 1) * width].iter_mut().zip(&all) {
                *slot = entry(row, index);
            }
        }
    };
    match &node.op {
        Op::Input(index) => {
            let name = &graph.inputs.borrow()[*index].name;
            let bound = bindings
                .input_values(name)
                .ok_or_else(|| FieldError::MissingInput(name.clone()))?;
            if bound.len() != data.len() {
                return Err(FieldError::InputLength(
                    name.clone(),
                    data.len(),
                    bound.len(),
                ));
            }
            data.copy_from_slice(bound);
        }
        Op::Literal(bits) => data[0] = f64::from_bits(*bits),
        Op::Constant(index) => data.copy_from_slice(&graph.constants.borrow()[*index]),
        Op::Unary(function, x) => {
            let x = &values[x];
            fill(&|row, index| function.value(x.row(row)[flat(index, shape)]));
        }
        Op::Binary(function, a, b) => {
            let (sa, sb) = (shape_of(*a), shape_of(*b));
            let (a, b) = (&values[a], &values[b]);
            fill(&|row, index| {
                function.value(a.row(row)[flat(index, &sa)], b.row(row)[flat(index, &sb)])
            });
        }
        Op::Select(c, a, b) => {
            let (c, a, b) = (&values[c], &values[a], &values[b]);
            fill(&|row, index| {
                let at = flat(index, shape);
                if c.row(row)[at] > 0.0 {
                    a.row(row)[at]
                } else {
                    b.row(row)[at]
                }
            });
        }
        Op::SumAxes(x, _) => {
            let inner = shape_of(*x);
            let x = &values[x];
            for row in 0..rows {
                for (index, value) in positions(&inner).zip(x.row(row)) {
                    data[row * width + flat(&index, shape)] += value;
                }
            }
        }
        Op::MaxAxes(x, _) => {
            let inner = shape_of(*x);
            let x = &values[x];
            data.fill(f64::NEG_INFINITY);
            for row in 0..rows {
                for (index, value) in positions(&inner).zip(x.row(row)) {
                    let slot = &mut data[row * width + flat(&index, shape)];
                    *slot = slot.max(*value);
                }
            }
        }
        Op::Broadcast(x) => {
            let inner = shape_of(*x);
            let x = &values[x];
            fill(&|row, index| x.row(row)[flat(index, &inner)]);
        }
        Op::Reshape(x) | Op::Detach(x) | Op::AsRows(x) | Op::Stack(x) => {
            data.copy_from_slice(&values[x].data)
        }
        Op::Permute(x, order) => {
            let inner = shape_of(*x);
            let x = &values[x];
            fill(&|row, index| {
                let mut source = vec![0; index.len()];
                for (&axis, &i) in order.iter().zip(index) {
                    source[axis as usize] = i;
                }
                x.row(row)[flat(&source, &inner)]
            });
        }
        Op::Slice(x, axis, start) => {
            let inner = shape_of(*x);
            let x = &values[x];
            fill(&|row, index| {
                let mut source = index.to_vec();
                source[*axis as usize] += start;
                let at = source.iter().zip(&inner).fold(0, |at, (&i, &n)| at * n + i);
                x.row(row)[at]
            });
        }
        Op::Pad(x, axis, start) => {
            let inner = shape_of(*x);
            let x = &values[x];
            for row in 0..rows {
                for (mut index, value) in positions(&inner).zip(x.row(row)) {
                    index[*axis as usize] += start;
                    data[row * width + flat(&index, shape)] = *value;
                }
            }
        }
        Op::Concat(parts, axis) => {
            let mut start = 0;
            for part in parts {
                let inner = shape_of(*part);
                let x = &values[part];
                for row in 0..rows {
                    for (mut index, value) in positions(&inner).zip(x.row(row)) {
                        index[*axis as usize] += start;
                        data[row * width + flat(&index, shape)] = *value;
                    }
                }
                start += inner[*axis as usize];
            }
        }
        Op::Contract(x, w, map) => {
            let [k, n] = shape_of(*w)[..] else {
                unreachable!("weights are matrices")
            };
            let (x, w) = (&values[x], &values[w]);
            let to = targets(*map, rows, bindings)?;
            for row in 0..rows {
                let matrix = w.row(to[row]);
                for lead in 0..width / n {
                    for j in 0..n {
                        let sum: f64 = (0..k)
                            .map(|i| x.row(row)[lead * k + i] * matrix[i * n + j])
                            .sum();
                        data[row * width + lead * n + j] = sum;
                    }
                }
            }
        }
        Op::ContractRows(x, y, map) => {
            let [k, n] = shape[..] else {
                unreachable!("the result is a matrix")
            };
            let (x, y) = (&values[x], &values[y]);
            let source = bindings
                .row_count(map.source())
                .ok_or(FieldError::MissingRows(map.source()))?;
            let to = targets(*map, source, bindings)?;
            for row in 0..source {
                for lead in 0..x.width / k {
                    for i in 0..k {
                        for j in 0..n {
                            data[to[row] * width + i * n + j] +=
                                x.row(row)[lead * k + i] * y.row(row)[lead * n + j];
                        }
                    }
                }
            }
        }
        Op::Product(table, open, operands) => {
            let table = graph.tables.borrow()[*table].clone();
            let (open, slots) = (*open as usize, table.slots());
            let channels = operands
                .iter()
                .zip(slots)
                .find_map(|(id, slot)| id.filter(|_| slot.channels).map(|id| shape_of(id)[1]))
                .unwrap_or(1);
            for row in 0..rows {
                for entry in table.entries() {
                    for c in 0..channels {
                        let mut term = entry.coefficient;
                        for (s, operand) in operands.iter().enumerate() {
                            let Some(operand) = operand else { continue };
                            let i = entry.index[s] as usize;
                            let at = if slots[s].channels {
                                i * channels + c
                            } else {
                                i
                            };
                            term *= values[operand].row(row)[at];
                        }
                        let i = entry.index[open] as usize;
                        let at = if slots[open].channels {
                            i * channels + c
                        } else {
                            i
                        };
                        data[row * width + at] += term;
                    }
                }
            }
        }
        Op::Gather(x, map) => {
            let x = &values[x];
            for (row, to) in targets(*map, rows, bindings)?.into_iter().enumerate() {
                data[row * width..(row + 1) * width].copy_from_slice(x.row(to));
            }
        }
        Op::Sum(x, map) => {
            let x = &values[x];
            let source = bindings
                .row_count(map.source())
                .ok_or(FieldError::MissingRows(map.source()))?;
            for (row, to) in targets(*map, source, bindings)?.into_iter().enumerate() {
                for (slot, value) in data[to * width..(to + 1) * width]
                    .iter_mut()
                    .zip(x.row(row))
                {
                    *slot += value;
                }
            }
        }
        Op::Max(x, map) => {
            let x = &values[x];
            let mut seen = vec![false; rows];
            for (row, to) in targets(*map, x.rows, bindings)?.into_iter().enumerate() {
                let first = !std::mem::replace(&mut seen[to], true);
                for (slot, &value) in data[to * width..(to + 1) * width]
                    .iter_mut()
                    .zip(x.row(row))
                {
                    *slot = if first { value } else { slot.max(value) };
                }
            }
        }
    }
    Ok(Value { rows, width, data })
}
