//! Symbolic reverse-mode differentiation: derivatives are nodes of the same graph.

use crate::functions::{Binary, Unary};
use crate::graph::{NodeId, Op};
use crate::{Field, Map, Space};

/// Derivative of `scalar` (shape `[]` over [`Space::Const`]) by each field of `wrt`.
///
/// The results have the space and shape of the fields; a field that `scalar` does not depend on
/// gets zeros. Applied to a function of its own result it gives second derivatives.
///
/// # Panics
/// When `scalar` has another space or shape.
pub fn grad<'g>(scalar: Field<'g>, wrt: &[Field<'g>]) -> Vec<Field<'g>> {
    let graph = scalar.graph;
    assert_eq!(scalar.space(), Space::Const, "gradient of {scalar:?}");
    assert!(scalar.shape().is_empty(), "gradient of {scalar:?}");
    let last = scalar.id;
    let mut depends = vec![false; last + 1];
    for field in wrt.iter().filter(|field| field.id <= last) {
        depends[field.id] = true;
    }
    for id in 0..=last {
        if !depends[id] {
            let operands = graph.nodes.borrow()[id].op.operands();
            depends[id] = operands.iter().any(|&operand| depends[operand]);
        }
    }
    let mut cotangents: Vec<Vec<Field<'g>>> = vec![vec![]; last + 1];
    cotangents[last].push(graph.literal(1.0));
    let mut result = vec![None; wrt.len()];
    for id in (0..=last).rev() {
        if !depends[id] || cotangents[id].is_empty() {
            continue;
        }
        let node = graph.at(id);
        let cotangent =
            total(std::mem::take(&mut cotangents[id])).broadcast(node.space(), &node.shape());
        for (slot, _) in result
            .iter_mut()
            .zip(wrt)
            .filter(|(_, field)| field.id == id)
        {
            *slot = Some(cotangent);
        }
        if !cotangent.is_zero() {
            propagate(node, cotangent, &mut |operand, contribution| {
                if depends[operand] {
                    cotangents[operand].push(contribution(graph.at(operand)));
                }
            });
        }
    }
    let zeros = |field: &Field<'g>| graph.zeros(field.space(), &field.shape());
    result
        .into_iter()
        .zip(wrt)
        .map(|(d, field)| d.unwrap_or_else(|| zeros(field)))
        .collect()
}

/// Receives an operand and a closure that builds its contribution.
type Add<'a, 'g> = &'a mut dyn FnMut(NodeId, &dyn Fn(Field<'g>) -> Field<'g>);

/// Hands every operand of `y` its contribution to the operand's cotangent, as a closure, so that
/// nothing is built for operands that no derivative is asked of.
fn propagate<'g>(y: Field<'g>, u: Field<'g>, add: Add<'_, 'g>) {
    let graph = y.graph;
    let at = |id: NodeId| graph.at(id);
    match y.op() {
        Op::Input(_) | Op::Literal(_) | Op::Constant(_) | Op::Detach(_) => {}
        Op::Unary(function, x) => add(x, &|x| unary_adjoint(function, x, y, u)),
        Op::Binary(function, a, b) => {
            let (x, z) = (at(a), at(b));
            add(a, &|a| {
                let term = match function {
                    Binary::Add | Binary::Sub => u,
                    Binary::Mul => u * z,
                    Binary::Div => u / z,
                };
                sum_to(term, a)
            });
            add(b, &|b| {
                let term = match function {
                    Binary::Add => u,
                    Binary::Sub => -u,
                    Binary::Mul => u * x,
                    Binary::Div => -(u * y / z),
                };
                sum_to(term, b)
            });
        }
        Op::Select(condition, a, b) => {
            let zero = graph.literal(0.0);
            add(a, &|_| at(condition).select(u, zero));
            add(b, &|_| at(condition).select(zero, u));
        }
        Op::SumAxes(x, _) => add(x, &|x| u.broadcast(u.space().max(x.space()), &x.shape())),
        Op::MaxAxes(x, mask) => add(x, &|x| {
            let axes: Vec<usize> = (0..x.shape().len())
                .filter(|a| mask >> a & 1 == 1)
                .collect();
            let largest = 1.0 - (y - x).step(); // 1 at the largest entries, else 0
            u * largest / largest.sum_axes(&axes)
        }),
        Op::Broadcast(x) => add(x, &|x| sum_to(u, x)),
        Op::Reshape(x) => add(x, &|x| u.reshape(&x.shape())),
        Op::Permute(x, order) => {
            let mut inverse = vec![0; order.len()];
            for (i, &axis) in order.iter().enumerate() {
                inverse[axis as usize] = i;
            }
            add(x, &|_| u.permute(&inverse));
        }
        Op::Slice(x, axis, start) => {
            add(x, &|x| {
                u.pad(axis as usize, start, x.shape()[axis as usize])
            });
        }
        Op::Pad(x, axis, start) => {
            add(x, &|x| {
                u.slice(axis as usize, start, x.shape()[axis as usize])
            });
        }
        Op::Concat(parts, axis) => {
            let axis = axis as usize;
            let mut start = 0;
            for part in parts {
                let length = at(part).shape()[axis];
                add(part, &|_| u.slice(axis, start, length));
                start += length;
            }
        }
        Op::AsRows(x) => add(x, &|x| u.stack(x.shape()[0])),
        Op::Stack(x) => add(x, &|x| {
            let Space::Table(table) = x.space() else {
                unreachable!("only tables are stacked")
            };
            u.as_rows(table)
        }),
        Op::Contract(x, w, map) => {
            add(x, &|_| u.contract_by(at(w).transpose(), map));
            add(w, &|_| at(x).contract_rows(u, map));
        }
        Op::ContractRows(a, b, map) => {
            add(a, &|_| at(b).contract_by(u.transpose(), map));
            add(b, &|_| at(a).contract_by(u, map));
        }
        Op::Product(table, open, operands) => {
            let open = open as usize;
            let form = graph.tables.borrow()[table].clone();
            for (slot, operand) in operands.iter().enumerate() {
                let Some(operand) = *operand else { continue };
                add(operand, &|x| {
                    let mut fields: Vec<Option<Field<'g>>> =
                        operands.iter().map(|id| id.map(at)).collect();
                    fields[open] = Some(u);
                    fields[slot] = None;
                    sum_to(graph.product(&form, slot, &fields), x)
                });
            }
        }
        Op::Gather(x, map) => add(x, &|_| u.sum(map)),
        Op::Sum(x, map) => add(x, &|_| u.gather(map)),
        Op::Max(x, map) => add(x, &|x| {
            let largest = 1.0 - (y.gather(map) - x).step(); // 1 at the largest entries, else 0
            u.gather(map) * largest / largest.sum(map).gather(map)
        }),
    }
}

/// u · f'(x), where y = f(x).
fn unary_adjoint<'g>(function: Unary, x: Field<'g>, y: Field<'g>, u: Field<'g>) -> Field<'g> {
    match function {
        Unary::Neg => -u,
        Unary::Recip => -(u * (y * y)),
        Unary::Sqrt => 0.5 * (u / y),
        Unary::Exp => u * y,
        Unary::Log => u / x,
        Unary::Sin => u * x.cos(),
        Unary::Cos => -(u * x.sin()),
        Unary::Tanh => u * (1.0 - y * y),
        Unary::Sigmoid => u * (y - y * y),
        Unary::Silu(order) => u * x.unary(Unary::Silu(order + 1)),
        Unary::Abs => u * x.unary(Unary::Sign),
        Unary::Sign | Unary::Step => u.graph.zeros(y.space(), &y.shape()),
        Unary::Power(exponent) => f64::from(exponent) * (u * x.power(exponent - 1)),
    }
}

/// The adjoint of broadcasting `target` to the space and shape of `u`.
fn sum_to<'g>(u: Field<'g>, target: Field<'g>) -> Field<'g> {
    let (shape, wanted) = (u.shape(), target.shape());
    let missing = shape.len() - wanted.len();
    let axes: Vec<usize> = (0..shape.len())
        .filter(|&a| a < missing || wanted[a - missing] == 1)
        .collect();
    let inner = u.sum_axes(&axes).reshape(&wanted);
    if u.space() == target.space() {
        return inner;
    }
    if target.space() == Space::Const {
        return inner.sum(Map::All(u.space()));
    }
    // u is the same for every row (a Const field), as is the operand's derivative
    assert_eq!(u.space(), Space::Const, "cotangent {u:?} of {target:?}");
    inner.broadcast(target.space(), &wanted)
}

/// The sum of the contributions to one cotangent. Disjoint pads of one axis become one `Concat`.
fn total<'g>(mut contributions: Vec<Field<'g>>) -> Field<'g> {
    let graph = contributions[0].graph;
    let mut pads = vec![];
    let mut axis = None;
    for field in &contributions {
        if let Op::Pad(x, along, start) = field.op()
            && *axis.get_or_insert(along) == along
        {
            pads.push((
                start,
                start + graph.at(x).shape()[along as usize],
                x,
                field.id,
            ));
        }
    }
    pads.sort_unstable();
    if pads.len() > 1 && pads.windows(2).all(|pair| pair[0].1 <= pair[1].0) {
        let axis = usize::from(axis.expect("set with the first pad"));
        let shape = contributions[0].shape();
        let space = contributions[0].space();
        let hole = |from: usize, to: usize| {
            let mut shape = shape.clone();
            shape[axis] = to - from;
            graph.zeros(space, &shape)
        };
        let (mut parts, mut position) = (vec![], 0);
        for &(start, end, x, _) in &pads {
            if start > position {
                parts.push(hole(position, start));
            }
            parts.push(graph.at(x));
            position = end;
        }
        if position < shape[axis] {
            parts.push(hole(position, shape[axis]));
        }
        contributions.retain(|field| !pads.iter().any(|pad| pad.3 == field.id));
        contributions.push(graph.concat(&parts, axis));
    }
    contributions
        .into_iter()
        .reduce(|a, b| a + b)
        .expect("at least one contribution")
}
