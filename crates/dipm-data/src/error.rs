//! What can go wrong between a file and a batch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::structure::Origin;

/// Everything that can be wrong with data, each variant naming the file and the structure.
///
/// Structure numbers count from 0 within their file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to open, read or write.
    #[error("{}: {source}", file.display())]
    Io {
        /// File or directory concerned.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is neither HDF5 nor XYZ.
    #[error(
        "{}: neither an HDF5 file nor an XYZ file (an XYZ file starts with the number of atoms)",
        file.display()
    )]
    UnknownFormat {
        /// File concerned.
        file: PathBuf,
    },
    /// The file as a whole cannot be read: damaged, truncated, or of another layout.
    #[error("{}: {reason}", file.display())]
    BrokenFile {
        /// File concerned.
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// One structure of a file cannot be read.
    #[error("{origin}: {reason}")]
    BrokenStructure {
        /// Structure concerned.
        origin: Origin,
        /// What was found, with the line where the format has lines.
        reason: String,
    },
    /// An array of a structure has the wrong shape.
    #[error("{origin}: `{name}` has shape {found:?}, expected {expected}")]
    WrongShape {
        /// Structure concerned.
        origin: Origin,
        /// Name of the array in the file.
        name: String,
        /// What shape is needed.
        expected: String,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A label that training needs is absent.
    #[error(
        "{origin}: no {label} (looked for {}; present: {}); name its key by `{label}_key` of `dataset`, or remove the structure",
        looked_for.join(", "),
        if present.is_empty() { "nothing".to_owned() } else { present.join(", ") }
    )]
    MissingLabel {
        /// Structure concerned.
        origin: Origin,
        /// `energy`, `forces` or `stress`.
        label: &'static str,
        /// Keys under which the label was looked for.
        looked_for: Vec<String>,
        /// Keys that the structure does have.
        present: Vec<String>,
    },
    /// A number is NaN or infinite.
    #[error("{origin}: {what} is not a finite number; correct it or remove the structure")]
    NotFinite {
        /// Structure concerned.
        origin: Origin,
        /// Which number, for example `force on atom 3`.
        what: String,
    },
    /// A symbol or an atomic number that is no element.
    #[error(
        "{origin}: `{found}` is not a chemical element (a symbol such as `Fe`, or a number from 1 to 118)"
    )]
    UnknownElement {
        /// Structure concerned.
        origin: Origin,
        /// What stands in the file.
        found: String,
    },
    /// An element that the training data, or the given dataset info, does not have.
    #[error(
        "{origin}: element {element} is not among the elements of the model ({known}); take such structures out, or \
         train a new model on data that have the element"
    )]
    ElementNotInTable {
        /// Structure concerned.
        origin: Origin,
        /// Symbol of the element.
        element: String,
        /// Symbols of the known elements.
        known: String,
    },
    /// The structure is periodic, and its cell is absent, flat or absurdly small.
    #[error("{origin}: periodic along {axes}, but {reason}")]
    BadCell {
        /// Structure concerned.
        origin: Origin,
        /// Periodic axes, for example `a, c`.
        axes: String,
        /// What is wrong with the cell.
        reason: String,
    },
    /// No usable structure is left for a role.
    #[error("the {role} set has no structures ({reason})")]
    EmptyDataset {
        /// `train`, `valid` or `test`.
        role: String,
        /// Why it is empty.
        reason: String,
    },
    /// Options that contradict each other or the data.
    #[error("{reason}")]
    Options {
        /// What is wrong and what to do.
        reason: String,
    },
    /// A dataset info that cannot be read or does not fit the configuration.
    #[error("{}: {reason}", file.display())]
    Info {
        /// The info file.
        file: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// One structure is larger than a batch may be.
    #[error("{origin}: {found} {what}, but a batch may hold at most {limit}; raise `{option}`")]
    StructureTooLarge {
        /// Structure concerned.
        origin: Origin,
        /// `atoms` or `edges`.
        what: &'static str,
        /// Size of the structure.
        found: usize,
        /// Limit of a batch.
        limit: usize,
        /// Option that sets the limit.
        option: &'static str,
    },
    /// Several structures or files are wrong; at most twenty are kept.
    #[error("{total} problems in the data:\n  {}", listing(problems, *total))]
    Several {
        /// The first problems, in file order.
        problems: Vec<DataError>,
        /// How many there are in all.
        total: usize,
    },
    /// A loader thread panicked: a bug, reported instead of a hang.
    #[error("a data loading thread failed: {reason}")]
    Worker {
        /// Message of the panic.
        reason: String,
    },
}

/// Most problems that [`DataError::Several`] keeps.
pub(crate) const MAX_PROBLEMS: usize = 20;

fn listing(problems: &[DataError], total: usize) -> String {
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if total > problems.len() {
        lines.push(format!("… and {} more", total - problems.len()));
    }
    lines.join("\n  ")
}

impl DataError {
    pub(crate) fn io(file: &Path, source: std::io::Error) -> Self {
        Self::Io {
            file: file.to_owned(),
            source,
        }
    }

    pub(crate) fn broken_file(file: &Path, reason: impl ToString) -> Self {
        Self::BrokenFile {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn broken(file: &Arc<Path>, index: usize, reason: impl ToString) -> Self {
        Self::BrokenStructure {
            origin: Origin::new(file, index),
            reason: reason.to_string(),
        }
    }

    /// One error for a non-empty list of problems.
    pub(crate) fn from_problems(mut problems: Vec<DataError>, total: usize) -> Self {
        if total == 1 && problems.len() == 1 {
            return problems.remove(0);
        }
        problems.truncate(MAX_PROBLEMS);
        Self::Several { problems, total }
    }
}
