//! The pre-flight report: what is in the data, before the first step.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::checks::{Finding, Severity};
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
pub struct ValueRange {
    /// Smallest value; infinite when there is none.
    pub min: f64,
    /// Largest value; negative infinite when there is none.
    pub max: f64,
    sum: f64,
    count: u64,
}

impl Default for ValueRange {
    fn default() -> Self {
        Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            count: 0,
        }
    }
}

impl ValueRange {
    pub(crate) fn add(&mut self, value: f64) {
        self.add_many(value, value, value, 1);
    }

    pub(crate) fn add_many(&mut self, least: f64, sum: f64, most: f64, count: u64) {
        self.min = self.min.min(least);
        self.max = self.max.max(most);
        self.sum += sum;
        self.count += count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
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
    pub energy_per_atom: ValueRange,
    /// eV/Å, over atoms.
    pub force_norm: ValueRange,
    /// Structures with a cell and no periodic axis.
    pub num_ignored_cells: usize,
    /// Directed edges over atoms, by structure.
    pub edges_per_atom_range: ValueRange,
    /// Atoms without a neighbour.
    pub num_lonely_atoms: u64,
    /// The first structure with such an atom.
    pub first_lonely: Option<Origin>,
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
            energy_per_atom: ValueRange::default(),
            force_norm: ValueRange::default(),
            num_ignored_cells: 0,
            edges_per_atom_range: ValueRange::default(),
            num_lonely_atoms: 0,
            first_lonely: None,
        }
    }

    /// Directed edges over atoms.
    pub fn edges_per_atom(&self) -> f64 {
        self.num_edges as f64 / (self.num_atoms.max(1)) as f64
    }

    fn merge(&mut self, other: &Self) {
        self.num_structures += other.num_structures;
        self.num_used += other.num_used;
        self.num_isolated += other.num_isolated;
        for (reason, n) in &other.excluded {
            *self.excluded.entry(*reason).or_default() += n;
        }
        self.num_atoms += other.num_atoms;
        self.num_edges += other.num_edges;
        for (z, n) in &other.elements {
            *self.elements.entry(*z).or_default() += n;
        }
        self.labels.merge(&other.labels);
        self.energy_per_atom.merge(&other.energy_per_atom);
        self.force_norm.merge(&other.force_norm);
        self.num_ignored_cells += other.num_ignored_cells;
        self.edges_per_atom_range.merge(&other.edges_per_atom_range);
        self.num_lonely_atoms += other.num_lonely_atoms;
    }
}

/// Two structures that are the same, to the last bit or but for rotation, reflection and order of the atoms.
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
    /// Rank and unknowns of the fit of atomic energies, when it was made for a single task.
    pub energy_fit_rank: Option<(usize, usize)>,
    /// What a check of the data found; empty before it is made.
    pub findings: Vec<Finding>,
    /// Sentences on what may be wrong though training is possible.
    pub warnings: Vec<String>,
    /// Wall time of the pass, s.
    pub seconds: f64,
}

const WIDTH: usize = 100;
/// Files shown one by one; the rest appear in the sum.
const MOST_FILES: usize = 20;

impl fmt::Display for DatasetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:<26} {:>10} {:>13} {:>13} {:>13}",
            "data", "found as", "structures", "min", "mean", "max"
        )?;
        for file in self.files.iter().take(MOST_FILES) {
            let name = file.file.file_name().unwrap_or_default().to_string_lossy();
            block(f, &format!("{}: {name}", file.role), file)?;
        }
        if self.files.len() > MOST_FILES {
            writeln!(f, "… and {} more files", self.files.len() - MOST_FILES)?;
        }
        if let [first, rest @ ..] = self.files.as_slice()
            && !rest.is_empty()
        {
            let mut total = first.clone();
            rest.iter().for_each(|file| total.merge(file));
            block(f, "all files", &total)?;
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
        for finding in &self.findings {
            f.write_str(&finding.paragraph())?;
        }
        Ok(())
    }
}

impl Finding {
    /// The finding with its subject, and its severity unless it is a note, in lines of at most 100 columns.
    pub fn paragraph(&self) -> String {
        let severity = match self.severity {
            Severity::Note => String::new(),
            other => format!("{other}: "),
        };
        let mut text = String::new();
        wrapped(
            &mut text,
            "",
            &format!("{severity}{}: {self}", self.subject),
        )
        .expect("writing to a string does not fail");
        text
    }
}

/// Sizes, labels and exclusions of a file.
fn block(f: &mut fmt::Formatter<'_>, name: &str, file: &FileReport) -> fmt::Result {
    let summary = format!(
        "{} atoms, {:.2} edges/atom; elements {}",
        file.num_atoms,
        file.edges_per_atom(),
        symbol_list(file.elements.keys().copied()),
    );
    let name = shorten(name, 47);
    writeln!(f, "{name:<47} {:>10}", file.num_structures)?;
    wrapped(f, "  ", &summary)?;
    label(
        f,
        "energy/atom [eV]",
        &file.labels.energy,
        Some(&file.energy_per_atom),
    )?;
    label(
        f,
        "force norm [eV/Å]",
        &file.labels.forces,
        Some(&file.force_norm),
    )?;
    label(f, "stress [eV/Å³]", &file.labels.stress, None)?;
    if !file.labels.also.is_empty() {
        label(f, "passed over", &file.labels.also, None)?;
    }
    for (reason, n) in &file.excluded {
        writeln!(f, "  left out: {n} ({reason})")?;
    }
    if file.num_ignored_cells > 0 {
        writeln!(
            f,
            "  with a cell, but not periodic: {}",
            file.num_ignored_cells
        )?;
    }
    Ok(())
}

/// One line a key; the range stands in the first.
fn label(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    keys: &BTreeMap<String, usize>,
    range: Option<&ValueRange>,
) -> fmt::Result {
    if keys.is_empty() {
        return writeln!(f, "  {label:<18} none");
    }
    for (i, (key, n)) in keys.iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        let key = shorten(key, 26);
        write!(f, "  {label:<18} {key:<26} {n:>10}")?;
        if let Some((range, mean)) = range.and_then(|r| r.mean().map(|mean| (r, mean)))
            && i == 0
        {
            write!(f, " {:>13.4} {mean:>13.4} {:>13.4}", range.min, range.max)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// Writes words in lines of at most `WIDTH` columns, runs of blanks kept.
fn wrapped(f: &mut impl fmt::Write, indent: &str, text: &str) -> fmt::Result {
    let mut line = String::from(indent);
    for word in text.split(' ') {
        let width = line.chars().count() + word.chars().count();
        if width > WIDTH && !line.trim().is_empty() {
            writeln!(f, "{}", line.trim_end())?;
            line = format!("{indent}    ");
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
