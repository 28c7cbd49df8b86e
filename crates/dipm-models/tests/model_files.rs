//! Model files: equal to those of dipm 0.0.8, strict about parameters, lenient about metadata.

#[allow(dead_code)] // no structures are needed here
mod stored;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use dipm_data::DatasetInfo;
use dipm_models::{Model, ModelConfig, NequipConfig, ParamDtype, ReferenceEnergies, Target};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

type Tensors = BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

/// Metadata, those that are JSON parsed, and tensors of a file.
fn read(bytes: &[u8]) -> (BTreeMap<String, Value>, Tensors) {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let parse = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    let metadata = header.metadata().clone().unwrap();
    let metadata = metadata
        .iter()
        .map(|(key, text)| (key.clone(), parse(text)))
        .collect();
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let tensor = |name: String, view: TensorView<'_>| {
        (
            name,
            (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
        )
    };
    (
        metadata,
        tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| tensor(name, view))
            .collect(),
    )
}

/// A file with the metadata and tensors of `nequip_small` after a change.
fn changed(
    directory: &Path,
    change: impl FnOnce(&mut HashMap<String, String>, &mut Tensors),
) -> std::path::PathBuf {
    let bytes = std::fs::read(stored::path("nequip_small/weights.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    let mut tensors = read(&bytes).1;
    change(&mut metadata, &mut tensors);
    let view = |(dtype, shape, data): &'_ (safetensors::Dtype, Vec<usize>, Vec<u8>)| {
        (*dtype, shape.clone(), data.clone())
    };
    let owned: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name, view(tensor)))
        .collect();
    let views = owned
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data)))
        .map(|(name, view)| (name.as_str(), view.unwrap()));
    let file = directory.join("changed.safetensors");
    std::fs::write(
        &file,
        safetensors::serialize(views, Some(metadata)).unwrap(),
    )
    .unwrap();
    file
}

fn edit(metadata: &mut HashMap<String, String>, key: &str, change: impl FnOnce(&mut Value)) {
    let text = metadata.get_mut(key).unwrap();
    let mut value = serde_json::from_str(text).unwrap();
    change(&mut value);
    *text = value.to_string();
}

#[test]
fn a_loaded_and_saved_file_equals_the_stored_one() {
    let directory = tempfile::tempdir().unwrap();
    for case in stored::cases().chain(stored::available(stored::RELEASED)) {
        let original = stored::path(case).join("weights.safetensors");
        let copy = directory.path().join("copy.safetensors");
        let model = Model::load(&original).unwrap();
        model.save(&copy).unwrap();
        let (original, copy) = (
            std::fs::read(original).unwrap(),
            std::fs::read(copy).unwrap(),
        );
        assert_eq!(read(&original), read(&copy), "{case}");
        let golden = stored::json(&format!("{case}/golden.json"));
        assert_eq!(golden["num_params"], model.num_parameters(), "{case}");
    }
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "temporary files are left: {left:?}");
}

#[test]
fn missing_extra_and_misshapen_parameters_are_all_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |_, tensors| {
        let moved = tensors
            .remove("nequip_model.layers.1.linear_in.kernels.1")
            .unwrap();
        tensors.insert("nequip_model.layers.7.kernel".to_owned(), moved);
        let bent = tensors
            .get_mut("nequip_model.layers.0.mlp.layers.1.kernel")
            .unwrap();
        bent.1 = vec![4, 16];
    });
    let error = Model::load(&file).unwrap_err().to_string();
    for part in [
        "`nequip_model.layers.1.linear_in.kernels.1` is missing",
        "`nequip_model.layers.7.kernel` is not part of the model",
        "`nequip_model.layers.0.mlp.layers.1.kernel` has shape [4, 16], the model needs [8, 8]",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn options_that_a_file_lacks_or_that_are_unknown_do_not_matter() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |metadata, _| {
        edit(metadata, "config", |config| {
            let config = config.as_object_mut().unwrap();
            config.remove("scalar_mlp_std").unwrap();
            config.insert("radial_envelope".to_owned(), Value::Null);
            config.insert("colour".to_owned(), json!("red"));
        });
        edit(metadata, "dataset_info", |info| {
            let info = info.as_object_mut().unwrap();
            info.remove("max_num_nodes").unwrap();
            info.insert("year".to_owned(), json!(2024));
        });
    });
    let model = Model::load(&file).unwrap();
    let ModelConfig::Nequip(config) = &model.config else {
        panic!("a file of NequIP")
    };
    assert_eq!(config.scalar_mlp_std, 4.0);
    assert_eq!(config.node_irreps, "4x0e + 4x0o + 2x1o + 2x1e");
}

#[test]
fn files_that_are_not_models_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let without = |key: &'static str| {
        let file = changed(directory.path(), |metadata, _| drop(metadata.remove(key)));
        Model::load(file).unwrap_err().to_string()
    };
    for key in ["config", "dataset_info", "predict_stress", "target"] {
        let error = without(key);
        assert!(error.contains(&format!("lack `{key}`")), "{error}");
    }
    let with = |key: &'static str, text: &'static str| {
        let file = changed(directory.path(), |metadata, _| {
            metadata.insert(key.to_owned(), text.to_owned());
        });
        Model::load(file).unwrap_err().to_string()
    };
    assert!(with("target", "schnet").contains("unknown model `schnet`"));
    assert!(with("target", "so3krates").contains("`so3krates` is not supported yet"));
    assert!(with("predict_stress", "maybe").contains("`predict_stress` is `maybe`"));
    assert!(with("config", "{").contains("`config`"));
    let text = directory.path().join("text.safetensors");
    std::fs::write(&text, "no model").unwrap();
    assert!(
        Model::load(&text)
            .unwrap_err()
            .to_string()
            .contains("not a model file")
    );
    assert!(Model::load(directory.path().join("none")).is_err());
}

fn info() -> DatasetInfo {
    let golden = stored::json("nequip_small/golden.json");
    serde_json::from_value(golden["dataset_info"].clone()).unwrap()
}

#[test]
fn every_parameter_dtype_is_written_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model.safetensors");
    for (param_dtype, name, bytes, relative) in [
        (ParamDtype::F32, safetensors::Dtype::F32, 4, 0.0),
        (ParamDtype::F64, safetensors::Dtype::F64, 8, 0.0),
        (ParamDtype::F16, safetensors::Dtype::F16, 2, 1.0 / 2048.0),
        (ParamDtype::Bf16, safetensors::Dtype::BF16, 2, 1.0 / 256.0),
    ] {
        let config = NequipConfig {
            param_dtype,
            ..NequipConfig::small()
        };
        let model = Model::new(config, info(), 3).unwrap();
        model.save(&file).unwrap();
        for (_, (dtype, shape, data)) in read(&std::fs::read(&file).unwrap()).1 {
            assert_eq!(dtype, name);
            assert_eq!(data.len(), bytes * shape.iter().product::<usize>());
        }
        let loaded = Model::load(&file).unwrap();
        assert_eq!(loaded.config, model.config);
        for (a, b) in loaded.parameters.iter().zip(&model.parameters) {
            assert_eq!(a.values.precision(), param_dtype.precision());
            for (x, y) in a.values.iter().zip(b.values.iter()) {
                let bound = relative * y.abs() + relative * 1e-4;
                assert!((x - y).abs() <= bound, "{x} {y}");
                assert_eq!(x, param_dtype.round(y));
            }
        }
        // What was rounded once stays.
        loaded.save(&file).unwrap();
        assert_eq!(Model::load(&file).unwrap(), loaded);
    }
}

#[test]
fn maps_of_atomic_energies_are_kept_by_species_in_files_and_by_element_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |metadata, _| {
        edit(metadata, "config", |config| {
            config["atomic_energies"] = json!({"0": -1.0, "2": -3.0, "9": 5.0});
        });
    });
    let model = Model::load(&file).unwrap();
    let expected = BTreeMap::from([(1, -1.0), (8, -3.0)]);
    let custom = ReferenceEnergies::Custom(expected);
    assert_eq!(model.config.atomic_energies(), Some(&custom));
    // As dipm 0.0.8 does: an element that the map of a file lacks has the energy 0.
    assert_eq!(
        model.reference_energies(0),
        BTreeMap::from([(1, -1.0), (6, 0.0), (8, -3.0)])
    );
    let config = read(&model.to_bytes()).0["config"].clone();
    assert_eq!(config["atomic_energies"], json!({"0": -1.0, "2": -3.0}));
}

#[test]
fn a_new_model_needs_an_energy_for_each_element() {
    let config = |energies| NequipConfig {
        atomic_energies: Some(energies),
        ..NequipConfig::small()
    };
    let some = ReferenceEnergies::Custom(BTreeMap::from([(1, -1.0), (8, -2.0)]));
    let error = Model::new(config(some), info(), 0).unwrap_err().to_string();
    assert!(error.contains("no atomic energy for C"), "{error}");
    let zero = Model::new(config(ReferenceEnergies::Zero), info(), 0).unwrap();
    assert!(
        zero.reference_energies(0)
            .values()
            .all(|energy| *energy == 0.0)
    );
}

#[test]
fn a_save_that_fails_leaves_the_old_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let model = Model::new(NequipConfig::small(), info(), 1).unwrap();
    let target = directory.path().join("folder");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("inside"), "x").unwrap();
    assert!(model.save(&target).is_err());
    assert!(target.join("inside").exists());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn parameters_start_with_the_statistics_of_dipm_0_0_8() {
    for target in Target::ALL {
        check_start(*target);
    }
}

/// Compares mean and standard deviation of every parameter with those of a model of dipm 0.0.8.
fn check_start(target: Target) {
    let stored = stored::json(&format!("{}_init_stats.json", target.name()));
    let mut info = info();
    info.cutoff_distance_angstrom = 5.0;
    let map = (1..=20).map(|z| (z, 0.0)).collect();
    info.atomic_energies_map = dipm_data::AtomicEnergies::Single(map);
    let config = target.read_config(stored["config"].clone()).unwrap();
    let model = Model::new(config, info, 5).unwrap();
    assert_eq!(stored["num_params"], model.num_parameters());
    let params = stored["params"].as_object().unwrap();
    assert_eq!(params.len(), model.parameters.len());
    for parameter in &model.parameters {
        let name = &parameter.name;
        let stored = &params[name];
        assert_eq!(stored["shape"], json!(parameter.shape), "{name}");
        let n = parameter.values.len() as f64;
        let mean = parameter.values.iter().sum::<f64>() / n;
        let squares = parameter.values.iter().map(|x| x.powi(2));
        let std = (squares.sum::<f64>() / n - mean * mean).sqrt();
        let stored_std = stored["std"].as_f64().unwrap();
        // Both are samples: five standard errors of each. Constants agree exactly.
        let room = 5.0 * (2.0 / (2.0 * n)).sqrt() * stored_std.max(std);
        assert!(
            (std - stored_std).abs() <= room + 1e-6 * stored["mean"].as_f64().unwrap().abs(),
            "{}: {std} {stored_std}",
            parameter.name
        );
        // Scales, biases and radial functions start from fixed numbers.
        let stored_mean = stored["mean"].as_f64().unwrap();
        let mean_room = 5.0 * (2.0 / n).sqrt() * std + 1e-6 * stored_mean.abs();
        assert!(
            (mean - stored_mean).abs() <= mean_room,
            "{}: mean {mean} {stored_mean}",
            parameter.name
        );
    }
}
