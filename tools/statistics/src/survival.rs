//! Times to an event that some trials never saw.
//!
//! A trial that ended without a find shows that the find takes longer, not that there is none: it is censored.
//! [`kaplan_meier`] estimates from both kinds how many trials are still without the find at any time,
//! [`log_rank`] whether two groups differ.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use super::float;

/// When a trial saw an event, or until when it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observation {
    /// When the event came, or until when the trial was watched, in milliseconds.
    pub time_ms: u64,
    /// Whether it came.
    pub happened: bool,
}

/// A step of a survival curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds.
    pub time_ms: u64,
    /// How many trials were watched until then and had not seen the event before.
    pub at_risk: usize,
    /// How many of them saw it then.
    pub events: usize,
    /// The share of trials without the event after this time, 0 to 1.
    pub surviving: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Kaplan and Meier's estimate (Nonparametric estimation from incomplete observations, 1958): a step for each
/// time at which the event came, in order. A trial that ends at the time of an event was still at risk.
///
/// The interval at a confidence of `level` is that of log(−log S) with Greenwood's variance, which stays
/// between 0 and 1. Where S is 0 that variance is not defined: the interval then reaches from 0 to the upper
/// end of the step before, or to 1 on the first. Without events there are no steps, and S is 1 throughout.
pub fn kaplan_meier(observations: &[Observation], level: f64) -> Vec<Step> {
    let z = Normal::standard().inverse_cdf((1.0 + level) / 2.0);
    let mut surviving = 1.0_f64;
    let mut greenwood = 0.0;
    let mut high = 1.0;
    event_times(observations)
        .into_iter()
        .map(|time_ms| {
            let at_risk = at_risk(observations, time_ms);
            let events = events(observations, time_ms);
            let (n, d) = (float(at_risk), float(events));
            surviving *= (n - d) / n;
            greenwood += d / (n * (n - d));
            let mut low = 0.0;
            if events < at_risk {
                let log = surviving.ln();
                let width = (z * greenwood.sqrt() / log).abs().exp();
                low = (log * width).exp();
                high = (log / width).exp();
            }
            Step {
                time_ms,
                at_risk,
                events,
                surviving,
                low,
                high,
            }
        })
        .collect()
}

/// The first time at which at most half of the trials are without the event; none when there is none.
pub fn median(steps: &[Step]) -> Option<u64> {
    // One half may be a product of fractions, such as 3/4 · 2/3.
    steps
        .iter()
        .find(|step| step.surviving <= 0.5 + 1e-12)
        .map(|step| step.time_ms)
}

/// The result of the log-rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogRank {
    /// The statistic, with one degree of freedom.
    pub chi_square: f64,
    /// The two-sided p-value, by the χ² distribution.
    pub p: f64,
}

/// Whether two groups see an event at different times: the log-rank test (Mantel, Evaluation of survival data
/// and two new rank order statistics, 1966). When nothing can differ (no event while both groups are
/// watched), the statistic is 0 and the p-value 1. None when a group is empty.
pub fn log_rank(first: &[Observation], second: &[Observation]) -> Option<LogRank> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let both: Vec<Observation> = first.iter().chain(second).copied().collect();
    let (mut excess, mut variance) = (0.0, 0.0);
    for time in event_times(&both) {
        let (n, d) = (float(at_risk(&both, time)), float(events(&both, time)));
        let part = float(at_risk(first, time)) / n;
        excess += float(events(first, time)) - d * part;
        if n > 1.0 {
            variance += d * part * (1.0 - part) * (n - d) / (n - 1.0);
        }
    }
    if variance <= 0.0 {
        return Some(LogRank {
            chi_square: 0.0,
            p: 1.0,
        });
    }
    let chi_square = excess * excess / variance;
    Some(LogRank {
        chi_square,
        p: ChiSquared::new(1.0).ok()?.sf(chi_square),
    })
}

/// The times at which the event came, in order, each once.
fn event_times(observations: &[Observation]) -> Vec<u64> {
    let mut times: Vec<u64> = observations
        .iter()
        .filter(|seen| seen.happened)
        .map(|seen| seen.time_ms)
        .collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn at_risk(observations: &[Observation], time_ms: u64) -> usize {
    let watched = |seen: &&Observation| seen.time_ms >= time_ms;
    observations.iter().filter(watched).count()
}

fn events(observations: &[Observation], time_ms: u64) -> usize {
    let now = |seen: &&Observation| seen.happened && seen.time_ms == time_ms;
    observations.iter().filter(now).count()
}
