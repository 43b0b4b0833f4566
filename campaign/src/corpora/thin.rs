//! Makes a folder of inputs as small as it can be without losing a feature.
//!
//! In order: every input is replayed on the neutral build; those that fail are kept among the finds; a small
//! cover is chosen ([`sets`](super::sets)) and written to a new folder beside; that is replayed and must have
//! every feature as often as is asked for; then it takes the old one's place ([`swap`](super::swap)). A kill at
//! any moment leaves the old or the new corpus in its place, and every find where it was or among the finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::features::Numbers;
use super::folder::Folder;
use super::minimise::cost;
use super::sets::Sets;
use super::swap::{LeftBehind, Old, Swap};
use crate::corpus::Store;
use crate::coverage::Replay;
use crate::engine::session;
use crate::progress::Progress;
use crate::replay::Verdict;

/// A corpus to be thinned out.
#[derive(Debug)]
pub struct Thinning<'a> {
    /// How its inputs are replayed.
    pub replay: Replay<'a>,
    /// The corpus.
    pub corpus: &'a Path,
    /// Where inputs that fail are kept, named by content.
    pub finds: &'a Path,
    /// Longer inputs are not for this target, and are left out.
    pub max_input: usize,
    /// How many inputs to keep for each feature, where there are as many.
    pub keep: usize,
    /// How many bytes the features of all inputs may take in memory.
    pub memory: usize,
    /// Whether the old corpus is removed in the end.
    pub discard: bool,
    /// Where it says how far it is.
    pub progress: &'a Progress,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Files.
    pub inputs: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thinned {
    /// The corpus as it was.
    pub before: Amount,
    /// The corpus as it is, or would be.
    pub after: Amount,
    /// Features: regions with how often, checks evaluated, kinds of answer.
    pub features: usize,
    /// How many different sets of features there were among the inputs.
    pub feature_sets: usize,
    /// How often sets were forgotten to stay within the memory: if ever, the cover may be a little larger.
    pub forgotten: usize,
    /// How many inputs fail; they are among the finds, and not in the new corpus.
    pub failing: usize,
    /// How many are longer than the target takes, and not in the new corpus.
    pub too_long: usize,
    /// How many could not be read, with the first reason.
    pub unreadable: (usize, Option<String>),
    /// How many came while it was made: they are in the new corpus.
    pub late: usize,
    /// Where the old corpus is kept.
    pub kept_as: Option<PathBuf>,
    /// Why it is kept although it was to be removed.
    pub kept_because: Option<String>,
}

/// What was done last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as what was done")]
pub enum Stage {
    Chosen,
    FindsKept,
    Begun,
    HalfWritten,
    Written,
    Verified,
    Changed,
    Ended,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Chosen,
        Self::FindsKept,
        Self::Begun,
        Self::HalfWritten,
        Self::Written,
        Self::Verified,
        Self::Changed,
        Self::Ended,
    ];
}

/// That it was interrupted: the corpus is as it was.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted: the corpus is as it was")
    }
}

impl std::error::Error for Interrupted {}

/// What the replay of a corpus tells.
struct Replayed {
    numbers: Numbers,
    sets: Sets,
    failing: Vec<u32>,
    too_long: usize,
    unreadable: (usize, Option<String>),
    bytes: u64,
}

impl Thinning<'_> {
    /// Says what would be kept, and changes nothing.
    ///
    /// # Errors
    /// When inputs cannot be replayed; [`Interrupted`].
    pub fn rehearse(&self) -> Result<Thinned> {
        let folder = Folder::list(self.corpus)?;
        let replayed = self.look_at(&folder, "replay", Numbers::new(self.regions()))?;
        let chosen = replayed.sets.cover();
        Ok(thinned(&folder, &replayed, &chosen))
    }

    /// Does it. `after` is called after each stage.
    ///
    /// # Errors
    /// When something cannot be done, or the new corpus lacks a feature: the old one is then in its place.
    /// [`Interrupted`].
    pub fn run(&self, after: &mut dyn FnMut(Stage)) -> Result<Thinned> {
        match Swap::recover(self.corpus)? {
            Some(LeftBehind::Unfinished) => self
                .progress
                .say("an earlier minimize was ended before its time; what it had begun is removed"),
            Some(LeftBehind::Old(old)) => self.progress.say(&format!(
                "an earlier minimize was ended right after its change; the corpus before it is {}",
                old.display()
            )),
            None => {}
        }
        let folder = Folder::list(self.corpus)?;
        let replayed = self.look_at(&folder, "replay", Numbers::new(self.regions()))?;
        let chosen = replayed.sets.cover();
        ensure!(
            !chosen.is_empty(),
            "{} has no input that passes, so that nothing would be left of it",
            self.corpus.display()
        );
        after(Stage::Chosen);
        let mut thinned = thinned(&folder, &replayed, &chosen);
        for &place in &replayed.failing {
            Store::open(self.finds)?.add(&folder.read(place as usize)?)?;
        }
        after(Stage::FindsKept);

        let swap = Swap::begin(self.corpus)?;
        after(Stage::Begun);
        let made = self.fill(&swap, &folder, &chosen, after).and_then(|()| {
            after(Stage::Written);
            self.verify(swap.folder(), replayed)
        });
        if let Err(why) = made {
            // The first error says more than one that follows from it.
            swap.give_up().ok();
            return Err(why);
        }
        after(Stage::Verified);
        thinned.late = self.take_late(self.corpus, &folder, swap.folder())?;
        let old = swap.change()?;
        after(Stage::Changed);
        thinned.late += self.take_late(old.folder(), &folder, self.corpus)?;
        self.put_away(old, &folder, &mut thinned)?;
        after(Stage::Ended);
        Ok(thinned)
    }

    fn regions(&self) -> usize {
        self.replay.map.regions().len()
    }

    fn look_at(&self, folder: &Folder, what: &str, mut numbers: Numbers) -> Result<Replayed> {
        let name = format!("{}: {what}", self.replay.target);
        let mut line = self.progress.counted(&name, "inputs", folder.len() as u64);
        let mut sets = Sets::new(self.keep, self.memory);
        let mut failing = Vec::new();
        let mut features = Vec::new();
        let (mut too_long, mut bytes) = (0, 0);
        let mut unreadable = (0, None);
        self.replay.hits(folder, |hits| {
            if session::interrupted() {
                return Err(Interrupted.into());
            }
            line.step();
            let place = u32::try_from(hits.input).context("more than 2^32 inputs")?;
            let length = folder.length(hits.input);
            bytes += u64::from(length);
            match &hits.verdict {
                Verdict::Error { message } => {
                    unreadable.0 += 1;
                    unreadable.1.get_or_insert_with(|| message.clone());
                }
                Verdict::Fail(_) => failing.push(place),
                Verdict::Pass | Verdict::Rejected { .. } if length as usize > self.max_input => {
                    too_long += 1;
                }
                Verdict::Pass | Verdict::Rejected { .. } => {
                    numbers.of(&hits, &mut features);
                    sets.add(place, cost(length.into(), hits.work), &features);
                }
            }
            Ok(())
        })?;
        line.done(self.progress);
        Ok(Replayed {
            numbers,
            sets,
            failing,
            too_long,
            unreadable,
            bytes,
        })
    }

    /// Writes the chosen inputs to the new folder.
    fn fill(
        &self,
        swap: &Swap,
        folder: &Folder,
        chosen: &[u32],
        after: &mut dyn FnMut(Stage),
    ) -> Result<()> {
        let store = Store::open(swap.folder())?;
        for (index, &place) in chosen.iter().enumerate() {
            store.add(&folder.read(place as usize)?)?;
            if index == chosen.len() / 2 {
                after(Stage::HalfWritten);
            }
        }
        Ok(())
    }

    /// Replays the new folder: it must have every feature of the old one, as often as is asked for.
    fn verify(&self, new: &Path, old: Replayed) -> Result<()> {
        let folder = Folder::list(new)?;
        let Replayed { numbers, sets, .. } = old;
        let after = self.look_at(&folder, "verify", numbers)?;
        ensure!(
            after.failing.is_empty() && after.unreadable.0 == 0,
            "{} inputs passed once and then not, for instance {}",
            after.failing.len() + after.unreadable.0,
            after
                .failing
                .first()
                .map_or_else(String::new, |&place| folder
                    .file(place as usize)
                    .display()
                    .to_string())
        );
        let mut lost = BTreeMap::new();
        for (number, &before) in sets.counts().iter().enumerate() {
            let now = after.sets.counts().get(number).copied().unwrap_or(0) as usize;
            if now < self.keep.min(before as usize) {
                lost.insert(number, (before, now));
            }
        }
        if let Some((&number, (before, now))) = lost.first_key_value() {
            anyhow::bail!(
                "the new corpus lost {} features; the old one stays. The first is {:?}: {before} inputs had it, \
                 {now} have it now. Either an input was changed meanwhile, or one does not do the same each time",
                lost.len(),
                after.numbers.all()[number]
            );
        }
        Ok(())
    }

    /// Takes over inputs that came to `from` after it was listed.
    fn take_late(&self, from: &Path, listed: &Folder, to: &Path) -> Result<usize> {
        let now = Folder::list(from)?;
        let store = Store::open(to)?;
        let mut late = 0;
        for (place, name) in now.names().enumerate() {
            if !listed.has(name) {
                late += usize::from(store.add(&now.read(place)?)?.1);
            }
        }
        Ok(late)
    }

    /// Keeps the old corpus, or removes it.
    fn put_away(&self, old: Old, listed: &Folder, thinned: &mut Thinned) -> Result<()> {
        let needed = if listed.others() > 0 {
            Some(format!("{} things in it are no files", listed.others()))
        } else if thinned.unreadable.0 > 0 {
            Some(format!(
                "{} inputs in it cannot be read",
                thinned.unreadable.0
            ))
        } else {
            None
        };
        if self.discard && needed.is_none() {
            return old.discard();
        }
        thinned.kept_because = needed.filter(|_| self.discard);
        thinned.kept_as = Some(old.keep()?);
        Ok(())
    }
}

fn thinned(folder: &Folder, replayed: &Replayed, chosen: &[u32]) -> Thinned {
    let lengths = chosen.iter().map(|&place| folder.length(place as usize));
    Thinned {
        before: Amount {
            inputs: folder.len() as u64,
            bytes: replayed.bytes,
        },
        after: Amount {
            inputs: chosen.len() as u64,
            bytes: lengths.map(u64::from).sum(),
        },
        features: replayed.numbers.all().len(),
        feature_sets: replayed.sets.distinct(),
        forgotten: replayed.sets.forgotten(),
        failing: replayed.failing.len(),
        too_long: replayed.too_long,
        unreadable: replayed.unreadable.clone(),
        late: 0,
        kept_as: None,
        kept_because: None,
    }
}
