//! `dipm debug-batch`: why a batch gave a loss or a gradient that is not finite.

use super::Failure;
use crate::cli::DebugBatchArgs;
use dipm_field::Half;
use dipm_models::{Mode, Model};
use dipm_train::{BatchDump, Diagnosis, Real, TrainingStep, diagnose};

/// Names shown of the parameters whose gradient is not finite.
const SHOWN: usize = 5;

pub(super) fn run(args: &DebugBatchArgs) -> Result<(), Failure> {
    let (dump, model) = BatchDump::read(&args.dump)?;
    let diagnosis = match dump.dtype.as_str() {
        "F64" => replay::<f64>(args, &dump, &model)?,
        _ => replay::<f32>(args, &dump, &model)?,
    };
    print(&dump, &diagnosis);
    Ok(())
}

fn replay<T: Real + dipm_models::Real>(
    args: &DebugBatchArgs,
    dump: &BatchDump,
    model: &Model,
) -> Result<Diagnosis, Failure> {
    let layout = TrainingStep::<T>::new(model, &dump.loss, Mode::Training)
        .layout()
        .clone();
    let parameters = BatchDump::read_parameters::<T>(&args.dump, &layout)?;
    Ok(diagnose(dump, model, &parameters)?)
}

fn print(dump: &BatchDump, diagnosis: &Diagnosis) {
    println!(
        "batch {} (from 0) of epoch {}, in {}: the {} was {}",
        dump.noise.batch,
        dump.noise.epoch + 1,
        dump.dtype,
        dump.quantity,
        dump.value
    );
    let terms = &diagnosis.loss_terms;
    println!(
        "now: loss {:.4e} (energy term {:.4e}, forces {:.4e}, stress {:.4e}), gradient norm {:.4e}",
        terms.weighted(&dump.weights),
        terms.energy,
        terms.forces,
        terms.stress,
        diagnosis.gradient_norm
    );
    println!(
        "{:>6} {:>18} {:>15} {:>14}  origin",
        "atoms", "energy error", "largest force", "shortest edge"
    );
    println!("{:>6} {:>18} {:>15} {:>14}", "", "meV/atom", "eV/Å", "Å");
    for structure in &diagnosis.structures {
        let error = structure
            .energy_error
            .map_or("–".to_owned(), |error| format!("{:.2}", error * 1e3));
        println!(
            "{:>6} {error:>18} {:>15.3} {:>14.4}  {}",
            structure.num_atoms, structure.largest_force, structure.shortest_edge, structure.origin
        );
    }
    let names = &diagnosis.parameters;
    if !names.is_empty() {
        let shown = names[..names.len().min(SHOWN)].join(", ");
        let more = match names.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        println!("gradient not finite: {shown}{more}");
    }
    match &diagnosis.first {
        Some(first) => println!("first operation that is not finite: {first}"),
        None => println!("{}", all_finite(dump, diagnosis)),
    }
}

/// What it means that no operation fails when values are kept as they are computed.
fn all_finite(dump: &BatchDump, diagnosis: &Diagnosis) -> &'static str {
    let comes_again = !diagnosis.gradient_norm.is_finite()
        || !diagnosis.loss_terms.weighted(&dump.weights).is_finite();
    match (comes_again, dump.storage()) {
        (true, Some(Half::Float16)) => {
            "every operation is finite in float32: a value was larger than float16 can hold (65504); \
             `dtype: bfloat16` has the range of float32"
        }
        (true, _) => {
            "every operation is finite one by one, but not in the order of a training step"
        }
        (false, _) => "every operation is finite: the failure does not come again here",
    }
}
