//! The table of results, as text: the same figures on a terminal, in Markdown and on the page.

use crate::format::{NONE, count, estimate, median, rounded};
use crate::{EngineResult, TargetResult};

/// The columns after the name.
pub(crate) const COLUMNS: [&str; 8] = [
    "trials",
    "regions",
    "beyond seeds",
    "all trials",
    "only here",
    "finds",
    "executions/s",
    "corpus",
];

/// What the columns mean.
pub(crate) const READING: &str = "Regions are source regions of the code under test, on one neutral build, that the \
    seeds and the inputs an engine kept reach. Figures are medians over the trials that count, with the 95 % interval \
    of the median in brackets where it has a width. “Beyond seeds” are regions that the seeds alone do not reach, “all \
    trials” is what an engine's trials reached together, and “only here” are regions that no other engine reached in \
    any trial. Engines are in no order of merit.";

/// The seeds' row.
pub(crate) fn seeds(target: &TargetResult) -> [String; COLUMNS.len()] {
    let mut cells = [NONE; COLUMNS.len()].map(str::to_owned);
    cells[1] = count(target.seeds.reach.regions);
    cells[7] = count(target.seeds.inputs);
    cells
}

/// An engine's row; `trials` of each engine were asked for.
pub(crate) fn engine(
    target: &TargetResult,
    engine: &EngineResult,
    trials: usize,
) -> [String; COLUMNS.len()] {
    let counting = engine.counting().count();
    #[allow(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let seeds = target.seeds.reach.regions as f64;
    let beyond = engine
        .regions
        .map(|regions| (regions.median - seeds).max(0.0));
    let inputs: usize = engine.finds.iter().map(|group| group.inputs).sum();
    [
        if counting < trials {
            format!("{counting} of {trials}")
        } else {
            counting.to_string()
        },
        estimate(engine.regions, median),
        beyond.map_or_else(|| NONE.to_owned(), median),
        count(engine.reach.regions),
        count(engine.only_here.len()),
        count(inputs),
        estimate(engine.executions_per_second, rounded),
        estimate(engine.corpus, median),
    ]
}

/// An engine's name, with a word when none of its trials counts.
pub(crate) fn name(engine: &EngineResult) -> String {
    if engine.counting().next().is_none() {
        format!("{} (failed)", engine.title)
    } else {
        engine.title.clone()
    }
}
