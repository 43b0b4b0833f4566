//! From trials to statistics: what is said of engines, of pairs of them, and over all targets.
//!
//! [`analyse`] fills in everything of a [`Comparison`] that follows from its trials; what the trials
//! themselves reached is [`measuring`](super::measuring)'s part. Only trials that count are looked at.
//! `analysis/curves.rs` reads growth, `analysis/pairs.rs` judges engines against each other, `analysis/notes.rs` says
//! what a reader must know first.

mod curves;
mod notes;
mod pairs;

pub use curves::regions_at_executions;

use super::{
    Comparison, Contrast, EngineResult, Estimate, Friedman, MeanRank, PostHoc, Subject, Survival,
    SurvivalStep, TargetResult,
};
use crate::UNREPRODUCED;
use statistics::survival::{self, Observation};
use statistics::{LEVEL, bootstrap, effect_size, float, friedman, mann_whitney, quantile};

/// How the figures are made, for a reader who knows statistics.
pub const METHODS: &str = "Medians are given with the 95 % percentile bootstrap interval of the median, \
    calculated and not drawn. Two engines on one target are compared by the two-sided Mann-Whitney U test: \
    exact up to 8 trials without ties, else the normal approximation with corrections for ties and \
    continuity; it is judged by the p-value adjusted by Holm's method over all pairs of the target. A12 is Vargha and Delaney's: how often a \
    trial of the first engine is above one of the second (small from 0.56, medium from 0.64, large from \
    0.71, and the same below one half). Over several targets, engines are ranked by their medians: \
    Friedman's test, pairs by the z-test of mean ranks with Holm's adjustment, and Nemenyi's critical \
    difference at 5 %. Survival curves are Kaplan and Meier's, with log-log Greenwood intervals at 95 %.";

/// From how many trials of each engine on a difference is tested: one trial against another shows only that
/// two runs differ.
pub const TESTED_FROM: usize = 2;

/// Fills in what follows from the trials: estimates, bands, milestones, pairs, survival of finds, ranks over
/// targets, and notes. Notes that are there already stay, after those made here; so do the survivals of
/// planted faults.
pub fn analyse(comparison: &mut Comparison) {
    for target in &mut comparison.targets {
        let union = target.union.regions;
        let grids = curves::Grids::of(target);
        for engine in &mut target.engines {
            fill_in(engine);
            engine.milestones = curves::milestones(engine, union);
            engine.over_time = curves::over_time(engine, &grids);
            engine.over_executions = curves::over_executions(engine, &grids);
        }
        target.pairs = pairs::of(target);
        let faults = std::mem::take(&mut target.survivals)
            .into_iter()
            .filter(|survival| survival.kind == Subject::Fault);
        target.survivals = survivals_of_finds(target)
            .into_iter()
            .chain(faults)
            .collect();
    }
    comparison.across_targets = across_targets(comparison);
    let before = std::mem::take(&mut comparison.notes);
    comparison.notes = notes::notes(comparison);
    for note in before {
        if !comparison.notes.contains(&note) {
            comparison.notes.push(note);
        }
    }
}

/// The median of the values with its 95 % bootstrap interval; of one value, that value. None without values.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    bootstrap::median_interval(values, LEVEL).map(|interval| Estimate {
        median: interval.median,
        low: interval.low,
        high: interval.high,
    })
}

/// Two groups of values, compared. None when one has fewer than [`TESTED_FROM`] values.
#[must_use]
pub fn contrast(first: &[f64], second: &[f64]) -> Option<Contrast> {
    if first.len().min(second.len()) < TESTED_FROM {
        return None;
    }
    let test = mann_whitney::test(first, second)?;
    let a12 = effect_size::a12(first, second)?;
    Some(Contrast {
        first: quantile::median(first)?,
        second: quantile::median(second)?,
        u: test.u,
        p: test.p,
        a12,
        magnitude: effect_size::Magnitude::of(a12),
        exact: test.exact,
    })
}

/// How long something went unnoticed by an engine's trials, a survival curve.
#[must_use]
pub fn survival(of: &str, kind: Subject, engine: &str, trials: &[Observation]) -> Survival {
    let steps = survival::kaplan_meier(trials, LEVEL);
    Survival {
        of: of.to_owned(),
        kind,
        engine: engine.to_owned(),
        trials: trials.len(),
        caught: trials.iter().filter(|trial| trial.happened).count(),
        median_ms: survival::median(&steps),
        steps: steps
            .iter()
            .map(|step| SurvivalStep {
                time_ms: step.time_ms,
                surviving: step.surviving,
                low: step.low,
                high: step.high,
                at_risk: step.at_risk,
            })
            .collect(),
    }
}

/// When the engine's trials that count first had a find of this check, or until when they had none.
#[must_use]
pub fn times_to_find(engine: &EngineResult, check: &str) -> Vec<Observation> {
    let group = engine.finds.iter().find(|group| group.check == check);
    engine
        .counting()
        .map(|trial| {
            let first = group.and_then(|group| {
                let of_trial = group
                    .trials
                    .iter()
                    .filter(|first| first.trial == trial.trial);
                of_trial.map(|first| first.time_ms).min()
            });
            Observation {
                time_ms: first.unwrap_or_else(|| curves::duration_ms(trial)),
                happened: first.is_some(),
            }
        })
        .collect()
}

/// The regions that each trial that counts reached.
#[must_use]
pub fn regions(engine: &EngineResult) -> Vec<f64> {
    engine
        .counting()
        .map(|trial| float(trial.reach.regions))
        .collect()
}

/// A p-value with two significant digits: `1`, `0.33`, `0.0079`, `4.1e-5`.
#[must_use]
pub fn p_value(p: f64) -> String {
    let exponent = p.log10().floor();
    if p >= 0.995 {
        "1".to_owned()
    } else if exponent < -4.0 {
        format!("{p:.1e}")
    } else {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to 4"
        )]
        let before = -exponent as usize;
        format!("{p:.*}", before + 1)
    }
}

fn fill_in(engine: &mut EngineResult) {
    let over = |value: fn(&super::TrialResult) -> f64| {
        estimate(&engine.counting().map(value).collect::<Vec<f64>>())
    };
    let regions = over(|trial| float(trial.reach.regions));
    let lines = over(|trial| float(trial.reach.lines));
    let functions = over(|trial| float(trial.reach.functions));
    let executions = over(|trial| curves::executions(trial.executions));
    let executions_per_second = over(|trial| trial.executions_per_second);
    let corpus = over(|trial| float(trial.corpus));
    engine.regions = regions;
    engine.lines = lines;
    engine.functions = functions;
    engine.executions = executions;
    engine.executions_per_second = executions_per_second;
    engine.corpus = corpus;
}

/// For each check that any engine has finds of, how long each engine's trials went without.
fn survivals_of_finds(target: &TargetResult) -> Vec<Survival> {
    let mut checks: Vec<&str> = target
        .engines
        .iter()
        .flat_map(|engine| &engine.finds)
        .map(|group| group.check.as_str())
        .filter(|&check| check != UNREPRODUCED)
        .collect();
    checks.sort_unstable();
    checks.dedup();
    let mut survivals = Vec::new();
    for check in checks {
        for engine in &target.engines {
            let trials = times_to_find(engine, check);
            if !trials.is_empty() {
                survivals.push(survival(check, Subject::Find, &engine.engine, &trials));
            }
        }
    }
    survivals
}

/// The engines ranked over the targets on which all of them have a trial that counts; none with fewer than
/// two such targets, or two engines.
fn across_targets(comparison: &Comparison) -> Option<Friedman> {
    let names: Vec<&str> = comparison
        .targets
        .first()?
        .engines
        .iter()
        .map(|engine| engine.engine.as_str())
        .collect();
    let blocks: Vec<Vec<f64>> = comparison
        .targets
        .iter()
        .filter_map(|target| {
            names
                .iter()
                .map(|&name| {
                    let engine = target.engines.iter().find(|engine| engine.engine == name)?;
                    Some(engine.regions?.median)
                })
                .collect()
        })
        .collect();
    if blocks.len() < 2 {
        return None;
    }
    let test = friedman::test(&blocks)?;
    let name = |at: usize| names[at].to_owned();
    Some(Friedman {
        engines: test
            .mean_ranks
            .iter()
            .enumerate()
            .map(|(at, &mean_rank)| MeanRank {
                engine: name(at),
                mean_rank,
            })
            .collect(),
        chi_square: test.chi_square,
        p: test.p,
        blocks: blocks.len(),
        pairs: test
            .pairs
            .iter()
            .map(|pair| PostHoc {
                first: name(pair.first),
                second: name(pair.second),
                p: pair.p,
            })
            .collect(),
        critical_difference: test.critical_difference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p_value_has_two_significant_digits() {
        let shown = [
            1.0,
            0.999,
            0.99,
            1.0 / 3.0,
            0.1,
            2.0 / 252.0,
            0.000_149,
            4.113e-5,
            0.0,
        ];
        assert_eq!(
            shown.map(p_value),
            [
                "1", "1", "0.99", "0.33", "0.10", "0.0079", "0.00015", "4.1e-5", "0.0e0"
            ]
        );
    }
}
