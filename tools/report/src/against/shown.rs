//! Two runs in sentences and tables, fit for a terminal and for a job's page.

use std::fmt::Write as _;

use super::{Against, EngineAgainst, Quantity, TargetAgainst};
use crate::format::{NONE, estimate, median_time, moment, p_value, rounded};
use crate::markdown::{heading, table};
use crate::{Comparison, Verdict, sentences};

/// What a reader must know first: the notes of both runs, and what makes them hard to compare.
pub(super) fn notes(old: &Comparison, new: &Comparison, targets: &[TargetAgainst]) -> Vec<String> {
    let mut notes = Vec::new();
    if targets.iter().all(|target| target.engines.is_empty()) {
        notes.push(
            "The two runs have no engine on a target in common: there is nothing to compare."
                .to_owned(),
        );
    }
    let changed = |target: &TargetAgainst| target.total.old != target.total.new;
    if targets.iter().any(changed) {
        notes.push(
            "The code under test has changed: shares of its regions are compared, and a share may change because \
             the whole did."
                .to_owned(),
        );
    }
    if old.time_seconds != new.time_seconds {
        notes.push(
            "The trials had different times, so their ends do not show what a change did. What they reached after \
             equally many executions may."
                .to_owned(),
        );
    }
    let both = new.notes.iter().filter(|note| old.notes.contains(note));
    notes.extend(both.map(|note| format!("Both: {note}")));
    for (side, run, other) in [("Old", old, new), ("New", new, old)] {
        let of_side = run.notes.iter().filter(|note| !other.notes.contains(note));
        notes.extend(of_side.map(|note| format!("{side}: {note}")));
    }
    notes
}

/// The whole as Markdown whose tables also line up on a terminal.
#[must_use]
pub fn markdown(against: &Against) -> String {
    let (old, new) = (&against.runs.old, &against.runs.new);
    let mut text = format!(
        "# {} against {}\n\nNew: {0}, started {}. Old: {1}, started {}.\n\n## What differs in the conditions\n\n",
        new.from,
        old.from,
        moment(&new.started),
        moment(&old.started)
    );
    if against.differences.is_empty() {
        text +=
            "Nothing that the reports record. They do not record what else ran on the machine.\n\n";
    } else {
        for one in &against.differences {
            let _ = writeln!(text, "- {}: {} → {}", one.what, one.old, one.new);
        }
        text.push('\n');
    }
    for note in &against.notes {
        let _ = writeln!(text, "- {note}");
    }
    text += "\n## What the trials show\n\n";
    for target in &against.targets {
        for engine in &target.engines {
            let verdict = verdict(engine);
            let _ = writeln!(text, "- {}, {}: {verdict}", target.target, engine.title);
        }
    }
    for (title, quantity, show) in QUANTITIES {
        let _ = write!(text, "\n## {title}\n\n{}", figures(against, quantity, show));
    }
    text += &finds(against);
    let _ = writeln!(
        text,
        "\nThe new trials are the first group, the old ones the second. {}",
        sentences::METHODS
    );
    text
}

type Picked = fn(&EngineAgainst) -> &Quantity;
type Shown = fn(f64) -> String;

const QUANTITIES: [(&str, Picked, Shown); 3] = [
    (
        "Regions reached, in percent of all",
        |engine| &engine.percent,
        percent,
    ),
    (
        "Regions reached after equally many executions, in percent of all",
        |engine| &engine.percent_at_equal_executions,
        percent,
    ),
    (
        "Executions a second",
        |engine| &engine.executions_per_second,
        rounded,
    ),
];

fn percent(value: f64) -> String {
    format!("{value:.2}")
}

fn verdict(engine: &EngineAgainst) -> String {
    let (Some(old), Some(new)) = (engine.percent.estimates.old, engine.percent.estimates.new)
    else {
        return "no trial counts on one of the sides.".to_owned();
    };
    let medians = format!("{:.2} % before, {:.2} % now", old.median, new.median);
    let Some(contrast) = engine.percent.contrast else {
        return format!("not tested, as one trial on a side shows nothing ({medians}).");
    };
    let verdict = match contrast.verdict {
        Verdict::Higher => "reaches more",
        Verdict::Lower => "reaches less",
        Verdict::NotShown => "no difference is shown, which does not show that there is none",
        Verdict::TooFewTrials => "too few trials to show any difference at 5 %",
    };
    format!(
        "{verdict} ({medians}; p {} adjusted, A12 {:.2}, {}).",
        p_value(contrast.adjusted_p),
        contrast.a12,
        contrast.magnitude.word()
    )
}

fn figures(against: &Against, quantity: Picked, show: Shown) -> String {
    let mut rows = vec![heading(&[
        "target", "engine", "trials", "old", "new", "p", "adjusted", "A12", "effect",
    ])];
    for target in &against.targets {
        for engine in &target.engines {
            let Quantity {
                estimates,
                contrast,
            } = quantity(engine);
            let mut row = vec![
                target.target.clone(),
                engine.title.clone(),
                format!("{} / {}", engine.trials.old, engine.trials.new),
                estimate(estimates.old, show),
                estimate(estimates.new, show),
            ];
            row.extend(contrast.map_or_else(
                || [NONE; 4].map(str::to_owned),
                |contrast| {
                    [
                        p_value(contrast.p),
                        p_value(contrast.adjusted_p),
                        format!("{:.2}", contrast.a12),
                        contrast.magnitude.word().to_owned(),
                    ]
                },
            ));
            rows.push(row);
        }
    }
    table(&rows, 2)
}

/// Times to finds, when there are any.
fn finds(against: &Against) -> String {
    let mut rows = vec![heading(&[
        "target",
        "engine",
        "check",
        "trials, old",
        "trials, new",
        "median time, old",
        "median time, new",
        "p",
    ])];
    for target in &against.targets {
        for engine in &target.engines {
            rows.extend(engine.finds.iter().map(|find| {
                vec![
                    target.target.clone(),
                    engine.title.clone(),
                    find.check.clone(),
                    format!("{} of {}", find.caught.old, engine.trials.old),
                    format!("{} of {}", find.caught.new, engine.trials.new),
                    median_time(find.median_ms.old),
                    median_time(find.median_ms.new),
                    find.p.map_or_else(|| NONE.to_owned(), p_value),
                ]
            }));
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## Finds\n\nThe median time is when half of the trials had it. p: log-rank test, not adjusted.\n\n{}",
        table(&rows, 3)
    )
}
