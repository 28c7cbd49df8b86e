//! `--set SECTION.KEY=VALUE`: keys that the command line sets, put into the tree of the file.

use std::ops::Range;

use super::Overrides;
use super::error::{Problem, Sources};
use super::schema::Section;
use super::suggest::{section_like, unknown_key};
use super::tree::{Node, Value, parse};

/// What stands before an assignment where problems are shown.
const OPTION: &str = "--set ";

/// The tree of the file with all assignments of the command line. What is wrong in one of them is reported at its
/// place in the argument, for which `sources` gets a part for each.
pub(super) fn apply(
    root: Option<Node>,
    overrides: &Overrides,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    let mut root = root;
    let mut seen: Vec<(Section, String)> = Vec::new();
    for argument in &overrides.set {
        let start = sources.add_argument(format!("{OPTION}{argument}")) + OPTION.len();
        let assignment = match read(argument, start) {
            Ok(assignment) => assignment,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let (section, name) = (assignment.section, assignment.name.clone());
        let place = assignment.key.span.clone();
        if let Some(option) = option_of(&name, overrides).filter(|_| section == Section::Dataset) {
            let message = format!("`{option}` and `--set dataset.{name}` exclude each other");
            problems.push(Problem::at(place, message).label("remove one of the two"));
            continue;
        }
        if seen.contains(&(section, name.clone())) {
            let message = format!("`--set {}.{name}` is given twice", section.name());
            problems.push(Problem::at(place, message).label("remove one of the two"));
            continue;
        }
        seen.push((section, name));
        put(&mut root, assignment);
    }
    root
}

/// One `SECTION.KEY=VALUE`, with its places.
struct Assignment {
    section: Section,
    section_place: Range<usize>,
    name: String,
    key: Node,
    value: Node,
}

/// Takes an argument apart that stands at `start` of all sources.
fn read(argument: &str, start: usize) -> Result<Assignment, Problem> {
    const EXPECTED: &str = "expected SECTION.KEY=VALUE, such as train.num_epochs=3";
    let whole = start..start + argument.len();
    let Some((path, value)) = argument.split_once('=') else {
        let message = format!("`--set {argument}` has no value");
        return Err(Problem::at(whole, message).label(EXPECTED));
    };
    let written = start..start + path.len();
    let Some((section_name, name)) = path.split_once('.') else {
        let homes = Section::ALL.iter().filter(|s| s.key(path).is_some());
        let homes: Vec<String> = homes.map(|s| format!("{}.{path}", s.name())).collect();
        let message = match Section::ALL.iter().any(|s| s.name() == path) {
            true => format!("`{path}` is a section, and keys are set one by one"),
            false => format!("`{path}` lacks its section"),
        };
        let label = match homes.as_slice() {
            [] => EXPECTED.to_owned(),
            homes => format!("write {}", homes.join(" or ")),
        };
        return Err(Problem::at(written, message).label(label));
    };
    let section_place = start..start + section_name.len();
    let Some(section) = Section::ALL
        .into_iter()
        .find(|section| section.name() == section_name)
    else {
        return Err(unknown_key(None, &[], section_name, section_place));
    };
    let place = section_place.end + 1..written.end;
    if let Some((key, inner)) = name.split_once('.')
        && section.key(key).is_some()
    {
        let message = format!("`{key}` is set as a whole");
        let label = format!("write {section_name}.{key}={{{inner}: …}}");
        return Err(Problem::at(place, message).label(label));
    }
    let text = |text: &str, span| Node {
        value: Value::Scalar {
            text: text.to_owned(),
            quoted: false,
        },
        span,
    };
    let value = match parse(value) {
        Ok(Some(mut node)) => {
            shift(&mut node, written.end + 1);
            node
        }
        Ok(None) => text("", whole.end..whole.end),
        Err(error) => {
            let span = error.span.start + written.end + 1..error.span.end + written.end + 1;
            let message = format!("the value of `{name}` is not YAML: {}", error.message);
            return Err(Problem::at(span, message).label("reading stopped here"));
        }
    };
    Ok(Assignment {
        section,
        section_place,
        name: name.to_owned(),
        key: text(name, place),
        value,
    })
}

/// The option that replaces the same paths.
fn option_of(key: &str, overrides: &Overrides) -> Option<&'static str> {
    match key {
        "train_dataset_paths" => overrides.train_data.as_ref().map(|_| "--train-data"),
        "valid_dataset_paths" => overrides.valid_data.as_ref().map(|_| "--valid-data"),
        "test_dataset_paths" => overrides.test_data.as_ref().map(|_| "--test-data"),
        _ => None,
    }
}

/// Moves all places of a tree.
fn shift(node: &mut Node, by: usize) {
    node.span = node.span.start + by..node.span.end + by;
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Map(entries) => {
            for (key, value) in entries {
                shift(key, by);
                shift(value, by);
            }
        }
    }
}

/// Replaces a key of the tree, or adds it. A file or a section that is no map stays as it is, and is reported as
/// what it is.
fn put(root: &mut Option<Node>, assignment: Assignment) {
    let name = assignment.section.name();
    let map = |span: &Range<usize>| Node {
        value: Value::Map(Vec::new()),
        span: span.clone(),
    };
    let place = &assignment.section_place;
    let root = root.get_or_insert_with(|| map(place));
    if root.is_null() {
        *root = map(place);
    }
    let Value::Map(sections) = &mut root.value else {
        return;
    };
    let exact = sections
        .iter()
        .position(|(key, _)| key.text() == Some(name));
    let like = || {
        sections
            .iter()
            .position(|(key, _)| key.text().and_then(section_like) == Some(assignment.section))
    };
    let at = exact.or_else(like).unwrap_or_else(|| {
        let key = Node {
            value: Value::Scalar {
                text: name.to_owned(),
                quoted: false,
            },
            span: place.clone(),
        };
        sections.push((key, map(place)));
        sections.len() - 1
    });
    let section = &mut sections[at].1;
    if section.is_null() {
        *section = map(place);
    }
    let Value::Map(entries) = &mut section.value else {
        return;
    };
    let entry = (assignment.key, assignment.value);
    match entries
        .iter()
        .position(|(key, _)| key.text() == Some(&assignment.name))
    {
        Some(at) => entries[at] = entry,
        None => entries.push(entry),
    }
}
