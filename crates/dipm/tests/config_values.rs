//! Defaults and spellings of the configuration, and the resolved file.

use std::path::{Path, PathBuf};

use dipm::config::schema::Section;
use dipm::config::{Overrides, read};
use dipm::run_config::{ComputeType, RunConfig};
use dipm_data::{Amount, DatasetOptions, DatasetPaths, LabelKeys, Splits};
use dipm_models::{ModelConfig, NequipConfig, ReferenceEnergies, Target};
use dipm_train::{CheckpointConfig, LossKind, OptimizerConfig, TrainingLoopConfig};

/// Reads a configuration of minimal content with lines added to the sections.
fn read_with(model: &str, dataset: &str, train: &str) -> Result<RunConfig, String> {
    let folder = folder();
    let indent = |lines: &str| {
        lines
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect::<String>()
    };
    let [model, dataset, train] = [model, dataset, train].map(indent);
    let valid = match dataset.contains("dataset_splits") {
        true => "",
        false => "  valid_dataset_paths: valid.xyz\n",
    };
    let loss = if train.contains("loss:") {
        ""
    } else {
        "  loss: mse\n"
    };
    let target = if model.contains("target:") {
        ""
    } else {
        "  target: NequIP\n"
    };
    let yaml = format!(
        "model:\n{target}{model}dataset:\n  train_dataset_paths: train.xyz\n{valid}{dataset}train:\n{loss}  \
         num_epochs: 100\n  save_path: out.safetensors\n{train}"
    );
    read_text(folder.path(), &yaml)
}

fn read_text(folder: &Path, yaml: &str) -> Result<RunConfig, String> {
    let path = folder.join("train.yaml");
    std::fs::write(&path, yaml).unwrap();
    read(&path, &Overrides::default()).map_err(|error| error.to_string())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train.xyz", "valid.xyz"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    folder
}

fn nequip(config: &RunConfig) -> &NequipConfig {
    let ModelConfig::Nequip(config) = &config.model.config else {
        panic!("{:?}", config.model.config)
    };
    config
}

#[test]
fn what_is_left_out_has_the_default_of_the_crates() {
    let config = read_with("", "", "").unwrap();
    assert_eq!(nequip(&config), &NequipConfig::default());
    assert_eq!(
        (config.model.seed, config.model.predict_stress),
        (42, false)
    );
    let train = &config.train;
    assert_eq!(train.optimizer, OptimizerConfig::default());
    assert_eq!(train.training, TrainingLoopConfig::new(100));
    assert_eq!(train.checkpoints, CheckpointConfig::default());
    assert_eq!(train.loss, dipm_train::LossConfig::new(LossKind::Mse));
    assert_eq!(
        (train.extended_metrics, train.report, train.dtype),
        (false, true, ComputeType::F32)
    );
    let dataset = &config.dataset;
    let mut expected = DatasetOptions::new(dataset.options.train.clone());
    (expected.valid, expected.seed) = (dataset.options.valid.clone(), 42);
    assert_eq!(format!("{:?}", dataset.options), format!("{expected:?}"));
    assert_eq!((dataset.shuffle, dataset.load_into_memory), (true, false));
    assert_eq!(
        (dataset.num_workers, dataset.num_batch_prefetch),
        (None, 128)
    );
}

#[test]
fn defaults_of_the_table_are_those_of_the_models() {
    for target in Target::ALL {
        let defaults = target.default_config().to_json();
        for (key, value) in defaults.as_object().unwrap() {
            let row = Section::Model
                .key(key)
                .unwrap_or_else(|| panic!("no row for {key}"));
            let shown = value.as_str().map_or(value.to_string(), str::to_owned);
            let shown = match shown.replace('"', "").replace(',', ", ").as_str() {
                "f32" => "float32".to_owned(),
                shown => shown.to_owned(),
            };
            match row.default_yaml() {
                Some(default) if !value.is_null() => assert_eq!(default, shown, "{key}"),
                Some(default) => assert!(["null", "average"].contains(&default), "{key}"),
                // words, for what depends on the architecture, the data or another key
                None => assert!(row.default.starts_with('('), "{key}"),
            }
        }
    }
}

#[test]
fn every_architecture_can_be_configured() {
    for (model, found) in [
        (
            "target: MACE\nnum_channels: 8\nreadout_irreps: [4x0e, 0e]\nnode_symmetry: 1",
            "mace",
        ),
        (
            "target: ViSNet\nvecnorm_type: MaxMin\nattn_activation: tanh",
            "visnet",
        ),
        ("target: li_ten\ncharge_range: 2\nnum_heads: 4", "liten"),
    ] {
        let config = read_with(model, "", "").unwrap();
        assert_eq!(config.model.config.target().name(), found);
        let again = config.to_yaml();
        assert!(again.contains("num_channels"), "{again}");
    }
    assert!(read_with("target: MACE\nnum_rbf: 8", "", "").is_err());
    assert!(read_with("target: ViSNet\nnode_irreps: 8x0e", "", "").is_err());
}

#[test]
fn null_is_the_same_as_leaving_a_key_out() {
    let plain = read_with("", "", "").unwrap().to_yaml();
    for (section, keys) in [
        (0, Section::Model.keys()),
        (1, Section::Dataset.keys()),
        (2, Section::Train.keys()),
    ] {
        let given = [
            "target",
            "train_dataset_paths",
            "valid_dataset_paths",
            "dataset_splits",
            "loss",
            "num_epochs",
            "save_path",
        ];
        for key in keys.iter().filter(|key| !given.contains(&key.name)) {
            for null in ["null", "~", ""] {
                let mut lines = [String::new(), String::new(), String::new()];
                lines[section] = format!("{}: {null}", key.name);
                let config = read_with(&lines[0], &lines[1], &lines[2]).unwrap();
                let without_folder = |yaml: &str| {
                    let kept = |line: &&str| !line.contains("_dataset_paths");
                    yaml.lines().filter(kept).collect::<Vec<_>>().join("\n")
                };
                assert_eq!(
                    without_folder(&config.to_yaml()),
                    without_folder(&plain),
                    "{}",
                    key.name
                );
            }
        }
    }
}

#[test]
fn spellings_of_numbers() {
    for (text, expected) in [
        ("1e-4", Some(1e-4)),
        ("1E-4", Some(1e-4)),
        ("\"0.5\"", Some(0.5)),
        ("'1e-3'", Some(1e-3)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("+3", Some(3.0)),
        ("1_000.5", Some(1000.5)),
        ("1_", None),
        ("_1", None),
        ("0", None),
        (".nan", None),
        (".inf", None),
        ("1e400", None),
        ("inf", None),
        ("0x10", None),
        ("true", None),
        ("1 2", None),
    ] {
        let found = read_with("", "", &format!("peak_learning_rate: {text}"));
        assert_eq!(
            found.ok().map(|c| c.train.optimizer.peak_learning_rate),
            expected,
            "{text}"
        );
    }
    let clipping = read_with("", "", "grad_norm: .inf").unwrap();
    assert_eq!(clipping.train.optimizer.grad_norm, f64::INFINITY);
}

#[test]
fn spellings_of_whole_numbers() {
    for (text, expected) in [
        ("16", Some(16)),
        ("16.0", Some(16)),
        ("\"16\"", Some(16)),
        ("1.6e1", Some(16)),
        ("1_600", Some(1600)),
        ("16.5", None),
        ("0", None),
        ("-1", None),
        ("true", None),
        ("010", None),
        ("1e30", None),
        ("99999999999999999999", None),
    ] {
        let found = read_with("", &format!("batch_size: {text}"), "");
        assert_eq!(
            found.ok().map(|c| c.dataset.options.batch_size),
            expected,
            "{text}"
        );
    }
}

#[test]
fn spellings_of_true_and_false() {
    for (truth, texts) in [
        (
            true,
            [
                "true", "True", "yes", "YES", "on", "t", "y", "1", "\"true\"", "'on'",
            ],
        ),
        (
            false,
            [
                "false",
                "FALSE",
                "no",
                "No",
                "off",
                "f",
                "n",
                "0",
                "\"false\"",
                "'Off'",
            ],
        ),
    ] {
        for text in texts {
            let config = read_with("", &format!("shuffle: {text}"), "").unwrap();
            assert_eq!(config.dataset.shuffle, truth, "{text}");
        }
    }
    for text in ["2", "perhaps", "\"\"", "1.0"] {
        assert!(
            read_with("", &format!("shuffle: {text}"), "").is_err(),
            "{text}"
        );
    }
}

#[test]
fn names_of_losses_architectures_and_words_ignore_case_and_underscores() {
    for (kind, names) in [
        (LossKind::Mse, ["mse", "MSE", "MSELoss", "mse_loss"]),
        (
            LossKind::Huber,
            ["huber", "Huber", "HuberLoss", "huber_loss"],
        ),
        (
            LossKind::L2mae,
            ["l2mae", "l2_mae", "L2MAELoss", "L2_MAE_Loss"],
        ),
    ] {
        for name in names {
            let config = read_with("", "", &format!("loss: {name}")).unwrap();
            assert_eq!(config.train.loss.kind, kind, "{name}");
        }
    }
    for name in ["nequip", "NEQUIP", "NequIP", "Neq_UIP"] {
        read_with(&format!("target: {name}"), "", "").unwrap();
    }
    let config = read_with(
        "radial_envelope: Polynomial_Envelope\nradial_net_nonlinearity: SiLU\nparam_dtype: F32",
        "",
        "",
    );
    assert_eq!(nequip(&config.unwrap()), &NequipConfig::default());
}

#[test]
fn amounts_and_splits_are_counts_or_fractions_as_in_version_0_0_8() {
    for (text, expected) in [
        ("1", Some(Amount::Count(1))),
        ("2.0", Some(Amount::Count(2))),
        ("100", Some(Amount::Count(100))),
        ("1.0", Some(Amount::Fraction(1.0))),
        ("0.25", Some(Amount::Fraction(0.25))),
        ("\"0.5\"", Some(Amount::Fraction(0.5))),
        ("1.5", None),
        ("-1", None),
        ("0", None),
    ] {
        let found = read_with("", &format!("train_num_to_load: {text}"), "");
        assert_eq!(
            found.ok().and_then(|c| c.dataset.options.num_to_load[0]),
            expected,
            "{text}"
        );
    }
    for (text, expected) in [
        ("[8, 1, 1]", Some(Splits::Counts([8, 1, 1]))),
        ("[8.0, 1.0, 1.0]", Some(Splits::Counts([8, 1, 1]))),
        ("[0.8, 0.1, 0.1]", Some(Splits::Fractions([0.8, 0.1, 0.1]))),
        ("[0.5, 0.5, 0]", Some(Splits::Fractions([0.5, 0.5, 0.0]))),
        (
            "[450, 50, 0]\ntest_dataset_paths: valid.xyz",
            Some(Splits::Counts([450, 50, 0])),
        ),
        ("[1, 1, 0]", Some(Splits::Counts([1, 1, 0]))),
        ("[0.8, 0.1, 2]", None),
        ("[8, 2]", None),
        ("0.8", None),
    ] {
        let found = read_with("", &format!("dataset_splits: {text}"), "");
        assert_eq!(
            found.ok().and_then(|c| c.dataset.options.splits),
            expected,
            "{text}"
        );
    }
}

#[test]
fn number_types_are_read_in_both_sections() {
    let dtype = |model, train| read_with(model, "", train).map(|c| c.train.dtype);
    assert_eq!(dtype("dtype: f64", ""), Ok(ComputeType::F64));
    assert_eq!(dtype("", "dtype: Float64"), Ok(ComputeType::F64));
    assert_eq!(dtype("dtype: float64", "dtype: f64"), Ok(ComputeType::F64));
    assert_eq!(dtype("param_dtype: f32", ""), Ok(ComputeType::F32));
    assert_eq!(dtype("param_dtype: f64", ""), Ok(ComputeType::F64));
    assert_eq!(dtype("param_dtype: bf16", ""), Ok(ComputeType::Bf16));
    assert_eq!(dtype("param_dtype: half", ""), Ok(ComputeType::F16));
    assert_eq!(
        dtype("param_dtype: bf16", "dtype: float32"),
        Ok(ComputeType::F32)
    );
    assert_eq!(dtype("dtype: BFloat16", ""), Ok(ComputeType::Bf16));
    assert!(dtype("dtype: f64", "dtype: f32").is_err());
}

#[test]
fn stages_and_weights() {
    let loss = |train: &str| read_with("", "", train).unwrap();
    let staged =
        loss("stage_splits: [0.29, 0.71]\nenergy_weights: [1, 25]\nforces_weights: [25, 1e0]");
    // truncated like the binary product, 0.29 · 100 = 28.999…
    assert_eq!(staged.train.loss.stages[0].last_epoch, Some(28));
    assert_eq!(staged.train.loss.weights(28).forces, 25.0);
    assert_eq!(staged.train.loss.weights(29).energy, 25.0);
    assert!(!staged.model.predict_stress && !staged.dataset.options.required.stress);
    let stress = loss("stress_weights: 10\nforces_weights: [5, 5]");
    let weights = stress.train.loss.weights(1);
    assert_eq!(
        (weights.energy, weights.forces, weights.stress),
        (1.0, 5.0, 10.0)
    );
    assert!(stress.model.predict_stress && stress.dataset.options.required.stress);
    let energies = loss("forces_weights: 0");
    assert!(energies.dataset.options.required.energy && !energies.dataset.options.required.forces);
}

#[test]
fn label_keys_replace_the_usual_ones() {
    let keys = |lines| read_with("", lines, "").unwrap().dataset.options.label_keys;
    let usual = LabelKeys::default();
    assert_eq!(
        keys("energy_key: E0"),
        LabelKeys {
            energy: vec!["E0".into()],
            ..usual.clone()
        }
    );
    assert_eq!(keys("forces_key: [f, g]").forces, ["f", "g"]);
    let virial = keys("virial_key: w");
    assert_eq!(
        (virial.stress.len(), virial.virial),
        (0, vec!["w".to_owned()])
    );
    assert_eq!(virial.energy, usual.energy);
}

#[test]
fn keys_without_effect_are_checked_and_accepted() {
    for train in [
        "warmup_scan: false",
        "warmup_scan: {train: [1, 16, 300], validation: [1, 4, 80]}",
    ] {
        read_with("", "use_shared_memory: true", train).unwrap();
    }
    assert!(read_with("", "use_shared_memory: often", "").is_err());
    assert!(read_with("", "", "warmup_scan: {train: [1, 16]}").is_err());
    assert!(read_with("", "", "warmup_scan: {valid: [1, 16, 3]}").is_err());
}

#[test]
fn energies_of_atoms_are_a_word_or_a_map() {
    let energies = |text: &str| {
        read_with(&format!("atomic_energies: {text}"), "", "")
            .map(|c| nequip(&c).atomic_energies.clone())
    };
    assert_eq!(energies("zero"), Ok(Some(ReferenceEnergies::Zero)));
    assert_eq!(energies("Average"), Ok(Some(ReferenceEnergies::Average)));
    let map = [(1, -13.6), (8, -2042.0)].into_iter().collect();
    assert_eq!(
        energies("{H: -13.6, 8: -2042}"),
        Ok(Some(ReferenceEnergies::Custom(map)))
    );
    for bad in ["mean", "{Q: 1}", "{H: hot}", "{H: 1, 1: 2}", "3"] {
        assert!(energies(bad).is_err(), "{bad}");
    }
    read_with("atomic_energies: zero", "use_formation_energies: true", "").unwrap();
}

#[test]
fn paths_are_looked_for_beside_the_file_and_replaced_by_the_command_line() {
    let folder = folder();
    let yaml = "model: {target: nequip}\ndataset:\n  train_dataset_paths: [gone.xyz]\n  valid_dataset_paths: gone.xyz\n\
                train: {loss: mse, num_epochs: 1, save_path: out.safetensors}\n";
    let path = folder.path().join("train.yaml");
    let given = |name: &str| Some(folder.path().join(name));
    let overrides = Overrides {
        train_data: given("train.xyz"),
        valid_data: given("valid.xyz"),
        test_data: given("valid.xyz"),
        ..Overrides::default()
    };
    let without = yaml
        .lines()
        .filter(|line| !line.contains("data"))
        .collect::<Vec<_>>()
        .join("\n");
    for text in [yaml, without.as_str()] {
        std::fs::write(&path, text).unwrap();
        let config = read(&path, &overrides).unwrap_or_else(|e| panic!("{e}"));
        let options = &config.dataset.options;
        assert_eq!(
            options.train,
            DatasetPaths::single(folder.path().join("train.xyz"))
        );
        assert_eq!(
            options.test,
            Some(DatasetPaths::single(folder.path().join("valid.xyz")))
        );
    }
    let config = read_text(folder.path(), &yaml.replace("gone", "train")).unwrap();
    assert_eq!(
        config.dataset.options.train,
        DatasetPaths::single(folder.path().join("train.xyz"))
    );
    assert_eq!(config.train.save_path, PathBuf::from("out.safetensors"));
}

#[test]
fn the_command_line_sets_keys() {
    let folder = folder();
    let path = folder.path().join("train.yaml");
    let yaml = "model: {target: nequip}\ndataset:\n  train_dataset_paths: train.xyz\n  \
                valid_dataset_paths: valid.xyz\n  batch_size: 4\ntrain: {loss: mse, save_path: m, num_epochs: 9}\n";
    let read_set = |yaml: &str, set: &[&str]| {
        std::fs::write(&path, yaml).unwrap();
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        let overrides = Overrides {
            set,
            ..Overrides::default()
        };
        read(&path, &overrides).unwrap_or_else(|e| panic!("{e}"))
    };
    let config = read_set(
        yaml,
        &[
            "train.num_epochs=3",
            "dataset.batch_size=1_6",
            "model.l_max=1",
            "model.atomic_energies={H: -13.6, 8: -2042}",
            "train.stage_splits=[0.5, 0.5]",
            "train.energy_weights=[1, 2]",
            "train.forces_weights=[2, 1]",
            "train.save_path=a = b.safetensors",
        ],
    );
    let train = &config.train;
    assert_eq!((train.training.num_epochs, train.loss.stages.len()), (3, 2));
    assert_eq!(config.dataset.options.batch_size, 16);
    assert_eq!(nequip(&config).l_max, 1);
    assert_eq!(train.save_path, PathBuf::from("a = b.safetensors"));
    // what is saved beside checkpoints says it too
    assert!(config.to_yaml().contains("\n  num_epochs: 3\n"));
    // nothing after the sign takes a key away, as `null` does
    let plain = read_set(yaml, &["dataset.batch_size="]);
    assert_eq!(plain.dataset.options.batch_size, 16);
    // a section can come from the command line as a whole
    let (without, _) = yaml.split_once("train:").unwrap();
    let set = ["train.loss=mse", "train.save_path=m", "train.num_epochs=2"];
    assert_eq!(read_set(without, &set).train.training.num_epochs, 2);
    let set = [&set[..], &["model.target=mace"]].concat();
    let bare = without.replace("model: {target: nequip}", "model:");
    assert_eq!(read_set(&bare, &set).model.config.target(), Target::Mace);
}

#[test]
fn anchors_and_flow_style_are_read() {
    let folder = folder();
    let yaml = "# a run\nmodel: {target: nequip, seed: &seed 7}\ndataset:\n  seed: *seed\n  train_dataset_paths:\n  - \
                train.xyz\n  - valid.xyz\n  valid_dataset_paths: &v valid.xyz\n  test_dataset_paths: *v\ntrain: {loss: \
                mse, num_epochs: 1,\n  save_path: \"ä ö.safetensors\"}\n";
    let config = read_text(folder.path(), yaml).unwrap();
    assert_eq!((config.model.seed, config.dataset.options.seed), (7, 7));
    assert_eq!(config.train.save_path, PathBuf::from("ä ö.safetensors"));
}

#[test]
fn the_logged_configuration_is_that_of_the_resolved_file() {
    let train = "tensorboard: ./runs/a\nwandb: ethanol\ngrad_norm: .inf\nstage_splits: [0.5, 0.5]\n\
                 energy_weights: [1, 2]\nforces_weights: [3, 4]";
    let config = read_with("atomic_energies: {H: -13.6}", "", train).unwrap();
    assert_eq!(config.train.tensorboard.as_deref(), Some("./runs/a"));
    assert_eq!(config.train.wandb.as_deref(), Some("ethanol"));
    let json = config.to_json();
    assert_eq!(json["model"]["target"], "NequIP");
    assert_eq!(json["model"]["atomic_energies"]["1"], -13.6);
    assert_eq!(json["dataset"]["shuffle"], true);
    assert_eq!(json["dataset"]["max_n_node"], serde_json::Value::Null);
    assert_eq!(json["train"]["wandb"], "ethanol");
    assert_eq!(json["train"]["grad_norm"], ".inf");
    assert_eq!(
        json["train"]["energy_weights"],
        serde_json::json!([1.0, 2.0])
    );
    let without = read_with("", "", "").unwrap().train;
    assert_eq!((without.tensorboard, without.wandb), (None, None));
}

#[test]
fn the_resolved_configuration_reads_back_to_itself() {
    let everything = (
        "seed: 7\npredict_stress: yes\nparam_dtype: f32\nnum_layers: 1\nnode_irreps: 4x0e + 2x1o\nl_max: 1\n\
         num_bessel: 3\nradial_net_nonlinearity: tanh\nradial_net_n_hidden: 8\nradial_net_n_layers: 1\n\
         radial_envelope: soft\nscalar_mlp_std: 1e-7\natomic_energies: {H: -13.6, O: 1e20}\navg_num_neighbors: 3.5",
        "dataset_splits: [0.7, 0.2, 0.1]\ntrain_num_to_load: 1.0\nvalid_num_to_load: 1\ntest_num_to_load: 0.5\n\
         random_subset: no\nseed: 18446744073709551615\ngraph_cutoff_angstrom: 4.25\nmax_neighbors_per_atom: 30\n\
         batch_size: 3\nmax_n_node: 20\nmax_n_edge: 400\nshuffle: off\nnum_workers: 0\nnum_batch_prefetch: 0\n\
         load_into_memory: on\ninfo_file: \"info: 'ä'.json\"\nupdate_dataset_info: yes\nenergy_key: [a, b]\n\
         forces_key: 'on'\nvirial_key: \"null\"",
        "loss: Huber\nstage_splits: [0.29, 0.3]\nenergy_weights: [1, 25, 3]\nforces_weights: [25, 1, 0.1]\n\
         stress_weights: 1e-4\ninit_learning_rate: 1e-5\npeak_learning_rate: 1e-3\nfinal_learning_rate: 1.25e-6\n\
         warmup_steps: 0\ntransition_steps: 10\nweight_decay: 5e-7\napply_weight_decay_mask: no\ngrad_norm: .inf\n\
         num_gradient_accumulation_steps: 2\nema_decay: 0.999\nuse_ema_params_for_eval: no\nrun_eval_at_start: no\n\
         log_interval: 10\nextended_metrics: yes\nreport: no\ntensorboard: ./runs/a\nwandb: \"my project\"\ndtype: f32\nlocal_model_output_dir: runs/a b\n\
         max_checkpoints_to_keep: 2\nrestore_checkpoint_if_exists: yes\nepoch_to_restore: 3\n\
         restore_optimizer_state: yes",
    );
    // Every key that does something is there, so that none is forgotten by the writer.
    let written: String = [everything.0, everything.1, everything.2].join("\n");
    for key in [NequipConfig::default()].iter().flat_map(|config| {
        let json = serde_json::to_value(config).unwrap();
        json.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    }) {
        assert!(key == "force_head" || written.contains(&key), "{key}");
    }
    for (model, dataset, train) in [
        ("", "", ""),
        everything,
        ("", "stress_key: s", "predict: 1"),
    ] {
        let train = if train == "predict: 1" {
            "stress_weights: 3"
        } else {
            train
        };
        let folder = folder();
        // Files stay where the first reading found them while the second one runs.
        let indent = |lines: &str| {
            lines
                .lines()
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
        };
        let valid = match dataset.contains("dataset_splits") {
            true => "",
            false => {
                "  valid_dataset_paths: [train.xyz, valid.xyz]\n  test_dataset_paths: valid.xyz\n"
            }
        };
        let loss = if train.contains("loss:") {
            ""
        } else {
            "  loss: l2mae\n"
        };
        let yaml = format!(
            "model:\n  target: nequip\n{}dataset:\n  train_dataset_paths: train.xyz\n{valid}{}train:\n{loss}  \
             num_epochs: 100\n  save_path: out.safetensors\n{}",
            indent(model),
            indent(dataset),
            indent(train)
        );
        let first = read_text(folder.path(), &yaml).unwrap_or_else(|e| panic!("{e}"));
        let text = first.to_yaml();
        let second = read_text(folder.path(), &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "{text}");
        assert_eq!(text, second.to_yaml());
    }
}

#[test]
fn the_configurations_of_this_repository_are_good() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut found = 0;
    for entry in std::fs::read_dir(&configs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        found += 1;
        let Err(error) = read(&path, &Overrides::default()) else {
            continue;
        };
        // Data that are not part of the repository, and paths from its root, are not at hand here.
        let absent = |message: String| message.contains("there is no file or directory");
        assert!(
            error
                .problems()
                .iter()
                .all(|problem| absent(problem.to_string())),
            "{error}"
        );
    }
    assert!(found > 0, "no configuration in {}", configs.display());
}

#[test]
fn the_workload_of_the_benchmark_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/bench/nequip.yaml");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let config = read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.model.seed, 0);
    assert_eq!(config.dataset.options.batch_size, 16);
    for name in [
        "mace",
        "visnet",
        "liten",
        "equiformer_v2",
        "equiformer_v2_4",
        "uma",
        "uma_no_experts",
    ] {
        let path = path.with_file_name(format!("{name}.yaml"));
        read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn keys_that_qualify_a_restore_need_none() {
    let config = read_with("", "", "restore_optimizer_state: true\nepoch_to_restore: 3").unwrap();
    let checkpoints = config.train.checkpoints;
    assert!(checkpoints.restore_optimizer_state && !checkpoints.restore_checkpoint_if_exists);
}
