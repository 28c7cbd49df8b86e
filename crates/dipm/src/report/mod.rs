//! What is left of a run and of an evaluation to look at: a page with charts, and a text.

mod axis;
mod chart;
mod curves;
mod evaluation_charts;
mod html;
mod listing;
mod live;
mod markdown;
mod page;
mod tables;

pub use listing::{table_text, tables_as_json};
pub use live::{LiveReport, RunDescription};
pub use markdown::{Report, page_path, path};
pub use page::{Evaluated, EvaluationPage};
