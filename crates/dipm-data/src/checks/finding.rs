//! One finding.

use std::fmt;

use crate::structure::Origin;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be, or could not be checked.
    Note,
    /// May be meant; worth a look.
    Warning,
    /// Cannot be right: a model trained on it would be wrong.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// How much of the data was looked at.
    Extent,
    /// Labels found and missing.
    Labels,
    /// Units of energies, forces and lengths.
    Units,
    /// Whether energies and forces belong together.
    Forces,
    /// Whether stresses and energies belong together.
    Stress,
    /// Structures unlike the others.
    Outliers,
    /// Structures that occur more than once.
    Duplicates,
    /// Elements of the three sets.
    Elements,
    /// The fit of atomic energies to compositions.
    AtomicEnergies,
    /// Neighbours within the cutoff.
    Neighbors,
    /// What training writes, and the room for it.
    Disk,
    /// Time and memory of training.
    Cost,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Extent => "extent",
            Self::Labels => "labels",
            Self::Units => "units",
            Self::Forces => "forces",
            Self::Stress => "stress",
            Self::Outliers => "outliers",
            Self::Duplicates => "duplicates",
            Self::Elements => "elements",
            Self::AtomicEnergies => "atomic energies",
            Self::Neighbors => "neighbours",
            Self::Disk => "disk",
            Self::Cost => "cost",
        })
    }
}

/// One thing that was found, with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was checked.
    pub subject: Subject,
    /// What was found, a sentence with numbers.
    pub what: String,
    /// Structures concerned: the first or the worst.
    pub places: Vec<Origin>,
    /// What to do; empty for notes.
    pub advice: String,
}

impl Finding {
    /// A note.
    pub fn note(subject: Subject, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            subject,
            what: what.into(),
            places: Vec::new(),
            advice: String::new(),
        }
    }

    /// A warning with what to do.
    pub fn warning(subject: Subject, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            advice: advice.into(),
            ..Self::note(subject, what)
        }
    }

    /// The same with another severity.
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same with places.
    pub fn at(self, places: impl IntoIterator<Item = Origin>) -> Self {
        Self {
            places: places.into_iter().collect(),
            ..self
        }
    }
}

/// `1 structure has` or `3 structures have`.
pub(super) fn structures(count: usize, one: &str, more: &str) -> String {
    match count {
        1 => format!("1 structure {one}"),
        n => format!("{n} structures {more}"),
    }
}

impl fmt::Display for Finding {
    /// What, where and what to do, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.places.is_empty() {
            let places: Vec<String> = self.places.iter().map(Origin::to_string).collect();
            write!(f, " ({})", places.join("; "))?;
        }
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}
