//! Axes of charts: which value lies where, and where to put numbers.

/// An axis with its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    scale: Scale,
    /// First and last value, as logarithms on a logarithmic axis.
    range: [f64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    /// To the base 10.
    Logarithmic,
}

/// A line of the grid, with its number if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// 0 at the beginning of the axis, 1 at its end.
    pub place: f64,
    /// Its number.
    pub text: Option<String>,
}

/// Part of the range that is left free at both ends.
const MARGIN: f64 = 0.04;
/// Fewest decades of a logarithmic axis.
const LEAST_DECADES: f64 = 0.5;

impl Axis {
    /// Around the values of a range.
    pub fn linear(label: impl Into<String>, [least, largest]: [f64; 2]) -> Self {
        let span = largest - least;
        // the same number twice: something to see around it
        let margin = match span > 1e-12 * least.abs().max(largest.abs()) {
            true => MARGIN * span,
            false => (0.1 * least.abs()).max(1e-9),
        };
        Self {
            label: label.into(),
            scale: Scale::Linear,
            range: [least - margin, largest + margin],
        }
    }

    /// From zero, or from the least value if that is less.
    pub fn from_zero(label: impl Into<String>, [least, largest]: [f64; 2]) -> Self {
        let mut axis = Self::linear(label, [least.min(0.0), largest.max(least)]);
        if least >= 0.0 {
            axis.range[0] = 0.0;
        }
        axis
    }

    /// Exactly a range, without margins.
    pub fn exact(label: impl Into<String>, range: [f64; 2]) -> Self {
        Self {
            label: label.into(),
            scale: Scale::Linear,
            range: match range[1] > range[0] {
                true => range,
                false => [range[0], range[0] + 1.0],
            },
        }
    }

    /// Logarithmic, around a range given in logarithms to the base 10.
    pub fn logarithmic(label: impl Into<String>, [least, largest]: [f64; 2]) -> Self {
        let middle = 0.5 * (least + largest);
        let half = (0.5 * (largest - least)).max(0.5 * LEAST_DECADES) * (1.0 + 2.0 * MARGIN);
        Self {
            label: label.into(),
            scale: Scale::Logarithmic,
            range: [middle - half, middle + half],
        }
    }

    /// Where a value lies, 0 at the beginning and 1 at the end; `None` for one that the axis cannot show.
    pub fn place(&self, value: f64) -> Option<f64> {
        let transformed = match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic if value > 0.0 => value.log10(),
            Scale::Logarithmic => return None,
        };
        transformed
            .is_finite()
            .then(|| self.place_transformed(transformed))
    }

    /// Where a value lies that is a logarithm already on a logarithmic axis.
    pub fn place_transformed(&self, value: f64) -> f64 {
        (value - self.range[0]) / (self.range[1] - self.range[0])
    }

    /// First and last value, as logarithms on a logarithmic axis.
    pub fn range(&self) -> [f64; 2] {
        self.range
    }

    /// Lines of the grid; about `count` with numbers on a linear axis.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(count),
            Scale::Logarithmic => self.logarithmic_ticks(count),
        }
    }

    fn linear_ticks(&self, count: usize) -> Vec<Tick> {
        let [first, last] = self.range;
        let step = round_step((last - first) / count.max(1) as f64);
        // the smallest number within the range, a hair before its beginning included
        let begin = (first / step - 1e-9).ceil() as i64;
        let end = (last / step + 1e-9).floor() as i64;
        (begin..=end)
            .map(|i| Tick {
                place: self.place_transformed(i as f64 * step),
                text: Some(number(i as f64 * step, step)),
            })
            .collect()
    }

    fn logarithmic_ticks(&self, count: usize) -> Vec<Tick> {
        let [first, last] = self.range;
        let decades = last - first;
        // numbers at every decade, or at every second, third, ... one
        let every = (decades / count.max(1) as f64).ceil().max(1.0) as i64;
        let factors: &[i64] = match decades {
            d if d < 1.1 => &[1, 2, 3, 4, 5, 6, 8],
            d if d < 2.2 => &[1, 2, 5],
            _ => &[1],
        };
        let mut ticks = Vec::new();
        for exponent in first.floor() as i64..=last.ceil() as i64 {
            for factor in 1..10 {
                let place = self.place_transformed(exponent as f64 + (factor as f64).log10());
                if !(-1e-9..=1.0 + 1e-9).contains(&place) {
                    continue;
                }
                let has_number = factors.contains(&factor) && exponent % every == 0;
                if has_number || (every == 1 && decades < 6.0) {
                    let text = has_number.then(|| power(factor, exponent));
                    ticks.push(Tick { place, text });
                }
            }
        }
        ticks
    }
}

/// The number nearest to another that is 1, 2 or 5 times a power of ten.
fn round_step(wanted: f64) -> f64 {
    let power = 10_f64.powf(wanted.log10().floor());
    let factor = match wanted / power {
        // the geometric means of neighbours
        f if f < 1.42 => 1.0,
        f if f < 3.17 => 2.0,
        f if f < 7.08 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// A number with the digits that a step needs.
fn number(value: f64, step: f64) -> String {
    let digits = -step.log10().floor();
    let text = match digits {
        d if !(-6.0..=6.0).contains(&d) => format!("{value:.1e}"),
        d => format!("{value:.0$}", d.max(0.0) as usize),
    };
    // no negative zero, and the sign of printers
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// factor · 10^exponent
fn power(factor: i64, exponent: i64) -> String {
    match exponent {
        0..=4 => (factor * 10_i64.pow(exponent as u32)).to_string(),
        -3..=-1 => format!(
            "{:.*}",
            -exponent as usize,
            factor as f64 * 10_f64.powi(exponent as i32)
        ),
        _ => format!("{factor}e{exponent}").replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<String> {
        axis.ticks(5)
            .into_iter()
            .filter_map(|tick| tick.text)
            .collect()
    }

    #[test]
    fn numbers_are_round_and_lie_within_the_axis() {
        assert_eq!(
            texts(&Axis::exact("", [0.0, 10.0])),
            ["0", "2", "4", "6", "8", "10"]
        );
        assert_eq!(
            texts(&Axis::exact("", [-0.3, 0.25])),
            ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2"]
        );
        assert_eq!(
            texts(&Axis::logarithmic("", [-3.0, 1.0])).join(" "),
            "0.001 0.01 0.1 1 10"
        );
        for axis in [
            Axis::linear("", [-1234.5, -1234.4]),
            Axis::linear("", [5.0, 5.0]),
            Axis::linear("", [0.0, 1e-7]),
            Axis::linear("", [-1e300, 1e300]),
            Axis::logarithmic("", [0.2, 0.2]),
            Axis::logarithmic("", [-30.0, 40.0]),
            Axis::from_zero("", [0.0, 0.0]),
        ] {
            let ticks = axis.ticks(5);
            assert!(ticks.iter().any(|tick| tick.text.is_some()), "{axis:?}");
            assert!(ticks.len() < 80, "{axis:?}");
            assert!(
                ticks
                    .iter()
                    .all(|tick| (-0.01..=1.01).contains(&tick.place)),
                "{axis:?}"
            );
        }
    }

    #[test]
    fn values_lie_where_they_belong() {
        let axis = Axis::exact("", [2.0, 4.0]);
        assert_eq!(axis.place(3.5), Some(0.75));
        assert_eq!(axis.place(f64::NAN), None);
        let axis = Axis::logarithmic("", [0.0, 2.0]);
        assert!((axis.place(10.0).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(axis.place(0.0), None);
    }
}
