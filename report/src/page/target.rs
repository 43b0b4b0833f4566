//! One target's section: how coverage grew, where it ended, what was reached by whom.

use std::fmt::Write as _;

use super::axis::{Spacing, Tick, log_time_ticks, powers_of_ten, short_count};
use super::boxes::{Boxes, Row};
use super::chart::{Chart, amount};
use super::engines::Engines;
use super::files::Files;
use super::growth::{Curve, Over, curves};
use super::markup::{count, escape, interval, middling, scroll};
use super::{SourceFile, heat, pairs, source, survival, tables, upset};
use crate::{Comparison, EngineResult, TargetResult, TrialResult};

/// The section.
pub(super) fn section(
    comparison: &Comparison,
    engines: &Engines<'_>,
    sources: &[SourceFile],
    target: &TargetResult,
    number: usize,
) -> String {
    let files = Files::of(target, number, sources);
    let mut html = format!(
        "<section id=\"target-{number}\" class=\"of-target\">\n<h2><code>{}</code></h2>\n\
         <p>Drives {}. Inputs have at most {} bytes.</p>\n",
        escape(&target.target),
        escape(&target.drives),
        count(target.max_input),
    );
    html += &growth(engines, target, number);
    html += &ends(engines, target, number);
    html += &pairs::section(engines, target, number);
    html += &tables::milestones(target, number);
    html += &tables::crates(comparison, target, number);
    if !target.regions.is_empty() {
        html += &heat::section(target, &files, number);
        html += &upset::section(engines, target, &files, number);
    }
    html += &survival::section(comparison, engines, target, number);
    if !target.regions.is_empty() {
        html += &source::section(engines, target, &files, number);
    }
    html + "</section>\n"
}

/// The growth of coverage: four charts, of which two switches show one, and the same in figures.
fn growth(engines: &Engines<'_>, target: &TargetResult, number: usize) -> String {
    let mut html = format!("<h3 id=\"growth-{number}\">Growth of coverage</h3>\n");
    let over_time = curves(engines, target, Over::Time);
    let over_executions = curves(engines, target, Over::Executions);
    if over_time.is_empty() && over_executions.is_empty() {
        return html
            + "<p>Nothing was executed in a trial that counts: there is no growth to show.</p>\n";
    }
    html += "<figure class=\"growth switched\">\n";
    for (group, legend, [one, two]) in [
        (
            "over",
            "Horizontal axis",
            [("one", "time"), ("two", "executions")],
        ),
        (
            "scale",
            "Scale",
            [("linear", "linear"), ("logarithmic", "logarithmic")],
        ),
    ] {
        let _ = writeln!(html, "<fieldset>\n<legend>{legend}</legend>");
        for (at, (class, word)) in [one, two].into_iter().enumerate() {
            let checked = if at == 0 { " checked=\"checked\"" } else { "" };
            let id = format!("growth-{number}-{group}");
            let _ = write!(
                html,
                "<input type=\"radio\" class=\"pick-{class}\" name=\"{id}\" id=\"{id}-{class}\"{checked}/>\
                 <label for=\"{id}-{class}\">{word}</label>"
            );
        }
        html += "\n</fieldset>\n";
    }
    for (over, class, word, curves) in [
        (Over::Time, "one", "time", &over_time),
        (Over::Executions, "two", "executions", &over_executions),
    ] {
        for (spacing, scale) in [
            (Spacing::Linear, "linear"),
            (Spacing::Logarithmic, "logarithmic"),
        ] {
            let drawn = if curves.is_empty() {
                format!("<p>No trial that counts tells growth over {word}.</p>\n")
            } else {
                Chart {
                    id: &format!("growth-{number}-{word}-{scale}"),
                    title: &format!(
                        "Source regions of {} over {word}, {scale} axis",
                        target.target
                    ),
                    over,
                    spacing,
                    seeds: target.seeds.reach.regions,
                    curves,
                }
                .svg()
            };
            let _ = write!(
                html,
                "<div class=\"panel show-{class} show-{scale}\">\n{drawn}</div>\n"
            );
        }
    }
    html += "</figure>\n";
    let _ = writeln!(
        html,
        "<p class=\"note\">Lines are medians over an engine’s trials that count, the shades around them reach \
         from quartile to quartile. The vertical axis begins near what the seeds reach, {}, and not at 0; {} \
         regions is all of the code under test. Over executions a line ends where the trial with the \
         fewest ended.</p>",
        count(target.seeds.reach.regions),
        count(target.total.regions),
    );
    html + &growth_in_figures(target, &over_time, &over_executions)
}

/// The charts as tables, for who wants figures or cannot see the charts.
fn growth_in_figures(
    target: &TargetResult,
    over_time: &[Curve<'_>],
    over_executions: &[Curve<'_>],
) -> String {
    let end = |curves: &[Curve<'_>]| curves.iter().map(Curve::end).fold(0.0, f64::max);
    let times = log_time_ticks(0.1, end(over_time).max(0.1));
    let executions: Vec<Tick> = powers_of_ten(100.0, end(over_executions).max(100.0))
        .into_iter()
        .map(|value| Tick {
            value,
            label: short_count(value),
        })
        .collect();
    format!(
        "<details class=\"small\">\n<summary>The same in figures</summary>\n{}{}</details>\n",
        growth_table(target, over_time, Over::Time, &times),
        growth_table(target, over_executions, Over::Executions, &executions),
    )
}

fn growth_table(
    target: &TargetResult,
    curves: &[Curve<'_>],
    over: Over,
    places: &[Tick],
) -> String {
    let label = match over {
        Over::Time => "Regions reached after a time",
        Over::Executions => "Regions reached after a number of executions",
    };
    let mut html = format!(
        "<table>\n<caption>{label}: medians, and quartiles</caption>\n<thead>\n<tr><th scope=\"col\">engine</th>"
    );
    for place in places {
        let _ = write!(
            html,
            "<th scope=\"col\" class=\"figure\">{}</th>",
            place.label
        );
    }
    html += "<th scope=\"col\" class=\"figure\">end</th><th scope=\"col\" class=\"figure\">\
             the median’s last rise</th></tr>\n</thead>\n<tbody>\n";
    for curve in curves {
        let cell = |band: Option<crate::Band>| match band {
            None => "–".to_owned(),
            Some(band) => format!(
                "{}{}",
                middling(band.median),
                interval(band.low, band.high, middling)
            ),
        };
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(curve.name));
        for place in places {
            let _ = write!(html, "<td>{}</td>", cell(curve.at(place.value)));
        }
        let latest = curve
            .last_rise()
            .map_or("–".to_owned(), |at| amount(over, at));
        let _ = writeln!(
            html,
            "<td>{}</td><td>{latest}</td></tr>",
            cell(Some(curve.last()))
        );
    }
    scroll(
        &format!("{label} of {}", target.target),
        &(html + "</tbody>\n</table>\n"),
    )
}

/// Where the trials ended: regions, and executions a second.
fn ends(engines: &Engines<'_>, target: &TargetResult, number: usize) -> String {
    let rows = |value: &dyn Fn(&TrialResult) -> f64| -> Vec<Row<'_>> {
        let row = |engine| {
            let engine: &EngineResult = engine;
            Row {
                name: &engine.title,
                style: engines.style(&engine.engine),
                values: engine.counting().map(value).collect(),
            }
        };
        target.engines.iter().map(row).collect()
    };
    let regions = rows(&|trial| trial.reach.regions as f64);
    let speed = rows(&|trial| trial.executions_per_second);
    if regions.iter().all(|row| row.values.is_empty()) {
        return String::new();
    }
    let drawing = |name: &str, title: &str, axis, from_zero, rows: &[Row<'_>]| {
        Boxes {
            id: &format!("ends-{number}-{name}"),
            title: &format!("{title}, on {}", target.target),
            axis,
            from_zero,
            rows,
        }
        .svg()
    };
    format!(
        "<h3 id=\"ends-{number}\">Where the trials ended</h3>\n<div class=\"charts\">\n<figure>\n{}</figure>\n\
         <figure>\n{}</figure>\n</div>\n<p class=\"note\">A point is a trial, the thick stroke the median. From five \
         trials on there is a box from quartile to quartile, and whiskers to the outermost trials within one \
         and a half boxes. The axis of regions does not begin at 0. The figures of every trial are under \
         <a href=\"#conditions\">Conditions</a>.</p>\n",
        drawing(
            "regions",
            "Regions reached in each trial",
            "source regions in the end",
            false,
            &regions
        ),
        drawing(
            "speed",
            "Executions a second in each trial",
            "executions/s",
            true,
            &speed
        ),
    )
}
