//! The report of a run: a text file that says what was trained on what, how it went, and what came out.

use crate::progress::{Epoch, error_text};
use dipm_data::DatasetReport;
use dipm_train::EvaluationRecord;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// What a report is made of.
pub struct Report<'a> {
    /// The resolved configuration as YAML.
    pub config: &'a str,
    /// The pre-flight table.
    pub data: &'a DatasetReport,
    /// Number of trained parameters.
    pub num_parameters: usize,
    /// Processes that trained together.
    pub num_processes: usize,
    /// What was computed and kept in which number type.
    pub precision: String,
    /// The epochs of this process.
    pub history: &'a [Epoch],
    /// Epoch and validation loss of the best model.
    pub best: Option<(u64, f64)>,
    /// Errors on the test set.
    pub test: Option<&'a EvaluationRecord>,
    /// Wall time of this process, s.
    pub seconds: f64,
    /// Time from start to the end of the first step, s.
    pub first_step: Option<f64>,
    /// Largest resident memory, MiB.
    pub peak_memory_mib: f64,
}

/// Where the report of a run lies: in the output directory, or beside the model.
pub fn path(output_dir: Option<&Path>, save_path: &Path) -> PathBuf {
    match output_dir {
        Some(directory) => directory.join("report.md"),
        None => save_path.with_extension("report.md"),
    }
}

/// Where the page of a run lies: beside its report.
pub fn page_path(output_dir: Option<&Path>, save_path: &Path) -> PathBuf {
    path(output_dir, save_path).with_extension("html")
}

impl Report<'_> {
    /// Writes the report.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(path, self.text())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Training report\n\ndipm {}, {} parameters, {:.1} s",
            env!("CARGO_PKG_VERSION"),
            self.num_parameters,
            self.seconds
        );
        let mut add = |line: String| {
            text.push_str(&line);
        };
        if let Some(first) = self.first_step {
            add(format!(", first step after {first:.2} s"));
        }
        add(format!(", peak memory {:.0} MiB\n\n", self.peak_memory_mib));
        add(format!("Number types: {}\n\n", self.precision));
        if self.num_processes > 1 {
            add(format!(
                "{} processes, memory is that of the first\n\n",
                self.num_processes
            ));
        }
        if let Some((epoch, loss)) = self.best {
            add(format!(
                "Best epoch {epoch}, validation loss {loss:.6e}\n\n"
            ));
        }
        if let Some(test) = self.test {
            add(format!("Test: {}\n\n", error_text(test, true)));
        }
        add(format!(
            "## Data\n\n```text\n{}\n```\n\n",
            self.data.to_string().trim_end()
        ));
        add(self.table());
        add(format!(
            "\n## Configuration\n\n```yaml\n{}\n```\n",
            self.config.trim_end()
        ));
        text
    }

    /// Learning curve as a table.
    fn table(&self) -> String {
        let stress_rmse = |epoch: &Epoch| {
            let errors = epoch.validation.as_ref()?.errors.stress?;
            Some(errors.rmse * 1e3)
        };
        let has_stress = self
            .history
            .iter()
            .any(|epoch| stress_rmse(epoch).is_some());
        let (heading, line) = match has_stress {
            true => (" stress RMSE meV/Å³ |", "---|"),
            false => ("", ""),
        };
        let mut table = format!(
            "## Epochs\n\n| epoch | train loss | valid loss | energy RMSE meV/atom | forces RMSE meV/Å |{heading} learning rate | s |\n\
             |---|---|---|---|---|{line}---|---|\n",
        );
        for epoch in self.history {
            let training = epoch.training.as_ref();
            let validation = epoch.validation.as_ref();
            let number = |value: Option<f64>, digits: usize| {
                value.map_or("–".to_owned(), |x| format!("{x:.digits$}"))
            };
            let exponent =
                |value: Option<f64>| value.map_or("–".to_owned(), |x| format!("{x:.4e}"));
            let errors = validation.map(|v| &v.errors);
            let energy = errors.and_then(|e| e.energy_per_atom).map(|e| e.rmse * 1e3);
            let forces = errors.and_then(|e| e.forces).map(|e| e.rmse * 1e3);
            let stress = match has_stress {
                true => format!(" {} |", number(stress_rmse(epoch), 4)),
                false => String::new(),
            };
            let seconds = validation
                .and_then(|v| v.training)
                .map(|t| t.runtime_in_minutes * 60.0);
            writeln!(
                table,
                "| {}{} | {} | {} | {} | {} |{stress} {} | {} |",
                epoch.number,
                if epoch.best { " best" } else { "" },
                exponent(training.map(|t| t.loss)),
                exponent(validation.map(|v| v.loss)),
                number(energy, 3),
                number(forces, 3),
                exponent(training.map(|t| t.learning_rate)),
                number(seconds, 1),
            )
            .expect("writing to a string");
        }
        table
    }
}
