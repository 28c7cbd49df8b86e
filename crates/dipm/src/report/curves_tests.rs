use super::*;
use dipm_train::{LossTerms, LossWeights};

fn training(epoch: u64, step: u64, loss: f64) -> MetricRecord {
    MetricRecord::Training(TrainingRecord {
        epoch,
        step,
        loss,
        loss_terms: LossTerms::default(),
        weights: LossWeights::default(),
        gradient_norm: 1.0,
        learning_rate: 0.01,
        seconds_per_step: 0.1,
        data_wait_share: 0.25,
        atoms_per_second: 1000.0,
        structures_per_second: 10.0,
        memory_mib: Some(100.0),
    })
}

#[test]
fn a_curve_is_bounded_and_keeps_its_mean_and_its_ends() {
    let mut curve = Curve::default();
    let count = 100_000;
    for i in 0..count {
        curve.add(f64::from(i), f64::from(i % 10));
    }
    let points = curve.points();
    assert!(
        (MOST_POINTS / 2 - 1..=MOST_POINTS + 1).contains(&points.len()),
        "{}",
        points.len()
    );
    assert!(points.is_sorted_by(|a, b| a[0] < b[0]));
    assert!(points[0][0] < 200.0 && points[points.len() - 1][0] > f64::from(count) - 200.0);
    let whole = &points[..points.len() - 1];
    let mean = whole.iter().map(|point| point[1]).sum::<f64>() / whole.len() as f64;
    assert!((mean - 4.5).abs() < 0.05, "{mean}");
}

#[test]
fn few_points_stay_as_they_are() {
    let mut curve = Curve::default();
    for i in 0..100 {
        curve.add(f64::from(i), f64::from(i * i));
    }
    curve.add(100.0, f64::NAN);
    let expected: Vec<[f64; 2]> = (0..100).map(|i| [f64::from(i), f64::from(i * i)]).collect();
    assert_eq!(curve.points(), expected);
}

#[test]
fn a_pause_takes_no_time_of_work() {
    let mut curves = Curves::default();
    let mut add = |record, time| curves.add(&TimedRecord { record, time });
    add(MetricRecord::EpochStart { epoch: 1, step: 0 }, 1000.0);
    add(training(1, 10, 1.0), 1060.0);
    add(MetricRecord::Restored { epoch: 1, step: 10 }, 1_000_000.0);
    add(training(2, 20, 0.5), 1_000_060.0);
    let hours: Vec<f64> = curves
        .memory
        .points()
        .iter()
        .map(|point| point[0])
        .collect();
    assert_eq!(hours, [60.0 / 3600.0, 120.0 / 3600.0]);
    assert_eq!(curves.restarts, [60.0 / 3600.0]);
}
