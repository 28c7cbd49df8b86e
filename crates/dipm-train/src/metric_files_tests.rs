use super::*;
use crate::loss::LossWeights;
use crate::record::{BatchReport, IntervalSums};

fn training(epoch: u64, step: u64) -> MetricRecord {
    let mut sums = IntervalSums::default();
    sums.add(&BatchReport {
        loss: 0.1 * step as f64,
        loss_terms: crate::LossTerms {
            energy: 1.0 / 3.0,
            ..Default::default()
        },
        structures: 4,
        atoms: 12,
        gradient_norm: 2.0,
        updated: true,
        seconds: 0.5,
        seconds_waited: 0.125,
    });
    let record = sums.record(epoch, step, LossWeights::default(), 0.01);
    MetricRecord::Training(crate::TrainingRecord {
        memory_mib: Some(8.5),
        ..record.unwrap()
    })
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

fn records(directory: &Path) -> Vec<MetricRecord> {
    let records = read_records(directory).unwrap().into_iter();
    records.map(|record| record.record).collect()
}

fn restored(epoch: u64, batch: u64, step: u64) -> Option<(DataPosition, u64)> {
    Some((DataPosition { epoch, batch }, step))
}

#[test]
fn every_record_is_one_line_of_json_that_reads_back_equal() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = MetricFiles::open(directory.path(), None).unwrap();
    let records = [
        MetricRecord::EpochStart { epoch: 1, step: 0 },
        training(1, 7),
    ];
    records
        .iter()
        .for_each(|record| files.record(record).unwrap());
    assert_eq!(super::tests::records(directory.path()), records);
    assert_eq!(read(directory.path(), JSONL).lines().count(), 2);
    let times = read_records(directory.path()).unwrap();
    let now = unix_seconds();
    assert!(times.iter().all(|record| (now - record.time).abs() < 60.0));
}

#[test]
fn a_row_of_csv_has_a_value_for_each_column() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = MetricFiles::open(directory.path(), None).unwrap();
    files.record(&training(1, 2)).unwrap();
    let text = read(directory.path(), CSV);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].len(), rows[1].len());
    let value = |name| rows[1][rows[0].iter().position(|column| *column == name).unwrap()];
    assert_eq!(
        (value("record"), value("step"), value("data_wait_share")),
        ("training", "2", "0.25")
    );
    assert_eq!(
        (value("loss"), value("mae_f"), value("nodes_per_second")),
        ("0.2", "", "24")
    );
}

#[test]
fn records_past_the_restored_step_and_a_cut_line_disappear() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = MetricFiles::open(directory.path(), None).unwrap();
    (1..=4).for_each(|epoch| files.record(&training(epoch, 10 * epoch)).unwrap());
    let cut = &read(directory.path(), JSONL)[..40];
    let mut text = read(directory.path(), JSONL);
    text.push_str(cut);
    fs::write(directory.path().join(JSONL), text).unwrap();
    let mut files = MetricFiles::open(directory.path(), restored(2, 0, 20)).unwrap();
    files.record(&training(3, 30)).unwrap();
    let expected: Vec<_> = (1..=3).map(|epoch| training(epoch, 10 * epoch)).collect();
    assert_eq!(records(directory.path()), expected);
    assert_eq!(read(directory.path(), JSONL).lines().count(), 3);
    assert_eq!(read(directory.path(), CSV).lines().count(), 4);
}

#[test]
fn a_fresh_run_begins_its_files_anew() {
    let directory = tempfile::tempdir().unwrap();
    MetricFiles::open(directory.path(), None)
        .unwrap()
        .record(&training(1, 1))
        .unwrap();
    MetricFiles::open(directory.path(), None).unwrap();
    assert_eq!(read(directory.path(), JSONL), "");
}

#[test]
fn a_run_that_goes_on_within_an_epoch_keeps_the_records_of_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = MetricFiles::open(directory.path(), None).unwrap();
    let start = |epoch, step| MetricRecord::EpochStart { epoch, step };
    let all = [
        start(1, 0),
        training(1, 10),
        start(2, 10),
        training(2, 15),
        training(2, 18),
    ];
    all.iter().for_each(|record| files.record(record).unwrap());
    let kept = |restored| {
        MetricFiles::open(directory.path(), restored).unwrap();
        records(directory.path())
    };
    assert_eq!(kept(restored(1, 6, 16)), all[..4]);
    assert_eq!(kept(restored(1, 0, 10)), all[..2]);
}

#[test]
fn errors_that_are_not_finite_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut metrics = crate::Metrics::new();
    let labels = crate::Labels {
        num_atoms: vec![1],
        weights: vec![1.0],
        energies: Some(vec![1.0]),
        forces: Some(vec![[0.0; 3]]),
        stresses: None,
    };
    let predictions = crate::Predictions {
        energies: vec![f64::NAN],
        forces: vec![[0.5; 3]],
        stresses: None,
    };
    metrics.add(crate::LossKind::Mse, &labels, &predictions);
    let record =
        crate::EvaluationRecord::new(&metrics, LossWeights::default(), (1, 10), true, 0.5).unwrap();
    MetricFiles::open(directory.path(), None)
        .unwrap()
        .record(&MetricRecord::Validation(record))
        .unwrap();
    MetricFiles::open(directory.path(), restored(1, 0, 10)).unwrap();
    let [MetricRecord::Validation(read)] = &records(directory.path())[..] else {
        panic!("the record is lost")
    };
    let errors = &read.errors;
    assert!(read.loss.is_nan() && errors.loss_terms.energy.is_nan());
    assert!(errors.energy.unwrap().mae.is_nan());
    assert_eq!(errors.forces.unwrap().mae, 0.5);
    assert_eq!(errors.stress, None);
}

#[test]
fn the_table_holds_every_value_of_every_record() {
    let MetricRecord::Training(record) = training(1, 2) else {
        unreachable!()
    };
    let errors = Some(crate::Errors {
        mae: 1.0,
        rmse: 1.0,
    });
    let weights = LossWeights {
        energy: 1.0,
        forces: 1.0,
        stress: 1.0,
    };
    let training = crate::TrainingRecord {
        weights,
        memory_mib: Some(1.0),
        ..record
    };
    let validation = crate::EvaluationRecord {
        epoch: 1,
        step: 2,
        loss: 1.0,
        weights,
        averaged_parameters: true,
        errors: crate::MetricSummary {
            loss_terms: crate::LossTerms::default(),
            num_structures: 1,
            num_atoms: 1,
            energy: errors,
            energy_per_atom: errors,
            forces: errors,
            stress: errors,
            stress_per_atom: errors,
        },
        seconds: 1.0,
        training: Some(crate::EpochThroughput {
            steps: 1,
            runtime_in_minutes: 1.0,
            nodes_per_second: 1.0,
            graphs_per_second: 1.0,
        }),
    };
    let mut names: Vec<_> = [training.values(true), validation.values(true)]
        .concat()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut columns = COLUMNS.to_vec();
    columns.sort_unstable();
    assert_eq!(names, columns);
    for name in ["learning_rate", "memory_mib", "nodes_per_second"] {
        let usual = training.values(false);
        assert!(usual.iter().all(|(other, _)| *other != name), "{name}");
    }
}
