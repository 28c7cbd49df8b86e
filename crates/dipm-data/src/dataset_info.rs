//! Facts about a dataset that a model is built from: `dataset_info.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::DataError;

/// Reference energies of the elements, in eV. NaN (JSON `null`) marks an element that a task never
/// has.
#[derive(Debug, Clone, PartialEq)]
pub enum AtomicEnergies {
    /// One energy an element.
    Single(BTreeMap<u8, f64>),
    /// One energy an element and task, in the order of the task list.
    PerTask(BTreeMap<u8, Vec<f64>>),
}

impl AtomicEnergies {
    /// Atomic numbers, ascending.
    pub fn elements(&self) -> Vec<u8> {
        match self {
            Self::Single(map) => map.keys().copied().collect(),
            Self::PerTask(map) => map.keys().copied().collect(),
        }
    }

    /// Energy of an element in a task (task 0 where there are none); `None` when unknown or NaN.
    pub fn get(&self, atomic_number: u8, task: usize) -> Option<f64> {
        let energy = match self {
            Self::Single(map) => map.get(&atomic_number).copied(),
            Self::PerTask(map) => map.get(&atomic_number).and_then(|e| e.get(task)).copied(),
        };
        energy.filter(|e| !e.is_nan())
    }

    /// Σ E0 over the atoms of a structure of this task, eV.
    ///
    /// # Errors
    /// The first atomic number without an energy.
    pub fn total(&self, atomic_numbers: &[u8], task: usize) -> Result<f64, u8> {
        atomic_numbers
            .iter()
            .map(|&z| self.get(z, task).ok_or(z))
            .sum()
    }

    /// Number of tasks: 1 for a single set of energies.
    pub fn num_tasks(&self) -> usize {
        match self {
            Self::Single(_) => 1,
            Self::PerTask(map) => map.values().map(Vec::len).max().unwrap_or(0),
        }
    }

    /// Keeps only the elements for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(u8) -> bool) {
        match self {
            Self::Single(map) => map.retain(|z, _| keep(*z)),
            Self::PerTask(map) => map.retain(|z, _| keep(*z)),
        }
    }
}

/// A float whose NaN is written as `null`.
fn or_null(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

impl Serialize for AtomicEnergies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Single(map) => {
                serializer.collect_map(map.iter().map(|(z, e)| (z.to_string(), or_null(*e))))
            }
            Self::PerTask(map) => serializer.collect_map(map.iter().map(|(z, energies)| {
                let values: Vec<Option<f64>> = energies.iter().copied().map(or_null).collect();
                (z.to_string(), values)
            })),
        }
    }
}

impl<'de> Deserialize<'de> for AtomicEnergies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            One(Option<f64>),
            Many(Vec<Option<f64>>),
        }
        let entries = BTreeMap::<String, Entry>::deserialize(deserializer)?;
        let (mut single, mut per_task) = (BTreeMap::new(), BTreeMap::new());
        for (key, entry) in entries {
            let z = key.parse::<u8>().ok();
            let z = z.filter(|z| crate::elements::element_symbol(*z).is_some());
            let z =
                z.ok_or_else(|| D::Error::custom(format!("`{key}` is not an atomic number")))?;
            match entry {
                Entry::One(e) => drop(single.insert(z, e.unwrap_or(f64::NAN))),
                Entry::Many(list) => {
                    let values = list.into_iter().map(|e| e.unwrap_or(f64::NAN)).collect();
                    per_task.insert(z, values);
                }
            }
        }
        match (single.is_empty(), per_task.is_empty()) {
            (_, true) => Ok(Self::Single(single)),
            (true, false) => Ok(Self::PerTask(per_task)),
            _ => Err(D::Error::custom(
                "atomic_energies_map mixes single energies and lists of energies",
            )),
        }
    }
}

fn one() -> f64 {
    1.0
}

fn one_count() -> u64 {
    1
}

/// Statistics of the training data, in the JSON form of `dataset_info.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// Cutoff of the neighbour lists, Å.
    pub cutoff_distance_angstrom: f64,
    /// Most incoming edges an atom keeps.
    #[serde(default)]
    pub max_neighbors_per_atom: Option<usize>,
    /// Names of the tasks of a multi-task dataset.
    #[serde(default)]
    pub task_list: Option<Vec<String>>,
    /// Reference energies by element, eV.
    pub atomic_energies_map: AtomicEnergies,
    /// Directed edges over atoms.
    #[serde(default = "one")]
    pub avg_num_neighbors: f64,
    /// Atoms over structures.
    #[serde(default = "one")]
    pub avg_num_nodes: f64,
    /// Mean over structures of the shortest edge, Å.
    #[serde(default)]
    pub avg_r_min_angstrom: Option<f64>,
    /// Mean of the energy scaling, 0.
    #[serde(default)]
    pub scaling_mean: f64,
    /// Width of the energy scaling, 1.
    #[serde(default = "one")]
    pub scaling_stdev: f64,
    /// Lower median of the neighbour counts of atoms that have neighbours.
    #[serde(default = "one_count")]
    pub median_num_neighbors: u64,
    /// Half the directed edges of the structure with most edges, rounded down.
    #[serde(default = "one_count")]
    pub max_total_edges: u64,
    /// Median number of atoms of a structure, rounded up.
    #[serde(default = "one_count")]
    pub median_num_nodes: u64,
    /// Most atoms of a structure.
    #[serde(default = "one_count")]
    pub max_num_nodes: u64,
}

impl DatasetInfo {
    /// Reads `dataset_info.json`; unknown keys are ignored, as the format asks.
    ///
    /// # Errors
    /// [`DataError::Io`] or [`DataError::Info`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| DataError::io(path, e))?;
        Self::from_json(&text).map_err(|reason| DataError::Info {
            file: path.to_owned(),
            reason,
        })
    }

    /// Parses the JSON form and checks that the numbers make sense; the error is a sentence.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let info: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let positive = |name: &str, x: f64| match x > 0.0 && x.is_finite() {
            true => Ok(()),
            false => Err(format!("`{name}` is {x}, expected a number > 0")),
        };
        positive("cutoff_distance_angstrom", info.cutoff_distance_angstrom)?;
        positive("avg_num_neighbors", info.avg_num_neighbors)?;
        positive("avg_num_nodes", info.avg_num_nodes)?;
        if let (Some(tasks), AtomicEnergies::PerTask(map)) =
            (&info.task_list, &info.atomic_energies_map)
            && map.values().any(|list| list.len() != tasks.len())
        {
            return Err(format!(
                "atomic_energies_map needs {} energies an element, one a task",
                tasks.len()
            ));
        }
        Ok(info)
    }

    /// The JSON form, indented by four spaces.
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        self.serialize(&mut serializer)
            .expect("numbers, strings and maps serialise to JSON");
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    /// Writes `dataset_info.json`, indented by four spaces.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        std::fs::write(path, self.to_json()).map_err(|e| DataError::io(path, e))
    }
}
