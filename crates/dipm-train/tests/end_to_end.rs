//! NequIP trained on ethanol: it learns, and gives the same bits on any number of threads and after
//! any pause.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dipm_data::{
    Amount, BatchLimits, DatasetOptions, DatasetPaths, Loader, LoaderOptions, Prepared, prepare,
};
use dipm_models::{Mode, Model, NequipConfig};
use dipm_train::{
    CheckpointConfig, Checkpoints, EvaluationRecord, LossConfig, LossKind, MetricRecord, Observer,
    OptimizerConfig, Outcome, ResumeRules, Silent, TrainedModel, Trainer, TrainerConfig,
    TrainingData, TrainingLoopConfig, TrainingStep, flat_parameters,
};

const NUM_EPOCHS: u64 = 4;

fn quickstart(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data/quickstart")
        .join(name)
}

fn prepared() -> Prepared {
    let paths = |name| DatasetPaths::single(quickstart(name));
    let mut options = DatasetOptions::new(paths("ethanol_train.h5"));
    options.valid = Some(paths("ethanol_valid.h5"));
    options.test = Some(paths("ethanol_test.h5"));
    options.num_to_load = [
        Some(Amount::Count(30)),
        Some(Amount::Count(8)),
        Some(Amount::Count(4)),
    ];
    options.random_subset = false;
    options.cutoff = 4.0;
    prepare(&options).unwrap()
}

fn config(directory: Option<&Path>, num_epochs: u64) -> TrainerConfig {
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
        loss: LossConfig::new(LossKind::Huber),
        checkpoints: CheckpointConfig {
            local_model_output_dir: directory.map(Path::to_owned),
            restore_checkpoint_if_exists: directory.is_some(),
            restore_optimizer_state: true,
            ..CheckpointConfig::default()
        },
        seed: 5,
        config_text: String::new(),
        dataset_info: serde_json::Value::Null,
        resume: ResumeRules::default(),
    }
}

type Run = Trainer<f32, TrainingStep<f32>>;

/// A run to `num_epochs` with one loader thread each, or until the observer stops it.
fn run(
    directory: Option<&Path>,
    num_epochs: u64,
    observer: &mut dyn Observer,
) -> (Run, Outcome<f32>) {
    let data = prepared();
    let model_config = NequipConfig {
        num_layers: 2,
        node_irreps: "8x0e + 4x0o + 4x1o + 2x1e + 2x2e".to_owned(),
        l_max: 2,
        radial_net_n_hidden: 8,
        ..NequipConfig::default()
    };
    let model = Model::new(model_config, data.info.clone(), 42).unwrap();
    let loader = |set: &Arc<dipm_data::Dataset>, shuffle| {
        let mut options = LoaderOptions::new(model.species(), BatchLimits::by_count(6));
        options.shuffle = shuffle;
        options.seed = 5;
        options.num_workers = Some(1);
        Loader::new(Arc::clone(set), options).unwrap()
    };
    let train = loader(&data.train, true);
    let validation = loader(data.valid.as_ref().unwrap(), false);
    let test = loader(data.test.as_ref().unwrap(), false);
    let config = config(directory, num_epochs);
    let step = TrainingStep::<f32>::new(&model, &config.loss, Mode::Training);
    let layout = step.layout().clone();
    let mut trainer = Trainer::new(config, step, layout, flat_parameters(&model)).unwrap();
    let data = TrainingData {
        train: &train,
        validation: Some(&validation),
        test: Some(&test),
    };
    let outcome = trainer.run(data, observer).unwrap();
    (trainer, outcome)
}

fn finished(outcome: Outcome<f32>) -> TrainedModel<f32> {
    match outcome {
        Outcome::Finished(model) => *model,
        Outcome::Stopped(position) => panic!("stopped at {position:?}"),
    }
}

struct StopAfter(u64);

impl Observer for StopAfter {
    fn stop_requested(&mut self) -> bool {
        self.0 -= 1;
        self.0 == 0
    }
}

#[derive(Default)]
struct Validations(Vec<EvaluationRecord>);

impl Observer for Validations {
    fn record(&mut self, record: &MetricRecord) {
        if let MetricRecord::Validation(record) = record {
            self.0.push(record.clone());
        }
    }
}

#[test]
fn training_reduces_the_errors_of_energies_and_forces() {
    let mut validations = Validations::default();
    let (_, outcome) = run(None, 25, &mut validations);
    let model = finished(outcome);
    let rmse = |record: &EvaluationRecord| record.errors.forces.unwrap().rmse;
    let first = rmse(&validations.0[0]);
    let test = model.test.unwrap();
    println!(
        "force RMSE {first} eV/Å at the start, {} in the test",
        rmse(&test)
    );
    assert!(
        rmse(&test) < 0.5 * first,
        "{} against {first} eV/Å",
        rmse(&test)
    );
    let best = validations
        .0
        .iter()
        .map(|record| record.loss)
        .fold(f64::INFINITY, f64::min);
    let found = model.best.unwrap().loss_terms.weighted(&test.weights);
    assert_eq!(found, best);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let on_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (trainer, outcome) = run(None, 2, &mut Silent);
            (trainer.parameters().to_vec(), finished(outcome).parameters)
        })
    };
    let one = on_threads(1);
    assert!(one.0.iter().all(|x| x.is_finite()));
    assert_eq!(on_threads(2), one);
    assert_eq!(on_threads(5), one);
}

#[test]
fn a_run_stopped_anywhere_and_resumed_changes_no_bit() {
    let (whole, outcome) = run(None, NUM_EPOCHS, &mut Silent);
    let expected = finished(outcome);
    for stop in [1, 4, 5, 7, 10, 19] {
        let directory = tempfile::tempdir().unwrap();
        drop(run(
            Some(directory.path()),
            NUM_EPOCHS,
            &mut StopAfter(stop),
        ));
        let (resumed, outcome) = run(Some(directory.path()), NUM_EPOCHS, &mut Silent);
        let model = finished(outcome);
        assert_eq!(
            (model.parameters, model.best),
            (expected.parameters.clone(), expected.best)
        );
        assert_eq!(resumed.parameters(), whole.parameters());
        assert_eq!(resumed.ema(), whole.ema());
    }
}

/// Set for the child process that is killed.
const DIRECTORY: &str = "DIPM_TRAIN_TEST_DIRECTORY";

#[test]
#[ignore = "the child process of the test below, started by it"]
fn child() {
    let directory = std::env::var_os(DIRECTORY).expect("set by the parent");
    run(Some(Path::new(&directory)), NUM_EPOCHS, &mut Silent);
}

#[test]
fn a_run_killed_at_arbitrary_moments_and_resumed_changes_no_bit() {
    let (whole, outcome) = run(None, NUM_EPOCHS, &mut Silent);
    let expected = finished(outcome);
    let directory = tempfile::tempdir().unwrap();
    let mut kills = 0;
    // Each child gets a little longer, so that the run ends in the end.
    for attempt in 1.. {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(10 + 6 * attempt));
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    println!("killed {kills} times");
    assert!(kills > 2);
    let config = config(Some(directory.path()), NUM_EPOCHS).checkpoints;
    let checkpoints = Checkpoints::open(&config).unwrap().unwrap();
    let restored = checkpoints
        .restore::<f32>(&config, whole.layout())
        .unwrap()
        .unwrap();
    assert_eq!(restored.checkpoint.parameters, whole.parameters());
    assert_eq!(&restored.checkpoint.ema, whole.ema());
    assert_eq!(
        *restored.checkpoint.best.unwrap().values().unwrap(),
        expected.parameters
    );
    assert_eq!(restored.checkpoint.state.best, expected.best);
}
