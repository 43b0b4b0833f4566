//! Line charts of coverage: medians as lines, quartiles as bands around them.
//!
//! A chart is drawn in two layouts, of which the page's style shows the one that fits: a chart that is
//! merely scaled down to a telephone's width has letters that nobody can read.

use std::fmt::Write as _;

use super::axis::{
    Scale, Spacing, Tick, log_time_ticks, power_of_ten_below, powers_of_ten, round_values,
    short_count, thin_out, time_ticks,
};
use super::growth::{Curve, Over};
use super::markup::{count, counted, measured, middling};
use super::svg::{Drawing, LABEL_HEIGHT, Svg, px, spread};
use crate::Band;

/// Decades that a logarithmic axis has at most; what is earlier is drawn at its beginning.
const MOST_DECADES: i32 = 7;

/// A chart.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    /// What is shown, for who cannot see it.
    pub(super) title: &'a str,
    pub(super) over: Over,
    pub(super) spacing: Spacing,
    /// The regions that the seeds reach.
    pub(super) seeds: usize,
    /// At least one.
    pub(super) curves: &'a [Curve<'a>],
}

/// Sizes, in SVG units.
struct Layout {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_labels: usize,
    y_labels: usize,
    /// Whether a line's label has room for its figure.
    figures: bool,
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        class: "wide",
        width: 900.0,
        height: 400.0,
        left: 50.0,
        right: 150.0,
        top: 30.0,
        bottom: 48.0,
        x_labels: 10,
        y_labels: 8,
        figures: true,
    },
    Layout {
        class: "narrow",
        width: 400.0,
        height: 330.0,
        left: 44.0,
        right: 96.0,
        top: 30.0,
        bottom: 48.0,
        x_labels: 5,
        y_labels: 6,
        figures: false,
    },
];

impl Chart<'_> {
    /// The chart in both layouts.
    pub(super) fn svg(&self) -> String {
        LAYOUTS.iter().map(|layout| self.draw(layout)).collect()
    }

    fn draw(&self, layout: &Layout) -> String {
        let x = self.x_scale(layout);
        let y = self.y_scale(layout);
        let mut svg = Svg::open(&Drawing {
            id: &format!("{}-{}", self.id, layout.class),
            class: layout.class,
            width: layout.width,
            height: layout.height,
            title: self.title,
            words: &self.words(),
        });
        self.draw_axes(&mut svg, layout, &x, &y);
        for curve in self.curves.iter().filter(|curve| curve.trials > 1) {
            svg.path(
                &format!("band style{}", curve.style),
                &band_path(curve, &x, &y),
            );
        }
        for curve in self.curves {
            let (start, steps) = steps(curve, &x, &y, |band| band.median);
            let mut path = start;
            for (at, level) in steps {
                let _ = write!(path, "H{at}V{level}");
            }
            let _ = write!(path, "H{}", px(x.place(curve.end())));
            svg.path(&format!("curve style{}", curve.style), &path);
        }
        self.draw_ends(&mut svg, layout, &x, &y);
        svg.finish()
    }

    /// The chart in words.
    fn words(&self) -> String {
        let mut words = format!("The seeds reach {} regions.", count(self.seeds));
        for curve in self.curves {
            let last = curve.last();
            let _ = match curve.last_rise() {
                Some(at) => write!(
                    words,
                    " {}: median {} in the end, quartiles {} and {}; the median rises last after {}.",
                    curve.name,
                    middling(last.median),
                    middling(last.low),
                    middling(last.high),
                    amount(self.over, at),
                ),
                None => write!(words, " {}: the median stays there.", curve.name),
            };
        }
        words
    }

    fn x_scale(&self, layout: &Layout) -> Scale {
        let ends = self.curves.iter().map(Curve::end);
        let to = ends.fold(f64::MIN_POSITIVE, f64::max);
        let from = match self.spacing {
            Spacing::Linear => 0.0,
            Spacing::Logarithmic => {
                let first = self
                    .curves
                    .iter()
                    .filter_map(Curve::first_rise)
                    .fold(to / 10.0, f64::min);
                power_of_ten_below(first).max(power_of_ten_below(to) / 10f64.powi(MOST_DECADES))
            }
        };
        Scale {
            spacing: self.spacing,
            from,
            to,
            start: layout.left,
            end: layout.width - layout.right,
        }
    }

    /// From a little below the seeds, so that their label has room, to a little above the highest band.
    fn y_scale(&self, layout: &Layout) -> Scale {
        let seeds = self.seeds as f64;
        let most = self.curves.iter().map(|curve| curve.last().high);
        let span = (most.fold(0.0, f64::max) - seeds).max(4.0);
        Scale {
            spacing: Spacing::Linear,
            from: seeds - span * 0.12,
            to: seeds + span * 1.06,
            start: layout.height - layout.bottom,
            end: layout.top,
        }
    }

    fn x_ticks(&self, x: &Scale, layout: &Layout) -> (Vec<Tick>, String) {
        let (mut ticks, title) = match (self.over, self.spacing) {
            (Over::Time, Spacing::Linear) => {
                let (ticks, unit) = time_ticks(x.to, layout.x_labels);
                (ticks, format!("time in {unit}"))
            }
            (Over::Time, Spacing::Logarithmic) => (
                log_time_ticks(x.from, x.to),
                "time (logarithmic)".to_owned(),
            ),
            (Over::Executions, spacing) => {
                let (values, title) = match spacing {
                    Spacing::Linear => {
                        (round_values(0.0, x.to, layout.x_labels, true), "executions")
                    }
                    Spacing::Logarithmic => {
                        (powers_of_ten(x.from, x.to), "executions (logarithmic)")
                    }
                };
                let tick = |value| Tick {
                    value,
                    label: short_count(value),
                };
                (values.into_iter().map(tick).collect(), title.to_owned())
            }
        };
        thin_out(&mut ticks, layout.x_labels);
        (ticks, title)
    }

    fn draw_axes(&self, svg: &mut Svg, layout: &Layout, x: &Scale, y: &Scale) {
        svg.text("axis", 0.0, 14.0, "start", "source regions reached");
        for value in round_values(y.from.max(0.0), y.to, layout.y_labels, true) {
            let at = y.place(value);
            svg.line("grid", (x.start, at), (x.end, at));
            let label = count(value as usize);
            svg.text("tick", x.start - 7.0, at + 4.0, "end", &label);
        }
        let (ticks, title) = self.x_ticks(x, layout);
        for tick in &ticks {
            let at = x.place(tick.value);
            svg.line("grid", (at, y.start), (at, y.end));
            svg.line("axis", (at, y.start), (at, y.start + 5.0));
            svg.text("tick", at, y.start + 19.0, "middle", &tick.label);
        }
        svg.line("axis", (x.start, y.start), (x.end, y.start));
        let middle = f64::midpoint(x.start, x.end);
        svg.text("axis", middle, layout.height - 8.0, "middle", &title);

        let seeds = y.place(self.seeds as f64);
        svg.line("seeds", (x.start, seeds), (x.end, seeds));
        let label = format!("seeds alone: {}", count(self.seeds));
        svg.text("seeds", x.end - 4.0, seeds + 15.0, "end", &label);
    }

    /// A mark where each curve ended, and the engine's name at the right, as near to its line as the
    /// other names allow.
    fn draw_ends(&self, svg: &mut Svg, layout: &Layout, x: &Scale, y: &Scale) {
        let ends: Vec<(f64, f64)> = self
            .curves
            .iter()
            .map(|curve| (x.place(curve.end()), y.place(curve.last().median)))
            .collect();
        let wanted: Vec<f64> = ends.iter().map(|&(_, at)| at).collect();
        let labels = spread(&wanted, LABEL_HEIGHT, y.end, y.start);
        for ((curve, &(end, at)), label) in self.curves.iter().zip(&ends).zip(labels) {
            let (mark, text) = (x.end + 16.0, x.end + 25.0);
            let path = format!(
                "M{} {}H{}L{} {}",
                px(end + 6.0),
                px(at),
                px((x.end + 4.0).max(end + 6.0)),
                px(mark - 6.0),
                px(label),
            );
            svg.path(&format!("leader style{}", curve.style), &path);
            svg.mark(curve.style, mark, label);
            let name = if layout.figures {
                format!("{} {}", curve.name, middling(curve.last().median))
            } else {
                curve.name.to_owned()
            };
            svg.text("name", text, label + 4.0, "start", &name);
        }
        for (curve, &(end, at)) in self.curves.iter().zip(&ends) {
            svg.mark(curve.style, end, at);
        }
    }
}

/// A place on an axis in words: `1.3 s`, `26 449 executions`.
pub(super) fn amount(over: Over, at: f64) -> String {
    match over {
        Over::Time => measured(at),
        Over::Executions => counted(at as usize, "execution", "executions"),
    }
}

/// A step function as its beginning, and places with the levels from there on, as SVG has them. Steps
/// that fall on one tenth of a unit are one, so that a path's length is bounded by the chart's width.
fn steps(
    curve: &Curve<'_>,
    x: &Scale,
    y: &Scale,
    value: impl Fn(&Band) -> f64,
) -> (String, Vec<(String, String)>) {
    let mut steps: Vec<(String, String)> = Vec::new();
    let start = px(y.place(curve.seeds));
    let mut level = start.clone();
    for band in &curve.bands {
        let (at, here) = (px(x.place(band.at)), px(y.place(value(band))));
        if here == level {
            continue;
        }
        level.clone_from(&here);
        match steps.last_mut() {
            Some(last) if last.0 == at => last.1 = here,
            _ => steps.push((at, here)),
        }
    }
    (format!("M{} {start}", px(x.start)), steps)
}

/// The area between the quartiles: along the upper one and back along the lower one.
fn band_path(curve: &Curve<'_>, x: &Scale, y: &Scale) -> String {
    let (mut path, upper) = steps(curve, x, y, |band| band.high);
    for (at, level) in upper {
        let _ = write!(path, "H{at}V{level}");
    }
    let (_, lower) = steps(curve, x, y, |band| band.low);
    let last = px(y.place(curve.last().low));
    let _ = write!(path, "H{}V{last}", px(x.place(curve.end())));
    for at in (0..lower.len()).rev() {
        let before = match at.checked_sub(1) {
            Some(before) => lower[before].1.clone(),
            None => px(y.place(curve.seeds)),
        };
        let _ = write!(path, "H{}V{before}", lower[at].0);
    }
    path + "z"
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Scale = Scale {
        spacing: Spacing::Linear,
        from: 0.0,
        to: 10.0,
        start: 0.0,
        end: 100.0,
    };
    const Y: Scale = Scale {
        spacing: Spacing::Linear,
        from: 0.0,
        to: 20.0,
        start: 200.0,
        end: 0.0,
    };

    fn curve<'a>(name: &'a str, bands: &[(f64, f64, f64, f64)]) -> Curve<'a> {
        let band = |&(at, low, median, high): &(f64, f64, f64, f64)| Band {
            at,
            low,
            median,
            high,
        };
        Curve {
            name,
            style: 0,
            trials: 3,
            seeds: 5.0,
            bands: bands.iter().map(band).collect(),
        }
    }

    #[test]
    fn a_band_goes_forth_on_the_upper_quartile_and_back_on_the_lower() {
        let curve = curve(
            "",
            &[
                (2.0, 5.0, 6.0, 8.0),
                (4.0, 6.0, 9.0, 10.0),
                (9.0, 6.0, 9.0, 10.0),
            ],
        );
        assert_eq!(
            band_path(&curve, &X, &Y),
            "M0 150H20V120H40V100H90V140H40V150z"
        );
    }

    #[test]
    fn steps_at_one_place_or_on_one_level_are_one() {
        let curve = curve(
            "",
            &[
                (2.0, 5.0, 6.0, 6.0),
                (2.001, 5.0, 7.0, 7.0),
                (4.0, 5.0, 7.0, 7.0),
            ],
        );
        let (start, found) = steps(&curve, &X, &Y, |band| band.median);
        assert_eq!(start, "M0 150");
        assert_eq!(found, [("20".to_owned(), "130".to_owned())]);
    }

    #[test]
    fn a_chart_says_everything_in_words_and_escapes_names() {
        let curves = [
            curve(
                "<b>",
                &[(2.0, 5.0, 1006.0, 1010.0), (9.0, 5.0, 1006.0, 1010.0)],
            ),
            curve("flat", &[(9.0, 5.0, 5.0, 5.0)]),
        ];
        let chart = Chart {
            id: "c",
            title: "a & b",
            over: Over::Time,
            spacing: Spacing::Logarithmic,
            seeds: 5,
            curves: &curves,
        };
        let svg = chart.svg();
        assert!(svg.contains("<title id=\"c-wide-title\">a &amp; b</title>"));
        assert!(svg.contains(
            "&lt;b&gt;: median 1\u{202f}006 in the end, quartiles 5 and 1\u{202f}010; the median rises \
             last after 2.0\u{a0}s."
        ));
        assert!(svg.contains("flat: the median stays there."));
        assert!(svg.contains("seeds alone: 5") && !svg.contains("<b>"));
    }
}
