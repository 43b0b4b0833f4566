//! Few inputs, small and soon done, that have every feature: a greedy set cover.
//!
//! The smallest cover is out of reach (it is NP-hard). The greedy one is larger by a logarithm at most.
//!
//! Many inputs do the same. Of all that have one set of features, only the `keep` cheapest can be of use, so a
//! set is kept once. When the sets take more memory than they may, those that a cover of the inputs so far does
//! not need are forgotten. That loses no feature, but the cover may become larger than one of all inputs.

use std::cmp::Reverse;
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
pub(crate) const fn cost(length: u64, work: u64) -> u64 {
    ENTRY_COST + length + work / WORK_OF_A_BYTE
}

/// The different sets of features among many inputs, and the cheapest inputs of each.
#[derive(Debug)]
pub(super) struct Sets {
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

/// What an input costs, and its place.
type Input = (u64, usize);

impl Sets {
    /// Empty; `keep` inputs are kept for each feature, and the sets take about `limit` bytes, unless a cover
    /// needs more.
    pub(crate) fn new(keep: usize, limit: usize) -> Self {
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
    pub(crate) fn add(&mut self, place: usize, cost: u64, features: &[u32]) {
        assert!(features.is_sorted_by(|a, b| a < b), "{features:?}");
        let end = features.last().map_or(0, |&last| last as usize + 1);
        self.counts.resize(end.max(self.counts.len()), 0);
        for &feature in features {
            self.counts[feature as usize] += 1;
        }
        self.insert((cost, place), features);
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
            .map(|(input, features)| (input, features.into()))
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
    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The places of the inputs of a small cover: each feature is in `keep` of them, or in all inputs that have it
    /// when those are fewer. The same inputs give the same cover.
    pub(crate) fn cover(&self) -> impl Iterator<Item = usize> {
        self.choose().into_iter().map(|((_, place), _)| place)
    }

    fn choose(&self) -> Vec<(Input, &[u32])> {
        let mut needed = vec![self.keep; self.counts.len()];
        // Features still needed for what it costs; of equals the cheaper comes first, then the smaller place.
        let worth = |gain: usize, input: Input| ((gain as u64) << 32) / input.0;
        let candidates = self.sets.iter().flat_map(|(features, inputs)| {
            let gain = features.len();
            let inputs = inputs.iter();
            inputs.map(move |&input| (worth(gain, input), Reverse(input), &**features))
        });
        let mut queue: BinaryHeap<(u64, Reverse<Input>, &[u32])> = candidates.collect();
        let mut chosen = Vec::new();
        while let Some((before, Reverse(input), features)) = queue.pop() {
            let needs = |feature: &&u32| needed[**feature as usize] > 0;
            let gain = features.iter().filter(needs).count();
            // It only ever shrinks. So the first candidate that is worth as much as before is the best.
            let now = worth(gain, input);
            if now < before {
                queue.push((now, Reverse(input), features));
            } else if gain > 0 {
                for &feature in features {
                    needed[feature as usize] = needed[feature as usize].saturating_sub(1);
                }
                chosen.push((input, features));
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
    fn the_cheapest_that_have_everything_are_kept() {
        let short = cost(10, 0);
        let equal: &[Of<'_>] = &[(50, &[0]), (40, &[0]), (40, &[0])];
        let all = [(50, &[0][..]), (60, &[0, 1, 2]), (40, &[1]), (40, &[2])];
        let cases: [(&[Of<'_>], usize, &[usize]); 8] = [
            (&[], 3, &[]),
            (&[(4, &[])], 3, &[]),
            // One that has everything is enough.
            (&all, 1, &[1]),
            // Of equals the first; there are no more than three.
            (equal, 1, &[1]),
            (equal, 2, &[1, 2]),
            (equal, 9, &[0, 1, 2]),
            // A long one, and one with much work, are kept only for what no cheap ones have.
            (
                &[(cost(60_000, 0), &[0, 1, 3]), (short, &[0]), (short, &[1])],
                1,
                &[0, 1, 2],
            ),
            (
                &[(cost(40, 1_000_000), &[0, 1]), (short, &[0]), (short, &[1])],
                1,
                &[1, 2],
            ),
        ];
        for (inputs, keep, expected) in cases {
            assert_eq!(cover(inputs, keep), expected, "{inputs:?}");
        }
    }

    #[test]
    fn no_feature_is_lost_whatever_is_forgotten() {
        // Many inputs of which many do the same, some rare things, and costs that repeat.
        let mut random = fastrand::Rng::with_seed(1);
        let all: Vec<(u64, Vec<u32>)> = (0..3000)
            .map(|_| {
                let features = 0..random.usize(1..7);
                let mut one = |_| random.u32(..20) * random.u32(..20) * random.u32(..3);
                let features = BTreeSet::from_iter(features.map(&mut one));
                (random.u64(40..45), features.into_iter().collect())
            })
            .collect();
        let all: Vec<Of<'_>> = all.iter().map(|(cost, of)| (*cost, &**of)).collect();
        for keep in [1, 3] {
            let best = cover(&all, keep).len();
            for limit in [usize::MAX, 40_000] {
                let sets = sets(&all, keep, limit);
                let distinct = sets.sets.len();
                assert_eq!(distinct < 1500, limit < usize::MAX, "{distinct}");
                let chosen: Vec<usize> = sets.cover().collect();
                for (feature, &before) in (0..).zip(sets.counts()) {
                    let has = |input: &&Of<'_>| input.1.contains(&feature);
                    assert_eq!(all.iter().filter(has).count(), before as usize);
                    let now = chosen.iter().map(|&place| &all[place]).filter(has).count();
                    assert!(now >= keep.min(before as usize), "{feature}: {now}");
                }
                let chosen = chosen.len();
                assert!(chosen <= 2 * best && chosen < 400, "{chosen}");
            }
        }
    }
}
