//! `dipm train`

use super::{Failure, check, cost, overrides};
use crate::cli::TrainArgs;
use crate::config;
use crate::datasets::Datasets;
use crate::evaluation::Collector;
use crate::interrupt;
use crate::launcher::{Job, Place};
use crate::progress::Display;
use crate::report::{self, LiveReport, Report, RunDescription};
use crate::resources;
use crate::run_config::{Pretrained, RunConfig};
use crate::run_logs::{self, RunLogs};
use dipm_data::{DatasetInfo, Loader, Shard};
use dipm_models::{Mode, Model, NoiseKey};
use dipm_train::{
    Batches, Objective, Observer, Outcome, Real, ResumeRules, TrainError, Trainer, TrainerConfig,
    TrainingData, TrainingStep, checkpoint::DataPosition, read_records, refit_atomic_energies,
    take_parameters, with_parameters,
};
use std::path::Path;
use std::time::Instant;

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let config = config::read(&args.config, &overrides(&args.data))?;
    let job = Job::join(config.train.parallel)?;
    let result = run_in(&job, args, &config, started);
    match &result {
        Ok(()) | Err(Failure::Stopped(_)) => job.finish(),
        Err(failure) => job.abort(failure),
    }
    result
}

fn run_in(
    job: &Job,
    args: &TrainArgs,
    config: &RunConfig,
    started: Instant,
) -> Result<(), Failure> {
    if job.is_first() {
        check_save_path(&config.train.save_path)?;
        run_logs::check(config)?;
    }
    let mut datasets = Datasets::open(&config.dataset)?;
    let Place { rank, size } = job.place();
    datasets.shard = Shard {
        index: rank,
        count: size,
    };
    datasets.check()?;
    if job.is_first() {
        println!("{}", datasets.prepared.report);
    }
    if !args.ignore_findings {
        check::refuse_errors(&datasets.prepared.report.findings)?;
    }
    let of_parameters = cost::of_parameters(config, &datasets)?;
    if job.is_first() {
        check::print_all(&of_parameters);
    }
    if !args.ignore_findings {
        check::refuse_errors(&of_parameters)?;
    }
    let model = new_model(config, &datasets)?;
    let run = Run {
        job,
        args,
        config,
        datasets: &datasets,
        started,
    };
    match config.train.dtype.is_double() {
        true => train::<f64>(&run, model),
        false => train::<f32>(&run, model),
    }
}

/// What a training run is made of.
struct Run<'a> {
    job: &'a Job,
    args: &'a TrainArgs,
    config: &'a RunConfig,
    datasets: &'a Datasets,
    started: Instant,
}

/// A process that neither prints nor writes, and stops when it is asked to.
struct Follower;

impl Observer for Follower {
    fn stop_requested(&mut self) -> bool {
        interrupt::requested()
    }
}

/// The model that is trained: new with the statistics of the data, or the pretrained one.
pub(super) fn new_model(config: &RunConfig, datasets: &Datasets) -> Result<Model, Failure> {
    let section = &config.model;
    let mut model = match &section.pretrained {
        Some(pretrained) => pretrained_model(pretrained, datasets)?,
        None => Model::new(
            section.config.clone(),
            datasets.info().clone(),
            section.seed,
        )?,
    };
    model.predict_stress = section.predict_stress;
    Ok(model)
}

/// The pretrained model with the elements and energies of isolated atoms that are asked for.
fn pretrained_model(pretrained: &Pretrained, datasets: &Datasets) -> Result<Model, Failure> {
    let elements = datasets.info().atomic_energies_map.elements();
    let mut model = pretrained.model.with_elements(|z| elements.contains(&z))?;
    model.dataset_info = datasets.info().clone();
    model.check_energies()?;
    tracing::info!(
        "starting from {}, {} of {} elements",
        pretrained.path.display(),
        model.config.target().name(),
        elements.len()
    );
    if !pretrained.refit_atomic_energies {
        return Ok(model);
    }
    let train = datasets.loader(&datasets.prepared.train, false)?;
    let refit = refit_atomic_energies(&model, &train)?;
    tracing::info!(
        "atomic energies fitted anew: energy RMSE on the training data {:.1} → {:.1} meV/atom",
        refit.rmse_before * 1e3,
        refit.rmse_after * 1e3
    );
    Ok(refit.model)
}

/// Fails now rather than after the training when the model could not be saved.
fn check_save_path(path: &Path) -> Result<(), Failure> {
    let write = |source| Failure::write(path, source);
    if let Some(directory) = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        std::fs::create_dir_all(directory).map_err(write)?;
    }
    if path.is_dir() {
        let source = std::io::Error::other("it is a directory, `save_path` names a file");
        return Err(write(source));
    }
    let trial = path.with_extension(format!("trial-{}", std::process::id()));
    std::fs::write(&trial, [])
        .and_then(|()| std::fs::remove_file(&trial))
        .map_err(write)
}

fn train<T: Real + dipm_models::Real>(run: &Run<'_>, mut model: Model) -> Result<(), Failure> {
    let Run {
        job,
        args,
        config,
        datasets,
        ..
    } = *run;
    let prepared = &datasets.prepared;
    let train = datasets.loader(&prepared.train, true)?;
    let evaluation = |dataset: &Option<_>| -> Result<Option<Loader>, Failure> {
        Ok(dataset
            .as_ref()
            .map(|dataset| datasets.loader(dataset, false))
            .transpose()?)
    };
    let (valid, test) = (evaluation(&prepared.valid)?, evaluation(&prepared.test)?);
    let section = &config.train;
    let storage = section.dtype.storage();
    let mut objective =
        TrainingStep::<T>::with_storage(&model, &section.loss, Mode::Training, storage);
    let parameters = take_parameters::<T>(&mut model);
    if args.explain_plan {
        return explain(&mut objective, &parameters, &train, config);
    }
    let anyway = args.ignore_findings;
    let findings = cost::of_training(&mut objective, &parameters, config, datasets, anyway)?;
    if job.is_first() {
        check::print_all(&findings);
    }
    check::refuse_errors(&findings)?;
    let threads = rayon::current_num_threads();
    let (num_parameters, num_structures) = (parameters.len(), prepared.train.len());
    match job.place().size {
        1 => tracing::info!(
            "{num_parameters} parameters, {num_structures} structures to train on, {threads} threads"
        ),
        size => tracing::info!(
            "{num_parameters} parameters, {num_structures} structures to train on, {size} processes with {threads} threads \
             each; an update takes a batch of each"
        ),
    }
    let text = config.to_yaml();
    let trainer_config = TrainerConfig {
        training: section.training.clone(),
        optimizer: section.optimizer.clone(),
        loss: section.loss.clone(),
        checkpoints: section.checkpoints.clone(),
        seed: config.dataset.options.seed,
        config_text: text.clone(),
        dataset_info: serde_json::to_value(&model.dataset_info)
            .map_err(|e| Failure::Other(format!("could not write the statistics: {e}")))?,
        resume: ResumeRules {
            free_keys: config.free_keys(),
            default_keys: config.default_keys(),
            accept_changes: args.accept_changes,
        },
    };
    let layout = objective.layout().clone();
    let mut trainer = Trainer::on(job.ranks(), trainer_config, objective, layout, parameters)?;
    if section.checkpoints.local_model_output_dir.is_some() {
        // there is a place to save the state in, so a signal can end the run without losing it
        interrupt::watch();
    }
    let data = TrainingData {
        train: &train,
        validation: valid.as_ref().map(|loader| loader as &dyn Batches),
        test: test.as_ref().map(|loader| loader as &dyn Batches),
    };
    if job.is_first() {
        return lead(run, &model, trainer, data, &text);
    }
    let (mut follower, mut collector) = (Follower, section.report.then(Collector::default));
    let mut watchers: Vec<&mut dyn Observer> = vec![&mut follower];
    watchers.extend(collector.as_mut().map(|own| own as &mut dyn Observer));
    match trainer.run(data, &mut watchers)? {
        Outcome::Finished(_) => Ok(()),
        Outcome::Stopped(position) => Err(stopped(position)),
    }
}

/// The failure of a run that a signal has ended.
fn stopped(position: DataPosition) -> Failure {
    Failure::Stopped(format!(
        "stopped by a signal in epoch {}, after batch {}; the state is saved, and \
         `restore_checkpoint_if_exists: true` with `restore_optimizer_state: true` goes on \
         from it",
        position.epoch + 1,
        position.batch
    ))
}

/// Trains, shows it, and writes what comes out: what one process does, or the first of several. Of the model
/// everything but the parameters is used.
fn lead<T: Real + dipm_models::Real>(
    run: &Run<'_>,
    model: &Model,
    mut trainer: Trainer<T, TrainingStep<T>>,
    data: TrainingData<'_>,
    text: &str,
) -> Result<(), Failure> {
    let (config, prepared) = (run.config, &run.datasets.prepared);
    let layout = trainer.layout().clone();
    let section = &config.train;
    let output_dir = section.checkpoints.local_model_output_dir.as_deref();
    if let Some(directory) = output_dir {
        save_setup(directory, text, &model.dataset_info)?;
    }
    let history = match output_dir {
        Some(directory) => read_records(directory)?,
        None => Vec::new(),
    };
    let logs = RunLogs::open(config, text, trainer.is_resumed(), &history)?;
    logs.lines.iter().for_each(|line| tracing::info!("{line}"));
    logs.sinks
        .into_iter()
        .for_each(|sink| trainer.add_sink(sink));
    if section.training.use_ema_params_for_eval {
        tracing::info!(
            "validation and test judge averaged parameters (ema_decay {}); the train loss is that of the \
             parameters while they changed, so the two are not of the same model",
            section.training.ema_decay
        );
    }
    let num_processes = run.job.place().size;
    let mut display = Display::new(&section.training, section.extended_metrics, run.started);
    let mut page = section.report.then(|| {
        let description = RunDescription {
            architecture: config::architecture_name(model.config.target()).to_owned(),
            num_parameters: layout.len(),
            num_processes,
            precision: section.dtype.summary(),
            config: text.to_owned(),
            data: prepared.report.to_string(),
            num_epochs: section.training.num_epochs,
            num_structures: prepared.train.len(),
        };
        let path = report::page_path(output_dir, &section.save_path);
        LiveReport::new(&path, description, &history)
    });
    if let Some(page) = &page {
        tracing::info!("report while it trains: {}", page.path().display());
    }
    let mut watchers: Vec<&mut dyn Observer> = vec![&mut display];
    watchers.extend(page.as_mut().map(|page| page as &mut dyn Observer));
    let outcome = trainer.run(data, &mut watchers)?;
    display.finish();
    let trained = match outcome {
        Outcome::Finished(trained) => trained,
        Outcome::Stopped(position) => return Err(stopped(position)),
    };
    // the file takes the memory that moments and averages had
    drop(trainer);
    with_parameters(model, &layout, &trained.parameters).save(&section.save_path)?;
    let best = trained.best.map(|best| {
        let weights = section.loss.weights(section.training.num_epochs);
        (best.epoch, best.loss_terms.weighted(&weights))
    });
    let report_path = report::path(output_dir, &section.save_path);
    let report = Report {
        config: text,
        data: &prepared.report,
        num_parameters: layout.len(),
        num_processes,
        precision: section.dtype.summary(),
        history: display.history(),
        best,
        test: trained.test.as_ref(),
        seconds: run.started.elapsed().as_secs_f64(),
        first_step: display.first_step(),
        peak_memory_mib: resources::peak_memory_mib(),
    };
    report
        .write(&report_path)
        .map_err(|source| Failure::write(&report_path, source))?;
    if let Some(page) = &mut page {
        page.finish()
            .map_err(|source| Failure::write(page.path(), source))?;
        tracing::info!("charts in {}", page.path().display());
    }
    if let Some((epoch, loss)) = best {
        tracing::info!("best epoch {epoch}, validation loss {loss:.4e}");
    }
    if let Some(directory) = output_dir {
        tracing::info!("checkpoints and metrics in {}", directory.display());
    }
    logs.lines.iter().for_each(|line| tracing::info!("{line}"));
    tracing::info!("report in {}", report_path.display());
    tracing::info!("model in {}", section.save_path.display());
    Ok(())
}

/// Writes the resolved configuration and the statistics beside the checkpoints.
fn save_setup(directory: &Path, config: &str, info: &DatasetInfo) -> Result<(), Failure> {
    let path = directory.join("config.yaml");
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, config))
        .map_err(|source| Failure::write(&path, source))?;
    info.save(directory.join("dataset_info.json"))?;
    Ok(())
}

/// Prints how a training step is computed, with the times of its operations for the first batch.
fn explain<T: Real + dipm_models::Real>(
    objective: &mut TrainingStep<T>,
    parameters: &[T],
    train: &Loader,
    config: &RunConfig,
) -> Result<(), Failure> {
    let batch = train
        .epoch(0, 0)
        .next()
        .ok_or(TrainError::NoTrainingData { epoch: 1 })
        .map_err(Failure::from)??;
    let weights = config.train.loss.weights(1);
    let mut gradient = vec![T::default(); parameters.len()];
    objective.gradient(
        parameters,
        &batch,
        &weights,
        NoiseKey::default(),
        &mut gradient,
    )?;
    objective.executor().reset_times();
    objective.executor().time_operations(true);
    for _ in 0..5 {
        objective.gradient(
            parameters,
            &batch,
            &weights,
            NoiseKey::default(),
            &mut gradient,
        )?;
    }
    println!("{}", objective.executor().explain());
    Ok(())
}
