//! The statistics against the answers of scipy, lifelines, numpy and statsmodels.
//!
//! `reference.py` made the stored answers and documents how and with which versions; this test needs no Python.
//! The bootstrap interval is compared with its definition (all samples enumerated) where that is feasible, and with
//! scipy's draws everywhere else.

use serde_json::Value;
use statistics::groups::{self, Magnitude};
use statistics::survival::{self, Observation};
use statistics::{LEVEL, bootstrap, quantile};

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
        for (found, name) in found.into_iter().zip(["lower", "median", "upper"]) {
            same(found, &case[name], &case);
        }
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
        let found = groups::mann_whitney(&first, &second).unwrap();
        same(found.u, &case["u"], &case);
        same(found.p, &case["p"], &case);
        assert_eq!(found.exact, case["exact"], "{case}");
        exact += usize::from(found.exact);
        same(found.a12, &case["a12"], &case);
    }
    assert!(exact >= 50, "only {exact} exact ones");
}

#[test]
fn holm_adjustment_equals_statsmodels() {
    for case in cases("holm", 7) {
        let found = groups::holm(&numbers(&case["p"]));
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

#[test]
fn data_without_an_answer_in_the_textbook_have_the_documented_one() {
    let seen = |time_ms, happened| Observation { time_ms, happened };
    assert_eq!(quantile::median(&[]), None);
    assert_eq!(quantile::quartiles(&[]), None);
    assert_eq!(bootstrap::median_interval(&[], LEVEL), None);
    assert_eq!(groups::mann_whitney(&[], &[1.0]), None);
    assert_eq!(groups::mann_whitney(&[1.0], &[]), None);
    assert_eq!(groups::holm(&[]), [0.0; 0]);
    assert_eq!(survival::log_rank(&[], &[seen(5, true)]), None);
    let nothing = survival::log_rank(&[seen(5, false)], &[seen(5, false)]).unwrap();
    assert_eq!((nothing.chi_square, nothing.p), (0.0, 1.0));
    assert_eq!(survival::kaplan_meier(&[], LEVEL), []);
    assert_eq!(survival::kaplan_meier(&[seen(5, false); 3], LEVEL), []);
    // Where nothing is left, the upper end stays as it was.
    let steps = survival::kaplan_meier(&[seen(1, true), seen(2, true)], LEVEL);
    assert_eq!((steps[1].low, steps[1].high), (0.0, steps[0].high));
    let step = survival::kaplan_meier(&[seen(0, true)], LEVEL)[0];
    assert_eq!((step.surviving, step.low, step.high), (0.0, 0.0, 1.0));
}

#[test]
fn groups_far_apart_have_the_smallest_p() {
    for (m, n, p) in [(1, 1, 1.0), (2, 2, 1.0 / 3.0), (5, 5, 2.0 / 252.0)] {
        let values = |from, count: i32| (from..from + count).map(f64::from).collect::<Vec<_>>();
        let found = groups::mann_whitney(&values(100, m), &values(0, n)).unwrap();
        assert!((found.p - p).abs() < 1e-12, "{m} and {n}: {found:?}");
        let smallest = groups::smallest_p(m as usize, n as usize);
        assert!((smallest - p).abs() < 1e-12, "{m} and {n}");
    }
    assert_eq!(groups::smallest_p(0, 5), 1.0);
}

#[test]
fn magnitudes_begin_at_their_limits_on_both_sides() {
    for (a12, word) in [
        (0.5, "negligible"),
        (0.559, "negligible"),
        (0.56, "small"),
        (0.639, "small"),
        (0.64, "medium"),
        (0.709, "medium"),
        (0.71, "large"),
        (1.0, "large"),
    ] {
        assert_eq!(Magnitude::of(a12).word(), word, "{a12}");
        assert_eq!(Magnitude::of(1.0 - a12).word(), word, "1 - {a12}");
    }
}
