//! Box plots: a figure of every trial, an engine a row.

use maud::{Markup, html};
use statistics::quantile::{Quartiles, quartiles};

use super::axis::{Scale, round_values};
use super::svg::{Frame, line, mark, px, text};
use crate::format::{counted, median, short};

/// The fewest trials that have a box; fewer are shown as points alone, for their quartiles would be made up.
const LEAST_FOR_A_BOX: usize = 5;

const WIDTH: f64 = 480.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 8.0;
const ROW: f64 = 48.0;
const BOTTOM: f64 = 46.0;

/// One engine's values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) style: usize,
    /// A value for each trial that counts, in the order of trials.
    pub(super) values: Vec<f64>,
}

/// A box plot.
pub(super) struct Boxes<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What the values are, below the axis.
    pub(super) axis: &'a str,
    /// Whether the axis begins at 0.
    pub(super) from_zero: bool,
    pub(super) rows: &'a [Row<'a>],
}

impl Boxes<'_> {
    pub(super) fn svg(&self) -> Markup {
        let foot = TOP + ROW * self.rows.len() as f64;
        let x = self.scale();
        let words: Vec<String> = self.rows.iter().map(Row::words).collect();
        let frame = Frame {
            id: self.id,
            width: WIDTH,
            height: foot + BOTTOM,
            title: self.title,
            words: &words.join(" "),
        };
        frame.around(&html! {
            @for value in round_values(x.from, x.to, 5, true) {
                @let at = x.place(value);
                (line("grid", (at, TOP), (at, foot)))
                @let label = if x.to < 10_000.0 { median(value) } else { short(value) };
                (text("tick", (at, foot + 18.0), "middle", &label))
            }
            (line("axis", (x.start, foot), (x.end, foot)))
            (text("axis", (f64::midpoint(x.start, x.end), foot + 38.0), "middle", self.axis))
            @for (number, row) in self.rows.iter().enumerate() {
                @let at = TOP + ROW * (number as f64 + 0.5);
                (mark(row.style, (8.0, at)))
                (text("name", (18.0, at + 4.0), "start", row.name))
                (row.draw(&x, at))
            }
        })
    }

    fn scale(&self) -> Scale {
        let values = || self.rows.iter().flat_map(|row| row.values.iter().copied());
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(0.0, f64::max);
        let (from, to) = if self.from_zero || !least.is_finite() {
            (0.0, most.max(1.0) * 1.05)
        } else {
            let room = ((most - least) * 0.08).max(2.0);
            ((least - room).max(0.0), most + room)
        };
        Scale::linear(from, to, LEFT, WIDTH - RIGHT)
    }
}

impl Row<'_> {
    fn words(&self) -> String {
        let Some(middle) = quartiles(&self.values) else {
            return format!("{}: no trial counts.", self.name);
        };
        format!(
            "{}: {}, from {} to {}, median {}.",
            self.name,
            counted(self.values.len(), "trial", "trials"),
            median(self.values.iter().copied().fold(f64::INFINITY, f64::min)),
            median(self.values.iter().copied().fold(0.0, f64::max)),
            median(middle.median),
        )
    }

    /// The box from quartile to quartile, whiskers to the outermost values within one and a half times
    /// that (Tukey), the median, and every trial as a point.
    fn draw(&self, x: &Scale, at: f64) -> Markup {
        let Some(quartiles) = quartiles(&self.values) else {
            return text(
                "tick",
                (x.start + 8.0, at + 4.0),
                "start",
                "no trial counts",
            );
        };
        let class = |name: &str| format!("{name} style{}", self.style);
        let middle = x.place(quartiles.median);
        html! {
            @if self.values.len() >= LEAST_FOR_A_BOX {
                (self.box_and_whiskers(&quartiles, x, at))
            }
            (line(&class("median"), (middle, at - 14.0), (middle, at + 14.0)))
            @for (number, value) in self.values.iter().enumerate() {
                // Spread a little up and down, so that equal values are still distinct.
                @let off = [0.0, -6.0, 6.0, -3.0, 3.0][number % 5];
                circle class=(class("point")) cx=(px(x.place(*value))) cy=(px(at + off)) r="3" {}
            }
        }
    }

    fn box_and_whiskers(&self, quartiles: &Quartiles, x: &Scale, at: f64) -> Markup {
        let (first, third) = (quartiles.lower, quartiles.upper);
        let reach = 1.5 * (third - first);
        let near = |value: &f64| (first - reach..=third + reach).contains(value);
        let near = || self.values.iter().copied().filter(near);
        let (low, high) = (near().fold(first, f64::min), near().fold(third, f64::max));
        let class = format!("whisker style{}", self.style);
        let (left, right) = (x.place(first), x.place(third));
        html! {
            (line(&class, (x.place(low), at), (left, at)))
            (line(&class, (right, at), (x.place(high), at)))
            @for end in [low, high] {
                (line(&class, (x.place(end), at - 5.0), (x.place(end), at + 5.0)))
            }
            rect class=(format!("box style{}", self.style)) x=(px(left)) y=(px(at - 12.0))
                width=(px((right - left).max(1.0))) height="24" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64]) -> String {
        let rows = [Row {
            name: "<A>",
            style: 1,
            values: values.to_vec(),
        }];
        let boxes = Boxes {
            id: "b",
            title: "t",
            axis: "regions",
            from_zero: false,
            rows: &rows,
        };
        boxes.svg().into_string()
    }

    #[test]
    fn few_trials_are_points_and_more_have_a_box_too() {
        let few = drawn(&[3.0, 1.0, 2.0]);
        assert_eq!(few.matches("<circle").count(), 3);
        assert!(!few.contains("class=\"box") && few.contains("class=\"median"));
        let more = drawn(&[1.0, 2.0, 3.0, 4.0, 50.0]);
        assert_eq!(more.matches("<circle").count(), 5);
        assert_eq!(more.matches("class=\"box").count(), 1);
        assert!(more.contains("&lt;A&gt;: 5 trials, from 1 to 50, median 3."));
        // The box is from 2 to 4, so 50 is beyond 7: the right whisker ends at 4, which is the box's end.
        let right = "<line class=\"whisker style1\" x1=\"123.3\" y1=\"32\" x2=\"123.3\"";
        assert!(more.contains(right), "{more}");
        assert!(drawn(&[]).contains("no trial counts"));
    }
}
