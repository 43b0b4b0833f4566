//! Two comparisons side by side: before and after a change of the harness, of the seeds, of an engine.
//!
//! What differs in the conditions comes first. Then, for each target and engine, the new trials are compared with the
//! old ones by the same statistics as engines are with each other. The code under test may have changed too, so the
//! share of its regions that was reached is tested, in percent. With the same code that equals a test of the regions.

use std::fmt::Write as _;

use statistics::float;
use statistics::survival::log_rank;

use crate::analysis::{self, adjust, contrast, estimate, survival, times_to_find};
use crate::format::{self, NONE, median_time, moment, p_value, rounded};
use crate::markdown::{heading, table};
use crate::page::conditions::conditions;
use crate::{
    Comparison, Contrast, EngineResult, SurvivalKind, TargetResult, TrialResult, results, sentences,
};

/// An engine on a target in both runs: the old one, then the new one.
struct Both<'a> {
    targets: [&'a TargetResult; 2],
    engines: [&'a EngineResult; 2],
}

/// A figure of a trial.
struct Quantity {
    title: &'static str,
    of_trial: fn(&Both<'_>, &TargetResult, &TrialResult) -> f64,
    show: fn(f64) -> String,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        title: "Regions reached, in percent of all",
        of_trial: |_, target, trial| share(trial.reach.regions, target),
        show: |value| format!("{value:.2}"),
    },
    Quantity {
        title: "Regions reached after equally many executions, in percent of all",
        of_trial: |both, target, trial| {
            let trials = both.engines.iter().flat_map(|engine| engine.counting());
            let least = trials.map(|trial| trial.executions).min().unwrap_or(0);
            share(analysis::regions_at_executions(trial, least), target)
        },
        show: |value| format!("{value:.2}"),
    },
    Quantity {
        title: "Executions a second",
        of_trial: |_, _, trial| trial.executions_per_second,
        show: rounded,
    },
];

/// Regions in percent of the target's.
fn share(regions: usize, target: &TargetResult) -> f64 {
    100.0 * float(regions) / float(target.total.regions.max(1))
}

/// Two runs as Markdown whose tables also line up on a terminal. `names` are where they came from; the old run is
/// first.
pub fn markdown(runs: [&Comparison; 2], names: [&str; 2]) -> String {
    let [old, new] = runs;
    let pairs = pairs(runs);
    let mut text = format!(
        "# {} against {}\n\nNew: {0}, started {}. Old: {1}, started {}.\n\n## What differs in the conditions\n\n",
        names[1],
        names[0],
        moment(&new.started),
        moment(&old.started)
    );
    let differences = differences(runs);
    if differences.is_empty() {
        text +=
            "Nothing that the reports record. They do not record what else ran on the machine.\n";
    }
    for line in differences {
        let _ = writeln!(text, "- {line}");
    }
    text.push('\n');
    for note in notes(runs, &pairs) {
        let _ = writeln!(text, "- {note}");
    }
    for quantity in &QUANTITIES {
        let _ = write!(
            text,
            "\n## {}\n\n{}",
            quantity.title,
            figures(&pairs, quantity)
        );
    }
    text += &finds(&pairs);
    let _ = writeln!(
        text,
        "\nThe new trials are the first group, the old ones the second. A difference that is not shown may be there all \
         the same. {}",
        sentences::METHODS
    );
    text
}

/// The engines that both runs have on the same target.
fn pairs<'a>([old, new]: [&'a Comparison; 2]) -> Vec<Both<'a>> {
    let pair = |(target, engine): (&'a TargetResult, &'a EngineResult)| {
        let (old_target, old_engine) = old.engines().find(|(old_target, old_engine)| {
            (&old_target.target, old_target.start, &old_engine.engine)
                == (&target.target, target.start, &engine.engine)
        })?;
        Some(Both {
            targets: [old_target, target],
            engines: [old_engine, engine],
        })
    };
    new.engines().filter_map(pair).collect()
}

impl Both<'_> {
    fn names(&self) -> [String; 2] {
        [self.targets[1].title(), self.engines[1].title.clone()]
    }

    /// The quantity of every trial that counts, in each run.
    fn values(&self, quantity: &Quantity) -> [Vec<f64>; 2] {
        [0, 1].map(|run| {
            let trials = self.engines[run].counting();
            let value = |trial| (quantity.of_trial)(self, self.targets[run], trial);
            trials.map(value).collect()
        })
    }
}

/// Every condition that differs, a line each: machine, tools, times, targets, seeds, limits, commands.
fn differences(runs: [&Comparison; 2]) -> Vec<String> {
    let [before, now] = runs.map(conditions);
    let value = |conditions: &[(String, String)], what: &str| {
        let found = conditions.iter().find(|(name, _)| name == what);
        found.map_or_else(|| NONE.to_owned(), |(_, value)| without_folders(value))
    };
    let is_gone = |(name, _): &&(String, String)| !now.iter().any(|(there, _)| there == name);
    let all = now.iter().chain(before.iter().filter(is_gone));
    all.map(|(what, _)| (what, value(&before, what), value(&now, what)))
        .filter(|(_, old, new)| old != new)
        .map(|(what, old, new)| format!("{what}: {old} → {new}"))
        .collect()
}

/// A value (mostly a command) without the folders in it, which differ between any two runs.
fn without_folders(command: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        // `-artifact_prefix=/some/where/` keeps its name.
        Some((before, last)) => match before.split_once('=') {
            Some((option, _)) => format!("{option}=…/{last}"),
            None => format!("…/{last}"),
        },
        None => word.to_owned(),
    };
    let words: Vec<String> = command.split_whitespace().map(word).collect();
    words.join(" ")
}

/// What a reader must know first: the notes of both runs, and what makes them hard to compare.
fn notes([old, new]: [&Comparison; 2], pairs: &[Both<'_>]) -> Vec<String> {
    let has_changed = |both: &Both<'_>| both.targets[0].total != both.targets[1].total;
    let mut notes = Vec::new();
    for (applies, note) in [
        (
            pairs.is_empty(),
            "The two runs have no engine on a target in common: there is nothing to compare.",
        ),
        (
            pairs.iter().any(has_changed),
            "The code under test has changed: shares of its regions are compared, and a share may change because \
             the whole did.",
        ),
        (
            old.time_seconds != new.time_seconds,
            "The trials had different times, so their ends do not show what a change did. What they reached after \
             equally many executions may.",
        ),
    ] {
        notes.extend(applies.then(|| note.to_owned()));
    }
    let both = new.notes.iter().filter(|note| old.notes.contains(note));
    notes.extend(both.map(|note| format!("Both: {note}")));
    for (side, run, other) in [("Old", old, new), ("New", new, old)] {
        let of_side = run.notes.iter().filter(|note| !other.notes.contains(note));
        notes.extend(of_side.map(|note| format!("{side}: {note}")));
    }
    notes
}

fn figures(pairs: &[Both<'_>], quantity: &Quantity) -> String {
    let test = results::TEST;
    let mut rows = vec![heading(&format!(
        "target | engine | trials | old | new | {test}"
    ))];
    // Tests are adjusted over the engines of a target.
    for of_target in pairs.chunk_by(|one, next| one.targets[1].title() == next.targets[1].title()) {
        let values = of_target.iter().map(|both| both.values(quantity));
        let values: Vec<[Vec<f64>; 2]> = values.collect();
        let tests = values.iter().map(|[old, new]| contrast(new, old));
        let mut tests: Vec<Option<Contrast>> = tests.collect();
        adjust(tests.iter_mut().flatten());
        for ((both, values), test) in of_target.iter().zip(values).zip(&tests) {
            let [old, new] = both.engines.map(|engine| engine.counting().count());
            let mut row = both.names().to_vec();
            row.push(format!("{old} / {new}"));
            row.extend(values.map(|values| format::estimate(estimate(&values), quantity.show)));
            row.extend(results::test(test.as_ref()));
            rows.push(row);
        }
    }
    table(&rows, 2)
}

/// Times to finds, when there are any.
fn finds(pairs: &[Both<'_>]) -> String {
    let headings = "target | engine | check | trials, old | trials, new | median time, old | median time, new | p";
    let mut rows = vec![heading(headings)];
    for both in pairs {
        for check in analysis::checks(both.engines) {
            let times = both.engines.map(|engine| times_to_find(engine, check));
            let [old, new] = &times;
            let is_tested = old.len().min(new.len()) >= analysis::TESTED_FROM;
            let test = log_rank(old, new).filter(|_| is_tested);
            let mut row = both.names().to_vec();
            row.push(check.to_owned());
            let survivals = times.each_ref();
            let survivals = survivals.map(|trials| survival(check, SurvivalKind::Find, "", trials));
            row.extend(
                survivals
                    .each_ref()
                    .map(|one| format!("{} of {}", one.caught, one.trials)),
            );
            row.extend(survivals.map(|one| median_time(one.median_ms)));
            row.push(test.map_or_else(|| NONE.to_owned(), |test| p_value(test.p)));
            rows.push(row);
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
