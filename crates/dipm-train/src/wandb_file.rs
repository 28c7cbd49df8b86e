//! The `.wandb` file: records in the log format of LevelDB.
//!
//! Seven bytes of file header (`:W&B`, 0xBEE1 as u16, version 0), then blocks of 32768 bytes. A
//! record is cut so that each piece fits the rest of its block; a piece has a checksum u32, a length
//! u16 and a type byte (1 whole, 2 first, 3 middle, 4 last) before its data, all little-endian. The
//! checksum is the CRC-32 of zlib over type and data, where LevelDB itself has CRC-32C. Less than
//! seven bytes at the end of a block are zeros.
//! Sources: `wandb/sdk/internal/datastore.py` of wandb 0.19 and
//! <https://github.com/google/leveldb/blob/main/doc/log_format.md>.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::TrainError;

const FILE_HEADER: [u8; 7] = *b":W&B\xe1\xbe\x00";
const BLOCK: usize = 32768;
const PIECE_HEADER: usize = 7;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// An open `.wandb` file.
#[derive(Debug)]
pub struct WandbFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl WandbFile {
    /// Begins a file at `path`, which must not be there or is replaced.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        let mut file = File::create(path).map_err(TrainError::io("create", path))?;
        let written = file.write_all(&FILE_HEADER);
        written.map_err(TrainError::io("write", path))?;
        Ok(WandbFile {
            path: path.to_owned(),
            file,
            length: FILE_HEADER.len() as u64,
        })
    }

    /// Where the next record begins.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Gives the file its final name.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be renamed.
    pub fn rename(&mut self, path: &Path) -> Result<(), TrainError> {
        fs::rename(&self.path, path).map_err(TrainError::io("write", path))?;
        self.path = path.to_owned();
        Ok(())
    }

    /// Drops all records from a place that [`WandbFile::length`] once gave.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be written.
    pub fn truncate(&mut self, length: u64) -> Result<(), TrainError> {
        let cut = self.file.set_len(length);
        cut.and_then(|()| self.file.seek(SeekFrom::Start(length)))
            .map_err(TrainError::io("write", &self.path))?;
        self.length = length;
        Ok(())
    }

    /// Appends one record; it is with the operating system when this returns.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be written.
    pub fn append(&mut self, data: &[u8]) -> Result<(), TrainError> {
        let pieces = pieces(data, self.length as usize % BLOCK);
        let written = self.file.write_all(&pieces);
        written.map_err(TrainError::io("write", &self.path))?;
        self.length += pieces.len() as u64;
        Ok(())
    }
}

/// A record in pieces, with the zeros before it, for a block of which `used` bytes are taken.
fn pieces(data: &[u8], used: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(data.len() + 2 * PIECE_HEADER);
    let mut room = BLOCK - used;
    if room < PIECE_HEADER {
        bytes.resize(room, 0);
        room = BLOCK;
    }
    let mut rest = data;
    let mut is_first = true;
    loop {
        let (piece, tail) = rest.split_at(rest.len().min(room - PIECE_HEADER));
        let kind = match (is_first, tail.is_empty()) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        let mut checksum = CRC.digest();
        checksum.update(&[kind]);
        checksum.update(piece);
        bytes.extend(checksum.finalize().to_le_bytes());
        bytes.extend((piece.len() as u16).to_le_bytes());
        bytes.push(kind);
        bytes.extend(piece);
        if tail.is_empty() {
            return bytes;
        }
        (rest, is_first, room) = (tail, false, BLOCK);
    }
}

#[cfg(test)]
#[path = "wandb_file_tests.rs"]
pub(crate) mod tests;
