//! The checkpoints of a run: `<local_model_output_dir>/model/<epoch>/`, one a completed epoch.
//!
//! A checkpoint is written under a temporary name, brought to the disk and then renamed; the oldest
//! are deleted only after that, each beginning with its `state.json`, without which a directory is
//! no checkpoint. So a kill at any moment leaves the newest finished checkpoint usable. Differs
//! from dipm 0.0.8: every epoch is saved, not only improvements, so that a plateau can be resumed,
//! and the best model lies inside the newest checkpoint.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checkpoint::{
    self, Checkpoint, CheckpointView, DataPosition, ParameterLayout, STATE, TENSORS,
};
use crate::metric_files::{CSV, JSONL};
use crate::{CheckpointConfig, Real, TrainError};

/// Prefix of a checkpoint that is being written.
const TEMPORARY: &str = ".writing-";
/// Suffix of a checkpoint of a branch that was abandoned by restoring an earlier epoch.
const SUPERSEDED: &str = ".superseded";
/// File whose lock keeps a second run out of the directory.
const LOCK: &str = ".lock";

/// The checkpoints in one output directory, which is locked against other runs until this is
/// dropped.
#[derive(Debug)]
pub struct Checkpoints {
    directory: PathBuf,
    max_to_keep: usize,
    _lock: File,
}

/// The checkpoint at a position of the run with this output directory.
pub(crate) fn path(directory: &Path, position: DataPosition) -> PathBuf {
    let DataPosition { epoch, batch } = position;
    let name = match batch {
        0 => epoch.to_string(),
        batch => format!("{epoch}.{batch}"),
    };
    directory.join("model").join(name)
}

/// Where a run goes on.
#[derive(Debug, PartialEq)]
pub struct Restored<T: Real> {
    /// What was saved.
    pub checkpoint: Checkpoint<T>,
    /// Whether all of it is to be used, or parameters, step and position only.
    pub whole: bool,
}

impl Checkpoints {
    /// Makes the output directory ready for a run: checks the keys against each other, locks the
    /// directory, removes remains of a kill, clears an earlier run if asked to. `None` without
    /// `local_model_output_dir`.
    ///
    /// # Errors
    /// [`TrainError::Config`] for keys that exclude each other, [`TrainError::ExistingCheckpoints`]
    /// when a fresh run would mix with an earlier one, [`TrainError::Checkpoint`] for checkpoints
    /// of another program or a directory in use by another run, [`TrainError::Io`] when the
    /// directory cannot be written.
    pub fn open(config: &CheckpointConfig) -> Result<Option<Self>, TrainError> {
        config.validate()?;
        let Some(directory) = &config.local_model_output_dir else {
            return Ok(None);
        };
        let model = directory.join("model");
        fs::create_dir_all(&model).map_err(TrainError::io("create", &model))?;
        let checkpoints = Checkpoints {
            directory: directory.clone(),
            max_to_keep: config.max_checkpoints_to_keep,
            _lock: lock(&directory.join(LOCK))?,
        };
        checkpoints.remove_remains()?;
        if config.clear_previous_checkpoints {
            checkpoints.clear()?;
        }
        let found = checkpoints.positions()?;
        if let (Some(first), Some(last)) = (found.first(), found.last())
            && !config.restore_checkpoint_if_exists
        {
            return Err(TrainError::ExistingCheckpoints {
                directory: directory.clone(),
                first: first.epoch,
                last: last.epoch,
            });
        }
        Ok(Some(checkpoints))
    }

    /// The output directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn model(&self) -> PathBuf {
        self.directory.join("model")
    }

    /// Directory of the checkpoint at a position: `<epoch>`, or `<epoch>.<batch>` within an epoch.
    pub fn path(&self, position: DataPosition) -> PathBuf {
        path(&self.directory, position)
    }

    /// Positions of all checkpoints, oldest first.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for a numbered directory that this program did not write.
    pub fn positions(&self) -> Result<Vec<DataPosition>, TrainError> {
        let mut positions = Vec::new();
        for name in entries(&self.model())? {
            let Some(position) = parse(&name) else {
                continue;
            };
            let path = self.model().join(&name);
            if !path.join(STATE).is_file() {
                let problem = "it was not written by this program; move it away or choose another \
                               `local_model_output_dir`";
                return Err(TrainError::checkpoint(&path, problem));
            }
            positions.push(position);
        }
        positions.sort_unstable();
        Ok(positions)
    }

    /// The checkpoint to go on from, by the rules of the configuration; `None` for a fresh run.
    ///
    /// With `epoch_to_restore`, later checkpoints are set aside as `<name>.superseded`.
    ///
    /// # Errors
    /// [`TrainError::Config`] when there are checkpoints but not of the epoch asked for; errors of
    /// [`Checkpoint::read`].
    pub fn restore<T: Real>(
        &self,
        config: &CheckpointConfig,
        layout: &ParameterLayout,
    ) -> Result<Option<Restored<T>>, TrainError> {
        let positions = self.positions()?;
        let Some(newest) = positions.last().copied() else {
            return Ok(None);
        };
        if !config.restore_checkpoint_if_exists {
            return Ok(None);
        }
        let wanted = match config.epoch_to_restore {
            None => newest,
            Some(epoch) => DataPosition { epoch, batch: 0 },
        };
        if !positions.contains(&wanted) {
            let epochs: Vec<String> = positions
                .iter()
                .filter(|p| p.batch == 0)
                .map(|p| p.epoch.to_string())
                .collect();
            let problem = format!(
                "no checkpoint of epoch {} in {}; there are: {}",
                wanted.epoch,
                self.model().display(),
                epochs.join(", ")
            );
            return Err(TrainError::Config {
                key: "epoch_to_restore",
                problem,
            });
        }
        let checkpoint = Checkpoint::read(&self.path(wanted), layout)?;
        for &later in positions
            .iter()
            .rev()
            .take_while(|position| **position > wanted)
        {
            self.set_aside(later)?;
        }
        tracing::info!("Restoring checkpoint from epoch {}.", wanted.epoch);
        Ok(Some(Restored {
            checkpoint,
            whole: config.restore_optimizer_state,
        }))
    }

    /// Saves a checkpoint; deletes earlier ones from within an epoch, and of those of whole epochs
    /// the oldest beyond `max_checkpoints_to_keep`; returns its directory.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written; earlier checkpoints are then still there.
    pub fn save<T: Real>(
        &self,
        layout: &ParameterLayout,
        checkpoint: &CheckpointView<'_, T>,
    ) -> Result<PathBuf, TrainError> {
        let path = self.path(checkpoint.state.position);
        let name = path
            .file_name()
            .expect("checkpoints have names")
            .to_string_lossy();
        let temporary = self.model().join(format!("{TEMPORARY}{name}"));
        remove_unfinished(&temporary)?;
        fs::create_dir(&temporary).map_err(TrainError::io("create", &temporary))?;
        checkpoint.write(&temporary, layout)?;
        remove(&path)?;
        fs::rename(&temporary, &path).map_err(TrainError::io("write", &path))?;
        checkpoint::sync(&self.model())?;
        let earlier = self.positions()?.into_iter();
        let earlier = earlier.filter(|position| *position != checkpoint.state.position);
        let (whole, partial): (Vec<_>, Vec<_>) = earlier.partition(|p| p.batch == 0);
        let num_others = self.max_to_keep - usize::from(checkpoint.state.position.batch == 0);
        let excess = whole.len().saturating_sub(num_others);
        let excess = partial.iter().chain(&whole[..excess]);
        excess
            .copied()
            .try_for_each(|position| remove(&self.path(position)))?;
        Ok(path)
    }

    fn set_aside(&self, position: DataPosition) -> Result<(), TrainError> {
        let path = self.path(position);
        let mut aside = path.clone().into_os_string();
        aside.push(SUPERSEDED);
        let aside = PathBuf::from(aside);
        remove(&aside)?;
        fs::rename(&path, &aside).map_err(TrainError::io("rename", &path))
    }

    /// Removes what a kill left: unfinished checkpoints, and those whose deletion was not finished.
    fn remove_remains(&self) -> Result<(), TrainError> {
        for name in entries(&self.model())? {
            let path = self.model().join(&name);
            let half_deleted = || {
                parse(&name).is_some()
                    && entries(&path).is_ok_and(|inside| inside.iter().all(|name| name == TENSORS))
            };
            if name.starts_with(TEMPORARY) {
                remove_unfinished(&path)?;
            } else if half_deleted() {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes all checkpoints and metric files; nothing that this program did not write.
    fn clear(&self) -> Result<(), TrainError> {
        for name in entries(&self.model())? {
            let numbered = parse(name.strip_suffix(SUPERSEDED).unwrap_or(&name)).is_some();
            let path = self.model().join(&name);
            if numbered && path.join(STATE).is_file() {
                remove(&path)?;
            }
        }
        for name in [JSONL, CSV] {
            let path = self.directory.join(name);
            if path.exists() {
                fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Takes the lock of a directory, which the system gives back when the process ends in whatever
/// way. A process that is just ending, or forking, may hold it for a moment: so it is tried for a
/// while.
fn lock(path: &Path) -> Result<File, TrainError> {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(50);
    let file = File::create(path).map_err(TrainError::io("create", path))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            // Some network file systems have no locks; then nothing guards against a second run.
            Err(fs::TryLockError::Error(error)) => {
                tracing::warn!("cannot lock {}: {error}", path.display());
                return Ok(file);
            }
            Ok(()) => return Ok(file),
        }
    }
    let problem = "another run is writing to this directory; wait for it or choose another \
                   `local_model_output_dir`";
    Err(TrainError::checkpoint(path, problem))
}

/// Names of the entries of a directory.
fn entries(directory: &Path) -> Result<Vec<String>, TrainError> {
    let read = || -> std::io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    read().map_err(TrainError::io("read", directory))
}

/// The position in the name of a checkpoint.
fn parse(name: &str) -> Option<DataPosition> {
    let (epoch, batch) = name.split_once('.').unwrap_or((name, "0"));
    Some(DataPosition {
        epoch: epoch.parse().ok()?,
        batch: batch.parse().ok()?,
    })
}

/// Removes a checkpoint that was being written, with whatever files the writers of its formats
/// left.
fn remove_unfinished(temporary: &Path) -> Result<(), TrainError> {
    if !temporary.exists() {
        return Ok(());
    }
    fs::remove_dir_all(temporary).map_err(TrainError::io("remove", temporary))
}

/// Removes a checkpoint's own files and its directory, which stays if a user put something into it.
fn remove(checkpoint: &Path) -> Result<(), TrainError> {
    if !checkpoint.exists() {
        return Ok(());
    }
    for name in [STATE, TENSORS] {
        let path = checkpoint.join(name);
        if path.exists() {
            fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
        }
    }
    if entries(checkpoint)?.is_empty() {
        fs::remove_dir(checkpoint).map_err(TrainError::io("remove", checkpoint))?;
    } else {
        tracing::warn!("{} holds files of others and stays", checkpoint.display());
    }
    Ok(())
}

#[cfg(test)]
#[path = "checkpoints_tests.rs"]
mod tests;
