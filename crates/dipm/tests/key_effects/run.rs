//! A short training, and what it left behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dipm_models::Model;
use serde_json::Value as Json;

pub const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/quickstart");

/// Keys with their values; the value replaces what stands there before.
#[derive(Clone)]
pub struct Config(Vec<(&'static str, String, String)>);

impl Config {
    /// Two epochs of two batches of ethanol, with a small NequIP.
    pub fn ethanol() -> Self {
        let mut config = Self(Vec::new());
        for (key, value) in [
            ("target", "NequIP"),
            ("num_layers", "1"),
            ("node_irreps", "4x0e + 2x1o"),
            ("l_max", "1"),
            ("num_bessel", "4"),
            ("radial_net_n_hidden", "8"),
        ] {
            config = config.model(key, value);
        }
        let path = |part: &str| format!("{DATA}/ethanol_{part}.h5");
        for (key, value) in [
            ("train_dataset_paths", path("train").as_str()),
            ("valid_dataset_paths", &path("valid")),
            ("train_num_to_load", "8"),
            ("valid_num_to_load", "4"),
            ("batch_size", "4"),
        ] {
            config = config.dataset(key, value);
        }
        for (key, value) in [
            ("loss", "mse"),
            ("num_epochs", "2"),
            ("warmup_steps", "0"),
            ("save_path", "model.safetensors"),
            ("local_model_output_dir", "run"),
        ] {
            config = config.train(key, value);
        }
        config
    }

    pub fn model(self, key: &str, value: &str) -> Self {
        self.with("model", key, value)
    }

    pub fn dataset(self, key: &str, value: &str) -> Self {
        self.with("dataset", key, value)
    }

    pub fn train(self, key: &str, value: &str) -> Self {
        self.with("train", key, value)
    }

    fn with(mut self, section: &'static str, key: &str, value: &str) -> Self {
        let at = self
            .0
            .iter()
            .position(|(s, k, _)| *s == section && k == key);
        match at {
            Some(at) => self.0[at].2 = value.to_owned(),
            None => self.0.push((section, key.to_owned(), value.to_owned())),
        }
        self
    }

    /// Without a key that was there.
    pub fn without(mut self, key: &str) -> Self {
        self.0.retain(|(_, k, _)| k != key);
        self
    }

    pub fn yaml(&self) -> String {
        let section = |name: &str| {
            let lines = self.0.iter().filter(|(section, ..)| *section == name);
            let lines: String = lines.map(|(_, k, v)| format!("  {k}: {v}\n")).collect();
            format!("{name}:\n{lines}")
        };
        ["model", "dataset", "train"].map(section).concat()
    }

    /// Trains in a folder of its own.
    #[track_caller]
    pub fn run(&self) -> Run {
        self.run_in(tempfile::tempdir().unwrap())
    }

    /// Trains in a folder, which can hold data or an earlier run.
    #[track_caller]
    pub fn run_in(&self, folder: tempfile::TempDir) -> Run {
        let output = self
            .start(folder.path())
            .output()
            .expect("the program starts");
        let run = Run { folder, output };
        assert!(
            run.output.status.success(),
            "{}\n{}",
            self.yaml(),
            run.log()
        );
        run
    }

    /// The command that trains in a folder.
    pub fn start(&self, folder: &Path) -> Command {
        std::fs::write(folder.join("train.yaml"), self.yaml()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dipm"));
        command
            .args(["train", "train.yaml", "--threads", "1"])
            .current_dir(folder)
            .env("NO_COLOR", "1");
        command
    }
}

/// A training that ended well.
pub struct Run {
    pub folder: tempfile::TempDir,
    pub output: Output,
}

/// Shape and bytes of each parameter.
pub type Parameters = BTreeMap<String, (Json, Vec<u8>)>;

impl Run {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was printed on standard error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// What was printed on standard output: the table of the data.
    pub fn table(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// The numbers of the saved model, in the order of its architecture.
    pub fn numbers_of_model(&self) -> Vec<f64> {
        let model = Model::load(self.path("model.safetensors")).unwrap();
        let parameters = model.parameters.iter();
        parameters.flat_map(|p| p.values.iter()).collect()
    }

    /// The parameters of the model; the options that the file holds too do not count.
    pub fn parameters(&self) -> Parameters {
        let bytes = std::fs::read(self.path("model.safetensors")).unwrap();
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let header: BTreeMap<String, Json> = serde_json::from_slice(&rest[..length]).unwrap();
        let tensors = header
            .into_iter()
            .filter(|(name, _)| name != "__metadata__");
        tensors
            .map(|(name, tensor)| {
                let offset = |i: usize| tensor["data_offsets"][i].as_u64().unwrap() as usize;
                let data = rest[length..][offset(0)..offset(1)].to_vec();
                (name, (tensor["shape"].clone(), data))
            })
            .collect()
    }

    /// The records of a kind (`training`, `validation`, `test`) in the metric file.
    pub fn records(&self, kind: &str) -> Vec<Json> {
        let text = std::fs::read_to_string(self.path("run/metrics.jsonl")).unwrap();
        let records = text
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap());
        records.filter(|record| record["record"] == kind).collect()
    }

    /// A number of each record of a kind.
    pub fn numbers(&self, kind: &str, name: &str) -> Vec<f64> {
        let records = self.records(kind);
        let number = |record: &Json| {
            let value = name.split('/').fold(record, |value, part| &value[part]);
            value
                .as_f64()
                .unwrap_or_else(|| panic!("no {name} in {record}"))
        };
        records.iter().map(number).collect()
    }

    /// Names of the entries of a folder, sorted.
    pub fn entries(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Asserts that a key changes the trained model, in a run that is otherwise the same and repeats itself.
#[track_caller]
pub fn assert_changes(key: &str, base: &Config, changed: &Config) {
    // the best model is a trained one then
    let trained = |config: &Config| {
        let config = config.clone().train("run_eval_at_start", "false");
        config.run().parameters()
    };
    let (first, second) = (trained(base), trained(changed));
    assert!(
        first != second,
        "`{key}` changes nothing:\n{}",
        changed.yaml()
    );
    assert!(first == trained(base), "a run does not repeat itself");
}
