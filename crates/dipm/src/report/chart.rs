//! Charts as inline SVG, which every browser shows without anything else.
//!
//! Colours are those of Okabe and Ito, told apart with any colour vision; lines differ in their dashes too.

use super::axis::{Axis, Tick};
use super::html::{append, escaped};
use crate::evaluation::{Density, Marks};

/// Colours and dashes of lines, in the order of their use.
const STYLES: [(&str, &str); 6] = [
    ("#0072b2", ""),
    ("#d55e00", "7 2"),
    ("#009e73", "6 3"),
    ("#cc79a7", "2 2"),
    ("#e69f00", "8 3 2 3"),
    ("#56b4e9", "4 4"),
];
/// Shades of counts, few to many.
const SHADES: [&str; 8] = [
    "#c9ddf0", "#a6cae6", "#7db4da", "#5299ca", "#317db8", "#19609f", "#0c447d", "#08285a",
];
const INK: &str = "#24292f";
const FAINT: &str = "#6a737d";
const GRID: &str = "#e4e7eb";
const FINE_GRID: &str = "#f1f3f5";
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 42.0;
const FONT: f64 = 11.0;
/// Lines of so few points have a dot at each.
const FEW: usize = 40;

/// A chart being drawn.
#[derive(Debug, Clone)]
pub struct Chart {
    title: String,
    description: String,
    /// Width and height of the part within the axes.
    plot: [f64; 2],
    x: Axis,
    y: Axis,
    body: String,
    legend: Vec<(usize, String)>,
    /// Texts with their colours.
    notes: Vec<(String, &'static str)>,
    /// Largest count of a cell.
    most: Option<u64>,
}

impl Chart {
    /// A wide chart.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            description: String::new(),
            plot: [432.0, 216.0],
            x,
            y,
            body: String::new(),
            legend: Vec::new(),
            notes: Vec::new(),
            most: None,
        }
    }

    /// A chart as wide as it is high.
    pub fn square(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            plot: [216.0, 216.0],
            ..Self::new(title, x, y)
        }
    }

    /// Says in words what is seen, for those who do not see it.
    pub fn describe(&mut self, text: impl Into<String>) {
        self.description = text.into();
    }

    /// A line of text in the upper left corner.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push((text.into(), INK));
    }

    fn point(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        Some(self.at(self.x.place(x)?, self.y.place(y)?))
    }

    /// From places on the axes to the plane of the drawing.
    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        [x * self.plot[0], (1.0 - y) * self.plot[1]]
    }

    /// A line through points, with its name in the legend unless that is empty; it is broken where the axes cannot show a point.
    pub fn line(&mut self, name: &str, points: &[[f64; 2]]) {
        self.styled_line(self.legend.len() % STYLES.len(), name, points);
    }

    /// A line over points or cells, in a colour that stands out from theirs; its name is among the notes.
    pub fn line_over_density(&mut self, name: &str, points: &[[f64; 2]]) {
        self.styled_line(1, "", points);
        self.notes.push((name.to_owned(), STYLES[1].0));
    }

    fn styled_line(&mut self, style: usize, name: &str, points: &[[f64; 2]]) {
        let (colour, dashes) = STYLES[style];
        if !name.is_empty() {
            self.legend.push((style, name.to_owned()));
        }
        let (mut path, mut dots) = (String::new(), String::new());
        let mut is_open = false;
        let mut drawn = 0;
        for point in points {
            match self.point(*point) {
                Some([x, y]) => {
                    let command = if is_open { 'L' } else { 'M' };
                    append(&mut path, format_args!("{command}{x:.1} {y:.1}"));
                    append(&mut dots, format_args!("M{x:.1} {y:.1}h0"));
                    drawn += 1;
                    is_open = true;
                }
                None => is_open = false,
            }
        }
        if drawn == 0 {
            return;
        }
        append(
            &mut self.body,
            format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-linejoin=\"round\"{}/>",
                dash(dashes)
            ),
        );
        if drawn <= FEW {
            self.dots(&dots, colour, 4.0);
        }
    }

    fn dots(&mut self, path: &str, colour: &str, diameter: f64) {
        append(
            &mut self.body,
            format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{diameter}\" stroke-linecap=\"round\"/>"
            ),
        );
    }

    /// Points, or shaded cells with a scale of the counts. Coordinates are logarithms already on logarithmic axes.
    pub fn density(&mut self, density: &Density) {
        let place = |chart: &Self, [x, y]: [f64; 2]| {
            chart.at(chart.x.place_transformed(x), chart.y.place_transformed(y))
        };
        match density.marks() {
            Marks::Points(points) => {
                let mut path = String::new();
                for point in points {
                    let [x, y] = place(self, *point);
                    append(&mut path, format_args!("M{x:.1} {y:.1}h0"));
                }
                let diameter = if points.len() > 300 { 2.5 } else { 4.0 };
                if !points.is_empty() {
                    append(&mut self.body, format_args!("<g opacity=\"0.6\">"));
                    self.dots(&path, STYLES[0].0, diameter);
                    self.body.push_str("</g>");
                }
            }
            Marks::Cells(cells) => {
                let most = cells.iter().map(|(_, count)| count).max().unwrap_or(1);
                let [wide, high] = cells.widths();
                let mut paths = vec![String::new(); SHADES.len()];
                for ([x, y], count) in cells.iter() {
                    let inside =
                        |[x, y]: [f64; 2]| [x.clamp(0.0, self.plot[0]), y.clamp(0.0, self.plot[1])];
                    let [left, bottom] = inside(place(self, [x, y]));
                    let [right, top] = inside(place(self, [x + wide, y + high]));
                    append(
                        &mut paths[shade(count, most)],
                        format_args!("M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}z"),
                    );
                }
                for (path, colour) in paths.iter().zip(SHADES) {
                    if !path.is_empty() {
                        append(
                            &mut self.body,
                            format_args!("<path d=\"{path}\" fill=\"{colour}\"/>"),
                        );
                    }
                }
                self.most = Some(most);
            }
        }
    }

    /// A thin line from one point to another, given as places on the axes: 0 at the beginning, 1 at the end.
    pub fn guide(&mut self, from: [f64; 2], to: [f64; 2]) {
        let [[x1, y1], [x2, y2]] = [from, to].map(|[x, y]| self.at(x, y));
        append(
            &mut self.body,
            format_args!(
                "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{FAINT}\" stroke-width=\"1\" stroke-dasharray=\"4 3\"/>"
            ),
        );
    }

    /// A vertical line at a value, with a word beside its upper end.
    pub fn mark(&mut self, x: f64, word: &str) {
        let Some(place) = self.x.place(x).filter(|place| (0.0..=1.0).contains(place)) else {
            return;
        };
        self.guide([place, 0.0], [place, 1.0]);
        let [x, _] = self.at(place, 1.0);
        let (x, anchor) = match place > 0.7 {
            true => (x - 4.0, "end"),
            false => (x + 4.0, "start"),
        };
        append(
            &mut self.body,
            format_args!(
                "<text x=\"{x:.1}\" y=\"11\" text-anchor=\"{anchor}\" fill=\"{FAINT}\">{}</text>",
                escaped(word)
            ),
        );
    }

    /// The drawing.
    pub fn svg(&self) -> String {
        let [wide, high] = self.plot;
        // charts side by side are aligned whether they have a legend or not
        let top = if wide > high { 44.0 } else { 26.0 };
        let (width, height) = (LEFT + wide + RIGHT, top + high + BOTTOM);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"{FONT}\" fill=\"{INK}\">",
            escaped(&format!("{}. {}", self.title, self.description))
        );
        append(
            &mut svg,
            format_args!(
                "<text x=\"{LEFT}\" y=\"16\" font-size=\"13\" font-weight=\"bold\">{}</text>",
                escaped(&self.title)
            ),
        );
        self.draw_legend(&mut svg);
        append(
            &mut svg,
            format_args!("<g transform=\"translate({LEFT} {top})\">"),
        );
        self.draw_axes(&mut svg);
        svg.push_str(&self.body);
        self.draw_notes(&mut svg);
        append(
            &mut svg,
            format_args!(
                "<rect width=\"{wide}\" height=\"{high}\" fill=\"none\" stroke=\"{FAINT}\"/></g></svg>"
            ),
        );
        svg
    }

    fn draw_legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for (style, name) in &self.legend {
            let (colour, dashes) = STYLES[*style];
            append(
                svg,
                format_args!(
                    "<path d=\"M{x:.1} 32h22\" stroke=\"{colour}\" stroke-width=\"2\"{}/><text x=\"{:.1}\" y=\"36\">{}</text>",
                    dash(dashes),
                    x + 27.0,
                    escaped(name)
                ),
            );
            x += 42.0 + 0.53 * FONT * name.chars().count() as f64;
        }
    }

    fn draw_axes(&self, svg: &mut String) {
        let [wide, high] = self.plot;
        let grid = |ticks: &[Tick], svg: &mut String, line: &dyn Fn(f64) -> String| {
            for (colour, has_text) in [(FINE_GRID, false), (GRID, true)] {
                let lines: String = ticks
                    .iter()
                    .filter(|tick| tick.text.is_some() == has_text)
                    .map(|tick| line(tick.place))
                    .collect();
                if !lines.is_empty() {
                    append(
                        svg,
                        format_args!("<path d=\"{lines}\" stroke=\"{colour}\"/>"),
                    );
                }
            }
        };
        let x_ticks = self.x.ticks((wide / 60.0) as usize);
        let y_ticks = self.y.ticks((high / 60.0) as usize);
        grid(&x_ticks, svg, &|place| {
            format!("M{:.1} 0v{high}", place * wide)
        });
        grid(&y_ticks, svg, &|place| {
            format!("M0 {:.1}h{wide}", (1.0 - place) * high)
        });
        for tick in &x_ticks {
            if let Some(text) = &tick.text {
                append(
                    svg,
                    format_args!(
                        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                        tick.place * wide,
                        high + 15.0
                    ),
                );
            }
        }
        for tick in &y_ticks {
            if let Some(text) = &tick.text {
                append(
                    svg,
                    format_args!(
                        "<text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                        (1.0 - tick.place) * high + 4.0
                    ),
                );
            }
        }
        append(
            svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
                 <text transform=\"translate(-48 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                0.5 * wide,
                high + 33.0,
                escaped(&self.x.label),
                0.5 * high,
                escaped(&self.y.label)
            ),
        );
    }

    /// The notes, and what the shades mean.
    fn draw_notes(&self, svg: &mut String) {
        let mut y = 15.0;
        for (note, colour) in &self.notes {
            append(
                svg,
                format_args!(
                    "<text x=\"8\" y=\"{y}\" fill=\"{colour}\">{}</text>",
                    escaped(note)
                ),
            );
            y += 14.0;
        }
        let Some(most) = self.most else { return };
        let numbers = [1, most].map(grouped);
        append(
            svg,
            format_args!(
                "<text x=\"8\" y=\"{y}\" fill=\"{FAINT}\">{}</text>",
                numbers[0]
            ),
        );
        for (i, colour) in SHADES.iter().enumerate() {
            append(
                svg,
                format_args!(
                    "<rect x=\"{}\" y=\"{}\" width=\"7\" height=\"8\" fill=\"{colour}\"/>",
                    17 + 7 * i,
                    y - 8.0
                ),
            );
        }
        append(
            svg,
            format_args!(
                "<text x=\"77\" y=\"{y}\" fill=\"{FAINT}\">{} per cell</text>",
                numbers[1]
            ),
        );
    }
}

/// Digits in groups of three, with narrow spaces.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// The shade of a count, by its logarithm.
fn shade(count: u64, most: u64) -> usize {
    let part = (count as f64).ln() / (most as f64).ln().max(f64::MIN_POSITIVE);
    ((part * SHADES.len() as f64) as usize).min(SHADES.len() - 1)
}

fn dash(dashes: &str) -> String {
    match dashes {
        "" => String::new(),
        dashes => format!(" stroke-dasharray=\"{dashes}\""),
    }
}
