//! Line charts of coverage, as inline SVG.
//!
//! A chart is drawn in two layouts, of which the page's style shows the one that fits: a chart that is
//! merely scaled down to a telephone's width has letters that nobody can read. Colours come from the
//! page, so that they follow its theme; each line has a dash pattern and an end mark of its own too.

use std::fmt::Write as _;

use super::axis::{
    Scale, Spacing, Tick, log_time_ticks, power_of_ten_below, powers_of_ten, round_values,
    short_count, thin_out, time_ticks,
};
use super::growth::{Curve, Over};
use super::markup::{count, counted, escape, measured};

/// How many lines can be told apart; after that, styles come again.
pub(super) const STYLES: usize = 6;

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

/// Sizes, in SVG units, which are CSS pixels at scale 1.
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
        width: 640.0,
        height: 380.0,
        left: 50.0,
        right: 136.0,
        top: 30.0,
        bottom: 48.0,
        x_labels: 8,
        y_labels: 8,
        figures: true,
    },
    Layout {
        class: "narrow",
        width: 400.0,
        height: 310.0,
        left: 44.0,
        right: 86.0,
        top: 30.0,
        bottom: 48.0,
        x_labels: 5,
        y_labels: 6,
        figures: false,
    },
];

/// The least distance between the middles of two labels at the right.
const LABEL_HEIGHT: f64 = 17.0;

impl Chart<'_> {
    /// The chart in both layouts.
    pub(super) fn svg(&self) -> String {
        LAYOUTS.iter().map(|layout| self.draw(layout)).collect()
    }

    fn draw(&self, layout: &Layout) -> String {
        let x = self.x_scale(layout);
        let y = self.y_scale(layout);
        let (id, class) = (escape(self.id), layout.class);
        let mut svg = Svg(format!(
            "<svg class=\"plot {class}\" viewBox=\"0 0 {} {}\" role=\"img\" \
             aria-labelledby=\"{id}-{class}-title {id}-{class}-text\">\n\
             <title id=\"{id}-{class}-title\">{}</title>\n\
             <desc id=\"{id}-{class}-text\">{}</desc>\n",
            layout.width,
            layout.height,
            escape(self.title),
            escape(&self.words()),
        ));
        self.draw_axes(&mut svg, layout, &x, &y);
        for curve in self.curves {
            let class = format!("curve style{}", curve.style);
            svg.path(&class, &step_path(curve, &x, &y));
        }
        self.draw_ends(&mut svg, layout, &x, &y);
        svg.0 + "</svg>\n"
    }

    /// The chart in words.
    fn words(&self) -> String {
        let mut words = format!("The seeds reach {} regions.", count(self.seeds));
        for curve in self.curves {
            let _ = match curve.steps.last() {
                Some(&(at, regions)) => write!(
                    words,
                    " {} reaches {}, the last new one after {}.",
                    curve.name,
                    count(regions),
                    amount(self.over, at),
                ),
                None => write!(words, " {} reaches no more.", curve.name),
            };
        }
        words
    }

    fn x_scale(&self, layout: &Layout) -> Scale {
        let to = self
            .curves
            .iter()
            .map(|curve| curve.end)
            .fold(0.0, f64::max);
        let from = match self.spacing {
            Spacing::Linear => 0.0,
            Spacing::Logarithmic => {
                let first = self
                    .curves
                    .iter()
                    .filter_map(|curve| curve.steps.iter().find(|&&(at, _)| at > 0.0))
                    .map(|&(at, _)| at)
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

    /// From a little below the seeds, so that their label has room, to a little above the highest line.
    fn y_scale(&self, layout: &Layout) -> Scale {
        let seeds = self.seeds as f64;
        let most = self.curves.iter().map(Curve::last).max().unwrap_or(0) as f64;
        let span = (most - seeds).max(4.0);
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
            svg.text(
                "tick",
                x.start - 7.0,
                at + 4.0,
                "end",
                &count(value as usize),
            );
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

    /// A mark where each run ended, and the engine's name at the right, as near to its line as the
    /// other names allow.
    fn draw_ends(&self, svg: &mut Svg, layout: &Layout, x: &Scale, y: &Scale) {
        let ends: Vec<(f64, f64)> = self
            .curves
            .iter()
            .map(|curve| (x.place(curve.end), y.place(curve.last() as f64)))
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
                format!("{} {}", curve.name, count(curve.last()))
            } else {
                curve.name.to_owned()
            };
            let class = if curve.failed { "name failed" } else { "name" };
            svg.text(class, text, label + 4.0, "start", &name);
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

/// A curve as an SVG path: level until something new is reached, then straight up. Steps that fall on
/// one tenth of a unit are drawn as one, so that a path's length is bounded by the chart's width.
fn step_path(curve: &Curve<'_>, x: &Scale, y: &Scale) -> String {
    let place = |value: f64| px(x.place(value));
    let level = |regions: usize| px(y.place(regions as f64));
    let mut path = format!("M{} {}", px(x.start), level(curve.seeds));
    let mut steps = curve.steps.iter().peekable();
    while let Some(&(at, regions)) = steps.next() {
        let here = place(at);
        if steps.peek().is_some_and(|&&(next, _)| place(next) == here) {
            continue;
        }
        let _ = write!(path, "H{here}V{}", level(regions));
    }
    let _ = write!(path, "H{}", place(curve.end));
    path
}

/// The places nearest to those wanted, in the same order from top to bottom, that are `distance` apart
/// and lie between `top` and `bottom` as far as there is room.
fn spread(wanted: &[f64], distance: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = wanted.to_vec();
    let mut free = top;
    for &at in &order {
        places[at] = places[at].max(free);
        free = places[at] + distance;
    }
    let mut free = bottom;
    for &at in order.iter().rev() {
        places[at] = places[at].min(free);
        free = places[at] - distance;
    }
    places
}

/// A length or place with at most one decimal.
fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0 + 0.0;
    tenths.to_string()
}

/// SVG elements in the making. Classes are ours; texts are escaped here.
struct Svg(String);

impl Svg {
    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            px(from.0),
            px(from.1),
            px(to.0),
            px(to.1),
        );
    }

    fn path(&mut self, class: &str, path: &str) {
        let _ = writeln!(self.0, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            px(x),
            px(y),
            escape(text),
        );
    }

    /// The mark of a line: a disc, a square, a triangle, and so on.
    fn mark(&mut self, style: usize, x: f64, y: f64) {
        self.path(
            &format!("mark style{style}"),
            &format!("M{} {}{}", px(x), px(y), MARKS[style % STYLES]),
        );
    }
}

/// The marks, around the place that a path has moved to.
const MARKS: [&str; STYLES] = [
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "m-4 -4h8v8h-8z",
    "m0 -5l5 8.5h-10z",
    "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "m0 5l5 -8.5h-10z",
    "m-5 -2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
];

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

    fn curve(name: &str, steps: Vec<(f64, usize)>) -> Curve<'_> {
        Curve {
            name,
            failed: false,
            style: 0,
            seeds: 5,
            steps,
            end: 9.0,
            reached: 0,
        }
    }

    #[test]
    fn a_line_is_level_until_it_rises_and_goes_on_to_the_end_of_the_run() {
        let path = step_path(&curve("", vec![(2.0, 6), (4.0, 10)]), &X, &Y);
        assert_eq!(path, "M0 150H20V140H40V100H90");
        assert_eq!(step_path(&curve("", vec![]), &X, &Y), "M0 150H90");
    }

    #[test]
    fn steps_at_one_place_are_drawn_as_one() {
        let steps = vec![(2.0, 6), (2.001, 7), (2.002, 8), (4.0, 10)];
        assert_eq!(
            step_path(&curve("", steps), &X, &Y),
            "M0 150H20V120H40V100H90"
        );
        let many = (0..100_000).map(|at| (f64::from(at) / 12_000.0, at as usize));
        let path = step_path(&curve("", many.collect()), &X, &Y);
        assert!(path.len() < 20_000, "{}", path.len());
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        assert_eq!(spread(&[10.0, 90.0], 15.0, 0.0, 100.0), [10.0, 90.0]);
        assert_eq!(
            spread(&[50.0, 50.0, 50.0], 15.0, 0.0, 100.0),
            [50.0, 65.0, 80.0]
        );
        assert_eq!(spread(&[99.0, 98.0], 15.0, 0.0, 100.0), [100.0, 85.0]);
    }

    #[test]
    fn a_chart_says_everything_in_words_and_escapes_names() {
        let curves = [curve("<b>", vec![(2.0, 1006)]), curve("flat", vec![])];
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
        assert!(svg.contains("&lt;b&gt; reaches 1\u{202f}006, the last new one after 2.0\u{a0}s."));
        assert!(svg.contains("flat reaches no more."));
        assert!(svg.contains("seeds alone: 5") && !svg.contains("<b>"));
    }

    #[test]
    fn every_number_is_finite_however_little_there_is() {
        for spacing in [Spacing::Linear, Spacing::Logarithmic] {
            for over in [Over::Time, Over::Executions] {
                for (seeds, steps) in [(0, vec![]), (0, vec![(0.0, 1)]), (3, vec![(1.0, 4)])] {
                    let curves = [Curve {
                        seeds,
                        end: 1.0,
                        ..curve("x", steps)
                    }];
                    let svg = Chart {
                        id: "c",
                        title: "t",
                        over,
                        spacing,
                        seeds,
                        curves: &curves,
                    }
                    .svg();
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                }
            }
        }
    }
}
