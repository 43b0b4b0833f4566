//! The statistics against the answers of scipy, lifelines, numpy and statsmodels.
//!
//! `reference.py` made the stored answers and documents how and with which versions; this test needs no Python.
//! The bootstrap interval is compared with its definition (all samples enumerated) where that is feasible, and with
//! scipy's draws everywhere else.

use serde_json::Value;
use statistics::survival::{self, Observation};
use statistics::{LEVEL, bootstrap, effect_size, holm, mann_whitney, quantile};

/// How far a number may be from the reference, relative to it.
const TOLERANCE: f64 = 1e-9;

/// The share outside the interval, and how far draws may be from it: scipy's 200,000 samples of a share of
/// 2.5 % have a standard error of 0.00035.
const OUTSIDE: f64 = (1.0 - LEVEL) / 2.0;
const DRAWN: f64 = 0.002;

/// The stored cases of one statistic; at least so many.
fn cases(statistic: &str, at_least: usize) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("reference.json")).unwrap();
    let cases = all[statistic].as_array().unwrap().clone();
    assert!(cases.len() >= at_least, "{statistic}: {}", cases.len());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap();
    values.iter().map(|one| one.as_f64().unwrap()).collect()
}

/// Trials as pairs of a time in milliseconds and whether the event came.
fn observations(value: &Value) -> Vec<Observation> {
    let pairs: Vec<(u64, bool)> = serde_json::from_value(value.clone()).unwrap();
    pairs
        .into_iter()
        .map(|(time_ms, happened)| Observation { time_ms, happened })
        .collect()
}

#[track_caller]
fn same(found: f64, expected: &Value, case: &Value) {
    let expected = expected.as_f64().unwrap();
    // Below 1e-290 a relative error is meaningless: such numbers have lost digits themselves.
    let off = (found - expected).abs() / expected.abs().max(1e-290);
    assert!(
        found == expected || off <= TOLERANCE,
        "{found}, not {expected}: {case}"
    );
}

#[test]
fn quartiles_equal_numpy() {
    for case in cases("quantiles", 30) {
        let found = quantile::quartiles(&numbers(&case["values"])).unwrap();
        same(found.lower, &case["lower"], &case);
        same(found.median, &case["median"], &case);
        same(found.upper, &case["upper"], &case);
    }
}

#[test]
fn median_intervals_equal_the_bootstrap_by_definition() {
    let mut compared = 0;
    for case in cases("median_intervals", 30) {
        let values = numbers(&case["values"]);
        let found = bootstrap::median_interval(&values, LEVEL).unwrap();
        same(found.median, &case["median"], &case);
        for limits in case["enumerated"].as_array().unwrap() {
            let level = limits["level"].as_f64().unwrap();
            let found = bootstrap::median_interval(&values, level).unwrap();
            same(found.low, &limits["low"], &case);
            same(found.high, &limits["high"], &case);
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared}");
}

#[test]
fn median_intervals_are_where_scipy_draws_them() {
    let mut compared = 0;
    for case in cases("median_intervals", 30) {
        let values = numbers(&case["values"]);
        let Some(drawn) = case.get("drawn") else {
            assert_eq!(values.len(), 1, "scipy draws from two values on");
            continue;
        };
        let at = |level| bootstrap::median_interval(&values, level).unwrap();
        let wider = at(1.0 - 2.0 * (OUTSIDE - DRAWN));
        let narrower = at(1.0 - 2.0 * (OUTSIDE + DRAWN));
        let (low, high) = (wider.low..=narrower.low, narrower.high..=wider.high);
        let found = at(LEVEL);
        for (limits, one) in [(&low, found.low), (&high, found.high)] {
            assert!(limits.contains(&one), "{one} not in {limits:?}: {case}");
        }
        assert!(low.contains(&drawn["low"].as_f64().unwrap()), "{case}");
        assert!(high.contains(&drawn["high"].as_f64().unwrap()), "{case}");
        compared += 1;
    }
    assert!(compared >= 30, "{compared}");
}

#[test]
fn mann_whitney_and_a12_equal_scipy() {
    let mut exact = 0;
    for case in cases("mann_whitney", 200) {
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        let found = mann_whitney::test(&first, &second).unwrap();
        same(found.u, &case["u"], &case);
        same(found.p, &case["p"], &case);
        assert_eq!(found.exact, case["exact"], "{case}");
        exact += usize::from(found.exact);
        let a12 = effect_size::a12(&first, &second).unwrap();
        same(a12, &case["a12"], &case);
    }
    assert!(exact >= 50, "only {exact} exact ones");
}

#[test]
fn holm_adjustment_equals_statsmodels() {
    for case in cases("holm", 7) {
        let found = holm::adjust(&numbers(&case["p"]));
        let expected = case["adjusted"].as_array().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            same(*found, expected, &case);
        }
    }
}

#[test]
fn survival_curves_equal_scipy_and_lifelines() {
    for case in cases("survival", 40) {
        let steps = survival::kaplan_meier(&observations(&case["observations"]), LEVEL);
        assert_eq!(survival::median(&steps), case["median"].as_u64(), "{case}");
        let expected = case["steps"].as_array().unwrap();
        assert_eq!(steps.len(), expected.len(), "{case}");
        for (found, expected) in steps.iter().zip(expected) {
            assert_eq!(found.time_ms, expected["time_ms"], "{case}");
            assert_eq!(found.at_risk, expected["at_risk"], "{case}");
            assert_eq!(found.events, expected["events"], "{case}");
            same(found.surviving, &expected["surviving"], &case);
            if expected.get("low").is_some() {
                same(found.low, &expected["low"], &case);
                same(found.high, &expected["high"], &case);
            } else {
                assert_eq!((found.surviving, found.low), (0.0, 0.0), "{case}");
            }
        }
    }
}

#[test]
fn log_rank_tests_equal_lifelines_and_scipy() {
    for case in cases("log_rank", 140) {
        let (first, second) = (observations(&case["first"]), observations(&case["second"]));
        let found = survival::log_rank(&first, &second).unwrap();
        same(found.chi_square, &case["chi_square"], &case);
        same(found.p, &case["p"], &case);
    }
}
