//! The table of results, as text: the same figures on a terminal, in Markdown and on the page.

use crate::format::{NONE, count, estimate, median, median_time, milliseconds, p_value, rounded};
use crate::sentences::title;
use crate::{Contrast, Survival, TargetResult, Verdict};
use statistics::survival::Step;

/// The columns.
pub(crate) const COLUMNS: &str = "engine | trials | regions | beyond seeds | all trials | only here | finds | executions/s | corpus";

/// What the columns mean.
pub(crate) const READING: &str = "Regions are source regions of the code under test, on one neutral build, that the \
    seeds and the inputs an engine kept reach. Figures are medians over the trials that count, with the 95 % interval \
    of the median in brackets where it has a width. “Beyond seeds” are regions that the seeds alone do not reach, “all \
    trials” is what an engine's trials reached together, and “only here” are regions that no other engine reached in \
    any trial. Where trials start from nothing, one byte is the only seed. Targets and starts on which more \
    differences are shown come first. Engines are in no order of merit.";

/// A row for the seeds, and one for each engine; `trials` of each engine were asked for.
pub(crate) fn rows(target: &TargetResult, trials: usize) -> Vec<Vec<String>> {
    let mut seeds = [NONE; 9].map(str::to_owned);
    seeds[0] = "seeds alone".to_owned();
    seeds[2] = count(target.seeds.reach.regions);
    seeds[8] = count(target.seeds.inputs);
    let mut rows = vec![seeds.to_vec()];
    rows.extend((0..target.engines.len()).map(|place| row(target, place, trials)));
    rows
}

fn row(target: &TargetResult, place: usize, trials: usize) -> Vec<String> {
    let engine = &target.engines[place];
    let counting = engine.counting().count();
    let failed = if counting == 0 { " (failed)" } else { "" };
    let seeds = target.seeds.reach.regions as f64;
    let beyond = engine
        .regions
        .map(|regions| (regions.median - seeds).max(0.0));
    let inputs: usize = engine.finds.iter().map(|group| group.inputs).sum();
    vec![
        format!("{}{failed}", engine.title),
        if counting < trials {
            format!("{counting} of {trials}")
        } else {
            counting.to_string()
        },
        estimate(engine.regions, median),
        beyond.map_or_else(|| NONE.to_owned(), median),
        count(engine.reach.regions),
        count(target.only_here(place).count()),
        count(inputs),
        estimate(engine.executions_per_second, rounded),
        estimate(engine.corpus, median),
    ]
}

/// The columns of a test of two groups.
pub(crate) const TEST: &str = "p | adjusted | A12 | effect | verdict";

/// What a test shows; none is made of a single trial.
pub(crate) fn test(contrast: Option<&Contrast>) -> [String; 5] {
    let Some(contrast) = contrast else {
        return [NONE, NONE, NONE, NONE, "not tested"].map(str::to_owned);
    };
    let exact = if contrast.exact { " exact" } else { "" };
    let verdict = match contrast.verdict {
        Verdict::Higher => "first is higher",
        Verdict::Lower => "first is lower",
        Verdict::NotShown => "no difference shown",
        Verdict::TooFewTrials => "too few trials",
    };
    [
        format!("{}{exact}", p_value(contrast.p)),
        p_value(contrast.adjusted_p),
        format!("{:.2}", contrast.a12),
        contrast.magnitude.word().to_owned(),
        verdict.to_owned(),
    ]
}

/// The columns of times to finds and planted faults.
pub(crate) const SURVIVALS: &str = "what | engine | caught in | first | half of the trials by";

/// A row for each survival of a target. In brackets is from when to when the curve's 95 % interval is at one half.
pub(crate) fn survivals(target: &TargetResult) -> Vec<Vec<String>> {
    let row = |survival: &Survival| {
        let by = |share: fn(&Step) -> f64| {
            let step = survival.steps.iter().find(|step| share(step) <= 0.5);
            step.map_or_else(|| NONE.to_owned(), |step| milliseconds(step.time_ms))
        };
        let (from, to) = (by(|step| step.low), by(|step| step.high));
        vec![
            survival.of.clone(),
            title(target, &survival.engine).to_owned(),
            format!("{} of {}", survival.caught, survival.trials),
            by(|_| 0.0), // the first step
            format!("{} [{from}, {to}]", median_time(survival.median_ms)),
        ]
    };
    target.survivals.iter().map(row).collect()
}
