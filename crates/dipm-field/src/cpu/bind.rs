//! Checking the data of a batch and preparing its maps.

use super::lanes::Number;
use super::tile::Inverse;
use crate::plan::program::{Program, Source, Step};
use crate::{Bindings, FieldError, Map, Space};

/// The data of a batch, checked against a plan.
pub(crate) struct Bound<T> {
    /// Rows of every space that the plan uses.
    pub rows: Vec<(Space, usize)>,
    /// First value of every input; null for those that are not read.
    pub inputs: Vec<*const T>,
    /// First target of every map of the plan.
    pub maps: Vec<*const u32>,
    /// The inverse of every map of the plan that is summed along; others empty.
    pub inverses: Vec<Inverse>,
    /// First edge of every receiver, and the number of edges; empty where not needed.
    pub receiver_bounds: Vec<usize>,
}

// SAFETY: the pointers are to data that the bindings borrow for the whole run and nobody writes.
unsafe impl<T: Sync> Sync for Bound<T> {}

pub(crate) fn bind<T: Number>(
    program: &Program,
    bindings: &Bindings<'_, T>,
) -> Result<Bound<T>, FieldError> {
    let mut spaces: Vec<Space> = program.values.iter().map(|value| value.space).collect();
    spaces.extend(
        program
            .maps
            .iter()
            .flat_map(|map| [map.source(), map.target()]),
    );
    spaces.extend(program.table_rows.iter().map(|table| table.0));
    spaces.sort_unstable();
    spaces.dedup();
    let mut rows = vec![];
    for space in spaces {
        rows.push((
            space,
            bindings
                .row_count(space)
                .ok_or(FieldError::MissingRows(space))?,
        ));
    }
    let rows_of = |space: Space| super::rows_of(&rows, space);
    for &(space, expected) in &program.table_rows {
        if rows_of(space) != expected {
            return Err(FieldError::TableRows(space, expected, rows_of(space)));
        }
    }
    let mut inputs = vec![std::ptr::null(); program.inputs.len()];
    for value in &program.values {
        let Source::Input(index) = value.source else {
            continue;
        };
        let name = &program.inputs[index].name;
        let data = bindings
            .input_values(name)
            .ok_or_else(|| FieldError::MissingInput(name.clone()))?;
        let expected = rows_of(value.space) * value.width;
        if data.len() != expected {
            return Err(FieldError::InputLength(name.clone(), expected, data.len()));
        }
        inputs[index] = data.as_ptr();
    }
    let mut bound = Bound {
        inputs,
        maps: vec![],
        inverses: vec![],
        receiver_bounds: vec![],
        rows: vec![],
    };
    for &map in &program.maps {
        let targets = bindings
            .map_targets(map)
            .ok_or(FieldError::MissingMap(map))?;
        let (source, target) = (rows_of(map.source()), rows_of(map.target()));
        check_map(map, targets, source, target)?;
        bound.maps.push(targets.as_ptr());
        let needs_inverse = (program.steps.iter()).any(|step| step.inverse() == Some(map));
        bound.inverses.push(if needs_inverse {
            inverse(targets, target)
        } else {
            Inverse::default()
        });
        if map == Map::Receiver && program.steps.iter().any(Step::is_by_receiver) {
            bound.receiver_bounds = inverse(targets, target).bounds;
        }
    }
    bound.rows = rows;
    Ok(bound)
}

fn check_map(map: Map, targets: &[u32], source: usize, target: usize) -> Result<(), FieldError> {
    if targets.len() != source {
        return Err(FieldError::MapLength(map, source, targets.len()));
    }
    if let Some(row) = targets.iter().position(|&to| to as usize >= target) {
        return Err(FieldError::MapRange(map, row, targets[row], target));
    }
    if map.is_sorted()
        && let Some(row) = targets.windows(2).position(|pair| pair[0] > pair[1])
    {
        return Err(FieldError::MapOrder(map, row + 1));
    }
    Ok(())
}

/// The source rows of every target, in order.
fn inverse(targets: &[u32], rows: usize) -> Inverse {
    let mut bounds = vec![0; rows + 1];
    for &target in targets {
        bounds[target as usize + 1] += 1;
    }
    for row in 0..rows {
        bounds[row + 1] += bounds[row];
    }
    let mut next = bounds.clone();
    let mut sources = vec![0; targets.len()];
    for (source, &target) in targets.iter().enumerate() {
        let slot = &mut next[target as usize];
        sources[*slot] = source as u32;
        *slot += 1;
    }
    Inverse {
        bounds,
        rows: sources,
    }
}
