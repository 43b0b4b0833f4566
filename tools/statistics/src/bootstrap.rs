//! The interval of a median, by the bootstrap.
//!
//! The bootstrap draws as many values as there are, with replacement, again and again, and asks between
//! which limits the medians of those samples lie (Efron, Bootstrap methods: another look at the jackknife,
//! 1979: the percentile method). Of a median, it need not be drawn: how often each value is the median of a
//! sample follows from the binomial distribution (Maritz and Jarrett, A note on estimating the variance of
//! the sample median, 1978). So the interval here is the one that drawing tends to, without any seed.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};
use statrs::function::factorial::ln_binomial;

use super::float;
use super::quantile::{median, sorted};

/// A median and its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The lower end of the interval: a value, or the mean of two.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The upper end of the interval.
    pub high: f64,
}

/// Probabilities are sums of many: what differs by less is taken as equal.
const ROUNDING: f64 = 1e-12;

/// The median of the values, with its percentile bootstrap interval at a confidence of `level` (0 to 1,
/// without 0 and 1). Of one value, and of equal ones, all three are that value. None without values.
pub fn median_interval(values: &[f64], level: f64) -> Option<Estimate> {
    let values = sorted(values);
    let mut medians = medians(&values);
    medians.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let outside = (1.0 - level) / 2.0;
    Some(Estimate {
        low: first_beyond(medians.iter(), outside)?,
        median: median(&values)?,
        high: first_beyond(medians.iter().rev(), outside)?,
    })
}

/// The first value up to which there is at least so much probability.
fn first_beyond<'a>(
    medians: impl Iterator<Item = &'a (f64, f64)>,
    probability: f64,
) -> Option<f64> {
    let mut sum = 0.0;
    let mut value = None;
    for &(median, part) in medians {
        value = Some(median);
        sum += part;
        if sum >= probability - ROUNDING {
            break;
        }
    }
    value
}

/// Every median that a sample of the values, as large as they are, can have, with its probability.
fn medians(sorted: &[f64]) -> Vec<(f64, f64)> {
    let count = sorted.len();
    let half = count / 2;
    // That the r smallest of a sample are among the k smallest values.
    let among = |k: usize, r: u64| {
        let binomial = Binomial::new(float(k) / float(count), count as u64);
        binomial.map_or(0.0, |binomial| binomial.sf(r - 1))
    };
    if count % 2 == 1 {
        return sorted
            .iter()
            .enumerate()
            .map(|(i, &value)| {
                (
                    value,
                    among(i + 1, half as u64 + 1) - among(i, half as u64 + 1),
                )
            })
            .collect();
    }
    // The two in the middle of a sample are the i-th and the j-th value: half of the sample is up to i and
    // touches it, the other half is from j on and touches it.
    let choices = ln_binomial(count as u64, half as u64);
    let power = |k: usize| (float(k) / float(count)).powf(float(half));
    let pairs = |lower: f64, upper: f64| {
        if lower > 0.0 && upper > 0.0 {
            (choices + lower.ln() + upper.ln()).exp()
        } else {
            0.0
        }
    };
    let mut medians = Vec::new();
    for i in 0..count {
        let lower = power(i + 1) - power(i);
        let beyond = pairs(lower, power(count - i - 1));
        let both = among(i + 1, half as u64) - among(i, half as u64) - beyond;
        medians.push((sorted[i], both));
        for j in i + 1..count {
            let upper = power(count - j) - power(count - j - 1);
            let middle = sorted[i] + (sorted[j] - sorted[i]) / 2.0;
            medians.push((middle, pairs(lower, upper)));
        }
    }
    medians
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_all_medians_make_one() {
        for count in [1, 2, 3, 4, 9, 10, 33, 64, 301, 400] {
            let values: Vec<f64> = (0..count).map(float).collect();
            let medians = medians(&values);
            let sum: f64 = medians.iter().map(|(_, part)| part).sum();
            assert!((sum - 1.0).abs() < 1e-10, "{count}: {sum}");
            assert!(medians.iter().all(|&(_, part)| part > -1e-12), "{count}");
        }
    }
}
