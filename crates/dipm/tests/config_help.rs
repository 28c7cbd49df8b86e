//! Help with writing a configuration: `dipm init`, `dipm explain`, `dipm schema`.

mod program;

use std::path::Path;
use std::process::Output;

use dipm::config::schema::{Kind, Section, Support};
use dipm::config::{Overrides, explain, json_schema, read, template};
use dipm_models::Target;
use serde_json::Value as Json;

fn dipm(folder: &Path, arguments: &[&str]) -> Output {
    program::dipm(folder, arguments)
        .output()
        .expect("the program starts")
}

/// A folder with the data that a first configuration names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/quickstart");
    for (name, part) in [("train", "train"), ("valid", "valid"), ("test", "test")] {
        let text = std::fs::read(data.join(format!("ethanol_{part}.h5"))).unwrap();
        std::fs::write(folder.path().join(format!("{name}.h5")), text).unwrap();
    }
    folder
}

/// The first configuration of an architecture, for the data of [`folder`].
fn first(target: Target) -> String {
    template(target.name(), "train.yaml")
        .unwrap()
        .replace(".xyz", ".h5")
}

#[test]
fn a_first_configuration_of_every_architecture_trains() {
    for target in Target::ALL {
        let folder = folder();
        std::fs::write(folder.path().join("train.yaml"), first(*target)).unwrap();
        let small = [
            "train.num_epochs=1",
            "dataset.train_num_to_load=4",
            "dataset.valid_num_to_load=2",
        ];
        let arguments = small.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["train", "train.yaml"]
            .into_iter()
            .chain(arguments)
            .collect();
        let output = dipm(folder.path(), &arguments);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        let run = folder.path().join(format!("runs/{}", target.name()));
        assert!(run.join("model.safetensors").is_file(), "{log}");
        // what the command line set is in the configuration beside the checkpoints
        let resolved = std::fs::read_to_string(run.join("config.yaml")).unwrap();
        assert!(resolved.contains("\n  num_epochs: 1\n"), "{resolved}");
    }
}

#[test]
fn every_key_in_a_comment_of_a_first_configuration_can_be_used() {
    for target in Target::ALL {
        let folder = folder();
        let path = folder.path().join("train.yaml");
        let lines: Vec<String> = first(*target).lines().map(str::to_owned).collect();
        let key_of = |line: &str| {
            let (key, value) = line.strip_prefix("  # ")?.split_once(": ")?;
            let is_key = Section::ALL
                .iter()
                .any(|section| section.key(key).is_some());
            (is_key && !value.is_empty()).then(|| key.to_owned())
        };
        let mut found = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let Some(key) = key_of(line) else { continue };
            let mut text = lines.clone();
            text[at] = line.replacen("# ", "", 1);
            let mut text = text.join("\n");
            // keys that exclude or need another one
            match key.as_str() {
                "dataset_splits" => text = text.replace("  valid_dataset_paths:", "  # "),
                "stage_splits" => {
                    text += "\n  energy_weights: [1, 25]\n  forces_weights: [25, 1]\n";
                }
                _ => {}
            }
            std::fs::write(&path, &text).unwrap();
            read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{key}: {e}"));
            found.push(key);
        }
        // every option of the architecture is there, in a comment or set
        let options = target.default_config().to_json();
        for option in options.as_object().unwrap().keys() {
            let is_set = lines
                .iter()
                .any(|line| line.starts_with(&format!("  {option}: ")));
            assert!(is_set || found.contains(option), "{option}");
        }
        assert!(found.len() > 30, "{found:?}");
    }
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let output = dipm(folder.path(), &["init", "equiformer_v2"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("wrote train.yaml") && said.contains("dipm train train.yaml"),
        "{said}"
    );
    let path = folder.path().join("train.yaml");
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .contains("target: EquiformerV2")
    );
    std::fs::write(&path, "mine").unwrap();
    let output = dipm(folder.path(), &["init", "mace"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("train.yaml is there already"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert!(
        dipm(folder.path(), &["init", "mace", "second.yaml"])
            .status
            .success()
    );
    let output = dipm(folder.path(), &["init", "nequp", "third.yaml"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("did you mean `NequIP`?"), "{message}");
    assert!(!folder.path().join("third.yaml").exists());
}

#[test]
fn every_key_is_explained_with_its_unit_range_and_default() {
    let all = explain(None).unwrap();
    for section in Section::ALL {
        for key in section.keys() {
            assert!(all.contains(key.name), "{}", key.name);
            let text = explain(Some(&format!("{}.{}", section.name(), key.name))).unwrap();
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.starts_with(&format!("{}.{}\n", section.name(), key.name)));
            for part in [key.kind.expected(), key.unit.to_owned()] {
                assert!(words.contains(&part), "no `{part}` in\n{text}");
            }
            if let Some(default) = key.default_yaml().filter(|default| *default != "null") {
                assert!(words.contains(default), "{text}");
            }
            assert!(text.contains(&format!("  {}: ", key.name)), "{text}");
            assert!(
                text.lines().all(|line| line.chars().count() <= 100),
                "{text}"
            );
        }
    }
    let both = explain(Some("dtype")).unwrap();
    assert!(both.contains("model.dtype") && both.contains("train.dtype"));
    let layers = explain(Some("num_layers")).unwrap();
    assert!(
        layers.contains("2 (MACE, NequIP, LiTEN); 4 (ViSNet); 12 (EquiformerV2, UMA)"),
        "{layers}"
    );
    let of_mace = explain(Some("MACE")).unwrap();
    assert!(of_mace.contains("correlation") && !of_mace.contains("vecnorm_type"));
    assert_eq!(
        explain(Some("dataset")).unwrap().lines().next(),
        Some("dataset")
    );
}

#[test]
fn a_word_that_is_no_key_is_answered_with_the_nearest_one() {
    for (word, part) in [
        ("num_layer", "did you mean `num_layers` in `model`?"),
        ("train.lmax", "`lmax` belongs to `model`"),
        ("random_seed", "use `seed` in `model` and in `dataset`"),
        ("qwertz", "there is no key `qwertz`"),
    ] {
        let message = explain(Some(word)).unwrap_err();
        assert!(message.contains(part), "{message}");
        assert!(message.contains("`dipm explain` lists all keys"));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = dipm(folder.path(), &["explain", "batch_sise"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `batch_size`"));
}

#[test]
fn the_schema_says_of_every_key_what_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = dipm(folder.path(), &["schema"]);
    let schema: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema, json_schema());
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["additionalProperties"], false);
    for section in Section::ALL {
        let found = &schema["properties"][section.name()];
        assert_eq!(found["additionalProperties"], false);
        let properties = found["properties"].as_object().unwrap();
        assert_eq!(properties.len(), section.keys().len());
        for key in section.keys() {
            let property = &properties[key.name];
            let about = property["description"].as_str().unwrap();
            assert!(
                about.contains(&key.kind.expected()) && about.contains(key.unit),
                "{about}"
            );
            match key.kind {
                _ if key.support != Support::Full => {}
                Kind::Integer { min } => assert_eq!(property["minimum"], min),
                Kind::Number { min, above, .. } => {
                    let limit = if above { "exclusiveMinimum" } else { "minimum" };
                    assert_eq!(property[limit], min);
                }
                Kind::Word { words, .. } => {
                    let choices = property["anyOf"][0]["enum"].as_array().unwrap();
                    assert_eq!(choices, words);
                }
                _ => {}
            }
        }
    }
    // options of an architecture and their defaults hold where it is the target
    let model = &schema["properties"]["model"]["allOf"];
    for (target, condition) in Target::ALL.iter().zip(model.as_array().unwrap()) {
        let names = condition["then"]["propertyNames"]["enum"]
            .as_array()
            .unwrap();
        let options = target.default_config().to_json();
        for (option, default) in options.as_object().unwrap() {
            assert!(names.contains(&option.as_str().into()), "{option}");
            let of_table = Section::Model.key(option).unwrap().default_yaml();
            if of_table.is_none() {
                assert_eq!(condition["then"]["properties"][option]["default"], *default);
            }
        }
        let has_node_irreps = names.contains(&"node_irreps".into());
        assert_eq!(has_node_irreps, *target == Target::Nequip);
    }
}

#[test]
fn keys_of_the_configurations_of_this_repository_are_in_the_schema() {
    let schema = json_schema();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    for entry in std::fs::read_dir(configs).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut section = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("  ") {
                Some(key) => {
                    let name = key.split(':').next().unwrap();
                    let property = &schema["properties"][section]["properties"][name];
                    assert!(property.is_object(), "{section}.{name}");
                }
                None => section = line.trim_end_matches(':'),
            }
        }
    }
}
