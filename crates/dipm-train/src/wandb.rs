//! Metrics as an offline run of Weights & Biases, for `wandb sync`.
//!
//! A run is a directory `offline-run-<YYYYMMDD_HHMMSS>-<id>` with `run-<id>.wandb`, a sequence of
//! protocol buffers (`Record` of wandb_internal.proto; the numbers of its fields are read from the
//! Python package wandb 0.31), and `files/`.
//!
//! Differs from dipm 0.0.8: every value is logged at the number of updates, with the epoch as a value
//! of its own. There, values of the validation were logged at the epoch, which lies below the step of
//! the training values before them, and were dropped.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::TrainError;
use crate::metric_files::{TimedRecord, unix_seconds};
use crate::protobuf::Message;
use crate::record::{MetricRecord, MetricSink};
use crate::wandb_file::WandbFile;

/// What a run is called.
#[derive(Debug, Clone, PartialEq)]
pub struct WandbRun {
    /// Project that it belongs to.
    pub project: String,
    /// Its id: eight letters or digits.
    pub id: String,
    /// When it began, in seconds since 1970.
    pub started: f64,
    /// Its configuration, an object.
    pub config: Json,
}

/// Writes an offline run, each record as soon as it comes.
///
/// Values of one step are one row. So a row that is added to is written again in its place.
#[derive(Debug)]
pub struct Wandb {
    file: WandbFile,
    extended: bool,
    started: f64,
    /// Records in the file.
    count: i64,
    row: Row,
}

/// The last row: all values of one step.
#[derive(Debug, Default)]
struct Row {
    step: u64,
    /// Time of its first record.
    time: f64,
    values: Vec<(String, f64)>,
    /// Length of the file and number of records before it.
    before: (u64, i64),
}

impl Wandb {
    /// Begins the run in `directory`, which is made, with the records of `history`. A run that was
    /// there before is replaced: its records up to the point where training goes on are those of
    /// the history.
    ///
    /// With `extended` all values of a record are written, else the usual ones.
    ///
    /// # Errors
    /// [`TrainError::Io`] with the path that cannot be written.
    pub fn create(
        directory: &Path,
        run: &WandbRun,
        extended: bool,
        history: &[TimedRecord],
    ) -> Result<Self, TrainError> {
        let files = directory.join("files");
        fs::create_dir_all(&files).map_err(TrainError::io("create", &files))?;
        let described = [
            ("config.yaml", config_file(run)),
            ("wandb-metadata.json", metadata_file(run)),
        ];
        for (name, text) in &described {
            let path = files.join(name);
            fs::write(&path, text).map_err(TrainError::io("write", &path))?;
        }
        let path = path(directory, &run.id);
        let temporary = path.with_extension("wandb.tmp");
        let mut wandb = Wandb {
            file: WandbFile::create(&temporary)?,
            extended,
            started: run.started,
            count: 0,
            row: Row::default(),
        };
        let producer = concat!("dipm ", env!("CARGO_PKG_VERSION"));
        let version = Message::new().text(1, producer);
        wandb.append(21, Message::new().message(1, version))?;
        wandb.append(17, run_record(run))?;
        let names = described.iter().fold(Message::new(), |files, (name, _)| {
            // sent at once, as a file that describes the run
            files.message(1, Message::new().text(1, name).int(2, 0).int(3, 1))
        });
        wandb.append(6, names)?;
        for TimedRecord { record, time } in history {
            wandb.add(record, *time)?;
        }
        wandb.file.rename(&path)?;
        // it holds more than what was sent
        let sent = path.with_extension("wandb.synced");
        if sent.exists() {
            fs::remove_file(&sent).map_err(TrainError::io("remove", &sent))?;
        }
        Ok(wandb)
    }

    fn add(&mut self, record: &MetricRecord, time: f64) -> Result<(), TrainError> {
        let (prefix, values) = match record {
            MetricRecord::Training(record) => ("train", record.values(self.extended)),
            MetricRecord::Validation(record) => ("val", record.values(self.extended)),
            MetricRecord::Test(record) => ("test", record.values(self.extended)),
            MetricRecord::BestModel {
                best_epoch,
                best_loss,
                ..
            } => (
                "best",
                vec![("epoch", *best_epoch as f64), ("loss", *best_loss)],
            ),
            MetricRecord::EpochStart { .. } | MetricRecord::Restored { .. } => return Ok(()),
        };
        let (epoch, step) = record.position();
        if step == self.row.step && !self.row.values.is_empty() {
            (_, self.count) = self.row.before;
            self.file.truncate(self.row.before.0)?;
        } else {
            self.row = Row {
                step,
                time,
                values: Vec::new(),
                before: (self.file.length(), self.count),
            };
        }
        let row = &mut self.row.values;
        let mut set = |name: String, value| match row.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => row.push((name, value)),
        };
        set("epoch".to_owned(), epoch as f64);
        for (name, value) in values {
            set(format!("{prefix}/{name}"), value);
        }
        self.write_row()
    }

    /// The row as history, and as the latest values of the run.
    fn write_row(&mut self) -> Result<(), TrainError> {
        let row = &self.row;
        let mut items: Vec<(&str, String)> = vec![
            ("_step", row.step.to_string()),
            ("_timestamp", number(row.time)),
            ("_runtime", number(row.time - self.started)),
        ];
        let values = row.values.iter();
        items.extend(values.map(|(name, value)| (name.as_str(), number(*value))));
        let all = items.iter().fold(Message::new(), |all, (name, value)| {
            all.message(1, Message::new().text(1, name).text(16, value))
        });
        let step = Message::new().int(1, row.step as i64);
        self.append(2, all.clone().message(2, step))?;
        self.append(3, all)
    }

    /// Appends a `Record` with one of its kinds of content.
    fn append(&mut self, kind: u32, content: Message) -> Result<(), TrainError> {
        let record = Message::new().int(1, self.count + 1).message(kind, content);
        self.file.append(record.encoded())?;
        self.count += 1;
        Ok(())
    }
}

impl MetricSink for Wandb {
    fn record(&mut self, record: &MetricRecord) -> Result<(), TrainError> {
        self.add(record, unix_seconds())
    }

    fn finish(&mut self) -> Result<(), TrainError> {
        let seconds = (unix_seconds() - self.started).max(0.0);
        self.append(18, Message::new().int(1, 0).int(2, seconds as i64))?;
        self.append(22, Message::new())
    }
}

/// The file with the records of a run.
fn path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("run-{id}.wandb"))
}

fn run_record(run: &WandbRun) -> Message {
    let config = entries(run)
        .into_iter()
        .fold(Message::new(), |config, (key, value)| {
            config.message(1, Message::new().text(1, &key).text(16, &value.to_string()))
        });
    let (seconds, fraction) = (run.started.floor(), run.started.fract());
    let start = Message::new()
        .int(1, seconds as i64)
        .int(2, (fraction * 1e9) as i64);
    Message::new()
        .text(1, &run.id)
        .text(3, &run.project)
        .message(4, config)
        .message(17, start)
}

/// Top level of the configuration, and the version of this program.
fn entries(run: &WandbRun) -> Vec<(String, Json)> {
    let mut entries = vec![("dipm_version".to_owned(), env!("CARGO_PKG_VERSION").into())];
    match &run.config {
        Json::Object(config) => entries.extend(config.clone()),
        Json::Null => {}
        other => entries.push(("config".to_owned(), other.clone())),
    }
    entries
}

/// `config.yaml` as wandb writes it: a `value` under each key. JSON is YAML.
fn config_file(run: &WandbRun) -> String {
    let mut text = "wandb_version: 1\n".to_owned();
    for (key, value) in entries(run) {
        text += &format!("\n{}:\n  desc: null\n  value: {value}\n", Json::from(key));
    }
    text
}

fn metadata_file(run: &WandbRun) -> String {
    let metadata = json!({
        "os": std::env::consts::OS,
        "program": "dipm",
        "cpu_count_logical": std::thread::available_parallelism().map_or(1, usize::from),
        "args": std::env::args().skip(1).collect::<Vec<_>>(),
        "writerId": run.id,
    });
    format!("{metadata:#}\n")
}

/// JSON with the words of Python for what is not finite, which wandb reads.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        Json::from(value).to_string()
    }
}

#[cfg(test)]
#[path = "wandb_tests.rs"]
mod tests;
