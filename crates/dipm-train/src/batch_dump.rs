//! A batch on which training failed, on disk with all that it takes to compute it again.

use std::fs;
use std::path::{Path, PathBuf};

use dipm_data::Batch;
use dipm_field::Half;
use dipm_models::{Model, NoiseKey};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, ParameterLayout};
use crate::loss::{LossConfig, LossWeights};
use crate::{Real, TrainError};

/// Version of the layout; a reader refuses a later one.
const FORMAT: u32 = 1;
/// The batch and how it was computed.
const BATCH: &str = "batch.json";
/// The parameters in the number type of the training.
const PARAMETERS: &str = "parameters.safetensors";
/// The model, with parameters of 32 bits.
const MODEL: &str = "model.safetensors";

/// What a batch is computed from, but for the model and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchDump {
    /// Version of the layout.
    pub format: u32,
    /// Version of the program that wrote it.
    pub program_version: String,
    /// Number type of the computation: `F32`, `F64`, or `BF16` or `F16` for values kept in 16 bits.
    pub dtype: String,
    /// `loss` or `gradient`, whichever was not finite.
    pub quantity: String,
    /// NaN or infinite.
    pub value: String,
    /// The loss.
    pub loss: LossConfig,
    /// Its weights for this batch.
    pub weights: LossWeights,
    /// Which random numbers took part; epoch and batch count from 0.
    pub noise: NoiseKey,
    /// The batch with its labels.
    pub batch: Batch,
}

impl BatchDump {
    /// A dump of this version.
    pub(crate) fn new(
        dtype: String,
        (quantity, value): (&str, f64),
        loss: &LossConfig,
        weights: &LossWeights,
        noise: NoiseKey,
        batch: &Batch,
    ) -> Self {
        Self {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            dtype,
            quantity: quantity.to_owned(),
            value: value.to_string(),
            loss: loss.clone(),
            weights: *weights,
            noise,
            batch: batch.clone(),
        }
    }

    /// The format that values were kept in, if not that of the operations.
    pub fn storage(&self) -> Option<Half> {
        match self.dtype.as_str() {
            "BF16" => Some(Half::Bfloat16),
            "F16" => Some(Half::Float16),
            _ => None,
        }
    }

    /// Its directory below the output directory of a run.
    pub(crate) fn directory(&self, output: &Path) -> PathBuf {
        let NoiseKey { epoch, batch, .. } = self.noise;
        output
            .join("non_finite")
            .join(format!("epoch_{}_batch_{batch}", epoch + 1))
    }

    /// Writes batch, model and parameters, in place of an earlier dump.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn write<T: Real>(
        &self,
        directory: &Path,
        model: &Model,
        layout: &ParameterLayout,
        parameters: &[T],
    ) -> Result<(), TrainError> {
        fs::create_dir_all(directory).map_err(TrainError::io("create", directory))?;
        model.save(directory.join(MODEL))?;
        let path = directory.join(PARAMETERS);
        checkpoint::write_tensors(&path, layout, &[("parameters", parameters)])?;
        let path = directory.join(BATCH);
        let text = serde_json::to_string(self).expect("a batch is numbers, texts and lists");
        fs::write(&path, text).map_err(TrainError::io("write", &path))
    }

    /// Reads a dump and its model.
    ///
    /// # Errors
    /// [`TrainError::Io`], [`TrainError::Checkpoint`] for a file that is not such a dump or of a
    /// later version, [`TrainError::Model`].
    pub fn read(directory: &Path) -> Result<(Self, Model), TrainError> {
        let path = directory.join(BATCH);
        let text = fs::read_to_string(&path).map_err(TrainError::io("read", &path))?;
        let damaged = |error: serde_json::Error| {
            TrainError::checkpoint(&path, format!("it is damaged: {error}"))
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        if value["format"]
            .as_u64()
            .is_some_and(|f| f > u64::from(FORMAT))
        {
            let problem = "it was written by a newer version; update";
            return Err(TrainError::checkpoint(&path, problem));
        }
        let dump = serde_json::from_value(value).map_err(damaged)?;
        Ok((dump, Model::load(directory.join(MODEL))?))
    }

    /// Reads the parameters, flat, in the order of `layout`.
    ///
    /// # Errors
    /// [`TrainError::Io`] and [`TrainError::Checkpoint`].
    pub fn read_parameters<T: Real>(
        directory: &Path,
        layout: &ParameterLayout,
    ) -> Result<Vec<T>, TrainError> {
        checkpoint::read_tensors(&directory.join(PARAMETERS), layout, "parameters")
    }
}
