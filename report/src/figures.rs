//! What statistics say of the trials: estimates, bands, contrasts, ranks and survival.
//!
//! Only the data is here. Each is made from [`TrialResult`](super::TrialResult)s that count.

use serde::{Deserialize, Serialize};

pub use statistics::effect_size::Magnitude;

/// A median over trials, with the 95 % bootstrap interval of that median. With one trial all three are
/// its value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Regions reached at some place of an axis: quartiles over trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The place: milliseconds, or executions.
    pub at: f64,
    /// The lower quartile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub high: f64,
}

/// When an engine had reached a share of what all engines together reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// The share of the union, in percent.
    pub percent: u32,
    /// The regions that are that share, rounded up.
    pub regions: usize,
    /// How many trials that count got there.
    pub trials: usize,
    /// When, over the trials that got there.
    pub time_ms: Option<Estimate>,
    /// After how many executions, over the trials that got there.
    pub executions: Option<Estimate>,
}

/// Two engines on one target, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The one engine's name, as on the command line.
    pub first: String,
    /// The other's.
    pub second: String,
    /// How many trials of each count.
    pub trials: (usize, usize),
    /// Regions at the end of the time.
    pub regions: Contrast,
    /// The p-value of the regions, adjusted by Holm's method over all pairs of the target.
    pub adjusted_p: f64,
    /// What that says.
    pub verdict: PairVerdict,
    /// Regions when each had executed as much as the trial that executed least.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_equal_executions: Option<Contrast>,
}

/// What the trials say of two engines, at 5 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairVerdict {
    /// They differ, also when the number of pairs is taken into account.
    Differ,
    /// The test does not tell them apart.
    NotToldApart,
    /// No outcome of so few trials would have told them apart.
    TooFewTrials,
}

/// A comparison of two groups of trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// The median of the first group.
    pub first: f64,
    /// The median of the second group.
    pub second: f64,
    /// Mann and Whitney's U, of the first group.
    pub u: f64,
    /// Its two-sided p-value.
    pub p: f64,
    /// Vargha and Delaney's A12: how often a trial of the first group is above one of the second, 0 to 1.
    pub a12: f64,
    /// How large the effect is, by A12.
    pub magnitude: Magnitude,
    /// Whether the p-value is exact, and not from the normal approximation.
    pub exact: bool,
}

/// The engines ranked over all targets: Friedman's test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Friedman {
    /// The engines with their mean ranks; 1 is best.
    pub engines: Vec<MeanRank>,
    /// The test's statistic.
    pub chi_square: f64,
    /// Its p-value.
    pub p: f64,
    /// How many targets were ranked.
    pub blocks: usize,
    /// Every two engines.
    pub pairs: Vec<PostHoc>,
    /// The difference of mean ranks from which on two engines differ (Nemenyi), when it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub critical_difference: Option<f64>,
}

/// An engine's rank, averaged over targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanRank {
    /// The engine's name, as on the command line.
    pub engine: String,
    /// The mean of its ranks; 1 is best.
    pub mean_rank: f64,
}

/// Two engines after Friedman's test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostHoc {
    /// The one engine's name.
    pub first: String,
    /// The other's.
    pub second: String,
    /// The p-value, adjusted by Holm's method.
    pub p: f64,
}

/// How long a mistake went unnoticed by an engine, over its trials: Kaplan and Meier's estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// A find's check, or a planted fault's name.
    pub of: String,
    /// Which of the two.
    pub kind: Subject,
    /// The engine's name, as on the command line.
    pub engine: String,
    /// How many trials there were.
    pub trials: usize,
    /// In how many it was caught.
    pub caught: usize,
    /// When half of the trials had caught it, if they did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub median_ms: Option<u64>,
    /// The estimate, a step for each time at which a trial caught it.
    pub steps: Vec<SurvivalStep>,
}

/// What a [`Survival`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A check that inputs fail.
    Find,
    /// A planted fault.
    Fault,
}

/// A step of a survival curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SurvivalStep {
    /// When.
    pub time_ms: u64,
    /// The share of trials that have not caught it after this time, 0 to 1.
    pub surviving: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end of its 95 % interval.
    pub high: f64,
    /// How many trials ran on and had not caught it just before.
    pub at_risk: usize,
}
