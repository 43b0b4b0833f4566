//! Statistics of trials: pure functions from numbers to numbers.
//!
//! Nothing here knows of engines, and nothing is random: the same data give the same answer on every
//! machine. Every function documents its answer for data without one in the textbook (no values, one value,
//! all values equal). `tests/reference.rs` compares each with scipy, lifelines, numpy or statsmodels.
//!
//! - [`quantile`]: quantiles, as numpy has them.
//! - [`bootstrap`]: the interval of a median.
//! - [`groups`]: whether two groups differ, and how much; many such tests at once.
//! - [`survival`]: times to an event that some trials never saw.

pub mod bootstrap;
pub mod groups;
pub mod quantile;
pub mod survival;

/// The confidence of every interval that a report shows.
pub const LEVEL: f64 = 0.95;

/// The p-value below which a difference is called significant.
pub const ALPHA: f64 = 0.05;

/// A count as a number to calculate with: exact, as no campaign counts to 2⁵³.
pub fn float(count: usize) -> f64 {
    count as f64
}
