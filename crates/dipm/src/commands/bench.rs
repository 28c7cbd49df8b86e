//! `dipm bench`: how long a training step and an evaluation of energy and forces take.

use super::{Failure, overrides, training::new_model};
use crate::cli::BenchArgs;
use crate::config;
use crate::datasets::Datasets;
use crate::resources::{MIB, cpu_seconds, peak_memory_mib};
use crate::run_config::RunConfig;
use dipm_data::Batch;
use dipm_models::{Mode, Model, NoiseKey, Predictor};
use dipm_train::{
    Ema, Objective, Optimizer, Real, TrainError, TrainingStep, decayed_parameters, flat_parameters,
};
use serde_json::json;
use std::time::Instant;

pub(super) fn run(args: &BenchArgs, started: Instant) -> Result<(), Failure> {
    let config = config::read(&args.config, &overrides(&args.data))?;
    let datasets = Datasets::open(&config.dataset)?;
    let model = new_model(&config, &datasets)?;
    let batch = datasets
        .loader(&datasets.prepared.train, true)?
        .epoch(0, 0)
        .next()
        .ok_or(TrainError::NoTrainingData { epoch: 1 })??;
    match config.train.dtype.is_double() {
        true => bench::<f64>(args, &config, &model, &batch, started),
        false => bench::<f32>(args, &config, &model, &batch, started),
    }
}

/// Medians over repeated runs, in seconds.
#[derive(Clone, Copy)]
struct Times {
    wall: f64,
    cpu: f64,
}

/// Repeats `work` and takes medians. One run before is not counted.
fn repeat(steps: u32, mut work: impl FnMut() -> Result<(), Failure>) -> Result<Times, Failure> {
    work()?;
    let (mut wall, mut cpu) = (vec![], vec![]);
    for _ in 0..steps {
        let (start, before) = (Instant::now(), cpu_seconds());
        work()?;
        wall.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - before);
    }
    Ok(Times {
        wall: median(&mut wall),
        cpu: median(&mut cpu),
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

/// A run of the whole step: gradient, optimizer, averaged parameters.
struct Step<T> {
    objective: TrainingStep<T>,
    optimizer: Optimizer<T>,
    ema: Ema<T>,
    parameters: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real + dipm_models::Real> Step<T> {
    fn new(config: &RunConfig, model: &Model) -> Self {
        let section = &config.train;
        let storage = section.dtype.storage();
        let objective =
            TrainingStep::<T>::with_storage(model, &section.loss, Mode::Training, storage);
        let layout = objective.layout();
        let names = layout.sizes().map(|(name, _)| name);
        let decays = decayed_parameters(names, section.optimizer.apply_weight_decay_mask);
        let sizes = layout.sizes().map(|(_, size)| size).zip(decays);
        let optimizer = Optimizer::new(&section.optimizer, sizes);
        let parameters = flat_parameters::<T>(model);
        let ema = Ema::new(section.training.ema_decay, parameters.len());
        let gradient = vec![T::default(); parameters.len()];
        Self {
            objective,
            optimizer,
            ema,
            parameters,
            gradient,
        }
    }

    fn run(&mut self, config: &RunConfig, batch: &Batch) -> Result<(), Failure> {
        let weights = config.train.loss.weights(1);
        self.objective.gradient(
            &self.parameters,
            batch,
            &weights,
            NoiseKey::default(),
            &mut self.gradient,
        )?;
        self.optimizer
            .step(&mut self.parameters, &self.gradient, &mut self.ema);
        Ok(())
    }
}

fn bench<T: Real + dipm_models::Real>(
    args: &BenchArgs,
    config: &RunConfig,
    model: &Model,
    batch: &Batch,
    started: Instant,
) -> Result<(), Failure> {
    let mut step = Step::<T>::new(config, model);
    step.run(config, batch)?;
    let first_step = started.elapsed().as_secs_f64();
    let threads = rayon::current_num_threads();
    let steps = args.steps;
    let train = repeat(steps, || step.run(config, batch))?;
    let executor_bytes = step.objective.executor().memory_bytes();
    // training and evaluation take turns, as in a training run
    step.objective.executor().release_memory();
    let mut predictor = Predictor::<T>::new(model);
    let mut evaluate = || -> Result<(), Failure> {
        predictor.predict(batch)?;
        Ok(())
    };
    let eval = repeat(steps, &mut evaluate)?;
    // before the runs below, which need memory of their own
    let peak = peak_memory_mib();
    let (train_one, eval_one) = if threads == 1 {
        (train, eval)
    } else {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(|e| Failure::Other(format!("could not start a thread: {e}")))?;
        let train = pool.install(|| repeat(steps, || step.run(config, batch)))?;
        (train, pool.install(|| repeat(steps, &mut evaluate))?)
    };
    // shares with every operation timed, which the figures above are not burdened with
    step.objective.executor().reset_times();
    step.objective.executor().time_operations(true);
    for _ in 0..steps.min(5) {
        step.run(config, batch)?;
    }
    let operations = step.objective.executor().operation_times();
    let total: f64 = operations.iter().map(|(_, seconds)| seconds).sum();
    let atoms_per_second = batch.total_atoms() as f64 / train.wall;
    if args.json {
        let shares: serde_json::Map<String, serde_json::Value> = operations
            .iter()
            .map(|(kind, seconds)| ((*kind).to_owned(), json!(seconds / total)))
            .collect();
        let groups: Vec<_> = step
            .objective
            .executor()
            .group_profiles()
            .iter()
            .map(|g| {
                let space = format!("{:?}", g.space);
                json!({"group": g.group, "space": space, "operations": g.operations, "share": g.share})
            })
            .collect();
        let result = json!({
            "program": "dipm",
            "version": env!("CARGO_PKG_VERSION"),
            "model": model.config.target().name(),
            "params": model.num_parameters(),
            "structures": batch.num_structures(),
            "atoms": batch.total_atoms(),
            "edges": batch.total_edges(),
            "threads": threads,
            "train_cpu_s": train.cpu,
            "train_wall_s": train.wall,
            "eval_cpu_s": eval.cpu,
            "eval_wall_s": eval.wall,
            "one_thread": {
                "train_cpu_s": train_one.cpu,
                "train_wall_s": train_one.wall,
                "eval_cpu_s": eval_one.cpu,
                "eval_wall_s": eval_one.wall,
            },
            "dtype": config.train.dtype.name(),
            "atoms_per_s": atoms_per_second,
            "first_step_s": first_step,
            "peak_rss_mib": peak,
            "executor_mib": executor_bytes as f64 / MIB,
            "instruction_set": format!("{:?}", step.objective.executor().instruction_set()),
            "shares": shares,
            "groups": groups,
        });
        println!("{result}");
    } else {
        println!(
            "{}: {} parameters; batch of {} structures, {} atoms, {} edges; {}, {:?}",
            model.config.target().name(),
            model.num_parameters(),
            batch.num_structures(),
            batch.total_atoms(),
            batch.total_edges(),
            config.train.dtype.name(),
            step.objective.executor().instruction_set(),
        );
        let milli = |t: Times| format!("{:9.2} ms wall {:9.2} ms CPU", t.wall * 1e3, t.cpu * 1e3);
        println!("training step      {threads:2} threads {}", milli(train));
        println!("                    1 thread  {}", milli(train_one));
        println!("energy and forces  {threads:2} threads {}", milli(eval));
        println!("                    1 thread  {}", milli(eval_one));
        println!(
            "{atoms_per_second:.0} atoms/s in training; first step {first_step:.2} s after the start"
        );
        println!(
            "peak memory {peak:.0} MiB, of which the training step {:.0} MiB",
            executor_bytes as f64 / MIB
        );
        for (kind, seconds) in &operations {
            println!("  {kind:14} {:5.1} %", 100.0 * seconds / total);
        }
    }
    if args.explain_plan {
        println!("{}", step.objective.executor().explain());
    }
    Ok(())
}
