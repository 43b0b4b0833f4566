//! How long finds and planted faults went unnoticed: survival curves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::axis::{Scale, Spacing, time_ticks};
use super::engines::Engines;
use super::markup::{escape, measured, scroll};
use super::svg::{Drawing, LABEL_HEIGHT, Svg, px, spread};
use crate::{Comparison, Subject, Survival, SurvivalStep, TargetResult};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 84.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;

/// The curves of a target, a chart for each find and fault; nothing when there are none.
pub(super) fn section(
    comparison: &Comparison,
    engines: &Engines<'_>,
    target: &TargetResult,
    number: usize,
) -> String {
    let mut subjects: BTreeMap<(bool, &str), Vec<&Survival>> = BTreeMap::new();
    for survival in &target.survivals {
        let is_fault = survival.kind == Subject::Fault;
        let key = (is_fault, survival.of.as_str());
        subjects.entry(key).or_default().push(survival);
    }
    if subjects.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h3 id=\"survival-{number}\">How long mistakes went unnoticed</h3>\n<p class=\"note\">A curve falls \
         when a trial catches it; where it stays at 1, no trial did (Kaplan–Meier; the shade is the \
         95\u{a0}% interval). Planted faults show how strong the oracle is; they do not rank engines.</p>\n\
         <div class=\"multiples\">\n"
    );
    for (at, ((is_fault, subject), curves)) in subjects.iter().enumerate() {
        let kind = if *is_fault { "planted fault" } else { "find" };
        let _ = write!(
            html,
            "<figure>\n<figcaption><code>{}</code> <span class=\"aside\">{kind}</span></figcaption>\n{}\
             </figure>\n",
            escape(subject),
            chart(
                comparison,
                engines,
                subject,
                curves,
                &format!("survival-{number}-{at}")
            ),
        );
    }
    html += "</div>\n";
    let mut table = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">what</th><th scope=\"col\">engine</th>\
         <th scope=\"col\" class=\"figure\">caught in</th><th scope=\"col\" class=\"figure\">first</th>\
         <th scope=\"col\" class=\"figure\">half of the trials by</th></tr>\n</thead>\n<tbody>\n",
    );
    for ((_, subject), curves) in &subjects {
        for curve in curves {
            let first = curve.steps.iter().find(|step| step.surviving < 1.0);
            let _ = writeln!(
                table,
                "<tr><th scope=\"row\"><code>{}</code></th><td class=\"word\">{}</td><td>{} of {}</td>\
                 <td>{}</td><td>{}</td></tr>",
                escape(subject),
                escape(engines.title(&curve.engine)),
                curve.caught,
                curve.trials,
                first.map_or("–".to_owned(), |step| seconds(step.time_ms)),
                curve.median_ms.map_or("–".to_owned(), seconds),
            );
        }
    }
    html + "<details class=\"small\">\n<summary>The same in figures</summary>\n"
        + &scroll(
            &format!("Time to catch on {}", target.target),
            &(table + "</tbody>\n</table>\n"),
        )
        + "</details>\n"
}

fn seconds(time_ms: u64) -> String {
    measured(time_ms as f64 / 1000.0)
}

fn chart(
    comparison: &Comparison,
    engines: &Engines<'_>,
    subject: &str,
    curves: &[&Survival],
    id: &str,
) -> String {
    let words: Vec<String> = curves
        .iter()
        .map(|curve| {
            format!(
                "{}: caught in {} of {} trials{}.",
                engines.title(&curve.engine),
                curve.caught,
                curve.trials,
                curve.median_ms.map_or(String::new(), |time| format!(
                    ", half of them by {}",
                    seconds(time)
                ))
            )
        })
        .collect();
    let mut svg = Svg::open(&Drawing {
        id,
        class: "survival",
        width: WIDTH,
        height: HEIGHT,
        title: &format!("Share of trials in which {subject} is not caught, over time"),
        words: &words.join(" "),
    });
    let steps = curves.iter().flat_map(|curve| &curve.steps);
    let latest = steps
        .map(|step| step.time_ms as f64 / 1000.0)
        .fold(0.0, f64::max);
    let end = latest.max(comparison.time_seconds as f64).max(0.001);
    let scale = |from, to, start, end| Scale {
        spacing: Spacing::Linear,
        from,
        to,
        start,
        end,
    };
    let x = scale(0.0, end, LEFT, WIDTH - RIGHT);
    let y = scale(0.0, 1.0, HEIGHT - BOTTOM, TOP);
    svg.text(
        "axis",
        0.0,
        14.0,
        "start",
        "share of trials that have not caught it",
    );
    for value in [0.0, 0.5, 1.0] {
        let at = y.place(value);
        svg.line("grid", (x.start, at), (x.end, at));
        svg.text("tick", x.start - 7.0, at + 4.0, "end", &value.to_string());
    }
    let (ticks, unit) = time_ticks(end, 5);
    for tick in &ticks {
        let at = x.place(tick.value);
        svg.line("axis", (at, y.start), (at, y.start + 5.0));
        svg.text("tick", at, y.start + 18.0, "middle", &tick.label);
    }
    svg.line("axis", (x.start, y.start), (x.end, y.start));
    let middle = f64::midpoint(x.start, x.end);
    svg.text(
        "axis",
        middle,
        HEIGHT - 6.0,
        "middle",
        &format!("time in {unit}"),
    );
    for curve in curves {
        let style = engines.style(&curve.engine);
        svg.path(
            &format!("band style{style}"),
            &interval(&curve.steps, &x, &y),
        );
    }
    let lasts: Vec<f64> = curves
        .iter()
        .map(|curve| y.place(curve.steps.last().map_or(1.0, |step| step.surviving)))
        .collect();
    let labels = spread(&lasts, LABEL_HEIGHT, y.end, y.start);
    for ((curve, last), label) in curves.iter().zip(&lasts).zip(labels) {
        let style = engines.style(&curve.engine);
        let mut path = format!("M{} {}", px(x.start), px(y.place(1.0)));
        for step in &curve.steps {
            let _ = write!(
                path,
                "H{}V{}",
                px(at(step, &x)),
                px(y.place(step.surviving))
            );
        }
        let _ = write!(path, "H{}", px(x.end));
        svg.path(&format!("curve style{style}"), &path);
        let leader = format!(
            "M{} {}L{} {}",
            px(x.end),
            px(*last),
            px(x.end + 8.0),
            px(label)
        );
        svg.path(&format!("leader style{style}"), &leader);
        svg.mark(style, x.end + 13.0, label);
        svg.text(
            "name",
            x.end + 21.0,
            label + 4.0,
            "start",
            engines.title(&curve.engine),
        );
    }
    svg.finish()
}

fn at(step: &SurvivalStep, x: &Scale) -> f64 {
    x.place(step.time_ms as f64 / 1000.0)
}

/// The area between the ends of the interval: along the upper one and back along the lower one.
fn interval(steps: &[SurvivalStep], x: &Scale, y: &Scale) -> String {
    let full = px(y.place(1.0));
    let mut path = format!("M{} {full}", px(x.start));
    for step in steps {
        let _ = write!(path, "H{}V{}", px(at(step, x)), px(y.place(step.high)));
    }
    let lowest = steps.last().map_or(1.0, |step| step.low);
    let _ = write!(path, "H{}V{}", px(x.end), px(y.place(lowest)));
    for place in (0..steps.len()).rev() {
        let before = place.checked_sub(1).map_or(1.0, |before| steps[before].low);
        let _ = write!(
            path,
            "H{}V{}",
            px(at(&steps[place], x)),
            px(y.place(before))
        );
    }
    path + "z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_goes_forth_on_its_upper_end_and_back_on_its_lower() {
        let scale = |to, start, end| Scale {
            spacing: Spacing::Linear,
            from: 0.0,
            to,
            start,
            end,
        };
        let step = |time_ms, low, high| SurvivalStep {
            time_ms,
            surviving: f64::midpoint(low, high),
            low,
            high,
            at_risk: 1,
        };
        let steps = [step(1000, 0.5, 1.0), step(2000, 0.2, 0.8)];
        assert_eq!(
            interval(&steps, &scale(10.0, 0.0, 100.0), &scale(1.0, 100.0, 0.0)),
            "M0 0H10V0H20V20H100V80H20V50H10V0z"
        );
    }
}
