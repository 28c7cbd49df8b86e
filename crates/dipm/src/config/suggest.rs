//! Help with keys that are not in the table.

use std::ops::Range;

use super::error::Problem;
use super::schema::Section;
use super::values::fold;

/// Keys of older versions and of the guide that no longer exist, with what to do instead.
const RETIRED: &[(&str, &str)] = &[
    (
        "batch_prefetch_num_devices",
        "it is gone since 0.0.6; leave it out",
    ),
    (
        "eval_num_graphs",
        "it is gone since 0.0.6; use `valid_num_to_load` in `dataset`",
    ),
    (
        "save_debiased_ema",
        "it is gone since 0.0.6; the debiased average is saved in any case",
    ),
    ("random_seed", "use `seed` in `model` and in `dataset`"),
    (
        "keep_force_head",
        "there never was such a key; see `drop_force_head`",
    ),
];

/// The problem of an unknown key; without section it stands at the top of the file.
pub(super) fn unknown_key(section: Option<Section>, name: &str, span: Range<usize>) -> Problem {
    let kind = if section.is_some() { "key" } else { "section" };
    if let Some((_, advice)) = RETIRED.iter().find(|(retired, _)| *retired == name) {
        return Problem::at(span, format!("unknown {kind} `{name}`")).label(*advice);
    }
    let home = Section::ALL
        .into_iter()
        .find(|home| home.key(name).is_some());
    if let Some(home) = home {
        let found = section.map_or("at the top of the file".to_owned(), |s| {
            format!("in `{}`", s.name())
        });
        let message = format!(
            "`{name}` stands {found}, but belongs to section `{}`",
            home.name()
        );
        return Problem::at(span, message).label(format!("move it to `{}`", home.name()));
    }
    let known: Vec<&str> = match section {
        Some(section) => section.keys().iter().map(|key| key.name).collect(),
        None => Section::ALL.map(Section::name).to_vec(),
    };
    let mut message = format!("unknown {kind} `{name}`");
    let near = nearest(name, &known);
    let elsewhere = Section::ALL
        .into_iter()
        .filter(|other| section.is_some() && Some(*other) != section);
    if let Some(near) = near {
        message += &format!(", did you mean `{near}`?");
    } else if let Some((near, home)) = elsewhere
        .filter_map(|home| {
            let keys: Vec<&str> = home.keys().iter().map(|key| key.name).collect();
            nearest(name, &keys).map(|near| (near.to_owned(), home))
        })
        .next()
    {
        message += &format!(", did you mean `{near}` of section `{}`?", home.name());
    }
    let place = section.map_or("sections".to_owned(), |section| {
        format!("keys of `{}`", section.name())
    });
    Problem::at(span, message)
        .label(format!("there is no such {kind}"))
        .help(format!("{place}: {}", known.join(", ")))
}

/// The section that a name at the top of the file was meant for.
pub(super) fn section_like(name: &str) -> Option<Section> {
    let near = nearest(name, &Section::ALL.map(Section::name))?;
    let is_key = Section::ALL
        .iter()
        .any(|section| section.key(name).is_some());
    Section::ALL
        .into_iter()
        .find(|section| section.name() == near && !is_key)
}

/// The word most like another one, if it is like it at all.
pub(super) fn nearest<'w>(name: &str, words: &[&'w str]) -> Option<&'w str> {
    let folded = fold(name);
    let likeness = |word: &str| {
        let word = fold(word);
        let contained = folded.len() >= 4 && (word.contains(&folded) || folded.contains(&word));
        strsim::normalized_damerau_levenshtein(&folded, &word) + if contained { 0.3 } else { 0.0 }
    };
    let scored = words.iter().map(|word| (likeness(word), *word));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.6).then_some(best.1)
}
