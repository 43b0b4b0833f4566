//! One trial: run, and on disk.
//!
//! Its folder is as [`comparison`](super) lists it. When each input came is in `trial.json`, so a folder that is copied,
//! and has new file times, has the same content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use report::Load;
use serde::{Deserialize, Serialize};
use worker::TargetInfo;

use super::folder::Folder;
use super::machine::{self, LoadMeter};
use super::order::TrialId;
use super::plan::Plan;
use crate::atomic::{read_json, write_json};
use crate::corpus::files_in;
use crate::engine::session::{self, Session, Setup, View};
use crate::fuzz::{Fuzzed, Job};
use crate::replay::Replayer;

/// The version of `trial.json` that this code reads and writes.
const VERSION: u32 = 1;

/// How much must be free on the disk for a trial to count, and for one to begin, in bytes: an engine that
/// cannot write an input loses it without a word.
pub(crate) const LEAST_FREE: u64 = 32 << 20;

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
    /// The inputs that the engine read to begin with.
    pub seeds_read: u64,
    /// Executions of the target.
    pub executions: u64,
    /// AFL++'s stability, in percent.
    pub stability: Option<f64>,
    /// What the machine did meanwhile.
    #[serde(default)]
    pub load: Option<Load>,
    /// How many inputs the engine kept.
    pub corpus: usize,
    /// What the engine kept, in the order in which it came.
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

/// Runs a trial on a core, or on any, and writes `trial.json`. Fails when something cannot be started, read or written.
pub fn run(
    folder: &Folder,
    plan: &Plan,
    id: &TrialId,
    target: &TargetInfo,
    core: Option<usize>,
    look: &mut dyn FnMut(&View<'_>),
) -> Result<Ended<Trial>> {
    let mut least_free = free(folder);
    if let Some(full) = disk_full(least_free) {
        return Ok(full);
    }
    let of_trial = folder.trial(id);
    let started = SystemTime::now();
    let build = |engine| (engine, folder.build(id.engine, engine, &id.target));
    let engines = id.engine.engines(&plan.engines);
    let builds = engines.into_iter().map(build).collect();
    let inputs = files_in(&folder.inputs(&id.target, id.start))?;
    let run = of_trial.join("run");
    let job = Job {
        target,
        setup: id.engine.configured(Setup {
            dictionary: folder.dictionary(&id.target),
            snapshot: Duration::from_secs(plan.snapshot_seconds),
            cores: core.into_iter().collect(),
            ..Setup::new(target, &builds, &inputs, run, plan.time())
        }),
        finds: &|_| of_trial.join("finds"),
        is_over_at_find: false,
    };
    let mut meter = LoadMeter::start();
    let mut replayer = Replayer::new(folder.worker());
    let fuzzed = job.run(&mut replayer, &mut |view| {
        least_free = free(folder).min(least_free);
        meter.look();
        look(view);
    })?;
    least_free = free(folder).min(least_free);
    if session::interrupted() {
        return Ok(Ended::Interrupted);
    }
    if let Some(full) = disk_full(least_free) {
        return Ok(full);
    }
    let mut trial = record(id, &of_trial, started, &fuzzed);
    trial.core = core;
    trial.load = meter.read();
    write_json(&file(&of_trial), &trial)?;
    Ok(Ended::Whole(Box::new(trial)))
}

/// How many bytes are free on the folder's disk, for us.
pub(crate) fn free(folder: &Folder) -> u64 {
    let disk = rustix::fs::statvfs(folder.root());
    disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn record(id: &TrialId, folder: &Path, started: SystemTime, fuzzed: &Fuzzed) -> Trial {
    let inside = |path: &Path| {
        let file = path.strip_prefix(folder).unwrap_or(path);
        file.display().to_string()
    };
    let session = fuzzed.session.as_ref();
    let started = session.map_or(started, |session| session.start);
    let finds = fuzzed.finds.iter().map(|find| Find {
        check: find.check.clone(),
        file: inside(&find.path),
        time_ms: find.time.as_millis() as u64,
    });
    let kept_of = |session: &Session| -> Vec<Kept> {
        let kept = session.kept.iter().map(|kept| Kept {
            file: inside(&kept.path),
            time_ms: kept.time.as_millis() as u64,
            executions: kept
                .executions
                .unwrap_or_else(|| session.executions_at(kept.time)),
        });
        kept.collect()
    };
    let every_seed_fails = || Some("every seed fails: see the finds".to_owned());
    Trial {
        version: VERSION,
        id: id.clone(),
        started: humantime::format_rfc3339_seconds(started).to_string(),
        system: machine::system(),
        core: None,
        command: session.map(Session::command).unwrap_or_default(),
        seconds: session.map_or(0.0, |session| session.elapsed.as_secs_f64()),
        seeds_read: session.map_or(0, Session::seeds_read),
        executions: session.map_or(0, Session::executions),
        stability: session.and_then(Session::stability),
        load: None,
        corpus: session.map_or(0, |session| session.kept.len()),
        kept: session.map(kept_of).unwrap_or_default(),
        finds: finds.collect(),
        evaluations: fuzzed.evaluations.clone(),
        failure: session.map_or_else(every_seed_fails, Session::failure),
    }
}

fn disk_full<T>(free: u64) -> Option<Ended<T>> {
    let (there, needed) = (free >> 20, LEAST_FREE >> 20);
    let why =
        format!("the disk is full: {there} MiB are free, and a trial needs {needed} at all times");
    (free < LEAST_FREE).then_some(Ended::DiskFull(why))
}

/// The file that makes a trial whole.
pub(crate) fn file(trial: &Path) -> PathBuf {
    trial.join("trial.json")
}

impl Trial {
    /// Reads a trial; none when it is not whole. Fails when its file cannot be read, or is of another version or trial.
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
}
