//! `dipm predict`: energies, forces and stress of structures, batched and streamed.

use super::Failure;
use super::predictions::{PredictionFile, dataset, for_each, json_line, stress};
use crate::cli::{Dtype, PredictArgs};
use dipm_data::{Structure, expand_paths};
use dipm_models::{Model, Prediction, Real};
use std::io::{BufWriter, Stdout, Write};
use std::path::PathBuf;

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

fn predict<T: Real>(args: &PredictArgs, model: &Model, files: &[PathBuf]) -> Result<(), Failure> {
    let dataset = dataset(model, files)?;
    let mut output = Output::open(args, files)?;
    let size = args.batch_size as usize;
    for_each::<T>(
        model,
        &dataset,
        size,
        |_| Ok(true),
        |structure, _, prediction| output.write(structure, prediction),
    )?;
    output.finish()
}

/// Where predictions go.
enum Output {
    File(PredictionFile),
    /// Standard output.
    Text(Text),
}

impl Output {
    fn open(args: &PredictArgs, files: &[PathBuf]) -> Result<Self, Failure> {
        match &args.output {
            Some(path) => Ok(Self::File(PredictionFile::create(
                path,
                args.json,
                args.stress,
                files,
            )?)),
            None => Ok(Self::Text(Text::open(args).map_err(failed)?)),
        }
    }

    fn write(&mut self, structure: Structure, prediction: Prediction) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.write(structure, prediction),
            Self::Text(text) => text.write(&structure, &prediction).map_err(failed),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.finish(),
            Self::Text(mut text) => text.out.flush().map_err(failed),
        }
    }
}

fn failed(source: std::io::Error) -> Failure {
    Failure::Write {
        path: "standard output".to_owned(),
        source,
    }
}

/// A table or lines of JSON.
struct Text {
    out: BufWriter<Stdout>,
    json: bool,
    /// Whether structures without a cell get a virial in place of a stress.
    virials: bool,
    count: usize,
}

impl Text {
    fn open(args: &PredictArgs) -> std::io::Result<Self> {
        let mut out = BufWriter::new(std::io::stdout());
        if !args.json {
            writeln!(
                out,
                "{:>7} {:>6} {:>18} {:>14} {:>14}  origin",
                "number", "atoms", "energy (eV)", "eV/atom", "|F| max (eV/Å)"
            )?;
        }
        Ok(Self {
            out,
            json: args.json,
            virials: args.stress,
            count: 0,
        })
    }

    fn write(&mut self, structure: &Structure, prediction: &Prediction) -> std::io::Result<()> {
        let stress = stress(prediction, self.virials);
        if self.json {
            return writeln!(self.out, "{}", json_line(prediction, stress));
        }
        let norm = |f: &[f64; 3]| f.iter().map(|x| x * x).sum::<f64>().sqrt();
        let largest = prediction.forces.iter().map(norm).fold(0.0, f64::max);
        let (atoms, energy) = (structure.num_atoms(), prediction.energy);
        writeln!(
            self.out,
            "{:>7} {atoms:>6} {energy:>18.8} {:>14.8} {largest:>14.6}  {}",
            self.count,
            energy / atoms as f64,
            structure.origin
        )?;
        self.count += 1;
        let name = if prediction.stress.is_some() {
            "stress eV/Å³"
        } else {
            "virial eV"
        };
        stress.map_or(Ok(()), |stress| {
            writeln!(self.out, "{name:>14} {}", row_text(&stress))
        })
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
