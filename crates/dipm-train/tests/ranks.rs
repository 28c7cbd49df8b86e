//! Several ranks train as one process with their batches put together does, and fail together.

#[path = "../../dipm-models/tests/stored/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod stored;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use dipm_data::{Batch, DataError, Graph, SpeciesTable};
use dipm_models::{Mode, Model};
use dipm_train::{
    BatchStream, Batches, CheckpointConfig, EvaluationRecord, LossConfig, LossKind, LossWeights,
    MetricRecord, NonFinitePolicy, Observer, OptimizerConfig, Outcome, Ranks, RanksError, Real,
    ResumeRules, SingleRank, ThreadRanks, TrainError, Trainer, TrainerConfig, TrainingData,
    TrainingLoopConfig, TrainingStep, flat_parameters,
};

/// Structures of four sizes, repeated, of which rank `rank` of `size` has its part of the batches.
struct Part {
    graphs: Vec<Graph>,
    species: SpeciesTable,
    batch_size: usize,
    rank: usize,
    size: usize,
    /// The batch of this rank that cannot be read.
    broken: Option<usize>,
}

impl Part {
    fn new(model: &Model, num_structures: usize, batch_size: usize) -> Self {
        let graphs = stored::graphs();
        let count = graphs.len();
        // an order in which no two batches are alike
        let graph = |i: usize| graphs[(i + i / count + i / 3) % count].clone();
        Self {
            graphs: (0..num_structures).map(graph).collect(),
            species: model.species(),
            batch_size,
            rank: 0,
            size: 1,
            broken: None,
        }
    }
}

struct Stream(std::vec::IntoIter<Result<Batch, DataError>>);

impl Iterator for Stream {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl BatchStream for Stream {
    fn seconds_waited(&self) -> f64 {
        0.0
    }
}

impl Batches for Part {
    fn epoch(&self, _: u64, start_batch: u64) -> Box<dyn BatchStream + '_> {
        let batches = self.graphs.chunks(self.batch_size);
        let mine = batches.skip(self.rank).step_by(self.size).enumerate();
        let build = |(number, graphs): (usize, &[Graph])| match self.broken == Some(number) {
            true => Err(DataError::Io {
                file: "data.h5".into(),
                source: std::io::Error::other("it is gone"),
            }),
            false => Batch::new(graphs, &self.species),
        };
        let built: Vec<_> = mine.skip(start_batch as usize).map(build).collect();
        Box::new(Stream(built.into_iter()))
    }

    fn num_batches(&self, _: u64) -> Option<u64> {
        Some(self.graphs.len().div_ceil(self.batch_size * self.size) as u64)
    }
}

fn model() -> Model {
    Model::load(stored::path("nequip_small/weights.safetensors")).unwrap()
}

fn config(num_epochs: u64) -> TrainerConfig {
    TrainerConfig {
        training: TrainingLoopConfig {
            ema_decay: 0.9,
            ..TrainingLoopConfig::new(num_epochs)
        },
        optimizer: OptimizerConfig {
            init_learning_rate: 1e-3,
            peak_learning_rate: 0.01,
            warmup_steps: 5,
            transition_steps: 50,
            final_learning_rate: 1e-3,
            ..OptimizerConfig::default()
        },
        loss: LossConfig::constant(
            LossKind::Mse,
            LossWeights {
                energy: 1.0,
                forces: 25.0,
                stress: 10.0,
            },
        ),
        checkpoints: CheckpointConfig::default(),
        seed: 5,
        config_text: String::new(),
        dataset_info: serde_json::Value::Null,
        resume: ResumeRules::default(),
    }
}

fn in_directory(directory: &Path, num_epochs: u64) -> TrainerConfig {
    TrainerConfig {
        checkpoints: CheckpointConfig {
            local_model_output_dir: Some(directory.to_owned()),
            restore_checkpoint_if_exists: true,
            restore_optimizer_state: true,
            ..CheckpointConfig::default()
        },
        ..config(num_epochs)
    }
}

/// What one rank has after a run.
struct Found {
    parameters: Vec<f64>,
    steps: u64,
    last: Option<EvaluationRecord>,
    stopped: bool,
}

/// Keeps the last validation and stops after some batches.
#[derive(Default)]
struct Watch {
    last: Option<EvaluationRecord>,
    stop_after: Option<u64>,
}

impl Observer for Watch {
    fn record(&mut self, record: &MetricRecord) {
        if let MetricRecord::Validation(record) = record {
            self.last = Some(record.clone());
        }
    }

    fn stop_requested(&mut self) -> bool {
        let Some(left) = &mut self.stop_after else {
            return false;
        };
        *left = left.saturating_sub(1);
        *left == 0
    }
}

fn run<T: Real + dipm_models::Real>(
    ranks: Box<dyn Ranks>,
    config: TrainerConfig,
    train: &Part,
    validation: &Part,
    stop_after: Option<u64>,
) -> Result<Found, TrainError> {
    let model = model();
    let step = TrainingStep::<T>::new(&model, &config.loss, Mode::Training);
    let layout = step.layout().clone();
    let mut trainer = Trainer::on(ranks, config, step, layout, flat_parameters(&model))?;
    let data = TrainingData {
        train,
        validation: Some(validation),
        test: None,
    };
    let mut watch = Watch {
        stop_after,
        ..Watch::default()
    };
    let outcome = trainer.run(data, &mut watch)?;
    Ok(Found {
        parameters: trainer.parameters().iter().map(|x| x.to_f64()).collect(),
        steps: trainer.step(),
        last: watch.last,
        stopped: matches!(outcome, Outcome::Stopped(_)),
    })
}

/// Runs a function on every rank of several, with time to wait for each other.
fn on_ranks<R: Send>(size: usize, run: impl Fn(ThreadRanks) -> R + Sync) -> Vec<R> {
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (rank, ranks) in ThreadRanks::new(size).into_iter().enumerate() {
            let ranks = ranks.with_timeout(Duration::from_secs(60));
            let (run, found) = (&run, &found);
            scope.spawn(move || {
                let result = run(ranks);
                found.lock().unwrap().push((rank, result));
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, result)| result).collect()
}

/// Training and validation data of a rank.
fn parts(ranks: &ThreadRanks, num_structures: usize, batch_size: usize) -> [Part; 2] {
    let (rank, size) = (ranks.rank(), ranks.size());
    [num_structures, 5].map(|count| Part {
        rank,
        size,
        ..Part::new(&model(), count, batch_size)
    })
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    let square = |x: f64| x * x;
    let difference: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (difference / b.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
}

fn compare<T: Real + dipm_models::Real>(
    size: usize,
    num_structures: usize,
    batch_size: usize,
    bound: f64,
) {
    // seven epochs of three steps
    let model = model();
    let train = Part::new(&model, num_structures, size * batch_size);
    assert_eq!(train.num_batches(0), Some(3));
    let validation = Part::new(&model, 5, 2);
    let alone = run::<T>(Box::new(SingleRank), config(7), &train, &validation, None).unwrap();
    let together = on_ranks(size, |ranks| {
        let [train, validation] = parts(&ranks, num_structures, batch_size);
        run::<T>(Box::new(ranks), config(7), &train, &validation, None).unwrap()
    });
    for found in &together {
        assert_eq!((found.steps, alone.steps), (21, 21));
        assert_eq!(found.parameters, together[0].parameters);
        let parameters = relative(&found.parameters, &alone.parameters);
        assert!(parameters < bound, "parameters: {parameters:e}");
    }
    let [found, expected] = [&together[0], &alone].map(|found| found.last.as_ref().unwrap());
    let numbers = |record: &EvaluationRecord| {
        record
            .values(true)
            .into_iter()
            .filter(|(name, _)| {
                name.contains("mae") || name.contains("rmse") || name.contains("loss")
            })
            .collect::<Vec<_>>()
    };
    let pairs: Vec<_> = numbers(found).into_iter().zip(numbers(expected)).collect();
    assert!(pairs.len() > 8, "{pairs:?}");
    for ((name, found), (_, expected)) in pairs {
        let difference = (found - expected).abs() / expected.abs();
        assert!(difference < bound, "{name}: {found} {expected}");
    }
}

#[test]
fn two_ranks_give_what_one_process_gives_with_twice_the_batch() {
    compare::<f32>(2, 12, 2, 1e-5);
    compare::<f64>(2, 12, 2, 1e-12);
}

#[test]
fn ranks_with_fewer_batches_or_smaller_ones_count_by_their_structures() {
    // the last step has a batch of two and one of one
    compare::<f64>(2, 11, 2, 1e-12);
    // the last step has a batch of one on rank 0, and none on the others
    compare::<f64>(2, 9, 2, 1e-12);
    compare::<f64>(3, 13, 2, 1e-12);
    compare::<f32>(3, 13, 2, 1e-5);
}

#[test]
fn a_rank_that_fails_ends_the_others() {
    let errors = on_ranks(3, |ranks| {
        let [mut train, validation] = parts(&ranks, 18, 2);
        train.broken = (ranks.rank() == 1).then_some(1);
        match run::<f64>(Box::new(ranks), config(2), &train, &validation, None) {
            Ok(_) => panic!("it read what cannot be read"),
            Err(error) => error.to_string(),
        }
    });
    assert!(errors[1].contains("data.h5"), "{}", errors[1]);
    for other in [0, 2] {
        assert_eq!(errors[other], "rank 1 failed, and said why");
    }
}

#[test]
fn a_rank_with_other_parameters_is_found() {
    let errors = on_ranks(2, |ranks| {
        let model = model();
        let config = config(1);
        let step = TrainingStep::<f32>::new(&model, &config.loss, Mode::Training);
        let layout = step.layout().clone();
        let mut parameters = flat_parameters(&model);
        if ranks.rank() == 1 {
            parameters[3] += 1e-6;
        }
        Trainer::on(Box::new(ranks), config, step, layout, parameters).err()
    });
    for error in errors {
        let expected = RanksError::Diverged {
            ranks: vec![1],
            epoch: 0,
        };
        assert!(matches!(error, Some(TrainError::Ranks(found)) if found == expected));
    }
}

#[test]
fn all_stop_when_one_is_asked_to_and_go_on_to_the_same_bits() {
    let both = |config: &(dyn Fn() -> TrainerConfig + Sync), stop_after: Option<u64>| {
        on_ranks(2, |ranks| {
            let [train, validation] = parts(&ranks, 11, 2);
            // only the second rank is asked
            let stop_after = stop_after.filter(|_| ranks.rank() == 1);
            run::<f32>(Box::new(ranks), config(), &train, &validation, stop_after)
        })
    };
    let whole: Vec<_> = both(&|| config(3), None)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let start = || in_directory(directory.path(), 3);
    for stopped in both(&start, Some(5)) {
        let stopped = stopped.unwrap();
        assert!(stopped.stopped && stopped.steps == 5);
    }
    // one process alone would take other batches for the rest of the epoch
    let model = model();
    let (train, validation) = (Part::new(&model, 11, 2), Part::new(&model, 5, 2));
    let alone = |config| run::<f32>(Box::new(SingleRank), config, &train, &validation, None);
    let error = alone(start()).err().unwrap().to_string();
    assert!(error.contains("number of processes: 2 → 1"), "{error}");
    for resumed in both(&start, None) {
        let resumed = resumed.unwrap();
        assert_eq!(resumed.steps, 9);
        assert_eq!(resumed.parameters, whole[0].parameters);
    }
}

#[test]
fn a_checkpoint_of_two_goes_on_alone_if_that_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    on_ranks(2, |ranks| {
        let [train, validation] = parts(&ranks, 11, 2);
        let config = in_directory(directory.path(), 2);
        run::<f32>(Box::new(ranks), config, &train, &validation, Some(4)).unwrap()
    });
    let mut config = in_directory(directory.path(), 2);
    config.resume.accept_changes = true;
    let model = model();
    let (train, validation) = (Part::new(&model, 11, 2), Part::new(&model, 5, 2));
    let found = run::<f32>(Box::new(SingleRank), config, &train, &validation, None).unwrap();
    // three steps of the first epoch and one of the second, which saw two batches of the six
    assert_eq!(found.steps, 4 + 4);
}

#[test]
fn a_batch_that_is_not_finite_is_named_by_its_rank_and_skipped_by_all() {
    let with_policy = |policy| {
        on_ranks(2, |ranks| {
            let rank = ranks.rank();
            let [mut train, validation] = parts(&ranks, 12, 2);
            if rank == 1 {
                // the second batch of rank 1
                train.graphs[6].structure.energy = Some(f64::NAN);
            }
            let mut config = config(2);
            config.training.on_non_finite = policy;
            let run = run::<f32>(Box::new(ranks), config, &train, &validation, None);
            run.map_err(|error| error.to_string())
        })
    };
    let errors: Vec<String> = with_policy(NonFinitePolicy::Stop)
        .into_iter()
        .map(|found| found.err().unwrap())
        .collect();
    assert!(
        errors[0].contains("batch 2 (from 0), on rank 1, which says more"),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].contains("batch 3 (from 0), with the"),
        "{}",
        errors[1]
    );
    let skipped: Vec<Found> = with_policy(NonFinitePolicy::Skip)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(skipped[0].steps, 4);
    assert_eq!(skipped[0].parameters, skipped[1].parameters);
}
