//! Box plots: a figure of every trial, an engine a row.

use super::axis::{Scale, Spacing, round_values, short_count};
use super::markup::{count, counted, middling};
use super::svg::{Drawing, Svg};
use statistics::quantile::{Quartiles, quartiles, sorted};

/// Trials from which on a box is drawn; fewer are shown as points alone, for their quartiles would be
/// made up.
const LEAST_FOR_A_BOX: usize = 5;

const WIDTH: f64 = 420.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 8.0;
const ROW: f64 = 52.0;
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
    pub(super) fn svg(&self) -> String {
        let height = TOP + ROW * self.rows.len() as f64 + BOTTOM;
        let mut svg = Svg::open(&Drawing {
            id: self.id,
            class: "boxes",
            width: WIDTH,
            height,
            title: self.title,
            words: &self.words(),
        });
        let x = self.scale();
        let foot = height - BOTTOM;
        for value in round_values(x.from, x.to, 5, true) {
            let at = x.place(value);
            svg.line("grid", (at, TOP), (at, foot));
            let label = if x.to < 10_000.0 {
                count(value as usize)
            } else {
                short_count(value)
            };
            svg.text("tick", at, foot + 18.0, "middle", &label);
        }
        svg.line("axis", (x.start, foot), (x.end, foot));
        let middle = f64::midpoint(x.start, x.end);
        svg.text("axis", middle, height - 8.0, "middle", self.axis);
        for (number, row) in self.rows.iter().enumerate() {
            let at = TOP + ROW * (number as f64 + 0.5);
            svg.mark(row.style, 8.0, at);
            svg.text("name", 18.0, at + 4.0, "start", row.name);
            row.draw(&mut svg, &x, at);
        }
        svg.finish()
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
        Scale {
            spacing: Spacing::Linear,
            from,
            to,
            start: LEFT,
            end: WIDTH - RIGHT,
        }
    }

    fn words(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let sorted = in_order(&row.values);
            let Some(Quartiles { median, .. }) = quartiles(&sorted) else {
                return format!("{}: no trial counts.", row.name);
            };
            format!(
                "{}: {}, from {} to {}, median {}.",
                row.name,
                counted(sorted.len(), "trial", "trials"),
                middling(sorted[0]),
                middling(sorted[sorted.len() - 1]),
                middling(median),
            )
        });
        rows.collect::<Vec<_>>().join(" ")
    }
}

impl Row<'_> {
    /// The box from quartile to quartile, whiskers to the outermost values within one and a half times
    /// that (Tukey), the median, and every trial as a point.
    fn draw(&self, svg: &mut Svg, x: &Scale, at: f64) {
        let sorted = in_order(&self.values);
        let Some(quartiles) = quartiles(&sorted) else {
            svg.text("tick", x.start + 8.0, at + 4.0, "start", "no trial counts");
            return;
        };
        let style = self.style;
        if sorted.len() >= LEAST_FOR_A_BOX {
            let (first, third) = (quartiles.lower, quartiles.upper);
            let reach = 1.5 * (third - first);
            let within = |value: &&f64| (first - reach..=third + reach).contains(*value);
            let low = sorted.iter().find(within).copied().unwrap_or(first);
            let high = sorted.iter().rfind(within).copied().unwrap_or(third);
            let class = format!("whisker style{style}");
            let (left, right) = (x.place(first), x.place(third));
            svg.line(&class, (x.place(low), at), (left, at));
            svg.line(&class, (right, at), (x.place(high), at));
            for end in [low, high] {
                svg.line(&class, (x.place(end), at - 5.0), (x.place(end), at + 5.0));
            }
            let size = ((right - left).max(1.0), 24.0);
            svg.rectangle(&format!("box style{style}"), (left, at - 12.0), size);
        }
        let middle = x.place(quartiles.median);
        let class = format!("median style{style}");
        svg.line(&class, (middle, at - 14.0), (middle, at + 14.0));
        for (number, value) in self.values.iter().enumerate() {
            // Spread a little up and down, so that equal values are still told apart.
            let off = [0.0, -6.0, 6.0, -3.0, 3.0][number % 5];
            svg.disc(
                &format!("point style{style}"),
                x.place(*value),
                at + off,
                3.0,
            );
        }
    }
}

/// In order, without what is no number.
fn in_order(values: &[f64]) -> Vec<f64> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    sorted(&finite.collect::<Vec<f64>>())
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
        Boxes {
            id: "b",
            title: "t",
            axis: "regions",
            from_zero: false,
            rows: &rows,
        }
        .svg()
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
    }

    #[test]
    fn whiskers_stop_at_one_and_a_half_boxes() {
        // The box is from 2 to 4, so 50 is beyond 7: the whisker ends at 4, which is the box's end.
        let drawn = drawn(&[1.0, 2.0, 3.0, 4.0, 50.0]);
        let ends: Vec<&str> = drawn
            .lines()
            .filter(|line| line.contains("whisker"))
            .filter_map(|line| line.split("x2=\"").nth(1)?.split('"').next())
            .collect();
        assert_eq!(ends.len(), 4);
        assert_eq!(
            ends[1], ends[3],
            "the right whisker has no length: {ends:?}"
        );
    }

    #[test]
    fn an_engine_without_a_trial_that_counts_is_said() {
        assert!(drawn(&[]).contains("no trial counts"));
        assert!(drawn(&[f64::NAN]).contains("no trial counts"));
    }
}
