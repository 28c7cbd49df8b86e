//! `dipm predict`: energies, forces and stress of structures, batched and streamed.

use super::Failure;
use crate::cli::{Dtype, PredictArgs};
use dipm_data::{
    Batch, DataError, Dataset, Graph, Hdf5WriteOptions, LabelKeys, Structure, XyzWriter,
    expand_paths, write_hdf5,
};
use dipm_models::{Model, Prediction, Predictor, Real};
use serde_json::json;
use std::io::{BufWriter, Write};
use std::path::Path;

pub(super) fn run(args: &PredictArgs) -> Result<(), Failure> {
    let model = Model::load(&args.model)?;
    let files = expand_paths(&args.structures)?;
    if args.check_derivatives {
        return super::derivatives::run(&model, &dataset(&model, &files)?);
    }
    match args.dtype {
        Dtype::Float32 => predict::<f32>(args, &model, &files),
        Dtype::Float64 => predict::<f64>(args, &model, &files),
    }
}

fn predict<T: Real>(
    args: &PredictArgs,
    model: &Model,
    files: &[std::path::PathBuf],
) -> Result<(), Failure> {
    let dataset = dataset(model, files)?;
    let species = model.species();
    let mut predictor = Predictor::<T>::new(model);
    let mut output = Output::open(args)?;
    let size = args.batch_size as usize;
    for start in (0..dataset.len()).step_by(size) {
        let items = start..(start + size).min(dataset.len());
        let graphs: Vec<Graph> = items
            .map(|item| dataset.graph(item))
            .collect::<Result<_, DataError>>()?;
        let batch = Batch::new(&graphs, &species)?;
        for (graph, prediction) in graphs.into_iter().zip(predictor.predict(&batch)?) {
            check_finite(&graph.structure, &prediction)?;
            output.write(graph.structure, prediction)?;
        }
    }
    output.finish()
}

/// The structures of files with the edges that a model sees.
fn dataset(model: &Model, files: &[std::path::PathBuf]) -> Result<Dataset, Failure> {
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

/// Where predictions go.
enum Sink {
    Table(BufWriter<std::io::Stdout>),
    Json(BufWriter<Box<dyn Write>>),
    Xyz(XyzWriter<BufWriter<std::fs::File>>),
    /// HDF5 files are written whole.
    Hdf5(Vec<Structure>),
}

struct Output {
    sink: Sink,
    path: String,
    /// Whether structures without a cell get a virial in place of a stress.
    virials: bool,
    count: usize,
}

impl Output {
    fn open(args: &PredictArgs) -> Result<Self, Failure> {
        let path = args.output.as_deref();
        let extension = path
            .and_then(Path::extension)
            .and_then(|e| e.to_str())
            .unwrap_or("");
        let name = path.map_or("standard output".to_owned(), |p| p.display().to_string());
        let failed = |source| Failure::Write {
            path: name.clone(),
            source,
        };
        let create = |path: &Path| -> Result<Box<dyn Write>, Failure> {
            Ok(Box::new(std::fs::File::create(path).map_err(failed)?))
        };
        let sink = match (path, extension) {
            (None, _) if args.json => Sink::Json(BufWriter::new(Box::new(std::io::stdout()))),
            (None, _) => Sink::Table(BufWriter::new(std::io::stdout())),
            (Some(path), "json" | "jsonl") => Sink::Json(BufWriter::new(create(path)?)),
            (Some(path), _) if args.json => Sink::Json(BufWriter::new(create(path)?)),
            (Some(path), "xyz" | "extxyz") => Sink::Xyz(XyzWriter::create(path)?),
            (Some(_), "h5" | "hdf5") => Sink::Hdf5(vec![]),
            (Some(path), _) => {
                return Err(Failure::Other(format!(
                    "the ending of {} says no format; use .xyz, .extxyz, .h5, .hdf5, .json or .jsonl",
                    path.display()
                )));
            }
        };
        let mut output = Self {
            sink,
            path: name,
            virials: args.stress,
            count: 0,
        };
        if let Sink::Table(out) = &mut output.sink {
            let line = writeln!(
                out,
                "{:>7} {:>6} {:>18} {:>14} {:>14}  origin",
                "number", "atoms", "energy (eV)", "eV/atom", "|F| max (eV/Å)"
            );
            line.map_err(|source| Failure::Write {
                path: output.path.clone(),
                source,
            })?;
        }
        Ok(output)
    }

    fn write(&mut self, mut structure: Structure, prediction: Prediction) -> Result<(), Failure> {
        let stress = prediction
            .stress
            .or(self.virials.then_some(prediction.virial));
        let number = self.count;
        self.count += 1;
        let written = match &mut self.sink {
            Sink::Table(out) => {
                let norm = |f: &[f64; 3]| f.iter().map(|x| x * x).sum::<f64>().sqrt();
                let largest = prediction.forces.iter().map(norm).fold(0.0, f64::max);
                let atoms = structure.atomic_numbers.len();
                let energy = prediction.energy;
                writeln!(
                    out,
                    "{number:>7} {atoms:>6} {energy:>18.8} {:>14.8} {largest:>14.6}  {}",
                    energy / atoms as f64,
                    structure.origin
                )
                .and_then(|()| match stress {
                    Some(s) => writeln!(
                        out,
                        "{:>14} {}",
                        if prediction.stress.is_some() {
                            "stress eV/Å³"
                        } else {
                            "virial eV"
                        },
                        row_text(&s)
                    ),
                    None => Ok(()),
                })
            }
            Sink::Json(out) => {
                let line = json!({
                    "energy": prediction.energy,
                    "forces": prediction.forces,
                    "stress": stress,
                });
                writeln!(out, "{line}")
            }
            Sink::Xyz(_) | Sink::Hdf5(_) => {
                structure.energy = Some(prediction.energy);
                structure.forces = Some(prediction.forces);
                structure.stress = stress;
                match &mut self.sink {
                    Sink::Xyz(writer) => writer.write(&structure)?,
                    Sink::Hdf5(structures) => structures.push(structure),
                    _ => unreachable!("matched above"),
                }
                Ok(())
            }
        };
        written.map_err(|source| Failure::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn finish(self) -> Result<(), Failure> {
        let failed = |source| Failure::Write {
            path: self.path.clone(),
            source,
        };
        match self.sink {
            Sink::Table(mut out) => out.flush().map_err(failed)?,
            Sink::Json(mut out) => out.flush().map_err(failed)?,
            Sink::Xyz(writer) => {
                writer.finish()?;
            }
            Sink::Hdf5(structures) => {
                write_hdf5(
                    Path::new(&self.path),
                    &structures,
                    Hdf5WriteOptions::default(),
                )?;
            }
        }
        if self.path != "standard output" {
            tracing::info!("{} structures in {}", self.count, self.path);
        }
        Ok(())
    }
}

/// The six different entries of a symmetric matrix: xx yy zz yz xz xy.
fn row_text(m: &[[f64; 3]; 3]) -> String {
    let [x, y, z] = m;
    format!(
        "xx {:.6e} yy {:.6e} zz {:.6e} yz {:.6e} xz {:.6e} xy {:.6e}",
        x[0], y[1], z[2], y[2], x[2], x[1]
    )
}
