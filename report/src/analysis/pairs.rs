//! Every two engines of a target against each other: the one place that says whether they differ.

use super::{contrast, curves, regions};
use crate::{Contrast, EngineResult, Pair, PairVerdict, TargetResult};
use statistics::{ALPHA, float, holm, mann_whitney};

/// Every two engines with trials enough to be tested.
pub(super) fn of(target: &TargetResult) -> Vec<Pair> {
    let engines = &target.engines;
    let tested: Vec<(&EngineResult, &EngineResult, Contrast)> = engines
        .iter()
        .enumerate()
        .flat_map(|(at, first)| engines[at + 1..].iter().map(move |second| (first, second)))
        .filter_map(|(first, second)| {
            Some((first, second, contrast(&regions(first), &regions(second))?))
        })
        .collect();
    let p_values: Vec<f64> = tested.iter().map(|(_, _, contrast)| contrast.p).collect();
    tested
        .into_iter()
        .zip(holm::adjust(&p_values))
        .map(|((first, second, regions), adjusted_p)| {
            let trials = (first.counting().count(), second.counting().count());
            Pair {
                first: first.engine.clone(),
                second: second.engine.clone(),
                trials,
                regions,
                adjusted_p,
                verdict: verdict(trials, adjusted_p),
                at_equal_executions: at_equal_executions(first, second),
            }
        })
        .collect()
}

/// What an adjusted p-value of so many trials of each engine says.
fn verdict(trials: (usize, usize), adjusted_p: f64) -> PairVerdict {
    if mann_whitney::smallest_p(trials.0, trials.1) >= ALPHA {
        PairVerdict::TooFewTrials
    } else if adjusted_p < ALPHA {
        PairVerdict::Differ
    } else {
        PairVerdict::NotToldApart
    }
}

/// Two results compared at as many executions as the trial of both that executed least.
fn at_equal_executions(first: &EngineResult, second: &EngineResult) -> Option<Contrast> {
    let least = first
        .counting()
        .chain(second.counting())
        .map(|trial| trial.executions)
        .min()?;
    let there = |engine: &EngineResult| -> Vec<f64> {
        engine
            .counting()
            .map(|trial| float(curves::regions_at_executions(trial, least)))
            .collect()
    };
    contrast(&there(first), &there(second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::target;

    fn verdicts(engines: &[(&str, &[usize])]) -> Vec<(f64, PairVerdict)> {
        of(&target(100, engines))
            .iter()
            .map(|pair| (pair.adjusted_p, pair.verdict))
            .collect()
    }

    #[test]
    fn few_trials_never_tell_engines_apart() {
        let said = verdicts(&[("A", &[100, 101]), ("B", &[900, 901])]);
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].1, PairVerdict::TooFewTrials);
        assert!(verdicts(&[("A", &[100]), ("B", &[900])]).is_empty());
    }

    #[test]
    fn a_difference_is_one_after_adjusting_for_all_pairs() {
        // U = 2: of the 252 ways to part ten trials, eight are as far apart or farther.
        let low: &[usize] = &[200, 201, 202, 203, 206];
        let high: &[usize] = &[204, 205, 207, 208, 209];
        let alone = verdicts(&[("A", low), ("B", high)]);
        let both = of(&target(100, &[("A", low), ("B", high), ("C", low)]));
        assert_eq!(alone, [(8.0 / 252.0, PairVerdict::Differ)]);
        assert_eq!(both[0].regions.p, alone[0].0);
        assert!((both[0].adjusted_p - 3.0 * alone[0].0).abs() < 1e-12);
        assert_eq!(both[0].verdict, PairVerdict::NotToldApart);
        assert_eq!(both[0].trials, (5, 5));
    }
}
