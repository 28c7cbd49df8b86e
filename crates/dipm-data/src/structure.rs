//! Atoms as read from a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cell;
use crate::error::DataError;

/// Where a structure comes from: file and 0-based number within it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(PathBuf, usize)", into = "(PathBuf, usize)")]
pub struct Origin {
    /// File that holds the structure.
    pub file: Arc<Path>,
    /// Number of the structure in the file, from 0.
    pub index: usize,
}

impl Origin {
    pub(crate) fn new(file: &Arc<Path>, index: usize) -> Self {
        Self {
            file: Arc::clone(file),
            index,
        }
    }
}

impl From<(PathBuf, usize)> for Origin {
    fn from((file, index): (PathBuf, usize)) -> Self {
        Self {
            file: file.into(),
            index,
        }
    }
}

impl From<Origin> for (PathBuf, usize) {
    fn from(origin: Origin) -> Self {
        (origin.file.to_path_buf(), origin.index)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, structure {}", self.file.display(), self.index)
    }
}

/// Atoms with their labels. N is the number of atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Atomic numbers, `[N]`.
    pub atomic_numbers: Vec<u8>,
    /// Positions in Å, [N, 3].
    pub positions: Vec<[f64; 3]>,
    /// Lattice vectors as rows, in Å.
    pub cell: Option<[[f64; 3]; 3]>,
    /// Along which lattice vectors the structure repeats.
    pub pbc: [bool; 3],
    /// Total energy in eV.
    pub energy: Option<f64>,
    /// Forces in eV/Å, [N, 3].
    pub forces: Option<Vec<[f64; 3]>>,
    /// Stress in eV/Å³, tension > 0.
    pub stress: Option<[[f64; 3]; 3]>,
    /// Total charge in e.
    pub charge: Option<i32>,
    /// Number of unpaired electrons (multiplicity − 1).
    pub spin: Option<i32>,
    /// Index into the task list of the dataset.
    pub task: Option<usize>,
    /// Weight in the loss.
    pub weight: f64,
    /// Free-form class of the structure, `config_type` in files.
    pub config_type: Option<String>,
    /// File and number.
    pub origin: Origin,
}

impl Structure {
    /// A structure without cell and labels, for predictions and tests.
    pub fn new(atomic_numbers: Vec<u8>, positions: Vec<[f64; 3]>, origin: Origin) -> Self {
        Self {
            atomic_numbers,
            positions,
            cell: None,
            pbc: [false; 3],
            energy: None,
            forces: None,
            stress: None,
            charge: None,
            spin: None,
            task: None,
            weight: 1.0,
            config_type: None,
            origin,
        }
    }

    /// Number of atoms.
    pub fn num_atoms(&self) -> usize {
        self.atomic_numbers.len()
    }

    /// Whether any axis is periodic.
    pub fn is_periodic(&self) -> bool {
        self.pbc.contains(&true)
    }

    /// |det cell| in Å³; `None` without a cell or when it is flat.
    pub fn volume(&self) -> Option<f64> {
        let volume = cell::determinant(&self.cell?).abs();
        (volume > 0.0).then_some(volume)
    }

    /// Whether this is the reference of a free atom by its `config_type` (`IsolatedAtom` in any
    /// spelling).
    pub fn is_marked_isolated(&self) -> bool {
        let is_mark = |name: &String| {
            let letters = name.chars().filter(|c| c.is_ascii_alphanumeric());
            letters
                .map(|c| c.to_ascii_lowercase())
                .eq("isolatedatom".chars())
        };
        self.num_atoms() == 1 && self.config_type.as_ref().is_some_and(is_mark)
    }

    /// Checks lengths, that every number is finite, and that the cell fits the periodicity.
    ///
    /// # Errors
    /// [`DataError::WrongShape`], [`DataError::NotFinite`], [`DataError::UnknownElement`] or
    /// [`DataError::BadCell`], naming the structure.
    pub fn validate(&self) -> Result<(), DataError> {
        let num_atoms = self.num_atoms();
        self.check_length("positions", self.positions.len(), num_atoms)?;
        if let Some(forces) = &self.forces {
            self.check_length("forces", forces.len(), num_atoms)?;
            self.check_vectors(forces, "force on atom")?;
        }
        self.check_vectors(&self.positions, "position of atom")?;
        let is_element = |z: &&u8| crate::elements::element_symbol(**z).is_none();
        if let Some(z) = self.atomic_numbers.iter().find(is_element) {
            return Err(DataError::UnknownElement {
                origin: self.origin.clone(),
                found: z.to_string(),
            });
        }
        if self.energy.is_some_and(|e| !e.is_finite()) {
            return Err(self.not_finite("energy"));
        }
        let finite = |m: &[[f64; 3]; 3]| m.as_flattened().iter().all(|x| x.is_finite());
        if self.stress.is_some_and(|s| !finite(&s)) {
            return Err(self.not_finite("stress"));
        }
        if self.cell.is_some_and(|c| !finite(&c)) {
            return Err(self.not_finite("cell"));
        }
        if !self.weight.is_finite() || self.weight < 0.0 {
            return Err(DataError::BrokenStructure {
                origin: self.origin.clone(),
                reason: format!("the weight {} is not a number ≥ 0", self.weight),
            });
        }
        self.check_cell()
    }

    fn check_cell(&self) -> Result<(), DataError> {
        match cell::complete(self.cell.as_ref(), self.pbc) {
            Some(_) => Ok(()),
            None => Err(self.bad_cell(match self.cell {
                Some(_) => "those cell vectors are zero or not independent; correct the cell, or `pbc` if it is not periodic".to_owned(),
                None => "there is no cell, or an all-zero one; add the cell, or set `pbc` to false if it is not periodic".to_owned(),
            })),
        }
    }

    pub(crate) fn bad_cell(&self, reason: String) -> DataError {
        let axes: Vec<&str> = ["a", "b", "c"]
            .into_iter()
            .zip(self.pbc)
            .filter_map(|(name, periodic)| periodic.then_some(name))
            .collect();
        DataError::BadCell {
            origin: self.origin.clone(),
            axes: axes.join(", "),
            reason,
        }
    }

    fn not_finite(&self, what: impl ToString) -> DataError {
        DataError::NotFinite {
            origin: self.origin.clone(),
            what: what.to_string(),
        }
    }

    fn check_length(&self, name: &str, found: usize, expected: usize) -> Result<(), DataError> {
        if found == expected {
            return Ok(());
        }
        Err(DataError::WrongShape {
            origin: self.origin.clone(),
            name: name.to_owned(),
            expected: format!("[{expected}, 3]"),
            found: vec![found, 3],
        })
    }

    fn check_vectors(&self, vectors: &[[f64; 3]], what: &str) -> Result<(), DataError> {
        let bad = vectors
            .iter()
            .position(|v| !v.iter().all(|x| x.is_finite()));
        bad.map_or(
            Ok(()),
            |atom| Err(self.not_finite(format!("{what} {atom}"))),
        )
    }
}
