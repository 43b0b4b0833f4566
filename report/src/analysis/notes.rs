//! What a reader must know before any figure: in plain sentences, and nothing more certain than it is.

use super::super::{Comparison, EngineResult, TargetResult};
use super::{TESTED_FROM, p_value};
use crate::format::counted;
use statistics::{ALPHA, mann_whitney};

/// So many trials of each engine are what evaluations of fuzzers are asked to have at least.
const TRIALS_ENOUGH: usize = 10;

/// And so long each: a day, in seconds.
const SECONDS_ENOUGH: u64 = 24 * 60 * 60;

/// Friedman's test is by an approximation that is rough with fewer targets.
const TARGETS_ENOUGH: usize = 10;

/// The notes, what matters most first.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(interrupted(comparison));
    for target in &comparison.targets {
        notes.extend(lost_trials(target));
    }
    notes.extend(few_trials(comparison));
    notes.extend(short_trials(comparison));
    for target in &comparison.targets {
        notes.extend(nothing_gained(target));
    }
    notes.extend(unpinned(comparison));
    notes.extend(few_targets(comparison));
    notes
}

fn interrupted(comparison: &Comparison) -> Option<String> {
    let asked: usize = comparison
        .targets
        .iter()
        .map(|target| target.engines.len() * comparison.trials)
        .sum();
    let there: usize = comparison
        .targets
        .iter()
        .flat_map(|target| &target.engines)
        .map(|engine| engine.trials.len())
        .sum();
    if comparison.interrupted {
        Some(format!(
            "It was interrupted: {} of {} are here. The same command with the same --out goes on.",
            there,
            counted(asked, "trial", "trials")
        ))
    } else {
        (there < asked).then(|| {
            format!(
                "{} of {} are missing. The same command with the same --out runs them.",
                asked - there,
                counted(asked, "trial", "trials")
            )
        })
    }
}

/// An engine that lost trials did worse than its other trials show.
fn lost_trials(target: &TargetResult) -> Vec<String> {
    target
        .engines
        .iter()
        .filter_map(|engine| {
            let failed = || {
                engine
                    .trials
                    .iter()
                    .filter_map(|trial| trial.failure.as_deref())
            };
            let first = failed().next()?;
            let lost = failed().count();
            let why = first.lines().next().unwrap_or_default();
            let all = engine.trials.len();
            Some(format!(
                "{} lost {lost} of {} on {}, which do not count: {why}",
                engine.title,
                counted(all, "trial", "trials"),
                target.target
            ))
        })
        .collect()
}

fn few_trials(comparison: &Comparison) -> Option<String> {
    let counting = |engine: &EngineResult| engine.counting().count();
    let fewest = comparison
        .targets
        .iter()
        .flat_map(|target| &target.engines)
        .map(counting)
        .filter(|&count| count > 0)
        .min()?;
    if fewest >= TRIALS_ENOUGH {
        return None;
    }
    let trials = if fewest < comparison.trials {
        format!(
            "Some engine has {} that count",
            counted(fewest, "trial", "trials")
        )
    } else {
        format!("Each engine has {}", counted(fewest, "trial", "trials"))
    };
    let smallest = mann_whitney::smallest_p(fewest, fewest);
    let then = if fewest < TESTED_FROM {
        "A single trial is not tested against another: a difference may be chance.".to_owned()
    } else {
        let so = if smallest > ALPHA {
            "no difference can be significant at 5 %"
        } else {
            "a real difference may well not show"
        };
        format!(
            "The smallest p-value that {fewest} against {fewest} can give is {}: {so}.",
            p_value(smallest)
        )
    };
    Some(format!(
        "{trials}; evaluations ask for at least {TRIALS_ENOUGH}. {then}"
    ))
}

fn short_trials(comparison: &Comparison) -> Option<String> {
    (comparison.time_seconds < SECONDS_ENOUGH).then(|| {
        let time = std::time::Duration::from_secs(comparison.time_seconds);
        format!(
            "Each trial had {}, and not the 24 hours that evaluations ask for: which engine is ahead may change \
             with more time.",
            humantime::format_duration(time)
        )
    })
}

fn nothing_gained(target: &TargetResult) -> Vec<String> {
    let base = target.seeds.reach.regions;
    target
        .engines
        .iter()
        .filter(|engine| {
            engine.counting().next().is_some()
                && engine.counting().all(|trial| trial.reach.regions <= base)
        })
        .map(|engine| {
            format!(
                "{} reached nothing on {} that the seeds do not reach, in any trial.",
                engine.title, target.target
            )
        })
        .collect()
}

fn unpinned(comparison: &Comparison) -> Option<String> {
    let trials = || {
        comparison
            .targets
            .iter()
            .flat_map(|target| &target.engines)
            .flat_map(EngineResult::counting)
    };
    let free = trials().filter(|trial| trial.core.is_none()).count();
    (free > 0).then(|| {
        format!(
            "{free} of {} ran without being pinned to a core: the system moved them as it liked.",
            counted(trials().count(), "trial", "trials")
        )
    })
}

fn few_targets(comparison: &Comparison) -> Option<String> {
    let ranks = comparison.across_targets.as_ref()?;
    (ranks.blocks < TARGETS_ENOUGH).then(|| {
        format!(
            "The ranks are over {} only, and the p-values of ranks are approximations that want {TARGETS_ENOUGH} or \
             more: they say little here.",
            counted(ranks.blocks, "target", "targets")
        )
    })
}
