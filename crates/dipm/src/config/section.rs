//! One section checked against its table.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::error::Problem;
use super::examples::example;
use super::explain::meaning;
use super::schema::{Key, Kind, Section};
use super::suggest::unknown_key;
use super::tree::{Node, Value, parse as parse_yaml};
use super::values::{Parsed, parse};

/// A value with its places.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where the key stands.
    pub key: Range<usize>,
    /// Where the value stands.
    pub place: Range<usize>,
    /// The value; `None` when it is wrong, which has been reported.
    pub value: Option<Parsed>,
}

/// What a section says. Keys that are left out, or `null`, or wrong, have their defaults.
#[derive(Debug)]
pub(super) struct Values {
    section: Section,
    /// Where the section begins.
    pub place: Option<Range<usize>>,
    entries: HashMap<&'static str, Entry>,
    /// Keys that were given as `null`.
    nulls: HashSet<&'static str>,
}

impl Values {
    /// Reads a section and reports all that is wrong with single keys, but for those to `skip`. Messages about
    /// unknown keys list the `known` ones.
    pub(super) fn read(
        section: Section,
        place: Option<Range<usize>>,
        node: Option<&Node>,
        known: &[&'static str],
        skip: impl Fn(&str) -> bool,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut values = Self {
            section,
            place,
            entries: HashMap::new(),
            nulls: HashSet::new(),
        };
        match node.map(|node| (&node.value, node)) {
            Some((Value::Map(entries), _)) => {
                for (key, value) in entries
                    .iter()
                    .filter(|(key, _)| !key.text().is_some_and(&skip))
                {
                    values.take(key, value, known, problems);
                }
            }
            Some((_, node)) if !node.is_null() => {
                // What it lacks does not matter then.
                values.place = None;
                let message = format!("`{}` is {}", section.name(), node.describe());
                let label = "expected a map of keys and values";
                problems.push(Problem::at(node.span.clone(), message).label(label));
            }
            _ => {}
        }
        values
    }

    fn take(&mut self, key: &Node, node: &Node, known: &[&str], problems: &mut Vec<Problem>) {
        let name = key.text().expect("keys are scalars");
        let Some(row) = self.section.key(name) else {
            problems.push(unknown_key(
                Some(self.section),
                known,
                name,
                key.span.clone(),
            ));
            return;
        };
        if self.entries.contains_key(row.name) {
            let message = format!("`{name}` is given twice");
            problems.push(Problem::at(key.span.clone(), message).label("remove one of the two"));
            return;
        }
        let value = match node.is_null() {
            true => None,
            false => parse(&row.kind, node, name)
                .map_err(|problem| with_meaning(problem, row))
                .map_err(|problem| problems.push(problem))
                .ok(),
        };
        if value.is_some() || !node.is_null() {
            let (key, place) = (key.span.clone(), node.span.clone());
            self.entries.insert(row.name, Entry { key, place, value });
        } else {
            self.nulls.insert(row.name);
        }
    }

    /// Reports required keys that are missing from a section that is there.
    pub(super) fn require(&self, keys: &[&str], problems: &mut Vec<Problem>) {
        let Some(place) = &self.place else { return };
        for key in keys.iter().filter(|key| !self.entries.contains_key(*key)) {
            let row = self.section.key(key).expect("the table has all keys");
            let message = format!("`{}` lacks the required key `{key}`", self.section.name());
            let label = format!("add for example `{key}: {}`", example(self.section, row));
            let help = match row.kind {
                Kind::Text | Kind::Path => meaning(row),
                kind => format!("{} Expected {}.", meaning(row), kind.expected()),
            };
            problems.push(Problem::at(place.clone(), message).label(label).help(help));
        }
    }

    /// What was written for a key, if not `null`.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        debug_assert!(self.section.key(key).is_some(), "no key {key}");
        self.entries.get(key)
    }

    /// Whether a key was given as `null`.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.nulls.contains(key)
    }

    /// A problem at a key, or at its value.
    pub(super) fn problem(&self, key: &str, message: String) -> Problem {
        match self.entries.get(key) {
            Some(entry) => Problem::at(entry.place.clone(), message),
            None => match &self.place {
                Some(place) => Problem::at(place.clone(), message),
                None => Problem::anywhere(message),
            },
        }
    }

    /// The value of a key, or its default from the table.
    pub(super) fn get(&self, key: &str) -> Option<Parsed> {
        let row = self.section.key(key).expect("the table has all keys");
        let written = self
            .entries
            .get(row.name)
            .and_then(|entry| entry.value.clone());
        written.or_else(|| default(row))
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Parsed::Bool(value) => Some(value),
            other => unreachable!("{key} is {other:?}"),
        }
    }

    /// Whether a key with a default is true.
    pub(super) fn is(&self, key: &str) -> bool {
        self.boolean(key).expect("it has a default")
    }

    pub(super) fn integer(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Parsed::Integer(value) => Some(value),
            other => unreachable!("{key} is {other:?}"),
        }
    }

    pub(super) fn count(&self, key: &str) -> Option<usize> {
        self.integer(key)
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Parsed::Number(value) => Some(value),
            other => unreachable!("{key} is {other:?}"),
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Parsed::Text(value) => Some(value),
            Parsed::Word(value) => Some(value.to_owned()),
            other => unreachable!("{key} is {other:?}"),
        }
    }
}

/// The default of a row as a value; `None` for `null` and for defaults in words.
pub(super) fn default(row: &Key) -> Option<Parsed> {
    let yaml = row.default_yaml()?;
    let node = parse_yaml(yaml)
        .expect("defaults are YAML")
        .expect("defaults are written");
    match node.is_null() {
        true => None,
        false => Some(parse(&row.kind, &node, row.name).expect("defaults are of their kind")),
    }
}

/// A wrong value with its unit, and what the key means.
fn with_meaning(mut problem: Problem, row: &Key) -> Problem {
    let expected = row.kind.expected();
    let whole = |label: &&mut String| label.ends_with(&expected) && !row.unit.is_empty();
    if let Some(label) = problem.label.as_mut().filter(whole) {
        *label += &format!(" ({})", row.unit);
    }
    let help = || format!("`{}`: {}", row.name, meaning(row));
    problem.help.get_or_insert_with(help);
    problem
}
