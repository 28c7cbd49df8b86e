//! The configuration: a YAML file, checked as a whole before anything starts.
//!
//! A table ([`schema`]) says which keys there are, what can be written, and what leaving a key out means. The file
//! is parsed into a tree that knows its places; each section is checked against the table; what several keys
//! say together is checked after that; and all problems are reported at once, each at its place.

mod as_json;
mod assignments;
mod document;
mod error;
mod examples;
mod explain;
mod json_schema;
mod key_test_rows;
mod key_tests;
mod keys_dataset;
mod keys_model;
mod keys_train;
mod resolve_dataset;
mod resolve_model;
mod resolve_pretrained;
mod resolve_train;
pub mod schema;
mod section;
mod suggest;
mod template;
mod tree;
mod values;
mod write;

pub use document::documentation;
pub use error::{ConfigError, Problem};
pub use explain::explain;
pub use json_schema::json_schema;
pub use key_tests::{GOLDEN_OPTIONS, Test, tests_of};
pub use resolve_model::architecture_name;
pub use template::template;

use std::path::{Path, PathBuf};

use crate::run_config::{ComputeType, DatasetSection, ModelSection, RunConfig, TrainSection};
use error::Sources;
use resolve_dataset::Folder;
use schema::Section;
use section::Values;
use tree::{Node, Value};

/// What the command line says instead of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Instead of `train_dataset_paths`.
    pub train_data: Option<PathBuf>,
    /// Instead of `valid_dataset_paths`.
    pub valid_data: Option<PathBuf>,
    /// Instead of `test_dataset_paths`.
    pub test_data: Option<PathBuf>,
    /// Keys with their values, each as `SECTION.KEY=VALUE`.
    pub set: Vec<String>,
}

/// Reads and checks a configuration. Relative paths are looked for in the working directory, then beside the file.
///
/// # Errors
/// A [`ConfigError`] with all problems: a file that cannot be read or is no YAML, sections and keys that are
/// missing, unknown, misplaced or given twice, wrong types and ranges, paths that do not exist, keys that exclude
/// or need each other, and what is not supported yet.
pub fn read(path: &Path, overrides: &Overrides) -> Result<RunConfig, ConfigError> {
    let refuse = |source: &str, problems| {
        let sources = Sources::file(path, source);
        Err(ConfigError::new(path, sources, problems))
    };
    let source = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let shown = path.display();
            let problem = Problem::anywhere(format!("cannot read {shown}: {error}"));
            let help = format!("`dipm init ARCHITECTURE {shown}` writes one to begin with");
            let is_absent = error.kind() == std::io::ErrorKind::NotFound;
            return refuse(
                "",
                vec![if is_absent {
                    problem.help(help)
                } else {
                    problem
                }],
            );
        }
    };
    let source = match String::from_utf8(source) {
        Ok(source) => source,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let source = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let message = "the file is not UTF-8 text";
            return refuse(
                &source,
                vec![Problem::at(good..good, message).label("the first wrong byte")],
            );
        }
    };
    let mut problems = Vec::new();
    let mut sources = Sources::file(path, &source);
    let root = match tree::parse(&source) {
        Ok(root) => root,
        Err(error) => {
            let says = |part| error.message.contains(part);
            let help = if says("tabs") {
                "indent with blanks instead of tabs"
            } else if says("second document") {
                "one file describes one run: remove `---` and what follows"
            } else {
                "look in this line and above it for a bracket or quote that is not closed, a colon that is missing, \
                 or a line that is not indented like its neighbours"
            };
            let problem = Problem::at(error.span, format!("not YAML: {}", error.message));
            return refuse(
                &source,
                vec![problem.label("reading stopped here").help(help)],
            );
        }
    };
    let root = assignments::apply(root, overrides, &mut sources, &mut problems);
    let config = check(root.as_ref(), path.parent(), overrides, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError::new(path, sources, problems)),
    }
}

/// The configuration of a tree; `None` only if problems were reported.
fn check(
    root: Option<&Node>,
    folder: Option<&Path>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Option<RunConfig> {
    let [model_values, dataset, train_values] = sections(root, overrides, problems)?;
    let folder = Folder(folder);
    let mut train = resolve_train::resolve(&train_values, &model_values, problems);
    let has_stress_weight = train.loss.uses_stress();
    let model = match model_values.entry("pretrained") {
        Some(_) => {
            let stress = has_stress_weight;
            resolve_pretrained::resolve(&model_values, &train_values, stress, &folder, problems)
        }
        None => {
            resolve_pretrained::refuse_without(&model_values, &train_values, problems);
            resolve_model::target(&model_values, problems).map(|target| {
                resolve_model::resolve(&model_values, target, has_stress_weight, problems)
            })
        }
    };
    let pretrained = model.as_ref().and_then(|model| model.pretrained.as_ref());
    let section = resolve_dataset::resolve(&dataset, overrides, pretrained, &folder, problems);
    let (model, mut section) = (model?, section?);
    if [&model_values, &train_values]
        .iter()
        .all(|values| values.text("dtype").is_none())
    {
        train.dtype = ComputeType::of(model.config.param_dtype());
    }
    together(&model, &mut section, &train, &dataset, problems);
    Some(RunConfig {
        model,
        dataset: section,
        train,
    })
}

/// The three sections, each key checked against the table.
fn sections(
    root: Option<&Node>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Option<[Values; 3]> {
    let entries = match root.map(|root| &root.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        Some(_) if root.is_some_and(|root| !root.is_null()) => {
            let root = root.expect("it was just there");
            let message = format!("the file is {}", root.describe());
            let label = "expected the sections `model`, `dataset` and `train`";
            problems.push(Problem::at(root.span.clone(), message).label(label));
            return None;
        }
        _ => &[],
    };
    let mut found: [Option<(&Node, &Node)>; 3] = [None; 3];
    let mut misspelt = Vec::new();
    for (key, value) in entries {
        let name = key.text().expect("keys are scalars");
        match Section::ALL
            .into_iter()
            .find(|section| section.name() == name)
        {
            Some(section) if found[section as usize].is_none() => {
                found[section as usize] = Some((key, value));
            }
            Some(_) => {
                let message = format!("section `{name}` is given twice");
                problems
                    .push(Problem::at(key.span.clone(), message).label("remove one of the two"));
            }
            None => {
                problems.push(suggest::unknown_key(None, &[], name, key.span.clone()));
                misspelt.extend(suggest::section_like(name).map(|section| (section, key, value)));
            }
        }
    }
    // What stands in a section with a misspelt name is checked all the same.
    for (section, key, value) in misspelt {
        found[section as usize].get_or_insert((key, value));
    }
    let is_given = overrides.train_data.is_some() && overrides.valid_data.is_some();
    Some(Section::ALL.map(|section| {
        let at = found[section as usize];
        if at.is_none() && !(is_given && section == Section::Dataset) {
            let message = format!("the section `{}` is missing", section.name());
            problems.push(Problem::anywhere(message).help(format!(
                "add `{}:` with at least {}",
                section.name(),
                section.required().join(", ")
            )));
        }
        let place = at.map(|(key, _)| key.span.clone());
        let node = at.map(|(_, value)| value);
        let is_model = section == Section::Model;
        let skip = |key: &str| is_model && resolve_model::is_unknowable(node, key);
        let known = match is_model {
            true => resolve_model::keys(node),
            false => section.keys().iter().map(|key| key.name).collect(),
        };
        Values::read(section, place, node, &known, skip, problems)
    }))
}

/// What sections say about each other.
fn together(
    model: &ModelSection,
    dataset: &mut DatasetSection,
    train: &TrainSection,
    values: &Values,
    problems: &mut Vec<Problem>,
) {
    let weighs = |weight: fn(&dipm_train::LossWeights) -> f64| {
        train
            .loss
            .stages
            .iter()
            .any(|stage| weight(&stage.weights) > 0.0)
    };
    let options = &mut dataset.options;
    options.required.energy = weighs(|weights| weights.energy);
    options.required.forces = weighs(|weights| weights.forces);
    options.required.stress = weighs(|weights| weights.stress);
    if options.use_formation_energies
        && model.config.atomic_energies() != Some(&dipm_models::ReferenceEnergies::Zero)
    {
        let message =
            "`use_formation_energies` needs `atomic_energies: zero` in `model`".to_owned();
        let label = "else the energies of isolated atoms would count twice";
        problems.push(
            values
                .problem("use_formation_energies", message)
                .label(label),
        );
    }
    let is_refit = model
        .pretrained
        .as_ref()
        .is_some_and(|p| p.refit_atomic_energies);
    if options.use_formation_energies && is_refit {
        let message =
            "`use_formation_energies` and `refit_atomic_energies` exclude each other".to_owned();
        let label = "the energies of isolated atoms are not part of the model then";
        problems.push(
            values
                .problem("use_formation_energies", message)
                .label(label),
        );
    }
    if options.train.task_list().is_some() && !model.config.takes_tasks() {
        let target = resolve_model::display(model.config.target().name());
        let message = format!("{target} does not tell tasks apart");
        let label = "give a path or a list of paths, or take LiTEN or UMA";
        problems.push(values.problem("train_dataset_paths", message).label(label));
    }
}
