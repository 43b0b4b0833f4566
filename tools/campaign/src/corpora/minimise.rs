//! Few inputs of many, with every feature that all of them have.
//!
//! In order: every input is replayed on the neutral build; those that fail are kept among the findings; a small
//! cover is chosen, replayed again, and must have every feature as often as is asked for. Only then [`thin`] takes
//! the other inputs out of a folder. So a kill at any moment leaves a corpus that has every feature, and every
//! input in one of two folders. Inputs that come meanwhile, and what cannot be read, stay where they are.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Error, Result, ensure};
use fs_err as fs;

use super::survey::{Survey, Terms};
use crate::corpus::Store;
use crate::coverage::{Contents, Replay};
use crate::progress::Progress;

/// Inputs to choose from.
pub struct Minimiser<'a> {
    /// How they are replayed.
    pub replay: Replay<'a>,
    /// The inputs.
    pub inputs: &'a dyn Contents,
    /// Inputs to keep whatever they reach, by place, unless they fail.
    pub pinned: BTreeSet<usize>,
    /// Where inputs that fail are kept, named by content.
    pub finds: &'a Path,
    /// What to keep.
    pub terms: Terms,
    /// Where progress is shown.
    pub progress: &'a Progress,
}

/// What is kept.
#[derive(Debug)]
pub struct Chosen {
    /// What all inputs do.
    pub survey: Survey,
    /// The inputs to keep, by place.
    pub kept: BTreeSet<usize>,
}

impl Minimiser<'_> {
    /// Returns what would be kept, and changes nothing.
    pub(crate) fn rehearse(&self) -> Result<Chosen> {
        let survey = self.survey(self.inputs, "replay")?;
        let mut kept = self.pinned.clone();
        kept.extend(survey.cover());
        for (place, _) in &survey.failing {
            kept.remove(place);
        }
        ensure!(
            !kept.is_empty(),
            "no input passes: nothing would be left of the corpus"
        );
        Ok(Chosen { survey, kept })
    }

    /// Keeps the inputs that fail among the findings, and replays those to keep again. Calls `after` with the name
    /// of each step that is done: `chosen`, `findings kept`, `verified`. Fails when the inputs cannot be replayed, or
    /// none passes; when what is kept does not have every feature.
    pub fn choose(&self, after: &mut dyn FnMut(&str)) -> Result<Chosen> {
        let chosen = self.rehearse()?;
        after("chosen");
        for &(place, _) in &chosen.survey.failing {
            let mut content = Vec::new();
            self.inputs
                .append(place, &mut content)
                .map_err(Error::msg)?;
            Store::open(self.finds)?.add(&content)?;
        }
        after("findings kept");
        let kept = Part {
            all: self.inputs,
            places: chosen.kept.iter().copied().collect(),
        };
        let again = self.survey(&kept, "verify")?;
        chosen.survey.ensure_kept_in(&again)?;
        after("verified");
        Ok(chosen)
    }

    fn survey(&self, inputs: &dyn Contents, what: &str) -> Result<Survey> {
        Survey::of(&self.replay, inputs, self.terms, what, self.progress)
    }
}

/// Some of many inputs.
struct Part<'a> {
    all: &'a dyn Contents,
    places: Vec<usize>,
}

impl Contents for Part<'_> {
    fn count(&self) -> usize {
        self.places.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        self.all.append(self.places[place], buffer)
    }
}

/// Takes out of the folder `corpus` those of `files` that are not kept: moves them to a folder beside, or removes
/// them. Returns that folder. Calls `after` with `half moved` and `moved`. Fails when a file cannot be moved.
pub fn thin(
    corpus: &Path,
    files: &[PathBuf],
    chosen: &Chosen,
    discard: bool,
    after: &mut dyn FnMut(&str),
) -> Result<Option<PathBuf>> {
    let unreadable = chosen.survey.unreadable.iter().map(|&(place, _)| place);
    let stays: BTreeSet<usize> = chosen.kept.iter().copied().chain(unreadable).collect();
    let places = (0..files.len()).filter(|place| !stays.contains(place));
    let out: Vec<&PathBuf> = places.map(|place| &files[place]).collect();
    let beside = match discard || out.is_empty() {
        true => None,
        false => Some(folder_beside(corpus)?),
    };
    for (index, file) in out.iter().enumerate() {
        let done = match (&beside, file.file_name()) {
            (Some(folder), Some(name)) => fs::rename(file, folder.join(name)),
            _ => fs::remove_file(file),
        };
        match done {
            // Somebody else took it out meanwhile.
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            done => done?,
        }
        if index == out.len() / 2 {
            after("half moved");
        }
    }
    after("moved");
    Ok(beside)
}

/// Makes a folder with a name that is free: the corpus's, `.before-` and the date and time of now.
fn folder_beside(corpus: &Path) -> Result<PathBuf> {
    let name = corpus.file_name().context("a corpus without a name")?;
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let now = now.replace(':', "-").replace('Z', "");
    let name = format!("{}.before-{now}", name.to_string_lossy());
    let mut folder = corpus.with_file_name(&name);
    let mut number = 1;
    while folder.exists() {
        number += 1;
        folder = corpus.with_file_name(format!("{name}-{number}"));
    }
    fs::create_dir(&folder)?;
    Ok(folder)
}
