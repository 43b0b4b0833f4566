//! What a project provides: its targets and its checks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::check::Check;

/// What a replay worker serves.
#[derive(Clone, Copy)]
pub struct Project<'a> {
    /// Every target, each under a name of its own.
    pub targets: &'a [&'a dyn Target],
    /// Every check, each under an id of its own.
    pub checks: &'a [&'static Check],
    /// What the code under test is held to, by name. Empty where there is no choice.
    pub judged: &'a [&'a str],
}

/// The properties of a target that the tool needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// The name: of the target, of each engine's binary, of the folders of its seeds and its corpus.
    pub name: String,
    /// What of the code under test it drives, in a few words.
    pub drives: String,
    /// The longest input that engines should make, in bytes.
    pub max_input: usize,
    /// The beginning of the ids of the checks that it evaluates; `None` for a target without checks.
    pub checks: Option<String>,
    /// The dictionary's path, from the project's root.
    pub dictionary: Option<String>,
    /// Whether the code that it drives is built with compare tracing. Where it is not, AFL++ has nothing to solve.
    pub compare_tracing: bool,
    /// Whether it measures an engine's own cost: it belongs to benchmarks and not to campaigns.
    pub is_baseline: bool,
}

impl TargetInfo {
    /// A target without checks and without a dictionary, built with compare tracing.
    pub fn new(name: &str, drives: &str, max_input: usize) -> Self {
        Self {
            name: name.to_owned(),
            drives: drives.to_owned(),
            max_input,
            checks: None,
            dictionary: None,
            compare_tracing: true,
            is_baseline: false,
        }
    }
}

/// Something to fuzz.
pub trait Target {
    /// Its properties.
    fn info(&self) -> TargetInfo;

    /// Decodes an input, runs the code under test on it, and asserts.
    ///
    /// # Panics
    /// When a check fails or the code under test panics.
    fn run(&self, data: &[u8]) -> Outcome;

    /// The decoded input, for people.
    ///
    /// # Errors
    /// Why the input is not a case.
    fn describe(&self, data: &[u8]) -> Result<Description, String>;

    /// As [`run`](Self::run), and notes an event for everything that is worth an input in a corpus and has no
    /// branch of its own in the code under test, such as each kind of answer.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    fn trace(&self, data: &[u8], _events: &Events) -> Outcome {
        self.run(data)
    }

    /// The size in bytes of what the code under test gets to read.
    fn decoded_size(&self, data: &[u8]) -> u64 {
        data.len() as u64
    }

    /// A text that stays the same as long as the input decodes to the same case. A decoder that changes it gives
    /// old corpora another meaning.
    fn fingerprint(&self, data: &[u8]) -> String;
}

/// The beginning of the name of a feature that is a format: a corpus for several formats has inputs of those that the
/// code under test does not have, and that is no cause to worry.
pub const THE_FORMAT: &str = "the format ";

/// The feature that stands for a refusal of what is sound, when that is not judged.
pub const SOUND_REFUSED: &str = "a refusal of what is sound (refusals)";

/// The feature that stands for an answer to what is unsound, when that is not judged.
pub const UNSOUND_TAKEN: &str = "an answer to what is unsound (accepts)";

/// What became of an input that no check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is a case, and every check held.
    Checked,
    /// It is no case, and why.
    Rejected(&'static str),
    /// The code under test does not have the feature or format of this name: nothing was judged.
    NotJudged(String),
}

/// The part of the code under test that an input asks, or that a check holds responsible.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part {
    /// What it is, as `calculator` or `parser`.
    pub name: String,
    /// The format that it is for, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

impl Part {
    /// A part for all formats.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            format: None,
        }
    }

    /// A part for one format.
    pub fn of(format: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            format: Some(format.to_owned()),
        }
    }
}

/// `qcow2 scanner`, or `parser`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.format {
            Some(format) => write!(f, "{format} {}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A decoded input that can be described.
pub trait Describe {
    /// The part of the code under test that it asks.
    fn part(&self) -> Part;

    /// The case in one or a few lines of plain words, sizes in bytes.
    fn in_words(&self) -> String;

    /// The case as statements of Rust that reproduce it.
    fn as_rust(&self) -> String;
}

/// A case as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// See [`Describe::in_words`].
    pub words: String,
    /// See [`Describe::as_rust`].
    pub rust: String,
}

/// A case, and the part of the code under test that it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// See [`Describe::part`].
    pub part: Part,
    /// The case.
    pub case: Case,
}

impl<D: Describe + ?Sized> From<&D> for Description {
    fn from(case: &D) -> Self {
        Self {
            part: case.part(),
            case: Case {
                words: case.in_words(),
                rust: case.as_rust(),
            },
        }
    }
}

/// What an input did, a line each. They outlive a panic of the code under test.
#[derive(Debug, Default)]
pub struct Events(Mutex<BTreeSet<String>>);

impl Events {
    /// Notes an event; the same one again changes nothing.
    pub fn note(&self, event: String) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.insert(event);
    }

    /// The events, sorted.
    pub fn into_sorted(self) -> Vec<String> {
        let events = self.0.into_inner();
        let events = events.unwrap_or_else(PoisonError::into_inner);
        events.into_iter().collect()
    }
}
