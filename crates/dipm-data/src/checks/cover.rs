//! What the sets hold: labels, duplicates, elements, and what determines the atomic energies.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::finding::structures;
use crate::checks::sample::Sample;
use crate::checks::{Finding, Severity, Subject};
use crate::elements::symbol_list;
use crate::prepare::{DatasetOptions, Prepared};
use crate::report::FileReport;
use crate::splits::Role;

/// Labels found and missing, file by file; zeros that stand for labels.
pub(crate) fn labels(prepared: &Prepared, options: &DatasetOptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &prepared.report.files {
        findings.extend(labels_of(file, options));
    }
    let found = |get: fn(&FileReport) -> &BTreeMap<String, usize>| -> usize {
        prepared
            .report
            .files
            .iter()
            .flat_map(|file| get(file).values())
            .sum()
    };
    let total: usize = prepared
        .report
        .files
        .iter()
        .map(|file| file.num_structures)
        .sum();
    let sentence = format!(
        "of {total} structures {} have an energy, {} forces, {} a stress",
        found(|file| &file.labels.energy),
        found(|file| &file.labels.forces),
        found(|file| &file.labels.stress),
    );
    findings.insert(0, Finding::note(Subject::Labels, sentence));
    findings
}

fn labels_of(file: &FileReport, options: &DatasetOptions) -> Vec<Finding> {
    let name = file.file.display();
    let labels = &file.labels;
    let mut findings = Vec::new();
    for (label, keys) in [
        ("energy", &labels.energy),
        ("forces", &labels.forces),
        ("stress", &labels.stress),
    ] {
        let with: usize = keys.values().sum();
        if with > 0 && with + file.num_isolated < file.num_structures {
            let what = format!(
                "{name}: only {with} of {} structures have {label}",
                file.num_structures
            );
            findings.push(Finding::warning(
                Subject::Labels,
                what,
                "those without count nothing in its loss",
            ));
        }
        if keys.len() > 1 {
            let list: Vec<&str> = keys.keys().map(String::as_str).collect();
            let what = format!(
                "{name}: {label} is stored under several keys, {}",
                list.join(", ")
            );
            findings.push(Finding::warning(
                Subject::Labels,
                what,
                format!("are they of the same method? `{label}_key` of `dataset` chooses one"),
            ));
        }
    }
    if file.force_norm.count() > 0 && file.force_norm.max == 0.0 {
        let what = format!("{name}: every force is zero");
        let severity = match options.required.forces {
            true => Severity::Error,
            false => Severity::Warning,
        };
        let advice = "forces were not calculated: give them, or set their weight in the loss to 0";
        findings.push(Finding::warning(Subject::Labels, what, advice).with_severity(severity));
    }
    findings
}

pub(crate) fn duplicates(prepared: &Prepared) -> Vec<Finding> {
    let report = &prepared.report;
    let mut findings = Vec::new();
    let between = report
        .duplicates
        .iter()
        .find(|pair| pair.first.0 != pair.second.0);
    if let Some(pair) = between {
        let what = format!(
            "{} in two sets, for example in {} and {}",
            structures(report.num_duplicates_between, "occurs", "occur"),
            pair.first.0,
            pair.second.0
        );
        let advice =
            "errors on structures that were trained on are too good: remove them from one set";
        let places = [pair.first.1.clone(), pair.second.1.clone()];
        findings.push(Finding::warning(Subject::Duplicates, what, advice).at(places));
    }
    if report.num_duplicates_within > 0 {
        let pair = report
            .duplicates
            .iter()
            .find(|pair| pair.first.0 == pair.second.0);
        let what = format!(
            "{} more than once in their set",
            structures(report.num_duplicates_within, "occurs", "occur")
        );
        let advice =
            "they weigh more in the loss than the others: remove the copies if that is not meant";
        let places = pair
            .into_iter()
            .flat_map(|pair| [pair.first.1.clone(), pair.second.1.clone()]);
        findings.push(Finding::warning(Subject::Duplicates, what, advice).at(places));
    }
    if findings.is_empty() {
        let sentence = "no structure occurs twice, also not turned, mirrored or with its atoms in another order";
        findings.push(Finding::note(Subject::Duplicates, sentence));
    }
    findings
}

/// Elements of the training set that the other sets lack.
pub(crate) fn elements(sample: &Sample) -> Vec<Finding> {
    let mut of: BTreeMap<Role, BTreeSet<u8>> = BTreeMap::new();
    for entry in &sample.entries {
        of.entry(entry.role)
            .or_default()
            .extend(&entry.structure.atomic_numbers);
    }
    let Some(trained) = of.get(&Role::Train) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for role in [Role::Valid, Role::Test] {
        let Some(others) = of.get(&role) else {
            continue;
        };
        let missing: Vec<u8> = trained.difference(others).copied().collect();
        if !missing.is_empty() {
            let what = format!(
                "the {role} set has no {}, which the training set has",
                symbol_list(missing)
            );
            let advice = "its errors say nothing about these elements: choose it from all kinds of structures";
            findings.push(Finding::warning(Subject::Elements, what, advice));
        }
        let new: Vec<u8> = others.difference(trained).copied().collect();
        if !new.is_empty() {
            let what = format!(
                "the {role} set has {}, on which nothing is trained",
                symbol_list(new)
            );
            let advice =
                "train on structures with these elements too, or leave those structures out";
            findings.push(Finding::warning(Subject::Elements, what, advice));
        }
    }
    if findings.is_empty() {
        let list = symbol_list(trained.iter().copied());
        findings.push(Finding::note(
            Subject::Elements,
            format!("{list} in every set"),
        ));
    }
    findings
}

/// Whether the compositions of the training set determine the energies of the atoms.
pub(crate) fn atomic_energies(prepared: &Prepared) -> Vec<Finding> {
    let Some((rank, elements)) = prepared.report.energy_fit_rank else {
        return Vec::new();
    };
    let sentence = match rank < elements {
        false => "the compositions determine the energy of each element".to_owned(),
        true => format!(
            "the compositions determine {rank} of {elements} energies of elements, the rest follow from the smallest sum of \
             squares: total energies of other compositions will be wrong by a constant, unless `atomic_energies` of `model` \
             are given"
        ),
    };
    vec![Finding::note(Subject::AtomicEnergies, sentence)]
}
