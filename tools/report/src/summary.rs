//! A comparison in sentences and with a table: what is printed, and `summary.md`.

use std::fmt::Write as _;

use crate::format::{counted, moment, span};
use crate::{Comparison, markdown, results, sentences};

/// The comparison as Markdown, fit for a CI job's page and for a terminal.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!(
        "## Engines compared\n\n{} of {} of each engine on {}, {} at once, started {}.\n\n",
        counted(comparison.trials, "trial", "trials"),
        span(comparison.time_seconds),
        counted(comparison.targets.len(), "target", "targets"),
        comparison.machine.jobs,
        moment(&comparison.started),
    );
    for target in &comparison.targets {
        let _ = write!(
            text,
            "- `{}`: {}",
            target.target,
            sentences::reached(target)
        );
        for sentence in sentences::differences(target) {
            let _ = write!(text, " {sentence}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "- {}\n", sentences::finds(comparison));
    for note in &comparison.notes {
        let _ = writeln!(text, "> {note}\n");
    }
    let mut rows = vec![markdown::heading(&["target", "engine"])];
    rows[0].extend(results::COLUMNS.map(str::to_owned));
    for target in &comparison.targets {
        let mut row = |name: String, cells: [String; results::COLUMNS.len()]| {
            let names = [target.target.clone(), name];
            rows.push(names.into_iter().chain(cells).collect());
        };
        row("(seeds)".to_owned(), results::seeds(target));
        for (place, engine) in target.engines.iter().enumerate() {
            let cells = results::engine(target, place, comparison.trials);
            row(results::name(engine), cells);
        }
    }
    text += &format!("{}\n{}\n", markdown::table(&rows, 2), results::READING);
    let mut rows = vec![markdown::heading(&["target"])];
    rows[0].extend(results::SURVIVALS.map(str::to_owned));
    for target in &comparison.targets {
        let survivals = results::survivals(target).into_iter();
        rows.extend(survivals.map(|cells| [vec![target.target.clone()], cells].concat()));
    }
    if rows.len() > 1 {
        text += &format!(
            "\n## How long mistakes went unnoticed\n\n{}\n\n{}",
            sentences::FAULTS,
            markdown::table(&rows, 6)
        );
    }
    text
}
