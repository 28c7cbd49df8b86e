//! The table of all keys: what can be written, what it means, and where.

use super::{keys_dataset, keys_model, keys_train};

/// A section of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What is trained.
    Model,
    /// What it is trained on.
    Dataset,
    /// How it is trained.
    Train,
}

impl Section {
    /// All sections in order.
    pub const ALL: [Self; 3] = [Self::Model, Self::Dataset, Self::Train];

    /// Its key at the top of the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Train => "train",
        }
    }

    /// Its keys, those of all architectures included.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Model => keys_model::KEYS,
            Self::Dataset => keys_dataset::KEYS,
            Self::Train => keys_train::KEYS,
        }
    }

    /// What it cannot be without.
    pub fn required(self) -> Vec<&'static str> {
        let rows = self.keys().iter().filter(|key| key.is_required());
        rows.map(|key| key.name).collect()
    }

    /// The row of a key.
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().iter().find(|key| key.name == name)
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What can be written as its value.
    pub kind: Kind,
    /// What leaving it out means: YAML, or "required", or a sentence in parentheses for a default that depends
    /// on something.
    pub default: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Whether it does anything yet.
    pub support: Support,
}

/// What can be written as a value. `null` is the same as leaving the key out, everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number of at least this.
    Integer {
        /// Smallest.
        min: u64,
    },
    /// A number between two others.
    Number {
        /// Smallest.
        min: f64,
        /// Whether the smallest itself is excluded.
        above: bool,
        /// Largest; infinite for none.
        max: f64,
    },
    /// A number, or a list of one for each stage, each at least 0.
    Weights,
    /// Numbers between 0 and 1.
    Fractions,
    /// A word of a list; case, `_` and `-` do not matter.
    Word {
        /// The words.
        words: &'static [&'static str],
        /// Other spellings and the word each means.
        also: &'static [(&'static str, &'static str)],
    },
    /// A text.
    Text,
    /// A file or directory, as a text.
    Path,
    /// A path, a list of them, or a map from the names of tasks to these.
    DataPaths,
    /// Three whole numbers above 0, or three fractions.
    Splits,
    /// A whole number above 0, or a fraction.
    Amount,
    /// A name or a list of names.
    Names,
    /// `average`, `zero`, or a map from elements to eV.
    Energies,
    /// `true`, `false`, or a map of counts.
    Counts,
}

/// Whether a key does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what its sentence says.
    Full,
    /// Accepted and checked, and there is a reason why it needs nothing.
    NoEffect(&'static str),
}

/// At least 0.
pub(super) const NOT_NEGATIVE: Kind = Kind::Number {
    min: 0.0,
    above: false,
    max: f64::INFINITY,
};
/// Above 0.
pub(super) const POSITIVE: Kind = Kind::Number {
    min: 0.0,
    above: true,
    max: f64::INFINITY,
};
/// From 0 to 1.
pub(super) const PROPORTION: Kind = Kind::Number {
    min: 0.0,
    above: false,
    max: 1.0,
};
/// A whole number above 0.
pub(super) const COUNT: Kind = Kind::Integer { min: 1 };
/// A whole number.
pub(super) const WHOLE: Kind = Kind::Integer { min: 0 };

/// A row of a key that does what it says.
pub(super) const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    unit: &'static str,
    doc: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        unit,
        doc,
        support: Support::Full,
    }
}

impl Key {
    pub(super) const fn support(self, support: Support) -> Self {
        Self { support, ..self }
    }

    /// Whether it must be given.
    pub fn is_required(&self) -> bool {
        self.default == "required"
    }

    /// The default as YAML; `None` for those in words.
    pub fn default_yaml(&self) -> Option<&'static str> {
        let in_words = self.is_required() || self.default.starts_with('(');
        (!in_words).then_some(self.default)
    }
}

impl Kind {
    /// What can be written, for messages and the documentation: "a whole number ≥ 1".
    pub fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Integer { min } => format!("a whole number ≥ {min}"),
            Self::Number { min, above, max } => {
                let from = if *above { ">" } else { "≥" };
                match max.is_finite() {
                    true => format!("a number from {min} to {max}"),
                    false if min.is_finite() => format!("a number {from} {min}"),
                    false => "a number".into(),
                }
            }
            Self::Weights => "a number ≥ 0, or a list of them, one for each stage".into(),
            Self::Fractions => "a list of numbers from 0 to 1".into(),
            Self::Word { words, .. } => format!("one of {}", words.join(", ")),
            Self::Text => "a text".into(),
            Self::Path => "a path".into(),
            Self::DataPaths => "a path, a list of paths, or a map from task names to these".into(),
            Self::Splits => {
                "three whole numbers, or three fractions from 0 to 1, of which the third can be 0"
                    .into()
            }
            Self::Amount => "a whole number ≥ 1, or a fraction from 0 to 1".into(),
            Self::Names => "a name, or a list of names".into(),
            Self::Energies => {
                "average, zero, or a map from element (number or symbol) to eV".into()
            }
            Self::Counts => "true, false, or a map of counts".into(),
        }
    }
}
