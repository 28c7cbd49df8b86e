//! The `dataset` section: paths must exist, parts must fit together.

use std::ops::Range;
use std::path::{Path, PathBuf};

use dipm_data::{Amount, DataError, DatasetOptions, DatasetPaths, Splits, expand_paths};

use super::Overrides;
use super::error::Problem;
use super::section::Values;
use super::values::Parsed;
use crate::run_config::{DatasetSection, Pretrained};

/// Where relative paths are looked for after the working directory.
pub(super) struct Folder<'a>(pub Option<&'a Path>);

impl Folder<'_> {
    /// The path itself, or beside the configuration if it is only there.
    pub(super) fn find(&self, written: &str) -> PathBuf {
        let path = PathBuf::from(written);
        let beside = self.0.map(|folder| folder.join(&path));
        match beside {
            Some(beside) if path.is_relative() && !path.exists() && beside.exists() => beside,
            _ => path,
        }
    }
}

/// The section; `None` when there are no training data to speak of. Everything wrong is reported.
pub(super) fn resolve(
    values: &Values,
    overrides: &Overrides,
    pretrained: Option<&Pretrained>,
    folder: &Folder<'_>,
    problems: &mut Vec<Problem>,
) -> Option<DatasetSection> {
    let roles = [
        ("train_dataset_paths", "--train-data", &overrides.train_data),
        ("valid_dataset_paths", "--valid-data", &overrides.valid_data),
        ("test_dataset_paths", "--test-data", &overrides.test_data),
    ];
    let [train, valid, test] = roles.map(|(key, option, given)| match given {
        Some(path) => {
            check_path(path, problems, |message| {
                Problem::anywhere(format!("`{option}`: {message}"))
            });
            Some(DatasetPaths::single(path))
        }
        None => paths(values, key, folder, problems),
    });
    if overrides.train_data.is_none() {
        values.require(&["train_dataset_paths"], problems);
    }
    for (key, option, given) in &roles[1..] {
        check_splits_alone(values, key, option, given.is_some(), problems);
        check_tasks(values, key, overrides, problems);
    }
    check_validation(values, valid.is_some(), problems);
    check_splits(values, problems);
    check_info_file(values, pretrained.is_some(), problems);
    check_amounts(values, problems);
    let mut options = DatasetOptions::new(train?);
    (options.valid, options.test) = (valid, test);
    fill(&mut options, values);
    match pretrained {
        Some(pretrained) => take_over(&mut options, pretrained, values, problems),
        None if options.drop_unseen_elements => {
            let message = "`drop_unseen_elements` needs `pretrained` in `model`".to_owned();
            let label = "a new model has the elements of the training data";
            problems.push(values.problem("drop_unseen_elements", message).label(label));
        }
        None => {}
    }
    Some(DatasetSection {
        options,
        info_file: values.text("info_file").map(|path| folder.find(&path)),
        shuffle: values.is("shuffle"),
        num_workers: values.count("num_workers"),
        num_batch_prefetch: values
            .count("num_batch_prefetch")
            .expect("it has a default"),
        load_into_memory: values.is("load_into_memory"),
    })
}

/// Everything but paths.
fn fill(options: &mut DatasetOptions, values: &Values) {
    options.splits = match values.get("dataset_splits") {
        Some(Parsed::Splits(splits)) => Some(splits),
        _ => None,
    };
    let amounts = ["train_num_to_load", "valid_num_to_load", "test_num_to_load"];
    options.num_to_load = amounts.map(|key| match values.get(key) {
        Some(Parsed::Amount(amount)) => Some(amount),
        _ => None,
    });
    options.random_subset = values.is("random_subset");
    options.seed = values.integer("seed").expect("it has a default");
    options.cutoff = values
        .number("graph_cutoff_angstrom")
        .expect("it has a default");
    options.max_neighbors_per_atom = values.count("max_neighbors_per_atom");
    options.batch_size = values.count("batch_size").expect("it has a default");
    options.max_n_node = values.count("max_n_node");
    options.max_n_edge = values.count("max_n_edge");
    options.use_formation_energies = values.is("use_formation_energies");
    options.update_dataset_info = values.is("update_dataset_info");
    options.drop_unseen_elements = values.is("drop_unseen_elements");
    let names = |key| match values.get(key) {
        Some(Parsed::Names(names)) => Some(names),
        _ => None,
    };
    let keys = &mut options.label_keys;
    keys.energy = names("energy_key").unwrap_or(std::mem::take(&mut keys.energy));
    keys.forces = names("forces_key").unwrap_or(std::mem::take(&mut keys.forces));
    // Whoever names one of the two does not want the other to be found by chance.
    if let (stress, virial) = (names("stress_key"), names("virial_key"))
        && (stress.is_some() || virial.is_some())
    {
        (keys.stress, keys.virial) = (stress.unwrap_or_default(), virial.unwrap_or_default());
    }
}

fn paths(
    values: &Values,
    key: &str,
    folder: &Folder<'_>,
    problems: &mut Vec<Problem>,
) -> Option<DatasetPaths> {
    let Some(Parsed::Paths(written)) = values.get(key) else {
        return None;
    };
    let mut one = |(text, place): (String, Range<usize>)| {
        let path = folder.find(&text);
        check_path(&path, problems, |message| {
            Problem::at(place, format!("`{key}`: {message}"))
        });
        path
    };
    let mut tasks: Vec<(Option<String>, Vec<PathBuf>)> = written
        .into_iter()
        .map(|(task, paths)| (task, paths.into_iter().map(&mut one).collect()))
        .collect();
    Some(match tasks.as_mut_slice() {
        [(None, paths)] => DatasetPaths::Paths(std::mem::take(paths)),
        _ => DatasetPaths::Tasks(
            tasks
                .into_iter()
                .map(|(task, paths)| (task.unwrap_or_default(), paths))
                .collect(),
        ),
    })
}

/// Reports what is not there, and directories without data.
fn check_path(path: &Path, problems: &mut Vec<Problem>, problem: impl FnOnce(String) -> Problem) {
    let shown = path.display();
    let found = expand_paths(std::slice::from_ref(&path.to_owned()));
    match found {
        Ok(_) => {}
        Err(DataError::Io { .. }) if !path.exists() => {
            let problem = problem(format!("there is no file or directory {shown}"));
            problems.push(match problem.span.is_some() && path.is_relative() {
                true => {
                    problem.label("looked for in the working directory and beside the YAML file")
                }
                false => problem,
            });
        }
        Err(DataError::BrokenFile { reason, .. }) => {
            let problem = problem(format!("there are no data in {shown}: {reason}"));
            problems.push(match problem.span.is_some() {
                true => {
                    problem.label("expected a file with data, or a directory with such files in it")
                }
                false => problem,
            });
        }
        Err(other) => problems.push(problem(format!("{shown} cannot be read: {other}"))),
    }
}

fn check_splits_alone(
    values: &Values,
    key: &str,
    option: &str,
    overridden: bool,
    problems: &mut Vec<Problem>,
) {
    let Some(Parsed::Splits(splits)) = values.get("dataset_splits") else {
        return;
    };
    let is_test = key == "test_dataset_paths";
    if is_test && !splits.has_test() {
        return;
    }
    let (at, other) = match (overridden, values.entry(key)) {
        (true, _) => ("dataset_splits", option),
        (false, Some(_)) => (key, key),
        (false, None) => return,
    };
    let message = format!("`dataset_splits` and `{other}` exclude each other");
    let label = match is_test {
        true => "remove one of the two, or make the third number of `dataset_splits` 0",
        false => "remove one of the two",
    };
    problems.push(values.problem(at, message).label(label));
}

/// Tasks of validation and test are those of training.
fn check_tasks(values: &Values, key: &str, overrides: &Overrides, problems: &mut Vec<Problem>) {
    let tasks = |key| match values.get(key) {
        Some(Parsed::Paths(written)) => {
            let mut names: Vec<Option<String>> =
                written.into_iter().map(|(task, _)| task).collect();
            names.sort();
            Some(names)
        }
        _ => None,
    };
    if overrides.train_data.is_some() {
        return;
    }
    let (Some(train), Some(here)) = (tasks("train_dataset_paths"), tasks(key)) else {
        return;
    };
    if train != here {
        let show = |names: &[Option<String>]| match names {
            [None] => "no tasks".to_owned(),
            _ => format!(
                "the tasks {}",
                names
                    .iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        let message = format!(
            "`{key}` has {}, `train_dataset_paths` has {}",
            show(&here),
            show(&train)
        );
        problems.push(
            values
                .problem(key, message)
                .label("expected the tasks of the training data"),
        );
    }
}

fn check_validation(values: &Values, has_valid: bool, problems: &mut Vec<Problem>) {
    let splits = values.entry("dataset_splits");
    if has_valid || splits.is_some() || values.entry("valid_dataset_paths").is_some() {
        return;
    }
    let message = "there are no validation data, which choose the best epoch".to_owned();
    let label = "add `valid_dataset_paths`, or `dataset_splits` such as [0.8, 0.1, 0.1]";
    let Some(place) = &values.place else { return };
    let help = "or give `--valid-data PATH` on the command line";
    problems.push(Problem::at(place.clone(), message).label(label).help(help));
}

fn check_splits(values: &Values, problems: &mut Vec<Problem>) {
    let Some(Parsed::Splits(Splits::Fractions(shares))) = values.get("dataset_splits") else {
        return;
    };
    let total: f64 = shares.iter().sum();
    let mut refuse = |message: String, label: &str| {
        problems.push(values.problem("dataset_splits", message).label(label));
    };
    if total > 1.0 + 1e-9 {
        let total = (total * 1e9).round() / 1e9;
        refuse(
            format!("the fractions of `dataset_splits` add to {total}"),
            "expected at most 1",
        );
    } else if shares[0] == 0.0 || shares[1] == 0.0 {
        let message = "`dataset_splits` leaves nothing for training or validation".to_owned();
        refuse(message, "expected a first and a second fraction above 0");
    }
}

/// Elements, cutoff and statistics are those of the model; keys that say something else are wrong.
fn take_over(
    options: &mut DatasetOptions,
    pretrained: &Pretrained,
    values: &Values,
    problems: &mut Vec<Problem>,
) {
    let info = &pretrained.model.dataset_info;
    let of_model = [
        (
            "graph_cutoff_angstrom",
            info.cutoff_distance_angstrom.to_string(),
        ),
        (
            "max_neighbors_per_atom",
            info.max_neighbors_per_atom
                .map_or("none".to_owned(), |n| n.to_string()),
        ),
    ];
    let agrees = [
        options.cutoff == info.cutoff_distance_angstrom,
        options.max_neighbors_per_atom == info.max_neighbors_per_atom,
    ];
    for ((key, of_model), agrees) in of_model.into_iter().zip(agrees) {
        if values.entry(key).is_some() && !agrees {
            let message = format!("`{key}` is not that of the pretrained model, {of_model}");
            let label = "leave the key out, or write the same";
            problems.push(values.problem(key, message).label(label));
        }
    }
    options.cutoff = info.cutoff_distance_angstrom;
    options.max_neighbors_per_atom = info.max_neighbors_per_atom;
    options.info = Some(info.clone());
}

fn check_info_file(values: &Values, is_pretrained: bool, problems: &mut Vec<Problem>) {
    let has_file = values.entry("info_file").is_some();
    if values.is("update_dataset_info") && !has_file && !is_pretrained {
        let message = "`update_dataset_info` needs `info_file` or `pretrained`".to_owned();
        problems.push(
            values
                .problem("update_dataset_info", message)
                .label("there is nothing to update"),
        );
    }
    if has_file && is_pretrained {
        let message = "`info_file` and `pretrained` exclude each other".to_owned();
        let label = "the statistics are those of the model";
        problems.push(values.problem("info_file", message).label(label));
    }
}

fn check_amounts(values: &Values, problems: &mut Vec<Problem>) {
    for key in ["train_num_to_load", "valid_num_to_load"] {
        if let Some(Parsed::Amount(Amount::Fraction(0.0))) = values.get(key) {
            let message = format!("`{key}` is 0, which leaves no structures");
            problems.push(
                values
                    .problem(key, message)
                    .label("expected a number above 0"),
            );
        }
    }
}
