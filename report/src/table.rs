//! A comparison as a table, for a terminal and for Markdown alike.

use super::{Comparison, EngineResult, Estimate, TargetResult};
use crate::format::{grouped, rounded};

const OF_ONE: [&str; 8] = [
    "target",
    "engine",
    "executions",
    "executions/s",
    "corpus",
    "regions",
    "only here",
    "finds",
];

const OF_MANY: [&str; 9] = [
    "target",
    "engine",
    "trials",
    "executions/s",
    "corpus",
    "regions (median)",
    "in all trials",
    "only here",
    "finds",
];

/// The comparison as a Markdown table whose columns also line up on a terminal. With one trial of each engine
/// the figures are that trial's; with more they are medians, each with the interval in which the median lies
/// with 95 % confidence.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let is_one = comparison.trials == 1;
    let heading: &[&str] = if is_one { &OF_ONE } else { &OF_MANY };
    let mut rows = vec![heading.iter().map(|&cell| cell.to_owned()).collect()];
    for target in &comparison.targets {
        if is_one {
            rows.push(seeds_row(target));
            let engines = target.engines.iter();
            rows.extend(engines.map(|engine| row(target, engine)));
        } else {
            rows.push(seeds_row_of_many(target));
            let engines = target.engines.iter();
            rows.extend(engines.map(|engine| row_of_many(target, engine)));
        }
    }
    crate::markdown::table(&rows, 2)
}

const DASH: &str = "–";

fn seeds_row(target: &TargetResult) -> Vec<String> {
    vec![
        target.target.clone(),
        "(seeds)".to_owned(),
        DASH.to_owned(),
        DASH.to_owned(),
        grouped(target.seeds.inputs as u64),
        portion(target.seeds.reach.regions, target.total.regions),
        DASH.to_owned(),
        DASH.to_owned(),
    ]
}

fn seeds_row_of_many(target: &TargetResult) -> Vec<String> {
    vec![
        target.target.clone(),
        "(seeds)".to_owned(),
        DASH.to_owned(),
        DASH.to_owned(),
        grouped(target.seeds.inputs as u64),
        target.seeds.reach.regions.to_string(),
        portion(target.seeds.reach.regions, target.total.regions),
        DASH.to_owned(),
        DASH.to_owned(),
    ]
}

fn name(engine: &EngineResult) -> String {
    if engine.failure().is_some() {
        format!("{} (failed)", engine.title)
    } else {
        engine.title.clone()
    }
}

fn row(target: &TargetResult, engine: &EngineResult) -> Vec<String> {
    let trial = engine.middle();
    vec![
        target.target.clone(),
        name(engine),
        grouped(trial.map_or(0, |trial| trial.executions)),
        rounded(trial.map_or(0.0, |trial| trial.executions_per_second)),
        grouped(trial.map_or(0, |trial| trial.corpus) as u64),
        portion(engine.reach.regions, target.total.regions),
        engine.only_here.len().to_string(),
        inputs_found(engine).to_string(),
    ]
}

fn row_of_many(target: &TargetResult, engine: &EngineResult) -> Vec<String> {
    let counting = engine.counting().count();
    let trials_with_finds = engine
        .finds
        .iter()
        .map(|group| group.trials.len())
        .max()
        .unwrap_or(0);
    vec![
        target.target.clone(),
        name(engine),
        if counting == engine.trials.len() {
            counting.to_string()
        } else {
            format!("{counting} of {}", engine.trials.len())
        },
        estimated(engine.executions_per_second),
        estimated(engine.corpus),
        estimated(engine.regions),
        portion(engine.reach.regions, target.total.regions),
        engine.only_here.len().to_string(),
        match inputs_found(engine) {
            0 => "0".to_owned(),
            inputs => format!("{inputs} in {trials_with_finds}"),
        },
    ]
}

fn inputs_found(engine: &EngineResult) -> usize {
    engine.finds.iter().map(|group| group.inputs).sum()
}

/// `410 [405, 412]`; the interval is left out where it is the median.
pub(super) fn estimated(estimate: Option<Estimate>) -> String {
    let Some(estimate) = estimate else {
        return DASH.to_owned();
    };
    let median = rounded(estimate.median);
    let (low, high) = (rounded(estimate.low), rounded(estimate.high));
    if low == high && low == median {
        return median;
    }
    format!("{median} [{low}, {high}]")
}

fn portion(part: usize, whole: usize) -> String {
    format!("{part} of {whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_told_where_there_is_one() {
        let estimate = |low, median, high| Some(Estimate { median, low, high });
        assert_eq!(estimated(None), "–");
        assert_eq!(estimated(estimate(410.0, 410.0, 410.0)), "410");
        assert_eq!(estimated(estimate(405.0, 410.4, 412.0)), "410 [405, 412]");
    }
}
