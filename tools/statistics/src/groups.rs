//! Two groups of values: whether they differ, by Mann and Whitney's U test, and how much, by Vargha and
//! Delaney's A12.
//!
//! Small groups cannot be significant whatever they hold: see [`smallest_p`].

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::factorial::binomial;

use super::float;
use super::quantile::sorted;

/// Up to so many values in the smaller group, and without ties, the p-value is exact. The limit is scipy's.
pub const EXACT_UP_TO: usize = 8;

/// How two groups compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// U of the first group: how many pairs it wins, where equal ones count one half.
    pub u: f64,
    /// The two-sided p-value.
    pub p: f64,
    /// Whether `p` is exact, and not from the normal approximation.
    pub exact: bool,
    /// How often a value of the first group is larger than one of the second, where equal ones count one half:
    /// 0 to 1, and one half when neither tends to be larger.
    pub a12: f64,
}

/// The two-sided test, and A12. The p-value is exact when there are no ties and a group has at most
/// [`EXACT_UP_TO`] values; else it is from the normal approximation, corrected for ties and continuity.
/// That is what scipy's `mannwhitneyu` does by default. (statrs has the test too. Its exact p-values take too long
/// for more than 20 values, and its approximate ones lose the digits of small p-values.)
///
/// When all values are equal the p-value is 1. None when a group is empty.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let mut u = 0.0;
    for one in first {
        u += float(second.iter().filter(|other| one > other).count());
        u += float(second.iter().filter(|other| one == *other).count()) / 2.0;
    }
    let all = sorted(&[first, second].concat());
    let equal = all.chunk_by(|one, other| one == other);
    let equal = equal.map(|equal| float(equal.len()));
    let ties: f64 = equal.map(|count| count.powi(3) - count).sum();
    let (m, n) = (float(first.len()), float(second.len()));
    let larger = u.max(m * n - u);
    let exact = ties == 0.0 && first.len().min(second.len()) <= EXACT_UP_TO;
    let tail = if exact {
        exact_tail(first.len(), second.len(), m * n - larger)
    } else {
        normal_tail(m, n, ties, larger)
    };
    Some(MannWhitney {
        u,
        p: (2.0 * tail).min(1.0),
        exact,
        a12: u / (m * n),
    })
}

/// The smallest two-sided p-value that groups of these sizes can give: every value of one above every value
/// of the other. 1 when a group is empty.
pub fn smallest_p(first: usize, second: usize) -> f64 {
    let orders = binomial((first + second) as u64, first as u64);
    (2.0 / orders).min(1.0)
}

/// The probability that U is at most `u` when both groups are alike and no values are equal: the share of
/// all choices of `m` of `m + n` places. `u` is a whole number then.
fn exact_tail(m: usize, n: usize, u: f64) -> f64 {
    let most = u as usize;
    // How many choices have each U, from 0 to `most`: the coefficients of the product of
    // (1 - x^(n + i)) / (1 - x^i) over all i from 1 to m.
    let mut ways = vec![0.0; most + 1];
    ways[0] = 1.0;
    for i in 1..=m {
        for u in (n + i..=most).rev() {
            ways[u] -= ways[u - n - i];
        }
        for u in i..=most {
            ways[u] += ways[u - i];
        }
    }
    ways.iter().sum::<f64>() / binomial((m + n) as u64, m as u64)
}

/// The probability that U is at least `u`, from the normal approximation; `ties` is the sum of t³ − t over all
/// groups of t equal values.
fn normal_tail(m: f64, n: f64, ties: f64, u: f64) -> f64 {
    let all = m + n;
    let variance = m * n / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (u - m * n / 2.0 - 0.5) / variance.sqrt();
    Normal::standard().sf(z)
}

/// Vargha and Delaney's words for how far A12 is from one half (A critique and improvement of the CL
/// common language effect size statistics, 2000): 0.56, 0.64 and 0.71, and the same below one half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Magnitude {
    /// Nearer to one half than 0.56.
    Negligible,
    /// From 0.56.
    Small,
    /// From 0.64.
    Medium,
    /// From 0.71.
    Large,
}

impl Magnitude {
    /// The magnitude of an A12 of 0 to 1.
    pub fn of(a12: f64) -> Self {
        // A12 is a fraction: one that is a limit must not fall below it by rounding.
        match a12.max(1.0 - a12) + 1e-12 {
            ..0.56 => Self::Negligible,
            ..0.64 => Self::Small,
            ..0.71 => Self::Medium,
            _ => Self::Large,
        }
    }

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Negligible => "negligible",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// The p-values of several tests, adjusted by Holm's step-down method (A simple sequentially rejective multiple test
/// procedure, 1979), in the order given: each is at most 1, and below α only when its test is significant
/// at α among all of them.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (before, &at) in order.iter().enumerate() {
        least = least
            .max(p_values[at] * float(p_values.len() - before))
            .min(1.0);
        adjusted[at] = least;
    }
    adjusted
}
