//! Where a number first stops being finite.

use std::collections::HashSet;

use crate::graph::{NodeId, Op};
use crate::{Bindings, Executor, Field, FieldError, Graph, Plan, Scalar, Shape, Space};

/// Nodes whose values are computed and kept at a time.
const CHUNK: usize = 128;

/// The first node with an entry that is infinite or not a number.
#[derive(Debug, Clone, PartialEq)]
pub struct NonFinite {
    /// Number of the node, in the order in which the graph was built.
    pub node: NodeId,
    /// The operation, or the name of the input.
    pub operation: String,
    /// Space of its rows.
    pub space: Space,
    /// Inner shape.
    pub shape: Shape,
    /// First row with such an entry.
    pub row: usize,
    /// The entry.
    pub value: f64,
    /// For each operand its operation, and the least and the largest of its entries in that row (of
    /// all entries, if it is over another space).
    pub operands: Vec<(String, f64, f64)>,
    /// Inputs over [`Space::Const`], parameters for instance, that are fewest operations away.
    pub nearest_inputs: Vec<String>,
}

/// Searches, in the order in which the graph was built, what `outputs` depend on.
///
/// Every node is computed by the engine in the number type `T`, a few at a time; so this takes as
/// long as many runs.
///
/// # Errors
/// When data that the nodes read are missing or do not fit together.
pub fn first_non_finite<T: Scalar>(
    graph: &Graph,
    outputs: &[Field<'_>],
    bindings: &Bindings<'_, T>,
) -> Result<Option<NonFinite>, FieldError> {
    let needed = ancestors(graph, outputs);
    for &id in &needed {
        if let Op::Input(index) = graph.node(id).op {
            let name = graph.inputs()[index].name.clone();
            let values = bindings.input_values(&name).unwrap_or_default();
            if let Some(found) = entry_of(graph, id, values) {
                return Ok(Some(found));
            }
        }
    }
    let is_computed = |id: &&NodeId| {
        let op = graph.node(**id).op;
        !op.is_view() && !op.operands().is_empty()
    };
    let computed: Vec<NodeId> = needed.iter().filter(is_computed).copied().collect();
    for chunk in computed.chunks(CHUNK) {
        let values = compute(graph, chunk, bindings)?;
        for (&id, values) in chunk.iter().zip(&values) {
            if let Some(mut found) = entry_of(graph, id, values) {
                let operands = graph.node(id).op.operands();
                let entries = compute(graph, &operands, bindings)?;
                let described = operands.iter().zip(&entries);
                found.operands = described
                    .map(|(&operand, values)| describe(graph, operand, values, &found))
                    .collect();
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// Values of nodes, each `[rows, shape…]`.
fn compute<T: Scalar>(
    graph: &Graph,
    nodes: &[NodeId],
    bindings: &Bindings<'_, T>,
) -> Result<Vec<Vec<T>>, FieldError> {
    let names: Vec<String> = nodes.iter().map(|id| id.to_string()).collect();
    let outputs: Vec<(&str, Field<'_>)> = names
        .iter()
        .zip(nodes)
        .map(|(name, &id)| (name.as_str(), graph.at(id)))
        .collect();
    let mut executor = Executor::<T>::new(Plan::new(graph, &outputs));
    executor.run(bindings)?;
    Ok(names
        .iter()
        .map(|name| executor.output(name).to_vec())
        .collect())
}

/// What outputs depend on, themselves included, in order.
fn ancestors(graph: &Graph, outputs: &[Field<'_>]) -> Vec<NodeId> {
    let mut seen: HashSet<NodeId> = HashSet::new();
    let mut stack: Vec<NodeId> = outputs.iter().map(|field| field.id).collect();
    while let Some(id) = stack.pop() {
        if seen.insert(id) {
            stack.extend(graph.node(id).op.operands());
        }
    }
    let mut all: Vec<NodeId> = seen.into_iter().collect();
    all.sort_unstable();
    all
}

/// The first entry of a node that is not finite.
fn entry_of<T: Scalar>(graph: &Graph, id: NodeId, values: &[T]) -> Option<NonFinite> {
    let at = values.iter().position(|x| !x.to_f64().is_finite())?;
    let node = graph.node(id);
    Some(NonFinite {
        node: id,
        operation: name(graph, id),
        space: node.space,
        row: at / node.width().max(1),
        value: values[at].to_f64(),
        shape: node.shape,
        operands: vec![],
        nearest_inputs: nearest_inputs(graph, id),
    })
}

fn describe<T: Scalar>(
    graph: &Graph,
    id: NodeId,
    values: &[T],
    found: &NonFinite,
) -> (String, f64, f64) {
    let node = graph.node(id);
    let width = node.width();
    let values = match node.space == found.space {
        true => &values[found.row * width..(found.row + 1) * width],
        false => values,
    };
    let numbers = values.iter().map(|x| x.to_f64());
    let least = numbers.clone().fold(f64::INFINITY, f64::min);
    let largest = numbers.fold(f64::NEG_INFINITY, f64::max);
    (name(graph, id), least, largest)
}

/// The operation without its operands; the name of an input.
fn name(graph: &Graph, id: NodeId) -> String {
    match graph.node(id).op {
        Op::Input(index) => graph.inputs()[index].name.clone(),
        Op::Unary(function, _) => format!("{function:?}"),
        Op::Binary(function, ..) => format!("{function:?}"),
        other => {
            let text = format!("{other:?}");
            let end = text.find('(').unwrap_or(text.len());
            text[..end].to_owned()
        }
    }
}

/// Inputs over Const at the least distance, sorted.
fn nearest_inputs(graph: &Graph, id: NodeId) -> Vec<String> {
    let mut level = vec![id];
    let mut seen: HashSet<NodeId> = HashSet::from([id]);
    while !level.is_empty() {
        let inputs = level.iter().filter_map(|&id| match graph.node(id) {
            node if node.space != Space::Const => None,
            node => match node.op {
                Op::Input(index) => Some(graph.inputs()[index].name.clone()),
                _ => None,
            },
        });
        let mut found: Vec<String> = inputs.collect();
        if !found.is_empty() {
            found.sort_unstable();
            return found;
        }
        let operands = level.iter().flat_map(|&id| graph.node(id).op.operands());
        let next: Vec<NodeId> = operands.filter(|&operand| seen.insert(operand)).collect();
        level = next;
    }
    vec![]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_operation_that_is_not_finite_is_named() {
        let graph = Graph::new();
        let x = graph.input("x", Space::Atoms, &[2]);
        let w = graph.input("layer.weight", Space::Const, &[2]);
        let square = (x * w) * (x * w);
        let fourth = square * square;
        let y = (fourth + fourth.exp()).sum_inner();
        let values = [0.0f32, 0.1, 0.2, 3e10, 1e20, 0.0];
        let bindings = Bindings::new()
            .rows(Space::Atoms, 3)
            .input("x", &values)
            .input("layer.weight", &[1.0, 1.0]);
        let found = first_non_finite(&graph, &[y], &bindings).unwrap().unwrap();
        // (1e20)² overflows in 32 bits; (3e10)⁴ does too, but later
        assert_eq!((found.operation.as_str(), found.row), ("Mul", 2));
        assert_eq!(found.value, f64::INFINITY);
        assert_eq!(found.operands.len(), 2);
        assert_eq!(found.operands[0].0, "Mul");
        assert!((found.operands[0].2 / 1e20 - 1.0).abs() < 1e-6);
        assert_eq!(found.nearest_inputs, ["layer.weight"]);
        let values = values.map(f64::from);
        let bindings = Bindings::new()
            .rows(Space::Atoms, 3)
            .input("x", &values)
            .input("layer.weight", &[1.0, 1.0]);
        let fine = first_non_finite(&graph, &[fourth], &bindings).unwrap();
        assert_eq!(fine, None);
    }

    #[test]
    fn an_input_that_is_not_finite_comes_first() {
        let graph = Graph::new();
        let x = graph.input("x", Space::Atoms, &[]);
        let bindings = Bindings::new()
            .rows(Space::Atoms, 2)
            .input("x", &[0.0, f64::NAN]);
        let found = first_non_finite(&graph, &[x * x], &bindings)
            .unwrap()
            .unwrap();
        assert_eq!((found.operation.as_str(), found.row), ("x", 1));
    }
}
