//! One trial: run, and on disk.
//!
//! A trial's folder has the engine's own folder `run/`, the inputs that fail in `finds/`, and two files that
//! are written last and at once: `trial.json` with what the engine did, without which the trial is not whole
//! and is run again; and `measured.json` with what it reached. When each input came is in `trial.json`, so a
//! folder that is copied, and has new file times, has the same content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use worker::TargetInfo;

use super::contestant::Contestant;
use super::folder::Folder;
use super::order::TrialId;
use crate::atomic::{read_json, write_json};
use crate::corpus::files_in;
use crate::engine::session::{self, Setup, View};
use crate::fuzz::{Fuzzed, Job};
use crate::replay::Replayer;

/// The version of `trial.json` that this code reads and writes.
const VERSION: u32 = 1;

/// How much must be free on the disk for a trial to count, and for one to begin, in bytes: an engine that
/// cannot write an input loses it without a word.
pub const LEAST_FREE: u64 = 32 << 20;

/// What a whole trial did: `trial.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The version of this format.
    pub version: u32,
    /// Which trial it is.
    #[serde(flatten)]
    pub id: TrialId,
    /// When it was started, in UTC, as RFC 3339.
    pub started: String,
    /// The operating system and its version.
    pub system: String,
    /// The core to which the engine was pinned, if it was.
    pub core: Option<usize>,
    /// The command that was run; of an ensemble one for each engine, a line each.
    pub command: String,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The processor time that the engines used, in seconds. Trials of earlier versions have none.
    #[serde(default)]
    pub core_seconds: f64,
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

/// What came of a trial.
#[derive(Debug)]
pub enum Ended<T> {
    /// It is whole, and on disk; it may not count all the same.
    Whole(Box<T>),
    /// Ctrl-C ended it before its time. It is as if it had not been started.
    Interrupted,
    /// An infrastructure failure, not the engine's: it is run again when the comparison is resumed.
    Lost(String),
    /// As [`Lost`](Self::Lost), and no other trial can be run.
    DiskFull(String),
}

/// What it takes to run trials.
#[derive(Debug)]
pub struct Running<'a> {
    /// The comparison's folder.
    pub folder: &'a Folder,
    /// All contestants: the engines of an ensemble depend on them.
    pub contestants: &'a [Contestant],
    /// How long a trial takes.
    pub time: Duration,
    /// How often the engines' files are looked at.
    pub snapshot: Duration,
    /// The operating system and its version.
    pub system: &'a str,
}

impl Running<'_> {
    /// Runs a trial on a core, or on any, and writes `trial.json`.
    ///
    /// # Errors
    /// When something cannot be started, read or written.
    pub fn run(
        &self,
        id: &TrialId,
        target: &TargetInfo,
        core: Option<usize>,
        look: &mut dyn FnMut(&View<'_>),
    ) -> Result<Ended<Trial>> {
        let mut least_free = self.free();
        if least_free < LEAST_FREE {
            return Ok(Ended::DiskFull(disk_full(least_free)));
        }
        let folder = self.folder.trial(id);
        let started = SystemTime::now();
        let build = |engine| (engine, self.folder.build(engine, &id.target));
        let engines = id.engine.engines(self.contestants);
        let builds = engines.into_iter().map(build).collect();
        let inputs = files_in(&self.folder.seeds(&id.target))?;
        let job = Job {
            target,
            setup: Setup {
                dictionary: self.folder.dictionary(&id.target),
                snapshot: self.snapshot,
                cores: core.into_iter().collect(),
                ..Setup::new(target, &builds, &inputs, folder.join("run"), self.time)
            },
            finds: &|_| folder.join("finds"),
            is_over_at_find: false,
        };
        let mut replayer = Replayer::new(self.folder.worker());
        let fuzzed = job.run(&mut replayer, &mut |view| {
            least_free = self.free().min(least_free);
            look(view);
        })?;
        least_free = self.free().min(least_free);
        if session::interrupted() {
            return Ok(Ended::Interrupted);
        }
        if least_free < LEAST_FREE {
            return Ok(Ended::DiskFull(disk_full(least_free)));
        }
        let mut trial = record(id, &folder, started, &fuzzed);
        trial.system = self.system.to_owned();
        trial.core = core;
        write_json(&file(&folder), &trial)?;
        Ok(Ended::Whole(Box::new(trial)))
    }

    /// How many bytes are free on the disk, for us.
    pub(crate) fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.folder.root());
        disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn record(id: &TrialId, folder: &Path, started: SystemTime, fuzzed: &Fuzzed) -> Trial {
    let session = fuzzed.session.as_ref();
    let started = session.map_or(started, |session| session.start);
    let finds = fuzzed.finds.iter().map(|find| Find {
        check: find.check.clone(),
        file: inside(&find.path, folder),
        time_ms: millis(find.time),
    });
    let mut trial = Trial {
        version: VERSION,
        id: id.clone(),
        started: humantime::format_rfc3339_seconds(started).to_string(),
        system: String::new(),
        core: None,
        command: String::new(),
        seconds: 0.0,
        core_seconds: 0.0,
        seeds_read: 0,
        executions: 0,
        stability: None,
        corpus: 0,
        kept: Vec::new(),
        finds: finds.collect(),
        evaluations: fuzzed.evaluations.clone(),
        failure: Some("every seed fails: see the finds".to_owned()),
    };
    if let Some(session) = session {
        trial.command = session.command();
        trial.seconds = session.elapsed.as_secs_f64();
        trial.core_seconds = session.core_seconds();
        trial.seeds_read = session.seeds_read();
        trial.executions = session.executions();
        trial.stability = session.stability();
        trial.corpus = session.kept.len();
        let kept = session.kept.iter().map(|kept| Kept {
            file: inside(&kept.path, folder),
            time_ms: millis(kept.time),
            executions: kept
                .executions
                .unwrap_or_else(|| session.executions_at(kept.time)),
        });
        trial.kept = kept.collect();
        trial.failure = session.failure();
    }
    trial
}

fn disk_full(free: u64) -> String {
    format!(
        "the disk is full: {} MiB are free, and a trial needs {} at all times",
        free >> 20,
        LEAST_FREE >> 20
    )
}

/// The file that makes a trial whole.
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
        ensure!(
            trial.version == VERSION && trial.id == *id,
            "{} is not of {id}, or of another version of this tool; remove its folder to have it run again",
            path.display()
        );
        Ok(Some(trial))
    }

    /// Makes room: a long trial keeps much, and a comparison has many.
    pub fn forget_kept(&mut self) {
        self.kept = Vec::new();
    }
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
