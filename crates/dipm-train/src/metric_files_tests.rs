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
    MetricRecord::Training(
        sums.record(epoch, step, LossWeights::default(), 0.01)
            .unwrap(),
    )
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
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
    let read: Vec<MetricRecord> = read(directory.path(), JSONL)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, records);
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
    let mut files = MetricFiles::open(directory.path(), Some((2, 20))).unwrap();
    files.record(&training(3, 30)).unwrap();
    let expected: String = (1..=3)
        .map(|epoch| json_line(&training(epoch, 10 * epoch)))
        .collect();
    assert_eq!(read(directory.path(), JSONL), expected);
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
