//! A resolved configuration as YAML that reads back to itself.

use std::path::{Path, PathBuf};

use dipm_data::{Amount, DatasetPaths, LabelKeys, Splits};
use dipm_train::{LossKind, LossWeights, NonFinitePolicy};
use serde_json::Value as Json;

use super::schema::{Key, Section};
use super::tree;
use super::values::{self, Parsed};
use crate::run_config::{DatasetSection, ModelSection, RunConfig, TrainSection};

impl RunConfig {
    /// Every key with its value. Keys that do nothing are left out; paths are as they were found.
    pub fn to_yaml(&self) -> String {
        let mut text = String::from("# Every key with its value; this file can be trained from.\n");
        for (section, lines) in self.lines() {
            text += &format!("{}:\n", section.name());
            for (key, value) in lines {
                text += &format!("  {key}: {value}\n");
            }
        }
        text
    }

    /// Keys (`train.log_interval`) whose value is their default; those whose default is said in words count with
    /// `null`.
    pub fn default_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for (section, lines) in self.lines() {
            let is_default = |key: &str, value: &str| {
                let row = section.key(key).expect("what is written has a row");
                let default = row.default_yaml().unwrap_or("null");
                let [default, value] = [default, value].map(|text| meaning(row, text));
                default.is_some() && default == value
            };
            let lines = lines.iter().filter(|(key, value)| is_default(key, value));
            keys.extend(lines.map(|(key, _)| format!("{}.{key}", section.name())));
        }
        keys
    }

    fn lines(&self) -> [(Section, Lines); 3] {
        [
            (Section::Model, model(&self.model)),
            (Section::Dataset, dataset(&self.dataset)),
            (Section::Train, train(&self.train)),
        ]
    }
}

/// What a value means, whatever its spelling; `Some(None)` for nothing, `None` for what is no value.
fn meaning(row: &Key, text: &str) -> Option<Option<Parsed>> {
    let node = tree::parse(text).ok()??;
    match node.is_null() {
        true => Some(None),
        false => values::parse(&row.kind, &node, row.name).ok().map(Some),
    }
}

type Lines = Vec<(String, String)>;

fn model(section: &ModelSection) -> Lines {
    let target = super::resolve_model::display(section.config.target().name());
    let mut lines = Writer::default();
    lines.add("target", target);
    match &section.pretrained {
        None => lines.add("seed", section.seed),
        Some(pretrained) => {
            lines.add("pretrained", path(&pretrained.path));
            lines.add("drop_force_head", pretrained.drop_force_head);
            lines.add("refit_atomic_energies", pretrained.refit_atomic_energies);
        }
    }
    lines.add("predict_stress", section.predict_stress);
    let Writer(mut lines) = lines;
    if let Json::Object(options) = section.config.to_json() {
        // fitted anew is all that there is to say of the atomic energies
        let is_refit = |key: &str| {
            let refit = section
                .pretrained
                .as_ref()
                .is_some_and(|p| p.refit_atomic_energies);
            refit && key == "atomic_energies"
        };
        let said = options.into_iter().filter(|(key, _)| !is_refit(key));
        lines.extend(said.map(|(key, value)| (key, json(&value))));
    }
    lines
}

fn dataset(section: &DatasetSection) -> Lines {
    let options = &section.options;
    let mut lines = Writer::default();
    lines.add("train_dataset_paths", paths(&options.train));
    lines.add(
        "valid_dataset_paths",
        or_null(options.valid.as_ref(), paths),
    );
    lines.add("test_dataset_paths", or_null(options.test.as_ref(), paths));
    lines.add("dataset_splits", or_null(options.splits.as_ref(), splits));
    let keys = ["train_num_to_load", "valid_num_to_load", "test_num_to_load"];
    for (key, value) in keys.into_iter().zip(&options.num_to_load) {
        lines.add(key, or_null(value.as_ref(), amount));
    }
    lines.add("random_subset", options.random_subset);
    lines.add("seed", options.seed);
    lines.add("graph_cutoff_angstrom", float(options.cutoff));
    lines.add(
        "max_neighbors_per_atom",
        or_null(options.max_neighbors_per_atom, |n| n),
    );
    lines.add("batch_size", options.batch_size);
    lines.add("max_n_node", or_null(options.max_n_node, |n| n));
    lines.add("max_n_edge", or_null(options.max_n_edge, |n| n));
    lines.add("shuffle", section.shuffle);
    lines.add("num_workers", or_null(section.num_workers, |n| n));
    lines.add("num_batch_prefetch", section.num_batch_prefetch);
    lines.add("load_into_memory", section.load_into_memory);
    lines.add("use_formation_energies", options.use_formation_energies);
    lines.add("info_file", or_null(section.info_file.as_deref(), path));
    lines.add("update_dataset_info", options.update_dataset_info);
    if options.drop_unseen_elements {
        lines.add("drop_unseen_elements", true);
    }
    label_keys(&options.label_keys, &mut lines);
    lines.0
}

/// Those that are not the usual ones; an empty list is one that the other key of the pair implies.
fn label_keys(keys: &LabelKeys, lines: &mut Writer) {
    let usual = LabelKeys::default();
    let tensors = (&keys.stress, &keys.virial) != (&usual.stress, &usual.virial);
    for (key, names, unusual) in [
        ("energy_key", &keys.energy, keys.energy != usual.energy),
        ("forces_key", &keys.forces, keys.forces != usual.forces),
        ("stress_key", &keys.stress, tensors),
        ("virial_key", &keys.virial, tensors),
    ] {
        if unusual && !names.is_empty() {
            lines.add(key, json(&Json::from(names.clone())));
        }
    }
}

fn train(section: &TrainSection) -> Lines {
    let (training, optimizer) = (&section.training, &section.optimizer);
    let checkpoints = &section.checkpoints;
    let mut lines = Writer::default();
    let loss = match section.loss.kind {
        LossKind::Mse => "mse",
        LossKind::Huber => "huber",
        LossKind::L2mae => "l2mae",
    };
    lines.add("loss", loss);
    lines.add("save_path", path(&section.save_path));
    lines.add("num_epochs", training.num_epochs);
    let weights = |of: fn(&LossWeights) -> f64| {
        let list: Vec<String> = section
            .loss
            .stages
            .iter()
            .map(|stage| float(of(&stage.weights)))
            .collect();
        match section.stage_splits.is_empty() {
            true => list.concat(),
            false => format!("[{}]", list.join(", ")),
        }
    };
    lines.add("energy_weights", weights(|weights| weights.energy));
    lines.add("forces_weights", weights(|weights| weights.forces));
    lines.add("stress_weights", weights(|weights| weights.stress));
    let splits: Vec<String> = section
        .stage_splits
        .iter()
        .map(|split| float(*split))
        .collect();
    lines.add(
        "stage_splits",
        match splits.is_empty() {
            true => "null".to_owned(),
            false => format!("[{}]", splits.join(", ")),
        },
    );
    lines.add("init_learning_rate", float(optimizer.init_learning_rate));
    lines.add("peak_learning_rate", float(optimizer.peak_learning_rate));
    lines.add("final_learning_rate", float(optimizer.final_learning_rate));
    lines.add("warmup_steps", optimizer.warmup_steps);
    lines.add("transition_steps", optimizer.transition_steps);
    lines.add("weight_decay", float(optimizer.weight_decay));
    lines.add("apply_weight_decay_mask", optimizer.apply_weight_decay_mask);
    lines.add("grad_norm", float(optimizer.grad_norm));
    lines.add(
        "num_gradient_accumulation_steps",
        optimizer.num_gradient_accumulation_steps,
    );
    lines.add("ema_decay", float(training.ema_decay));
    lines.add("use_ema_params_for_eval", training.use_ema_params_for_eval);
    lines.add("run_eval_at_start", training.run_eval_at_start);
    lines.add("log_interval", or_null(training.log_interval, |n| n));
    let on_non_finite = match training.on_non_finite {
        NonFinitePolicy::Stop => "stop",
        NonFinitePolicy::Skip => "skip",
    };
    lines.add("on_non_finite", on_non_finite);
    lines.add("extended_metrics", section.extended_metrics);
    lines.add("report", section.report);
    lines.add("parallel", or_null(section.parallel, |is| is));
    lines.add("dtype", section.dtype.name());
    for (key, project) in [
        ("tensorboard", &section.tensorboard),
        ("wandb", &section.wandb),
    ] {
        lines.add(key, or_null(project.as_deref(), Json::from));
    }
    let directory = checkpoints.local_model_output_dir.as_deref();
    lines.add("local_model_output_dir", or_null(directory, path));
    lines.add(
        "max_checkpoints_to_keep",
        checkpoints.max_checkpoints_to_keep,
    );
    let interval = checkpoints.checkpoint_interval_minutes;
    lines.add("checkpoint_interval_minutes", or_null(interval, float));
    lines.add(
        "restore_checkpoint_if_exists",
        checkpoints.restore_checkpoint_if_exists,
    );
    lines.add(
        "epoch_to_restore",
        or_null(checkpoints.epoch_to_restore, |n| n),
    );
    lines.add(
        "restore_optimizer_state",
        checkpoints.restore_optimizer_state,
    );
    lines.add(
        "clear_previous_checkpoints",
        checkpoints.clear_previous_checkpoints,
    );
    lines.0
}

#[derive(Default)]
struct Writer(Lines);

impl Writer {
    fn add(&mut self, key: &str, value: impl ToString) {
        self.0.push((key.to_owned(), value.to_string()));
    }
}

fn or_null<T, S: ToString>(value: Option<T>, show: impl FnOnce(T) -> S) -> String {
    value.map_or("null".to_owned(), |value| show(value).to_string())
}

/// The shortest digits that read back, in a form that YAML 1.1 takes for a number too.
fn float(x: f64) -> String {
    if x.is_infinite() {
        return ".inf".to_owned();
    }
    let text = format!("{x:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

/// Flow style; a text of JSON is one of YAML.
pub(super) fn json(value: &Json) -> String {
    match value {
        Json::Number(number) if number.is_f64() => float(number.as_f64().expect("it is an f64")),
        Json::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}: {}", json(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(json).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn path(path: &Path) -> String {
    Json::from(path.to_string_lossy()).to_string()
}

fn path_list(list: &[PathBuf]) -> String {
    match list {
        [one] => path(one),
        _ => {
            let all: Vec<String> = list.iter().map(|one| path(one)).collect();
            format!("[{}]", all.join(", "))
        }
    }
}

fn paths(paths: &DatasetPaths) -> String {
    match paths {
        DatasetPaths::Paths(list) => path_list(list),
        DatasetPaths::Tasks(tasks) => {
            let tasks: Vec<String> = tasks
                .iter()
                .map(|(name, list)| format!("{}: {}", Json::from(name.as_str()), path_list(list)))
                .collect();
            format!("{{{}}}", tasks.join(", "))
        }
    }
}

fn splits(splits: &Splits) -> String {
    let parts = match splits {
        Splits::Counts(counts) => counts.map(|n| n.to_string()),
        Splits::Fractions(shares) => shares.map(float),
    };
    format!("[{}]", parts.join(", "))
}

fn amount(amount: &Amount) -> String {
    match amount {
        Amount::Count(n) => n.to_string(),
        Amount::Fraction(share) => float(*share),
    }
}
