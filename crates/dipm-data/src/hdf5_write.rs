//! Writing the MACE layout of HDF5.

use std::path::Path;

use hdf5_pure::{
    EnumTypeBuilder, File, FileAccessProperties, FileBuilder, MemoryStrategy, StagedGroup,
    SyncPolicy,
};

use crate::error::DataError;
use crate::structure::Structure;

/// How arrays are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hdf5WriteOptions {
    /// Structures in one `config_batch_i` group.
    pub structures_per_batch: usize,
    /// Chunk the arrays and compress them with this level of deflate (1–9); contiguous when absent.
    pub deflate: Option<u32>,
}

impl Default for Hdf5WriteOptions {
    /// Contiguous, 1000 structures a group.
    fn default() -> Self {
        Self {
            structures_per_batch: 1000,
            deflate: None,
        }
    }
}

/// Writes structures to an HDF5 file in the layout of MACE, which 0.0.8 and MACE read.
///
/// # Errors
/// Those of [`Hdf5Writer`].
pub fn write_hdf5<'a>(
    path: impl AsRef<Path>,
    structures: impl IntoIterator<Item = &'a Structure>,
    options: Hdf5WriteOptions,
) -> Result<(), DataError> {
    let mut writer = Hdf5Writer::create(path, options)?;
    for structure in structures {
        writer.write(structure)?;
    }
    writer.finish()
}

/// Writes structures one after the other to an HDF5 file in the layout of MACE.
///
/// The structures of one `config_batch_i` are kept in memory until they are written together: a group that is
/// complete is never touched again, so that the time for a part does not grow with the file. The file is valid after each part.
pub struct Hdf5Writer {
    path: Box<Path>,
    file: File,
    options: Hdf5WriteOptions,
    /// Groups in the file.
    num_batches: usize,
    waiting: Vec<Structure>,
}

impl Hdf5Writer {
    /// Creates the file, replacing one that is there.
    ///
    /// # Errors
    /// [`DataError::Io`] or [`DataError::BrokenFile`].
    pub fn create(path: impl AsRef<Path>, options: Hdf5WriteOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        let broken = |e: hdf5_pure::Error| DataError::broken_file(path, e);
        let empty = FileBuilder::new().finish().map_err(broken)?;
        std::fs::write(path, empty).map_err(|e| DataError::io(path, e))?;
        let access = FileAccessProperties::new()
            .with_sync_policy(SyncPolicy::OnClose)
            .with_memory_strategy(MemoryStrategy::Bounded);
        Ok(Self {
            path: path.into(),
            file: File::open_rw_with_options(path, access).map_err(broken)?,
            options,
            num_batches: 0,
            waiting: Vec::new(),
        })
    }

    /// Writes a structure, now or with the next.
    ///
    /// # Errors
    /// [`DataError::BrokenFile`] when the file cannot be written.
    pub fn write(&mut self, structure: &Structure) -> Result<(), DataError> {
        self.waiting.push(structure.clone());
        match self.waiting.len() >= self.options.structures_per_batch {
            true => self.write_waiting(),
            false => Ok(()),
        }
    }

    fn write_waiting(&mut self) -> Result<(), DataError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let name = format!("config_batch_{}", self.num_batches);
        let staged = self.file.root().create_group_with(&name, |batch| {
            for (number, structure) in self.waiting.iter().enumerate() {
                batch.create_group_with(&format!("config_{number}"), |config| {
                    write_config(config, structure, self.options.deflate);
                });
            }
        });
        let written = staged.and_then(|_| self.file.commit());
        written.map_err(|e| DataError::broken_file(&self.path, e))?;
        self.num_batches += 1;
        self.waiting.clear();
        Ok(())
    }

    /// Writes what waits, and returns when all is on the disk.
    ///
    /// # Errors
    /// As [`Hdf5Writer::write`].
    pub fn finish(mut self) -> Result<(), DataError> {
        self.write_waiting()?;
        let Self { path, file, .. } = self;
        file.close().map_err(|e| DataError::broken_file(&path, e))
    }
}

fn write_config(config: &mut StagedGroup, structure: &Structure, deflate: Option<u32>) {
    let numbers: Vec<i32> = structure
        .atomic_numbers
        .iter()
        .map(|z| i32::from(*z))
        .collect();
    config.create_dataset("atomic_numbers", |dataset| {
        dataset.with_i32_data(&numbers);
    });
    array(
        config,
        "positions",
        structure.positions.as_flattened(),
        deflate,
    );
    let cell = structure.cell.unwrap_or_default();
    array(config, "cell", cell.as_flattened(), deflate);
    // As h5py stores truth values.
    let truth = EnumTypeBuilder::u8_based()
        .u8_value("FALSE", 0)
        .u8_value("TRUE", 1)
        .build();
    let truth = truth.expect("two names with different values make an enumeration");
    config.create_dataset("pbc", |dataset| {
        dataset.with_enum_u8_data(truth, &structure.pbc.map(u8::from));
    });
    scalar(config, "weight", structure.weight);
    let config_type = structure.config_type.as_deref().unwrap_or("None");
    config.create_dataset("config_type", |dataset| {
        dataset.with_vlen_strings(&[config_type]).with_shape(&[]);
    });
    config.create_group("property_weights");
    config.create_group_with("properties", |properties| {
        write_properties(properties, structure, deflate);
    });
}

fn write_properties(properties: &mut StagedGroup, structure: &Structure, deflate: Option<u32>) {
    if let Some(energy) = structure.energy {
        scalar(properties, "energy", energy);
    }
    if let Some(forces) = &structure.forces {
        array(properties, "forces", forces.as_flattened(), deflate);
    }
    if let Some(stress) = &structure.stress {
        array(properties, "stress", stress.as_flattened(), deflate);
    }
    if let Some(charge) = structure.charge {
        properties.create_dataset("total_charge", |dataset| {
            dataset.with_i32_data(&[charge]).with_shape(&[]);
        });
    }
    if let Some(spin) = structure.spin {
        properties.create_dataset("total_spin", |dataset| {
            dataset.with_i32_data(&[spin]).with_shape(&[]);
        });
    }
}

fn scalar(group: &mut StagedGroup, name: &str, value: f64) {
    group.create_dataset(name, |dataset| {
        dataset.with_f64_data(&[value]).with_shape(&[]);
    });
}

/// An [n, 3] array.
fn array(group: &mut StagedGroup, name: &str, values: &[f64], deflate: Option<u32>) {
    let rows = (values.len() / 3) as u64;
    group.create_dataset(name, |dataset| {
        dataset.with_f64_data(values).with_shape(&[rows, 3]);
        if let Some(level) = deflate.filter(|_| rows > 0) {
            dataset.with_chunks(&[rows.min(256), 3]).with_deflate(level);
        }
    });
}
