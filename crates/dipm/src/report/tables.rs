//! Errors and the worst structures as tables, for pages and for terminals.

use super::chart::grouped;
use super::html::{append, escaped};
use crate::evaluation::{ErrorSummary, Evaluation, Worst};
use dipm_data::symbol_or_number;

/// Errors of all quantities that have reference values.
pub fn errors(evaluation: &Evaluation) -> Table {
    let heads = [
        "*quantity",
        "*unit",
        "values",
        "MAE",
        "RMSE",
        "max",
        "bias",
        "R²",
    ];
    let mut table = Table::new("Errors", &heads);
    for (name, unit, summary) in [
        ("energy", "meV", evaluation.energy.summary()),
        (
            "energy per atom",
            "meV/atom",
            evaluation.energy_per_atom.summary(),
        ),
        ("force components", "meV/Å", evaluation.forces.summary()),
        ("stress components", "meV/Å³", evaluation.stress.summary()),
    ] {
        if let Some(summary) = summary {
            let mut cells = vec![name.to_owned(), unit.to_owned(), grouped(summary.count)];
            cells.extend(error_cells(&summary));
            table.row(cells);
        }
    }
    table
}

/// Errors of the forces by element; empty without forces.
pub fn by_element(evaluation: &Evaluation) -> Table {
    let heads = ["*element", "atoms", "MAE", "RMSE", "max", "bias", "R²"];
    let mut table = Table::new("Force components by element, meV/Å", &heads);
    for (z, element) in &evaluation.elements {
        if let Some(summary) = element.forces.summary() {
            let mut cells = vec![symbol_or_number(*z), grouped(element.num_atoms)];
            cells.extend(error_cells(&summary));
            table.row(cells);
        }
    }
    table
}

/// Errors by class of structures; empty if the data name no classes.
pub fn by_config_type(evaluation: &Evaluation) -> Table {
    let has_stress = evaluation.stress.summary().is_some();
    let mut heads = vec![
        "*config_type",
        "structures",
        "energy MAE, meV/atom",
        "RMSE",
        "forces MAE, meV/Å",
        "RMSE",
        "max",
    ];
    if has_stress {
        heads.extend(["stress MAE, meV/Å³", "RMSE"]);
    }
    let mut table = Table::new("By config_type", &heads);
    for (name, class) in evaluation.config_types.list() {
        let mut cells = vec![name.to_owned(), grouped(class.num_structures)];
        let two = |summary: Option<ErrorSummary>| {
            [summary.map(|s| s.mae), summary.map(|s| s.rmse)].map(milli)
        };
        cells.extend(two(class.energy_per_atom.summary()));
        cells.extend(two(class.forces.summary()));
        cells.push(milli(class.forces.summary().map(|s| s.max)));
        if has_stress {
            cells.extend(two(class.stress.summary()));
        }
        table.row(cells);
    }
    table
}

/// Structures with the largest errors, the first `most` of them.
pub fn worst(caption: &str, worst: &Worst, most: usize) -> Table {
    let heads = [
        "",
        "*file",
        "number",
        "*formula",
        "*config_type",
        "energy error, meV/atom",
        "force RMSE, meV/Å",
        "worst atom, meV/Å",
        "*atom",
    ];
    let mut table = Table::new(caption, &heads);
    for (rank, structure) in worst.structures().take(most).enumerate() {
        let atom = structure.worst_atom;
        table.row(vec![
            (rank + 1).to_string(),
            structure.origin.file.display().to_string(),
            structure.origin.index.to_string(),
            structure.formula.clone(),
            structure.config_type.clone().unwrap_or_default(),
            milli(structure.energy_error_per_atom),
            milli(structure.force_rmse),
            milli(atom.map(|atom| atom.error)),
            atom.map_or(String::new(), |atom| {
                format!("{} {}", symbol_or_number(atom.atomic_number), atom.index)
            }),
        ]);
    }
    table
}

/// What was compared, in a sentence.
pub fn coverage(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "{} structures, {} atoms",
        grouped(evaluation.num_structures),
        grouped(evaluation.num_atoms)
    );
    let labels = ["energy", "forces", "stress"]
        .into_iter()
        .zip(evaluation.num_labelled);
    let partial: Vec<String> = labels
        .filter(|(_, count)| *count > 0 && *count < evaluation.num_structures)
        .map(|(name, count)| format!("{} with {name}", grouped(count)))
        .collect();
    if !partial.is_empty() {
        text.push_str(&format!("; {}", partial.join(", ")));
    }
    if evaluation.num_unlabelled > 0 {
        text.push_str(&format!(
            "; {} without energy, forces and stress, left out of the errors",
            grouped(evaluation.num_unlabelled)
        ));
    }
    text
}

fn error_cells(summary: &ErrorSummary) -> [String; 5] {
    // forces of a molecule add up to zero, and so do their errors but for rounding
    let bias = match summary.bias.abs() < 1e-4 * summary.rmse {
        true => 0.0,
        false => summary.bias,
    };
    let errors = [summary.mae, summary.rmse, summary.max, bias];
    let [mae, rmse, max, bias] = errors.map(|x| milli(Some(x)));
    [mae, rmse, max, bias, r2_text(summary.r2)]
}

/// R² with the digits that tell good models apart.
fn r2_text(r2: Option<f64>) -> String {
    let text = match r2 {
        None => "–".to_owned(),
        Some(r2) if r2 < -1000.0 => format!("{r2:.1e}"),
        Some(r2) if r2 < -1.0 => format!("{r2:.1}"),
        Some(r2) => format!("{r2:.5}"),
    };
    text.replace('-', "−")
}

/// A number in thousandths, with four digits.
pub fn milli(value: Option<f64>) -> String {
    let Some(value) = value else {
        return "–".to_owned();
    };
    let value = value * 1e3;
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    let text = match magnitude {
        m if (-4.0..=7.0).contains(&m) => format!("{value:.0$}", (3.0 - m).max(0.0) as usize),
        _ => format!("{value:.3e}"),
    };
    text.replace('-', "−")
}

/// A table whose cells are texts.
#[derive(Debug, Clone, Default)]
pub struct Table {
    caption: String,
    heads: Vec<String>,
    /// Whether each column holds words rather than numbers.
    words: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows; the names of columns of words begin with `*`, which is not shown.
    pub fn new(caption: impl Into<String>, heads: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            heads: heads
                .iter()
                .map(|head| head.trim_start_matches('*').to_owned())
                .collect(),
            words: heads.iter().map(|head| head.starts_with('*')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When its number of cells is not that of the columns.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.heads.len(), "cells of a row");
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines with aligned columns, for a terminal.
    pub fn text(&self) -> String {
        let length = |text: &str| text.chars().count();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| length(&row[column]));
            cells
                .chain([length(&self.heads[column])])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let mut text = format!("{}\n", self.caption);
        for row in std::iter::once(&self.heads).chain(&self.rows) {
            let mut line = String::from(" ");
            for (column, cell) in row.iter().enumerate() {
                let blanks = " ".repeat(widths[column] - length(cell));
                line.push(' ');
                match self.words[column] {
                    true => line.extend([cell, blanks.as_str()]),
                    false => line.extend([blanks.as_str(), cell]),
                }
                line.push(' ');
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The table as HTML.
    pub fn html(&self) -> String {
        let mut html = format!(
            "<div class=\"table\"><table><caption>{}</caption><thead><tr>",
            escaped(&self.caption)
        );
        let class = |column: usize| {
            if self.words[column] {
                " class=\"words\""
            } else {
                ""
            }
        };
        for (column, head) in self.heads.iter().enumerate() {
            append(
                &mut html,
                format_args!("<th scope=\"col\"{}>{}</th>", class(column), unbroken(head)),
            );
        }
        html.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                append(
                    &mut html,
                    format_args!("<td{}>{}</td>", class(column), escaped(cell)),
                );
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}
/// A heading whose unit stays in one line.
fn unbroken(head: &str) -> String {
    escaped(head).replace('/', "/\u{2060}")
}
