//! What follows from the trials that count: estimates, bands, contrasts and survival.

use serde::{Deserialize, Serialize};
use statistics::bootstrap::Estimate;
use statistics::groups::Magnitude;
use statistics::survival::Step;

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
    /// Regions at the end of the time.
    pub regions: Contrast,
    /// Regions when each had executed as much as the trial that executed least.
    pub at_equal_executions: Contrast,
}

/// A comparison of two groups of trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// How many trials the groups have.
    pub trials: (usize, usize),
    /// The median of the first group.
    pub first: f64,
    /// The median of the second group.
    pub second: f64,
    /// Mann and Whitney's U, of the first group.
    pub u: f64,
    /// Its two-sided p-value.
    pub p: f64,
    /// Whether the p-value is exact, and not from the normal approximation.
    pub exact: bool,
    /// The p-value adjusted by Holm's method over all tests of this kind on the target.
    pub adjusted_p: f64,
    /// Vargha and Delaney's A12: how often a trial of the first group is above one of the second, 0 to 1.
    pub a12: f64,
    /// How large the effect is, by A12.
    pub magnitude: Magnitude,
    /// What the adjusted p-value shows at 5 %.
    pub verdict: Verdict,
}

/// What a test of two groups of trials shows at 5 %, after the adjustment for all tests of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The first group is higher.
    Higher,
    /// The first group is lower.
    Lower,
    /// No difference is shown.
    NotShown,
    /// No outcome of so few trials could have been significant.
    TooFewTrials,
}

/// How long a mistake went unnoticed by an engine, over its trials: Kaplan and Meier's estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// A find's check, or a planted fault's name.
    pub of: String,
    /// Which of the two.
    pub kind: SurvivalKind,
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
    pub steps: Vec<Step>,
}

/// What a [`Survival`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurvivalKind {
    /// A check that inputs fail.
    Find,
    /// A planted fault.
    Fault,
}
