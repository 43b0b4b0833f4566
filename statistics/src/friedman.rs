//! Engines ranked on several targets: Friedman's test, and which of them differ.
//!
//! As Demšar has it (Statistical comparisons of classifiers over multiple data sets, 2006): each target is
//! a block in which the engines are ranked, the test asks whether the mean ranks differ at all, and two
//! engines differ when their mean ranks are apart by more than Nemenyi's critical difference, or when the
//! z-test of that difference is significant after Holm's adjustment. All of it is by approximations that
//! are good from some ten blocks on.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use super::rank::rank;
use super::{float, holm};

/// What the test says of k columns in n blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Friedman {
    /// The mean rank of each column: 1 is best, which is the largest value.
    pub mean_ranks: Vec<f64>,
    /// The statistic, corrected for ties.
    pub chi_square: f64,
    /// The p-value, by the χ² distribution with k − 1 degrees of freedom.
    pub p: f64,
    /// Every two columns.
    pub pairs: Vec<PostHoc>,
    /// The difference of mean ranks from which on two columns differ at 5 % (Nemenyi); for 2 to 10 columns.
    pub critical_difference: Option<f64>,
}

/// Two columns, by the z-test of the difference of their mean ranks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PostHoc {
    /// The one column.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// The two-sided p-value, adjusted by Holm's method over all pairs.
    pub p: f64,
}

/// The quantile of the studentized range at 95 % with infinite degrees of freedom, divided by √2, for 2 to
/// 10 columns: Demšar's table 5a with more digits, from scipy's `studentized_range.ppf`.
const NEMENYI: [f64; 9] = [
    1.959_963_984_540,
    2.343_700_586_378,
    2.569_031_772_546,
    2.727_774_370_870,
    2.849_705_419_610,
    2.948_320_017_530,
    3.030_878_449_614,
    3.101_730_341_303,
    3.163_683_577_053,
];

/// Friedman's test. Each block has a value for each column, and larger is better.
///
/// When every block has equal values only, nothing differs: the statistic is 0 and all p-values are 1. None
/// without blocks, with fewer than two columns, or when blocks differ in length.
#[must_use]
pub fn test(blocks: &[Vec<f64>]) -> Option<Friedman> {
    let columns = blocks.first()?.len();
    if columns < 2 || blocks.iter().any(|block| block.len() != columns) {
        return None;
    }
    let (n, k) = (float(blocks.len()), float(columns));
    let mut sums = vec![0.0; columns];
    let mut ties = 0.0;
    for block in blocks {
        let negated: Vec<f64> = block.iter().map(|value| -value).collect();
        let ranked = rank(&negated);
        ties += ranked.ties;
        for (sum, rank) in sums.iter_mut().zip(ranked.ranks) {
            *sum += rank;
        }
    }
    let mean_ranks: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let tied = 1.0 - ties / (n * k * (k * k - 1.0));
    let (chi_square, p) = if tied <= 0.0 {
        (0.0, 1.0)
    } else {
        let plain = 12.0 / (n * k * (k + 1.0)) * squares - 3.0 * n * (k + 1.0);
        let chi_square = (plain / tied).max(0.0);
        (chi_square, ChiSquared::new(k - 1.0).ok()?.sf(chi_square))
    };
    let deviation = (k * (k + 1.0) / (6.0 * n)).sqrt();
    Some(Friedman {
        pairs: pairs(&mean_ranks, deviation),
        critical_difference: NEMENYI.get(columns - 2).map(|q| q * deviation),
        mean_ranks,
        chi_square,
        p,
    })
}

fn pairs(mean_ranks: &[f64], deviation: f64) -> Vec<PostHoc> {
    let mut pairs = Vec::new();
    for first in 0..mean_ranks.len() {
        for second in first + 1..mean_ranks.len() {
            let z = (mean_ranks[first] - mean_ranks[second]).abs() / deviation;
            let p = 2.0 * Normal::standard().sf(z);
            pairs.push(PostHoc { first, second, p });
        }
    }
    let p_values: Vec<f64> = pairs.iter().map(|pair| pair.p).collect();
    for (pair, p) in pairs.iter_mut().zip(holm::adjust(&p_values)) {
        pair.p = p;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_has_rank_one_and_a_clear_order_is_significant() {
        let blocks: Vec<Vec<f64>> = (0..10)
            .map(|at| vec![1.0 + float(at), 50.0, 30.0])
            .collect();
        let found = test(&blocks).unwrap();
        assert_eq!(found.mean_ranks, [3.0, 1.0, 2.0]);
        assert!((found.chi_square - 20.0).abs() < 1e-9, "{found:?}");
        assert!(found.p < 1e-4 && found.pairs[0].p < 1e-4, "{found:?}");
        let places: Vec<(usize, usize)> = found.pairs.iter().map(|p| (p.first, p.second)).collect();
        assert_eq!(places, [(0, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn what_has_no_answer_has_none_and_equal_values_say_nothing() {
        assert_eq!(test(&[]), None);
        assert_eq!(test(&[vec![1.0], vec![2.0]]), None);
        assert_eq!(test(&[vec![1.0, 2.0], vec![2.0]]), None);
        let found = test(&vec![vec![7.0; 3]; 4]).unwrap();
        assert_eq!((found.chi_square, found.p), (0.0, 1.0));
        assert_eq!(found.mean_ranks, [2.0; 3]);
        assert!(found.pairs.iter().all(|pair| pair.p == 1.0));
    }

    #[test]
    fn the_critical_difference_is_known_for_up_to_ten_columns() {
        let width = |columns| {
            test(&vec![vec![1.0; columns]; 4])
                .unwrap()
                .critical_difference
        };
        assert!((width(2).unwrap() - 1.959_963_984_54 * 0.5).abs() < 1e-9);
        assert!(width(10).is_some());
        assert_eq!(width(11), None);
    }
}
