//! A comparison in sentences and with a table: what is printed, and `summary.md`; and its growth for other programs.

use std::fmt::Write as _;

use crate::format::{counted, moment, span};
use crate::{Comparison, TargetResult, markdown, results, sentences};

/// The comparison as Markdown, fit for a CI job's page and for a terminal.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!(
        "## Engines compared\n\n{} of {} of each engine on {}, {} at once, started {}.\n\n",
        counted(comparison.trials, "trial", "trials"),
        span(comparison.time_seconds),
        comparison.scope(),
        comparison.machine.jobs,
        moment(&comparison.started),
    );
    for target in &comparison.targets {
        let mut sentences = vec![sentences::reached(target)];
        sentences.extend(sentences::differences(target));
        let (name, start) = (&target.target, target.start.suffix());
        let _ = writeln!(text, "- `{name}`{start}: {}", sentences.join(" "));
    }
    let _ = writeln!(text, "- {}\n", sentences::finds(comparison));
    for note in &comparison.notes {
        let _ = writeln!(text, "> {note}\n");
    }
    let table = |headings: &str, names, rows: fn(&TargetResult, usize) -> Vec<Vec<String>>| {
        let mut all = vec![markdown::heading(&format!("target | {headings}"))];
        for target in &comparison.targets {
            let rows = rows(target, comparison.trials).into_iter();
            all.extend(rows.map(|cells| [vec![target.title()], cells].concat()));
        }
        (all.len() > 1).then(|| markdown::table(&all, names))
    };
    if let Some(table) = table(results::COLUMNS, 2, results::rows) {
        let _ = writeln!(text, "{table}\n{}", results::READING);
    }
    let survivals = table(results::SURVIVALS, 6, |target, _| {
        results::survivals(target)
    });
    if let Some(table) = survivals {
        let faults = sentences::FAULTS;
        text += &format!("\n## How long mistakes went unnoticed\n\n{faults}\n\n{table}");
    }
    text
}

/// A line for every point of growth of every trial that counts, with a line of names first. Times are
/// milliseconds since the trial's start. From a point to the next, coverage is as at the former.
pub fn series(comparison: &Comparison) -> String {
    let mut text =
        String::from("target,start,engine,trial,time_ms,executions,regions,lines,functions\n");
    for (target, engine) in comparison.engines() {
        for trial in engine.counting() {
            let of = [&*target.target, target.start.name(), &engine.engine].join(",");
            for point in &trial.growth {
                let reached = [point.regions, point.lines, point.functions];
                let reached = reached.map(|count| count.to_string()).join(",");
                let (number, time, executions) = (trial.trial, point.time_ms, point.executions);
                text += &format!("{of},{number},{time},{executions},{reached}\n");
            }
        }
    }
    text
}
