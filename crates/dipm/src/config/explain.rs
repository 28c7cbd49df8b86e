//! `dipm explain`: what a key means, as text for a terminal.

use std::fmt::Write as _;

use dipm_models::Target;

use super::examples::example;
use super::resolve_model::{OWN, architectures_with, display, has, trainable};
use super::schema::{Key, Section, Support};
use super::suggest::{advice, nearest};
use super::write::json;

/// Widest line.
const WIDTH: usize = 100;

/// The explanation of a key, which can have its section in front (`train.dtype`); the keys of a section or of an
/// architecture; all keys without a word.
///
/// # Errors
/// A sentence about a word that is none of these, with the nearest that is.
pub fn explain(word: Option<&str>) -> Result<String, String> {
    let Some(word) = word else {
        return Ok(all_keys());
    };
    let (place, name) = match word.split_once('.') {
        Some((place, name)) => (Some(place), name),
        None => (None, word),
    };
    if let Some(section) = Section::ALL.into_iter().find(|s| s.name() == word) {
        return Ok(keys_of(section));
    }
    if let Some(target) = trainable(word) {
        return Ok(options_of(target));
    }
    let rows: Vec<(Section, &'static Key)> = Section::ALL
        .into_iter()
        .filter(|section| place.is_none_or(|place| place == section.name()))
        .filter_map(|section| section.key(name).map(|row| (section, row)))
        .collect();
    if rows.is_empty() {
        return Err(unknown(word, name));
    }
    let texts: Vec<String> = rows.into_iter().map(|(s, row)| key(s, row)).collect();
    Ok(texts.join("\n"))
}

fn unknown(word: &str, name: &str) -> String {
    let mut message = format!("there is no key `{word}`");
    let section_of = |name: &str| {
        let sections = Section::ALL.into_iter().filter(|s| s.key(name).is_some());
        let names: Vec<String> = sections.map(|s| format!("`{}`", s.name())).collect();
        names.join(" and ")
    };
    let known: Vec<&str> = Section::ALL
        .iter()
        .flat_map(|section| section.keys())
        .map(|row| row.name)
        .collect();
    if let Some(advice) = advice(name) {
        message += &format!(": {advice}");
    } else if !section_of(name).is_empty() {
        message += &format!("; `{name}` belongs to {}", section_of(name));
    } else if let Some(near) = nearest(name, &known) {
        message += &format!(", did you mean `{near}` in {}?", section_of(near));
    }
    message + "\n`dipm explain` lists all keys"
}

/// A key with all that is known about it.
fn key(section: Section, row: &'static Key) -> String {
    let mut text = format!("{}.{}\n\n", section.name(), row.name);
    for line in wrapped(&meaning(row), WIDTH - 2) {
        text += &format!("  {line}\n");
    }
    text.push('\n');
    let unit = match row.unit {
        "" => String::new(),
        unit => format!(" ({unit})"),
    };
    let mut field = |name: &str, content: &str| {
        let mut lines = wrapped(content, WIDTH - 17).into_iter();
        let first = lines.next().unwrap_or_default();
        text += &format!("  {name:<13}  {first}\n");
        for line in lines {
            text += &format!("  {:<13}  {line}\n", "");
        }
    };
    field("value", &format!("{}{unit}", row.kind.expected()));
    let architectures = architectures(section, row);
    field("default", &default(row, &architectures));
    if !architectures.is_empty() {
        let names: Vec<&str> = architectures.iter().map(|t| display(t.name())).collect();
        field("architectures", &names.join(", "));
    }
    match row.support {
        Support::Full => {}
        Support::NoEffect(why) => field("effect", &format!("none: {why}")),
    }
    field("example", &format!("{}:", section.name()));
    field(
        "",
        &format!("\u{a0}\u{a0}{}: {}", row.name, example(section, row)),
    );
    text.replace('\u{a0}', " ")
}

/// The architectures whose option a key is.
fn architectures(section: Section, row: &Key) -> Vec<Target> {
    let all = Target::ALL.iter().copied();
    all.filter(|target| section == Section::Model && has(*target, row.name))
        .collect()
}

/// What a key means, without the names of architectures in front.
pub(super) fn meaning(row: &Key) -> String {
    let names = architectures_with(row.name);
    match row.doc.split_once(": ") {
        Some((before, rest)) if before.split(", ").all(|word| names.contains(&word)) => {
            let mut letters = rest.chars();
            let first = letters.next().map(char::to_uppercase);
            first.into_iter().flatten().chain(letters).collect()
        }
        _ => row.doc.to_owned(),
    }
}

/// The default in words, with the architectures that have it if they differ.
fn default(row: &Key, architectures: &[Target]) -> String {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for target in architectures {
        let (default, name) = (default_of(row, *target), display(target.name()));
        match found.iter_mut().find(|(other, _)| *other == default) {
            Some((_, names)) => names.push(name),
            None => found.push((default, vec![name])),
        }
    }
    match found.as_slice() {
        [] => in_words(row),
        [(default, _)] => default.clone(),
        several => {
            let each = several
                .iter()
                .map(|(default, names)| format!("{default} ({})", names.join(", ")));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

/// The default of the table.
fn in_words(row: &Key) -> String {
    match row.default_yaml() {
        _ if row.is_required() => "none, it is required".to_owned(),
        Some("null") => "none".to_owned(),
        Some(yaml) => yaml.to_owned(),
        None => row.default.trim_matches(['(', ')']).to_owned(),
    }
}

/// The default of an option in an architecture.
pub(super) fn default_of(row: &Key, target: Target) -> String {
    let value = &target.default_config().to_json()[row.name];
    match row.default_yaml() {
        // a default in words that depends on the architecture says first what an absent value means
        None if value.is_null() => {
            let words = in_words(row);
            words.split(';').next().unwrap_or_default().to_owned()
        }
        None => json(value).replace('"', ""),
        Some(_) => in_words(row),
    }
}

/// All keys of a section, each in a line.
fn keys_of(section: Section) -> String {
    let mut text = format!("{}\n", section.name());
    for row in section.keys() {
        let names = architectures_with(row.name);
        let is_option = section == Section::Model && !OWN.contains(&row.name);
        let of = match is_option && names.len() < Target::ALL.len() {
            true => format!("{}: ", names.join(", ")),
            false => String::new(),
        };
        text += &line(row, &format!("{of}{}", first_sentence(row)));
    }
    text
}

fn all_keys() -> String {
    let sections = Section::ALL.map(keys_of).join("\n");
    format!(
        "{sections}\n`dipm explain KEY` says more about a key, `dipm explain nequip` lists the options of an \
         architecture.\n"
    )
}

/// The options of an architecture with their defaults.
fn options_of(target: Target) -> String {
    let mut text = format!("model: target: {}\n", display(target.name()));
    for row in Section::Model.keys() {
        if has(target, row.name) {
            let what = format!("{} [{}]", first_sentence(row), default_of(row, target));
            text += &line(row, &what);
        }
    }
    text
}

fn first_sentence(row: &Key) -> String {
    let meaning = meaning(row);
    meaning
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_owned()
}

/// A key and what it means, in as many lines as needed.
fn line(row: &Key, what: &str) -> String {
    let indent = 34;
    let lines = wrapped(what, WIDTH - indent);
    let mut text = String::new();
    for (i, part) in lines.iter().enumerate() {
        let name = if i == 0 { row.name } else { "" };
        writeln!(text, "  {name:<31} {part}").expect("writing to a string does not fail");
    }
    text
}

/// Words in lines of at most `width` characters.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
