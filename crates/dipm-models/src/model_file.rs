//! Model files: safetensors with the metadata of dipm 0.0.8.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use dipm_data::{DatasetInfo, SpeciesTable};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::{Model, ModelConfig, ModelError, ParamDtype, Parameter, Precision, Target, Values};

impl Model {
    /// Reads a model file.
    ///
    /// Options and facts that the file lacks take their defaults, unknown ones are ignored, as the
    /// format asks. The parameters must be those of the model: none missing, none more, same
    /// shapes. Values are held in the precision of the option `param_dtype`, those of 16 bits in f32.
    ///
    /// Keys of an `atomic_energies` map are species indices in files (dipm 0.0.8 looks them up so)
    /// and atomic numbers in memory; they are converted here and in [`Model::save`].
    ///
    /// # Errors
    /// [`ModelError::Io`], [`ModelError::NotAModelFile`], [`ModelError::UnknownTarget`],
    /// [`ModelError::UnsupportedTarget`], [`ModelError::Config`], [`ModelError::Dataset`] and
    /// [`ModelError::Parameters`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| ModelError::io(path, e))?;
        let damaged = |reason: String| ModelError::NotAModelFile {
            path: path.to_owned(),
            reason,
        };
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let target = metadata
            .get("target")
            .ok_or_else(|| damaged(lacks("target")))?;
        let target: Target = target.parse()?;
        let (config, dataset_info, predict_stress) =
            read_metadata(target, &metadata, &tensors).map_err(damaged)?;
        let specs = config.build(&dataset_info)?.parameters();
        let precision = config.param_dtype().precision();
        let mut parameters = Vec::with_capacity(specs.len());
        let mut problems = Vec::new();
        for spec in &specs {
            match tensors.tensor(&spec.name) {
                Err(_) => problems.push(format!("`{}` is missing", spec.name)),
                Ok(tensor) if tensor.shape() != spec.shape => problems.push(format!(
                    "`{}` has shape {:?}, the model needs {:?}",
                    spec.name,
                    tensor.shape(),
                    spec.shape
                )),
                Ok(tensor) => match values(&tensor, precision) {
                    Ok(values) => parameters.push(Parameter {
                        name: spec.name.clone(),
                        shape: spec.shape.clone(),
                        values,
                    }),
                    Err(reason) => problems.push(format!("`{}` {reason}", spec.name)),
                },
            }
        }
        let mut extra: Vec<&str> = tensors.names();
        extra.retain(|name| specs.iter().all(|spec| spec.name != *name));
        extra.sort_unstable();
        problems.extend(
            extra
                .iter()
                .map(|name| format!("`{name}` is not part of the model")),
        );
        if !problems.is_empty() {
            let path = path.to_owned();
            return Err(ModelError::Parameters { path, problems });
        }
        Ok(Self {
            config,
            dataset_info,
            predict_stress,
            parameters,
        })
    }

    /// Writes a model file: to a temporary file beside it first, so that no reader ever sees half a
    /// model. Equal models give equal bytes.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let path = path.as_ref();
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let partial = path.with_file_name(name);
        let write = || {
            let mut file = File::create(&partial)?;
            file.write_all(&self.to_bytes())?;
            file.sync_all()?;
            std::fs::rename(&partial, path)
        };
        write().map_err(|e| {
            // The first error is the one to report; the remains may not exist at all.
            let _ = std::fs::remove_file(&partial);
            ModelError::io(path, e)
        })
    }

    /// The content of the model file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let dtype = self.config.param_dtype();
        let mut sorted: Vec<&Parameter> = self.parameters.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        let mut header = Map::new();
        header.insert("__metadata__".to_owned(), self.metadata());
        let mut data = Vec::new();
        for parameter in sorted {
            let start = data.len();
            write_values(&mut data, dtype, &parameter.values);
            let entry = json!({
                "dtype": dtype_name(dtype),
                "shape": parameter.shape,
                "data_offsets": [start, data.len()],
            });
            header.insert(parameter.name.clone(), entry);
        }
        let mut text = Value::Object(header).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text);
        bytes.extend(data);
        bytes
    }

    fn metadata(&self) -> Value {
        let mut config = self.config.to_json();
        let species = self.species();
        rename_energy_keys(&mut config, |key| {
            let z = dipm_data::atomic_number(key)?;
            species.species(z).map(|index| index.to_string())
        });
        let info = serde_json::to_string(&self.dataset_info)
            .expect("facts about a dataset are numbers, strings and maps");
        json!({
            "config": config.to_string(),
            "dataset_info": info,
            "predict_stress": self.predict_stress.to_string(),
            "target": self.config.target().name(),
        })
    }
}

/// Whole numbers up to this are never too large for a file: they may be no widths.
const SMALLEST_LIMIT: usize = 1024;

fn lacks(key: &str) -> String {
    format!("its metadata lack `{key}`")
}

/// Options, facts about the data, and whether stress is predicted; the error is a sentence.
fn read_metadata(
    target: Target,
    metadata: &HashMap<String, String>,
    tensors: &SafeTensors,
) -> Result<(ModelConfig, DatasetInfo, bool), String> {
    let text = |key: &str| metadata.get(key).ok_or_else(|| lacks(key));
    let info = DatasetInfo::from_json(text("dataset_info")?)
        .map_err(|e| format!("`dataset_info`: {e}"))?;
    let written: Map<String, Value> =
        serde_json::from_str(text("config")?).map_err(|e| format!("`config`: {e}"))?;
    let mut config = target.default_config().to_json();
    let known = config.as_object_mut().expect("options are an object");
    let sizes = tensors
        .iter()
        .map(|(_, tensor)| tensor.shape().iter().product());
    let largest_tensor = sizes.max().unwrap_or(0usize).max(SMALLEST_LIMIT);
    // 0.0.8 writes null for "automatic" even where it does not accept it.
    for (key, value) in written {
        // a layer has tensors of its own, and a width is a side of one
        let limit = match key.ends_with("_layers") || key == "num_readout_heads" {
            true => tensors.len(),
            false => largest_tensor,
        };
        if largest_number(&value) > limit as u64 {
            return Err(format!(
                "`config`: `{key}` is {value}, too large for the tensors in the file"
            ));
        }
        match known.get_mut(&key) {
            Some(default) if !value.is_null() || target.takes_null(&key) => *default = value,
            Some(_) => {}
            None => tracing::debug!(key, "option of the model file is not known, ignored"),
        }
    }
    let species = SpeciesTable::from_info(&info);
    rename_energy_keys(&mut config, |key| {
        let z = species.atomic_numbers().get(key.parse::<usize>().ok()?)?;
        Some(z.to_string())
    });
    let config = target
        .read_config(config)
        .map_err(|e| format!("`config`: {e}"))?;
    let stress = text("predict_stress")?;
    let stress = stress
        .parse()
        .map_err(|_| format!("`predict_stress` is `{stress}`"))?;
    Ok((config, info, stress))
}

/// The largest whole number in a value, also within a text such as `64x0e + 32x1o`.
///
/// Sizes of a model multiply to what is allocated before a tensor is looked at, so they are held against
/// the tensors first.
fn largest_number(value: &Value) -> u64 {
    let in_text = |text: &str| {
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        let parsed = numbers
            .filter(|digits| !digits.is_empty())
            .map(|digits| digits.parse().unwrap_or(u64::MAX));
        parsed.max().unwrap_or(0)
    };
    match value {
        Value::Number(number) => number.as_u64().unwrap_or(0),
        Value::String(text) => in_text(text),
        Value::Array(values) => values.iter().map(largest_number).max().unwrap_or(0),
        Value::Object(_) | Value::Null | Value::Bool(_) => 0,
    }
}

/// Gives the keys of an `atomic_energies` map new names; entries without one are dropped.
fn rename_energy_keys(config: &mut Value, rename: impl Fn(&str) -> Option<String>) {
    if let Some(Value::Object(map)) = config.get_mut("atomic_energies") {
        let entries = std::mem::take(map);
        let renamed = entries
            .into_iter()
            .filter_map(|(key, v)| Some((rename(&key)?, v)));
        let sorted: BTreeMap<usize, (String, Value)> = renamed
            .filter_map(|(key, value)| Some((key.parse().ok()?, (key, value))))
            .collect();
        map.extend(sorted.into_values());
    }
}

fn dtype_name(dtype: ParamDtype) -> &'static str {
    match dtype {
        ParamDtype::F32 => "F32",
        ParamDtype::F16 => "F16",
        ParamDtype::Bf16 => "BF16",
        ParamDtype::F64 => "F64",
    }
}

fn write_values(data: &mut Vec<u8>, dtype: ParamDtype, values: &Values) {
    let values = values.iter();
    let single = values.clone().map(|value| value as f32);
    match dtype {
        ParamDtype::F32 => data.extend(single.flat_map(f32::to_le_bytes)),
        ParamDtype::F16 => data.extend(single.flat_map(|x| f16::from_f32(x).to_le_bytes())),
        ParamDtype::Bf16 => data.extend(single.flat_map(|x| bf16::from_f32(x).to_le_bytes())),
        ParamDtype::F64 => data.extend(values.flat_map(f64::to_le_bytes)),
    }
}

/// The numbers of a tensor in the precision that the options say; the error is a phrase.
fn values(tensor: &TensorView<'_>, precision: Precision) -> Result<Values, String> {
    let data = tensor.data();
    let halves = data.as_chunks::<2>().0.iter();
    let singles = data.as_chunks::<4>().0.iter();
    let doubles = data.as_chunks::<8>().0.iter();
    let values = match tensor.dtype() {
        Dtype::F32 => Values::new(
            precision,
            singles.map(|b| f64::from(f32::from_le_bytes(*b))),
        ),
        Dtype::F64 => {
            let exact = doubles.map(|b| f64::from_le_bytes(*b));
            let values = Values::new(precision, exact.clone());
            if !values.iter().eq(exact) {
                tracing::warn!("`param_dtype` is not float64: parameters are rounded to 32 bits");
            }
            values
        }
        Dtype::F16 => Values::new(precision, halves.map(|b| f16::from_le_bytes(*b).to_f64())),
        Dtype::BF16 => Values::new(precision, halves.map(|b| bf16::from_le_bytes(*b).to_f64())),
        other => {
            return Err(format!(
                "has dtype {other:?}, expected F32, F64, F16 or BF16"
            ));
        }
    };
    Ok(values)
}
