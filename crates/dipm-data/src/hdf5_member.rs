//! One dataset of an HDF5 file, read only after its declared size has been held against the file.
//!
//! A few bytes of a damaged file can declare a dataset of any size, and the reader would allocate it
//! before it finds that the data are not there. So the size is checked first.

use hdf5_pure::{DType, Dataset, Error, Group, Layout, VlenStringReadOptions};

/// Deflate packs numbers at best to a thousandth; real positions and forces never to a sixty-fourth.
const MOST_EXPANSION: u64 = 64;
/// Room for small files of sparse or padded datasets.
const ROOM: u64 = 1 << 20;
/// Texts are `None` or a name; a longer one is damage.
const LONGEST_TEXT: usize = 1 << 16;

/// Bytes that one dataset of a file of this length may unpack to.
pub(crate) fn most_bytes(file_length: u64) -> u64 {
    file_length
        .saturating_mul(MOST_EXPANSION)
        .saturating_add(ROOM)
}

/// A sentence for what the HDF5 reader says about a file that it cannot read.
pub(crate) fn unreadable(error: Error) -> String {
    let reason = match error {
        Error::Format(error) => error.to_string(),
        other => other.to_string(),
    };
    format!("{reason}: the file is damaged or incomplete, copy it or write it again")
}

/// A dataset with its name. The errors of its methods are sentences that name it.
pub(crate) struct Member {
    pub name: String,
    dataset: Dataset,
    most_bytes: u64,
}

impl Member {
    /// The datasets of a group.
    pub(crate) fn all(group: &Group, most_bytes: u64) -> Result<Vec<Self>, String> {
        let datasets = group.iter_datasets().map_err(unreadable)?;
        let member = |(name, dataset)| Self {
            name,
            dataset,
            most_bytes,
        };
        Ok(datasets.map(member).collect())
    }

    fn fails(&self, error: Error) -> String {
        format!("`{}`: {}", self.name, unreadable(error))
    }

    pub(crate) fn shape(&self) -> Result<Vec<usize>, String> {
        let shape = self.dataset.shape().map_err(|e| self.fails(e))?;
        let size = |n| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(shape.into_iter().map(size).collect())
    }

    fn is_text(&self) -> Result<bool, String> {
        let kind = self.dataset.dtype().map_err(|e| self.fails(e))?;
        Ok(matches!(kind, DType::String | DType::VariableLengthString))
    }

    /// Refuses what the file is too short for: all elements, and each chunk of them.
    fn check_size(&self) -> Result<(), String> {
        let element = self.dataset.element_size().map_err(|e| self.fails(e))?;
        let bytes = |shape: &[u64]| {
            let elements = shape.iter().try_fold(1_u64, |n, m| n.checked_mul(*m));
            elements.and_then(|n| n.checked_mul(element.max(1)))
        };
        let refuse = |what: &str, shape: &[u64]| {
            format!(
                "`{}` has {what} {shape:?}, more than a file of this length can hold: it is damaged",
                self.name
            )
        };
        let fits = |shape: &[u64]| bytes(shape).is_some_and(|n| n <= self.most_bytes);
        let shape = self.dataset.shape().map_err(|e| self.fails(e))?;
        if !fits(&shape) {
            return Err(refuse("shape", &shape));
        }
        match self.dataset.layout().map_err(|e| self.fails(e))? {
            Layout::Chunked { chunk_shape, .. } if !fits(&chunk_shape) => {
                Err(refuse("chunks of", &chunk_shape))
            }
            _ => Ok(()),
        }
    }

    /// The first string, `None` for a dataset of numbers or without elements.
    pub(crate) fn text(&self) -> Result<Option<String>, String> {
        if !self.is_text()? {
            return Ok(None);
        }
        self.check_size()?;
        let limits = VlenStringReadOptions::new()
            .with_max_elements(LONGEST_TEXT)
            .with_max_payload_bytes(LONGEST_TEXT);
        let words = match self.dataset.dtype().map_err(|e| self.fails(e))? {
            DType::VariableLengthString => self.dataset.read_vlen_strings(limits),
            _ => self.dataset.read_string(),
        };
        let first = words.map_err(|e| self.fails(e))?.into_iter().next();
        Ok(first.map(|word| word.trim_end_matches('\0').to_owned()))
    }

    /// Whether it holds the string `None`.
    pub(crate) fn is_none(&self) -> Result<bool, String> {
        Ok(self.text()?.is_some_and(|word| word.trim() == "None"))
    }

    /// All values as floating-point numbers.
    pub(crate) fn numbers(&self) -> Result<Vec<f64>, String> {
        self.check_numbers("numbers")?;
        self.dataset.read_f64().map_err(|e| self.fails(e))
    }

    /// All values as integers.
    pub(crate) fn integers(&self) -> Result<Vec<i64>, String> {
        self.check_numbers("integers")?;
        self.dataset.read_i64().map_err(|e| self.fails(e))
    }

    /// All truth values; h5py stores them as an enumeration of bytes.
    pub(crate) fn flags(&self) -> Result<Vec<bool>, String> {
        self.check_numbers("truth values")?;
        let numbers = self.dataset.read_i64().or_else(|_| {
            let bytes = self.dataset.read_raw()?;
            Ok::<_, Error>(bytes.into_iter().map(i64::from).collect())
        });
        let numbers = numbers.map_err(|e| self.fails(e))?;
        Ok(numbers.into_iter().map(|n| n != 0).collect())
    }

    fn check_numbers(&self, expected: &str) -> Result<(), String> {
        if self.is_text()? {
            return Err(format!("`{}` is text, expected {expected}", self.name));
        }
        self.check_size()
    }
}
