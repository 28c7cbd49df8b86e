//! From YAML values to the kinds of the table, with the spellings of YAML 1.1.

use std::ops::Range;

use dipm_data::{Amount, Splits, atomic_number};
use serde_json::{Map, Value as Json};

use super::error::Problem;
use super::schema::Kind;
use super::tree::{Node, Value};

/// A value of the right kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parsed {
    Bool(bool),
    Integer(u64),
    Number(f64),
    Numbers(Vec<f64>),
    Word(&'static str),
    Text(String),
    Paths(WrittenPaths),
    Splits(Splits),
    Amount(Amount),
    Names(Vec<String>),
    Energies(Json),
    Counts,
}

/// Paths with their places; the name of a task is `None` without tasks.
pub(super) type WrittenPaths = Vec<(Option<String>, Vec<(String, Range<usize>)>)>;

/// Reads a value as a kind.
pub(super) fn parse(kind: &Kind, node: &Node, key: &str) -> Result<Parsed, Problem> {
    let wrong = || mismatch(node, key, &kind.expected());
    match *kind {
        Kind::Bool => boolean(node).map(Parsed::Bool).ok_or_else(wrong),
        Kind::Integer { min } => match integer(node) {
            Some(n) if n >= min => Ok(Parsed::Integer(n)),
            _ => Err(wrong()),
        },
        Kind::Number { min, above, max } => match number(node) {
            Some(x) if in_range(x, min, above, max) => Ok(Parsed::Number(x)),
            _ => Err(wrong()),
        },
        Kind::Weights => match &node.value {
            Value::List(items) if !items.is_empty() => numbers(items, f64::INFINITY, key),
            Value::List(_) => Err(wrong()),
            _ => numbers(std::slice::from_ref(node), f64::INFINITY, key),
        },
        Kind::Fractions => match &node.value {
            Value::List(items) if !items.is_empty() => numbers(items, 1.0, key),
            _ => Err(wrong()),
        },
        Kind::Word { words, also } => word(node, words, also).map(Parsed::Word).ok_or_else(wrong),
        Kind::Text | Kind::Path => match node.text() {
            Some(text) if !text.trim().is_empty() => Ok(Parsed::Text(text.to_owned())),
            _ => Err(wrong()),
        },
        Kind::DataPaths => data_paths(node, key).map(Parsed::Paths),
        Kind::Splits => splits(node).map(Parsed::Splits).ok_or_else(wrong),
        Kind::Amount => amount(node).map(Parsed::Amount).ok_or_else(wrong),
        Kind::Names => names(node, key).map(Parsed::Names),
        Kind::Energies => energies(node, key).map(Parsed::Energies),
        Kind::Counts => counts(node, key).map(|()| Parsed::Counts),
    }
}

fn mismatch(node: &Node, key: &str, expected: &str) -> Problem {
    let problem = Problem::at(node.span.clone(), format!("`{key}` is {}", node.describe()));
    problem.label(format!("expected {expected}"))
}

fn in_range(x: f64, min: f64, above: bool, max: f64) -> bool {
    // An infinite limit means "no limit" where 0 is allowed too; nothing else can be infinite.
    let finite = x.is_finite() || (!above && max.is_infinite() && x > 0.0);
    finite && x <= max && if above { x > min } else { x >= min }
}

/// `true`, `yes`, `on`, … in quotes or not.
fn boolean(node: &Node) -> Option<bool> {
    match node.text()?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "t" | "y" | "1" => Some(true),
        "false" | "no" | "off" | "f" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Digits, with `_` between them as in YAML 1.1, or a number without fraction such as `16.0` or `1e3`.
fn integer(node: &Node) -> Option<u64> {
    let text = without_underscores(node.text()?.trim())?;
    let digits = text.strip_prefix('+').unwrap_or(&text);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        // 010 is 8 in YAML 1.1 and 10 in YAML 1.2.
        let ambiguous = digits.len() > 1 && digits.starts_with('0');
        return if ambiguous { None } else { digits.parse().ok() };
    }
    let x = float(&text)?;
    (x >= 0.0 && x.fract() == 0.0 && x < 9.0e15).then_some(x as u64)
}

fn number(node: &Node) -> Option<f64> {
    float(&without_underscores(node.text()?.trim())?)
}

/// A decimal number, or `.inf` in the spellings of YAML.
fn float(text: &str) -> Option<f64> {
    if matches!(text, ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF") {
        return Some(f64::INFINITY);
    }
    let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(numeric) {
        return None;
    }
    text.parse().ok().filter(|x: &f64| x.is_finite())
}

fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let between = |i: usize| i > 0 && digit(i - 1) && digit(i + 1);
    let fits = (0..bytes.len()).all(|i| bytes[i] != b'_' || between(i));
    fits.then(|| text.replace('_', ""))
}

/// A spelling with case, `_` and `-` ignored.
pub(super) fn fold(text: &str) -> String {
    let kept = text.chars().filter(|c| !matches!(c, '_' | '-'));
    kept.flat_map(char::to_lowercase).collect()
}

fn word(
    node: &Node,
    words: &[&'static str],
    also: &[(&str, &'static str)],
) -> Option<&'static str> {
    let folded = fold(node.text()?);
    let word = words.iter().find(|word| fold(word) == folded).copied();
    let other = || {
        also.iter()
            .find(|(other, _)| fold(other) == folded)
            .map(|(_, word)| *word)
    };
    word.or_else(other)
}

fn numbers(items: &[Node], max: f64, key: &str) -> Result<Parsed, Problem> {
    let expected = Kind::Number {
        min: 0.0,
        above: false,
        max,
    };
    let one = |item: &Node| match number(item) {
        Some(x) if x.is_finite() && x >= 0.0 && x <= max => Ok(x),
        _ => Err(mismatch(item, key, &expected.expected())),
    };
    items
        .iter()
        .map(one)
        .collect::<Result<_, _>>()
        .map(Parsed::Numbers)
}

/// A whole number ≥ 1 of any spelling but `1.0`, which is a share like 0 and whatever lies below 1.
fn amount(node: &Node) -> Option<Amount> {
    let text = node.text()?.trim();
    let share = number(node)?;
    match integer(node) {
        Some(n) if n > 1 || (n == 1 && !text.contains(['.', 'e', 'E'])) => {
            Some(Amount::Count(usize::try_from(n).ok()?))
        }
        _ => (0.0..=1.0)
            .contains(&share)
            .then_some(Amount::Fraction(share)),
    }
}

/// Counts if all three are whole numbers ≥ 1, else shares. The third can be 0; `[8, 1, 0]` then are counts because
/// they are no shares.
fn splits(node: &Node) -> Option<Splits> {
    let Value::List(items) = &node.value else {
        return None;
    };
    let [a, b, c] = items.as_slice() else {
        return None;
    };
    let count = |n: &Node| {
        integer(n)
            .filter(|n| *n > 0)
            .and_then(|n| usize::try_from(n).ok())
    };
    if let (Some(a), Some(b), Some(c)) = (count(a), count(b), count(c)) {
        return Some(Splits::Counts([a, b, c]));
    }
    if let (Some(a), Some(b), Some(0)) = (count(a), count(b), integer(c)) {
        return Some(Splits::Counts([a, b, 0]));
    }
    let share = |n: &Node| number(n).filter(|x| (0.0..=1.0).contains(x));
    Some(Splits::Fractions([share(a)?, share(b)?, share(c)?]))
}

fn data_paths(node: &Node, key: &str) -> Result<WrittenPaths, Problem> {
    let Value::Map(tasks) = &node.value else {
        return Ok(vec![(None, path_list(node, key)?)]);
    };
    if tasks.is_empty() {
        return Err(mismatch(node, key, &Kind::DataPaths.expected()).help("the map is empty"));
    }
    let mut written: WrittenPaths = Vec::new();
    for (name, paths) in tasks {
        let text = name.text().expect("keys are scalars").to_owned();
        if written
            .iter()
            .any(|(other, _)| other.as_ref() == Some(&text))
        {
            let message = format!("task `{text}` is given twice");
            return Err(Problem::at(name.span.clone(), message));
        }
        written.push((Some(text), path_list(paths, key)?));
    }
    Ok(written)
}

fn path_list(node: &Node, key: &str) -> Result<Vec<(String, Range<usize>)>, Problem> {
    let one = |node: &Node| match node.text() {
        Some(text) if !text.trim().is_empty() && !node.is_null() => {
            Ok((text.to_owned(), node.span.clone()))
        }
        _ => Err(mismatch(node, key, &Kind::Path.expected())),
    };
    match &node.value {
        Value::List(items) if items.is_empty() => Err(Problem::at(
            node.span.clone(),
            format!("`{key}` is an empty list"),
        )
        .label("expected at least one path")),
        Value::List(items) => items.iter().map(one).collect(),
        _ => Ok(vec![one(node)?]),
    }
}

fn names(node: &Node, key: &str) -> Result<Vec<String>, Problem> {
    let one = |node: &Node| match node.text() {
        Some(text) if !text.trim().is_empty() && !node.is_null() => Ok(text.to_owned()),
        _ => Err(mismatch(node, key, &Kind::Names.expected())),
    };
    match &node.value {
        Value::List(items) if !items.is_empty() => items.iter().map(one).collect(),
        _ => Ok(vec![one(node)?]),
    }
}

fn energies(node: &Node, key: &str) -> Result<Json, Problem> {
    let Value::Map(entries) = &node.value else {
        let words = Kind::Word {
            words: &["average", "zero"],
            also: &[],
        };
        return match parse(&words, node, key) {
            Ok(Parsed::Word(word)) => Ok(Json::from(word)),
            _ => Err(mismatch(node, key, &Kind::Energies.expected())),
        };
    };
    let mut energies = Map::new();
    for (element, energy) in entries {
        let Some(z) = atomic_number(element.text().unwrap_or("").trim()) else {
            return Err(mismatch(
                element,
                key,
                "an atomic number or the symbol of an element",
            ));
        };
        let Some(energy) = number(energy).filter(|energy| energy.is_finite()) else {
            return Err(mismatch(energy, key, "a number (eV)"));
        };
        if energies.insert(z.to_string(), Json::from(energy)).is_some() {
            let message = format!("`{key}` has element {z} twice");
            return Err(Problem::at(element.span.clone(), message));
        }
    }
    Ok(Json::Object(energies))
}

/// `true`, `false`, or three numbers for some of `train`, `validation`, `test`.
fn counts(node: &Node, key: &str) -> Result<(), Problem> {
    let Value::Map(sets) = &node.value else {
        return match boolean(node) {
            Some(_) => Ok(()),
            None => Err(mismatch(node, key, &Kind::Counts.expected())),
        };
    };
    for (name, triple) in sets {
        if !matches!(name.text(), Some("train" | "validation" | "test")) {
            return Err(mismatch(name, key, "one of train, validation, test"));
        }
        let fits = match &triple.value {
            Value::List(items) => items.len() == 3 && items.iter().all(|n| integer(n).is_some()),
            _ => false,
        };
        if !fits {
            return Err(mismatch(
                triple,
                key,
                "three whole numbers: batches, structures, atoms",
            ));
        }
    }
    Ok(())
}
