//! What a model predicts for the structures of files, batch by batch, and the files that it is written to.

use super::Failure;
use dipm_data::{
    Batch, DataError, Dataset, Graph, Hdf5WriteOptions, Hdf5Writer, LabelKeys, Structure, XyzWriter,
};
use dipm_models::{Model, Prediction, Predictor, Real};
use rayon::prelude::*;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Structures of an HDF5 file that are kept in memory until they are written together.
const HDF5_PART: usize = 500;

/// The structures of files with the edges that a model sees.
pub(super) fn dataset(model: &Model, files: &[PathBuf]) -> Result<Dataset, Failure> {
    let info = &model.dataset_info;
    // an inference sees all neighbours unless the model was trained with a cap
    let (r_max, cap) = (info.cutoff_distance_angstrom, info.max_neighbors_per_atom);
    Ok(Dataset::from_paths(
        files,
        &LabelKeys::default(),
        r_max,
        cap,
    )?)
}

/// Predicts structure after structure, `batch_size` at a time. `wants` says which structures take part. `take` gets each
/// structure with what its energy has beside the network, in eV, and the prediction.
pub(super) fn for_each<T: Real>(
    model: &Model,
    dataset: &Dataset,
    batch_size: usize,
    mut wants: impl FnMut(&Structure) -> Result<bool, Failure>,
    mut take: impl FnMut(Structure, f64, Prediction) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let species = model.species();
    let mut predictor = Predictor::<T>::new(model);
    for start in (0..dataset.len()).step_by(batch_size) {
        let items = start..(start + batch_size).min(dataset.len());
        let read: Vec<Result<Graph, DataError>> = items
            .into_par_iter()
            .map(|item| dataset.graph(item))
            .collect();
        let mut graphs = Vec::with_capacity(read.len());
        // one after the other, so that of several errors it is the first that is told
        for graph in read {
            let graph = graph?;
            if wants(&graph.structure)? {
                graphs.push(graph);
            }
        }
        if graphs.is_empty() {
            continue;
        }
        let batch = Batch::new(&graphs, &species)?;
        let offsets = model.energy_offsets(&batch);
        let predictions = predictor.predict(&batch)?;
        for ((graph, offset), prediction) in graphs.into_iter().zip(offsets).zip(predictions) {
            check_finite(&graph.structure, &prediction)?;
            take(graph.structure, offset, prediction)?;
        }
    }
    Ok(())
}

/// A model can be evaluated outside what it was trained on, but not print what is no number.
pub(super) fn check_finite(structure: &Structure, prediction: &Prediction) -> Result<(), Failure> {
    let forces = prediction.forces.as_flattened().iter();
    let mut all = forces
        .chain(prediction.virial.as_flattened())
        .chain([&prediction.energy]);
    if all.all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Failure::Other(format!(
        "the prediction for {} is not finite (energy {} eV); are two atoms on top of each other?",
        structure.origin, prediction.energy
    )))
}

/// A file of predictions, written while they come.
pub(super) struct PredictionFile {
    path: PathBuf,
    format: Format,
    /// Whether structures without a cell get a virial in place of a stress.
    virials: bool,
    count: usize,
}

enum Format {
    Json(BufWriter<File>),
    Xyz(XyzWriter<BufWriter<File>>),
    Hdf5(Box<Hdf5Writer>),
}

impl PredictionFile {
    /// Creates the file in the format that its ending says, or as lines of JSON. `inputs` are the files being read.
    pub(super) fn create(
        path: &Path,
        json: bool,
        virials: bool,
        inputs: &[PathBuf],
    ) -> Result<Self, Failure> {
        refuse_input(path, inputs)?;
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        let format = match extension {
            _ if json => Self::lines(path)?,
            "json" | "jsonl" => Self::lines(path)?,
            "xyz" | "extxyz" => Format::Xyz(XyzWriter::create(path)?),
            "h5" | "hdf5" => Format::Hdf5(Box::new(Hdf5Writer::create(
                path,
                Hdf5WriteOptions {
                    structures_per_batch: HDF5_PART,
                    deflate: None,
                },
            )?)),
            _ => {
                return Err(Failure::CommandLine(format!(
                    "the ending of {} says no format; use .xyz, .extxyz, .h5, .hdf5, .json or .jsonl",
                    path.display()
                )));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            virials,
            count: 0,
        })
    }

    fn lines(path: &Path) -> Result<Format, Failure> {
        let file = File::create(path).map_err(|source| Failure::write(path, source))?;
        Ok(Format::Json(BufWriter::new(file)))
    }

    /// Writes a structure with the prediction in the place of its labels.
    pub(super) fn write(
        &mut self,
        mut structure: Structure,
        prediction: Prediction,
    ) -> Result<(), Failure> {
        self.count += 1;
        let stress = stress(&prediction, self.virials);
        if let Format::Json(out) = &mut self.format {
            let written = writeln!(out, "{}", json_line(&prediction, stress));
            return written.map_err(|source| Failure::write(&self.path, source));
        }
        structure.energy = Some(prediction.energy);
        structure.forces = Some(prediction.forces);
        structure.stress = stress;
        match &mut self.format {
            Format::Xyz(writer) => writer.write(&structure)?,
            Format::Hdf5(writer) => writer.write(&structure)?,
            Format::Json(_) => unreachable!("written above"),
        }
        Ok(())
    }

    /// Writes what is left, and says how much there is.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.format {
            Format::Json(mut out) => out
                .flush()
                .map_err(|source| Failure::write(&self.path, source))?,
            Format::Xyz(writer) => drop(writer.finish()?),
            Format::Hdf5(writer) => writer.finish()?,
        }
        tracing::info!("{} structures in {}", self.count, self.path.display());
        Ok(())
    }
}

/// Energy (eV), forces (eV/Å) and stress (eV/Å³) of a structure as one line of JSON.
pub(super) fn json_line(
    prediction: &Prediction,
    stress: Option<[[f64; 3]; 3]>,
) -> serde_json::Value {
    json!({
        "energy": prediction.energy,
        "forces": prediction.forces,
        "stress": stress,
    })
}

/// The stress; with `virials` that of structures without a cell too, with a volume of 1 Å³.
pub(super) fn stress(prediction: &Prediction, virials: bool) -> Option<[[f64; 3]; 3]> {
    prediction.stress.or(virials.then_some(prediction.virial))
}

/// A file cannot be read and replaced at the same time.
pub(super) fn refuse_input(path: &Path, inputs: &[PathBuf]) -> Result<(), Failure> {
    let Ok(real) = path.canonicalize() else {
        return Ok(());
    };
    match inputs
        .iter()
        .any(|input| input.canonicalize().is_ok_and(|input| input == real))
    {
        true => Err(Failure::CommandLine(format!(
            "{} is read and would be replaced by what is written; choose another name",
            path.display()
        ))),
        false => Ok(()),
    }
}
