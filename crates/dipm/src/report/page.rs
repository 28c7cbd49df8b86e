//! The page: one HTML file with everything in it.

use super::chart::grouped;
use super::html::{append, escaped};
use super::{evaluation_charts, tables};
use crate::evaluation::{Evaluation, NUM_WORST};
use std::io;
use std::path::Path;

const STYLE: &str = "\
:root{color-scheme:light}\
body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;color:#24292f;background:#fff;\
max-width:1120px;margin:0 auto;padding:24px 20px 60px}\
h1{font-size:26px;line-height:1.25;margin:0 0 4px}h2{font-size:20px;margin:40px 0 6px;border-bottom:1px solid #d0d7de;padding-bottom:4px}\
h3{font-size:16px;margin:24px 0 4px}p{margin:4px 0 10px;max-width:80ch}.faint{color:#57606a}\
.figures{display:flex;flex-wrap:wrap;gap:10px;margin:16px 0}\
.figures div{border:1px solid #d0d7de;border-radius:6px;padding:8px 14px;min-width:130px}\
.figures b{display:block;font-size:19px}.figures span{font-size:13px;color:#57606a}\
.charts{display:flex;flex-wrap:wrap;gap:6px 14px}.charts svg{max-width:100%;height:auto}\
.table{overflow-x:auto;margin:10px 0 18px}table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}\
caption{text-align:left;font-weight:600;padding:4px 0}\
th,td{text-align:right;padding:3px 12px 3px 6px;border-bottom:1px solid #e4e7eb;vertical-align:bottom}\
th{font-weight:600;border-bottom:1px solid #8c959f}.words{text-align:left}td{white-space:nowrap}\
pre{background:#f6f8fa;border:1px solid #d0d7de;border-radius:6px;padding:12px;overflow-x:auto;font-size:13px;line-height:1.45}\
summary{cursor:pointer;font-weight:600;margin:8px 0}@media print{body{max-width:none}.charts{display:block}h2{break-after:avoid}svg{break-inside:avoid}}";

/// An evaluation with its heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Such as `Validation set`.
    pub title: String,
    /// Which model was evaluated.
    pub model: String,
    /// What was found.
    pub evaluation: Evaluation,
}

/// A number that is shown large, and what it is.
pub(super) type Figure = (String, String);

/// A page being written.
pub(super) struct Page {
    html: String,
}

impl Page {
    /// A page with its heading and a line below it.
    pub(super) fn new(title: &str, subtitle: &str) -> Self {
        Self {
            html: format!(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
                 <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{0}</title>\n\
                 <style>{STYLE}</style>\n</head>\n<body>\n<h1>{0}</h1>\n<p class=\"faint\">{1}</p>\n",
                escaped(title),
                escaped(subtitle)
            ),
        }
    }

    pub(super) fn figures(&mut self, figures: &[Figure]) {
        self.html.push_str("<div class=\"figures\">");
        for (number, what) in figures {
            let (number, what) = (escaped(number), escaped(what));
            self.append(format_args!(
                "<div><b>{number}</b><span>{what}</span></div>"
            ));
        }
        self.html.push_str("</div>\n");
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.append(format_args!("<h2>{}</h2>\n", escaped(text)));
    }

    fn subheading(&mut self, text: &str) {
        self.append(format_args!("<h3>{}</h3>\n", escaped(text)));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.append(format_args!("<p>{}</p>\n", escaped(text)));
    }

    /// Charts side by side.
    pub(super) fn charts(&mut self, charts: &[String]) {
        self.append(format_args!(
            "<div class=\"charts\">\n{}\n</div>\n",
            charts.join("\n")
        ));
    }

    /// A text that is opened on demand.
    pub(super) fn folded(&mut self, summary: &str, text: &str) {
        let (summary, text) = (escaped(summary), escaped(text.trim_end()));
        self.append(format_args!(
            "<details><summary>{summary}</summary><pre>{text}</pre></details>\n"
        ));
    }

    /// Tables and charts of an evaluation.
    pub(super) fn evaluation(&mut self, evaluated: &Evaluated) {
        let evaluation = &evaluated.evaluation;
        self.heading(&evaluated.title);
        self.paragraph(&format!(
            "{}. {}.",
            evaluated.model,
            tables::coverage(evaluation)
        ));
        let errors = tables::errors(evaluation);
        if errors.is_empty() {
            self.paragraph("There are no reference values to compare with.");
            return;
        }
        self.html.push_str(&errors.html());
        self.paragraph(
            "Energies are shown without those of isolated atoms. The bias is the mean of model − reference; R² is the part of the variation of the reference values \
             that the model explains. Dashed lines: the model says what the reference says, and, for force errors, \
             the error is as large as the force.",
        );
        self.charts(&evaluation_charts::overview(evaluation));
        let by_element = tables::by_element(evaluation);
        if !by_element.is_empty() {
            self.subheading("Forces by element");
            self.html.push_str(&by_element.html());
            self.charts(&evaluation_charts::by_element(evaluation));
            self.say_shown(evaluation.elements.len(), "elements");
        }
        let by_config_type = tables::by_config_type(evaluation);
        if !by_config_type.is_empty() {
            self.subheading("Energies and forces by config_type");
            self.html.push_str(&by_config_type.html());
            let count = evaluation.config_types.list().len();
            // a single class has been seen already, under another name
            if count > 1 {
                self.charts(&evaluation_charts::by_config_type(evaluation));
                self.say_shown(count, "classes");
            }
        }
        self.worst(evaluation);
    }

    fn say_shown(&mut self, count: usize, what: &str) {
        let shown = evaluation_charts::MOST_PANELS;
        if count > shown {
            self.paragraph(&format!("Charts of the {shown} largest of {count} {what}."));
        }
    }

    fn worst(&mut self, evaluation: &Evaluation) {
        let by_forces = tables::worst(
            "By the error of the forces",
            &evaluation.worst_forces,
            NUM_WORST,
        );
        let by_energy = tables::worst(
            "By the error of the energy per atom",
            &evaluation.worst_energies,
            NUM_WORST,
        );
        if by_forces.is_empty() && by_energy.is_empty() {
            return;
        }
        self.subheading("Worst structures");
        self.paragraph(
            "Structures and atoms are counted from 0. A structure far from the rest is often a calculation that did not \
             converge, or one of which there are too few to train on.",
        );
        for table in [by_forces, by_energy] {
            if !table.is_empty() {
                self.html.push_str(&table.html());
            }
        }
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        self.append(format_args!(
            "<p class=\"faint\">Written by dipm {}.</p>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        ));
        self.html
    }

    fn append(&mut self, arguments: std::fmt::Arguments) {
        append(&mut self.html, arguments);
    }
}

/// Replaces a file at once, so that who reads it sees the old page or the new one.
pub(super) fn replace(path: &Path, content: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, content)?;
    std::fs::rename(&temporary, path)
}

/// The page of `dipm evaluate`.
#[derive(Debug, Clone)]
pub struct EvaluationPage<'a> {
    /// The model file.
    pub model: &'a Path,
    /// Name of its architecture.
    pub architecture: &'a str,
    /// Parameters of the model.
    pub num_parameters: usize,
    /// Number type of the computation.
    pub dtype: &'a str,
    /// The files that were read.
    pub files: Vec<String>,
    /// Wall time, s.
    pub seconds: f64,
    /// Structures left out because the model lacks an element.
    pub num_skipped: u64,
    /// What was found.
    pub evaluated: &'a Evaluated,
}

impl EvaluationPage<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        replace(path, &self.html())
    }

    fn html(&self) -> String {
        let name = self.model.file_name().unwrap_or(self.model.as_os_str());
        let subtitle = format!(
            "{}, {} parameters, computed in {}",
            self.architecture,
            grouped(self.num_parameters as u64),
            self.dtype
        );
        let mut page = Page::new(&format!("Evaluation of {}", name.display()), &subtitle);
        let evaluation = &self.evaluated.evaluation;
        let mut figures = vec![(grouped(evaluation.num_structures), "structures".to_owned())];
        figures.extend(error_figures(evaluation, ""));
        page.figures(&figures);
        if self.num_skipped > 0 {
            page.paragraph(&format!(
                "{} structures were skipped because they hold elements that the model does not know.",
                grouped(self.num_skipped)
            ));
        }
        page.evaluation(self.evaluated);
        page.heading("Files");
        let speed = evaluation.num_atoms as f64 / self.seconds.max(f64::MIN_POSITIVE);
        page.paragraph(&format!("{:.1} s, {speed:.0} atoms/s", self.seconds));
        page.folded(
            &format!("{} files", self.files.len()),
            &self.files.join("\n"),
        );
        page.finish()
    }
}

/// The errors that are looked at first.
pub(super) fn error_figures(evaluation: &Evaluation, of: &str) -> Vec<Figure> {
    let figures = [
        (evaluation.forces.summary(), "meV/Å", "force RMSE"),
        (
            evaluation.energy_per_atom.summary(),
            "meV/atom",
            "energy RMSE",
        ),
        (evaluation.stress.summary(), "meV/Å³", "stress RMSE"),
    ];
    let shown = figures.into_iter().filter_map(|(summary, unit, name)| {
        let rmse = summary?.rmse;
        Some((
            format!("{} {unit}", tables::milli(Some(rmse))),
            format!("{name}{of}"),
        ))
    });
    shown.collect()
}
