//! Writing extended XYZ.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::elements::element_symbol;
use crate::error::DataError;
use crate::structure::Structure;

/// Writes structures as extended XYZ, each number with the digits that read back to the same bits.
///
/// Keys: `energy`, `forces`, `stress`, `total_charge`, `total_spin`, `config_type`, `config_weight`.
#[derive(Debug)]
pub struct XyzWriter<W: Write> {
    output: W,
    path: Box<Path>,
}

impl XyzWriter<BufWriter<File>> {
    /// Creates the file, replacing one that is there.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|e| DataError::io(path, e))?;
        Ok(Self {
            output: BufWriter::new(file),
            path: path.into(),
        })
    }
}

impl<W: Write> XyzWriter<W> {
    /// Writes to any output; `path` is for messages.
    pub fn new(output: W, path: impl AsRef<Path>) -> Self {
        Self {
            output,
            path: path.as_ref().into(),
        }
    }

    /// Writes one structure.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn write(&mut self, structure: &Structure) -> Result<(), DataError> {
        let text = frame(structure);
        self.output
            .write_all(text.as_bytes())
            .map_err(|e| DataError::io(&self.path, e))
    }

    /// Writes what is buffered and returns the output.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn finish(mut self) -> Result<W, DataError> {
        self.output
            .flush()
            .map_err(|e| DataError::io(&self.path, e))?;
        Ok(self.output)
    }
}

fn frame(structure: &Structure) -> String {
    let mut text = format!("{}\n", structure.num_atoms());
    append(&mut text, structure).expect("writing to a string never fails");
    text
}

fn append(text: &mut String, structure: &Structure) -> std::fmt::Result {
    if let Some(cell) = &structure.cell {
        write!(text, "Lattice=\"{}\" ", joined(cell.as_flattened()))?;
    }
    text.push_str("Properties=species:S:1:pos:R:3");
    if structure.forces.is_some() {
        text.push_str(":forces:R:3");
    }
    if let Some(energy) = structure.energy {
        write!(text, " energy={energy}")?;
    }
    if let Some(stress) = &structure.stress {
        write!(text, " stress=\"{}\"", joined(stress.as_flattened()))?;
    }
    if let Some(charge) = structure.charge {
        write!(text, " total_charge={charge}")?;
    }
    if let Some(spin) = structure.spin {
        write!(text, " total_spin={spin}")?;
    }
    if structure.weight != 1.0 {
        write!(text, " config_weight={}", structure.weight)?;
    }
    if let Some(config_type) = &structure.config_type {
        let escaped = config_type
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        write!(text, " config_type=\"{escaped}\"")?;
    }
    let flags = structure
        .pbc
        .map(|periodic| if periodic { "T" } else { "F" });
    writeln!(text, " pbc=\"{}\"", flags.join(" "))?;
    for (atom, z) in structure.atomic_numbers.iter().enumerate() {
        let symbol = element_symbol(*z).unwrap_or("X");
        write!(text, "{symbol:<2} {}", joined(&structure.positions[atom]))?;
        if let Some(forces) = &structure.forces {
            write!(text, " {}", joined(&forces[atom]))?;
        }
        text.push('\n');
    }
    Ok(())
}

fn joined(numbers: &[f64]) -> String {
    let words: Vec<String> = numbers.iter().map(f64::to_string).collect();
    words.join(" ")
}
