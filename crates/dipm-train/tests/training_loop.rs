//! The loop without an engine: a model with three parameters whose loss and gradient fit on a page.

use std::path::Path;
use std::sync::Arc;

use dipm_data::{Batch, DataError, Origin};
use dipm_models::NoiseKey;
use dipm_train::loss::{Labels, LossTerms, Predictions};
use dipm_train::metric_files::JSONL;
use dipm_train::{
    BatchStream, Batches, CheckpointConfig, DataPosition, LossConfig, LossKind, LossWeights,
    MetricRecord, Objective, Observer, OptimizerConfig, Outcome, ParameterLayout, ResumeRules,
    Silent, TrainError, TrainedModel, Trainer, TrainerConfig, TrainingData, TrainingLoopConfig,
};

/// Ê = Σ_i p·r_i, F̂ = −p.
struct Linear;

fn predict(parameters: &[f32], batch: &Batch) -> Predictions {
    let mut energies = vec![0.0; batch.num_structures()];
    for (position, &g) in batch.positions.iter().zip(&batch.atom_structure) {
        energies[g as usize] += (0..3)
            .map(|k| position[k] * f64::from(parameters[k]))
            .sum::<f64>();
    }
    let force = [0, 1, 2].map(|k| -f64::from(parameters[k]));
    Predictions {
        energies,
        forces: vec![force; batch.total_atoms()],
        stresses: None,
    }
}

fn labels(batch: &Batch) -> Labels {
    Labels {
        num_atoms: batch.num_atoms.clone(),
        weights: batch.weights.clone(),
        energies: batch.energies.clone(),
        forces: batch.forces.clone(),
        stresses: None,
    }
}

impl Objective<f32> for Linear {
    fn gradient(
        &mut self,
        parameters: &[f32],
        batch: &Batch,
        weights: &LossWeights,
        _: NoiseKey,
        gradient: &mut [f32],
    ) -> Result<LossTerms, TrainError> {
        let loss = |parameters: &[f32]| {
            let terms = LossKind::Mse.structure_terms(&labels(batch), &predict(parameters, batch));
            let mut mean = LossTerms::default();
            terms
                .iter()
                .for_each(|t| mean.add_scaled(t, 1.0 / terms.len() as f64));
            mean
        };
        for k in 0..3 {
            let shifted = |by: f32| {
                let mut shifted = parameters.to_vec();
                shifted[k] += by;
                loss(&shifted).weighted(weights)
            };
            gradient[k] = ((shifted(0.5) - shifted(-0.5)) as f32).clamp(-1e30, 1e30);
        }
        Ok(loss(parameters))
    }

    fn predict(
        &mut self,
        parameters: &[f32],
        batch: &Batch,
    ) -> Result<(Labels, Predictions), TrainError> {
        Ok((labels(batch), predict(parameters, batch)))
    }
}

/// `num_batches` batches of two structures, in an order that depends on the epoch.
struct Data {
    num_batches: u64,
    /// Batch whose second structure has an energy that is not a number.
    poisoned: Option<u64>,
    /// Added to every energy.
    offset: f64,
}

struct Stream(std::vec::IntoIter<Batch>);

impl Iterator for Stream {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

impl BatchStream for Stream {
    fn seconds_waited(&self) -> f64 {
        0.0
    }
}

impl Data {
    fn new(num_batches: u64) -> Self {
        Data {
            num_batches,
            poisoned: None,
            offset: 0.0,
        }
    }

    fn batch(&self, number: u64) -> Batch {
        let num_atoms = vec![2, 1];
        let positions: Vec<[f64; 3]> = (0..3)
            .map(|i| [0, 1, 2].map(|k| ((number * 7 + i * 3 + k) as f64 * 1.7).sin() * 2.0))
            .collect();
        let truth = [0.7, -0.3, 1.1];
        let energy = |r: &[f64; 3]| (0..3).map(|k| truth[k] * r[k]).sum::<f64>();
        let noise = |i: u64| ((number * 5 + i) as f64).cos() * 0.1;
        let mut energies = vec![
            energy(&positions[0]) + energy(&positions[1]) + noise(0) + self.offset,
            energy(&positions[2]) + noise(1) + self.offset,
        ];
        if self.poisoned == Some(number) {
            energies[1] = f64::NAN;
        }
        let file: Arc<Path> = Arc::from(Path::new("train.xyz"));
        let origin = |g| Origin {
            file: Arc::clone(&file),
            index: (2 * number + g) as usize,
        };
        Batch {
            atom_structure: vec![0, 0, 1],
            energies: Some(energies),
            forces: Some(vec![truth.map(|x: f64| -x + noise(2)); 3]),
            weights: vec![1.0, 0.5],
            origins: vec![origin(0), origin(1)],
            num_atoms,
            positions,
            ..Batch::default()
        }
    }
}

impl Batches for Data {
    fn epoch(&self, epoch: u64, start_batch: u64) -> Box<dyn BatchStream + '_> {
        let order =
            (0..self.num_batches).map(|i| (i * (epoch % 2 * 2 + 1) + epoch) % self.num_batches);
        let batches: Vec<Batch> = order
            .skip(start_batch as usize)
            .map(|number| self.batch(number))
            .collect();
        Box::new(Stream(batches.into_iter()))
    }

    fn num_batches(&self, _epoch: u64) -> Option<u64> {
        Some(self.num_batches)
    }
}

fn config(directory: Option<&Path>, num_epochs: u64) -> TrainerConfig {
    TrainerConfig {
        training: TrainingLoopConfig {
            ema_decay: 0.9,
            ..TrainingLoopConfig::new(num_epochs)
        },
        optimizer: OptimizerConfig {
            num_gradient_accumulation_steps: 3,
            weight_decay: 1e-3,
            warmup_steps: 5,
            transition_steps: 20,
            init_learning_rate: 1e-3,
            peak_learning_rate: 0.05,
            ..OptimizerConfig::default()
        },
        loss: LossConfig::staged(
            LossKind::Mse,
            &[0.5],
            num_epochs,
            &[
                LossWeights {
                    energy: 1.0,
                    forces: 25.0,
                    stress: 0.0,
                },
                LossWeights {
                    energy: 100.0,
                    forces: 1.0,
                    stress: 0.0,
                },
            ],
        )
        .unwrap(),
        checkpoints: CheckpointConfig {
            local_model_output_dir: directory.map(Path::to_owned),
            restore_checkpoint_if_exists: directory.is_some(),
            restore_optimizer_state: true,
            ..CheckpointConfig::default()
        },
        seed: 7,
        config_text: "train: {}".to_owned(),
        dataset_info: serde_json::json!({}),
        resume: ResumeRules::default(),
    }
}

fn trainer(config: TrainerConfig) -> Trainer<f32, Linear> {
    let layout = ParameterLayout::new([("p".to_owned(), vec![3])]);
    Trainer::new(config, Linear, layout, vec![0.1, 0.2, 0.3]).unwrap()
}

fn sets<'a>(train: &'a Data, validation: &'a Data) -> TrainingData<'a> {
    TrainingData {
        train,
        validation: Some(validation),
        test: Some(validation),
    }
}

fn finished<T>(outcome: Outcome<T>) -> TrainedModel<T> {
    match outcome {
        Outcome::Finished(model) => *model,
        Outcome::Stopped(position) => panic!("stopped at {position:?}"),
    }
}

/// Stops after so many batches.
struct StopAfter(u64);

impl Observer for StopAfter {
    fn stop_requested(&mut self) -> bool {
        self.0 -= 1;
        self.0 == 0
    }
}

/// Keeps all records.
#[derive(Default)]
struct Recorder(Vec<MetricRecord>);

impl Observer for Recorder {
    fn record(&mut self, record: &MetricRecord) {
        self.0.push(record.clone());
    }
}

#[test]
fn a_run_stopped_at_any_batch_and_resumed_gives_the_bits_of_an_uninterrupted_one() {
    let (train, validation) = (Data::new(7), Data::new(2));
    let data = sets(&train, &validation);
    let mut whole = trainer(config(None, 4));
    let expected = finished(whole.run(data, &mut Silent).unwrap());
    for stop in 1..28 {
        let directory = tempfile::tempdir().unwrap();
        let mut first = trainer(config(Some(directory.path()), 4));
        let stopped = first.run(data, &mut StopAfter(stop)).unwrap();
        let position = DataPosition {
            epoch: (stop - 1) / 7,
            batch: (stop - 1) % 7 + 1,
        };
        assert_eq!(stopped, Outcome::Stopped(position));
        drop(first);
        let mut second = trainer(config(Some(directory.path()), 4));
        assert!(second.is_resumed());
        let resumed = finished(second.run(data, &mut Silent).unwrap());
        assert_eq!(
            (&resumed.parameters, resumed.best),
            (&expected.parameters, expected.best)
        );
        assert_eq!(second.parameters(), whole.parameters());
        assert_eq!(second.ema(), whole.ema());
    }
}

#[test]
fn a_run_killed_between_checkpoints_repeats_from_the_last_one_to_the_same_bits() {
    let (train, validation) = (Data::new(5), Data::new(2));
    let data = sets(&train, &validation);
    let directory = tempfile::tempdir().unwrap();
    let mut whole = trainer(config(Some(directory.path()), 4));
    let expected = finished(whole.run(data, &mut Silent).unwrap());
    let lines = || {
        let text = std::fs::read_to_string(directory.path().join(JSONL)).unwrap();
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let kept = records.filter(|record| !matches!(record, MetricRecord::Restored { .. }));
        kept.map(|record| (std::mem::discriminant(&record), record.position()))
            .collect::<Vec<_>>()
    };
    let expected_lines = lines();
    let parameters = whole.parameters().to_vec();
    drop(whole);
    for epoch in 1..=4 {
        let mut config = config(Some(directory.path()), 4);
        config.checkpoints.epoch_to_restore = Some(epoch);
        let mut again = trainer(config);
        assert_eq!(again.position(), DataPosition { epoch, batch: 0 });
        let model = finished(again.run(data, &mut Silent).unwrap());
        assert_eq!(model.parameters, expected.parameters);
        assert_eq!(again.parameters(), parameters);
        assert_eq!(lines(), expected_lines);
        std::fs::read_dir(directory.path().join("model"))
            .unwrap()
            .for_each(|entry| {
                let path = entry.unwrap().path();
                assert!(
                    path.extension()
                        .is_none_or(|extension| extension == "superseded")
                );
            });
    }
}

#[test]
fn without_the_optimizer_state_only_parameters_step_and_position_are_restored() {
    let (train, validation) = (Data::new(5), Data::new(2));
    let directory = tempfile::tempdir().unwrap();
    let mut first = trainer(config(Some(directory.path()), 2));
    first.run(sets(&train, &validation), &mut Silent).unwrap();
    let (parameters, step) = (first.parameters().to_vec(), first.step());
    drop(first);
    let mut config = config(Some(directory.path()), 3);
    config.checkpoints.restore_optimizer_state = false;
    let second = trainer(config);
    assert_eq!(
        (second.parameters(), second.step()),
        (&parameters[..], step)
    );
    assert_eq!(second.position(), DataPosition { epoch: 2, batch: 0 });
    assert_eq!((second.ema().updates(), second.best()), (0, None));
}

#[test]
fn a_loss_that_is_not_finite_names_the_batch_and_keeps_the_last_good_checkpoint() {
    let (good, validation) = (Data::new(5), Data::new(2));
    let directory = tempfile::tempdir().unwrap();
    let mut first = trainer(config(Some(directory.path()), 1));
    first.run(sets(&good, &validation), &mut Silent).unwrap();
    let parameters = first.parameters().to_vec();
    drop(first);
    let bad = Data {
        poisoned: Some(1),
        ..Data::new(5)
    };
    let mut second = trainer(config(Some(directory.path()), 3));
    let error = second
        .run(sets(&bad, &validation), &mut Silent)
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(
        error,
        TrainError::NonFinite {
            quantity: "loss",
            epoch: 2,
            batch: 0,
            ..
        }
    ));
    assert!(
        text.contains("train.xyz, structure 2; train.xyz, structure 3"),
        "{text}"
    );
    assert!(
        text.contains(directory.path().join("model/1").to_str().unwrap()),
        "{text}"
    );
    assert_eq!(second.parameters(), parameters);
    assert!(directory.path().join("model/1/state.json").exists());
}

#[test]
fn the_best_model_is_compared_under_the_weights_of_the_current_stage() {
    let (train, validation) = (
        Data::new(6),
        Data {
            offset: 0.4,
            ..Data::new(3)
        },
    );
    let mut recorder = Recorder::default();
    let mut trainer = trainer(config(None, 6));
    let model = finished(
        trainer
            .run(sets(&train, &validation), &mut recorder)
            .unwrap(),
    );
    let evaluations: Vec<_> = recorder
        .0
        .iter()
        .filter_map(|record| match record {
            MetricRecord::Validation(record) => Some(record),
            _ => None,
        })
        .collect();
    assert_eq!(
        evaluations.iter().map(|r| r.epoch).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 6]
    );
    let mut best = (0, evaluations[0].errors.loss_terms);
    for record in &evaluations {
        let weights = if record.epoch <= 3 {
            (1.0, 25.0)
        } else {
            (100.0, 1.0)
        };
        assert_eq!((record.weights.energy, record.weights.forces), weights);
        if record.loss < best.1.weighted(&record.weights) {
            best = (record.epoch, record.errors.loss_terms);
        }
    }
    let found = model.best.unwrap();
    assert_eq!((found.epoch, found.loss_terms), best);
    let test = model.test.unwrap();
    assert_eq!(test.errors, evaluations[best.0 as usize].errors);
}

#[test]
fn the_initial_evaluation_judges_the_initial_parameters_and_can_be_left_out() {
    let (train, validation) = (Data::new(2), Data::new(1));
    for run_eval_at_start in [true, false] {
        let mut config = config(None, 1);
        config.training.run_eval_at_start = run_eval_at_start;
        let mut recorder = Recorder::default();
        trainer(config)
            .run(sets(&train, &validation), &mut recorder)
            .unwrap();
        let first = recorder.0.iter().find_map(|record| match record {
            MetricRecord::Validation(record) => Some((record.epoch, record.averaged_parameters)),
            _ => None,
        });
        assert_eq!(
            first,
            Some(if run_eval_at_start {
                (0, false)
            } else {
                (1, true)
            })
        );
    }
}

#[test]
fn without_validation_and_test_sets_the_last_model_is_the_result() {
    let train = Data::new(4);
    let data = TrainingData {
        train: &train,
        validation: None,
        test: None,
    };
    for averaged in [true, false] {
        let mut config = config(None, 2);
        config.training.use_ema_params_for_eval = averaged;
        let mut trainer = trainer(config);
        let model = finished(trainer.run(data, &mut Silent).unwrap());
        assert_eq!((model.best, model.test), (None, None));
        let expected = if averaged {
            trainer.ema().debiased().unwrap()
        } else {
            trainer.parameters().to_vec()
        };
        assert_eq!(model.parameters, expected);
    }
}

#[test]
fn training_metrics_are_reported_every_log_interval_updates_and_at_the_end_of_each_epoch() {
    let (train, validation) = (Data::new(7), Data::new(1));
    for (log_interval, expected) in [(None, vec![2, 4]), (Some(1), vec![1, 2, 2, 3, 4, 4])] {
        let mut config = config(None, 2);
        config.training.log_interval = log_interval;
        let mut recorder = Recorder::default();
        trainer(config)
            .run(sets(&train, &validation), &mut recorder)
            .unwrap();
        let steps: Vec<u64> = recorder
            .0
            .iter()
            .filter_map(|record| match record {
                MetricRecord::Training(record) => Some(record.step),
                _ => None,
            })
            .collect();
        assert_eq!(steps, expected);
    }
}

#[test]
fn an_empty_training_set_is_an_error() {
    let (train, validation) = (Data::new(0), Data::new(1));
    let error = trainer(config(None, 2))
        .run(sets(&train, &validation), &mut Silent)
        .unwrap_err();
    assert!(
        matches!(error, TrainError::NoTrainingData { epoch: 1 }),
        "{error}"
    );
}

#[test]
fn a_setting_that_cannot_be_continued_is_refused() {
    let (train, validation) = (Data::new(3), Data::new(1));
    let directory = tempfile::tempdir().unwrap();
    trainer(config(Some(directory.path()), 1))
        .run(sets(&train, &validation), &mut Silent)
        .unwrap();
    type Change = fn(&mut TrainerConfig);
    let changes: [(&str, Change); 3] = [
        ("ema_decay", |config| config.training.ema_decay = 0.5),
        ("seed", |config| config.seed = 8),
        ("num_gradient_accumulation_steps", |config| {
            config.optimizer.num_gradient_accumulation_steps = 1;
        }),
    ];
    for (key, change) in changes {
        let mut config = config(Some(directory.path()), 2);
        change(&mut config);
        let layout = ParameterLayout::new([("p".to_owned(), vec![3])]);
        let error = Trainer::new(config, Linear, layout, vec![0.0; 3])
            .err()
            .unwrap();
        assert!(error.to_string().starts_with(key), "{error}");
    }
}
