//! Takes out of a folder of inputs what adds nothing to the rest.
//!
//! In order: every input is replayed on the neutral build; those that fail are kept among the findings; a small
//! cover is chosen, replayed again, and must have every feature as often as is asked for; only then the other
//! inputs are moved to a folder beside, or removed. Nothing is moved that the cover needs. So a kill at any
//! moment leaves a corpus that has every feature, and every input in one of the two folders. Inputs that come
//! meanwhile, and what cannot be read, stay where they are.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::survey::{Survey, Terms};
use crate::corpus::{Store, files_in};
use crate::coverage::Replay;
use crate::progress::Progress;

/// A corpus to be minimised.
#[derive(Debug)]
pub struct Thinning<'a> {
    /// How its inputs are replayed.
    pub replay: Replay<'a>,
    /// The corpus.
    pub corpus: &'a Path,
    /// Where inputs that fail are kept, named by content.
    pub finds: &'a Path,
    /// What to keep.
    pub terms: Terms,
    /// Whether what is taken out is removed.
    pub discard: bool,
    /// Where progress is shown.
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
    /// The corpus as it is, or would be, without inputs that came meanwhile or cannot be read.
    pub after: Amount,
    /// Features: regions with how often, checks evaluated, kinds of answer.
    pub features: usize,
    /// How many different sets of features the inputs had.
    pub feature_sets: usize,
    /// How often sets were forgotten to stay within the memory. The cover may then be a little larger.
    pub forgotten: usize,
    /// How many inputs fail. They are among the findings, and are taken out.
    pub failing: usize,
    /// How many are longer than the target takes. They are taken out.
    pub too_long: usize,
    /// How many cannot be read, with the first reason.
    pub unreadable: (usize, Option<String>),
    /// Where the inputs are that were taken out, unless they are removed.
    pub moved_to: Option<PathBuf>,
}

impl Thinning<'_> {
    /// Returns what would be kept, and changes nothing.
    ///
    /// # Errors
    /// When there are no inputs or they cannot be replayed; [`Interrupted`](super::survey::Interrupted).
    pub fn rehearse(&self) -> Result<Thinned> {
        let files = self.files()?;
        let survey = self.survey(&files, "replay")?;
        Ok(thinned(&survey, &survey.cover()))
    }

    /// Does it. Calls `after` with the name of each step that is done: `chosen`, `findings kept`, `verified`, `half
    /// moved`, `moved`.
    ///
    /// # Errors
    /// As [`rehearse`](Self::rehearse); when the cover does not have every feature, or a file cannot be moved.
    pub fn run(&self, after: &mut dyn FnMut(&str)) -> Result<Thinned> {
        let files = self.files()?;
        let survey = self.survey(&files, "replay")?;
        let chosen = survey.cover();
        ensure!(
            !chosen.is_empty(),
            "{} has no input that passes: nothing would be left of it",
            self.corpus.display()
        );
        after("chosen");
        for &(place, _) in &survey.failing {
            Store::open(self.finds)?.add_file(&files[place])?;
        }
        after("findings kept");
        let kept: Vec<&Path> = chosen.iter().map(|&place| files[place].as_path()).collect();
        survey.ensure_kept_in(&self.survey(&kept, "verify")?)?;
        after("verified");

        let mut stays: BTreeSet<usize> = chosen.iter().copied().collect();
        stays.extend(survey.unreadable.iter().map(|(place, _)| place));
        let places = (0..files.len()).filter(|place| !stays.contains(place));
        let out: Vec<&Path> = places.map(|place| files[place].as_path()).collect();
        let mut thinned = thinned(&survey, &chosen);
        if !self.discard && !out.is_empty() {
            thinned.moved_to = Some(folder_beside(self.corpus)?);
        }
        for (index, file) in out.iter().enumerate() {
            take_out(file, thinned.moved_to.as_deref())?;
            if index == out.len() / 2 {
                after("half moved");
            }
        }
        after("moved");
        Ok(thinned)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let files = files_in(self.corpus)?;
        ensure!(!files.is_empty(), "{} has no inputs", self.corpus.display());
        Ok(files)
    }

    fn survey<P: AsRef<Path>>(&self, files: &[P], what: &str) -> Result<Survey> {
        Survey::of(&self.replay, &files, self.terms, what, self.progress)
    }
}

fn thinned(survey: &Survey, chosen: &[usize]) -> Thinned {
    let lengths = survey.lengths();
    let amount = |of: &mut dyn Iterator<Item = usize>| {
        let mut amount = Amount::default();
        for length in of {
            amount.inputs += 1;
            amount.bytes += length as u64;
        }
        amount
    };
    let reason = survey.unreadable.first().map(|(_, why)| why.clone());
    Thinned {
        before: amount(&mut lengths.iter().copied()),
        after: amount(&mut chosen.iter().map(|&place| lengths[place])),
        features: survey.features(),
        feature_sets: survey.distinct(),
        forgotten: survey.forgotten(),
        failing: survey.failing.len(),
        too_long: survey.too_long,
        unreadable: (survey.unreadable.len(), reason),
        moved_to: None,
    }
}

/// Moves a file to a folder, or removes it.
fn take_out(file: &Path, to: Option<&Path>) -> Result<()> {
    let done = match (to, file.file_name()) {
        (Some(folder), Some(name)) => fs::rename(file, folder.join(name)),
        _ => fs::remove_file(file),
    };
    match done {
        // Somebody else took it out meanwhile.
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
        done => done.with_context(|| format!("{} cannot be taken out", file.display())),
    }
}

/// Makes a folder with a name that is free: the corpus's, `.before-` and the date and time of now.
fn folder_beside(corpus: &Path) -> Result<PathBuf> {
    let name = corpus.file_name().context("a corpus without a name")?;
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let now = now.replace(':', "-").replace('Z', "");
    let name = format!("{}.before-{now}", name.to_string_lossy());
    let numbered = (2..100).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.clone()).chain(numbered) {
        let folder = corpus.with_file_name(name);
        match fs::create_dir(&folder) {
            Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
            made => {
                made.with_context(|| format!("{} cannot be made", folder.display()))?;
                return Ok(folder);
            }
        }
    }
    anyhow::bail!("there are a hundred folders {name}")
}
