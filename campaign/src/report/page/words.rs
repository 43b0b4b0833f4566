//! What a comparison says, in sentences.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::growth::Curve;
use super::markup::{count, counted, listed, percent, span};
use crate::fuzz::UNREPRODUCED;
use crate::report::{Comparison, EngineResult, TargetResult};

/// The least stability, in percent, at which AFL++ can trust its own coverage map.
const LEAST_STABILITY: f64 = 99.0;

/// Who took part: `AFL++, libFuzzer and honggfuzz`.
pub(super) fn engines(comparison: &Comparison) -> Vec<&str> {
    let mut titles: Vec<&str> = Vec::new();
    for engine in comparison.targets.iter().flat_map(|target| &target.engines) {
        if !titles.contains(&engine.title.as_str()) {
            titles.push(&engine.title);
        }
    }
    titles
}

/// Which engine reached the most of a target.
pub(super) fn verdict(target: &TargetResult) -> String {
    let sound: Vec<&EngineResult> = sound(target);
    let Some(most) = sound.iter().map(|engine| engine.reach.regions).max() else {
        return "No engine's result counts.".to_owned();
    };
    let (seeds, total) = (target.seeds.reach.regions, target.total.regions);
    let reached = format!(
        "{} of {} source regions ({})",
        count(most),
        count(total),
        percent(most, total)
    );
    if most <= seeds {
        return format!("No engine reached more than the seeds alone: {reached}.");
    }
    let (leaders, mut others): (Vec<&EngineResult>, Vec<&EngineResult>) = sound
        .iter()
        .partition(|engine| engine.reach.regions == most);
    let names = |engines: &[&EngineResult]| -> Vec<String> {
        engines.iter().map(|engine| engine.title.clone()).collect()
    };
    let mut text = match (leaders.as_slice(), others.as_slice()) {
        ([only], []) if target.engines.len() == 1 => {
            format!("{}, the only engine, reached {reached}.", only.title)
        }
        ([only], []) => format!(
            "{}, the only engine whose result counts, reached {reached}.",
            only.title
        ),
        (all, []) if target.union.regions == most => {
            format!("A tie: {} reached the same {reached}.", listed(&names(all)))
        }
        (all, []) => format!(
            "A tie: {} each reached {reached}, but not the same ones.",
            listed(&names(all))
        ),
        ([first], _) => format!("{} reached the most: {reached}.", first.title),
        (tied, _) => format!(
            "A tie: {} reached the most, {reached}.",
            listed(&names(tied))
        ),
    };
    others.sort_by_key(|engine| Reverse(engine.reach.regions));
    let behind: Vec<String> = others
        .iter()
        .map(|engine| format!("{}\u{a0}{}", engine.title, count(engine.reach.regions)))
        .collect();
    if !behind.is_empty() {
        text += &format!(" Then {}.", listed(&behind));
    }
    text += &format!(" The seeds alone reach {}", count(seeds));
    if sound.len() > 1 && target.union.regions > most {
        text += &format!(", all engines together {}", count(target.union.regions));
    }
    text.push('.');
    text
}

/// What only one engine reached; nothing when there is nothing to compare with.
pub(super) fn only_here(target: &TargetResult) -> Option<String> {
    if target.engines.len() < 2 {
        return None;
    }
    let parts: Vec<String> = target
        .engines
        .iter()
        .filter(|engine| engine.only_here.len() > 0)
        .map(|engine| format!("{} by {}", count(engine.only_here.len()), engine.title))
        .collect();
    Some(if parts.is_empty() {
        "No region was reached by one engine only.".to_owned()
    } else {
        format!("Regions reached by one engine only: {}.", listed(&parts))
    })
}

/// What the engines had reached when each had executed as much as the one that executed least; nothing
/// when a curve does not tell all, for it would be told as less than it was.
pub(super) fn at_equal_executions(curves: &[Curve<'_>]) -> Option<String> {
    let sound = || curves.iter().filter(|curve| !curve.failed);
    if sound().any(|curve| curve.last() < curve.reached) {
        return None;
    }
    let least = sound().min_by(|a, b| a.end.total_cmp(&b.end))?;
    let mut reached: Vec<(usize, &str)> = sound()
        .filter_map(|curve| Some((curve.at(least.end)?, curve.name)))
        .collect();
    if reached.len() < 2 {
        return None;
    }
    reached.sort_by_key(|&(regions, _)| Reverse(regions));
    let parts: Vec<String> = reached
        .iter()
        .map(|(regions, name)| format!("{name}\u{a0}{}", count(*regions)))
        .collect();
    Some(format!(
        "Given equal executions instead of equal time ({}, all that {} made): {}.",
        count(least.end as usize),
        least.name,
        listed(&parts)
    ))
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

/// How much one run says.
pub(super) fn caution(comparison: &Comparison) -> String {
    let time = span(comparison.time_seconds);
    let mut text = format!(
        "One trial of {time} for each engine on each target: \
         a difference of a few regions says nothing."
    );
    if comparison.time_seconds < 3600 {
        text += " Runs as short as this show how an engine starts, not how far it gets.";
    }
    text + " Evaluations that rank engines repeat runs of a day, ten times or more."
}

/// What is wrong with the comparison, if anything.
pub(super) fn problems(comparison: &Comparison) -> Vec<String> {
    let mut problems = Vec::new();
    if comparison.interrupted {
        problems.push(
            "Interrupted: runs ended before their time, or did not begin. \
             The figures are for what there was until then."
                .to_owned(),
        );
    }
    if comparison.targets.is_empty() {
        problems.push("No target was run.".to_owned());
    }
    let titles = engines(comparison);
    for target in &comparison.targets {
        let name = &target.target;
        for engine in &target.engines {
            problems.extend(problems_of(comparison, target, engine));
        }
        for title in &titles {
            if !target.engines.iter().any(|engine| engine.title == *title) {
                problems.push(format!("{title} was not run on {name}."));
            }
        }
        if !target.never_evaluated.is_empty() {
            problems.push(format!(
                "{name}: {} never evaluated by any input: {}.",
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

fn problems_of(
    comparison: &Comparison,
    target: &TargetResult,
    engine: &EngineResult,
) -> Vec<String> {
    let who = format!("{} on {}", engine.title, target.target);
    if let Some(failure) = engine.failure() {
        return vec![format!(
            "{who} failed, and its result does not count: {failure}"
        )];
    }
    let mut problems = Vec::new();
    let Some(trial) = engine.middle() else {
        return problems;
    };
    if trial.seeds_read < target.seeds.inputs as u64 {
        problems.push(format!(
            "{who} read {} of {} seeds.",
            trial.seeds_read, target.seeds.inputs
        ));
    }
    if engine.reach.regions <= target.seeds.reach.regions && !comparison.interrupted {
        problems.push(format!(
            "{who} reached nothing that the seeds do not reach."
        ));
    }
    if let Some(stability) = trial.stability.filter(|percent| *percent < LEAST_STABILITY) {
        problems.push(format!(
            "{who} was {stability:.1}\u{a0}% stable: \
             something outlives an input, or is initialised only once."
        ));
    }
    problems
}

/// The engines whose results count.
fn sound(target: &TargetResult) -> Vec<&EngineResult> {
    target
        .engines
        .iter()
        .filter(|engine| engine.failure().is_none())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::report::{FindGroup, Machine, VERSION};

    fn plain(text: &str) -> String {
        text.replace(['\u{a0}', '\u{202f}'], " ")
    }

    fn comparison(targets: Vec<TargetResult>) -> Comparison {
        Comparison {
            version: VERSION,
            started: String::new(),
            time_seconds: 60,
            snapshot_seconds: 1,
            trials: 1,
            order_seed: 0,
            interrupted: false,
            machine: Machine {
                processor: String::new(),
                cores: 1,
                jobs: 1,
                system: String::new(),
                tools: Vec::new(),
            },
            code: Vec::new(),
            targets,
            across_targets: None,
            notes: Vec::new(),
        }
    }

    fn verdict_of(seeds: usize, regions: &[usize]) -> String {
        let engines = ["A", "B", "C"].into_iter().zip(regions);
        let engines = engines.map(|(title, &regions)| samples::engine(title, regions));
        plain(&verdict(&samples::target(seeds, engines.collect())))
    }

    #[test]
    fn a_verdict_names_the_first_and_those_behind_and_the_seeds() {
        assert_eq!(
            verdict_of(100, &[300, 200, 250]),
            "A reached the most: 300 of 1 000 source regions (30.0 %). Then C 250 and B 200. \
             The seeds alone reach 100."
        );
        assert_eq!(
            verdict_of(100, &[300]),
            "A, the only engine, reached 300 of 1 000 source regions (30.0 %). \
             The seeds alone reach 100."
        );
    }

    #[test]
    fn a_tie_is_said() {
        assert_eq!(
            verdict_of(100, &[300, 200, 300]),
            "A tie: A and C reached the most, 300 of 1 000 source regions (30.0 %). Then B 200. \
             The seeds alone reach 100."
        );
        assert_eq!(
            verdict_of(100, &[300, 300]),
            "A tie: A and B reached the same 300 of 1 000 source regions (30.0 %). \
             The seeds alone reach 100."
        );
        let mut target = samples::target(
            1,
            vec![samples::engine("A", 300), samples::engine("B", 300)],
        );
        target.union.regions = 310;
        assert_eq!(
            plain(&verdict(&target)),
            "A tie: A and B each reached 300 of 1 000 source regions (30.0 %), but not the same ones. \
             The seeds alone reach 1, all engines together 310."
        );
    }

    #[test]
    fn nobody_wins_with_what_the_seeds_reach_or_by_failing() {
        assert_eq!(
            verdict_of(100, &[100, 100]),
            "No engine reached more than the seeds alone: 100 of 1 000 source regions (10.0 %)."
        );
        let mut target = samples::target(
            1,
            vec![samples::engine("A", 300), samples::engine("B", 200)],
        );
        target.engines[0].trials[0].failure = Some("it died".into());
        assert!(
            verdict(&target).starts_with("B, the only engine whose result counts, reached 200")
        );
        target.engines[1].trials[0].failure = Some("it died too".into());
        assert_eq!(verdict(&target), "No engine's result counts.");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut first = samples::target(
            100,
            vec![samples::engine("A", 100), samples::engine("B", 200)],
        );
        first.engines[1].trials[0].seeds_read = 0;
        first.engines[1].trials[0].stability = Some(91.26);
        let mut second = samples::target(100, vec![samples::engine("B", 200)]);
        second.engines[0].trials[0].failure = Some("it died".into());
        second.never_evaluated = vec!["calc.x".into()];
        let mut comparison = comparison(vec![first, second]);
        let said: Vec<String> = problems(&comparison)
            .iter()
            .map(|text| plain(text))
            .collect();
        assert_eq!(
            said,
            [
                "A on fuzz_it reached nothing that the seeds do not reach.",
                "B on fuzz_it read 0 of 1 seeds.",
                "B on fuzz_it was 91.3 % stable: something outlives an input, or is initialised only once.",
                "B on fuzz_it failed, and its result does not count: it died",
                "A was not run on fuzz_it.",
                "fuzz_it: a check was never evaluated by any input: calc.x.",
            ]
        );
        comparison.interrupted = true;
        assert!(problems(&comparison)[0].starts_with("Interrupted"));
        let sound = samples::target(100, vec![samples::engine("A", 101)]);
        assert!(problems(&self::comparison(vec![sound])).is_empty());
    }

    #[test]
    fn finds_are_counted_by_check() {
        let mut target = samples::target(1, vec![samples::engine("A", 2), samples::engine("B", 2)]);
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
    fn short_runs_and_a_single_trial_are_said() {
        let mut comparison = comparison(Vec::new());
        let text = plain(&caution(&comparison));
        assert!(
            text.starts_with("One trial of 1 min for each engine on each target: a difference")
        );
        assert!(text.contains("how an engine starts"));
        comparison.time_seconds = 86_400;
        assert!(!caution(&comparison).contains("how an engine starts"));
    }

    #[test]
    fn equal_executions_are_those_of_the_slowest_whose_result_counts() {
        let curve = |name, end, steps: &[(f64, usize)]| Curve {
            name,
            failed: false,
            style: 0,
            seeds: 10,
            steps: steps.to_vec(),
            end,
            reached: 0,
        };
        let mut curves = vec![
            curve("A", 1000.0, &[(5.0, 20), (900.0, 30)]),
            curve("B", 9000.0, &[(5.0, 15), (900.0, 40), (1001.0, 50)]),
        ];
        assert_eq!(
            plain(&at_equal_executions(&curves).unwrap()),
            "Given equal executions instead of equal time (1 000, all that A made): B 40 and A 30."
        );
        curves[1].reached = 60;
        assert_eq!(
            at_equal_executions(&curves),
            None,
            "B's curve does not tell all"
        );
        curves[1].failed = true;
        assert_eq!(
            at_equal_executions(&curves),
            None,
            "one engine is not compared"
        );
    }
}
