//! The structures that are looked at.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use crate::checks::{Finding, Subject};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::prepare::Prepared;
use crate::splits::Role;
use crate::structure::Structure;

/// Most structures of a role that are read again.
const MOST_STRUCTURES: usize = 20_000;
/// Most atoms of a role that are kept, a hundred bytes each.
const MOST_ATOMS: usize = 2_000_000;

/// Files that are compared in themselves, the largest ones.
const MOST_FILES: usize = 20;

/// A structure with its role.
pub(crate) struct Entry {
    pub role: Role,
    pub structure: Structure,
    /// Total energy as in the file, eV.
    pub energy: Option<f64>,
    /// Energy beyond the atomic energies of the training set, eV.
    pub excess: Option<f64>,
}

/// Structures of all roles, evenly spread.
pub(crate) struct Sample {
    pub entries: Vec<Entry>,
    /// Structures of the roles in all.
    total: usize,
}

impl Sample {
    pub(crate) fn read(prepared: &Prepared) -> Result<Self, DataError> {
        let roles = [
            (Role::Train, Some(&prepared.train)),
            (Role::Valid, prepared.valid.as_ref()),
            (Role::Test, prepared.test.as_ref()),
        ];
        let mut sample = Self {
            entries: Vec::new(),
            total: 0,
        };
        for (role, dataset) in roles {
            let Some(dataset) = dataset else { continue };
            sample.total += dataset.len();
            let chosen = spread(dataset);
            let read = |item: &usize| entry(prepared, dataset, role, *item);
            let entries: Result<Vec<Entry>, DataError> = chosen.par_iter().map(read).collect();
            sample.entries.extend(entries?);
        }
        Ok(sample)
    }

    /// Says so when not everything is looked at.
    pub(crate) fn extent(&self) -> Vec<Finding> {
        let (looked_at, total) = (self.entries.len(), self.total);
        let sentence = format!("{looked_at} of {total} structures were looked at, evenly spread");
        let is_part = looked_at < total;
        is_part
            .then(|| Finding::note(Subject::Extent, sentence))
            .into_iter()
            .collect()
    }

    /// The entries of each file, of which one may be in other units than the rest; the largest files.
    pub(crate) fn files(&self) -> Vec<Vec<&Entry>> {
        let mut files: BTreeMap<&Path, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.entries {
            let file = &entry.structure.origin.file;
            files.entry(file).or_default().push(entry);
        }
        let mut files: Vec<Vec<&Entry>> = files.into_values().collect();
        files.sort_by_key(|of| std::cmp::Reverse(of.len()));
        files.truncate(MOST_FILES);
        files
    }

    /// What `examine` finds in each file; in all structures together where no file is enough.
    pub(crate) fn by_file<T>(&self, examine: impl Fn(&[&Structure]) -> Option<T>) -> Vec<T> {
        let files = self.files();
        let found: Vec<T> = files
            .iter()
            .filter_map(|of| {
                let structures: Vec<&Structure> = of.iter().map(|entry| &entry.structure).collect();
                examine(&structures)
            })
            .collect();
        match found.is_empty() && files.len() > 1 {
            true => {
                let all: Vec<&Structure> = self.structures().collect();
                examine(&all).into_iter().collect()
            }
            false => found,
        }
    }

    pub(crate) fn structures(&self) -> impl Iterator<Item = &Structure> {
        self.entries.iter().map(|entry| &entry.structure)
    }
}

/// Numbers of items evenly spread over a dataset.
fn spread(dataset: &Dataset) -> Vec<usize> {
    let len = dataset.len();
    let atoms = |item: usize| dataset.size(item).map_or(1, |(atoms, _)| atoms as usize);
    let total: usize = (0..len).map(atoms).sum();
    let mut count = len.min(MOST_STRUCTURES);
    if total > MOST_ATOMS {
        let share = MOST_ATOMS as f64 / total as f64;
        count = count.min(((len as f64 * share) as usize).max(1));
    }
    (0..count).map(|i| i * len / count).collect()
}

fn entry(
    prepared: &Prepared,
    dataset: &Dataset,
    role: Role,
    item: usize,
) -> Result<Entry, DataError> {
    let structure = dataset.structure(item)?;
    let task = structure.task.unwrap_or(0);
    let energies = &prepared.info.atomic_energies_map;
    let reference = energies.total(&structure.atomic_numbers, task).ok();
    let is_excess = dataset.subtracted.is_some();
    let shifted = |sign: f64| Some(structure.energy? + sign * reference?);
    let (energy, excess) = match is_excess {
        true => (shifted(1.0), structure.energy),
        false => (structure.energy, shifted(-1.0)),
    };
    Ok(Entry {
        role,
        structure,
        energy,
        excess,
    })
}

/// The value below which half of the values lie; `None` for none.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
