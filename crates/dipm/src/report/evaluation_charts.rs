//! Parity of energies, forces and stress, and errors of forces against their size.

use super::axis::Axis;
use super::chart::{Chart, grouped};
use super::tables::milli;
use crate::evaluation::{Density, Evaluation, Marks, Parity};
use dipm_data::symbol_or_number;

/// Panels of elements and of classes, at most.
pub const MOST_PANELS: usize = 12;

/// All structures together: energies, forces against their size, stress.
pub fn overview(evaluation: &Evaluation) -> Vec<String> {
    let energy = parity(
        "Energy per atom",
        "eV/atom",
        "meV/atom",
        &evaluation.energy_per_atom,
    );
    let stress = parity("Stress components", "eV/Å³", "meV/Å³", &evaluation.stress);
    [energy, force_errors(&evaluation.force_errors), stress]
        .into_iter()
        .flatten()
        .collect()
}

/// A panel for each element, those with most atoms first.
pub fn by_element(evaluation: &Evaluation) -> Vec<String> {
    let mut elements: Vec<_> = evaluation.elements.iter().collect();
    elements.sort_by_key(|(_, element)| std::cmp::Reverse(element.num_atoms));
    let panels = elements.into_iter().take(MOST_PANELS);
    let panels = panels.filter_map(|(z, element)| {
        let title = format!("Forces on {}", symbol_or_number(*z));
        parity(&title, "eV/Å", "meV/Å", &element.forces)
    });
    panels.collect()
}

/// Energies and forces of each class of structures, those with most structures first.
pub fn by_config_type(evaluation: &Evaluation) -> Vec<String> {
    let classes = evaluation.config_types.list().into_iter().take(MOST_PANELS);
    let panels = classes.flat_map(|(name, class)| {
        let name = shortened(name);
        let energy = format!("Energy, {name}");
        let forces = format!("Forces, {name}");
        [
            parity(&energy, "eV/atom", "meV/atom", &class.energy_per_atom),
            parity(&forces, "eV/Å", "meV/Å", &class.forces),
        ]
    });
    panels.flatten().collect()
}

/// Names that are too long for a panel lose their middle.
fn shortened(name: &str) -> String {
    let count = name.chars().count();
    match count > 24 {
        true => {
            let head: String = name.chars().take(12).collect();
            let tail: String = name.chars().skip(count - 10).collect();
            format!("{head}…{tail}")
        }
        false => name.to_owned(),
    }
}

/// Predictions over reference values; `None` without any.
fn parity(title: &str, unit: &str, error_unit: &str, values: &Parity) -> Option<String> {
    let density = &values.density;
    let [x, y] = density.ranges()?;
    let summary = values.summary()?;
    let range = [x[0].min(y[0]), x[1].max(y[1])];
    let axis = |what: &str| Axis::linear(format!("{what}, {unit}"), range);
    let mut chart = Chart::square(title, axis("reference"), axis("model"));
    chart.density(density);
    chart.guide([0.0, 0.0], [1.0, 1.0]);
    chart.note(format!("RMSE {} {error_unit}", milli(Some(summary.rmse))));
    chart.note(format!("{} values", grouped(density.count())));
    if density.num_not_finite() > 0 {
        chart.note(format!("{} not finite", grouped(density.num_not_finite())));
    }
    chart.describe(format!(
        "Predicted over reference values; {} values, MAE {}, RMSE {}, largest error {} {error_unit}.",
        summary.count,
        milli(Some(summary.mae)),
        milli(Some(summary.rmse)),
        milli(Some(summary.max))
    ));
    Some(chart.svg())
}

/// Length of the error of the force on each atom over the length of the force.
fn force_errors(density: &Density) -> Option<String> {
    let [x, y] = density.ranges()?;
    let x_axis = Axis::logarithmic("reference force on an atom, eV/Å", x);
    let y_axis = Axis::logarithmic("error of the force, eV/Å", y);
    // where the error is as large as the force
    let shared = [
        x_axis.range()[0].max(y_axis.range()[0]),
        x_axis.range()[1].min(y_axis.range()[1]),
    ];
    let ends = shared.map(|t| [x_axis.place_transformed(t), y_axis.place_transformed(t)]);
    let mut chart = Chart::square("Force error by size of the force", x_axis, y_axis);
    chart.density(density);
    if shared[0] < shared[1] {
        chart.guide(ends[0], ends[1]);
    }
    let medians = medians(density);
    let shown: Vec<[f64; 2]> = medians
        .iter()
        .map(|point| point.map(|t| 10_f64.powf(t)))
        .collect();
    chart.line_over_density("median error", &shown);
    let words: Vec<String> = shown
        .iter()
        .map(|[force, error]| format!("{error:.4} at {force:.3}"))
        .collect();
    chart.describe(format!(
        "For each of {} atoms the length of the difference between predicted and reference force over the length of \
         the reference force, in eV/Å; the dashed line is where both are the same. Median error: {}.",
        density.count(),
        words.join(", ")
    ));
    Some(chart.svg())
}

/// Width of a column whose median is shown, in decades.
const COLUMN: f64 = 0.25;
/// Atoms that a median needs.
const LEAST_COUNT: u64 = 10;

/// Middle of each column of points and the median of their heights.
fn medians(density: &Density) -> Vec<[f64; 2]> {
    let mut columns: std::collections::BTreeMap<i64, Vec<(f64, u64)>> = Default::default();
    let mut add = |x: f64, y: f64, count: u64| {
        let column = columns.entry((x / COLUMN).floor() as i64).or_default();
        column.push((y, count));
    };
    match density.marks() {
        Marks::Points(points) => points.iter().for_each(|[x, y]| add(*x, *y, 1)),
        Marks::Cells(cells) => {
            let [wide, high] = cells.widths();
            for ([x, y], count) in cells.iter() {
                add(x + 0.5 * wide, y + 0.5 * high, count);
            }
        }
    }
    let median = |(column, mut heights): (i64, Vec<(f64, u64)>)| {
        heights.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: u64 = heights.iter().map(|(_, count)| count).sum();
        let mut below = 0;
        let middle = heights.iter().find(|(_, count)| {
            below += count;
            2 * below >= total
        });
        let place = (column as f64 + 0.5) * COLUMN;
        middle
            .filter(|_| total >= LEAST_COUNT)
            .map(|(height, _)| [place, *height])
    };
    columns.into_iter().filter_map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_points_and_of_cells_agree_with_sorting() {
        for count in [1000, 20_000] {
            let mut density = Density::new();
            for i in 0..count {
                let part = f64::from(i) / f64::from(count);
                // within one column, heights between −2 and 0, half of them below −1.5
                density.add([
                    0.01 + 0.2 * part,
                    if i % 2 == 0 {
                        -2.0 + 0.5 * part
                    } else {
                        -1.5 + 1.5 * part
                    },
                ]);
            }
            density.add([3.0, 3.0]);
            let medians = medians(&density);
            assert_eq!(medians.len(), 1, "a column of one atom has no median");
            assert_eq!(medians[0][0], 0.125);
            assert!((medians[0][1] + 1.5).abs() < 0.06, "{medians:?}");
        }
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(shortened("300K_MD"), "300K_MD");
        assert_eq!(
            shortened("abcdefghijklmnopqrstuvwxyz0123"),
            "abcdefghijkl…uvwxyz0123"
        );
    }
}
