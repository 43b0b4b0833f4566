//! One trial: run, and on disk.
//!
//! A trial's folder has the engine's own folder `run/`, the inputs that fail in `finds/`, and two files that
//! are written last and at once: `trial.json` with what the engine did, without which the trial is not whole
//! and is run again; and `measured.json` with what it reached. When each input came is in `trial.json`, so a
//! folder that is copied, and has new file times, says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use harness_core::Target;
use serde::{Deserialize, Serialize};

use super::folder::{Folder, read_json, write_json};
use super::order::TrialId;
use crate::corpus::content_name;
use crate::engine::session::Session;
use crate::engine::{Engine, Status, number_after};
use crate::fuzz::{self, Fuzzed};
use crate::replay::Replayer;

/// The version of `trial.json` that this code reads and writes.
const VERSION: u32 = 1;

/// How much must be free on the disk for a trial to count, and for one to begin, in bytes: an engine that
/// cannot write an input loses it without a word.
pub const LEAST_FREE: u64 = 32 << 20;

/// Where [`fuzz::Find`]s come from that no engine made.
const SEEDS: &str = "seeds";

/// What a whole trial did: `trial.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The version of this format.
    pub version: u32,
    /// The target's name.
    pub target: String,
    /// The engine.
    pub engine: Engine,
    /// The trial's number, from 1.
    pub number: usize,
    /// When it was started, in UTC, as RFC 3339.
    pub started: String,
    /// The operating system and its version.
    pub system: String,
    /// The core to which the engine was pinned, if it was.
    pub core: Option<usize>,
    /// The command that was run.
    pub command: String,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The inputs that the engine read to begin with.
    pub seeds_read: u64,
    /// Executions of the target.
    pub executions: u64,
    /// AFL++'s stability, in percent.
    pub stability: Option<f64>,
    /// How many inputs the engine kept.
    pub corpus: usize,
    /// What the engine kept, in the order in which it came; empty once [`Trial::forget_kept`] was called.
    pub kept: Vec<Kept>,
    /// Every input that fails.
    pub finds: Vec<Find>,
    /// How often each check was evaluated when the inputs were replayed, by id.
    pub evaluations: BTreeMap<String, u64>,
    /// Why the trial does not count, when it does not.
    pub failure: Option<String>,
}

/// An input that an engine kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The file, from the trial's folder.
    pub file: String,
    /// When it came: milliseconds since the engine's start.
    pub time_ms: u64,
    /// After how many executions it came.
    pub executions: u64,
}

/// An input that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// The check that fails on replay.
    pub check: String,
    /// The file, from the trial's folder.
    pub file: String,
    /// When it came: milliseconds since the engine's start; 0 for a seed.
    pub time_ms: u64,
}

/// What came of running a trial.
#[derive(Debug)]
pub enum Ended {
    /// It is whole, and on disk; it may not count all the same.
    Whole(Box<Trial>),
    /// Ctrl-C ended it before its time. It is as if it had not begun.
    Interrupted,
    /// The machine let it down, and not the engine: it is run again when the comparison goes on.
    Lost(String),
}

/// What it takes to run a trial.
#[derive(Debug)]
pub struct Running<'a> {
    /// The comparison's folder.
    pub folder: &'a Folder,
    /// The target.
    pub target: &'static Target,
    /// How long.
    pub time: Duration,
    /// How often the engine's files are looked at.
    pub snapshot: Duration,
    /// The core to run on, when the system pins.
    pub core: Option<usize>,
    /// The operating system and its version.
    pub system: &'a str,
}

impl Running<'_> {
    /// Runs a trial and writes `trial.json`.
    ///
    /// # Errors
    /// When something cannot be started, read or written.
    pub fn run(
        &self,
        id: &TrialId,
        look: &mut dyn FnMut(Duration, Status, usize),
    ) -> Result<Ended> {
        let mut least_free = self.free();
        if least_free < LEAST_FREE {
            return Ok(Ended::Lost(disk_full(least_free)));
        }
        let folder = self.folder.trial(id);
        let started = SystemTime::now();
        let plan = fuzz::Plan {
            target: self.target,
            engine: id.engine,
            build: &self.folder.build(id.engine, &id.target),
            inputs: &self.folder.seeds(&id.target)?,
            folder: folder.join("run"),
            finds: folder.join("finds"),
            dictionary: self.folder.dictionary(&id.target),
            time: self.time,
            snapshot: self.snapshot,
            core: self.core,
        };
        let mut replayer = Replayer::new(self.folder.worker());
        let fuzzed = fuzz::run(&plan, &mut replayer, &mut |time, status, finds| {
            least_free = self.free().min(least_free);
            look(time, status, finds);
        })?;
        least_free = self.free().min(least_free);
        if fuzzed
            .session
            .as_ref()
            .is_some_and(|session| session.interrupted)
        {
            return Ok(Ended::Interrupted);
        }
        if least_free < LEAST_FREE {
            return Ok(Ended::Lost(disk_full(least_free)));
        }
        let trial = self.record(id, &folder, started, &fuzzed);
        write_json(&file(&folder), &trial)?;
        Ok(Ended::Whole(Box::new(trial)))
    }

    fn free(&self) -> u64 {
        self.folder.free().unwrap_or(u64::MAX)
    }

    fn record(&self, id: &TrialId, folder: &Path, started: SystemTime, fuzzed: &Fuzzed) -> Trial {
        let session = fuzzed.session.as_ref();
        let started = session.map_or(started, |session| session.start);
        Trial {
            version: VERSION,
            target: id.target.clone(),
            engine: id.engine,
            number: id.number,
            started: humantime::format_rfc3339_seconds(started).to_string(),
            system: self.system.to_owned(),
            core: self.core,
            command: session.map_or_else(String::new, |session| session.command.clone()),
            seconds: session.map_or(0.0, |session| session.elapsed.as_secs_f64()),
            seeds_read: session.map_or(0, |session| session.seeds_read),
            executions: session.map_or(0, |session| session.status.executions),
            stability: session
                .and_then(|session| session.status.stability)
                .map(|percent| f64::from(percent.0) / 100.0),
            corpus: session.map_or(0, |session| session.kept.len()),
            kept: session.map_or_else(Vec::new, |session| kept(session, folder)),
            finds: finds(fuzzed, folder),
            evaluations: fuzzed.evaluations.clone(),
            failure: match session {
                Some(session) => session.failure.clone(),
                None => Some("every seed fails: see the finds".to_owned()),
            },
        }
    }
}

fn disk_full(free: u64) -> String {
    format!(
        "the disk is full: {} MiB are free, and a trial needs {} at all times",
        free >> 20,
        LEAST_FREE >> 20
    )
}

/// The file that makes a trial whole.
#[must_use]
pub fn file(trial: &Path) -> PathBuf {
    trial.join("trial.json")
}

impl Trial {
    /// Reads a trial; none when it is not whole.
    ///
    /// # Errors
    /// When its file cannot be read, or is of another version or trial.
    pub fn read(folder: &Folder, id: &TrialId) -> Result<Option<Self>> {
        let path = file(&folder.trial(id));
        let Some(trial) = read_json::<Self>(&path)? else {
            return Ok(None);
        };
        let is_it = trial.version == VERSION
            && (&trial.target, trial.engine, trial.number) == (&id.target, id.engine, id.number);
        anyhow::ensure!(
            is_it,
            "{} is not of {id}, or of another version of this tool; remove its folder to have it run again",
            path.display()
        );
        Ok(Some(trial))
    }

    /// Makes room: a long trial keeps much, and a comparison has many.
    pub fn forget_kept(&mut self) {
        self.kept = Vec::new();
    }

    /// Executions a second.
    #[must_use]
    pub fn executions_per_second(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a rate, to be printed")]
        let executions = self.executions as f64;
        executions / self.seconds.max(0.001)
    }
}

fn kept(session: &Session, folder: &Path) -> Vec<Kept> {
    session
        .kept
        .iter()
        .map(|kept| Kept {
            file: inside(&kept.path, folder),
            time_ms: millis(kept.time),
            executions: kept
                .executions
                .unwrap_or_else(|| session.executions_at(kept.time)),
        })
        .collect()
}

/// The finds, each with the time at which the first file of its content came.
fn finds(fuzzed: &Fuzzed, folder: &Path) -> Vec<Find> {
    // A find is kept under the name of its content.
    let name = |find: &fuzz::Find| {
        let name = find.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let arrivals = fuzzed
        .session
        .as_ref()
        .map_or_else(BTreeMap::new, |session| {
            let wanted = fuzzed.finds.iter().filter(|find| find.from != SEEDS);
            arrivals(session, &wanted.map(name).collect())
        });
    fuzzed
        .finds
        .iter()
        .map(|find| Find {
            check: find.check.clone(),
            file: inside(&find.path, folder),
            time_ms: arrivals.get(&name(find)).copied().map_or(0, millis),
        })
        .collect()
}

/// When the contents of these names first came.
fn arrivals(session: &Session, wanted: &BTreeSet<String>) -> BTreeMap<String, Duration> {
    let mut arrivals = BTreeMap::new();
    let mut note = |path: &Path, time: Duration| {
        let Ok(content) = std::fs::read(path) else {
            return;
        };
        let name = content_name(&content);
        if wanted.contains(&name) {
            let first = arrivals.entry(name).or_insert(time);
            *first = time.min(*first);
        }
    };
    for path in &session.finds {
        note(path, arrival(path, session));
    }
    // What an engine kept as sound seldom fails, and it is much to read.
    if session.finds.len() < wanted.len() {
        for kept in &session.kept {
            note(&kept.path, kept.time);
        }
    }
    arrivals
}

/// When an engine wrote a find: AFL++ says so in its name, for others it is the file's time.
fn arrival(path: &Path, session: &Session) -> Duration {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(time) = number_after(&name, ",time:") {
        return Duration::from_millis(time);
    }
    let written = path.metadata().and_then(|file| file.modified());
    written.map_or(session.elapsed, |written| {
        written.duration_since(session.start).unwrap_or_default()
    })
}

fn inside(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Marks a trial that failed, so that it is run again: its `trial.json` gets another name.
///
/// # Errors
/// When it cannot be renamed.
pub fn run_again(folder: &Folder, id: &TrialId) -> Result<()> {
    let path = file(&folder.trial(id));
    std::fs::rename(&path, path.with_extension("failed.json"))
        .with_context(|| format!("{} cannot be renamed", path.display()))
}
