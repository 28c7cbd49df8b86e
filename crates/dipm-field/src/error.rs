//! Errors of binding and running a plan.

use crate::{Map, Space};

/// What can be wrong with the data bound to a plan. Mistakes in building a graph panic instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldError {
    /// The plan reads an input that was not bound.
    MissingInput(String),
    /// An input has the wrong number of values: name, values expected, values found.
    InputLength(String, usize, usize),
    /// The number of rows of a space was not bound.
    MissingRows(Space),
    /// A map was not bound.
    MissingMap(Map),
    /// A map has the wrong number of rows: map, rows expected, rows found.
    MapLength(Map, usize, usize),
    /// An entry of a map points past the rows of its target: map, row, value, rows of the target.
    MapRange(Map, usize, u32, usize),
    /// A map that must be sorted is not: map and first row out of order.
    MapOrder(Map, usize),
    /// A table has another number of rows than its parameters: table, expected, bound.
    TableRows(Space, usize, usize),
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingInput(name) => write!(f, "input `{name}` was not bound"),
            Self::InputLength(name, expected, found) => {
                write!(f, "input `{name}` needs {expected} values, found {found}")
            }
            Self::MissingRows(space) => write!(f, "number of rows of {space:?} was not bound"),
            Self::MissingMap(map) => write!(f, "map {map:?} was not bound"),
            Self::MapLength(map, expected, found) => {
                write!(f, "map {map:?} needs {expected} rows, found {found}")
            }
            Self::MapRange(map, row, value, rows) => {
                write!(
                    f,
                    "map {map:?}: row {row} is {value}, but the target has {rows} rows"
                )
            }
            Self::MapOrder(map, row) => write!(f, "map {map:?} is not sorted at row {row}"),
            Self::TableRows(space, expected, bound) => {
                write!(
                    f,
                    "{space:?} has {expected} rows in the graph, but {bound} were bound"
                )
            }
        }
    }
}

impl std::error::Error for FieldError {}
