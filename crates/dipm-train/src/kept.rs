//! Numbers that are seldom needed, out of the way.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::Real;

/// Values that are written or read at a time.
const PIECE: usize = 1 << 16;

/// Values that are kept for later and not changed: in memory, or in a file without a name, which ends with
/// the process.
#[derive(Debug)]
pub enum Kept<T> {
    /// In memory.
    Memory(Vec<T>),
    /// In a file.
    File(KeptFile),
}

/// The file of [`Kept`].
#[derive(Debug)]
pub struct KeptFile {
    file: File,
    len: usize,
}

impl<T: Real> Kept<T> {
    /// Keeps values in a file in `directory`, or in memory without one.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(values: &[T], directory: Option<&Path>) -> io::Result<Self> {
        let Some(directory) = directory else {
            return Ok(Kept::Memory(values.to_vec()));
        };
        let mut file = tempfile::tempfile_in(directory)?;
        let mut bytes = Vec::with_capacity(PIECE * size_of::<T>());
        for piece in values.chunks(PIECE) {
            bytes.clear();
            T::write_bytes(piece, &mut bytes);
            file.write_all(&bytes)?;
        }
        let len = values.len();
        Ok(Kept::File(KeptFile { file, len }))
    }

    /// The values again.
    ///
    /// # Errors
    /// Those of reading.
    pub fn values(&self) -> io::Result<Cow<'_, [T]>> {
        match self {
            Kept::Memory(values) => Ok(Cow::Borrowed(values)),
            Kept::File(kept) => {
                let mut values = Vec::new();
                kept.read_into(&mut values)?;
                Ok(Cow::Owned(values))
            }
        }
    }

    /// Replaces the content of a buffer by the values.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_into(&self, buffer: &mut Vec<T>) -> io::Result<()> {
        match self {
            Kept::Memory(values) => {
                buffer.clear();
                buffer.extend_from_slice(values);
                Ok(())
            }
            Kept::File(kept) => kept.read_into(buffer),
        }
    }
}

impl<T: Real> PartialEq for Kept<T> {
    /// Whether both can be read and hold equal values.
    fn eq(&self, other: &Self) -> bool {
        match (self.values(), other.values()) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

impl KeptFile {
    fn read_into<T: Real>(&self, buffer: &mut Vec<T>) -> io::Result<()> {
        buffer.clear();
        buffer.reserve_exact(self.len);
        let mut file = &self.file;
        file.rewind()?;
        let mut bytes = vec![0; PIECE * size_of::<T>()];
        while buffer.len() < self.len {
            let count = PIECE.min(self.len - buffer.len());
            let piece = &mut bytes[..count * size_of::<T>()];
            file.read_exact(piece)?;
            buffer.extend(T::read_bytes(piece));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_a_file_and_from_memory() {
        let directory = tempfile::tempdir().unwrap();
        let values: Vec<f32> = (0..PIECE + 7).map(|i| i as f32 * 0.1 - 3.0).collect();
        for place in [None, Some(directory.path())] {
            let kept = Kept::new(&values, place).unwrap();
            assert_eq!(matches!(kept, Kept::File(_)), place.is_some());
            assert_eq!(*kept.values().unwrap(), values);
            let mut buffer = vec![1.0; 3];
            kept.read_into(&mut buffer).unwrap();
            assert_eq!(buffer, values);
        }
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "a file with a name was left");
    }

    #[test]
    fn a_directory_that_does_not_exist_is_an_error() {
        let nowhere = Path::new("/does/not/exist");
        assert!(Kept::new(&[1.0f64], Some(nowhere)).is_err());
    }
}
