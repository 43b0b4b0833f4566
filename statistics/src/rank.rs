//! Ranks, where equal values share the mean of their places.

use super::float;

/// Values by rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// The rank of each value, from 1 for the smallest, in the order of the values.
    pub ranks: Vec<f64>,
    /// The sum of t³ − t over all groups of t equal values: 0 without ties.
    pub ties: f64,
}

/// Ranks the values: the smallest has rank 1, and equal values share the mean of their places.
#[must_use]
pub fn rank(values: &[f64]) -> Ranks {
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

#[cfg(test)]
mod tests {
    use super::*;

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
