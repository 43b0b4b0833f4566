//! The statistics against scipy's, lifelines' and others' numbers.
//!
//! `reference.py` made them once and says how and with which versions; this test needs no Python.
//! The bootstrap's interval is compared with its definition, all samples counted, where that can be done,
//! and with scipy's draws where not.

use serde::Deserialize;
use statistics::survival::{self, Observation};
use statistics::{LEVEL, bootstrap, effect_size, friedman, holm, mann_whitney, quantile};

/// How far a number may be from the reference, relative to it.
const TOLERANCE: f64 = 1e-9;

/// The share outside the interval, and how far draws may be from it: scipy's 200,000 samples of a share of
/// 2.5 % have a standard error of 0.00035.
const OUTSIDE: f64 = (1.0 - LEVEL) / 2.0;
const DRAWN: f64 = 0.002;

#[derive(Deserialize)]
struct Reference {
    quantiles: Vec<QuartilesCase>,
    median_intervals: Vec<IntervalCase>,
    mann_whitney: Vec<TwoGroups>,
    friedman: Vec<FriedmanCase>,
    nemenyi: Vec<f64>,
    holm: Vec<HolmCase>,
    survival: Vec<SurvivalCase>,
    log_rank: Vec<LogRankCase>,
}

#[derive(Deserialize)]
struct QuartilesCase {
    values: Vec<f64>,
    lower: f64,
    median: f64,
    upper: f64,
}

#[derive(Deserialize)]
struct IntervalCase {
    values: Vec<f64>,
    median: f64,
    enumerated: Vec<Limits>,
    drawn: Option<Limits>,
}

#[derive(Deserialize)]
struct Limits {
    level: Option<f64>,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct TwoGroups {
    first: Vec<f64>,
    second: Vec<f64>,
    u: f64,
    p: f64,
    exact: bool,
    a12: f64,
}

#[derive(Deserialize)]
struct FriedmanCase {
    blocks: Vec<Vec<f64>>,
    mean_ranks: Vec<f64>,
    chi_square: f64,
    p: f64,
    pairs: Vec<PairCase>,
    critical_difference: f64,
}

#[derive(Deserialize)]
struct PairCase {
    first: usize,
    second: usize,
    p: f64,
}

#[derive(Deserialize)]
struct HolmCase {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct SurvivalCase {
    observations: Vec<(u64, bool)>,
    steps: Vec<StepCase>,
    median: Option<u64>,
}

#[derive(Deserialize)]
struct StepCase {
    time_ms: u64,
    at_risk: usize,
    events: usize,
    surviving: f64,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Deserialize)]
struct LogRankCase {
    first: Vec<(u64, bool)>,
    second: Vec<(u64, bool)>,
    chi_square: f64,
    p: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference.json"))
        .expect("the stored reference is what reference.py prints")
}

fn observations(seen: &[(u64, bool)]) -> Vec<Observation> {
    seen.iter()
        .map(|&(time_ms, happened)| Observation { time_ms, happened })
        .collect()
}

/// Compares numbers, counts them, and remembers how far the worst was off.
#[derive(Default)]
struct Compared {
    numbers: usize,
    worst: f64,
}

impl Compared {
    fn same(&mut self, found: f64, expected: f64, what: &dyn Fn() -> String) {
        // Below 1e-290 a relative error says nothing: such numbers have lost digits themselves.
        let off = (found - expected).abs() / expected.abs().max(1e-290);
        let off = if found == expected { 0.0 } else { off };
        assert!(off <= TOLERANCE, "{}: {found}, not {expected}", what());
        self.worst = self.worst.max(off);
        self.numbers += 1;
    }

    /// What the test has shown; it must have compared so many numbers.
    fn report(&self, what: &str, at_least: usize) {
        println!(
            "{what}: {} numbers, off by at most {:.1e}",
            self.numbers, self.worst
        );
        assert!(
            self.numbers >= at_least,
            "{what}: only {} numbers",
            self.numbers
        );
    }
}

#[test]
fn quartiles_are_those_of_numpy() {
    let mut compared = Compared::default();
    for case in reference().quantiles {
        let found = quantile::quartiles(&case.values).unwrap();
        let what = || format!("{:?}", case.values);
        compared.same(found.lower, case.lower, &what);
        compared.same(found.median, case.median, &what);
        compared.same(found.upper, case.upper, &what);
    }
    compared.report("quartiles", 90);
}

#[test]
fn the_median_s_interval_is_the_bootstrap_s_by_definition() {
    let mut compared = Compared::default();
    for case in reference().median_intervals {
        let what = || format!("{:?}", case.values);
        let found = bootstrap::median_interval(&case.values, LEVEL).unwrap();
        compared.same(found.median, case.median, &what);
        assert_eq!(!case.enumerated.is_empty(), case.values.len() <= 7);
        for limits in &case.enumerated {
            let level = limits.level.expect("an enumerated interval has a level");
            let found = bootstrap::median_interval(&case.values, level).unwrap();
            compared.same(found.low, limits.low, &what);
            compared.same(found.high, limits.high, &what);
        }
    }
    compared.report("intervals by definition", 60);
}

#[test]
fn the_median_s_interval_is_where_scipy_s_draws_are() {
    let mut cases = 0;
    for case in reference().median_intervals {
        let Some(drawn) = case.drawn else {
            assert_eq!(case.values.len(), 1, "scipy draws from two values on");
            continue;
        };
        let wider =
            bootstrap::median_interval(&case.values, 1.0 - 2.0 * (OUTSIDE - DRAWN)).unwrap();
        let narrower =
            bootstrap::median_interval(&case.values, 1.0 - 2.0 * (OUTSIDE + DRAWN)).unwrap();
        let low = wider.low..=narrower.low;
        let high = narrower.high..=wider.high;
        assert!(
            low.contains(&drawn.low),
            "{:?}: {} not in {low:?}",
            case.values,
            drawn.low
        );
        assert!(
            high.contains(&drawn.high),
            "{:?}: {} not in {high:?}",
            case.values,
            drawn.high
        );
        let found = bootstrap::median_interval(&case.values, LEVEL).unwrap();
        assert!(low.contains(&found.low) && high.contains(&found.high));
        cases += 1;
    }
    assert!(cases >= 30, "only {cases}");
}

#[test]
fn mann_whitney_and_a12_are_those_of_scipy() {
    let mut compared = Compared::default();
    let mut exact = 0;
    for case in reference().mann_whitney {
        let what = || format!("{:?} and {:?}", case.first, case.second);
        let found = mann_whitney::test(&case.first, &case.second).unwrap();
        compared.same(found.u, case.u, &what);
        compared.same(found.p, case.p, &what);
        assert_eq!(found.exact, case.exact, "{}", what());
        exact += usize::from(found.exact);
        let a12 = effect_size::a12(&case.first, &case.second).unwrap();
        compared.same(a12, case.a12, &what);
    }
    assert!(exact >= 50, "only {exact} exact ones");
    compared.report("Mann-Whitney and A12", 600);
}

#[test]
fn friedman_and_its_post_hoc_are_those_of_scipy_and_scikit_posthocs() {
    let mut compared = Compared::default();
    for case in reference().friedman {
        let what = || format!("{:?}", case.blocks);
        let found = friedman::test(&case.blocks).unwrap();
        assert_eq!(found.mean_ranks.len(), case.mean_ranks.len());
        for (found, expected) in found.mean_ranks.iter().zip(&case.mean_ranks) {
            compared.same(*found, *expected, &what);
        }
        compared.same(found.chi_square, case.chi_square, &what);
        compared.same(found.p, case.p, &what);
        assert_eq!(found.pairs.len(), case.pairs.len());
        for (found, expected) in found.pairs.iter().zip(&case.pairs) {
            assert_eq!(
                (found.first, found.second),
                (expected.first, expected.second)
            );
            compared.same(found.p, expected.p, &what);
        }
        let difference = found.critical_difference.expect("six engines at most");
        compared.same(difference, case.critical_difference, &what);
    }
    compared.report("Friedman", 1000);
}

#[test]
fn nemenyi_s_table_is_that_of_scipy_s_studentized_range() {
    let mut compared = Compared::default();
    for (columns, expected) in (2..).zip(reference().nemenyi) {
        // With so many blocks the critical difference is the quantile itself.
        let blocks = vec![vec![1.0; columns]; columns * (columns + 1)];
        let found = friedman::test(&blocks)
            .unwrap()
            .critical_difference
            .unwrap();
        compared.same(found * 6.0_f64.sqrt(), expected, &|| format!("{columns}"));
    }
    compared.report("Nemenyi's quantiles", 9);
}

#[test]
fn holm_s_adjustment_is_that_of_statsmodels() {
    let mut compared = Compared::default();
    for case in reference().holm {
        let found = holm::adjust(&case.p);
        assert_eq!(found.len(), case.adjusted.len());
        for (found, expected) in found.iter().zip(&case.adjusted) {
            compared.same(*found, *expected, &|| format!("{:?}", case.p));
        }
    }
    compared.report("Holm", 40);
}

#[test]
fn survival_curves_are_those_of_scipy_and_lifelines() {
    let mut compared = Compared::default();
    for case in reference().survival {
        let what = || format!("{:?}", case.observations);
        let steps = survival::kaplan_meier(&observations(&case.observations), LEVEL);
        assert_eq!(survival::median(&steps), case.median, "{}", what());
        assert_eq!(steps.len(), case.steps.len(), "{}", what());
        for (found, expected) in steps.iter().zip(&case.steps) {
            assert_eq!(
                (found.time_ms, found.at_risk, found.events),
                (expected.time_ms, expected.at_risk, expected.events),
                "{}",
                what()
            );
            compared.same(found.surviving, expected.surviving, &what);
            match (expected.low, expected.high) {
                (Some(low), Some(high)) => {
                    compared.same(found.low, low, &what);
                    compared.same(found.high, high, &what);
                }
                _ => assert_eq!((found.surviving, found.low), (0.0, 0.0), "{}", what()),
            }
        }
    }
    compared.report("Kaplan-Meier", 500);
}

#[test]
fn the_log_rank_test_is_that_of_lifelines_and_scipy() {
    let mut compared = Compared::default();
    for case in reference().log_rank {
        let what = || format!("{:?} and {:?}", case.first, case.second);
        let (first, second) = (observations(&case.first), observations(&case.second));
        let found = survival::log_rank(&first, &second).unwrap();
        compared.same(found.chi_square, case.chi_square, &what);
        compared.same(found.p, case.p, &what);
    }
    compared.report("log-rank", 150);
}
