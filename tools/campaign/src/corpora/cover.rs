//! Few inputs, small and soon done, that have every feature: a greedy set cover.
//!
//! The smallest cover is out of reach (it is NP-hard). The greedy one is larger by a logarithm at most.
//!
//! Many inputs do the same. Of all that have one set of features, only the `keep` cheapest can be of use, so a
//! set is kept once. When the sets take more memory than they may, those that a cover of the inputs so far does
//! not need are forgotten. That loses no feature, but the cover may become larger than one of all inputs.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// What an input costs in a zip beside its bytes: two headers and two names.
const ENTRY_COST: u64 = 108;
/// This much work costs as much as a byte.
const WORK_OF_A_BYTE: u64 = 8;
/// About how many bytes of memory a set takes beside its features and inputs.
const SET_BYTES: usize = 120;

/// What it costs to keep an input of `length` bytes: its place in a zip, and its `work` (see
/// [`Hits::work`](crate::coverage::Hits::work)) in every replay and every campaign that begins with it.
///
/// Time would differ from run to run, and the engine's own share is the same for all inputs.
#[must_use]
pub const fn cost(length: u64, work: u64) -> u64 {
    ENTRY_COST + length + work / WORK_OF_A_BYTE
}

/// The different sets of features among many inputs, and the cheapest inputs of each.
#[derive(Debug)]
pub struct Sets {
    keep: usize,
    /// How many bytes of memory the sets may take.
    limit: usize,
    /// By features, ascending: the cheapest inputs, at most `keep`, cheapest first.
    sets: HashMap<Box<[u32]>, Vec<Input>>,
    /// How many inputs have each feature.
    counts: Vec<u32>,
    /// About how many bytes the sets take.
    bytes: usize,
}

/// An input: ordered by what it costs, then by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Input {
    cost: u64,
    place: usize,
}

impl Sets {
    /// Empty; `keep` inputs are kept for each feature, and the sets take about `limit` bytes, unless a cover
    /// needs more.
    #[must_use]
    pub fn new(keep: usize, limit: usize) -> Self {
        Self {
            keep,
            limit,
            sets: HashMap::new(),
            counts: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds the input at `place`, of that [`cost`], which is not 0; `features` are its features by number,
    /// ascending and each once.
    ///
    /// # Panics
    /// When they are not ascending.
    pub fn add(&mut self, place: usize, cost: u64, features: &[u32]) {
        assert!(features.is_sorted_by(|a, b| a < b), "{features:?}");
        let end = features.last().map_or(0, |&last| last as usize + 1);
        self.counts.resize(end.max(self.counts.len()), 0);
        for &feature in features {
            self.counts[feature as usize] += 1;
        }
        self.insert(Input { cost, place }, features);
        if self.bytes > self.limit {
            self.forget();
        }
    }

    fn insert(&mut self, input: Input, features: &[u32]) {
        if !self.sets.contains_key(features) {
            self.sets.insert(features.into(), Vec::new());
            self.bytes += SET_BYTES + size_of_val(features);
        }
        let inputs = self.sets.get_mut(features).expect("it is there now");
        inputs.insert(inputs.partition_point(|other| *other <= input), input);
        if inputs.len() > self.keep {
            inputs.pop();
        } else {
            self.bytes += size_of::<Input>();
        }
    }

    /// Forgets the inputs that a cover does not need.
    fn forget(&mut self) {
        let chosen = self.choose().into_iter();
        let chosen: Vec<(Input, Box<[u32]>)> = chosen
            .map(|chosen| (chosen.input, chosen.features.into()))
            .collect();
        self.sets.clear();
        self.bytes = 0;
        for (input, features) in chosen {
            self.insert(input, &features);
        }
        // What is needed cannot be forgotten, and trying again after every input would take too long.
        self.limit = self.limit.max(2 * self.bytes);
    }

    /// How many inputs have each feature.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The places of the inputs of a small cover: each feature is in `keep` of them, or in all inputs that have it
    /// when those are fewer. The same inputs give the same cover.
    pub fn cover(&self) -> impl Iterator<Item = usize> {
        self.choose().into_iter().map(|chosen| chosen.input.place)
    }

    fn choose(&self) -> Vec<Candidate<'_>> {
        let mut needed = vec![self.keep; self.counts.len()];
        let candidates = self.sets.iter().flat_map(|(features, inputs)| {
            inputs.iter().map(|&input| Candidate {
                gain: features.len(),
                input,
                features,
            })
        });
        let mut queue: BinaryHeap<Candidate<'_>> = candidates.collect();
        let mut chosen = Vec::new();
        while let Some(best) = queue.pop() {
            // A candidate's gain only ever shrinks. So the first whose gain is still the same is the best.
            let features = best.features.iter();
            let gain = features
                .filter(|&&feature| needed[feature as usize] > 0)
                .count();
            if gain == 0 {
                continue;
            }
            if gain < best.gain {
                queue.push(Candidate { gain, ..best });
                continue;
            }
            for &feature in best.features {
                needed[feature as usize] = needed[feature as usize].saturating_sub(1);
            }
            chosen.push(best);
        }
        chosen
    }
}

/// An input to choose, ordered by features still needed for what it costs; of equals the cheaper is greater, then
/// that with the smaller place.
#[derive(Debug, PartialEq, Eq)]
struct Candidate<'a> {
    gain: usize,
    input: Input,
    features: &'a [u32],
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let worth = |gain: usize, others: Input| gain as u128 * u128::from(others.cost);
        worth(self.gain, other.input)
            .cmp(&worth(other.gain, self.input))
            .then_with(|| other.input.cmp(&self.input))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Of<'a> = (u64, &'a [u32]);

    fn sets(all: &[Of<'_>], keep: usize, limit: usize) -> Sets {
        let mut sets = Sets::new(keep, limit);
        for (place, &(cost, features)) in all.iter().enumerate() {
            sets.add(place, cost, features);
        }
        sets
    }

    fn cover(all: &[Of<'_>], keep: usize) -> Vec<usize> {
        let mut cover: Vec<usize> = sets(all, keep, usize::MAX).cover().collect();
        cover.sort_unstable();
        cover
    }

    #[test]
    fn one_that_has_everything_is_enough() {
        let all: [Of<'_>; 4] = [(50, &[0]), (60, &[0, 1, 2]), (40, &[1]), (40, &[2])];
        assert_eq!(cover(&all, 1), [1]);
        assert!(cover(&[], 3).is_empty());
        assert!(cover(&[(4, &[])], 3).is_empty());
    }

    #[test]
    fn the_cheapest_of_equals_is_kept_and_then_the_first() {
        let all: [Of<'_>; 3] = [(50, &[0]), (40, &[0]), (40, &[0])];
        assert_eq!(cover(&all, 1), [1]);
        assert_eq!(cover(&all, 2), [1, 2]);
        // There are no more than three.
        assert_eq!(cover(&all, 9), [0, 1, 2]);
    }

    #[test]
    fn a_dear_input_is_kept_only_for_what_no_cheap_ones_have() {
        for (long, [short, shorter]) in [
            (cost(60_000, 0), [cost(10, 0), cost(10, 0)]),
            (cost(40, 1_000_000), [cost(50, 900), cost(60, 1100)]),
        ] {
            let all: [Of<'_>; 3] = [(long, &[0, 1, 2, 3]), (short, &[0, 1]), (shorter, &[2])];
            assert_eq!(cover(&all, 1), [0, 1, 2]);
            let all: [Of<'_>; 3] = [(long, &[0, 1, 2]), (short, &[0, 1]), (shorter, &[2])];
            assert_eq!(cover(&all, 1), [1, 2]);
        }
    }

    /// Many inputs of which many do the same, some rare things, and costs that repeat.
    fn many() -> Vec<(u64, Vec<u32>)> {
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        (0..3000)
            .map(|_| {
                let features = 0..1 + next(6);
                let mut features: Vec<u32> = features
                    .map(|_| (next(20) * next(20) * next(3)) as u32)
                    .collect();
                features.sort_unstable();
                features.dedup();
                (40 + next(5), features)
            })
            .collect()
    }

    #[test]
    fn no_feature_is_lost_whatever_is_forgotten() {
        let all = many();
        let all: Vec<Of<'_>> = all
            .iter()
            .map(|(cost, features)| (*cost, features.as_slice()))
            .collect();
        for keep in [1, 3] {
            let best = cover(&all, keep).len();
            for limit in [usize::MAX, 40_000] {
                let sets = sets(&all, keep, limit);
                let distinct = sets.sets.len();
                assert_eq!(distinct < 1500, limit < usize::MAX, "{distinct}");
                let chosen: Vec<usize> = sets.cover().collect();
                for (feature, &before) in (0..).zip(sets.counts()) {
                    let has = |input: &Of<'_>| input.1.contains(&feature);
                    assert_eq!(
                        all.iter().filter(|input| has(input)).count(),
                        before as usize
                    );
                    let now = chosen.iter().filter(|&&place| has(&all[place])).count();
                    assert!(
                        now >= keep.min(before as usize),
                        "{feature}: {now} of {before}"
                    );
                }
                assert!(
                    chosen.len() <= 2 * best && chosen.len() < 400,
                    "{}",
                    chosen.len()
                );
            }
        }
    }
}
