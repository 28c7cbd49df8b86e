//! `dipm evaluate`: errors of a model on structures with reference values.

use super::Failure;
use super::predictions::{PredictionFile, dataset, for_each, refuse_input};
use crate::cli::{Dtype, EvaluateArgs};
use crate::config::architecture_name;
use crate::evaluation::{Compared, Evaluation};
use crate::report::{Evaluated, EvaluationPage, table_text, tables_as_json};
use dipm_data::{SpeciesTable, Structure, expand_paths, symbol_list, symbol_or_number};
use dipm_models::{Model, Prediction, Real};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

pub(super) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let model = Model::load(&args.model)?;
    let files = expand_paths(&args.data)?;
    for path in [&args.report, &args.json].into_iter().flatten() {
        refuse_input(path, &files)?;
    }
    let mut unknown = UnknownElements::new(&model, args.skip_unknown_elements);
    let (evaluation, dtype) = match args.dtype {
        Dtype::Float32 => (
            evaluate::<f32>(args, &model, &files, &mut unknown)?,
            "float32",
        ),
        Dtype::Float64 => (
            evaluate::<f64>(args, &model, &files, &mut unknown)?,
            "float64",
        ),
    };
    let architecture = architecture_name(model.config.target());
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    println!(
        "{} ({architecture}, {} parameters, {dtype})\n",
        args.model.display(),
        model.num_parameters()
    );
    print!("{}", table_text(&evaluation));
    if let Some(text) = unknown.text() {
        println!("{text}");
    }
    let seconds = started.elapsed().as_secs_f64();
    if let Some(path) = &args.json {
        let mut object = tables_as_json(&evaluation);
        object["model"] = json!(args.model.display().to_string());
        object["architecture"] = json!(architecture);
        object["num_parameters"] = json!(model.num_parameters());
        object["dtype"] = json!(dtype);
        object["files"] = json!(names);
        object["num_skipped"] = json!(unknown.num_skipped);
        object["seconds"] = json!(seconds);
        std::fs::write(path, format!("{object:#}\n"))
            .map_err(|source| Failure::write(path, source))?;
        tracing::info!("tables in {}", path.display());
    }
    if let Some(path) = &args.report {
        let page = EvaluationPage {
            model: &args.model,
            architecture,
            num_parameters: model.num_parameters(),
            dtype,
            files: names,
            seconds,
            num_skipped: unknown.num_skipped,
            evaluated: &Evaluated {
                title: "Errors".to_owned(),
                model: format!("Model {}", args.model.display()),
                evaluation,
            },
        };
        page.write(path)
            .map_err(|source| Failure::write(path, source))?;
        tracing::info!("report in {}", path.display());
    }
    Ok(())
}

fn evaluate<T: Real>(
    args: &EvaluateArgs,
    model: &Model,
    files: &[PathBuf],
    unknown: &mut UnknownElements,
) -> Result<Evaluation, Failure> {
    let dataset = dataset(model, files)?;
    let create = |path| PredictionFile::create(path, false, false, files);
    let mut output = args.output.as_deref().map(create).transpose()?;
    let mut evaluation = Evaluation::default();
    for_each::<T>(
        model,
        &dataset,
        args.batch_size as usize,
        |structure| unknown.allows(structure),
        |structure, offset, prediction| {
            evaluation.add(&compared(&structure, offset, &prediction));
            match &mut output {
                Some(output) => output.write(structure, prediction),
                None => Ok(()),
            }
        },
    )?;
    output.map_or(Ok(()), PredictionFile::finish)?;
    Ok(evaluation)
}

/// Labels beside predictions, energies without `offset` on both sides.
fn compared<'a>(structure: &'a Structure, offset: f64, prediction: &'a Prediction) -> Compared<'a> {
    let energies = |energy| [energy - offset, prediction.energy - offset];
    Compared {
        origin: &structure.origin,
        config_type: structure.config_type.as_deref(),
        atomic_numbers: &structure.atomic_numbers,
        energy: structure.energy.map(energies),
        forces: structure
            .forces
            .as_deref()
            .map(|forces| [forces, &prediction.forces]),
        // a stress without a cell cannot be compared
        stress: structure.stress.zip(prediction.stress).map(|(a, b)| [a, b]),
    }
}

/// Elements of the data that a model does not know.
struct UnknownElements {
    known: SpeciesTable,
    skip: bool,
    num_skipped: u64,
    /// Structures with each of them.
    structures: BTreeMap<u8, u64>,
}

impl UnknownElements {
    fn new(model: &Model, skip: bool) -> Self {
        Self {
            known: model.species(),
            skip,
            num_skipped: 0,
            structures: BTreeMap::new(),
        }
    }

    /// Whether the model knows all elements of a structure.
    fn allows(&mut self, structure: &Structure) -> Result<bool, Failure> {
        let is_unknown = |z: &&u8| self.known.species(**z).is_none();
        let unknown: BTreeSet<u8> = structure
            .atomic_numbers
            .iter()
            .filter(is_unknown)
            .copied()
            .collect();
        if unknown.is_empty() {
            return Ok(true);
        }
        if !self.skip {
            return Err(Failure::Other(format!(
                "{} holds {}, which the model does not know; it knows {}. Leave such structures out with \
                 --skip-unknown-elements",
                structure.origin,
                symbol_list(unknown),
                symbol_list(self.known.atomic_numbers().iter().copied())
            )));
        }
        self.num_skipped += 1;
        for z in unknown {
            *self.structures.entry(z).or_default() += 1;
        }
        Ok(false)
    }

    /// What was left out.
    fn text(&self) -> Option<String> {
        let each: Vec<String> = self
            .structures
            .iter()
            .map(|(z, count)| format!("{} in {count}", symbol_or_number(*z)))
            .collect();
        (self.num_skipped > 0).then(|| {
            format!(
                "{} structures left out with elements that the model does not know: {}",
                self.num_skipped,
                each.join(", ")
            )
        })
    }
}
