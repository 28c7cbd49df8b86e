//! Errors by element, and by class of structures.

use super::{Compared, ErrorStatistics, Parity, components};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Classes of structures that are told apart; later ones are taken together.
pub const MOST_CONFIG_TYPES: usize = 40;

/// Forces on the atoms of one element.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ElementErrors {
    /// Atoms seen.
    pub num_atoms: u64,
    /// Of force components, eV/Å.
    pub forces: Parity,
}

/// Structures of one class.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConfigTypeErrors {
    /// Structures seen.
    pub num_structures: u64,
    /// eV/atom.
    pub energy_per_atom: Parity,
    /// Components, eV/Å.
    pub forces: Parity,
    /// Components, eV/Å³.
    pub stress: ErrorStatistics,
}

/// Structures by their `config_type`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConfigTypes {
    named: BTreeMap<String, ConfigTypeErrors>,
    unnamed: ConfigTypeErrors,
    /// Of the names after the first [`MOST_CONFIG_TYPES`].
    others: ConfigTypeErrors,
}

impl ConfigTypes {
    /// Takes in a structure with reference and predicted energy per atom.
    pub(super) fn add(&mut self, structure: &Compared, energy_per_atom: Option<[f64; 2]>) {
        let errors = match structure.config_type {
            None => &mut self.unnamed,
            Some(name) => self.class(name),
        };
        errors.add(structure, energy_per_atom);
    }

    /// Takes in the structures of another part of the data.
    pub(super) fn merge(&mut self, other: Self) {
        self.unnamed.merge(other.unnamed);
        self.others.merge(other.others);
        for (name, errors) in other.named {
            self.class(&name).merge(errors);
        }
    }

    /// Where structures of this name count.
    fn class(&mut self, name: &str) -> &mut ConfigTypeErrors {
        if self.named.contains_key(name) || self.named.len() < MOST_CONFIG_TYPES {
            return self.named.entry(name.to_owned()).or_default();
        }
        &mut self.others
    }

    /// Name and errors of each class, those with most structures first; empty if the data name none.
    pub fn list(&self) -> Vec<(&str, &ConfigTypeErrors)> {
        if self.named.is_empty() {
            return Vec::new();
        }
        let rest = [
            ("(no config_type)", &self.unnamed),
            ("(further config_types)", &self.others),
        ];
        let named = self
            .named
            .iter()
            .map(|(name, errors)| (name.as_str(), errors));
        let mut list: Vec<_> = named
            .chain(rest)
            .filter(|(_, errors)| errors.num_structures > 0)
            .collect();
        list.sort_by_key(|(_, errors)| std::cmp::Reverse(errors.num_structures));
        list
    }
}

impl ElementErrors {
    /// Takes in the atoms of another part of the data.
    pub(super) fn merge(&mut self, other: Self) {
        self.num_atoms += other.num_atoms;
        self.forces.merge(other.forces);
    }
}

impl ConfigTypeErrors {
    fn merge(&mut self, other: Self) {
        self.num_structures += other.num_structures;
        self.energy_per_atom.merge(other.energy_per_atom);
        self.forces.merge(other.forces);
        self.stress.merge(&other.stress);
    }

    fn add(&mut self, structure: &Compared, energy_per_atom: Option<[f64; 2]>) {
        self.num_structures += 1;
        if let Some(pair) = energy_per_atom {
            self.energy_per_atom.add(pair);
        }
        if let Some(forces) = structure.forces {
            components(forces).for_each(|pair| self.forces.add(pair));
        }
        if let Some([reference, predicted]) = &structure.stress {
            for [reference, predicted] in components([reference, predicted]) {
                self.stress.add(reference, predicted);
            }
        }
    }
}
