//! What a reader must know before any figure: in plain sentences, and nothing more certain than it is.

use std::collections::BTreeSet;

use statistics::{ALPHA, groups};

use crate::data::MOST_STOLEN;
use crate::format::{counted, grouped, p_value, span};
use crate::{Comparison, EngineResult, TargetResult};

/// Evaluations of fuzzers are asked to have at least so many trials of each engine.
pub(crate) const TRIALS_ENOUGH: usize = 10;

/// And so long each: a day, in seconds.
pub(crate) const SECONDS_ENOUGH: u64 = 24 * 60 * 60;

/// The stability, in percent, below which AFL++'s guidance is noise.
const LEAST_STABILITY: f64 = 99.0;

/// The notes, what matters most first.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    if comparison.targets.is_empty() {
        notes.push("No target was run.".to_owned());
    }
    notes.extend(missing_trials(comparison));
    let lost = |(target, engine)| lost_trials(target, engine);
    notes.extend(comparison.engines().filter_map(lost));
    notes.extend(few_trials(comparison));
    notes.extend(short_trials(comparison));
    let odd = |(target, engine)| odd_trials(target, engine);
    notes.extend(comparison.engines().flat_map(odd));
    notes.extend(disturbed_trials(comparison));
    notes.extend(not_run(comparison));
    notes.extend(comparison.targets.iter().filter_map(never_evaluated));
    notes.extend(unpinned(comparison));
    notes
}

fn missing_trials(comparison: &Comparison) -> Option<String> {
    let asked = comparison.engines().count() * comparison.trials;
    let trials = comparison.engines().map(|(_, engine)| engine.trials.len());
    let there: usize = trials.sum();
    let trials = counted(asked, "trial", "trials");
    if comparison.interrupted {
        return Some(format!(
            "It was interrupted: {there} of {trials} are here. The same command with the same --out resumes it."
        ));
    }
    let missing = asked.checked_sub(there).filter(|&missing| missing > 0)?;
    Some(format!(
        "{missing} of {trials} are missing. The same command with the same --out runs them."
    ))
}

/// An engine that lost trials did worse than its other trials show.
fn lost_trials(target: &TargetResult, engine: &EngineResult) -> Option<String> {
    let failures = engine.trials.iter();
    let failures = failures.filter_map(|trial| trial.failure.as_deref());
    let failures: Vec<&str> = failures.collect();
    let why = failures.first()?.lines().next().unwrap_or_default();
    Some(format!(
        "{} lost {} of {} on {}, which do not count: {why}",
        engine.title,
        failures.len(),
        counted(engine.trials.len(), "trial", "trials"),
        target.title()
    ))
}

fn few_trials(comparison: &Comparison) -> Option<String> {
    let counting = comparison
        .engines()
        .map(|(_, engine)| engine.counting().count());
    let fewest = counting.filter(|&count| count > 0).min()?;
    if fewest >= TRIALS_ENOUGH {
        return None;
    }
    let trials = counted(fewest, "trial", "trials");
    let trials = if fewest < comparison.trials {
        format!("Some engine has {trials} that count")
    } else {
        format!("Each engine has {trials}")
    };
    let smallest = groups::smallest_p(fewest, fewest);
    let so = if smallest > ALPHA {
        "no difference can be significant at 5 %"
    } else {
        "a real difference may well not show"
    };
    Some(format!(
        "{trials}; evaluations ask for at least {TRIALS_ENOUGH}. The smallest p-value that {fewest} against {fewest} \
         can give is {}: {so}.",
        p_value(smallest)
    ))
}

fn short_trials(comparison: &Comparison) -> Option<String> {
    (comparison.time_seconds < SECONDS_ENOUGH).then(|| {
        format!(
            "Each trial had {}, and not the 24 hours that evaluations ask for: which engine is ahead may change \
             with more time.",
            span(comparison.time_seconds)
        )
    })
}

/// Trials beside which something else ran.
fn disturbed_trials(comparison: &Comparison) -> Option<String> {
    let trials = comparison.engines().flat_map(|(_, engine)| &engine.trials);
    let disturbed = trials.filter(|trial| trial.was_disturbed(&comparison.machine));
    let disturbed = disturbed.count();
    (disturbed > 0).then(|| {
        format!(
            "{} ran on a busy machine: its load was above {}, or more than {MOST_STOLEN} % of its time was stolen by \
             others on the same hardware.",
            counted(disturbed, "trial", "trials"),
            comparison.machine.cores + 1
        )
    })
}

/// What is odd about an engine's trials: nothing gained, seeds unread, unstable.
fn odd_trials(target: &TargetResult, engine: &EngineResult) -> Vec<String> {
    let who = format!("{} on {}", engine.title, target.title());
    let (base, seeds) = (target.seeds.reach.regions, target.seeds.inputs as u64);
    let mut notes = Vec::new();
    let most = engine.counting().map(|trial| trial.reach.regions).max();
    if most.is_some_and(|most| most <= base) {
        notes.push(format!(
            "{who} reached nothing that the seeds do not reach, in any trial."
        ));
    }
    let fewest = engine.counting().map(|trial| trial.seeds_read).min();
    if let Some(fewest) = fewest.filter(|&fewest| fewest < seeds) {
        let (fewest, seeds) = (grouped(fewest), grouped(seeds));
        notes.push(format!("{who} read {fewest} of {seeds} seeds in a trial."));
    }
    let stability = engine.counting().filter_map(|trial| trial.stability);
    let worst = stability.fold(f64::INFINITY, f64::min);
    if worst < LEAST_STABILITY {
        notes.push(format!(
            "{who} was {worst:.1}\u{a0}% stable in its worst trial: some state outlives an input, or is \
             initialised only once."
        ));
    }
    notes
}

/// Engines that are missing on a target. A configuration takes no part where it would change nothing.
fn not_run(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    let engines = comparison.engines().map(|(_, engine)| engine);
    let usual = engines.filter(|engine| engine.configuration.is_empty());
    let usual: BTreeSet<&str> = usual.map(|engine| &*engine.title).collect();
    for target in &comparison.targets {
        let ran = target.engines.iter().map(|engine| &*engine.title);
        let titles = &usual - &ran.collect();
        notes.extend(
            titles
                .iter()
                .map(|title| format!("{title} was not run on {}.", target.title())),
        );
    }
    notes
}

fn never_evaluated(target: &TargetResult) -> Option<String> {
    let checks = target.never_evaluated.len();
    (checks > 0).then(|| {
        format!(
            "{}: no input evaluated {}: {}.",
            target.title(),
            counted(checks, "check", "checks"),
            target.never_evaluated.join(", ")
        )
    })
}

fn unpinned(comparison: &Comparison) -> Option<String> {
    let trials = || {
        comparison
            .engines()
            .flat_map(|(_, engine)| engine.counting())
    };
    let free = trials().filter(|trial| trial.core.is_none()).count();
    (free > 0).then(|| {
        format!(
            "{free} of {} ran without being pinned to a core.",
            counted(trials().count(), "trial", "trials")
        )
    })
}
