//! The result in sentences.
//!
//! What cannot be said is not said: no engine is called better than another but where a test says that
//! their trials differ, and few trials are called few.

use std::collections::BTreeMap;

use super::engines::{Engines, counting, sound};
use super::markup::{count, counted, listed, middling, p_value, percent, span};
use crate::UNREPRODUCED;
use crate::{Comparison, EngineResult, Pair, PairVerdict, TargetResult};
use statistics::mann_whitney;

/// From how many trials on an evaluation ranks engines.
const ENOUGH_TRIALS: usize = 10;
/// The stability below which AFL++'s guidance is noise.
const LEAST_STABILITY: f64 = 99.0;

/// A difference in words; the engine that reached more is named first.
fn difference(engines: &Engines<'_>, pair: &Pair) -> String {
    let contrast = &pair.regions;
    let (first, second) = (engines.title(&pair.first), engines.title(&pair.second));
    let (above, below, share) = if contrast.a12 > 0.5 {
        (first, second, contrast.a12)
    } else {
        (second, first, 1.0 - contrast.a12)
    };
    format!(
        "{above} reached more than {below}: in {:.0}\u{a0}% of all pairings of their trials, a {} effect \
         ({}).",
        share * 100.0,
        contrast.magnitude.word(),
        p_value(pair.adjusted_p)
    )
}

/// What was reached of a target, without ranking anybody.
pub(super) fn reached(target: &TargetResult) -> String {
    let sound = sound(target);
    if sound.is_empty() {
        return "No engine has a trial that counts.".to_owned();
    }
    let (seeds, total) = (target.seeds.reach.regions, target.total.regions);
    let parts: Vec<String> = sound
        .iter()
        .map(|(engine, regions)| {
            let median = format!("{}\u{a0}{}", engine.title, middling(regions.median));
            if regions.low == regions.high {
                return median;
            }
            // A word joiner after the dash keeps the interval on one line.
            format!(
                "{median}\u{a0}({}–\u{2060}{})",
                middling(regions.low),
                middling(regions.high)
            )
        })
        .collect();
    let many = sound.iter().any(|(engine, _)| counting(engine) > 1);
    let mut text = format!(
        "{}: {}.",
        if many {
            "Median of the regions that a trial reached, with its 95\u{a0}% interval"
        } else {
            "Regions reached in one trial"
        },
        listed(&parts)
    );
    text += &format!(
        " The seeds alone reach {}; everything together {} of {} ({}).",
        count(seeds),
        count(target.union.regions),
        count(total),
        percent(target.union.regions, total)
    );
    if sound
        .iter()
        .all(|(engine, _)| engine.reach.regions <= seeds)
    {
        text += " No engine reached more than the seeds alone.";
    }
    text
}

/// What can be said of the differences between the engines on a target, in sentences.
pub(super) fn differences(engines: &Engines<'_>, target: &TargetResult) -> Vec<String> {
    let pairs = &target.pairs;
    let of = |verdict| pairs.iter().filter(move |pair| pair.verdict == verdict);
    let names = |verdict| {
        let names = of(verdict).map(|pair| {
            format!(
                "{} from {}",
                engines.title(&pair.first),
                engines.title(&pair.second)
            )
        });
        names.collect::<Vec<String>>()
    };
    let mut sentences: Vec<String> = of(PairVerdict::Differ)
        .map(|pair| difference(engines, pair))
        .collect();
    let alike = names(PairVerdict::NotToldApart);
    if !alike.is_empty() {
        sentences.push(format!(
            "The trials do not tell {}, which does not mean that they are equal.",
            listed(&alike)
        ));
    }
    let untold = names(PairVerdict::TooFewTrials);
    if let Some(pair) = of(PairVerdict::TooFewTrials).next() {
        let (first, second) = pair.trials;
        let least = mann_whitney::smallest_p(first, second);
        sentences.push(format!(
            "So few trials cannot tell {}: with {first} and {second} the smallest possible p is {least:.2}.",
            if untold.len() == pairs.len() {
                "the engines apart".to_owned()
            } else {
                listed(&untold)
            },
        ));
    }
    let is_few = |pair: &Pair| pair.trials.0.min(pair.trials.1) < ENOUGH_TRIALS;
    if of(PairVerdict::Differ).next().is_some() && pairs.iter().any(is_few) {
        sentences.push(format!(
            "With fewer than {ENOUGH_TRIALS} trials this is a hint, not a result."
        ));
    }
    sentences
}

/// The same for a summary, shorter where nothing can be said.
pub(super) fn differences_in_short(engines: &Engines<'_>, target: &TargetResult) -> Vec<String> {
    let untold = |pair: &Pair| pair.verdict == PairVerdict::TooFewTrials;
    if !target.pairs.is_empty() && target.pairs.iter().all(untold) {
        return vec!["Too few trials to tell the engines apart.".to_owned()];
    }
    differences(engines, target)
}

/// What only one engine reached; nothing when there is nothing to compare with.
pub(super) fn only_here(target: &TargetResult) -> Option<String> {
    if target.engines.len() < 2 {
        return None;
    }
    let parts: Vec<String> = target
        .engines
        .iter()
        .filter(|engine| !engine.only_here.is_empty())
        .map(|engine| format!("{} by {}", count(engine.only_here.len()), engine.title))
        .collect();
    Some(if parts.is_empty() {
        "No region was reached by one engine only.".to_owned()
    } else {
        format!("Regions reached by one engine only: {}.", listed(&parts))
    })
}

/// How many inputs fail which check.
pub(super) fn finds(comparison: &Comparison) -> String {
    let mut inputs: BTreeMap<&str, usize> = BTreeMap::new();
    let engines = comparison.targets.iter().flat_map(|target| &target.engines);
    for group in engines.flat_map(|engine| &engine.finds) {
        *inputs.entry(&group.check).or_default() += group.inputs;
    }
    let parts: Vec<String> = inputs
        .iter()
        .map(|(check, inputs)| {
            if *check == UNREPRODUCED {
                let pass = counted(*inputs, "input passes", "inputs pass");
                format!("{pass} on replay, though an engine reported failure")
            } else {
                format!("{} {check}", counted(*inputs, "input fails", "inputs fail"))
            }
        })
        .collect();
    if parts.is_empty() {
        return "No input fails a check.".to_owned();
    }
    format!("{}.", listed(&parts))
}

/// What the figures do not say.
pub(super) fn caution(comparison: &Comparison) -> String {
    let time = span(comparison.time_seconds);
    let mut text = match comparison.trials {
        1 => format!(
            "One trial of {time} for each engine on each target: \
             a difference of a few regions says nothing."
        ),
        trials => format!(
            "{} trials of {time} for each engine on each target.",
            count(trials)
        ),
    };
    if comparison.time_seconds < 3600 {
        text += " Trials as short as this show how an engine starts, not how far it gets.";
    }
    text + " Coverage is not finds: an engine that reaches more need not find more."
}

/// What a reader must know first: the comparison's notes, and what else is odd about its runs.
pub(super) fn problems(comparison: &Comparison) -> Vec<String> {
    let mut problems = comparison.notes.clone();
    if comparison.targets.is_empty() {
        problems.push("No target was run.".to_owned());
    }
    let engines = Engines::of(comparison);
    for target in &comparison.targets {
        for engine in &target.engines {
            let who = format!("{} on {}", engine.title, target.target);
            problems.extend(problems_of(target, engine, &who));
        }
        for (name, title) in engines.iter() {
            if !target.engines.iter().any(|engine| engine.engine == name) {
                problems.push(format!("{title} was not run on {}.", target.target));
            }
        }
        if !target.never_evaluated.is_empty() {
            problems.push(format!(
                "{}: {} never evaluated by any input: {}.",
                target.target,
                if target.never_evaluated.len() == 1 {
                    "a check was"
                } else {
                    "checks were"
                },
                target.never_evaluated.join(", ")
            ));
        }
    }
    problems
}

fn problems_of(target: &TargetResult, engine: &EngineResult, who: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let seeds = target.seeds.inputs as u64;
    let fewest = engine.counting().map(|trial| trial.seeds_read).min();
    if let Some(read) = fewest.filter(|read| *read < seeds) {
        problems.push(format!("{who} read {read} of {seeds} seeds in a trial."));
    }
    let stability = engine.counting().filter_map(|trial| trial.stability);
    let stability = stability.fold(f64::INFINITY, f64::min);
    if stability < LEAST_STABILITY {
        problems.push(format!(
            "{who} was {stability:.1}\u{a0}% stable in its worst trial: \
             something outlives an input, or is initialised only once."
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{comparison, target};
    use crate::{Contrast, FindGroup, Magnitude};

    fn plain(text: &str) -> String {
        text.replace(['\u{a0}', '\u{202f}'], " ")
    }

    fn pair(verdict: PairVerdict, trials: usize, p: f64, a12: f64) -> Pair {
        Pair {
            first: "a".to_owned(),
            second: "b".to_owned(),
            trials: (trials, trials),
            adjusted_p: p,
            verdict,
            regions: Contrast {
                first: 1.0,
                second: 2.0,
                u: 0.0,
                p,
                a12,
                magnitude: Magnitude::Large,
                exact: true,
            },
            at_equal_executions: None,
        }
    }

    fn differences_of(pairs: Vec<Pair>) -> String {
        let mut target = target(100, &[("A", &[300]), ("B", &[300]), ("C", &[300])]);
        target.pairs = pairs;
        let comparison = comparison(vec![target]);
        let engines = Engines::of(&comparison);
        plain(&differences(&engines, &comparison.targets[0]).join(" "))
    }

    #[test]
    fn what_was_reached_is_told_in_the_order_of_engines_and_nobody_is_ranked() {
        let one = target(100, &[("A", &[200]), ("B", &[300])]);
        assert_eq!(
            plain(&reached(&one)),
            "Regions reached in one trial: A 200 and B 300. The seeds alone reach 100; everything \
             together 300 of 1 000 (30.0 %)."
        );
        let many = target(100, &[("A", &[200, 210, 220]), ("B", &[])]);
        assert_eq!(
            plain(&reached(&many)),
            "Median of the regions that a trial reached, with its 95 % interval: A 210 (205–\u{2060}215). \
             The seeds alone reach 100; everything together 220 of 1 000 (22.0 %)."
        );
        let nothing = reached(&target(100, &[("A", &[100])]));
        assert!(nothing.ends_with("No engine reached more than the seeds alone."));
        assert_eq!(
            reached(&target(1, &[])),
            "No engine has a trial that counts."
        );
    }

    #[test]
    fn few_trials_tell_nothing() {
        assert_eq!(
            differences_of(vec![pair(PairVerdict::TooFewTrials, 2, 0.01, 1.0)]),
            "So few trials cannot tell the engines apart: with 2 and 2 the smallest possible p is 0.33."
        );
    }

    #[test]
    fn what_the_trials_tell_is_said_with_its_p_value_and_the_one_above_first() {
        assert_eq!(
            differences_of(vec![pair(PairVerdict::Differ, 10, 0.02, 0.1)]),
            "B reached more than A: in 90 % of all pairings of their trials, a large effect (p = 0.020)."
        );
        assert_eq!(
            differences_of(vec![pair(PairVerdict::Differ, 10, 0.001, 0.7)]),
            "A reached more than B: in 70 % of all pairings of their trials, a large effect (p = 0.001)."
        );
        let alike = pair(PairVerdict::NotToldApart, 10, 0.8, 0.5);
        assert_eq!(
            differences_of(vec![alike.clone(), alike]),
            "The trials do not tell A from B and A from B, which does not mean that they are equal."
        );
        assert!(
            differences_of(vec![pair(PairVerdict::Differ, 5, 0.02, 0.1)])
                .ends_with("With fewer than 10 trials this is a hint, not a result.")
        );
    }

    #[test]
    fn what_is_odd_is_said_after_the_notes() {
        let mut first = target(100, &[("A", &[101]), ("B", &[200])]);
        first.engines[1].trials[0].seeds_read = 0;
        first.engines[1].trials[0].stability = Some(91.26);
        let mut second = target(100, &[("B", &[200])]);
        second.engines[0].trials[0].failure = Some("it died".into());
        second.engines[0].trials[0].seeds_read = 0;
        second.never_evaluated = vec!["calc.x".into()];
        let mut comparison = comparison(vec![first, second]);
        comparison.notes = vec!["Fewer than 10 trials.".into()];
        let said: Vec<String> = problems(&comparison)
            .iter()
            .map(|text| plain(text))
            .collect();
        assert_eq!(
            said,
            [
                "Fewer than 10 trials.",
                "B on fuzz_it read 0 of 1 seeds in a trial.",
                "B on fuzz_it was 91.3 % stable in its worst trial: something outlives an input, or is initialised only once.",
                "A was not run on fuzz_it.",
                "fuzz_it: a check was never evaluated by any input: calc.x.",
            ]
        );
        let sound = target(100, &[("A", &[101])]);
        assert!(problems(&crate::samples::comparison(vec![sound])).is_empty());
    }

    #[test]
    fn finds_are_counted_by_check() {
        let mut target = target(1, &[("A", &[2]), ("B", &[2])]);
        let group = |check: &str, inputs| FindGroup {
            check: check.to_owned(),
            inputs,
            example: String::new(),
            trials: Vec::new(),
        };
        target.engines[0].finds = vec![group("calc.x", 2), group(UNREPRODUCED, 1)];
        target.engines[1].finds = vec![group("calc.x", 1)];
        assert_eq!(
            finds(&comparison(vec![target])),
            "3 inputs fail calc.x and 1 input passes on replay, though an engine reported failure."
        );
        assert_eq!(finds(&comparison(Vec::new())), "No input fails a check.");
    }

    #[test]
    fn short_trials_and_a_single_one_are_said() {
        let mut comparison = comparison(Vec::new());
        let text = plain(&caution(&comparison));
        assert!(
            text.starts_with("One trial of 1 min for each engine on each target: a difference")
        );
        assert!(text.contains("how an engine starts"));
        comparison.time_seconds = 86_400;
        comparison.trials = 10;
        let text = plain(&caution(&comparison));
        assert!(text.starts_with("10 trials of 24 h"));
        assert!(!text.contains("how an engine starts"));
    }
}
