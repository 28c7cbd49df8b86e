//! `metrics.jsonl` and `metrics.csv`: every record of a run, one a line, beside the checkpoints.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::TrainError;
use crate::record::{MetricRecord, MetricSink, NamedValues};

/// Name of the file with one JSON object a record.
pub const JSONL: &str = "metrics.jsonl";
/// Name of the file with one row a training or evaluation record.
pub const CSV: &str = "metrics.csv";

const COLUMNS: [&str; 22] = [
    "loss",
    "mae_e",
    "rmse_e",
    "mae_e_per_atom",
    "rmse_e_per_atom",
    "mae_f",
    "rmse_f",
    "mae_stress",
    "rmse_stress",
    "mae_stress_per_atom",
    "rmse_stress_per_atom",
    "energy_weight",
    "forces_weight",
    "stress_weight",
    "gradient_norm",
    "learning_rate",
    "seconds_per_step",
    "data_wait_share",
    "nodes_per_second",
    "graphs_per_second",
    "runtime_in_minutes",
    "steps_per_epoch",
];

/// Writes both files.
#[derive(Debug)]
pub struct MetricFiles {
    jsonl: (PathBuf, BufWriter<File>),
    csv: (PathBuf, BufWriter<File>),
}

impl MetricFiles {
    /// Opens both files in `directory`. A fresh run begins them anew; one that goes on from
    /// `restored` (epoch, updates) keeps the records up to there, so that a run killed and resumed
    /// leaves the records of an uninterrupted one.
    ///
    /// # Errors
    /// [`TrainError::Io`] when a file cannot be read or written.
    pub fn open(directory: &Path, restored: Option<(u64, u64)>) -> Result<Self, TrainError> {
        let path = directory.join(JSONL);
        let kept = match restored {
            Some(position) if path.exists() => records_until(&path, position)?,
            _ => Vec::new(),
        };
        let mut lines = String::new();
        for record in &kept {
            lines.push_str(&json_line(record));
        }
        let mut rows = format!("record,epoch,step,{}\n", COLUMNS.join(","));
        rows.extend(kept.iter().filter_map(csv_row));
        let open = |name: &str, content: &str| -> Result<_, TrainError> {
            let path = directory.join(name);
            let temporary = directory.join(format!(".{name}.tmp"));
            fs::write(&temporary, content).map_err(TrainError::io("write", &temporary))?;
            fs::rename(&temporary, &path).map_err(TrainError::io("write", &path))?;
            let file = OpenOptions::new().append(true).open(&path);
            let file = BufWriter::new(file.map_err(TrainError::io("open", &path))?);
            Ok((path, file))
        };
        Ok(MetricFiles {
            jsonl: open(JSONL, &lines)?,
            csv: open(CSV, &rows)?,
        })
    }
}

impl MetricSink for MetricFiles {
    fn record(&mut self, record: &MetricRecord) -> Result<(), TrainError> {
        append(&mut self.jsonl, &json_line(record))?;
        if let Some(row) = csv_row(record) {
            append(&mut self.csv, &row)?;
        }
        Ok(())
    }
}

fn append((path, file): &mut (PathBuf, BufWriter<File>), line: &str) -> Result<(), TrainError> {
    let written = file.write_all(line.as_bytes()).and_then(|()| file.flush());
    written.map_err(TrainError::io("write", path))
}

fn json_line(record: &MetricRecord) -> String {
    let mut line = serde_json::to_string(record).expect("records have string keys");
    line.push('\n');
    line
}

/// The records up to (epoch, updates); a last line cut short by a kill is dropped.
fn records_until(path: &Path, (epoch, step): (u64, u64)) -> Result<Vec<MetricRecord>, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::io("read", path))?;
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str::<MetricRecord>(line).ok());
    let until = |record: &MetricRecord| {
        let (its_epoch, its_step) = record.position();
        let test = matches!(record, MetricRecord::Test(_));
        its_epoch <= epoch && its_step <= step && !test
    };
    Ok(records.filter(until).collect())
}

/// The row of a training or evaluation record.
fn csv_row(record: &MetricRecord) -> Option<String> {
    let (name, values): (_, NamedValues) = match record {
        MetricRecord::Training(record) => ("training", record.values(true)),
        MetricRecord::Validation(record) => ("validation", record.values(true)),
        MetricRecord::Test(record) => ("test", record.values(true)),
        _ => return None,
    };
    let (epoch, step) = record.position();
    let mut row = format!("{name},{epoch},{step}");
    for column in COLUMNS {
        row.push(',');
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == column) {
            row.push_str(&value.to_string());
        }
    }
    row.push('\n');
    Some(row)
}

#[cfg(test)]
#[path = "metric_files_tests.rs"]
mod tests;
