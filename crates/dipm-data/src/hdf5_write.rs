//! Writing the MACE layout of HDF5.

use std::path::Path;

use hdf5_pure::{EnumTypeBuilder, FileBuilder};

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
/// The file is built in memory before it is written.
///
/// # Errors
/// [`DataError::Io`] or [`DataError::BrokenFile`].
pub fn write_hdf5<'a>(
    path: impl AsRef<Path>,
    structures: impl IntoIterator<Item = &'a Structure>,
    options: Hdf5WriteOptions,
) -> Result<(), DataError> {
    let path = path.as_ref();
    let structures: Vec<&Structure> = structures.into_iter().collect();
    let mut builder = FileBuilder::new();
    for (b, batch) in structures
        .chunks(options.structures_per_batch.max(1))
        .enumerate()
    {
        let mut group = builder.create_group(&format!("config_batch_{b}"));
        for (c, structure) in batch.iter().enumerate() {
            let mut config = group.create_group(&format!("config_{c}"));
            write_config(&mut config, structure, options.deflate);
            group.add_group(config.finish());
        }
        builder.add_group(group.finish());
    }
    let bytes = builder
        .finish()
        .map_err(|e| DataError::broken_file(path, e))?;
    std::fs::write(path, bytes).map_err(|e| DataError::io(path, e))
}

type GroupBuilder = hdf5_pure::GroupBuilder;

fn write_config(config: &mut GroupBuilder, structure: &Structure, deflate: Option<u32>) {
    let numbers: Vec<i32> = structure
        .atomic_numbers
        .iter()
        .map(|z| i32::from(*z))
        .collect();
    config
        .create_dataset("atomic_numbers")
        .with_i32_data(&numbers);
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
    config
        .create_dataset("pbc")
        .with_enum_u8_data(truth, &structure.pbc.map(u8::from));
    scalar(config, "weight", structure.weight);
    let config_type = structure.config_type.as_deref().unwrap_or("None");
    config
        .create_dataset("config_type")
        .with_vlen_strings(&[config_type])
        .with_shape(&[]);
    let weights = config.create_group("property_weights");
    config.add_group(weights.finish());
    let mut properties = config.create_group("properties");
    if let Some(energy) = structure.energy {
        scalar(&mut properties, "energy", energy);
    }
    if let Some(forces) = &structure.forces {
        array(&mut properties, "forces", forces.as_flattened(), deflate);
    }
    if let Some(stress) = &structure.stress {
        array(&mut properties, "stress", stress.as_flattened(), deflate);
    }
    if let Some(charge) = structure.charge {
        properties
            .create_dataset("total_charge")
            .with_i32_data(&[charge])
            .with_shape(&[]);
    }
    if let Some(spin) = structure.spin {
        properties
            .create_dataset("total_spin")
            .with_i32_data(&[spin])
            .with_shape(&[]);
    }
    config.add_group(properties.finish());
}

fn scalar(group: &mut GroupBuilder, name: &str, value: f64) {
    group
        .create_dataset(name)
        .with_f64_data(&[value])
        .with_shape(&[]);
}

/// An [n, 3] array.
fn array(group: &mut GroupBuilder, name: &str, values: &[f64], deflate: Option<u32>) {
    let rows = (values.len() / 3) as u64;
    let dataset = group
        .create_dataset(name)
        .with_f64_data(values)
        .with_shape(&[rows, 3]);
    if let Some(level) = deflate.filter(|_| rows > 0) {
        dataset.with_chunks(&[rows.min(256), 3]).with_deflate(level);
    }
}
