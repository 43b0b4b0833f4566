//! Few inputs, small and soon done, that have every feature: a greedy cover.
//!
//! The smallest one is out of reach (it is NP-hard); the greedy one is at most a logarithm larger.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What an input costs in a zip beside its bytes: two headers and two names.
const ENTRY_COST: u64 = 108;
/// So much work is as dear as a byte.
const WORK_OF_A_BYTE: u64 = 8;

/// What it costs to keep an input of `length` bytes: its place in a zip, and its `work` in every replay
/// and every campaign that begins from it, as [`Hits::work`](crate::coverage::Hits::work) has it.
///
/// Time would be another each time; and what an engine does beside is the same for all inputs.
#[must_use]
pub const fn cost(length: u64, work: u64) -> u64 {
    ENTRY_COST + length + work / WORK_OF_A_BYTE
}

/// Inputs to choose from, by their place.
pub trait Choice {
    /// How many there are.
    fn count(&self) -> usize;
    /// How many features there are: their numbers are below that.
    fn features(&self) -> usize;
    /// The [`cost`] of an input; not 0.
    fn cost(&self, place: usize) -> u64;
    /// The features of an input, each once, by number.
    fn features_of(&self, place: usize) -> impl Iterator<Item = usize>;
    /// Which of inputs that are worth the same comes first: that with the smallest number.
    fn order(&self, place: usize) -> usize {
        place
    }
}

/// An input to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its [`cost`]; not 0.
    pub cost: u64,
    /// Its features, each once, by number.
    pub features: Vec<usize>,
}

impl Choice for [Candidate] {
    fn count(&self) -> usize {
        self.len()
    }
    fn features(&self) -> usize {
        let features = self.iter().flat_map(|candidate| &candidate.features);
        features.max().map_or(0, |most| most + 1)
    }
    fn cost(&self, place: usize) -> u64 {
        self[place].cost
    }
    fn features_of(&self, place: usize) -> impl Iterator<Item = usize> {
        self[place].features.iter().copied()
    }
}

/// Chooses candidates such that each feature is had by `keep` of them, or by all that have it when those are
/// fewer. Returns their places, ascending. The same candidates in the same order give the same choice.
#[must_use]
pub fn cover(candidates: &(impl Choice + ?Sized), keep: usize) -> Vec<usize> {
    let mut needed = vec![keep; candidates.features()];
    let gain = |place: usize, needed: &[usize]| {
        let features = candidates.features_of(place);
        features.filter(|&feature| needed[feature] > 0).count()
    };
    let mut queue: BinaryHeap<Worth> = (0..candidates.count())
        .map(|place| Worth {
            gain: gain(place, &needed),
            cost: candidates.cost(place),
            order: candidates.order(place),
            place,
        })
        .collect();
    let mut chosen = Vec::new();
    while let Some(best) = queue.pop() {
        // What a candidate adds only ever becomes less, so the first that is still worth what it was is best.
        let now = gain(best.place, &needed);
        if now == 0 {
            continue;
        }
        if now < best.gain {
            queue.push(Worth { gain: now, ..best });
            continue;
        }
        for feature in candidates.features_of(best.place) {
            needed[feature] = needed[feature].saturating_sub(1);
        }
        chosen.push(best.place);
    }
    chosen.sort_unstable();
    chosen
}

/// What a candidate is worth: features still needed, for what it costs.
#[derive(Debug, PartialEq, Eq)]
struct Worth {
    gain: usize,
    cost: u64,
    order: usize,
    place: usize,
}

impl Ord for Worth {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let worth = |gain: usize, others_cost: u64| gain as u128 * u128::from(others_cost);
        let (this, that) = (worth(self.gain, other.cost), worth(other.gain, self.cost));
        this.cmp(&that)
            .then_with(|| Reverse(self.cost).cmp(&Reverse(other.cost)))
            .then_with(|| Reverse(self.order).cmp(&Reverse(other.order)))
    }
}

impl PartialOrd for Worth {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(of: &[(u64, &[usize])]) -> Vec<Candidate> {
        of.iter()
            .map(|&(length, features)| Candidate {
                cost: cost(length, 0),
                features: features.to_vec(),
            })
            .collect()
    }

    #[test]
    fn one_that_has_everything_is_enough() {
        let all = candidates(&[(50, &[0]), (60, &[0, 1, 2]), (40, &[1]), (40, &[2])]);
        assert_eq!(cover(all.as_slice(), 1), [1]);
    }

    #[test]
    fn of_equals_the_shorter_and_then_the_first_is_kept() {
        let all = candidates(&[(50, &[0]), (40, &[0]), (40, &[0])]);
        assert_eq!(cover(all.as_slice(), 1), [1]);
        assert_eq!(cover(all.as_slice(), 2), [1, 2]);
        // There are no more than three.
        assert_eq!(cover(all.as_slice(), 9), [0, 1, 2]);
    }

    #[test]
    fn a_long_input_is_kept_only_for_what_no_short_ones_have() {
        let all = candidates(&[(60_000, &[0, 1, 2, 3]), (10, &[0, 1]), (10, &[2])]);
        assert_eq!(cover(all.as_slice(), 1), [0, 1, 2]);
        let all = candidates(&[(60_000, &[0, 1, 2]), (10, &[0, 1]), (10, &[2])]);
        assert_eq!(cover(all.as_slice(), 1), [1, 2]);
    }

    #[test]
    fn an_input_of_much_work_is_kept_only_for_what_no_cheap_ones_have() {
        let input = |length, work, features: &[usize]| Candidate {
            cost: cost(length, work),
            features: features.to_vec(),
        };
        let all = [
            input(40, 1_000_000, &[0, 1, 2]),
            input(50, 900, &[0, 1]),
            input(60, 1100, &[0, 2]),
        ];
        assert_eq!(cover(all.as_slice(), 1), [1, 2]);
        let all = [all[0].clone(), all[1].clone()];
        assert_eq!(cover(all.as_slice(), 1), [0, 1]);
    }

    #[test]
    fn whatever_the_features_nothing_is_lost() {
        // Features by residues: every candidate has some, many share some.
        let all: Vec<Candidate> = (0..200_usize)
            .map(|n| Candidate {
                cost: cost(n as u64 * 7 % 50, 0),
                features: vec![n % 11, 11 + n % 17, 28 + n * n % 13],
            })
            .collect();
        let have = |places: &mut dyn Iterator<Item = usize>| {
            let mut counts = [0; 41];
            for place in places {
                for &feature in &all[place].features {
                    counts[feature] += 1;
                }
            }
            counts
        };
        let before = have(&mut (0..all.len()));
        for keep in 1..=4 {
            let chosen = cover(all.as_slice(), keep);
            let after = have(&mut chosen.iter().copied());
            for (before, after) in before.iter().zip(after) {
                assert!(after >= keep.min(*before));
            }
            assert!(chosen.len() < 30 * keep, "{}", chosen.len());
        }
    }

    #[test]
    fn nothing_of_nothing() {
        let none: &[Candidate] = &[];
        assert!(cover(none, 3).is_empty());
        assert!(cover(candidates(&[(4, &[])]).as_slice(), 3).is_empty());
    }
}
