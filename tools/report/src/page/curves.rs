//! Charts of step curves with bands around them: growth of coverage, and survival.

use maud::{Markup, html};

use super::axis::{Scale, Spacing, Tick, count_ticks, power_of_ten_below, thin_out, time_ticks};
use super::svg::{Frame, LABEL_HEIGHT, line, mark, path, px, spread, text};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 104.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;

/// The most labels along the horizontal axis.
const LABELS: usize = 6;

/// Decades that a logarithmic axis has at most; what is earlier is drawn at its beginning.
const MOST_DECADES: i32 = 7;

/// What the horizontal axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Seconds since the engine's start.
    Time,
    /// Executions of the target.
    Executions,
}

/// A place from which on a curve has other values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) at: f64,
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
}

/// One engine's curve.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    /// What the engine's line looks like: the same on every chart of a page.
    pub(super) style: usize,
    /// The value before the first step.
    pub(super) start: f64,
    /// The steps, in order.
    pub(super) steps: Vec<Step>,
    /// Where the curve ends.
    pub(super) end: f64,
}

impl Curve<'_> {
    /// The values at the end.
    pub(super) fn last(&self) -> Step {
        self.steps.last().copied().unwrap_or(Step {
            at: 0.0,
            low: self.start,
            middle: self.start,
            high: self.start,
        })
    }

    /// Where the upper end of the band leaves the start.
    fn first_change(&self) -> Option<f64> {
        let changed = |step: &&Step| step.at > 0.0 && step.high > self.start;
        self.steps.iter().find(changed).map(|step| step.at)
    }

    /// Where the middle has its last value from.
    pub(super) fn last_change(&self) -> Option<f64> {
        let last = self.last().middle;
        let there = self.steps.iter().rev();
        let first = there.take_while(|step| step.middle == last).last()?;
        (last != self.start).then_some(first.at)
    }

    /// The corners of the staircase of one value of each step.
    fn corners(&self, x: &Scale, y: &Scale, value: fn(&Step) -> f64) -> Vec<(f64, f64)> {
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

/// A path through these points, whose lines are level or upright.
fn through(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut before: Option<(f64, f64)> = None;
    for &(x, y) in points {
        path += &match before {
            None => format!("M{} {}", px(x), px(y)),
            Some((_, level)) if level == y => format!("H{}", px(x)),
            Some(_) => format!("V{}", px(y)),
        };
        before = Some((x, y));
    }
    path
}

/// A chart.
pub(super) struct Chart<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What it shows in words.
    pub(super) words: &'a str,
    pub(super) over: Over,
    pub(super) spacing: Spacing,
    /// What the vertical axis measures, its ends and its marks.
    pub(super) vertical: (&'a str, f64, f64, Vec<Tick>),
    /// A level line with its label.
    pub(super) base: Option<(f64, String)>,
    /// At least one.
    pub(super) curves: &'a [Curve<'a>],
}

impl Chart<'_> {
    pub(super) fn svg(&self) -> Markup {
        let x = self.horizontal();
        let (_, from, to, _) = self.vertical;
        let y = Scale::linear(from, to, HEIGHT - BOTTOM, TOP);
        let frame = Frame {
            id: self.id,
            width: WIDTH,
            height: HEIGHT,
            title: self.title,
            words: self.words,
        };
        frame.around(&html! {
            (self.axes(&x, &y))
            @for curve in self.curves {
                @let band = [
                    curve.corners(&x, &y, |step| step.high),
                    curve.corners(&x, &y, |step| step.low).into_iter().rev().collect(),
                ];
                (path("band", curve.style, &(through(&band.concat()) + "z")))
            }
            @for curve in self.curves {
                (path("curve", curve.style, &through(&curve.corners(&x, &y, |step| step.middle))))
            }
            (self.names(&x, &y))
        })
    }

    fn horizontal(&self) -> Scale {
        let ends = self.curves.iter().map(|curve| curve.end);
        let to = ends.fold(0.001, f64::max);
        let from = match self.spacing {
            Spacing::Linear => 0.0,
            Spacing::Logarithmic => {
                let changes = self.curves.iter().filter_map(Curve::first_change);
                let first = changes.fold(to / 10.0, f64::min);
                power_of_ten_below(first).max(power_of_ten_below(to) / 10f64.powi(MOST_DECADES))
            }
        };
        Scale {
            spacing: self.spacing,
            ..Scale::linear(from, to, LEFT, WIDTH - RIGHT)
        }
    }

    fn axes(&self, x: &Scale, y: &Scale) -> Markup {
        let (mut ticks, unit) = match self.over {
            Over::Time => {
                let (ticks, unit) = time_ticks(x, LABELS);
                (ticks, format!("time ({unit})"))
            }
            Over::Executions if self.spacing == Spacing::Linear => {
                (count_ticks(x, LABELS), "executions".to_owned())
            }
            Over::Executions => (
                count_ticks(x, LABELS),
                "executions (logarithmic)".to_owned(),
            ),
        };
        thin_out(&mut ticks, LABELS);
        let (title, _, _, marks) = &self.vertical;
        html! {
            (text("axis", (0.0, 14.0), "start", title))
            @for Tick { value, label } in marks {
                @let at = y.place(*value);
                (line("grid", (x.start, at), (x.end, at)))
                (text("tick", (x.start - 7.0, at + 4.0), "end", label))
            }
            @for Tick { value, label } in &ticks {
                @let at = x.place(*value);
                (line("grid", (at, y.start), (at, y.end)))
                (line("axis", (at, y.start), (at, y.start + 5.0)))
                (text("tick", (at, y.start + 19.0), "middle", label))
            }
            (line("axis", (x.start, y.start), (x.end, y.start)))
            (text("axis", (f64::midpoint(x.start, x.end), HEIGHT - 6.0), "middle", &unit))
            @if let Some((value, label)) = &self.base {
                @let at = y.place(*value);
                (line("seeds", (x.start, at), (x.end, at)))
                (text("seeds", (x.end - 4.0, at + 15.0), "end", label))
            }
        }
    }

    /// A mark where each curve ends, and the engine's name at the right, as near to its line as the other names allow.
    fn names(&self, x: &Scale, y: &Scale) -> Markup {
        let place = |curve: &Curve<'_>| (x.place(curve.end), y.place(curve.last().middle));
        let ends: Vec<(f64, f64)> = self.curves.iter().map(place).collect();
        let wanted: Vec<f64> = ends.iter().map(|&(_, at)| at).collect();
        let labels = spread(&wanted, LABEL_HEIGHT, y.end, y.start);
        let beside = x.end + 16.0;
        html! {
            @for ((curve, &(end, at)), label) in self.curves.iter().zip(&ends).zip(labels) {
                @let (from, to) = (px(end.max(x.end)), px(beside - 6.0));
                @let leader = format!("M{} {}H{from}L{to} {}", px(end), px(at), px(label));
                (path("leader", curve.style, &leader))
                (mark(curve.style, (beside, label)))
                (text("name", (beside + 9.0, label + 4.0), "start", curve.name))
                (mark(curve.style, (end, at)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(steps: &[(f64, f64, f64, f64)]) -> Curve<'static> {
        let step = |&(at, low, middle, high): &(f64, f64, f64, f64)| Step {
            at,
            low,
            middle,
            high,
        };
        Curve {
            name: "<b>",
            style: 0,
            start: 5.0,
            steps: steps.iter().map(step).collect(),
            end: 9.0,
        }
    }

    #[test]
    fn a_curve_is_a_staircase_from_its_start_to_its_end() {
        let (x, y) = (
            Scale::linear(0.0, 10.0, 0.0, 100.0),
            Scale::linear(0.0, 20.0, 200.0, 0.0),
        );
        let curve = curve(&[
            (2.0, 5.0, 6.0, 8.0),
            (4.0, 6.0, 9.0, 10.0),
            (7.0, 6.0, 9.0, 11.0),
        ]);
        let flat = super::tests::curve(&[(3.0, 5.0, 5.0, 5.0)]);
        let drawn = |value| through(&curve.corners(&x, &y, value));
        assert_eq!(drawn(|step| step.middle), "M0 150H20V140H40V110H90");
        assert_eq!(drawn(|step| step.low), "M0 150H40V140H90");
        assert_eq!(curve.first_change(), Some(2.0));
        assert_eq!(curve.last_change(), Some(4.0));
        assert_eq!(flat.last_change(), None);
    }
}
