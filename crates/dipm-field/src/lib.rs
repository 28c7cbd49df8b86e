//! The engine: fields over spaces, their derivatives, a plan, and its execution.
//!
//! A [`Field`] is a tensor over a [`Space`]: it has one row for every edge, atom or structure of a
//! batch (row counts are dynamic, nothing is padded), or a single row ([`Space::Const`]), and an
//! inner shape that is known when the graph is built. Spaces are joined by [`Map`]s, and `gather`
//! along a map and `sum` along it are each other's adjoint. The op set is small and closed under
//! differentiation: [`grad`] adds the derivative to the same graph, and can be applied to its own
//! result, which is what a loss of forces needs.
//!
//! ```
//! use dipm_field::{grad, Bindings, Executor, Graph, Map, Plan, Space};
//! let graph = Graph::new();
//! let x = graph.input("x", Space::Atoms, &[3]);
//! let energy = (x * x).sum_inner().sum(Map::All(Space::Atoms)) * 0.5;
//! let force = -grad(energy, &[x])[0];
//! let plan = Plan::new(&graph, &[("energy", energy), ("force", force)]);
//! let mut executor = Executor::<f64>::new(plan);
//! let positions = [1.0, 2.0, 3.0, 0.0, -1.0, 0.5];
//! let bindings = Bindings::new().rows(Space::Atoms, 2).input("x", &positions);
//! executor.run(&bindings).unwrap();
//! assert_eq!(executor.output("energy"), &[0.5 * 15.25]);
//! assert_eq!(executor.output("force")[2], -3.0);
//! ```

mod assemble;
mod bindings;
mod cpu;
mod diff;
mod error;
mod field;
mod functions;
mod graph;
mod plan;
mod product;
mod reductions;
pub mod reference;
mod search;
mod space;
mod storage;

pub use bindings::Bindings;
pub use cpu::{Executor, GroupProfile, InstructionSet, Number, Scalar};
pub use diff::grad;
pub use error::FieldError;
pub use field::Field;
pub use functions::{Binary, Unary};
pub use graph::{Graph, InputSpec, NodeId, Op, Shape};
pub use plan::Plan;
pub use product::{Entry, ProductTable, Slot};
pub use search::{NonFinite, first_non_finite};
pub use space::{Map, Space};
pub use storage::Half;
