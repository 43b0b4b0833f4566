//! What makes an input worth keeping.
//!
//! A feature is a source region together with how often it was executed (in the classes of AFL++ and
//! libFuzzer), a check that was evaluated, or a kind of answer: see [`worker::Events`]. Regions are those
//! of the code under test alone; they are counted on the neutral build, so that no engine's taste decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use super::minimise::{Candidate, cost};
use super::pack::Inputs;
use crate::coverage::{Hits, RegionSet, Replay};
use crate::replay::Verdict;

/// Something that an input did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// It executed a region, by number, so often, as a class.
    Region(usize, u8),
    /// It did something that [`worker::Events`] tells.
    Deed(String),
}

/// Numbers for features, in the order of first occurrence.
#[derive(Debug)]
pub struct Numbers {
    /// The features; a feature's number is its place.
    all: Vec<Feature>,
    /// For each region and class the number and one more; 0 without one.
    of_regions: Vec<[usize; CLASSES]>,
    of_deeds: HashMap<String, usize>,
    /// The numbers of whole lists of deeds, of which there are few.
    of_lists: HashMap<String, Vec<usize>>,
}

/// How many classes of how often there are, see [`hits_class`](crate::coverage::hits_class).
const CLASSES: usize = 9;
/// How many lists of deeds are remembered.
const MAX_LISTS: usize = 4096;

impl Numbers {
    /// None yet, for a map of `regions` regions.
    #[must_use]
    pub fn new(regions: usize) -> Self {
        Self {
            all: Vec::new(),
            of_regions: vec![[0; CLASSES]; regions],
            of_deeds: HashMap::new(),
            of_lists: HashMap::new(),
        }
    }

    /// The features, each at the place that is its number.
    #[must_use]
    pub fn all(&self) -> &[Feature] {
        &self.all
    }

    /// Puts the numbers of an input's features into `features`, ascending and each once.
    pub fn of(&mut self, hits: &Hits<'_>, features: &mut Vec<usize>) {
        features.clear();
        for &(region, class) in hits.regions {
            let number = &mut self.of_regions[region][usize::from(class)];
            if *number == 0 {
                self.all.push(Feature::Region(region, class));
                *number = self.all.len();
            }
            features.push(*number - 1);
        }
        if let Some(list) = self.of_lists.get(hits.deeds) {
            features.extend_from_slice(list);
        } else {
            let regions = features.len();
            for deed in hits.deeds.lines() {
                features.push(self.of_deed(deed));
            }
            if self.of_lists.len() < MAX_LISTS {
                let list = features[regions..].to_vec();
                self.of_lists.insert(hits.deeds.to_owned(), list);
            }
        }
        features.sort_unstable();
        features.dedup();
    }

    fn of_deed(&mut self, deed: &str) -> usize {
        if let Some(&number) = self.of_deeds.get(deed) {
            return number;
        }
        let number = self.all.len();
        self.all.push(Feature::Deed(deed.to_owned()));
        self.of_deeds.insert(deed.to_owned(), number);
        number
    }
}

/// Inputs and what they did.
#[derive(Debug)]
pub struct Traces {
    numbers: Numbers,
    /// The inputs that pass or are rejected: names, and features by number.
    pub inputs: BTreeMap<String, Candidate>,
    /// The inputs that fail, and why.
    pub failing: BTreeMap<String, Verdict>,
    /// The regions that the former reach.
    pub regions: RegionSet,
}

/// Replays `inputs` on the neutral build.
///
/// # Errors
/// When the worker cannot be started.
pub fn trace(replay: &Replay<'_>, inputs: &Inputs) -> Result<Traces> {
    let (names, contents): (Vec<&String>, Vec<&[u8]>) = inputs
        .iter()
        .map(|(name, content)| (name, content.as_slice()))
        .unzip();
    let mut traces = Traces {
        numbers: Numbers::new(replay.map.regions().len()),
        inputs: BTreeMap::new(),
        failing: BTreeMap::new(),
        regions: RegionSet::default(),
    };
    let mut regions = BTreeSet::new();
    replay.hits(&contents.as_slice(), |hits| {
        let name = names[hits.input].clone();
        if !matches!(hits.verdict, Verdict::Pass | Verdict::Rejected { .. }) {
            traces.failing.insert(name, hits.verdict);
            return Ok(());
        }
        regions.extend(hits.regions.iter().map(|&(region, _)| region));
        let mut features = Vec::new();
        traces.numbers.of(&hits, &mut features);
        let cost = cost(contents[hits.input].len() as u64, hits.work);
        let candidate = Candidate { cost, features };
        traces.inputs.insert(name, candidate);
        Ok(())
    })?;
    traces.regions = replay.map.set(&regions);
    Ok(traces)
}

impl Traces {
    /// How many features any input has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.numbers.all.len()
    }

    /// How many inputs have each feature.
    fn counts(&self) -> HashMap<&Feature, usize> {
        let mut by_number = vec![0; self.numbers.all.len()];
        for candidate in self.inputs.values() {
            for &feature in &candidate.features {
                by_number[feature] += 1;
            }
        }
        self.numbers.all.iter().zip(by_number).collect()
    }

    /// The features that fewer than `keep` inputs of `smaller` have, although enough inputs here have them.
    #[must_use]
    pub fn lost_in(&self, smaller: &Self, keep: usize) -> Vec<&Feature> {
        let left = smaller.counts();
        let lost = self
            .counts()
            .into_iter()
            .filter(|(feature, count)| left.get(feature).copied().unwrap_or(0) < keep.min(*count));
        let mut lost: Vec<&Feature> = lost.map(|(feature, _)| feature).collect();
        lost.sort();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(of: &[(&str, &[usize])]) -> Traces {
        let mut numbers = Numbers::new(8);
        let mut inputs = BTreeMap::new();
        for (input, (name, regions)) in of.iter().enumerate() {
            let regions: Vec<(usize, u8)> = regions.iter().map(|&region| (region, 1)).collect();
            let hits = Hits {
                input,
                verdict: Verdict::Pass,
                regions: &regions,
                work: 0,
                deeds: "",
            };
            let mut features = Vec::new();
            numbers.of(&hits, &mut features);
            let candidate = Candidate { cost: 1, features };
            inputs.insert((*name).to_owned(), candidate);
        }
        Traces {
            numbers,
            inputs,
            failing: BTreeMap::new(),
            regions: RegionSet::default(),
        }
    }

    #[test]
    fn a_feature_has_one_number() {
        let mut numbers = Numbers::new(3);
        let mut of = |regions: &[(usize, u8)], deeds: &str| {
            let hits = Hits {
                input: 0,
                verdict: Verdict::Pass,
                regions,
                work: 0,
                deeds,
            };
            let mut features = vec![99];
            numbers.of(&hits, &mut features);
            features
        };
        assert_eq!(of(&[(2, 8), (0, 1)], "x\ny"), [0, 1, 2, 3]);
        assert_eq!(of(&[(0, 1), (0, 2)], "y"), [1, 3, 4]);
        assert_eq!(of(&[], "x\ny"), [2, 3]);
        assert_eq!(of(&[], ""), Vec::<usize>::new());
        assert_eq!(numbers.all()[0], Feature::Region(2, 8));
        assert_eq!(numbers.all()[3], Feature::Deed("y".into()));
    }

    #[test]
    fn what_is_lost_is_named() {
        let all = traces(&[("a", &[5, 6]), ("b", &[6, 7]), ("c", &[6])]);
        let some = traces(&[("b", &[6, 7]), ("c", &[6])]);
        assert_eq!(all.lost_in(&some, 1), [&Feature::Region(5, 1)]);
        assert_eq!(all.lost_in(&some, 2), [&Feature::Region(5, 1)]);
        let lost = [&Feature::Region(5, 1), &Feature::Region(6, 1)];
        assert_eq!(all.lost_in(&some, 3), lost);
        assert!(all.lost_in(&all, 9).is_empty());
        assert!(some.lost_in(&all, 9).is_empty());
    }
}
