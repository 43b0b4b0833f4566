//! Groups of trials against each other: the one place that decides whether they differ.

use statistics::groups::{self, Magnitude};
use statistics::{ALPHA, float, quantile};

use super::curves;
use crate::{Contrast, EngineResult, Pair, TargetResult, TrialResult, Verdict};

/// The fewest values of a group that are tested: one trial against another shows only that two runs differ.
pub(crate) const TESTED_FROM: usize = 2;

/// Two groups of values, compared on their own. None when one has fewer than [`TESTED_FROM`] values.
pub(crate) fn contrast(first: &[f64], second: &[f64]) -> Option<Contrast> {
    if first.len().min(second.len()) < TESTED_FROM {
        return None;
    }
    let test = groups::mann_whitney(first, second)?;
    let mut contrast = Contrast {
        trials: (first.len(), second.len()),
        first: quantile::median(first)?,
        second: quantile::median(second)?,
        u: test.u,
        p: test.p,
        exact: test.exact,
        adjusted_p: test.p,
        a12: test.a12,
        magnitude: Magnitude::of(test.a12),
        verdict: Verdict::NotShown,
    };
    adjust([&mut contrast]);
    Some(contrast)
}

/// Adjusts the p-values of tests that are made together by Holm's method, and sets their verdicts.
pub(crate) fn adjust<'a>(tests: impl IntoIterator<Item = &'a mut Contrast>) {
    let mut tests: Vec<&mut Contrast> = tests.into_iter().collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.p).collect();
    let many = float(tests.len());
    for (test, adjusted) in tests.iter_mut().zip(groups::holm(&p_values)) {
        let (first, second) = test.trials;
        test.adjusted_p = adjusted;
        test.verdict = if groups::smallest_p(first, second) * many >= ALPHA {
            Verdict::TooFewTrials
        } else if adjusted >= ALPHA {
            Verdict::NotShown
        } else if test.a12 > 0.5 {
            Verdict::Higher
        } else {
            Verdict::Lower
        };
    }
}

/// Every two engines with enough trials to be tested.
pub(super) fn pairs(target: &TargetResult) -> Vec<Pair> {
    let engines = &target.engines;
    let over = |engine: &EngineResult, value: &dyn Fn(&TrialResult) -> usize| -> Vec<f64> {
        engine.counting().map(|trial| float(value(trial))).collect()
    };
    let mut pairs = Vec::new();
    for (at, first) in engines.iter().enumerate() {
        for second in &engines[at + 1..] {
            let compare = |value: &dyn Fn(&TrialResult) -> usize| {
                contrast(&over(first, value), &over(second, value))
            };
            let both = first.counting().chain(second.counting());
            let least = both.map(|trial| trial.executions).min().unwrap_or(0);
            let at_least = |trial: &TrialResult| curves::regions_at_executions(trial, least);
            let regions = compare(&|trial| trial.reach.regions);
            if let (Some(regions), Some(at_equal_executions)) = (regions, compare(&at_least)) {
                pairs.push(Pair {
                    first: first.engine.clone(),
                    second: second.engine.clone(),
                    regions,
                    at_equal_executions,
                });
            }
        }
    }
    adjust(pairs.iter_mut().map(|pair| &mut pair.regions));
    adjust(pairs.iter_mut().map(|pair| &mut pair.at_equal_executions));
    pairs
}
