//! Feature sets of a million inputs in little memory.
//!
//! Many inputs do the same: of all that have one set of features, only the `keep` cheapest can be of use. So a
//! set is kept once, as the differences between its ascending numbers, most of them in a byte. When the sets
//! take more memory than they may, those that a cover of what was seen so far does not need are forgotten: no
//! feature is lost by that, but the cover may become larger than one of all inputs at once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use super::minimise::{Choice, cover};

/// Input sets as they arrive.
#[derive(Debug)]
pub struct Sets {
    keep: usize,
    /// How many bytes the sets may take.
    limit: usize,
    /// The sets, one after the other.
    bytes: Vec<u8>,
    /// Where each set ends in `bytes`.
    ends: Vec<usize>,
    /// The cheapest inputs of each set, `keep` places a set, cheapest first; [`Input::NONE`] where there are fewer.
    inputs: Vec<Input>,
    /// Sets by their hash.
    known: HashMap<u64, usize>,
    /// How many inputs have each feature.
    counts: Vec<u32>,
    /// How often sets were forgotten.
    forgotten: usize,
}

/// An input: ordered by what it costs, then by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Input {
    cost: u32,
    place: u32,
}

impl Input {
    const NONE: Self = Self {
        cost: u32::MAX,
        place: u32::MAX,
    };
}

impl Sets {
    /// None yet; `keep` inputs of each are kept, and the sets take `limit` bytes, unless a cover needs more.
    #[must_use]
    pub fn new(keep: usize, limit: usize) -> Self {
        Self {
            keep,
            limit,
            bytes: Vec::new(),
            ends: Vec::new(),
            inputs: Vec::new(),
            known: HashMap::new(),
            counts: Vec::new(),
            forgotten: 0,
        }
    }

    /// Adds the input at `place`, of that [`cost`](super::minimise::cost); `features` are its features by
    /// number, ascending and each once.
    ///
    /// # Panics
    /// When they are not ascending.
    pub fn add(&mut self, place: u32, cost: u64, features: &[usize]) {
        let Some(&last) = features.last() else {
            return;
        };
        assert!(features.is_sorted_by(|a, b| a < b), "{features:?}");
        if last >= self.counts.len() {
            self.counts.resize(last + 1, 0);
        }
        for &feature in features {
            self.counts[feature] = self.counts[feature].saturating_add(1);
        }
        let start = self.bytes.len();
        put_differences(features, &mut self.bytes);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let input = Input { cost, place };
        if let Some(set) = self.set_like_the_last(start) {
            self.bytes.truncate(start);
            self.add_to(set, input);
        } else {
            self.ends.push(self.bytes.len());
            self.inputs.push(input);
            self.inputs.resize(self.ends.len() * self.keep, Input::NONE);
        }
        if self.memory() > self.limit {
            self.forget();
        }
    }

    /// The known set that is the one in `bytes` from `start` on; that one becomes known when there is none.
    fn set_like_the_last(&mut self, start: usize) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.bytes[start..]);
        let next = self.ends.len();
        let set = *self.known.entry(hasher.finish()).or_insert(next);
        // Two sets of one hash are two sets all the same; the second is just not found again.
        (set < next && self.bytes_of(set) == &self.bytes[start..]).then_some(set)
    }

    fn bytes_of(&self, set: usize) -> &[u8] {
        let start = if set == 0 { 0 } else { self.ends[set - 1] };
        &self.bytes[start..self.ends[set]]
    }

    fn add_to(&mut self, set: usize, input: Input) {
        let inputs = &mut self.inputs[set * self.keep..(set + 1) * self.keep];
        let at = inputs.partition_point(|other| *other <= input);
        if at < inputs.len() {
            inputs[at..].rotate_right(1);
            inputs[at] = input;
        }
    }

    /// About how many bytes the sets take.
    fn memory(&self) -> usize {
        // A hash table's entry takes 17 bytes, and a table is up to half empty.
        self.bytes.len() + self.ends.len() * (8 + 34) + self.inputs.len() * size_of::<Input>()
    }

    /// Forgets the inputs that a cover does not need.
    fn forget(&mut self) {
        let mut needed = Self::new(self.keep, usize::MAX);
        for slot in cover(self, self.keep) {
            let features: Vec<usize> = self.features_of(slot).collect();
            let Input { cost, place } = self.inputs[slot];
            needed.add(place, cost.into(), &features);
        }
        needed.counts = std::mem::take(&mut self.counts);
        needed.forgotten = self.forgotten + 1;
        // What is needed cannot be forgotten, and to try again for every input would take forever.
        needed.limit = self.limit.max(2 * needed.memory());
        *self = needed;
    }

    /// How many inputs have each feature.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// How many different sets there are.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.ends.len()
    }

    /// How often sets were forgotten because of the limit.
    #[must_use]
    pub fn forgotten(&self) -> usize {
        self.forgotten
    }

    /// The places of the inputs of a small cover, ascending.
    #[must_use]
    pub fn cover(&self) -> Vec<u32> {
        let slots = cover(self, self.keep).into_iter();
        let mut places: Vec<u32> = slots.map(|slot| self.inputs[slot].place).collect();
        places.sort_unstable();
        places
    }
}

/// Candidates are the slots of `inputs`; an empty one has no features.
impl Choice for Sets {
    fn count(&self) -> usize {
        self.inputs.len()
    }
    fn features(&self) -> usize {
        self.counts.len()
    }
    fn cost(&self, slot: usize) -> u64 {
        self.inputs[slot].cost.into()
    }
    fn features_of(&self, slot: usize) -> impl Iterator<Item = usize> {
        let bytes = if self.inputs[slot] == Input::NONE {
            &[]
        } else {
            self.bytes_of(slot / self.keep)
        };
        Numbers { bytes, next: 0 }
    }
    fn order(&self, slot: usize) -> usize {
        self.inputs[slot].place as usize
    }
}

/// Appends ascending numbers as differences, seven bits a byte, the lowest first; the last byte of each has its
/// upper bit clear.
fn put_differences(numbers: &[usize], bytes: &mut Vec<u8>) {
    let mut next = 0;
    for &number in numbers {
        let mut rest = number - next;
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        next = number + 1;
    }
}

/// The numbers that [`put_differences`] put.
struct Numbers<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl Iterator for Numbers<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let (mut difference, mut shift) = (0, 0);
        loop {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            difference |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let number = self.next + difference;
        self.next = number + 1;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::minimise::Candidate;
    use super::*;

    /// Many inputs of which many do the same, some rare things, and costs that repeat.
    fn candidates() -> Vec<Candidate> {
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        (0..3000)
            .map(|_| {
                let mut features: Vec<usize> = (0..1 + next(6))
                    .map(|_| (next(20) * next(20) * next(3)) as usize)
                    .collect();
                features.sort_unstable();
                features.dedup();
                Candidate {
                    cost: 40 + next(5),
                    features,
                }
            })
            .collect()
    }

    fn sets(all: &[Candidate], keep: usize, limit: usize) -> Sets {
        let mut sets = Sets::new(keep, limit);
        for (place, candidate) in (0..).zip(all) {
            sets.add(place, candidate.cost, &candidate.features);
        }
        sets
    }

    fn counts(all: &[Candidate], places: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut counts = vec![0; all.features()];
        for place in places {
            for &feature in &all[place].features {
                counts[feature] += 1;
            }
        }
        counts
    }

    #[test]
    fn the_cover_is_as_large_as_that_of_all_inputs_one_by_one() {
        let all = candidates();
        for keep in [1, 2, 5] {
            let sets = sets(&all, keep, usize::MAX);
            assert!(sets.distinct() < all.len(), "{}", sets.distinct());
            assert_eq!(sets.forgotten(), 0);
            let places: Vec<usize> = sets.cover().iter().map(|&place| place as usize).collect();
            assert_eq!(places, cover(all.as_slice(), keep), "{keep}");
        }
    }

    #[test]
    fn what_is_forgotten_costs_no_feature() {
        let all = candidates();
        let every = counts(&all, 0..all.len());
        for keep in [1, 3] {
            let sets = sets(&all, keep, 4096);
            assert!(sets.forgotten() > 3, "{}", sets.forgotten());
            assert!(sets.distinct() < 1500, "{}", sets.distinct());
            let places = sets.cover();
            let kept = counts(&all, places.iter().map(|&place| place as usize));
            for (feature, (kept, every)) in kept.iter().zip(&every).enumerate() {
                assert!(*kept >= keep.min(*every), "{feature}");
                assert_eq!(sets.counts()[feature] as usize, *every);
            }
            let best = cover(all.as_slice(), keep).len();
            assert!(places.len() <= 2 * best, "{} of {best}", places.len());
        }
    }

    #[test]
    fn numbers_survive_their_differences() {
        for numbers in [
            &[][..],
            &[0],
            &[127, 128, 129, 256],
            &[5, 20_000, 3_000_000],
        ] {
            let mut bytes = Vec::new();
            put_differences(numbers, &mut bytes);
            let bytes = bytes.as_slice();
            assert_eq!(Numbers { bytes, next: 0 }.collect::<Vec<_>>(), numbers);
        }
    }
}
