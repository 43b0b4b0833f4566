//! From trials to statistics: each engine, every two of them, finds, and what a reader must know first.
//!
//! [`analyse`] fills in everything of a [`Comparison`] that follows from its trials. Only trials that count are used.
//! `curves` reads growth, `contrasts` compares groups of trials, `notes` writes the caveats.

mod contrasts;
mod curves;
mod notes;

pub(crate) use contrasts::{TESTED_FROM, adjust, contrast};
pub(crate) use curves::regions_at_executions;
pub(crate) use notes::{SECONDS_ENOUGH, TRIALS_ENOUGH};

use std::cmp::Reverse;

use statistics::survival::{self, Observation};
use statistics::{LEVEL, bootstrap, float};

use crate::{
    Comparison, EngineResult, Estimate, FirstFind, Pair, Survival, SurvivalKind, TargetResult,
    TrialResult, UNREPRODUCED, Verdict,
};

/// Sorts a target and start on which engines are shown to differ before others: by the number of pairs, then by how far
/// the medians are apart, in thousandths of the union. The rest keeps its order.
fn separation(target: &TargetResult) -> Reverse<(usize, usize)> {
    let is_shown = |pair: &&Pair| matches!(pair.regions.verdict, Verdict::Higher | Verdict::Lower);
    let shown = target.pairs.iter().filter(is_shown);
    let apart = shown
        .clone()
        .map(|pair| (pair.regions.first - pair.regions.second).abs());
    let apart = 1000.0 * apart.fold(0.0, f64::max) / float(target.union.regions.max(1));
    Reverse((shown.count(), apart as usize))
}

/// Fills in what follows from the trials: estimates, bands, milestones, pairs, survival of finds, and notes. Notes that
/// are there already stay, after those made here; so do the survivals of planted faults.
pub fn analyse(comparison: &mut Comparison) {
    for target in &mut comparison.targets {
        let union = target.union.regions;
        let [time, executions] = curves::grids(target);
        for engine in &mut target.engines {
            estimate_figures(engine);
            engine.milestones = curves::milestones(engine, union);
            engine.over_time = curves::over_time(engine, &time);
            engine.over_executions = curves::over_executions(engine, &executions);
        }
        target.pairs = contrasts::pairs(target);
        let finds = survivals_of_finds(target);
        let is_fault = |survival: &Survival| survival.kind == SurvivalKind::Fault;
        target.survivals.retain(is_fault);
        target.survivals.splice(0..0, finds);
    }
    comparison.targets.sort_by_key(separation);
    let notes = notes::notes(comparison);
    let before = std::mem::replace(&mut comparison.notes, notes);
    for note in before {
        if !comparison.notes.contains(&note) {
            comparison.notes.push(note);
        }
    }
}

/// The median of the values with its 95 % bootstrap interval; of one value, that value. None without values.
pub(crate) fn estimate(values: &[f64]) -> Option<Estimate> {
    bootstrap::median_interval(values, LEVEL)
}

/// How long something went unnoticed by an engine's trials, as a survival curve.
pub fn survival(of: &str, kind: SurvivalKind, engine: &str, trials: &[Observation]) -> Survival {
    let steps = survival::kaplan_meier(trials, LEVEL);
    Survival {
        of: of.to_owned(),
        kind,
        engine: engine.to_owned(),
        trials: trials.len(),
        caught: trials.iter().filter(|trial| trial.happened).count(),
        median_ms: survival::median(&steps),
        steps,
    }
}

/// When the engine's trials that count first had a find of this check, or until when they had none.
pub(crate) fn times_to_find(engine: &EngineResult, check: &str) -> Vec<Observation> {
    let groups = engine.finds.iter().filter(|group| group.check == check);
    let firsts: Vec<&FirstFind> = groups.flat_map(|group| &group.trials).collect();
    let observation = |trial: &TrialResult| {
        let of_trial = firsts.iter().filter(|first| first.trial == trial.trial);
        let first = of_trial.map(|first| first.time_ms).min();
        Observation {
            time_ms: first.unwrap_or_else(|| curves::duration_ms(trial)),
            happened: first.is_some(),
        }
    };
    engine.counting().map(observation).collect()
}

/// The checks that inputs of these engines fail, in order, each once; without finds that pass on replay.
pub(crate) fn checks<'a>(engines: impl IntoIterator<Item = &'a EngineResult>) -> Vec<&'a str> {
    let groups = engines.into_iter().flat_map(|engine| &engine.finds);
    let mut checks: Vec<&str> = groups
        .map(|group| group.check.as_str())
        .filter(|&check| check != UNREPRODUCED)
        .collect();
    checks.sort_unstable();
    checks.dedup();
    checks
}

fn estimate_figures(engine: &mut EngineResult) {
    let over = |engine: &EngineResult, value: fn(&TrialResult) -> f64| {
        estimate(&engine.counting().map(value).collect::<Vec<f64>>())
    };
    engine.regions = over(engine, |trial| float(trial.reach.regions));
    engine.lines = over(engine, |trial| float(trial.reach.lines));
    engine.functions = over(engine, |trial| float(trial.reach.functions));
    engine.executions = over(engine, |trial| trial.executions as f64);
    engine.executions_per_second = over(engine, |trial| trial.executions_per_second);
    engine.corpus = over(engine, |trial| float(trial.corpus));
}

/// For each check that any engine has finds of, how long each engine's trials went without.
fn survivals_of_finds(target: &TargetResult) -> Vec<Survival> {
    let mut survivals = Vec::new();
    for check in checks(&target.engines) {
        for engine in &target.engines {
            let trials = times_to_find(engine, check);
            if !trials.is_empty() {
                let kind = SurvivalKind::Find;
                survivals.push(survival(check, kind, &engine.engine, &trials));
            }
        }
    }
    survivals
}
