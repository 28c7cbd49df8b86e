//! What can go wrong in this crate.

use std::path::PathBuf;

use dipm_data::Origin;

use crate::ConfigProblem;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that is not a model file.
    #[error("{}: not a model file: {reason}", path.display())]
    NotAModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The parameters of a file are not those of its model.
    #[error("{}: not the parameters of the model: {}", path.display(), problems.join("; "))]
    Parameters {
        /// The file.
        path: PathBuf,
        /// Missing parameters, other shapes, parameters the model does not have.
        problems: Vec<String>,
    },
    /// A model that does not exist.
    #[error("unknown model `{name}`; known are {known}")]
    UnknownTarget {
        /// As written.
        name: String,
        /// The models there are.
        known: String,
    },
    /// A model whose name is known but that this version cannot compute.
    #[error("model `{target}` is not supported yet; supported are {supported}")]
    UnsupportedTarget {
        /// Its registry name.
        target: &'static str,
        /// The models that are supported.
        supported: String,
    },
    /// Options of a model that do not make sense.
    #[error("options of {target}: {}", list(problems))]
    Config {
        /// The model.
        target: &'static str,
        /// Everything that is wrong.
        problems: Vec<ConfigProblem>,
    },
    /// A dataset that the model cannot be built for.
    #[error("{target} cannot be built for this dataset: {reason}")]
    Dataset {
        /// The model.
        target: &'static str,
        /// Why.
        reason: String,
    },
    /// A structure whose charge, spin or task the model has no row for.
    #[error("{origin}: {name} is {value}, the model has {first} to {last}")]
    StructureKey {
        /// The structure.
        origin: Origin,
        /// What is out of range.
        name: &'static str,
        /// The number found.
        value: i64,
        /// Smallest number allowed.
        first: i64,
        /// Largest number allowed.
        last: i64,
    },
    /// A batch that the model cannot be evaluated on.
    #[error("the model cannot be evaluated on this batch: {0}")]
    Evaluation(#[from] dipm_field::FieldError),
}

fn list(problems: &[ConfigProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(ConfigProblem::to_string).collect();
    texts.join("; ")
}

impl ModelError {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
