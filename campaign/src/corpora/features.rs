//! What makes an input worth keeping.
//!
//! A feature is a source region together with how often it was executed (in the classes of AFL++ and
//! libFuzzer), a check that was evaluated, or a kind of answer: see [`harness_core::trace`]. Regions are those
//! of the code under test alone; they are counted on the neutral build, so that no engine's taste decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::minimise::Candidate;
use super::pack::Inputs;
use crate::coverage::{RegionSet, Replay};
use crate::replay::Verdict;

/// Something that an input did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// It executed a region, by number, so often, as a class.
    Region(usize, u8),
    /// It did something that [`harness_core::trace`] tells.
    Deed(String),
}

/// Inputs and what they did.
#[derive(Debug, Default)]
pub struct Traces {
    /// Every feature that any input has; its number is its place in the order of first occurrence.
    numbers: HashMap<Feature, usize>,
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
/// When the worker cannot be started, or a file for it cannot be written.
pub fn trace(replay: &Replay<'_>, inputs: &Inputs) -> Result<Traces> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut paths = Vec::with_capacity(inputs.len());
    for (name, content) in inputs {
        let path = folder.path().join(name);
        fs::write(&path, content)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        paths.push(path);
    }
    let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    let inputs: Vec<(&String, usize)> = inputs
        .iter()
        .map(|(name, content)| (name, content.len()))
        .collect();
    let mut traces = Traces::default();
    let mut regions = BTreeSet::new();
    replay.trace(&paths, |traced| {
        let (name, length) = inputs[traced.input];
        if !matches!(traced.verdict, Verdict::Pass | Verdict::Rejected { .. }) {
            traces.failing.insert(name.clone(), traced.verdict);
            return Ok(());
        }
        regions.extend(traced.regions.keys().copied());
        let of_regions = traced
            .regions
            .into_iter()
            .map(|(region, class)| Feature::Region(region, class));
        let of_deeds = traced.deeds.into_iter().map(Feature::Deed);
        let mut features = Vec::new();
        for feature in of_regions.chain(of_deeds) {
            let next = traces.numbers.len();
            features.push(*traces.numbers.entry(feature).or_insert(next));
        }
        traces
            .inputs
            .insert(name.clone(), Candidate { length, features });
        Ok(())
    })?;
    traces.regions = replay.map.set(&regions);
    Ok(traces)
}

impl Traces {
    /// How many features any input has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.numbers.len()
    }

    /// How many inputs have each feature.
    fn counts(&self) -> HashMap<&Feature, usize> {
        let mut by_number = vec![0; self.numbers.len()];
        for candidate in self.inputs.values() {
            for &feature in &candidate.features {
                by_number[feature] += 1;
            }
        }
        let counts = self.numbers.iter();
        counts
            .map(|(feature, &number)| (feature, by_number[number]))
            .collect()
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
        let mut traces = Traces::default();
        for (name, regions) in of {
            let mut features = Vec::new();
            for &region in *regions {
                let next = traces.numbers.len();
                let feature = Feature::Region(region, 1);
                features.push(*traces.numbers.entry(feature).or_insert(next));
            }
            let candidate = Candidate {
                length: 1,
                features,
            };
            traces.inputs.insert((*name).to_owned(), candidate);
        }
        traces
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
