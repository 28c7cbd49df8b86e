//! One file of structures, whatever its format.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::error::DataError;
use crate::hdf5_read::Hdf5File;
use crate::labels::{LabelKeys, LabelSources};
use crate::structure::Structure;
use crate::xyz_read::XyzFile;

/// A file of structures with random access; structures are read when asked for.
///
/// Memory: an index of 24 bytes (XYZ) or one group handle (HDF5) a structure, never the structures
/// themselves. Reading is possible from several threads at once.
pub struct StructureFile {
    path: Arc<Path>,
    format: Format,
}

enum Format {
    Xyz(XyzFile),
    Hdf5(Hdf5File),
}

/// First bytes of an HDF5 file.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

impl StructureFile {
    /// Opens an HDF5 file (MACE layout) or an extended XYZ file and counts its structures.
    ///
    /// The format is told from the content, so any file name will do.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::UnknownFormat`], [`DataError::BrokenFile`], or
    /// [`DataError::BrokenStructure`] for an XYZ file that ends within a frame.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path: Arc<Path> = Arc::from(path.as_ref());
        let format = match detect(&path)? {
            Kind::Hdf5 => Format::Hdf5(Hdf5File::open(&path)?),
            Kind::Xyz => Format::Xyz(XyzFile::open(&path)?),
        };
        Ok(Self { path, format })
    }

    /// The file.
    pub fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Number of structures.
    pub fn len(&self) -> usize {
        match &self.format {
            Format::Xyz(file) => file.len(),
            Format::Hdf5(file) => file.len(),
        }
    }

    /// Whether the file holds no structure.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads one structure and says under which keys its labels were found.
    ///
    /// # Errors
    /// A [`DataError`] that names the structure.
    ///
    /// # Panics
    /// If `index` is not below [`StructureFile::len`].
    pub fn read(
        &self,
        index: usize,
        keys: &LabelKeys,
    ) -> Result<(Structure, LabelSources), DataError> {
        assert!(index < self.len(), "structure {index} of {}", self.len());
        match &self.format {
            Format::Xyz(file) => file.read(index, keys),
            Format::Hdf5(file) => file.read(index, keys),
        }
    }

    /// Names of everything that might be a label in one structure, for messages.
    ///
    /// # Errors
    /// Those of reading.
    pub fn keys(&self, index: usize) -> Result<Vec<String>, DataError> {
        match &self.format {
            Format::Xyz(file) => file.keys(index),
            Format::Hdf5(file) => file.keys(index),
        }
    }
}

impl std::fmt::Debug for StructureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "StructureFile({}, {} structures)",
            self.path.display(),
            self.len()
        )
    }
}

enum Kind {
    Hdf5,
    Xyz,
}

fn detect(path: &Path) -> Result<Kind, DataError> {
    let file = std::fs::File::open(path).map_err(|e| DataError::io(path, e))?;
    let mut head = Vec::new();
    file.take(4096)
        .read_to_end(&mut head)
        .map_err(|e| DataError::io(path, e))?;
    let has_extension = |names: &[&str]| {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        names.iter().any(|n| n.eq_ignore_ascii_case(extension))
    };
    let is_signed = [0, 512, 1024, 2048].iter().any(|&at| {
        head.get(at..)
            .is_some_and(|bytes| bytes.starts_with(SIGNATURE))
    });
    if is_signed {
        return Ok(Kind::Hdf5);
    }
    if head.iter().all(u8::is_ascii_whitespace) {
        return Err(DataError::broken_file(path, "the file is empty"));
    }
    if has_extension(&["h5", "hdf5"]) {
        return Err(DataError::broken_file(
            path,
            "this is not an HDF5 file (no signature)",
        ));
    }
    let text = String::from_utf8_lossy(&head);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let starts_with_count = first.is_some_and(|line| line.parse::<u64>().is_ok());
    if starts_with_count || has_extension(&["xyz", "extxyz"]) {
        return Ok(Kind::Xyz);
    }
    Err(DataError::UnknownFormat {
        file: path.to_owned(),
    })
}
