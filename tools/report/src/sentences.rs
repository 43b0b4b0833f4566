//! The result of a target in sentences, for the summary and for the page.
//!
//! No engine is called better than another unless a test shows that their trials differ.

use std::collections::BTreeMap;

use crate::format::{count, counted, estimate, listed, median, p_value, percent};
use crate::{Comparison, Pair, TargetResult, UNREPRODUCED, Verdict};

/// How medians, intervals and tests are made, for a reader who knows statistics.
pub(crate) const METHODS: &str = "Medians are over trials, with the 95 % percentile bootstrap interval of the \
    median, calculated and not drawn. Two groups of trials are compared by the two-sided Mann-Whitney U test: exact up \
    to 8 trials without ties, else the normal approximation with corrections for ties and continuity. Its p-value is \
    adjusted by Holm's method over all tests of the same kind on a target. A12 is Vargha and Delaney's: how often a \
    trial of the first group is above one of the second (small from 0.56, medium from 0.64, large from 0.71, and the \
    same below one half). Survival curves are Kaplan and Meier's, with log-log Greenwood intervals at 95 %; two of \
    them are compared by the log-rank test.";

/// What hunts of planted faults are for.
pub(crate) const FAULTS: &str =
    "Planted faults show how strong the oracle is; they do not rank engines.";

/// An engine's name as its authors write it.
pub(crate) fn title<'a>(target: &'a TargetResult, name: &'a str) -> &'a str {
    let engine = target.engines.iter().find(|engine| engine.engine == name);
    engine.map_or(name, |engine| &engine.title)
}

/// What was reached of a target. Engines stay in their order and are not ranked.
pub(crate) fn reached(target: &TargetResult) -> String {
    let parts: Vec<String> = target
        .engines
        .iter()
        .filter(|engine| engine.regions.is_some())
        .map(|engine| format!("{} {}", engine.title, estimate(engine.regions, median)))
        .collect();
    if parts.is_empty() {
        return "No engine has a trial that counts.".to_owned();
    }
    let reachable = target.reachable.regions;
    format!(
        "Median regions in a trial, with the 95\u{a0}% interval: {}. The seeds alone reach {}; everything together {} of {} that are known to be reachable ({}).",
        listed(&parts),
        count(target.seeds.reach.regions),
        count(target.union.regions),
        count(reachable),
        percent(target.union.regions, reachable)
    )
}

/// The differences between the engines on a target: a sentence for each engine that reached more than others, and one
/// for all pairs without a shown difference.
pub(crate) fn differences(target: &TargetResult) -> Vec<String> {
    let all = &target.pairs;
    let above = target.engines.iter().filter_map(|engine| {
        let below = |pair: &Pair| below(target, &engine.engine, pair);
        let below: Vec<String> = all.iter().filter_map(below).collect();
        let others = listed(&below);
        (!below.is_empty()).then(|| format!("{} reached more than {others}.", engine.title))
    });
    let title = |name: &String| title(target, name).to_owned();
    let between = |verdict, beginning: &str, end: &str| {
        let pairs = all.iter().filter(|pair| pair.regions.verdict == verdict);
        let pairs = pairs.map(|pair| [title(&pair.first), title(&pair.second)].join(" and "));
        let pairs: Vec<String> = pairs.collect();
        let pairs = match pairs.len() {
            0 => return None,
            2.. if pairs.len() == all.len() => "any two of them".to_owned(),
            5.. => format!("those of the other {} pairs", pairs.len()),
            _ => pairs.join(", between "),
        };
        Some(format!("{beginning} between {pairs}{end}"))
    };
    let equal = ", which does not mean that they are equal.";
    let equal = between(Verdict::NotShown, "No difference is shown", equal);
    let few = "Too few trials to show a difference";
    let few = between(Verdict::TooFewTrials, few, ".");
    above.chain(equal).chain(few).collect()
}

/// The other engine of a pair in which this one reached more, with how often and how sure that is.
fn below(target: &TargetResult, above: &str, pair: &Pair) -> Option<String> {
    let contrast = &pair.regions;
    let (below, a12) = match contrast.verdict {
        Verdict::Higher if pair.first == above => (&pair.second, contrast.a12),
        Verdict::Lower if pair.second == above => (&pair.first, 1.0 - contrast.a12),
        _ => return None,
    };
    let (below, p) = (title(target, below), p_value(contrast.adjusted_p));
    Some(format!("{below} (A12 = {a12:.2}, p = {p})"))
}

/// What only one engine reached; none with a single engine.
pub(crate) fn only_here(target: &TargetResult) -> Option<String> {
    if target.engines.len() < 2 {
        return None;
    }
    let engines = target.engines.iter().enumerate();
    let counts = engines.map(|(place, engine)| (target.only_here(place).count(), &engine.title));
    let parts: Vec<String> = counts
        .filter(|(regions, _)| *regions > 0)
        .map(|(regions, title)| format!("{} by {title}", count(regions)))
        .collect();
    Some(if parts.is_empty() {
        "No region was reached by one engine only.".to_owned()
    } else {
        format!("Regions reached by one engine only: {}.", listed(&parts))
    })
}

/// How many inputs fail which check.
pub(crate) fn finds(comparison: &Comparison) -> String {
    let mut inputs: BTreeMap<&str, usize> = BTreeMap::new();
    for group in comparison.engines().flat_map(|(_, engine)| &engine.finds) {
        *inputs.entry(&group.check).or_default() += group.inputs;
    }
    if inputs.is_empty() {
        return "No input fails a check.".to_owned();
    }
    let parts = inputs.iter().map(|(check, &inputs)| {
        if *check == UNREPRODUCED {
            let pass = counted(inputs, "input passes", "inputs pass");
            format!("{pass} on replay, though an engine reported a failure")
        } else {
            format!("{} {check}", counted(inputs, "input fails", "inputs fail"))
        }
    });
    format!("{}.", listed(&parts.collect::<Vec<_>>()))
}
