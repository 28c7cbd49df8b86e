//! Help with keys that are not in the table.

use std::ops::Range;

use super::error::Problem;
use super::schema::Section;
use super::values::fold;

/// Keys of older versions, of the guide and of other programs, with what to write instead: the section in which they
/// were found if it matters, the name, the advice.
const RETIRED: &[(Option<Section>, &str, &str)] = &[
    (
        Some(Section::Dataset),
        "parallel",
        "it is gone since 0.0.6; `num_workers` says how many threads read ahead",
    ),
    (
        None,
        "batch_prefetch_num_devices",
        "it is gone since 0.0.6; leave it out, `num_batch_prefetch` says how many batches are prepared ahead",
    ),
    (
        None,
        "eval_num_graphs",
        "it is gone since 0.0.6; use `valid_num_to_load` in `dataset`",
    ),
    (
        None,
        "save_debiased_ema",
        "it is gone since 0.0.6; leave it out, the debiased average is saved in any case",
    ),
    (
        None,
        "random_seed",
        "it is gone since 0.0.6; use `seed` in `model` and in `dataset`",
    ),
    (
        None,
        "keep_force_head",
        "leave it out: the force head of a pretrained model is kept unless `drop_force_head: true` says otherwise",
    ),
    (
        None,
        "learning_rate",
        "use `init_learning_rate`, `peak_learning_rate` and `final_learning_rate` in `train`",
    ),
    (
        None,
        "lr",
        "use `init_learning_rate`, `peak_learning_rate` and `final_learning_rate` in `train`",
    ),
    (None, "r_max", "use `graph_cutoff_angstrom` in `dataset`"),
    (None, "cutoff", "use `graph_cutoff_angstrom` in `dataset`"),
    (None, "E0s", "use `atomic_energies` in `model`"),
];

/// The problem of an unknown key; without section it stands at the top of the file. `known` are the keys of the
/// section that come into question.
pub(super) fn unknown_key(
    section: Option<Section>,
    known: &[&str],
    name: &str,
    span: Range<usize>,
) -> Problem {
    let kind = if section.is_some() { "key" } else { "section" };
    let retired = RETIRED
        .iter()
        .find(|(place, retired, _)| *retired == name && (place.is_none() || *place == section));
    if let Some((_, _, advice)) = retired {
        let found = section.map_or("at the top of the file".to_owned(), |s| {
            format!("in `{}`", s.name())
        });
        return Problem::at(span, format!("unknown key `{name}` {found}")).label(*advice);
    }
    let homes = homes(name);
    if !homes.is_empty() {
        let found = section.map_or("at the top of the file".to_owned(), |s| {
            format!("in `{}`", s.name())
        });
        let message = format!("`{name}` stands {found}, but belongs to section {homes}");
        return Problem::at(span, message).label(format!("move it to {homes}"));
    }
    let sections = Section::ALL.map(Section::name);
    let known = if section.is_some() { known } else { &sections };
    let mut message = format!("unknown {kind} `{name}`");
    let near = nearest(name, known);
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
    let mut problem = Problem::at(span, message).label(format!("there is no such {kind}"));
    if !known.is_empty() {
        problem = problem.help(format!("{place}: {}", known.join(", ")));
    }
    problem
}

/// The sections that have a key, in words.
fn homes(name: &str) -> String {
    let homes = Section::ALL
        .into_iter()
        .filter(|home| home.key(name).is_some());
    let homes: Vec<String> = homes.map(|home| format!("`{}`", home.name())).collect();
    homes.join(" or ")
}

/// What to write instead of a key of older versions, of the guide or of other programs.
pub(super) fn advice(name: &str) -> Option<&'static str> {
    let mut retired = RETIRED.iter().filter(|(place, ..)| place.is_none());
    retired
        .find(|(_, retired, _)| *retired == name)
        .map(|(.., advice)| *advice)
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
