//! Two runs in words and tables, fit for a terminal and for a job's page.

use std::fmt::Write as _;

use super::super::analysis::p_value;
use super::super::{Comparison, Estimate};
use super::{Against, EngineAgainst, Quantity, TargetAgainst, Verdict};
use crate::format::grouped;
use crate::format::median_time;

/// What a reader must know first: what the two runs say of themselves, and what was left out.
pub(super) fn notes(old: &Comparison, new: &Comparison, targets: &[TargetAgainst]) -> Vec<String> {
    let mut notes = Vec::new();
    if targets.iter().all(|target| target.engines.is_empty()) {
        notes.push(
            "The two runs have no engine on a target in common: there is nothing to compare."
                .to_owned(),
        );
    }
    if targets
        .iter()
        .any(|target| target.total.old != target.total.new)
    {
        notes.push(
            "The code under test has changed: shares of its regions are compared, and a share may change because \
             the whole did."
                .to_owned(),
        );
    }
    if old.time_seconds != new.time_seconds {
        notes.push(
            "The trials had different times: what they reached in the end is no comparison of what was changed; what \
             they reached after equally many executions may be."
                .to_owned(),
        );
    }
    for note in &new.notes {
        if old.notes.contains(note) {
            notes.push(format!("Both: {note}"));
        }
    }
    for (side, run, other) in [("Old", old, new), ("New", new, old)] {
        let of_side = run.notes.iter().filter(|note| !other.notes.contains(note));
        notes.extend(of_side.map(|note| format!("{side}: {note}")));
    }
    notes
}

/// The whole as Markdown whose tables also line up on a terminal.
#[must_use]
pub fn markdown(against: &Against) -> String {
    let mut text = format!(
        "# {} against {}\n\nNew: {}, started {}. Old: {}, started {}.\n\n",
        against.new.from,
        against.old.from,
        against.new.from,
        against.new.started,
        against.old.from,
        against.old.started
    );
    text += "## What differs in the conditions\n\n";
    if against.differences.is_empty() {
        text += "Nothing that the reports tell. What else ran on the machine, they do not.\n\n";
    } else {
        let mut rows = vec![vec![
            "condition".to_owned(),
            "old".to_owned(),
            "new".to_owned(),
        ]];
        rows.extend(against.differences.iter().map(|difference| {
            vec![
                difference.what.clone(),
                difference.old.clone(),
                difference.new.clone(),
            ]
        }));
        let _ = writeln!(text, "{}", crate::markdown::table(&rows, 3));
    }
    for note in &against.notes {
        let _ = writeln!(text, "- {note}");
    }
    if !against.notes.is_empty() {
        text += "\n";
    }
    text += "## What the trials say\n\n";
    for target in &against.targets {
        for engine in &target.engines {
            let _ = writeln!(
                text,
                "- {}, {}: {}",
                target.target,
                engine.title,
                in_words(engine)
            );
        }
    }
    for (title, quantity, shown) in QUANTITIES {
        let _ = write!(text, "\n## {title}\n\n{}", table(against, quantity, shown));
    }
    text += &finds(against);
    text += METHODS;
    text
}

const METHODS: &str = "\nMedians over trials, with the 95 % bootstrap interval of the median. p: two-sided \
    Mann-Whitney U test of the new trials against the old ones, as it is and adjusted by Holm's method over the \
    engines of a target. A12: how often a new trial is above an old one (small from 0.56, medium from 0.64, large \
    from 0.71, and the same below one half).\n";

type Picked = fn(&EngineAgainst) -> &Quantity;
type Shown = fn(f64) -> String;

const QUANTITIES: [(&str, Picked, Shown); 4] = [
    (
        "Regions reached, in percent of all",
        |engine| &engine.percent,
        percent,
    ),
    ("Regions reached", |engine| &engine.regions, number),
    (
        "Regions reached after equally many executions, in percent of all",
        |engine| &engine.percent_at_equal_executions,
        percent,
    ),
    (
        "Executions a second",
        |engine| &engine.executions_per_second,
        number,
    ),
];

fn percent(value: f64) -> String {
    format!("{value:.2}")
}

fn number(value: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count or a rate, rounded to be printed"
    )]
    let whole = value.round() as u64;
    if (value - value.round()).abs() < 1e-9 || value >= 1000.0 {
        grouped(whole)
    } else {
        format!("{value:.1}")
    }
}

fn in_words(engine: &EngineAgainst) -> String {
    let (Some(old), Some(new)) = (engine.percent.old, engine.percent.new) else {
        return "no trial counts on one of the sides.".to_owned();
    };
    let medians = format!(
        "{} % before, {} % now",
        percent(old.median),
        percent(new.median)
    );
    let (Some(contrast), Some(p)) = (engine.percent.contrast, engine.percent.adjusted_p) else {
        return format!("not tested, as one trial on a side shows nothing ({medians}).");
    };
    let detail = format!(
        "({medians}; p {} adjusted, A12 {:.2}, {})",
        p_value(p),
        contrast.a12,
        contrast.magnitude.word()
    );
    let verdict = match engine.verdict {
        Verdict::More => "reaches more",
        Verdict::Less => "reaches less",
        Verdict::NotShown => "no difference is shown, which does not show that there is none",
        Verdict::TooFewTrials => "too few trials to show any difference at 5 %",
        Verdict::NotTested => "not tested",
    };
    format!("{verdict} {detail}.")
}

fn table(against: &Against, quantity: Picked, shown: Shown) -> String {
    let headings = [
        "target", "engine", "trials", "old", "new", "p", "adjusted", "A12", "effect",
    ];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    let dash = || "–".to_owned();
    let interval = |estimate: Option<Estimate>| match estimate {
        Some(Estimate { median, low, high }) if low < high => {
            format!("{} [{}, {}]", shown(median), shown(low), shown(high))
        }
        Some(estimate) => shown(estimate.median),
        None => dash(),
    };
    for target in &against.targets {
        for engine in &target.engines {
            let quantity = quantity(engine);
            let contrast = quantity.contrast;
            rows.push(vec![
                target.target.clone(),
                engine.title.clone(),
                format!("{} / {}", engine.trials.old, engine.trials.new),
                interval(quantity.old),
                interval(quantity.new),
                contrast.map_or_else(dash, |contrast| p_value(contrast.p)),
                quantity.adjusted_p.map_or_else(dash, p_value),
                contrast.map_or_else(dash, |contrast| format!("{:.2}", contrast.a12)),
                contrast.map_or_else(dash, |contrast| contrast.magnitude.word().to_owned()),
            ]);
        }
    }
    crate::markdown::table(&rows, 2)
}

/// Times to finds, when there are any.
fn finds(against: &Against) -> String {
    let headings = [
        "target",
        "engine",
        "check",
        "trials, old",
        "trials, new",
        "median time, old",
        "median time, new",
        "p",
    ];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for target in &against.targets {
        for engine in &target.engines {
            for find in &engine.finds {
                rows.push(vec![
                    target.target.clone(),
                    engine.title.clone(),
                    find.check.clone(),
                    format!("{} of {}", find.caught.old, engine.trials.old),
                    format!("{} of {}", find.caught.new, engine.trials.new),
                    median_time(find.median_ms.old),
                    median_time(find.median_ms.new),
                    find.p.map_or_else(|| "–".to_owned(), p_value),
                ]);
            }
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## Finds\n\nThe median time is when half of the trials had it. p: log-rank test, not adjusted.\n\n{}",
        crate::markdown::table(&rows, 3)
    )
}
