//! The pre-flight report: what is in the data, before the first step.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::elements::{symbol_list, symbol_or_number};
use crate::labels::LabelReport;
use crate::splits::Role;
use crate::structure::Origin;

/// Why a structure is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// One free atom: a reference energy, not a training structure.
    IsolatedAtom,
    /// No atoms.
    NoAtoms,
    /// No two atoms within the cutoff.
    NoEdges,
    /// More atoms than a batch may hold.
    TooManyAtoms,
    /// More edges than a batch may hold.
    TooManyEdges,
    /// An element that the model does not have.
    UnknownElement,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IsolatedAtom => "isolated atom",
            Self::NoAtoms => "no atoms",
            Self::NoEdges => "no two atoms within the cutoff",
            Self::TooManyAtoms => "more atoms than max_n_node · batch_size",
            Self::TooManyEdges => "more edges than 2 · max_n_edge · batch_size",
            Self::UnknownElement => "an element that the model does not have",
        })
    }
}

/// Least, mean and most of a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Smallest value; infinite when there is none.
    pub min: f64,
    /// Largest value; negative infinite when there is none.
    pub max: f64,
    sum: f64,
    count: u64,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            count: 0,
        }
    }
}

impl Range {
    pub(crate) fn add(&mut self, value: f64) {
        self.add_many(value, value, value, 1);
    }

    pub(crate) fn add_many(&mut self, least: f64, sum: f64, most: f64, count: u64) {
        self.min = self.min.min(least);
        self.max = self.max.max(most);
        self.sum += sum;
        self.count += count;
    }

    fn merge(&mut self, other: &Self) {
        self.add_many(other.min, other.sum, other.max, other.count);
    }

    /// Mean value, `None` when there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mean() {
            Some(mean) => f.pad(&format!("{:.3} / {mean:.3} / {:.3}", self.min, self.max)),
            None => f.pad("–"),
        }
    }
}

/// What one file holds. Sums and ranges are over the structures used.
#[derive(Debug, Clone, PartialEq)]
pub struct FileReport {
    /// The file.
    pub file: Arc<Path>,
    /// `train` for files that `dataset_splits` divides.
    pub role: Role,
    /// Structures in the file.
    pub num_structures: usize,
    /// Structures that are not left out.
    pub num_used: usize,
    /// Free atoms.
    pub num_isolated: usize,
    /// Structures left out, by reason.
    pub excluded: BTreeMap<Exclusion, usize>,
    /// Atoms.
    pub num_atoms: u64,
    /// Directed edges.
    pub num_edges: u64,
    /// Atoms of each element.
    pub elements: BTreeMap<u8, u64>,
    /// Labels by key, over all structures of the file.
    pub labels: LabelReport,
    /// eV.
    pub energy_per_atom: Range,
    /// eV/Å, over atoms.
    pub force_norm: Range,
    /// Structures with a cell and no periodic axis.
    pub num_ignored_cells: usize,
}

impl FileReport {
    pub(crate) fn new(file: &Arc<Path>) -> Self {
        Self {
            file: Arc::clone(file),
            role: Role::Train,
            num_structures: 0,
            num_used: 0,
            num_isolated: 0,
            excluded: BTreeMap::new(),
            num_atoms: 0,
            num_edges: 0,
            elements: BTreeMap::new(),
            labels: LabelReport::default(),
            energy_per_atom: Range::default(),
            force_norm: Range::default(),
            num_ignored_cells: 0,
        }
    }

    /// Directed edges over atoms.
    pub fn edges_per_atom(&self) -> f64 {
        self.num_edges as f64 / (self.num_atoms.max(1)) as f64
    }

    fn merge(&mut self, other: &Self) {
        self.num_structures += other.num_structures;
        self.num_used += other.num_used;
        self.num_atoms += other.num_atoms;
        self.num_edges += other.num_edges;
        self.energy_per_atom.merge(&other.energy_per_atom);
        self.force_norm.merge(&other.force_norm);
    }
}

/// Two structures that are the same to the last bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Role and origin of the first.
    pub first: (Role, Origin),
    /// Role and origin of the second.
    pub second: (Role, Origin),
}

/// What the pass over the data found. Shown as a table at most 100 columns wide.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatasetReport {
    /// Per file, in the order of roles and files.
    pub files: Vec<FileReport>,
    /// Structures of each role after exclusions, splits and subsets.
    pub roles: Vec<(Role, usize)>,
    /// Energies of free atoms found in the files, eV.
    pub isolated_atoms: BTreeMap<u8, f64>,
    /// The first duplicates; see `num_duplicates`.
    pub duplicates: Vec<Duplicate>,
    /// Structures that repeat an earlier one of the same role.
    pub num_duplicates_within: usize,
    /// Structures that repeat one of another role.
    pub num_duplicates_between: usize,
    /// Sentences on what may be wrong though training is possible.
    pub warnings: Vec<String>,
    /// Wall time of the pass, s.
    pub seconds: f64,
}

const WIDTH: usize = 100;

impl fmt::Display for DatasetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>10} {:>9} {:>10}  {:>22}  {:>18}",
            "", "structures", "atoms", "edges/atom", "energy/atom [eV]", "force norm [eV/Å]"
        )?;
        for file in &self.files {
            let name = file.file.file_name().unwrap_or_default().to_string_lossy();
            row(f, &shorten(&format!("{}: {name}", file.role), 24), file)?;
            details(f, file)?;
        }
        if let [first, rest @ ..] = self.files.as_slice()
            && !rest.is_empty()
        {
            let mut total = first.clone();
            rest.iter().for_each(|file| total.merge(file));
            row(f, "all files", &total)?;
        }
        let roles: Vec<String> = self
            .roles
            .iter()
            .map(|(role, n)| format!("{role} {n}"))
            .collect();
        writeln!(f, "structures used: {}", roles.join(", "))?;
        if !self.isolated_atoms.is_empty() {
            let energies = self.isolated_atoms.iter();
            let energies: Vec<String> = energies
                .map(|(z, e)| format!("{} {e:.4}", symbol_or_number(*z)))
                .collect();
            wrapped(
                f,
                "",
                &format!("isolated atoms [eV]: {}", energies.join(", ")),
            )?;
        }
        for warning in &self.warnings {
            wrapped(f, "", &format!("warning: {warning}"))?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, file: &FileReport) -> fmt::Result {
    writeln!(
        f,
        "{name:<24} {:>10} {:>9} {:>10.2}  {:>22}  {:>18}",
        file.num_structures,
        file.num_atoms,
        file.edges_per_atom(),
        format!("{}", file.energy_per_atom),
        format!("{}", file.force_norm),
    )
}

/// Elements, labels and exclusions of a file.
fn details(f: &mut fmt::Formatter<'_>, file: &FileReport) -> fmt::Result {
    let labels = [
        ("energy", &file.labels.energy),
        ("forces", &file.labels.forces),
        ("stress", &file.labels.stress),
        ("passed over", &file.labels.also),
    ];
    let mut parts = vec![format!(
        "elements {}",
        symbol_list(file.elements.keys().copied())
    )];
    for (label, keys) in labels {
        let found: Vec<String> = keys.iter().map(|(key, n)| format!("`{key}` {n}")).collect();
        match (found.is_empty(), label) {
            (true, "passed over") => {}
            (true, _) => parts.push(format!("no {label}")),
            (false, _) => parts.push(format!("{label} {}", found.join(", "))),
        }
    }
    wrapped(f, "    ", &parts.join("; "))?;
    for (reason, n) in &file.excluded {
        wrapped(f, "    ", &format!("left out: {n} ({reason})"))?;
    }
    Ok(())
}

/// Writes words in lines of at most `WIDTH` columns.
fn wrapped(f: &mut fmt::Formatter<'_>, indent: &str, text: &str) -> fmt::Result {
    let mut line = String::from(indent);
    for word in text.split(' ') {
        let width = line.chars().count() + 1 + word.chars().count();
        if width > WIDTH && line.len() > indent.len() {
            writeln!(f, "{}", line.trim_end())?;
            line = format!("{indent}  ");
        }
        line.push_str(word);
        line.push(' ');
    }
    writeln!(f, "{}", line.trim_end())
}

/// The end of a name that is too long.
fn shorten(name: &str, width: usize) -> String {
    let length = name.chars().count();
    match length > width {
        true => format!(
            "…{}",
            name.chars().skip(length + 1 - width).collect::<String>()
        ),
        false => name.to_owned(),
    }
}
