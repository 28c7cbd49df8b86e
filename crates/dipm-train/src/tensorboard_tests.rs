use super::*;
use crate::loss::LossWeights;
use crate::protobuf_reading::{CASTAGNOLI, Fields, checksum};
use crate::record::{BatchReport, IntervalSums};

fn training(epoch: u64, step: u64) -> MetricRecord {
    let mut sums = IntervalSums::default();
    sums.add(&BatchReport {
        loss: step as f64,
        loss_terms: Default::default(),
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

/// Errors of a structure whose force components are wrong by 0.5.
fn evaluation(epoch: u64, step: u64) -> crate::EvaluationRecord {
    let mut metrics = crate::Metrics::new();
    let labels = crate::Labels {
        num_atoms: vec![1],
        weights: vec![1.0],
        energies: Some(vec![1.0]),
        forces: Some(vec![[0.0; 3]]),
        stresses: None,
    };
    let predictions = crate::Predictions {
        energies: vec![3.0],
        forces: vec![[0.5; 3]],
        stresses: None,
    };
    metrics.add(crate::LossKind::Mse, &labels, &predictions);
    let weights = LossWeights::default();
    crate::EvaluationRecord::new(&metrics, weights, (epoch, step), true, 0.5).unwrap()
}

/// The events of the only event file in a directory, with every frame checked.
fn events(directory: &Path) -> Vec<Fields> {
    let files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let data = fs::read(&files[0]).unwrap();
    let mut rest = data.as_slice();
    let mut events = Vec::new();
    let masked = |data: &[u8]| {
        let crc = checksum(CASTAGNOLI, data);
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    };
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(number(&rest[8..12]), masked(&rest[..8]));
        let event = &rest[12..12 + length];
        assert_eq!(number(&rest[12 + length..16 + length]), masked(event));
        events.push(Fields::read(event));
        rest = &rest[16 + length..];
    }
    events
}

/// Step, tag and value of all scalars.
fn scalars(directory: &Path) -> Vec<(i64, String, f32)> {
    let of_event = |event: Fields| {
        let step = event.int(2);
        let summaries = event.messages(5).into_iter();
        let values = summaries.flat_map(|summary| summary.messages(1));
        let scalars = values.filter(|value| value.has(2));
        let named = scalars.map(move |value| (step, value.text(1), value.float(2)));
        named.collect::<Vec<_>>()
    };
    events(directory).into_iter().flat_map(of_event).collect()
}

fn points(directory: &Path, tag: &str) -> Vec<(i64, f32)> {
    let scalars = scalars(directory).into_iter();
    let of_tag = scalars.filter(|(_, name, _)| name == tag);
    of_tag.map(|(step, _, value)| (step, value)).collect()
}

#[test]
fn a_file_begins_with_its_version_and_the_configuration_as_text() {
    let directory = tempfile::tempdir().unwrap();
    TensorBoard::create(directory.path(), "a: 1\n", false, &[]).unwrap();
    let events = events(directory.path());
    assert_eq!(events[0].text(3), "brain.Event:2");
    assert!((events[0].double(1) - unix_seconds()).abs() < 60.0);
    assert_eq!(events[1].message(7).int(1), 1, "a new session");
    let value = events[2].message(5).message(1);
    assert_eq!(value.text(1), "config");
    assert_eq!(value.message(9).message(1).text(1), "text");
    let tensor = value.message(8);
    assert_eq!(
        (tensor.int(1), tensor.text(8).as_str()),
        (7, "```yaml\na: 1\n```")
    );
    assert!(!tensor.message(2).has(2), "no dimension");
}

#[test]
fn training_lies_over_updates_and_evaluations_over_epochs() {
    let directory = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(directory.path(), "", false, &[]).unwrap();
    board.record(&training(1, 300)).unwrap();
    board
        .record(&MetricRecord::Validation(evaluation(1, 300)))
        .unwrap();
    board
        .record(&MetricRecord::Test(evaluation(2, 600)))
        .unwrap();
    // nothing was closed: each record is in the file when `record` returns
    let directory = directory.path();
    assert_eq!(points(directory, "train/loss"), [(300, 300.0)]);
    assert_eq!(points(directory, "train/gradient_norm"), [(300, 2.5)]);
    assert_eq!(points(directory, "train/epoch"), [(300, 1.0)]);
    assert_eq!(points(directory, "val/rmse_f"), [(1, 0.5)]);
    assert_eq!(points(directory, "test/mae_e"), [(2, 2.0)]);
}

#[test]
fn extended_metrics_add_what_is_not_usual() {
    let tags = |extended| {
        let directory = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(directory.path(), "", extended, &[]).unwrap();
        board.record(&training(1, 1)).unwrap();
        board
            .record(&MetricRecord::Validation(evaluation(1, 1)))
            .unwrap();
        let scalars = scalars(directory.path()).into_iter();
        scalars.map(|(_, tag, _)| tag).collect::<Vec<_>>()
    };
    let (usual, extended) = (tags(false), tags(true));
    for tag in [
        "train/learning_rate",
        "train/energy_weight",
        "train/forces_loss",
        "train/data_wait_share",
        "train/nodes_per_second",
        "val/mae_e_per_atom",
    ] {
        let has = |tags: &[String]| tags.iter().any(|other| other == tag);
        assert_eq!((has(&usual), has(&extended)), (false, true), "{tag}");
    }
    assert!(usual.iter().all(|tag| extended.contains(tag)));
}

#[test]
fn a_run_that_goes_on_has_one_file_with_one_point_a_step() {
    let directory = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(directory.path(), "", false, &[]).unwrap();
    for step in [10, 20, 30] {
        board.record(&training(1, step)).unwrap();
    }
    drop(board);
    let foreign = directory.path().join("events.out.tfevents.1.another");
    fs::write(&foreign, "").unwrap();
    let history = [10, 20].map(|step| TimedRecord {
        record: training(1, step),
        time: 1e9 + step as f64,
    });
    let mut board = TensorBoard::create(directory.path(), "", false, &history).unwrap();
    board.record(&training(1, 25)).unwrap();
    fs::remove_file(foreign).expect("files of other programs stay");
    assert_eq!(
        points(directory.path(), "train/loss"),
        [(10, 10.0), (20, 20.0), (25, 25.0)]
    );
    let times: Vec<_> = events(directory.path())
        .iter()
        .map(|e| e.double(1))
        .collect();
    assert_eq!(
        times[3..5],
        [1e9 + 10.0, 1e9 + 20.0],
        "times of the records"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs");
    fs::write(&path, "a file").unwrap();
    let error = TensorBoard::create(&path.join("run"), "", false, &[]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&path.join("run").display().to_string()),
        "{text}"
    );
}
