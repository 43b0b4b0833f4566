//! One target's section: how coverage grew, drawn and in figures, and what one engine only reached.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::axis::{Spacing, Tick, log_time_ticks, powers_of_ten, short_count};
use super::chart::{Chart, STYLES, amount};
use super::growth::{Curve, Over};
use super::markup::{count, counted, escape};
use super::words;
use crate::report::{Comparison, EngineResult, TargetResult};

/// A target: how coverage grew, and what one engine only reached.
pub(super) fn section(comparison: &Comparison, target: &TargetResult, number: usize) -> String {
    let mut html = format!(
        "<section id=\"target-{number}\" class=\"of-target\">\n<h2><code>{}</code></h2>\n\
         <p>Drives {}. Inputs have at most {} bytes.</p>\n",
        escape(&target.target),
        escape(&target.drives),
        count(target.max_input),
    );
    let over_executions = curves(comparison, target, Over::Executions);
    let over_time = curves(comparison, target, Over::Time);
    if over_executions.is_empty() {
        html += "<p>Nothing was executed: there is no growth to show.</p>\n";
    } else {
        if let Some(sentence) = words::at_equal_executions(&over_executions) {
            let _ = writeln!(html, "<p>{}</p>", escape(&sentence));
        }
        html += "<div class=\"charts\">\n";
        html += &figure(target, number, Over::Time, &over_time);
        html += &figure(target, number, Over::Executions, &over_executions);
        html += "</div>\n";
        html += &reading_notes(target, &over_time);
        html += &growth_in_figures(&over_time, &over_executions);
    }
    html += &only_here(target);
    html + "</section>\n"
}

/// The curves of a target's engines; an engine's style is the same on all targets.
fn curves<'a>(comparison: &Comparison, target: &'a TargetResult, over: Over) -> Vec<Curve<'a>> {
    let titles = words::engines(comparison);
    let style = |engine: &EngineResult| {
        let place = titles.iter().position(|title| *title == engine.title);
        place.unwrap_or(0) % STYLES
    };
    target
        .engines
        .iter()
        .filter_map(|engine| Curve::new(target, engine, over, style(engine)))
        .collect()
}

/// A chart with its switch: both axes are drawn, and radio buttons say which is shown.
fn figure(target: &TargetResult, number: usize, over: Over, curves: &[Curve<'_>]) -> String {
    let (name, first) = match over {
        Over::Time => ("time", Spacing::Linear),
        Over::Executions => ("executions", Spacing::Logarithmic),
    };
    let group = format!("target-{number}-{name}");
    let mut html = format!(
        "<figure>\n<fieldset>\n<legend>Over {name}<span class=\"hidden\">: scale of the \
         horizontal axis</span></legend>\n"
    );
    let both = [
        (Spacing::Linear, "linear"),
        (Spacing::Logarithmic, "logarithmic"),
    ];
    for (spacing, word) in both {
        let checked = if spacing == first {
            " checked=\"checked\""
        } else {
            ""
        };
        let _ = write!(
            html,
            "<input type=\"radio\" class=\"pick-{word}\" name=\"{group}\" \
             id=\"{group}-{word}\"{checked}/><label for=\"{group}-{word}\">{word}</label>"
        );
    }
    html.push('\n');
    for (spacing, word) in both {
        let chart = Chart {
            id: &format!("{group}-{word}-chart"),
            title: &format!(
                "Source regions of {} over {name}, {word} axis",
                target.target
            ),
            over,
            spacing,
            seeds: target.seeds.reach.regions,
            curves,
        };
        let _ = write!(
            html,
            "<div class=\"panel {word}\">\n{}</div>\n",
            chart.svg()
        );
    }
    html + "</fieldset>\n</figure>\n"
}

/// How the charts are to be read.
fn reading_notes(target: &TargetResult, over_time: &[Curve<'_>]) -> String {
    let mut text = format!(
        "The vertical axes begin near what the seeds reach, {}, and not at 0; {} regions is all of the \
         code under test. A line is level until a kept input reaches something new; its mark is where \
         the run ended. Reading the seeds is left out.",
        count(target.seeds.reach.regions),
        count(target.total.regions),
    );
    for curve in over_time {
        if curve.failed {
            let _ = write!(
                text,
                " {} failed: its lines are drawn, but do not count.",
                curve.name
            );
        }
        if curve.last() < curve.reached {
            let _ = write!(
                text,
                " {}’s lines end at {}, below its {} in the table: they count what it kept, \
                 and it did not keep every seed.",
                curve.name,
                count(curve.last()),
                count(curve.reached),
            );
        }
    }
    format!("<p class=\"note\">{}</p>\n", escape(&text))
}

/// The charts as tables, for who wants figures or cannot see the charts.
fn growth_in_figures(over_time: &[Curve<'_>], over_executions: &[Curve<'_>]) -> String {
    let end = |curves: &[Curve<'_>]| curves.iter().map(|curve| curve.end).fold(0.0, f64::max);
    let times = log_time_ticks(0.1, end(over_time));
    let executions: Vec<Tick> = powers_of_ten(100.0, end(over_executions).max(100.0))
        .into_iter()
        .map(|value| Tick {
            value,
            label: short_count(value),
        })
        .collect();
    format!(
        "<details>\n<summary>The same in figures</summary>\n{}{}</details>\n",
        growth_table(over_time, Over::Time, &times),
        growth_table(over_executions, Over::Executions, &executions),
    )
}

fn growth_table(curves: &[Curve<'_>], over: Over, places: &[Tick]) -> String {
    let label = match over {
        Over::Time => "Regions reached after a time",
        Over::Executions => "Regions reached after a number of executions",
    };
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n<table>\n\
         <caption>{label}</caption>\n<thead>\n<tr><th scope=\"col\">engine</th>"
    );
    for place in places {
        let _ = write!(
            html,
            "<th scope=\"col\" class=\"figure\">{}</th>",
            place.label
        );
    }
    html += "<th scope=\"col\" class=\"figure\">end</th><th scope=\"col\" class=\"figure\">\
             last new region after</th></tr>\n</thead>\n<tbody>\n";
    for curve in curves {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(curve.name));
        for place in places {
            let cell = curve.at(place.value).map_or("–".to_owned(), count);
            let _ = write!(html, "<td>{cell}</td>");
        }
        let latest = curve
            .steps
            .last()
            .map_or("–".to_owned(), |&(at, _)| amount(over, at));
        let _ = writeln!(
            html,
            "<td>{}</td><td>{latest}</td></tr>",
            count(curve.last())
        );
    }
    html + "</tbody>\n</table>\n</div>\n"
}

/// The regions that one engine only reached, by file.
fn only_here(target: &TargetResult) -> String {
    let Some(sentence) = words::only_here(target) else {
        return String::new();
    };
    let mut html = format!(
        "<h3>Reached by one engine only</h3>\n<p>{}</p>\n",
        escape(&sentence)
    );
    for engine in &target.engines {
        if engine.only_here.is_empty() {
            continue;
        }
        let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for region in &engine.only_here {
            let places = files.entry(&region.file).or_default();
            places.push(format!("{}:{}", region.line, region.column));
        }
        let _ = writeln!(
            html,
            "<details>\n<summary>{}: {} in {}</summary>\n<ul class=\"places\">",
            escape(&engine.title),
            counted(engine.only_here.len(), "region", "regions"),
            counted(files.len(), "file", "files"),
        );
        for (file, places) in files {
            let _ = writeln!(
                html,
                "<li><code class=\"file\">{}</code> <span class=\"lines\">{}</span></li>",
                escape(file),
                escape(&places.join(", ")),
            );
        }
        html += "</ul>\n</details>\n";
    }
    html
}
