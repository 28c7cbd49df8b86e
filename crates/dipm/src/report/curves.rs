//! What changes while a run goes on: losses, errors, learning rate, speed and memory.

use super::axis::Axis;
use super::chart::Chart;
use dipm_train::{Errors, EvaluationRecord, MetricRecord, TimedRecord, TrainingRecord};

/// Points of a curve; beyond them neighbours are averaged two by two.
const MOST_POINTS: usize = 1024;

/// A curve in bounded memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    points: Vec<[f64; 2]>,
    /// Points as they came that make one of `points`.
    joined: u32,
    /// Sum and number of the points that wait to become one.
    waiting: ([f64; 2], u32),
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            joined: 1,
            waiting: ([0.0; 2], 0),
        }
    }
}

impl Curve {
    /// Adds a point; one that is not finite is left out.
    pub fn add(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let ([sum_x, sum_y], count) = self.waiting;
        self.waiting = ([sum_x + x, sum_y + y], count + 1);
        if self.waiting.1 < self.joined {
            return;
        }
        self.points.extend(self.last());
        self.waiting = ([0.0; 2], 0);
        if self.points.len() >= MOST_POINTS {
            let mean = |pair: &[[f64; 2]]| [0, 1].map(|k| 0.5 * (pair[0][k] + pair[1][k]));
            self.points = self.points.chunks_exact(2).map(mean).collect();
            self.joined *= 2;
        }
    }

    /// The mean of what waits.
    fn last(&self) -> Option<[f64; 2]> {
        let (sum, count) = self.waiting;
        (count > 0).then(|| sum.map(|x| x / f64::from(count)))
    }

    /// The points in order.
    pub fn points(&self) -> Vec<[f64; 2]> {
        self.points.iter().copied().chain(self.last()).collect()
    }

    fn is_empty(&self) -> bool {
        self.points.is_empty() && self.waiting.1 == 0
    }
}

/// Mean absolute and root mean square error of one quantity over the validations.
#[derive(Debug, Clone, PartialEq, Default)]
struct ErrorCurves {
    mae: Curve,
    rmse: Curve,
}

impl ErrorCurves {
    fn add(&mut self, x: f64, errors: Option<Errors>) {
        if let Some(errors) = errors {
            self.mae.add(x, errors.mae * 1e3);
            self.rmse.add(x, errors.rmse * 1e3);
        }
    }
}

/// All curves of a run, made from its records. Losses and errors lie over the number of updates, speed and memory over
/// the hours of work, without those between a stop and a restart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    training_loss: Curve,
    validation_loss: Curve,
    learning_rate: Curve,
    gradient_norm: Curve,
    energy: ErrorCurves,
    forces: ErrorCurves,
    stress: ErrorCurves,
    atoms_per_second: Curve,
    data_wait: Curve,
    memory: Curve,
    /// Epochs completed and updates until then.
    last_epoch: Option<(u64, u64)>,
    /// Epoch of the best model and its updates.
    best: Option<(u64, u64)>,
    /// Seconds of work so far, and when the last record was made.
    clock: (f64, Option<f64>),
    restarts: Vec<f64>,
}

/// Restarts that are marked.
const MOST_RESTARTS: usize = 20;

impl Curves {
    /// Takes in a record; those of one run in order.
    pub fn add(&mut self, timed: &TimedRecord) {
        let hours = self.hours(timed);
        match &timed.record {
            MetricRecord::Training(record) => self.add_training(record, hours),
            MetricRecord::Validation(record) => self.add_validation(record),
            MetricRecord::BestModel {
                best_epoch,
                epoch,
                step,
                ..
            } if best_epoch == epoch => {
                self.best = Some((*epoch, *step));
            }
            MetricRecord::EpochStart { epoch, step } if *epoch > 1 => {
                self.last_epoch = Some((epoch - 1, *step));
            }
            MetricRecord::Restored { .. } if self.restarts.len() < MOST_RESTARTS => {
                self.restarts.push(hours)
            }
            _ => {}
        }
    }

    fn hours(&mut self, timed: &TimedRecord) -> f64 {
        let (seconds, before) = &mut self.clock;
        let is_pause = matches!(timed.record, MetricRecord::Restored { .. });
        if let (Some(before), false) = (*before, is_pause) {
            *seconds += (timed.time - before).max(0.0);
        }
        *before = Some(timed.time);
        *seconds / 3600.0
    }

    fn add_training(&mut self, record: &TrainingRecord, hours: f64) {
        let step = record.step as f64;
        self.training_loss.add(step, record.loss);
        self.learning_rate.add(step, record.learning_rate);
        self.gradient_norm.add(step, record.gradient_norm);
        self.atoms_per_second.add(hours, record.atoms_per_second);
        self.data_wait.add(hours, 100.0 * record.data_wait_share);
        if let Some(memory) = record.memory_mib {
            self.memory.add(hours, memory);
        }
    }

    fn add_validation(&mut self, record: &EvaluationRecord) {
        if record.epoch > 0 {
            self.last_epoch = Some((record.epoch, record.step));
        }
        let step = record.step as f64;
        self.validation_loss.add(step, record.loss);
        self.energy.add(step, record.errors.energy_per_atom);
        self.forces.add(step, record.errors.forces);
        self.stress.add(step, record.errors.stress);
    }

    /// Losses, errors and learning rate over the epochs, as SVG.
    pub fn learning(&self) -> Vec<String> {
        let mut charts = vec![self.over_epochs(
            "Loss",
            "loss",
            &[
                ("train", &self.training_loss),
                ("validation", &self.validation_loss),
            ],
        )];
        for (title, unit, errors) in [
            ("Energy errors, validation", "meV/atom", &self.energy),
            ("Force errors, validation", "meV/Å", &self.forces),
            ("Stress errors, validation", "meV/Å³", &self.stress),
        ] {
            charts.push(self.over_epochs(
                title,
                unit,
                &[("RMSE", &errors.rmse), ("MAE", &errors.mae)],
            ));
        }
        charts.push(self.over_epochs(
            "Learning rate",
            "learning rate",
            &[("learning rate", &self.learning_rate)],
        ));
        charts.push(self.over_epochs(
            "Gradient norm",
            "norm before clipping",
            &[("gradient", &self.gradient_norm)],
        ));
        charts.into_iter().flatten().collect()
    }

    /// A logarithmic chart; `None` without points.
    fn over_epochs(&self, title: &str, unit: &str, curves: &[(&str, &Curve)]) -> Option<String> {
        // updates and epochs differ by a factor, which is known once an epoch is over
        let (factor, label) = match self.last_epoch {
            Some((epoch, step)) if step > 0 => (epoch as f64 / step as f64, "epoch"),
            _ => (1.0, "updates"),
        };
        let mut chart = chart(title, label, unit, curves, factor, true)?;
        if let Some((epoch, step)) = self.best {
            chart.mark(step as f64 * factor, &format!("best, epoch {epoch}"));
        }
        Some(chart.svg())
    }

    /// Speed and memory over time, as SVG.
    pub fn resources(&self) -> Vec<String> {
        let (factor, unit) = match self.clock.0 {
            seconds if seconds < 300.0 => (3600.0, "s"),
            seconds if seconds < 5.0 * 3600.0 => (60.0, "min"),
            _ => (1.0, "h"),
        };
        let label = format!("time of work, {unit}");
        let charts = [
            (
                "Speed of training",
                "atoms/s",
                "atoms/s",
                &self.atoms_per_second,
            ),
            (
                "Time spent waiting for data",
                "% of training",
                "waiting",
                &self.data_wait,
            ),
            ("Memory", "MiB resident", "memory", &self.memory),
        ];
        let drawn = charts.into_iter().filter_map(|(title, unit, name, curve)| {
            let mut chart = chart(title, &label, unit, &[(name, curve)], factor, false)?;
            for restart in &self.restarts {
                chart.mark(restart * factor, "restart");
            }
            Some(chart.svg())
        });
        drawn.collect()
    }
}

/// Curves whose x is multiplied by a factor; `None` if there is nothing to see.
fn chart(
    title: &str,
    x_label: &str,
    y_label: &str,
    curves: &[(&str, &Curve)],
    factor: f64,
    is_logarithmic: bool,
) -> Option<Chart> {
    let scaled = |curve: &Curve| -> Vec<[f64; 2]> {
        let points = curve.points().into_iter();
        let shown = points.filter(|[_, y]| !is_logarithmic || *y > 0.0);
        shown.map(|[x, y]| [x * factor, y]).collect()
    };
    let curves: Vec<(&str, Vec<[f64; 2]>)> = curves
        .iter()
        .filter(|(_, curve)| !curve.is_empty())
        .map(|(name, curve)| (*name, scaled(curve)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let range = |k: usize| {
        let widest = |[a, b]: [f64; 2], point: &[f64; 2]| [a.min(point[k]), b.max(point[k])];
        all().fold([f64::INFINITY, f64::NEG_INFINITY], widest)
    };
    all().next()?;
    let [x, y] = [range(0), range(1)];
    let x_axis = Axis::exact(x_label, [0.0, (1.02 * x[1]).max(f64::MIN_POSITIVE)]);
    let y_axis = match is_logarithmic {
        true => Axis::logarithmic(y_label, y.map(f64::log10)),
        false => Axis::from_zero(y_label, y),
    };
    let mut chart = Chart::new(title, x_axis, y_axis);
    let mut words = Vec::new();
    for (name, points) in &curves {
        // the title says what a single curve is
        chart.line(if curves.len() > 1 { name } else { "" }, points);
        let [first, last] = [points[0], points[points.len() - 1]].map(|point| point[1]);
        words.push(format!("{name}: from {first:.4} to {last:.4}"));
    }
    chart.describe(format!("{} over {x_label}. {}.", y_label, words.join("; ")));
    Some(chart)
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
