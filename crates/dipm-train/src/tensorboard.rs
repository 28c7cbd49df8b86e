//! Metrics as an event file that TensorBoard reads.
//!
//! Tags are those of dipm 0.0.8: `train/NAME` over updates, `val/NAME` and `test/NAME` over epochs.
//! An event is a protocol buffer (tensorflow/core/util/event.proto, framework/summary.proto); around
//! it the framing of TFRecord: length u64, checksum of the length u32, data, checksum of the data
//! u32, all little-endian, checksums CRC-32C rotated and shifted
//! (tensorflow/core/lib/hash/crc32c.h).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISCSI, Crc};

use crate::TrainError;
use crate::metric_files::{TimedRecord, unix_seconds};
use crate::protobuf::Message;
use crate::record::{MetricRecord, MetricSink};

/// TensorBoard looks for `tfevents` in names, and reads the files of a directory by name.
const PREFIX: &str = "events.out.tfevents.";
/// By which a later run knows the files that it may replace.
const SUFFIX: &str = ".dipm";
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// `DT_STRING` of tensorflow/core/framework/types.proto.
const DT_STRING: i64 = 7;
/// `SessionLog.START`.
const START: i64 = 1;

/// Writes one event file, each record as soon as it comes.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
    extended: bool,
}

impl TensorBoard {
    /// Begins an event file in `directory` with the configuration as a text and the records of
    /// `history`. A file that this program wrote there before is replaced: its records up to the
    /// point where the run goes on are those of the history.
    ///
    /// With `extended` all values of a record are written, else the usual ones.
    ///
    /// # Errors
    /// [`TrainError::Io`] with the path that cannot be written.
    pub fn create(
        directory: &Path,
        config: &str,
        extended: bool,
        history: &[TimedRecord],
    ) -> Result<Self, TrainError> {
        fs::create_dir_all(directory).map_err(TrainError::io("create", directory))?;
        let earlier = own_files(directory)?;
        let now = unix_seconds();
        let name = format!("{PREFIX}{now:010.0}.{}{SUFFIX}", std::process::id());
        let path = directory.join(name);
        let file = File::create(&path).map_err(TrainError::io("create", &path))?;
        let mut board = TensorBoard {
            path,
            file,
            extended,
        };
        let started = history.first().map_or(now, |first| first.time);
        board.write(started, 0, Message::new().text(3, "brain.Event:2"))?;
        // a TensorBoard that is looking on forgets what it has read from an earlier file
        let start = Message::new().int(1, START);
        board.write(started, 0, Message::new().message(7, start))?;
        let text = text_summary("config", &format!("```yaml\n{}\n```", config.trim_end()));
        board.write(started, 0, Message::new().message(5, text))?;
        for TimedRecord { record, time } in history {
            board.add(record, *time)?;
        }
        for path in earlier.into_iter().filter(|path| *path != board.path) {
            fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
        }
        Ok(board)
    }

    fn add(&mut self, record: &MetricRecord, time: f64) -> Result<(), TrainError> {
        let (epoch, step) = record.position();
        let (prefix, x, mut values) = match record {
            MetricRecord::Training(record) => ("train", step, record.values(self.extended)),
            MetricRecord::Validation(record) => ("val", epoch, record.values(self.extended)),
            MetricRecord::Test(record) => ("test", epoch, record.values(self.extended)),
            _ => return Ok(()),
        };
        if prefix == "train" {
            values.push(("epoch", epoch as f64));
        }
        let summary = values
            .iter()
            .fold(Message::new(), |summary, (name, value)| {
                let scalar = Message::new()
                    .text(1, &format!("{prefix}/{name}"))
                    .float(2, *value as f32);
                summary.message(1, scalar)
            });
        self.write(time, x, Message::new().message(5, summary))
    }

    /// One event with its frame.
    fn write(&mut self, time: f64, step: u64, what: Message) -> Result<(), TrainError> {
        let mut event = Message::new().double(1, time).int(2, step as i64);
        event.append(&what);
        let data = event.encoded();
        let length = (data.len() as u64).to_le_bytes();
        let mut frame = Vec::with_capacity(data.len() + 16);
        frame.extend(length);
        frame.extend(masked_checksum(&length).to_le_bytes());
        frame.extend(data);
        frame.extend(masked_checksum(data).to_le_bytes());
        let written = self.file.write_all(&frame);
        written.map_err(TrainError::io("write", &self.path))
    }
}

impl MetricSink for TensorBoard {
    fn record(&mut self, record: &MetricRecord) -> Result<(), TrainError> {
        self.add(record, unix_seconds())
    }
}

/// Event files in a directory that this program wrote.
fn own_files(directory: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    let mut paths = read().map_err(TrainError::io("read", directory))?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(PREFIX) && name.ends_with(SUFFIX)
    });
    Ok(paths)
}

/// A summary that TensorBoard shows under "Text", as Markdown: a tensor of rank 0.
fn text_summary(tag: &str, text: &str) -> Message {
    let tensor = Message::new()
        .int(1, DT_STRING)
        .message(2, Message::new())
        .text(8, text);
    let plugin = Message::new().message(1, Message::new().text(1, "text"));
    let value = Message::new()
        .text(1, tag)
        .message(9, plugin)
        .message(8, tensor);
    Message::new().message(1, value)
}

fn masked_checksum(data: &[u8]) -> u32 {
    let checksum = CRC.checksum(data);
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
#[path = "tensorboard_tests.rs"]
mod tests;
