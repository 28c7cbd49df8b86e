//! `metrics.jsonl` and `metrics.csv`: every record of a run, one a line, beside the checkpoints.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::checkpoint::DataPosition;
use crate::record::{MetricRecord, MetricSink, NamedValues};

/// Name of the file with one JSON object a record.
pub const JSONL: &str = "metrics.jsonl";
/// Name of the file with one row a training or evaluation record.
pub const CSV: &str = "metrics.csv";

const COLUMNS: [&str; 27] = [
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
    "energy_loss",
    "forces_loss",
    "stress_loss",
    "gradient_norm",
    "learning_rate",
    "seconds_per_step",
    "data_wait_share",
    "nodes_per_second",
    "graphs_per_second",
    "memory_mib",
    "evaluation_seconds",
    "runtime_in_minutes",
    "steps_per_epoch",
];

/// A record and when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedRecord {
    /// The record.
    #[serde(flatten)]
    pub record: MetricRecord,
    /// Seconds since 1970, to milliseconds.
    #[serde(default)]
    pub time: f64,
}

impl TimedRecord {
    /// A record made now.
    pub fn now(record: MetricRecord) -> Self {
        let time = (unix_seconds() * 1e3).round() / 1e3;
        TimedRecord { record, time }
    }
}

/// Seconds since 1970.
pub fn unix_seconds() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |duration| duration.as_secs_f64())
}

/// Writes both files.
#[derive(Debug)]
pub struct MetricFiles {
    jsonl: (PathBuf, BufWriter<File>),
    csv: (PathBuf, BufWriter<File>),
}

impl MetricFiles {
    /// Opens both files in `directory`. A fresh run begins them anew; one that goes on from
    /// `restored` (position in the data, updates) keeps the records up to there, so that a run killed
    /// and resumed leaves the records of an uninterrupted one.
    ///
    /// # Errors
    /// [`TrainError::Io`] when a file cannot be read or written.
    pub fn open(
        directory: &Path,
        restored: Option<(DataPosition, u64)>,
    ) -> Result<Self, TrainError> {
        let kept: Vec<TimedRecord> = match restored {
            Some((position, step)) => {
                let records = read_records(directory)?.into_iter();
                let before = |record: &TimedRecord| is_before(&record.record, position, step);
                records.filter(before).collect()
            }
            None => Vec::new(),
        };
        let mut lines = String::new();
        for record in &kept {
            lines.push_str(&json_line(record));
        }
        let mut rows = format!("record,epoch,step,{}\n", COLUMNS.join(","));
        rows.extend(kept.iter().filter_map(|kept| csv_row(&kept.record)));
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
        append(
            &mut self.jsonl,
            &json_line(&TimedRecord::now(record.clone())),
        )?;
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

fn json_line(record: &TimedRecord) -> String {
    let mut line = serde_json::to_string(record).expect("records have string keys");
    line.push('\n');
    line
}

/// The records in a directory; none if there is no file. A last line cut short by a kill is dropped.
///
/// # Errors
/// [`TrainError::Io`] when the file cannot be read.
pub fn read_records(directory: &Path) -> Result<Vec<TimedRecord>, TrainError> {
    let path = directory.join(JSONL);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(TrainError::io("read", &path))?;
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(records.collect())
}

/// Whether a run that goes on from a checkpoint will not make a record again.
fn is_before(record: &MetricRecord, position: DataPosition, step: u64) -> bool {
    let (its_epoch, its_step) = record.position();
    let epoch = match record {
        MetricRecord::Test(_) => return false,
        // these carry the number of the epoch that goes on
        MetricRecord::EpochStart { .. } | MetricRecord::Training(_) if position.batch > 0 => {
            position.epoch + 1
        }
        _ => position.epoch,
    };
    its_epoch <= epoch && its_step <= step
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
