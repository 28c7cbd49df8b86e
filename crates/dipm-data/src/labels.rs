//! Under which keys labels are looked for, and where they were found.

use std::collections::BTreeMap;

use crate::structure::Structure;

/// Keys of the labels in a file, in order of preference; upper and lower case are not told apart.
///
/// Where several are present the first of the list counts, and the report names the others. The
/// defaults prefer the names made for reference data (`REF_energy`) to the general ones, which
/// other programs fill with results of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelKeys {
    /// Total energy, eV.
    pub energy: Vec<String>,
    /// Forces, eV/Å.
    pub forces: Vec<String>,
    /// Stress, eV/Å³, tension > 0; nine numbers or six (xx, yy, zz, yz, xz, xy).
    pub stress: Vec<String>,
    /// Virial, eV; the stress is −virial / volume. Used where there is no stress.
    pub virial: Vec<String>,
}

impl Default for LabelKeys {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        Self {
            energy: list(&[
                "REF_energy",
                "energy",
                "dft_energy",
                "dft_total_energy",
                "total_energy",
                "free_energy",
            ]),
            forces: list(&[
                "REF_forces",
                "REF_force",
                "forces",
                "force",
                "dft_forces",
                "dft_force",
            ]),
            stress: list(&["REF_stress", "stress", "dft_stress"]),
            virial: list(&[
                "REF_virial",
                "REF_virials",
                "virial",
                "virials",
                "dft_virial",
                "dft_virials",
            ]),
        }
    }
}

impl LabelKeys {
    /// Keys of one label by its name, for messages.
    pub(crate) fn of(&self, label: &str) -> Vec<String> {
        match label {
            "energy" => self.energy.clone(),
            "forces" => self.forces.clone(),
            _ => self.stress.iter().chain(&self.virial).cloned().collect(),
        }
    }
}

/// The first key of `wanted` that `present` has, and the others it also has.
///
/// Returns the index in `present`.
pub(crate) fn find_key<'a>(
    wanted: &[String],
    present: impl Iterator<Item = &'a str> + Clone,
    also: &mut Vec<String>,
) -> Option<usize> {
    let position = |key: &str| present.clone().position(|p| p.eq_ignore_ascii_case(key));
    let mut found = None;
    for key in wanted {
        match (position(key), found) {
            (Some(at), None) => found = Some(at),
            (Some(at), Some(first)) if at != first => {
                also.extend(present.clone().nth(at).map(str::to_owned));
            }
            _ => {}
        }
    }
    found
}

/// Keys under which the labels of one structure were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSources {
    /// Key of the energy.
    pub energy: Option<String>,
    /// Key of the forces.
    pub forces: Option<String>,
    /// Key of the stress or the virial.
    pub stress: Option<String>,
    /// Other keys that name a label too and were passed over.
    pub also: Vec<String>,
}

/// How many structures had each label, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelReport {
    /// Key → structures.
    pub energy: BTreeMap<String, usize>,
    /// Key → structures.
    pub forces: BTreeMap<String, usize>,
    /// Key → structures.
    pub stress: BTreeMap<String, usize>,
    /// Keys passed over for a preferred one → structures.
    pub also: BTreeMap<String, usize>,
}

impl LabelReport {
    /// Counts one structure.
    pub fn add(&mut self, sources: &LabelSources) {
        let mut count =
            |map: fn(&mut Self) -> &mut BTreeMap<String, usize>, key: &String| match map(self)
                .get_mut(key)
            {
                Some(n) => *n += 1,
                None => drop(map(self).insert(key.clone(), 1)),
            };
        sources
            .energy
            .iter()
            .for_each(|k| count(|r| &mut r.energy, k));
        sources
            .forces
            .iter()
            .for_each(|k| count(|r| &mut r.forces, k));
        sources
            .stress
            .iter()
            .for_each(|k| count(|r| &mut r.stress, k));
        sources.also.iter().for_each(|k| count(|r| &mut r.also, k));
    }

    /// Adds the counts of another report.
    pub fn merge(&mut self, other: &Self) {
        let add = |into: &mut BTreeMap<String, usize>, from: &BTreeMap<String, usize>| {
            for (key, n) in from {
                *into.entry(key.clone()).or_default() += n;
            }
        };
        add(&mut self.energy, &other.energy);
        add(&mut self.forces, &other.forces);
        add(&mut self.stress, &other.stress);
        add(&mut self.also, &other.also);
    }
}

/// −virial / volume.
pub(crate) fn stress_from_virial(
    virial: [[f64; 3]; 3],
    structure: &Structure,
) -> Result<[[f64; 3]; 3], String> {
    let volume = structure.volume();
    let volume = volume.ok_or(
        "a virial needs a cell with a volume to become a stress; add the cell or remove the virial",
    )?;
    Ok(virial.map(|row| row.map(|x| -x / volume)))
}

/// A symmetric tensor from nine numbers (rows) or six (xx, yy, zz, yz, xz, xy).
pub(crate) fn tensor(numbers: &[f64]) -> Option<[[f64; 3]; 3]> {
    match *numbers {
        [a, b, c, d, e, f, g, h, i] => Some([[a, b, c], [d, e, f], [g, h, i]]),
        [xx, yy, zz, yz, xz, xy] => Some([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]),
        _ => None,
    }
}
