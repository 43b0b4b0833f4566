//! What many inputs do, and which few of them do it all.
//!
//! A feature is a source region together with how often it was executed (in the classes of AFL++ and
//! libFuzzer), a check that was evaluated, or a kind of answer: see [`worker::Events`]. Regions are those
//! of the code under test alone. They are counted on the neutral build, so no engine's view decides.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, bail, ensure};

use super::cover::{Sets, cost};
use crate::coverage::{Contents, Hits, Replay};
use crate::progress::Progress;
use crate::replay::Verdict;

/// The number of classes of how often a region is executed: see [`hits_class`](crate::coverage::replay::hits_class).
const CLASSES: usize = 9;

/// How many bytes of memory the features of all inputs may take.
const MEMORY: usize = 512 << 20;

/// What to keep.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How many inputs to keep for each feature, where there are as many.
    pub keep: usize,
    /// Longer inputs, in bytes, are not for the target, and are left out.
    pub max_input: usize,
}

/// What a replay of many inputs shows.
#[derive(Debug)]
pub struct Survey {
    terms: Terms,
    /// The features of regions have the first numbers, [`CLASSES`] a region.
    of_regions: usize,
    /// The numbers of events, in the order of first occurrence, behind those of regions.
    events: HashMap<String, usize>,
    sets: Sets,
    /// The length of each input in bytes; 0 when it cannot be read.
    pub lengths: Vec<usize>,
    /// The regions that inputs reach which pass or are rejected, by number.
    pub regions: BTreeSet<usize>,
    /// The inputs that fail, by place.
    pub failing: Vec<(usize, Verdict)>,
    /// How many are too long.
    pub too_long: usize,
    /// Those that cannot be read, by place, with the reason.
    pub unreadable: Vec<(usize, String)>,
}

impl Survey {
    /// Replays inputs on the neutral build; `what` names the work on the line of progress.
    pub(crate) fn of(
        replay: &Replay<'_>,
        contents: &dyn Contents,
        terms: Terms,
        what: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let mut survey = Self::new(terms, replay.map.regions().len());
        let what = format!("{}: {what}", replay.target);
        let line = progress.counted(&what, "inputs", contents.count() as u64);
        replay.hits(contents, |hits| {
            line.step();
            survey.add(hits);
            Ok(())
        })?;
        line.done(progress);
        Ok(survey)
    }

    fn new(terms: Terms, regions: usize) -> Self {
        Self {
            terms,
            of_regions: regions * CLASSES,
            events: HashMap::new(),
            sets: Sets::new(terms.keep, MEMORY),
            lengths: Vec::new(),
            regions: BTreeSet::new(),
            failing: Vec::new(),
            too_long: 0,
            unreadable: Vec::new(),
        }
    }

    fn add(&mut self, hits: Hits<'_>) {
        self.lengths.push(hits.length);
        match hits.verdict {
            Verdict::Error { message } => self.unreadable.push((hits.input, message)),
            Verdict::Fail { .. } => self.failing.push((hits.input, hits.verdict)),
            _ if hits.length > self.terms.max_input => self.too_long += 1,
            _ => {
                let mut features = Vec::new();
                for &(region, class) in hits.regions {
                    self.regions.insert(region);
                    features.push((region * CLASSES + usize::from(class)) as u32);
                }
                for event in hits.events.lines() {
                    let next = self.of_regions + self.events.len();
                    let number = self.events.entry(event.to_owned()).or_insert(next);
                    features.push(*number as u32);
                }
                features.sort_unstable();
                features.dedup();
                self.sets
                    .add(hits.input, cost(hits.length as u64, hits.work), &features);
            }
        }
    }

    /// The places of few inputs that have every feature.
    pub(crate) fn cover(&self) -> impl Iterator<Item = usize> {
        self.sets.cover()
    }

    /// How many features the inputs have together.
    pub fn features(&self) -> usize {
        self.counts().count()
    }

    /// The name of every feature, and how many inputs have it.
    fn counts(&self) -> impl Iterator<Item = (String, usize)> {
        let events: HashMap<usize, &String> = self.events.iter().map(|(e, &n)| (n, e)).collect();
        let counts = (0..).zip(self.sets.counts());
        counts
            .filter(|&(_, &count)| count > 0)
            .map(move |(number, &count)| {
                let name = match events.get(&number) {
                    Some(event) => (*event).clone(),
                    None => format!("region {}, class {}", number / CLASSES, number % CLASSES),
                };
                (name, count as usize)
            })
    }

    /// Checks a survey of fewer inputs: every feature must be there as often as is asked for, or as often as it
    /// was, and no input may fail.
    pub(crate) fn ensure_kept_in(&self, smaller: &Self) -> Result<()> {
        if let Some((place, verdict)) = smaller.failing.first() {
            bail!("an input passed once and then not, the one at place {place}: {verdict:?}");
        }
        if let Some((_, why)) = smaller.unreadable.first() {
            bail!("an input can no longer be read: {why}");
        }
        let left: HashMap<String, usize> = smaller.counts().collect();
        let now = |feature: &String| left.get(feature).copied().unwrap_or(0);
        let all = self.counts();
        let mut lost = all.filter(|(feature, before)| now(feature) < self.terms.keep.min(*before));
        if let Some((feature, before)) = lost.next() {
            bail!(
                "the new corpus lost {} features. The first is {feature}: in {before} inputs before, in {} now. \
                 Either an input was changed meanwhile, or one does not do the same each time",
                1 + lost.count(),
                now(&feature)
            );
        }
        ensure!(
            smaller.too_long == 0,
            "{} inputs became longer than the target takes",
            smaller.too_long
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use worker::Crash;

    use super::*;

    /// A survey of inputs that execute these regions, of which `keep` are asked for.
    fn survey(keep: usize, of: &[&[usize]]) -> Survey {
        let terms = Terms { keep, max_input: 8 };
        let mut survey = Survey::new(terms, 9);
        for (input, regions) in of.iter().enumerate() {
            let regions: Vec<(usize, u8)> = regions.iter().map(|&region| (region, 1)).collect();
            survey.add(hits(input, 8, Verdict::Pass, &regions, ""));
        }
        survey
    }

    fn hits<'a>(
        input: usize,
        length: usize,
        verdict: Verdict,
        regions: &'a [(usize, u8)],
        events: &'a str,
    ) -> Hits<'a> {
        Hits {
            input,
            length,
            verdict,
            regions,
            work: 0,
            events,
        }
    }

    #[test]
    fn a_region_counts_once_for_each_class_and_an_event_once() {
        let mut survey = survey(1, &[]);
        let why = "short".to_owned();
        let rejected = Verdict::Rejected { why };
        survey.add(hits(0, 3, Verdict::Pass, &[(0, 1), (2, 8)], "x\ny"));
        survey.add(hits(1, 3, rejected, &[(0, 2)], "y"));
        assert_eq!(survey.features(), 5);
        assert_eq!(survey.regions, BTreeSet::from([0, 2]));
        // These have no features.
        let fails = Verdict::crashed(Crash::Hung(1000), "t");
        survey.add(hits(2, 3, fails, &[(7, 1)], "z"));
        survey.add(hits(3, 9, Verdict::Pass, &[(8, 1)], "z"));
        let message = "unreadable".to_owned();
        survey.add(hits(4, 0, Verdict::Error { message }, &[], ""));
        assert_eq!(
            (survey.features(), &*survey.lengths),
            (5, &[3, 3, 3, 9, 0][..])
        );
        assert_eq!((survey.failing[0].0, survey.too_long), (2, 1));
        assert_eq!(survey.unreadable, [(4, "unreadable".to_owned())]);
        assert_eq!(survey.cover().count(), 2);
    }

    #[test]
    fn a_loss_is_reported_with_the_feature() {
        for (keep, is_lost) in [
            (1, "region 5, class 1"),
            (2, "region 5"),
            (3, "lost 2 features"),
        ] {
            let all = survey(keep, &[&[5, 6], &[6, 7], &[6]]);
            let some = survey(keep, &[&[6, 7], &[6]]);
            let error = all.ensure_kept_in(&some).unwrap_err().to_string();
            assert!(error.contains(is_lost), "{error}");
            all.ensure_kept_in(&all).unwrap();
            some.ensure_kept_in(&all).unwrap();
        }
        let all = survey(1, &[&[5]]);
        let mut fails = survey(1, &[&[5]]);
        fails
            .failing
            .push((0, Verdict::crashed(Crash::Died("signal 6".into()), "t")));
        let error = all.ensure_kept_in(&fails).unwrap_err().to_string();
        assert!(error.contains("passed once and then not"), "{error}");
    }
}
