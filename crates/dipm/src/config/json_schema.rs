//! `dipm schema`: the table of keys as a JSON schema, for editors that check and complete YAML.
//!
//! It accepts what the program accepts, spellings included, as far as a single key says it; what several keys say
//! together, and what exists on the disk, is checked by the program alone.

use dipm_models::Target;
use serde_json::{Map, Value as Json, json};

use super::explain::{default_of, meaning};
use super::resolve_model::{OWN, display, has};
use super::schema::{Key, Kind, Section, Support};

/// Decimal numbers in quotes, and those that YAML 1.1 takes for a text, such as `1e-4`.
const NUMBER: &str = r"^[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d+)?$|^[+]?\.(inf|Inf|INF)$";
const INTEGER: &str = r"^[+]?\d[\d_]*(\.0*)?([eE][+]?\d+)?$";
const BOOLEAN: &str =
    "^([Tt]rue|TRUE|[Yy]es|YES|[Oo]n|ON|[TtYy]|[Ff]alse|FALSE|[Nn]o|NO|[Oo]ff|OFF|[FfNn]|[01])$";

/// The schema (draft 2020-12) of the YAML file.
pub fn json_schema() -> Json {
    let sections: Map<String, Json> = Section::ALL
        .into_iter()
        .map(|section| (section.name().to_owned(), self::section(section)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dipm training configuration",
        "description": "Model, dataset and training of a run. Energies in eV, lengths in Å.",
        "type": "object",
        "properties": sections,
        "required": Section::ALL.map(Section::name),
        "additionalProperties": false,
    })
}

fn section(section: Section) -> Json {
    let keys: Map<String, Json> = section
        .keys()
        .iter()
        .map(|row| (row.name.to_owned(), property(section, row)))
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": keys,
        "additionalProperties": false,
    });
    let one_of_two = |a: &str, b: &str| json!([{"required": [a]}, {"required": [b]}]);
    match section {
        Section::Model => {
            schema["description"] = json!("What is trained.");
            schema["anyOf"] = one_of_two("target", "pretrained");
            schema["allOf"] = Target::ALL.iter().map(|target| options(*target)).collect();
        }
        Section::Dataset => {
            schema["description"] = json!("What it is trained on.");
            schema["required"] = json!(section.required());
            schema["anyOf"] = one_of_two("valid_dataset_paths", "dataset_splits");
        }
        Section::Train => {
            schema["description"] = json!("How it is trained.");
            schema["required"] = json!(section.required());
        }
    }
    schema
}

/// What holds when the architecture is this one: its options, with their defaults.
fn options(target: Target) -> Json {
    let rows = Section::Model.keys().iter();
    let own: Vec<&Key> = rows.filter(|row| has(target, row.name)).collect();
    let names: Vec<&str> = own
        .iter()
        .map(|row| row.name)
        .chain(OWN.iter().copied())
        .collect();
    let defaults: Map<String, Json> = own
        .iter()
        .filter(|row| row.default_yaml().is_none())
        .map(|row| {
            let value = target.default_config().to_json()[row.name].clone();
            let about = format!(
                "Default in {}: {}.",
                display(target.name()),
                default_of(row, target)
            );
            (
                row.name.to_owned(),
                json!({"default": value, "description": about}),
            )
        })
        .collect();
    json!({
        "if": {"properties": {"target": spelling(target.name())}, "required": ["target"]},
        "then": {"propertyNames": {"enum": names}, "properties": defaults},
    })
}

/// A key with its documentation, its default and what can be written.
fn property(section: Section, row: &Key) -> Json {
    let mut about = meaning(row);
    let of: Vec<&str> = Target::ALL
        .iter()
        .filter(|target| has(**target, row.name))
        .map(|target| display(target.name()))
        .collect();
    if section == Section::Model && !of.is_empty() && of.len() < Target::ALL.len() {
        about = format!("{}: {about}", of.join(", "));
    }
    about += &match row.unit {
        "" => String::new(),
        unit => format!(" Unit: {unit}."),
    };
    about += &format!(" Value: {}.", row.kind.expected());
    if row.default_yaml().is_none() && !row.is_required() {
        about += &format!(" Default: {}.", row.default.trim_matches(['(', ')']));
    }
    let mut schema = match row.support {
        Support::Full => value(row),
        Support::NoEffect(why) => {
            about += &format!(" Accepted without effect: {why}.");
            value(row)
        }
    };
    schema["description"] = json!(about);
    if let Some(default) = row.default_yaml() {
        let default: Json = serde_json::from_str(default).unwrap_or_else(|_| json!(default));
        if !default.is_null() && row.name != "readout_irreps" {
            schema["default"] = default;
        }
    }
    schema
}

/// What can be written; `null`, which is the same as leaving the key out, unless it is required.
fn value(row: &Key) -> Json {
    let mut schema = kind(row.name, &row.kind);
    if row.is_required() {
        return schema;
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Json::as_array_mut) {
        choices.push(json!({"type": "null"}));
    } else {
        let types = schema["type"].take();
        schema["type"] = match types {
            Json::Array(types) => types.into_iter().chain([json!("null")]).collect(),
            one => json!([one, "null"]),
        };
    }
    schema
}

fn kind(name: &str, kind: &Kind) -> Json {
    let path = json!({"type": "string", "minLength": 1});
    let name_or_number = json!({"type": ["string", "number", "boolean"], "minLength": 1});
    let fraction = number(0.0, false, 1.0);
    let above_0 = json!({"type": ["integer", "string"], "minimum": 1, "pattern": INTEGER});
    let list = |items: &Json| json!({"type": "array", "items": items, "minItems": 1});
    match kind {
        Kind::Bool => {
            json!({"type": ["boolean", "string", "integer"], "pattern": BOOLEAN, "minimum": 0, "maximum": 1})
        }
        Kind::Integer { min } => {
            json!({"type": ["integer", "string"], "minimum": min, "pattern": INTEGER})
        }
        Kind::Number { min, above, max } => number(*min, *above, *max),
        Kind::Weights => {
            let weight = number(0.0, false, f64::INFINITY);
            json!({"anyOf": [weight, list(&weight)]})
        }
        Kind::Fractions => list(&fraction),
        Kind::Word { words: all, also } => json!({"anyOf": words(all, also)}),
        Kind::Text if name == "target" => {
            let names: Vec<&str> = Target::ALL.iter().map(|t| display(t.name())).collect();
            let mut choices = vec![json!({"enum": names})];
            choices.extend(Target::ALL.iter().map(|target| spelling(target.name())));
            json!({"anyOf": choices})
        }
        // numbers and truth values are texts here
        Kind::Text => name_or_number,
        Kind::Path => path,
        Kind::DataPaths => {
            let paths = json!({"anyOf": [path, list(&path)]});
            let tasks =
                json!({"type": "object", "additionalProperties": paths, "minProperties": 1});
            json!({"anyOf": [path, list(&path), tasks]})
        }
        Kind::Splits => {
            let count = json!({"type": ["integer", "string"], "minimum": 0, "pattern": INTEGER});
            let three = |items: &Json| json!({"type": "array", "items": items, "minItems": 3, "maxItems": 3});
            json!({"anyOf": [three(&count), three(&fraction)]})
        }
        Kind::Amount => json!({"anyOf": [above_0, fraction]}),
        Kind::Names => json!({"anyOf": [name_or_number, list(&name_or_number)]}),
        Kind::Energies => {
            let energy = number(f64::NEG_INFINITY, false, f64::INFINITY);
            let mut choices = words(&["average", "zero"], &[]);
            choices.push(json!({"type": "object", "additionalProperties": energy}));
            json!({"anyOf": choices})
        }
        Kind::Counts => {
            let count = json!({"type": ["integer", "string"], "minimum": 0, "pattern": INTEGER});
            let three = json!({"type": "array", "items": count, "minItems": 3, "maxItems": 3});
            let sets = json!({"train": three, "validation": three, "test": three});
            json!({"anyOf": [
                {"type": ["boolean", "string"], "pattern": BOOLEAN},
                {"type": "object", "properties": sets, "additionalProperties": false},
            ]})
        }
    }
}

fn number(min: f64, above: bool, max: f64) -> Json {
    let mut schema = json!({"type": ["number", "string"], "pattern": NUMBER});
    if min.is_finite() {
        schema[if above { "exclusiveMinimum" } else { "minimum" }] = json!(min);
    }
    if max.is_finite() {
        schema["maximum"] = json!(max);
    }
    schema
}

/// The words, for completion, and all their spellings.
fn words(words: &[&str], also: &[(&str, &str)]) -> Vec<Json> {
    let others = also.iter().filter(|(_, word)| words.contains(word));
    let mut choices = vec![json!({"enum": words})];
    choices.extend(
        words
            .iter()
            .copied()
            .chain(others.map(|(other, _)| *other))
            .map(spelling),
    );
    choices
}

/// A word in any case, with `_` and `-` anywhere.
fn spelling(word: &str) -> Json {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-'));
    let letters: Vec<String> = letters
        .map(|c| match c.is_alphabetic() {
            true => format!("[{}{}]", c.to_lowercase(), c.to_uppercase()),
            false => c.to_string(),
        })
        .collect();
    json!({"type": "string", "pattern": format!("^[_-]*{}[_-]*$", letters.join("[_-]*"))})
}
