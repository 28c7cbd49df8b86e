//! Everything a run needs to go on bit for bit, as one directory of two files.
//!
//! `state.json` holds a [`TrainingState`]; `tensors.safetensors` holds, for each parameter NAME,
//! `parameters.NAME`, `average.NAME` (zero-initialised, see [`Ema`]), `first_moment.NAME`,
//! `second_moment.NAME`, `max_second_moment.NAME`, with accumulation `accumulated.NAME`, and
//! `best.NAME` once a best model exists.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::Metadata;
use safetensors::{Dtype, View};
use serde::{Deserialize, Serialize};

use crate::loss::LossTerms;
use crate::record::IntervalSums;
use crate::{Ema, Kept, OptimizerState, Real, TrainError};

/// Version of the layout of a checkpoint; a reader refuses a later one.
pub const FORMAT: u32 = 1;
/// Name of the file with the [`TrainingState`]; a directory without it is no checkpoint.
pub const STATE: &str = "state.json";
/// Name of the file with the tensors.
pub const TENSORS: &str = "tensors.safetensors";
/// Groups of tensors that every checkpoint has.
const GROUPS: usize = 5;

/// Where the run stands in the data: a checkpoint may lie between any two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct DataPosition {
    /// Epochs completed.
    pub epoch: u64,
    /// Batches of the next epoch that each rank has already trained on.
    pub batch: u64,
}

/// The best model so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestModel {
    /// Epochs completed when it was found.
    pub epoch: u64,
    /// Its validation errors; the loss under any weights follows from them.
    pub loss_terms: LossTerms,
}

/// The numbers and texts of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingState {
    /// See [`FORMAT`].
    pub format: u32,
    /// Version of the program that wrote it.
    pub program_version: String,
    /// Where the run stands.
    pub position: DataPosition,
    /// Stage of the loss weights of the position.
    pub stage: usize,
    /// Updates since the run began.
    pub step: u64,
    /// Batches since the optimizer's state began: the clock of the learning rate.
    pub micro_steps: u64,
    /// Updates since the optimizer's state began.
    pub updates: u64,
    /// Batches in the accumulated gradient.
    pub num_accumulated: u32,
    /// Weight of the past in the averaged parameters.
    pub ema_decay: f64,
    /// Batches in the averaged parameters.
    pub ema_updates: u64,
    /// Learning rate of the last batch.
    pub learning_rate: f64,
    /// The best model, whose parameters are the tensors `best.*`.
    pub best: Option<BestModel>,
    /// Training metrics not yet reported.
    pub interval: IntervalSums,
    /// Structures and atoms of the batches of the unfinished epoch.
    pub epoch_sums: IntervalSums,
    /// Seed of the order of the data.
    pub seed: u64,
    /// How many ranks trained; each took a batch of its own for one of [`DataPosition::batch`].
    #[serde(default = "one")]
    pub num_ranks: u64,
    /// The resolved configuration, as text.
    pub config: String,
    /// Facts about the training data.
    pub dataset_info: serde_json::Value,
}

/// Checkpoints that do not say were written by one process.
fn one() -> u64 {
    1
}

/// A checkpoint in memory; all vectors are flat, in the order of a [`ParameterLayout`].
#[derive(Debug, PartialEq)]
pub struct Checkpoint<T: Real> {
    /// Numbers and texts.
    pub state: TrainingState,
    /// Current parameters.
    pub parameters: Vec<T>,
    /// Moments and accumulated gradient.
    pub optimizer: OptimizerState<T>,
    /// Averaged parameters.
    pub ema: Ema<T>,
    /// Parameters of the best model.
    pub best: Option<Kept<T>>,
}

/// Names and shapes of the parameters in the order of the flat buffer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterLayout {
    entries: Vec<(String, Vec<usize>)>,
}

impl ParameterLayout {
    /// A layout in the order given.
    pub fn new(entries: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        ParameterLayout {
            entries: entries.into_iter().collect(),
        }
    }

    /// Length of the flat buffer.
    pub fn len(&self) -> usize {
        self.sizes().map(|(_, size)| size).sum()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and number of values of each parameter.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.entries
            .iter()
            .map(|(name, shape)| (name.as_str(), shape.iter().product()))
    }

    /// Name, shape and values of each parameter of a flat buffer.
    pub fn split<'a, T>(
        &'a self,
        flat: &'a [T],
    ) -> impl Iterator<Item = (&'a str, &'a [usize], &'a [T])> {
        assert_eq!(flat.len(), self.len(), "values of another layout");
        let mut rest = flat;
        self.entries.iter().map(move |(name, shape)| {
            let (values, tail) = rest.split_at(shape.iter().product());
            rest = tail;
            (name.as_str(), shape.as_slice(), values)
        })
    }
}

/// A tensor to be written.
struct Tensor<'a, T> {
    shape: &'a [usize],
    values: &'a [T],
}

impl<T: Real> View for Tensor<'_, T> {
    fn dtype(&self) -> Dtype {
        T::DTYPE
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::with_capacity(self.data_len());
        T::write_bytes(self.values, &mut bytes);
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

/// A checkpoint whose buffers are borrowed from a run, so that saving copies nothing.
#[derive(Debug, Clone)]
pub struct CheckpointView<'a, T: Clone> {
    /// Numbers and texts.
    pub state: TrainingState,
    /// Current parameters.
    pub parameters: &'a [T],
    /// Moments and accumulated gradient.
    pub optimizer: &'a OptimizerState<T>,
    /// Averaged parameters.
    pub ema: &'a Ema<T>,
    /// Parameters of the best model.
    pub best: Option<Cow<'a, [T]>>,
}

impl<T: Real> CheckpointView<'_, T> {
    /// Names and flat buffers of all groups of tensors.
    fn groups(&self) -> Vec<(&'static str, &[T])> {
        let mut groups: Vec<(&'static str, &[T])> = vec![
            ("parameters", self.parameters),
            ("average", &self.ema.average),
            ("first_moment", &self.optimizer.first_moment),
            ("second_moment", &self.optimizer.second_moment),
            ("max_second_moment", &self.optimizer.max_second_moment),
        ];
        if !self.optimizer.accumulated.is_empty() {
            groups.push(("accumulated", &self.optimizer.accumulated));
        }
        if let Some(best) = &self.best {
            groups.push(("best", best));
        }
        groups
    }

    /// Writes both files into the existing `directory` and waits until they are on the disk.
    pub(crate) fn write(
        &self,
        directory: &Path,
        layout: &ParameterLayout,
    ) -> Result<(), TrainError> {
        write_tensors(&directory.join(TENSORS), layout, &self.groups())?;
        let path = directory.join(STATE);
        let text = serde_json::to_string_pretty(&self.state).expect("state has string keys");
        fs::write(&path, text).map_err(TrainError::io("write", &path))?;
        sync(&path)?;
        sync(directory)
    }
}

impl<T: Real> Checkpoint<T> {
    /// The same, borrowed.
    ///
    /// # Errors
    /// When the parameters of the best model cannot be read.
    pub fn view(&self) -> std::io::Result<CheckpointView<'_, T>> {
        Ok(CheckpointView {
            state: self.state.clone(),
            parameters: &self.parameters,
            optimizer: &self.optimizer,
            ema: &self.ema,
            best: self.best.as_ref().map(Kept::values).transpose()?,
        })
    }

    /// Reads the checkpoint in `directory`. The parameters of the best model stay in a file.
    ///
    /// # Errors
    /// [`TrainError::Io`] for a file that cannot be read, [`TrainError::Checkpoint`] for one that
    /// is damaged, was written by a later version, or belongs to a model with other parameters.
    pub fn read(directory: &Path, layout: &ParameterLayout) -> Result<Self, TrainError> {
        let state = read_state(directory)?;
        let path = directory.join(TENSORS);
        let tensors = TensorFile::open(&path)?;
        let group = |group: &str| tensors.group(group, layout);
        let optional = |name: &str, wanted: bool| wanted.then(|| group(name)).transpose();
        let accumulates = tensors.has_group("accumulated");
        let parameters = group("parameters")?;
        // now, so that it is out of memory before the moments come
        let best = optional("best", state.best.is_some())?;
        let best = best.map(|values| {
            let kept = Kept::new(&values, Some(directory));
            kept.unwrap_or(Kept::Memory(values))
        });
        let num_groups = GROUPS + usize::from(accumulates) + usize::from(best.is_some());
        let (expected, found) = (num_groups * layout.sizes().count(), tensors.len());
        if found != expected {
            let problem = format!(
                "it holds {found} tensors where the model needs {expected}; it belongs to another model"
            );
            return Err(TrainError::checkpoint(&path, problem));
        }
        Ok(Checkpoint {
            parameters,
            optimizer: OptimizerState {
                micro_steps: state.micro_steps,
                updates: state.updates,
                num_accumulated: state.num_accumulated,
                accumulated: optional("accumulated", accumulates)?.unwrap_or_default(),
                first_moment: group("first_moment")?,
                second_moment: group("second_moment")?,
                max_second_moment: group("max_second_moment")?,
            },
            ema: Ema {
                decay: state.ema_decay,
                updates: state.ema_updates,
                average: group("average")?,
            },
            best,
            state,
        })
    }
}

/// Bytes of the tensors of a checkpoint, nearly all of its size: of so many parameters, each of so many
/// bytes; with accumulation of gradients, and with a best model.
pub fn size_on_disk(
    num_parameters: usize,
    bytes: usize,
    accumulates: bool,
    has_best: bool,
) -> usize {
    (GROUPS + usize::from(accumulates) + usize::from(has_best)) * num_parameters * bytes
}

/// Reads the numbers and texts of the checkpoint in `directory`.
///
/// # Errors
/// As [`Checkpoint::read`].
pub fn read_state(directory: &Path) -> Result<TrainingState, TrainError> {
    let path = directory.join(STATE);
    let text = fs::read_to_string(&path).map_err(TrainError::io("read", &path))?;
    let damaged = |error| TrainError::checkpoint(&path, format!("it is damaged: {error}"));
    let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    match value["format"].as_u64() {
        Some(format) if format > u64::from(FORMAT) => {
            let problem = format!("format {format} is newer than this program's {FORMAT}; update");
            Err(TrainError::checkpoint(&path, problem))
        }
        _ => serde_json::from_value(value).map_err(damaged),
    }
}

/// Writes the tensors `GROUP.NAME` of flat buffers and waits until they are on the disk.
pub(crate) fn write_tensors<T: Real>(
    path: &Path,
    layout: &ParameterLayout,
    groups: &[(&'static str, &[T])],
) -> Result<(), TrainError> {
    let tensors = groups.iter().flat_map(|(group, flat)| {
        let named = layout.split(flat);
        named
            .map(move |(name, shape, values)| (format!("{group}.{name}"), Tensor { shape, values }))
    });
    let metadata = HashMap::from([("format".to_owned(), FORMAT.to_string())]);
    // what the crate writes may be read by its owner alone, this file by whom the umask lets
    let usual = File::create(path).and_then(|file| file.metadata());
    let permissions = usual.map_err(TrainError::io("write", path))?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), path)
        .map_err(|error| TrainError::io("write", path)(std::io::Error::other(error)))?;
    fs::set_permissions(path, permissions).map_err(TrainError::io("write", path))?;
    sync(path)
}

/// Reads the tensors `group.NAME` of a file into one flat buffer.
pub(crate) fn read_tensors<T: Real>(
    path: &Path,
    layout: &ParameterLayout,
    group: &str,
) -> Result<Vec<T>, TrainError> {
    TensorFile::open(path)?.group(group, layout)
}

/// An open file of tensors, of which one at a time is in memory.
struct TensorFile<'a> {
    path: &'a Path,
    file: File,
    metadata: Metadata,
    /// Where the data begin.
    start: u64,
}

impl<'a> TensorFile<'a> {
    /// Largest header that is believed, in bytes, as in the safetensors format.
    const MAX_HEADER: u64 = 100_000_000;

    fn open(path: &'a Path) -> Result<Self, TrainError> {
        let damaged = |what: String| TrainError::checkpoint(path, format!("it is damaged: {what}"));
        let read = |error| TrainError::io("read", path)(error);
        let mut file = File::open(path).map_err(read)?;
        let size = file.metadata().map_err(read)?.len();
        let mut length = [0; 8];
        if size < 8 {
            return Err(damaged("it is too short".to_owned()));
        }
        file.read_exact(&mut length).map_err(read)?;
        let length = u64::from_le_bytes(length);
        if length > Self::MAX_HEADER.min(size - 8) {
            return Err(damaged("it is shorter than its header says".to_owned()));
        }
        let start = 8 + length;
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(read)?;
        // reading it also checks that offsets and sizes fit together
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
        if start + metadata.data_len() as u64 != size {
            return Err(damaged("its length is not that of its tensors".to_owned()));
        }
        Ok(TensorFile {
            path,
            file,
            metadata,
            start,
        })
    }

    fn len(&self) -> usize {
        self.metadata.tensors().len()
    }

    fn has_group(&self, group: &str) -> bool {
        let start = format!("{group}.");
        let mut names = self.metadata.tensors().into_keys();
        names.any(|name| name.starts_with(&start))
    }

    /// Reads the tensors `group.NAME` into one flat buffer.
    fn group<T: Real>(&self, group: &str, layout: &ParameterLayout) -> Result<Vec<T>, TrainError> {
        let mut flat = Vec::with_capacity(layout.len());
        for (name, shape) in &layout.entries {
            let name = format!("{group}.{name}");
            let refuse = |problem| Err(TrainError::checkpoint(self.path, problem));
            let Some(tensor) = self.metadata.info(&name) else {
                return refuse(format!(
                    "tensor `{name}` is missing; it belongs to another model"
                ));
            };
            if tensor.shape != *shape {
                let found = &tensor.shape;
                return refuse(format!(
                    "tensor `{name}` is {found:?} where the model has {shape:?}"
                ));
            }
            if tensor.dtype != T::DTYPE {
                let (found, expected) = (tensor.dtype, T::DTYPE);
                return refuse(format!(
                    "tensor `{name}` is {found:?} where the model has {expected:?}"
                ));
            }
            let (first, end) = tensor.data_offsets;
            let mut bytes = vec![0; end - first];
            let mut file = &self.file;
            let read = file.seek(SeekFrom::Start(self.start + first as u64));
            read.and_then(|_| file.read_exact(&mut bytes))
                .map_err(TrainError::io("read", self.path))?;
            flat.extend(T::read_bytes(&bytes));
        }
        Ok(flat)
    }
}

/// Waits until a file or the entries of a directory are on the disk.
pub(crate) fn sync(path: &Path) -> Result<(), TrainError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(TrainError::io("write", path))
}
