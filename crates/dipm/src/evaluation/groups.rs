//! Errors by element, and by class of structures.

use super::{Compared, ErrorStatistics, Parity, components};
use std::collections::BTreeMap;

/// Classes of structures that are told apart; later ones are taken together.
pub const MOST_CONFIG_TYPES: usize = 40;

/// Forces on the atoms of one element.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ElementErrors {
    /// Atoms seen.
    pub num_atoms: u64,
    /// Of force components, eV/Å.
    pub forces: Parity,
}

/// Structures of one class.
#[derive(Debug, Clone, PartialEq, Default)]
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
#[derive(Debug, Clone, PartialEq, Default)]
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
            Some(name) if self.named.contains_key(name) || self.named.len() < MOST_CONFIG_TYPES => {
                self.named.entry(name.to_owned()).or_default()
            }
            Some(_) => &mut self.others,
        };
        errors.add(structure, energy_per_atom);
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

impl ConfigTypeErrors {
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
