//! Charts of step curves with bands around them, over logarithmic time or executions: growth of coverage, and survival.
//!
//! Colours come from the page's style, so that they follow its theme. A shape or a dash pattern repeats whatever a
//! colour shows.

use maud::{Markup, html};

use crate::Band;
use crate::format::{measured, median, short, span};

// In units that are CSS pixels at scale 1.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;

/// How many engines have looks of their own; after that, styles come again.
pub(super) const STYLES: usize = 8;

/// The marks of the styles, around the place that a path has moved to.
const MARKS: [&str; STYLES] = [
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "m-4 -4h8v8h-8z",
    "m0 -5l5 8.5h-10z",
    "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "m0 5l5 -8.5h-10z",
    "m-5 -2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
    "m-5 -5h10l-5 5l5 5h-10l5 -5z",
    "m-5 -5l5 5l5 -5v10l-5 -5l-5 5z",
];

/// Decades that the horizontal axis has at most; what is earlier is drawn at its beginning.
const MOST_DECADES: i32 = 5;

/// The values at which a time axis is marked, in milliseconds: powers of ten of the unit in which people give
/// such a time.
const TIMES: [u64; 11] = [
    1,
    10,
    100,
    1000,
    10_000,
    60_000,
    600_000,
    3_600_000,
    36_000_000,
    360_000_000,
    3_600_000_000,
];

/// What the horizontal axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Milliseconds since the engine's start.
    Time,
    /// Executions of the target.
    Executions,
}

/// One engine's curve.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    /// What the engine's line looks like: the same on every chart of a page.
    pub(super) style: usize,
    /// The value before the first step.
    pub(super) start: f64,
    /// The values from each place on, in order.
    pub(super) steps: Vec<Band>,
    /// Where the curve ends.
    pub(super) end: f64,
}

impl Curve<'_> {
    /// The values at the end.
    pub(super) fn last(&self) -> Band {
        self.steps.last().copied().unwrap_or(Band {
            at: 0.0,
            low: self.start,
            median: self.start,
            high: self.start,
        })
    }

    /// Where the band leaves the start.
    fn first_change(&self) -> Option<f64> {
        let changed =
            |step: &&Band| step.at > 0.0 && (step.low, step.high) != (self.start, self.start);
        self.steps.iter().find(changed).map(|step| step.at)
    }

    /// The corners of the staircase of one value of each step.
    fn corners(&self, x: &Scale, y: &Scale, value: fn(&Band) -> f64) -> Vec<(f64, f64)> {
        let mut level = y.place(self.start);
        let mut corners = vec![(x.start, level)];
        for step in &self.steps {
            let next = y.place(value(step));
            if next != level {
                let at = x.place(step.at);
                corners.extend([(at, level), (at, next)]);
                level = next;
            }
        }
        corners.push((x.place(self.end), level));
        corners
    }
}

/// A path through these points.
fn through(points: &[(f64, f64)]) -> String {
    let points = points.iter().map(|&(x, y)| format!("{} {}", px(x), px(y)));
    format!("M{}", points.collect::<Vec<_>>().join(" "))
}

/// An axis: the values from `from` to `to`, drawn from `start` to `end`.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    /// Equal ratios are equally long, and not equal steps.
    is_logarithmic: bool,
}

impl Scale {
    /// Where `value` is drawn. What lies outside is drawn at the nearer end.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        let part = if self.is_logarithmic {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.start + part * (self.end - self.start)
    }
}

/// The multiples of 1, 2 or 5 times a power of ten from `from` to `to`: as many as can be without exceeding `at_most`.
fn round_values(from: f64, to: f64, at_most: usize) -> Vec<f64> {
    let mut exponent = ((to - from) / at_most as f64).log10().floor() as i32;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            let step = factor * 10f64.powi(exponent);
            // A little slack, so that an end that is itself round is marked.
            let first = (from / step - 1e-9).ceil();
            let count = ((to / step + 1e-9).floor() - first + 1.0).max(0.0) as usize;
            if count <= at_most {
                return (0..count).map(|at| (first + at as f64) * step).collect();
            }
        }
        exponent += 1;
    }
}

/// The power of ten at or below `value`, which is above 0.
fn power_of_ten_below(value: f64) -> f64 {
    10f64.powi((value.log10() + 1e-9).floor() as i32)
}

/// The marks of a horizontal axis from one power of ten to any value: places and labels.
fn marks(over: Over, from: f64, to: f64) -> Vec<(f64, String)> {
    match over {
        Over::Time => {
            let times = TIMES.into_iter().map(|time_ms| {
                let label = match time_ms {
                    ..1000 => measured(time_ms as f64 / 1000.0),
                    _ => span(time_ms / 1000),
                };
                (time_ms as f64, label)
            });
            let is_shown = |time: f64| (from * 0.999..=to * 1.001).contains(&time);
            times.filter(|&(time, _)| is_shown(time)).collect()
        }
        Over::Executions => {
            let powers = (0..).map(|power| from * 10f64.powi(power));
            let powers = powers.take_while(|power| *power <= to * 1.001);
            powers.map(|power| (power, short(power))).collect()
        }
    }
}

/// A chart.
pub(super) struct Chart<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What it shows, for readers who cannot see it.
    pub(super) words: &'a str,
    pub(super) over: Over,
    /// What the vertical axis measures, and its ends.
    pub(super) vertical: (&'a str, f64, f64),
    /// A level line with its label.
    pub(super) base: Option<(f64, String)>,
    /// At least one.
    pub(super) curves: &'a [Curve<'a>],
}

impl Chart<'_> {
    pub(super) fn svg(&self) -> Markup {
        let x = self.horizontal();
        let (_, from, to) = self.vertical;
        let y = Scale {
            from,
            to,
            start: HEIGHT - BOTTOM,
            end: TOP,
            is_logarithmic: false,
        };
        let (title, words) = (format!("{}-title", self.id), format!("{}-text", self.id));
        html! {
            svg.plot width=(px(WIDTH)) viewBox=(format!("0 0 {} {}", px(WIDTH), px(HEIGHT))) role="img"
                aria-labelledby=(format!("{title} {words}")) {
                title id=(title) { (self.title) }
                desc id=(words) { (self.words) }
                (self.axes(&x, &y))
                @for curve in self.curves {
                    @let band = [
                        curve.corners(&x, &y, |step| step.high),
                        curve.corners(&x, &y, |step| step.low).into_iter().rev().collect(),
                    ];
                    (path("band", curve.style, &(through(&band.concat()) + "z")))
                }
                @for curve in self.curves {
                    (path("curve", curve.style, &through(&curve.corners(&x, &y, |step| step.median))))
                }
                @for curve in self.curves {
                    (mark(curve.style, (x.place(curve.end), y.place(curve.last().median))))
                }
            }
            p.legend {
                @for curve in self.curves { span { (key(curve.style)) (curve.name) } }
            }
        }
    }

    fn horizontal(&self) -> Scale {
        let to = self
            .curves
            .iter()
            .map(|curve| curve.end)
            .fold(1.0, f64::max);
        let changes = self.curves.iter().filter_map(Curve::first_change);
        let first = power_of_ten_below(changes.fold(to / 10.0, f64::min));
        Scale {
            from: first.max(power_of_ten_below(to) / 10f64.powi(MOST_DECADES)),
            to,
            start: LEFT,
            end: WIDTH - RIGHT,
            is_logarithmic: true,
        }
    }

    fn axes(&self, x: &Scale, y: &Scale) -> Markup {
        let unit = match self.over {
            Over::Time => "time (logarithmic)",
            Over::Executions => "executions (logarithmic)",
        };
        html! {
            (text("axis", (0.0, 14.0), "start", self.vertical.0))
            @for value in round_values(y.from.max(0.0), y.to, 7) {
                @let at = y.place(value);
                (line("grid", (x.start, at), (x.end, at)))
                (text("tick", (x.start - 7.0, at + 4.0), "end", &median(value)))
            }
            @for (value, label) in marks(self.over, x.from, x.to) {
                @let at = x.place(value);
                (line("grid", (at, y.start), (at, y.end)))
                (line("axis", (at, y.start), (at, y.start + 5.0)))
                (text("tick", (at, y.start + 19.0), "middle", &label))
            }
            (line("axis", (x.start, y.start), (x.end, y.start)))
            (text("axis", (f64::midpoint(x.start, x.end), HEIGHT - 6.0), "middle", unit))
            @if let Some((value, label)) = &self.base {
                @let at = y.place(*value);
                (line("seeds", (x.start, at), (x.end, at)))
                (text("seeds", (x.end - 4.0, at + 15.0), "end", label))
            }
        }
    }
}

fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    html! { line class=(class) x1=(px(from.0)) y1=(px(from.1)) x2=(px(to.0)) y2=(px(to.1)) {} }
}

fn path(class: &str, style: usize, path: &str) -> Markup {
    html! { path class=(format!("{class} style{style}")) d=(path) {} }
}

fn text(class: &str, (x, y): (f64, f64), anchor: &str, text: &str) -> Markup {
    html! { text class=(class) x=(px(x)) y=(px(y)) text-anchor=(anchor) { (text) } }
}

/// The mark of an engine: a disc, a square, a triangle, and so on.
fn mark(style: usize, (x, y): (f64, f64)) -> Markup {
    let shape = MARKS[style];
    path("mark", style, &format!("M{} {}{shape}", px(x), px(y)))
}

/// An engine's mark as a drawing of its own, to stand before the engine's name in a text.
fn key(style: usize) -> Markup {
    html! {
        svg.key.plot viewBox="0 0 12 12" aria-hidden="true" { (mark(style, (6.0, 6.0))) }
    }
}

/// A length or place with at most one decimal.
fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0 + 0.0;
    tenths.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(from: f64, to: f64, end: f64, is_logarithmic: bool) -> Scale {
        Scale {
            from,
            to,
            start: 0.0,
            end,
            is_logarithmic,
        }
    }

    #[test]
    fn a_curve_is_a_staircase_from_its_start_to_its_end() {
        let step = |[at, low, median, high]: [f64; 4]| Band {
            at,
            low,
            median,
            high,
        };
        let curve = Curve {
            name: "a",
            style: 0,
            start: 5.0,
            steps: [
                [2.0, 5.0, 6.0, 8.0],
                [4.0, 6.0, 9.0, 10.0],
                [7.0, 6.0, 9.0, 11.0],
            ]
            .map(step)
            .into(),
            end: 9.0,
        };
        let x = scale(0.0, 10.0, 100.0, false);
        let y = scale(0.0, 20.0, 200.0, false);
        let drawn = |value| through(&curve.corners(&x, &y, value));
        assert_eq!(
            drawn(|step| step.median),
            "M0 50 20 50 20 60 40 60 40 90 90 90"
        );
        assert_eq!(drawn(|step| step.low), "M0 50 40 50 40 60 90 60");
        assert_eq!(curve.first_change(), Some(2.0));
        // What lies outside of an axis is drawn at its nearer end.
        let ratios = scale(10.0, 1000.0, 200.0, true);
        let places = [0.0, 10.0, 100.0, 1000.0, 1e9].map(|value| ratios.place(value).round());
        assert_eq!(places, [0.0, 0.0, 100.0, 200.0, 200.0]);
    }

    #[test]
    fn marks_are_round_and_never_more_than_fit() {
        assert_eq!(round_values(0.0, 8.9, 6), [0.0, 2.0, 4.0, 6.0, 8.0]);
        for at_most in 1..12 {
            for to in [1.0, 7.0, 99.0, 1234.5, 4_488_590.0, 1e12] {
                let values = round_values(0.0, to, at_most);
                assert!(values.len() <= at_most && values.iter().all(|value| *value <= to));
                assert!(at_most < 4 || values.len() * 3 >= at_most, "{values:?}");
            }
        }
        let labels = |over, from, to| {
            let labels = marks(over, from, to).into_iter().map(|(_, label)| label);
            labels.collect::<Vec<_>>().join("|").replace('\u{a0}', " ")
        };
        let hour = labels(Over::Time, 10.0, 3_650_000.0);
        assert_eq!(hour, "10 ms|100 ms|1 s|10 s|1 min|10 min|1 h");
        let executions = labels(Over::Executions, 10.0, 4e6);
        assert_eq!(executions, "10|100|1k|10k|100k|1M");
        assert_eq!(power_of_ten_below(58.0), 10.0);
        assert_eq!(power_of_ten_below(1000.0), 1000.0);
    }
}
