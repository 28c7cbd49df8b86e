//! Wrong configurations and what is said about them, as text.
//!
//! Each case is written to a temporary folder beside `train.xyz`, `valid.xyz` and the empty folder `empty`, read there,
//! and compared with `snapshots/<name>.txt`. `DIPM_BLESS=1` writes the snapshots anew.

use std::path::{Path, PathBuf};

use dipm::config::{ConfigError, Overrides, read};

const GOOD_MODEL: &str = "model:\n  target: NequIP\n";
const GOOD_DATASET: &str =
    "dataset:\n  train_dataset_paths: train.xyz\n  valid_dataset_paths: valid.xyz\n";
const GOOD_TRAIN: &str = "train:\n  loss: mse\n  num_epochs: 3\n  save_path: model.safetensors\n";

/// A folder with two small datasets.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train.xyz", "valid.xyz"] {
        let text = "1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=0.0\nH 0 0 0 0 0 0\n";
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    folder
}

/// The error of a text, its paths without the folder.
fn error_of(yaml: &str, overrides: &Overrides) -> (ConfigError, String) {
    let folder = folder();
    let path = folder.path().join("train.yaml");
    std::fs::write(&path, yaml).unwrap();
    let error = match read(&path, overrides) {
        Ok(config) => panic!("accepted:\n{yaml}\n{}", config.to_yaml()),
        Err(error) => error,
    };
    let prefix = format!("{}/", folder.path().display());
    // Wide, so that the length of the folder's name decides no line break.
    let text = error.render(200, false).replace(&prefix, "");
    (error, text)
}

fn check(name: &str, yaml: &str, expected: &[&str]) {
    check_with(name, yaml, &Overrides::default(), expected);
}

fn check_with(name: &str, yaml: &str, overrides: &Overrides, expected: &[&str]) {
    let (error, text) = error_of(yaml, overrides);
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{text}");
    for part in expected {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.txt"));
    let shown = format!("{yaml}\n---\n{text}");
    if std::env::var_os("DIPM_BLESS").is_some() {
        std::fs::write(&path, &shown).unwrap();
    }
    let stored = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; DIPM_BLESS=1 writes it", path.display()));
    assert_eq!(
        stored,
        shown,
        "{} is out of date; DIPM_BLESS=1 writes it",
        path.display()
    );
}

/// A good configuration with lines added to the sections.
fn with(model: &str, dataset: &str, train: &str) -> String {
    let indent = |lines: &str| {
        lines
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect::<String>()
    };
    let [model, dataset, train] = [model, dataset, train].map(indent);
    format!("{GOOD_MODEL}{model}{GOOD_DATASET}{dataset}{GOOD_TRAIN}{train}")
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    check(
        "unknown_key",
        &with("num_layer: 4", "", ""),
        &["did you mean `num_layers`?"],
    );
}

#[test]
fn an_unknown_key_unlike_all_others_lists_the_keys() {
    check(
        "unlike_key",
        &with("", "", "colour: blue"),
        &["keys of `train`: loss, save_path"],
    );
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let yaml = "model:\n  target: nequip\n  num_layer: 4\n  l_max: -1\ndataset:\n  train_dataset_paths: none.xyz\n  \
                batch_sise: 8\n  graph_cutoff_angstrom: 5 A\ntrain:\n  loss: rmse\n  num_epochs: 16.5\n";
    let expected = [
        "train.yaml:3:3",
        "train.yaml:4:10",
        "there are no validation data",
        "there is no file or directory none.xyz",
        "did you mean `batch_size`?",
        "train.yaml:8:26",
        "`train` lacks the required key `save_path`",
        "expected one of mse, huber, l2mae",
        "`num_epochs` is `16.5`",
    ];
    check("many", yaml, &expected);
}

#[test]
fn wrong_types_say_what_is_expected() {
    let yaml = with(
        "seed: many",
        "shuffle: perhaps\nbatch_size: [16]",
        "grad_norm: {a: 1}",
    );
    let expected = [
        "`seed` is `many`",
        "`shuffle` is `perhaps`",
        "`batch_size` is a list of 1",
        "`grad_norm` is a map",
    ];
    check("types", &yaml, &expected);
}

#[test]
fn values_out_of_range_say_the_range() {
    let yaml = with(
        "scalar_mlp_std: 0\nnum_bessel: 0",
        "batch_size: 0\ngraph_cutoff_angstrom: -5\ntrain_num_to_load: 1.5",
        "ema_decay: 1.1\npeak_learning_rate: 0\nweight_decay: .inf",
    );
    let expected = [
        "`scalar_mlp_std` is `0`",
        "`num_bessel` is `0`",
        "`batch_size` is `0`",
        "`graph_cutoff_angstrom` is `-5`",
        "`train_num_to_load` is `1.5`",
        "`ema_decay` is `1.1`",
        "`peak_learning_rate` is `0`",
        "`weight_decay` must be a finite number of at least 0",
    ];
    check("ranges", &yaml, &expected);
}

#[test]
fn missing_required_keys_are_listed() {
    let yaml = "model:\n  seed: 1\ndataset:\n  valid_dataset_paths: valid.xyz\ntrain:\n  log_interval: 5\n";
    let lacks = |key: &str| format!("lacks the required key `{key}`");
    let keys = [
        "target",
        "train_dataset_paths",
        "loss",
        "num_epochs",
        "save_path",
    ]
    .map(lacks);
    check("required", yaml, &keys.each_ref().map(String::as_str));
}

#[test]
fn missing_sections_are_named() {
    let expected = [
        "the section `dataset` is missing",
        "the section `train` is missing",
    ];
    check("sections", GOOD_MODEL, &expected);
}

#[test]
fn a_misspelt_section_is_recognised() {
    let yaml = format!(
        "{GOOD_MODEL}{GOOD_DATASET}{}",
        GOOD_TRAIN
            .replace("train:", "training:")
            .replace("num_epochs", "epochs")
    );
    // What stands in it is checked all the same.
    let expected = [
        "unknown section `training`, did you mean `train`?",
        "`train` lacks the required key `num_epochs`",
        "unknown key `epochs`, did you mean `num_epochs`?",
    ];
    check("section_name", &yaml, &expected);
}

#[test]
fn missing_files_and_empty_folders_are_found() {
    let yaml = with("", "", "")
        .replace("train.xyz", "[train.xyz, gone.xyz]")
        .replace("valid.xyz\n", "empty\n  test_dataset_paths: []\n");
    let expected = [
        "there is no file or directory gone.xyz",
        "no .hdf5, .h5",
        "is an empty list",
    ];
    check("paths", &yaml, &expected);
}

#[test]
fn splits_exclude_validation_files() {
    let yaml = with(
        "",
        "dataset_splits: [0.8, 0.1, 0.1]\ntest_dataset_paths: valid.xyz",
        "",
    );
    let expected = [
        "`dataset_splits` and `valid_dataset_paths` exclude each other",
        "`dataset_splits` and `test_dataset_paths` exclude each other",
    ];
    check("splits_and_paths", &yaml, &expected);
}

#[test]
fn splits_are_three_that_fit() {
    let dataset = |splits: &str| GOOD_DATASET.replace("valid_dataset_paths: valid.xyz", splits);
    let yaml = |splits| format!("{GOOD_MODEL}{}{GOOD_TRAIN}", dataset(splits));
    check(
        "splits_two",
        &yaml("dataset_splits: [0.8, 0.2]"),
        &["three whole numbers, or three fractions"],
    );
    check(
        "splits_sum",
        &yaml("dataset_splits: [0.8, 0.2, 0.2]"),
        &["add to 1.2"],
    );
    check(
        "splits_none",
        &yaml("dataset_splits: [1, 0, 0]"),
        &["leaves nothing"],
    );
}

#[test]
fn duplicate_keys_and_sections_are_errors() {
    let yaml = with("seed: 1\nseed: 2", "", "loss: huber") + GOOD_MODEL;
    let expected = [
        "`seed` is given twice",
        "`loss` is given twice",
        "section `model` is given twice",
    ];
    check("duplicates", &yaml, &expected);
}

#[test]
fn a_key_in_the_wrong_section_says_where_it_belongs() {
    let yaml = with("batch_size: 4", "num_epochs: 3", "l_max: 2") + "ema_decay: 0.9\n";
    let expected = [
        "`batch_size` stands in `model`, but belongs to section `dataset`",
        "`num_epochs` stands in `dataset`, but belongs to section `train`",
        "`l_max` stands in `train`, but belongs to section `model`",
        "`ema_decay` stands at the top of the file, but belongs to section `train`",
    ];
    check("wrong_section", &yaml, &expected);
}

#[test]
fn keys_of_older_versions_and_other_programs_say_what_replaced_them() {
    let yaml = with(
        "keep_force_head: true\nE0s: average",
        "eval_num_graphs: 5\nparallel: true\nbatch_prefetch_num_devices: 2\nr_max: 5.0",
        "random_seed: 3\nsave_debiased_ema: true\nlr: 0.01",
    );
    let expected = [
        "`drop_force_head: true`",
        "use `atomic_energies` in `model`",
        "use `valid_num_to_load`",
        "`num_workers` says how many threads",
        "`num_batch_prefetch` says",
        "use `graph_cutoff_angstrom`",
        "use `seed` in `model` and in `dataset`",
        "in any case",
        "use `init_learning_rate`",
    ];
    check("retired", &yaml, &expected);
}

#[test]
fn a_key_of_two_sections_in_the_third_says_both() {
    let expected = ["`seed` stands in `train`, but belongs to section `model` or `dataset`"];
    check("two_homes", &with("", "", "seed: 3"), &expected);
}

#[test]
fn an_option_of_another_architecture_says_whose_it_is() {
    let yaml = with("lmax: 2\nnum_rbf: 32\nmax_ell: 3", "", "");
    let expected = [
        "NequIP has no option `lmax`, did you mean `l_max`?",
        "this is an option of ViSNet, LiTEN, EquiformerV2, UMA",
        "keys of `model`: target, seed",
    ];
    check("other_architecture", &yaml, &expected);
    let (_, text) = error_of(&yaml, &Overrides::default());
    let list = text.split_once("keys of `model`").expect("it is there").1;
    assert!(
        list.contains("node_irreps") && !list.contains("sphere_channels"),
        "{list}"
    );
}

#[test]
fn unknown_number_types_are_errors() {
    let yaml = with("dtype: float128", "", "");
    check("dtype", &yaml, &["expected one of float32, float64"]);
}

/// Keys set on the command line.
fn set(arguments: &[&str]) -> Overrides {
    Overrides {
        set: arguments.iter().map(|text| (*text).to_owned()).collect(),
        ..Overrides::default()
    }
}

#[test]
fn wrong_values_of_the_command_line_are_shown_there() {
    let arguments = [
        "train.num_epochs=three",
        "train.num_epoch=3",
        "model.num_rbf=8",
        "dataset.train_dataset_paths=[train.xyz, gone.xyz]",
        "model.atomic_energies={H: hot}",
    ];
    let expected = [
        "--set train.num_epochs=three",
        "did you mean `num_epochs`?",
        "NequIP has no option `num_rbf`",
        "there is no file or directory gone.xyz",
        "expected a number (eV)",
    ];
    check_with("set_values", &with("", "", ""), &set(&arguments), &expected);
}

#[test]
fn what_is_no_assignment_of_a_key_is_an_error() {
    let arguments = [
        "train.num_epochs",
        "num_epochs=3",
        "train=3",
        "trian.num_epochs=3",
        "model.atomic_energies.H=-13.6",
        "train.grad_norm=[1",
        "train.ema_decay=0.9",
        "train.ema_decay=0.8",
    ];
    let expected = [
        "`--set train.num_epochs` has no value",
        "write train.num_epochs",
        "`train` is a section",
        "did you mean `train`?",
        "write model.atomic_energies={H: …}",
        "is not YAML",
        "`--set train.ema_decay` is given twice",
    ];
    check_with("set_form", &with("", "", ""), &set(&arguments), &expected);
}

#[test]
fn a_path_is_given_in_one_way_only() {
    let overrides = Overrides {
        valid_data: Some(PathBuf::from(env!("CARGO_MANIFEST_PATH"))),
        ..set(&["dataset.valid_dataset_paths=valid.xyz"])
    };
    let (_, text) = error_of(&with("", "", ""), &overrides);
    let expected = "`--valid-data` and `--set dataset.valid_dataset_paths` exclude each other";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn problems_of_file_and_command_line_come_together() {
    let yaml = with("num_layer: 4", "", "").replace("num_epochs: 3", "num_epochs: none");
    // what the command line replaces is not read from the file
    let overrides = set(&["train.num_epochs=5", "train.loss=rmse"]);
    let expected = ["did you mean `num_layers`?", "`loss` is `rmse`"];
    check_with("set_and_file", &yaml, &overrides, &expected);
    let (error, _) = error_of(&yaml, &overrides);
    let line = "`--set train.loss=rmse`: `loss` is `rmse`; expected one of";
    assert!(error.to_string().contains(line), "{error}");
}

#[test]
fn broken_yaml_is_shown_where_it_breaks() {
    check(
        "syntax_brackets",
        &with("", "batch_size: [16", ""),
        &["not YAML"],
    );
    check("syntax_tab", "model:\n\ttarget: nequip\n", &["not YAML"]);
    check("syntax_colon", &with("seed 3", "", ""), &["not YAML"]);
    check(
        "not_a_map",
        "- model\n- dataset\n",
        &["the file is a list of 2"],
    );
    check(
        "two_documents",
        &(with("", "", "") + "---\nmodel: 1\n"),
        &["a second document"],
    );
    check(
        "section_type",
        "model: nequip\ndataset: [1]\ntrain: 3\n",
        &["is `nequip`", "a list of 1", "is `3`"],
    );
}

#[test]
fn an_empty_file_lacks_everything() {
    check(
        "empty",
        "# nothing yet\n",
        &[
            "`model` is missing",
            "`dataset` is missing",
            "`train` is missing",
        ],
    );
}

#[test]
fn a_pretrained_model_that_is_not_there_is_found() {
    let pretrained = GOOD_MODEL.replace("target: NequIP", "pretrained: model.safetensors");
    let yaml = format!("{pretrained}{GOOD_DATASET}{GOOD_TRAIN}");
    check("pretrained", &yaml, &["there is no file model.safetensors"]);
}

#[test]
fn projects_of_logs_are_names() {
    check(
        "log_projects",
        &with("", "", "tensorboard: ../elsewhere\nwandb: team/ethanol"),
        &[
            "`tensorboard` is `../elsewhere`",
            "`wandb` is `team/ethanol`",
        ],
    );
    for (key, project) in [
        ("tensorboard", "/var/logs"),
        ("tensorboard", "."),
        ("wandb", "a:b"),
        ("wandb", ".."),
    ] {
        let message = format!("`{key}` is `{project}`");
        let yaml = with("", "", &format!("{key}: \"{project}\""));
        let (_, text) = error_of(&yaml, &Overrides::default());
        assert!(text.contains(&message), "{text}");
    }
}

#[test]
fn other_architectures_are_refused() {
    for (name, target, part) in [
        (
            "target_so3krates",
            "so3krates",
            "So3krates is not supported yet",
        ),
        (
            "target_python",
            "my_pkg.models.MyModel",
            "looks like a Python class",
        ),
        ("target_unknown", "NeqIP", "did you mean `NequIP`?"),
        (
            "target_blank",
            "Equiformer V2",
            "did you mean `EquiformerV2`?",
        ),
    ] {
        check(name, &with("", "", "").replace("NequIP", target), &[part]);
    }
}

#[test]
fn options_of_the_architecture_are_checked_by_it() {
    let yaml = with(
        "node_irreps: 8x1o + 4x0e\nl_max: 40\nradial_net_nonlinearity: beta_swish",
        "",
        "",
    );
    check(
        "nequip",
        &yaml,
        &["`node_irreps` is", "`l_max` is 40", "`beta_swish` learns"],
    );
    let yaml = with(
        "node_irreps: many\natomic_energies: {Xx: 1.0}\nradial_envelope: round",
        "",
        "",
    );
    check(
        "nequip_words",
        &yaml,
        &[
            "node_irreps",
            "`atomic_energies` is `Xx`",
            "one of polynomial, soft",
        ],
    );
}

#[test]
fn options_of_other_architectures_are_checked_by_them() {
    for (name, target, options, parts) in [
        (
            "mace",
            "MACE",
            "readout_irreps: [16x0e]\ncorrelation: 7\nnode_symmetry: 5\nforce_head: true",
            &[
                "`readout_irreps` is not as MACE has it",
                "`correlation`",
                "`node_symmetry`",
                "`force_head`",
            ][..],
        ),
        (
            "visnet",
            "ViSNet",
            "l_max: 3\nnum_channels: 30\nnum_heads: 4",
            &["`l_max`", "`num_channels`"],
        ),
        (
            "equiformer",
            "EquiformerV2",
            "lmax: 2\nmmax: 3\ngrid_resolution: 3\nalpha_drop: 1.0\nnorm_type: batch",
            &["`mmax`", "`grid_resolution`", "`alpha_drop`", "`norm_type`"],
        ),
    ] {
        let yaml = with(options, "", "").replace("NequIP", target);
        check(name, &yaml, parts);
    }
}

#[test]
fn stages_need_weights_that_fit() {
    check(
        "stages_missing",
        &with("", "", "stage_splits: [0.5, 0.5]\nenergy_weights: [1, 25]"),
        &["needs `forces_weights`"],
    );
    let yaml = with(
        "",
        "",
        "stage_splits: [0.5, 0.5]\nenergy_weights: [1, 25, 3]\nforces_weights: [25, 1]",
    );
    check(
        "stages_length",
        &yaml,
        &["`forces_weights` has 2 weights for 3 stages"],
    );
    let yaml = with(
        "",
        "",
        "stage_splits: [0.7, 0.7]\nenergy_weights: [1, 25]\nforces_weights: [25, 1]",
    );
    check(
        "stages_sum",
        &yaml,
        &["`stage_splits`: the fractions sum to 1.4"],
    );
    check(
        "stages_absent",
        &with("", "", "energy_weights: [1, 25]"),
        &["no `stage_splits` that says when"],
    );
    check(
        "weights_zero",
        &with("", "", "energy_weights: 0\nforces_weights: 0"),
        &["all weights of the loss are 0"],
    );
}

#[test]
fn keys_that_contradict_each_other_are_errors() {
    let yaml = with(
        "predict_stress: false\ndtype: float64",
        "use_formation_energies: true\nupdate_dataset_info: true",
        "stress_weights: 10\ndtype: float32\nrestore_checkpoint_if_exists: true\nclear_previous_checkpoints: true\n\
         local_model_output_dir: runs",
    );
    let expected = [
        "`predict_stress: false` excludes `stress_weights`",
        "`use_formation_energies` needs `atomic_energies: zero`",
        "`update_dataset_info` needs `info_file`",
        "`dtype` is float32 here, but float64 in `model`",
        "cannot be combined with `clear_previous_checkpoints: true`",
    ];
    check("contradictions", &yaml, &expected);
    let yaml = with("", "", "restore_checkpoint_if_exists: true\n");
    check(
        "restore_nowhere",
        &yaml,
        &["needs `local_model_output_dir`"],
    );
}

#[test]
fn tasks_must_agree_and_need_a_model_with_tasks() {
    let yaml = with("", "", "")
        .replace("train.xyz", "{a: train.xyz, b: train.xyz}")
        .replace("valid.xyz", "{a: valid.xyz}");
    check(
        "tasks",
        &yaml,
        &[
            "`valid_dataset_paths` has the tasks a",
            "NequIP does not tell tasks apart",
        ],
    );
}

#[test]
fn paths_of_the_command_line_are_checked_too() {
    let gone = Overrides {
        valid_data: Some(PathBuf::from("gone.xyz")),
        ..Overrides::default()
    };
    let yaml = with("", "", "");
    check_with(
        "override",
        &yaml,
        &gone,
        &["`--valid-data`: there is no file or directory gone.xyz"],
    );
}

#[test]
fn a_missing_configuration_is_an_error() {
    let error = read(Path::new("no/such.yaml"), &Overrides::default()).unwrap_err();
    assert!(
        error.to_string().contains("cannot read no/such.yaml"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("`dipm init ARCHITECTURE no/such.yaml` writes one")
    );
    let folder = folder();
    let path = folder.path().join("latin.yaml");
    std::fs::write(&path, b"model: # \xe9\n").unwrap();
    let error = read(&path, &Overrides::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("latin.yaml:1:10: the file is not UTF-8 text"),
        "{error}"
    );
}

#[test]
fn any_text_ends_in_a_configuration_or_an_error() {
    let folder = folder();
    let path = folder.path().join("train.yaml");
    let yaml = with(
        "atomic_energies: {H: -13.6}",
        "",
        "stage_splits: [0.5]\nwarmup_scan: {train: [1, 2, 3]}",
    );
    // Every prefix, and every text that lacks one character: no panic, places within the file.
    let cuts = yaml.char_indices().flat_map(|(i, c)| {
        [
            yaml[..i].to_owned(),
            format!("{}{}", &yaml[..i], &yaml[i + c.len_utf8()..]),
        ]
    });
    let strange = [
        "a: &a [*a]",
        "? [1]\n: 2",
        "model: &m {a: *m}",
        "\u{feff}model:",
        "%YAML 3",
        "'",
        "\"\\x\"",
        "é: ü\n\tü",
    ];
    for text in cuts.chain(strange.map(str::to_owned)) {
        std::fs::write(&path, &text).unwrap();
        if let Err(error) = read(&path, &Overrides::default()) {
            assert!(!error.problems().is_empty());
            assert!(error.render(100, true).len() > 10);
        }
    }
}

#[test]
fn any_argument_ends_in_a_configuration_or_an_error() {
    let folder = folder();
    let path = folder.path().join("train.yaml");
    std::fs::write(&path, with("", "", "")).unwrap();
    let arguments = [
        "train.stage_splits=[0.5, 0.5]",
        "model.atomic_energies={H: -13.6, Ö: \"ü\"}",
        "dataset.train_dataset_paths=&a [train.xyz, *a]",
        "träin.löss=é: [ü",
        "model.target='NequIP",
        "dataset..=...",
        "train.loss=---\nmse\n---\nx",
        "=",
        "",
    ];
    for argument in arguments {
        for (end, _) in argument.char_indices().chain([(argument.len(), ' ')]) {
            let overrides = set(&[&argument[..end], "train.grad_norm=ä"]);
            let error = read(&path, &overrides).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("`--set train.grad_norm=ä`: `grad_norm` is `ä`")
            );
            assert!(error.render(100, true).len() > 10);
        }
    }
}
