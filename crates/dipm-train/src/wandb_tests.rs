use super::*;
use crate::loss::{LossTerms, LossWeights};
use crate::protobuf_reading::Fields;
use crate::record::{BatchReport, IntervalSums};
use crate::wandb_file::tests::read;

fn run() -> WandbRun {
    WandbRun {
        project: "ethanol".to_owned(),
        id: "abcd1234".to_owned(),
        started: 1.7e9 + 0.25,
        config: json!({"model": {"target": "NequIP"}, "train": {"num_epochs": 3}}),
    }
}

fn training(epoch: u64, step: u64) -> MetricRecord {
    let mut sums = IntervalSums::default();
    sums.add(&BatchReport {
        loss: 1.0 / step as f64,
        loss_terms: LossTerms::default(),
        structures: 1,
        atoms: 3,
        gradient_norm: 2.5,
        updated: true,
        seconds: 0.5,
        seconds_waited: 0.125,
    });
    let record = sums.record(epoch, step, LossWeights::default(), 0.01);
    MetricRecord::Training(record.unwrap())
}

fn validation(epoch: u64, step: u64, force: f64) -> crate::EvaluationRecord {
    let mut metrics = crate::Metrics::new();
    let labels = crate::Labels {
        num_atoms: vec![1],
        weights: vec![1.0],
        energies: None,
        forces: Some(vec![[0.0; 3]]),
        stresses: None,
    };
    let predictions = crate::Predictions {
        energies: vec![0.0],
        forces: vec![[force; 3]],
        stresses: None,
    };
    metrics.add(crate::LossKind::Mse, &labels, &predictions);
    let weights = LossWeights::default();
    crate::EvaluationRecord::new(&metrics, weights, (epoch, step), true, 0.5).unwrap()
}

fn records(directory: &Path) -> Vec<Fields> {
    let records = read(&path(directory, "abcd1234"));
    let records: Vec<_> = records.iter().map(|data| Fields::read(data)).collect();
    let numbers = records.iter().map(|record| record.int(1));
    assert!(numbers.eq(1..=records.len() as i64), "numbered from 1");
    records
}

/// Names and values of a history or summary record.
fn items(record: &Fields) -> Vec<(String, String)> {
    let items = record.messages(1).into_iter();
    items.map(|item| (item.text(1), item.text(16))).collect()
}

/// Step and values of each row; the record after it says the same.
fn rows(directory: &Path) -> Vec<(i64, Vec<(String, String)>)> {
    let records = records(directory);
    let with_next = records.iter().zip(records.iter().skip(1));
    let rows = with_next.filter(|(record, _)| record.has(2));
    rows.map(|(record, next)| {
        let history = record.message(2);
        assert_eq!(items(&history), items(&next.message(3)));
        (history.message(2).int(1), items(&history))
    })
    .collect()
}

fn value<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    let found = row.iter().find(|(other, _)| other == name);
    found.map_or("absent", |(_, value)| value)
}

#[test]
fn a_run_says_what_it_is_and_how_it_was_configured() {
    let directory = tempfile::tempdir().unwrap();
    Wandb::create(directory.path(), &run(), false, &[]).unwrap();
    let records = records(directory.path());
    let producer = records[0].message(21).message(1).text(1);
    assert!(producer.starts_with("dipm "), "{producer}");
    let run = records[1].message(17);
    assert_eq!(
        (run.text(1), run.text(3)),
        ("abcd1234".into(), "ethanol".into())
    );
    let start = run.message(17);
    assert_eq!((start.int(1), start.int(2)), (1_700_000_000, 250_000_000));
    let config = items(&run.message(4));
    assert_eq!(value(&config, "model"), r#"{"target":"NequIP"}"#);
    assert_eq!(value(&config, "train"), r#"{"num_epochs":3}"#);
    assert!(value(&config, "dipm_version").contains('.'));
    for file in records[2].message(6).messages(1) {
        let path = directory.path().join("files").join(file.text(1));
        assert!(path.is_file(), "{}", path.display());
    }
}

#[test]
fn all_values_of_a_step_are_one_row_at_the_number_of_updates() {
    let directory = tempfile::tempdir().unwrap();
    let mut wandb = Wandb::create(directory.path(), &run(), false, &[]).unwrap();
    wandb.record(&training(1, 4)).unwrap();
    wandb.record(&training(1, 8)).unwrap();
    let seen = rows(directory.path());
    assert_eq!(seen.len(), 2, "a row is there before the next begins");
    assert_eq!(value(&seen[1].1, "val/rmse_f"), "absent");
    let judged = MetricRecord::Validation(validation(1, 8, 0.5));
    wandb.record(&judged).unwrap();
    let best = MetricRecord::BestModel {
        epoch: 1,
        step: 8,
        best_epoch: 1,
        best_loss: 6.25,
    };
    wandb.record(&best).unwrap();
    wandb
        .record(&MetricRecord::EpochStart { epoch: 2, step: 8 })
        .unwrap();
    wandb.record(&training(2, 12)).unwrap();
    let rows = rows(directory.path());
    let steps: Vec<_> = rows.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [4, 8, 12]);
    let (step, row) = &rows[1];
    assert_eq!(value(row, "_step"), step.to_string());
    for (name, expected) in [
        ("epoch", "1.0"),
        ("train/loss", "0.125"),
        ("val/rmse_f", "0.5"),
        ("best/loss", "6.25"),
        ("train/learning_rate", "absent"),
    ] {
        assert_eq!(value(row, name), expected, "{name}");
    }
}

#[test]
fn only_a_run_that_ended_well_has_an_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let mut wandb = Wandb::create(directory.path(), &run(), false, &[]).unwrap();
    wandb.record(&training(1, 4)).unwrap();
    assert!(
        !records(directory.path())
            .iter()
            .any(|record| record.has(18))
    );
    wandb.finish().unwrap();
    let records = records(directory.path());
    let [.., exit, footer] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(exit.message(18).int(1), 0);
    assert!(exit.message(18).int(2) > 0, "seconds since the start");
    assert!(footer.has(22));
}

#[test]
fn a_run_that_goes_on_has_each_step_once_and_is_to_be_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut wandb = Wandb::create(directory.path(), &run(), true, &[]).unwrap();
    for step in [10, 20, 30] {
        wandb.record(&training(1, step)).unwrap();
    }
    drop(wandb);
    let sent = directory.path().join("run-abcd1234.wandb.synced");
    fs::write(&sent, "").unwrap();
    let history = [10, 20].map(|step| TimedRecord {
        record: training(1, step),
        time: 1.7e9 + 0.25 + step as f64,
    });
    let mut wandb = Wandb::create(directory.path(), &run(), true, &history).unwrap();
    wandb.record(&training(1, 25)).unwrap();
    let rows = rows(directory.path());
    let steps: Vec<_> = rows.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [10, 20, 25]);
    assert_eq!(value(&rows[1].1, "_runtime"), "20.0");
    assert_eq!(value(&rows[1].1, "train/learning_rate"), "0.01");
    assert!(!sent.exists());
    let names = fs::read_dir(directory.path()).unwrap();
    assert_eq!(names.count(), 2, "the file, and `files`");
}

#[test]
fn values_that_are_not_finite_are_written_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let mut wandb = Wandb::create(directory.path(), &run(), false, &[]).unwrap();
    for (step, force) in [(1, f64::NAN), (2, f64::INFINITY)] {
        let record = MetricRecord::Validation(validation(step, step, force));
        wandb.record(&record).unwrap();
    }
    let rows = rows(directory.path());
    assert_eq!(value(&rows[0].1, "val/mae_f"), "NaN");
    assert_eq!(value(&rows[1].1, "val/mae_f"), "Infinity");
    assert_eq!(number(f64::NEG_INFINITY), "-Infinity");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs");
    fs::write(&path, "a file").unwrap();
    let error = Wandb::create(&path, &run(), false, &[]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&path.join("files").display().to_string()),
        "{text}"
    );
}
