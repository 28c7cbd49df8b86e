//! The `model` section: architecture first, then its options.

use std::ops::Range;

use dipm_models::{ModelConfig, Target};
use serde_json::{Map, Value as Json};

use super::error::{Problem, sentence};
use super::examples::example;
use super::explain::meaning;
use super::schema::Section;
use super::section::Values;
use super::suggest::nearest;
use super::tree::Node;
use super::values::{Parsed, fold};
use crate::run_config::ModelSection;

/// Keys of the section that are not options of an architecture.
pub(super) const OWN: &[&str] = &[
    "target",
    "seed",
    "predict_stress",
    "pretrained",
    "drop_force_head",
    "refit_atomic_energies",
    "dtype",
];

/// Architectures as written in the documentation.
const NAMES: &[(&str, &str)] = &[
    ("nequip", "NequIP"),
    ("mace", "MACE"),
    ("visnet", "ViSNet"),
    ("liten", "LiTEN"),
    ("equiformerv2", "EquiformerV2"),
    ("uma", "UMA"),
    ("so3krates", "So3krates"),
];

/// The name of an architecture as written in the documentation.
pub fn architecture_name(target: Target) -> &'static str {
    display(target.name())
}

/// Whether a key of `model` is an option of an architecture that cannot be trained, so that nothing can be said
/// about it.
pub(super) fn is_unknowable(model: Option<&Node>, key: &str) -> bool {
    let target = model
        .and_then(|model| model.get("target"))
        .and_then(Node::text);
    let is_known = target.is_none_or(|target| trainable(target).is_some());
    let elsewhere = [Section::Dataset, Section::Train];
    !is_known && !OWN.contains(&key) && elsewhere.iter().all(|other| other.key(key).is_none())
}

/// The keys that come into question in a section: those of its architecture, or of all if it names none.
pub(super) fn keys(model: Option<&Node>) -> Vec<&'static str> {
    let target = model
        .and_then(|model| model.get("target"))
        .and_then(Node::text)
        .and_then(trainable);
    let rows = Section::Model.keys().iter();
    rows.filter(|row| target.is_none_or(|target| OWN.contains(&row.name) || has(target, row.name)))
        .map(|row| row.name)
        .collect()
}

/// Whether an architecture has an option.
pub(super) fn has(target: Target, option: &str) -> bool {
    target.default_config().to_json().get(option).is_some()
}

/// The architectures that have an option, as people write them; empty for keys that are no options.
pub(super) fn architectures_with(option: &str) -> Vec<&'static str> {
    let all = Target::ALL.iter().filter(|target| has(**target, option));
    all.map(|target| display(target.name())).collect()
}

/// The architecture of a name; case and underscores do not matter.
pub(super) fn trainable(name: &str) -> Option<Target> {
    let folded = name.replace('_', "").to_lowercase();
    Target::ALL
        .iter()
        .copied()
        .find(|target| target.name() == folded)
}

/// The architecture, if it is one that can be trained.
pub(super) fn target(values: &Values, problems: &mut Vec<Problem>) -> Option<Target> {
    if values.entry("pretrained").is_none() {
        values.require(&["target"], problems);
    }
    let written = values.text("target")?;
    if let Some(target) = trainable(&written) {
        return Some(target);
    }
    let folded = written.replace('_', "").to_lowercase();
    let can: Vec<&str> = Target::ALL
        .iter()
        .map(|target| display(target.name()))
        .collect();
    let can = format!("can be trained: {}", can.join(", "));
    let known = NAMES.iter().find(|(name, _)| *name == folded);
    let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
    let problem = match known {
        Some((_, name)) => values
            .problem("target", format!("{name} is not supported yet"))
            .label(can),
        None if written.contains('.') => {
            let message =
                format!("`{written}` looks like a Python class, which cannot be loaded here");
            let help = "0.0.8 imported classes by their dotted path; here an architecture is part of the program";
            values.problem("target", message).label(can).help(help)
        }
        None => {
            let near = nearest(&fold(&written).replace(' ', ""), &names);
            let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            let message = format!("unknown architecture `{written}`{near}");
            let help = format!("architectures: {}", names.join(", "));
            values.problem("target", message).label(can).help(help)
        }
    };
    problems.push(problem);
    None
}

/// The name of an architecture as people write it.
pub(super) fn display(name: &'static str) -> &'static str {
    NAMES
        .iter()
        .find(|(folded, _)| *folded == name)
        .map_or(name, |(_, shown)| shown)
}

/// The section with the options of its architecture; `has_stress_weight` decides the default of
/// `predict_stress`.
pub(super) fn resolve(
    values: &Values,
    target: Target,
    has_stress_weight: bool,
    problems: &mut Vec<Problem>,
) -> ModelSection {
    let config = options(values, target.default_config(), problems);
    for problem in config.validate() {
        // Wrong values that the table knows of have been reported and are at their defaults here.
        problems.push(values.problem(problem.key, sentence(problem.key, &problem.message)));
    }
    ModelSection {
        config,
        seed: values.integer("seed").expect("it has a default"),
        predict_stress: predict_stress(values, has_stress_weight, problems)
            .unwrap_or(has_stress_weight),
        pretrained: None,
    }
}

/// `predict_stress` as given; it cannot be false when the stress is trained.
pub(super) fn predict_stress(
    values: &Values,
    has_stress_weight: bool,
    problems: &mut Vec<Problem>,
) -> Option<bool> {
    let predict_stress = values.boolean("predict_stress");
    if predict_stress == Some(false) && has_stress_weight {
        let message =
            "`predict_stress: false` excludes `stress_weights` above 0 in `train`".to_owned();
        problems.push(
            values
                .problem("predict_stress", message)
                .label("remove one of the two"),
        );
    }
    predict_stress
}

/// Options of an architecture, overwritten by what is given.
fn options(values: &Values, defaults: ModelConfig, problems: &mut Vec<Problem>) -> ModelConfig {
    let target = defaults.target();
    let mut options = defaults.to_json();
    for (key, value) in given(values, target, problems) {
        let former = std::mem::replace(&mut options[&key], value);
        if let Err(message) = target.read_config(options.clone()) {
            let row = Section::Model.key(&key).expect("the table has all keys");
            let message = format!(
                "`{key}` is not as {} has it: {message}",
                display(target.name())
            );
            let label = format!("for example `{key}: {}`", example(Section::Model, row));
            let problem = values.problem(&key, message).label(label);
            problems.push(problem.help(format!("`{key}`: {}", meaning(row))));
            options[&key] = former;
        }
    }
    let config = target.read_config(options);
    config.expect("what could not be read was taken back")
}

/// The options that are given.
pub(super) fn given(
    values: &Values,
    target: Target,
    problems: &mut Vec<Problem>,
) -> Map<String, Json> {
    let known = target.default_config().to_json();
    let mut given = Map::new();
    for row in Section::Model
        .keys()
        .iter()
        .filter(|row| !OWN.contains(&row.name))
    {
        let Some(entry) = values.entry(row.name) else {
            // `null` where an option may be absent but is not by default: the dataset's value.
            if values.is_null(row.name) && target.takes_null(row.name) {
                given.insert(row.name.to_owned(), Json::Null);
            }
            continue;
        };
        if known.get(row.name).is_none() {
            problems.push(foreign(target, row.name, entry.key.clone()));
            continue;
        }
        given.extend(
            entry
                .value
                .clone()
                .map(|value| (row.name.to_owned(), json(value))),
        );
    }
    given
}

/// The problem of an option that only other architectures have.
fn foreign(target: Target, option: &str, place: Range<usize>) -> Problem {
    let options: Vec<&str> = Section::Model
        .keys()
        .iter()
        .map(|row| row.name)
        .filter(|name| has(target, name))
        .collect();
    let name = display(target.name());
    let mut message = format!("{name} has no option `{option}`");
    if let Some(near) = nearest(option, &options) {
        message += &format!(", did you mean `{near}`?");
    }
    let others = architectures_with(option).join(", ");
    Problem::at(place, message)
        .label(format!("this is an option of {others}; remove it"))
        .help(format!("options of {name}: {}", options.join(", ")))
}

fn json(value: Parsed) -> Json {
    match value {
        Parsed::Bool(value) => value.into(),
        Parsed::Integer(value) => value.into(),
        Parsed::Number(value) => value.into(),
        Parsed::Word(value) => value.into(),
        Parsed::Text(value) => value.into(),
        Parsed::Names(value) => value.into(),
        Parsed::Energies(value) => value,
        other => unreachable!("no option of a model is {other:?}"),
    }
}
