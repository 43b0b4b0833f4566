//! Whether two groups differ: Mann and Whitney's U test, two-sided.
//!
//! The test asks whether a value of one group tends to be larger than one of the other. How much larger is
//! [`effect_size`](super::effect_size)'s part. Small groups cannot be
//! significant whatever they hold: see [`smallest_p`].

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::factorial::binomial;

use super::float;

/// Up to so many values in the smaller group, and without ties, the p-value is exact. The limit is scipy's.
pub const EXACT_UP_TO: usize = 8;

/// The result of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// U of the first group: how many pairs it wins, where equal ones count one half.
    pub u: f64,
    /// The two-sided p-value.
    pub p: f64,
    /// Whether `p` is exact, and not from the normal approximation.
    pub exact: bool,
}

/// The two-sided test. The p-value is exact when there are no ties and a group has at most
/// [`EXACT_UP_TO`] values; else it is from the normal approximation, corrected for ties and continuity.
/// That is what scipy's `mannwhitneyu` does by default.
///
/// When all values are equal the p-value is 1. None when a group is empty.
#[must_use]
pub fn test(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let all: Vec<f64> = first.iter().chain(second).copied().collect();
    let ranked = rank(&all);
    let (m, n) = (float(first.len()), float(second.len()));
    let of_first: f64 = ranked.ranks[..first.len()].iter().sum();
    let u = of_first - m * (m + 1.0) / 2.0;
    let larger = u.max(m * n - u);
    let exact = ranked.ties == 0.0 && first.len().min(second.len()) <= EXACT_UP_TO;
    let p = if exact {
        2.0 * exact_tail(first.len(), second.len(), larger)
    } else {
        2.0 * normal_tail(m, n, ranked.ties, larger)
    };
    Some(MannWhitney {
        u,
        p: p.min(1.0),
        exact,
    })
}

/// The smallest two-sided p-value that groups of these sizes can give: every value of one above every value
/// of the other. 1 when a group is empty.
#[must_use]
pub fn smallest_p(first: usize, second: usize) -> f64 {
    let orders = binomial((first + second) as u64, first as u64);
    (2.0 / orders).min(1.0)
}

/// The probability that U is at least `u` when both groups are alike and no values are equal: the share of
/// all choices of `m` of `m + n` places. `u` is a whole number then.
fn exact_tail(m: usize, n: usize, u: f64) -> f64 {
    let ways = ways(m.min(n), m.max(n));
    let total: f64 = ways.iter().sum();
    let tail: f64 = ways
        .iter()
        .enumerate()
        .filter(|(at, _)| float(*at) >= u)
        .map(|(_, ways)| ways)
        .sum();
    tail / total
}

/// How many choices of `m` of `m + n` places have each U, from 0 to m · n.
fn ways(m: usize, n: usize) -> Vec<f64> {
    // chosen[j][u]: so many choices of j of the places so far. The place with `before` places below it, as
    // the j-th to be chosen, is above before - j places that are not.
    let most = m * n;
    let mut chosen = vec![vec![0.0; most + 1]; m + 1];
    chosen[0][0] = 1.0;
    for before in 0..m + n {
        for j in (0..m.min(before + 1)).rev() {
            let gain = before - j;
            if gain > n {
                continue;
            }
            let (fewer, more) = chosen.split_at_mut(j + 1);
            for (to, from) in more[0][gain..].iter_mut().zip(&fewer[j]) {
                *to += from;
            }
        }
    }
    chosen.swap_remove(m)
}

/// Values by rank, where equal values share the mean of their places.
struct Ranks {
    /// The rank of each value, from 1 for the smallest, in the order of the values.
    ranks: Vec<f64>,
    /// The sum of t³ − t over all groups of t equal values: 0 without ties.
    ties: f64,
}

/// Ranks the values: the smallest has rank 1, and equal values share the mean of their places.
fn rank(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = 0.0;
    let mut place = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let count = float(equal.len());
        let mean = float(place) + (count + 1.0) / 2.0;
        for &at in equal {
            ranks[at] = mean;
        }
        ties += count.powi(3) - count;
        place += equal.len();
    }
    Ranks { ranks, ties }
}

/// The same from the normal approximation; `ties` is the sum of t³ − t.
fn normal_tail(m: f64, n: f64, ties: f64, u: f64) -> f64 {
    let all = m + n;
    let variance = m * n / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (u - m * n / 2.0 - 0.5) / variance.sqrt();
    Normal::standard().sf(z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_far_apart_have_the_smallest_p() {
        let up = |count: usize, from: f64| -> Vec<f64> {
            (0..count).map(|at| from + float(at)).collect()
        };
        for (m, n, p) in [
            (1, 1, 1.0),
            (2, 2, 1.0 / 3.0),
            (3, 3, 0.1),
            (5, 5, 2.0 / 252.0),
        ] {
            let found = test(&up(m, 100.0), &up(n, 0.0)).unwrap();
            assert!((found.p - p).abs() < 1e-12, "{m} and {n}: {found:?}");
            assert!((smallest_p(m, n) - p).abs() < 1e-12, "{m} and {n}");
            assert_eq!((found.u, found.exact), (float(m * n), true));
        }
        assert_eq!(smallest_p(0, 5), 1.0);
    }

    #[test]
    fn all_choices_are_counted_once() {
        assert_eq!(ways(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        for (m, n) in [(1, 7), (3, 4), (8, 30)] {
            let total: f64 = ways(m, n).iter().sum();
            assert_eq!(total, binomial((m + n) as u64, m as u64).round());
        }
    }

    #[test]
    fn equal_values_say_nothing() {
        let found = test(&[4.0; 5], &[4.0; 5]).unwrap();
        assert_eq!((found.u, found.p, found.exact), (12.5, 1.0, false));
        assert_eq!(test(&[], &[1.0]), None);
        assert_eq!(test(&[1.0], &[]), None);
    }

    #[test]
    fn equal_values_share_the_mean_of_their_places() {
        let found = rank(&[30.0, 10.0, 20.0, 20.0]);
        assert_eq!(found.ranks, [4.0, 1.0, 2.5, 2.5]);
        assert_eq!(found.ties, 6.0);
        let all = rank(&[5.0; 3]);
        assert_eq!((all.ranks, all.ties), (vec![2.0; 3], 24.0));
        assert!(rank(&[]).ranks.is_empty());
    }
}
