//! A target's smaller tables: milestones, crates, trials.

use std::fmt::Write as _;

use super::engines::counting;
use super::markup::{count, escape, estimate, interval, measured, middling, percent, rate, scroll};
use crate::{Comparison, TargetResult};

/// When shares of the union were reached.
pub(super) fn milestones(target: &TargetResult, number: usize) -> String {
    let Some(marks) = target
        .engines
        .iter()
        .map(|engine| &engine.milestones)
        .find(|milestones| !milestones.is_empty())
    else {
        return String::new();
    };
    let mut table =
        String::from("<table>\n<thead>\n<tr><th scope=\"col\" rowspan=\"2\">engine</th>");
    for mark in marks {
        let _ = write!(
            table,
            "<th scope=\"colgroup\" colspan=\"3\" class=\"group\">{}\u{a0}% ({} regions)</th>",
            mark.percent,
            count(mark.regions)
        );
    }
    table += "</tr>\n<tr>";
    for _ in marks {
        table += "<th scope=\"col\" class=\"figure first\">trials</th>\
                  <th scope=\"col\" class=\"figure\">time</th>\
                  <th scope=\"col\" class=\"figure\">executions</th>";
    }
    table += "</tr>\n</thead>\n<tbody>\n";
    for engine in &target.engines {
        let _ = write!(
            table,
            "<tr><th scope=\"row\">{}</th>",
            escape(&engine.title)
        );
        for percent in marks.iter().map(|mark| mark.percent) {
            let mark = engine
                .milestones
                .iter()
                .find(|mark| mark.percent == percent);
            let Some(mark) = mark else {
                table += "<td class=\"first\">–</td><td>–</td><td>–</td>";
                continue;
            };
            let _ = write!(
                table,
                "<td class=\"first\">{} of {}</td><td>{}</td><td>{}</td>",
                mark.trials,
                counting(engine),
                estimate(mark.time_ms, time),
                estimate(mark.executions, middling),
            );
        }
        table += "</tr>\n";
    }
    format!(
        "<h3 id=\"milestones-{number}\">Time to shares of the union</h3>\n\
         <p class=\"note\">The union is what all engines and the seeds reach together, {} regions. Medians \
         over the trials that got there, with 95\u{a0}% intervals in brackets: where not all did, the \
         others would have taken longer. 0 is what the seeds reach.</p>\n{}",
        count(target.union.regions),
        scroll(
            &format!("Time to shares of the union of {}", target.target),
            &(table + "</tbody>\n</table>\n")
        )
    )
}

/// A time of so many milliseconds; 0 is what the seeds reach.
fn time(milliseconds: f64) -> String {
    if milliseconds <= 0.0 {
        "0".to_owned()
    } else {
        measured(milliseconds / 1000.0)
    }
}

/// The regions of each crate.
pub(super) fn crates(comparison: &Comparison, target: &TargetResult, number: usize) -> String {
    if comparison.code.is_empty() || target.engines.iter().all(|engine| engine.crates.is_empty()) {
        return String::new();
    }
    let mut table = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">crate</th><th scope=\"col\" class=\"figure\">regions</th>",
    );
    for engine in &target.engines {
        let _ = write!(
            table,
            "<th scope=\"col\" class=\"figure\">{}</th>",
            escape(&engine.title)
        );
    }
    table += "</tr>\n</thead>\n<tbody>\n";
    for of_crate in &comparison.code {
        let _ = write!(
            table,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td>",
            escape(&of_crate.name),
            count(of_crate.total.regions)
        );
        for engine in &target.engines {
            let reached = engine.crates.iter().find(|one| one.name == of_crate.name);
            let cell = match reached.and_then(|one| one.regions) {
                Some(regions) if regions.high <= 0.0 => "0".to_owned(),
                Some(regions) => format!(
                    "{} <span class=\"aside\">{}</span>{}",
                    middling(regions.median),
                    percent(regions.median.round() as usize, of_crate.total.regions),
                    interval(regions.low, regions.high, middling),
                ),
                None => "–".to_owned(),
            };
            let _ = write!(table, "<td>{cell}</td>");
        }
        table += "</tr>\n";
    }
    format!(
        "<h3 id=\"crates-{number}\">Crate by crate</h3>\n<p class=\"note\">Regions that a trial reached: \
         medians, 95\u{a0}% intervals, and the median’s share of the crate.</p>\n{}",
        scroll(
            &format!("Regions of {} by crate", target.target),
            &(table + "</tbody>\n</table>\n")
        )
    )
}

/// Every trial.
pub(super) fn trials(target: &TargetResult) -> String {
    let mut table = String::from("<table>\n<thead>\n<tr><th scope=\"col\">engine and trial</th>");
    for heading in [
        "core",
        "seeds read",
        "time",
        "executions",
        "executions/s",
        "corpus",
        "regions",
        "lines",
        "functions",
        "stability",
    ] {
        let _ = write!(table, "<th scope=\"col\" class=\"figure\">{heading}</th>");
    }
    table += "<th scope=\"col\">started</th></tr>\n</thead>\n<tbody>\n";
    for engine in &target.engines {
        for trial in &engine.trials {
            let class = if trial.counts() {
                ""
            } else {
                " class=\"failed\""
            };
            let note = if trial.counts() { "" } else { " (failed)" };
            let _ = write!(
                table,
                "<tr{class}><th scope=\"row\">{} {}{note}</th>",
                escape(&engine.title),
                trial.trial
            );
            for cell in [
                trial.core.map_or("–".to_owned(), |core| core.to_string()),
                count(usize::try_from(trial.seeds_read).unwrap_or(usize::MAX)),
                measured(trial.seconds),
                count(usize::try_from(trial.executions).unwrap_or(usize::MAX)),
                rate(trial.executions_per_second),
                count(trial.corpus),
                count(trial.reach.regions),
                count(trial.reach.lines),
                count(trial.reach.functions),
                trial
                    .stability
                    .map_or("–".to_owned(), |percent| format!("{percent:.1}\u{a0}%")),
            ] {
                let _ = write!(table, "<td>{cell}</td>");
            }
            let _ = writeln!(
                table,
                "<td class=\"word\">{}</td></tr>",
                escape(&trial.started)
            );
        }
    }
    let mut html = scroll(
        &format!("Trials on {}", target.target),
        &(table + "</tbody>\n</table>\n"),
    );
    for engine in &target.engines {
        for trial in &engine.trials {
            if let Some(failure) = &trial.failure {
                let _ = writeln!(
                    html,
                    "<p class=\"note\">{}, trial {}, does not count: {}</p>",
                    escape(&engine.title),
                    trial.trial,
                    escape(failure)
                );
            }
        }
    }
    html
}
