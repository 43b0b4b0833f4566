//! Replaying the finds: which check each fails, in workers of their own, some at once.
//!
//! A hang costs its whole time-out, so every input is first given a short time; what does not answer in it
//! waits for a second round with the whole time. There, after `ENOUGH_HANGS` hangs of a target the rest
//! is taken for more of them, and the report says how many.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use worker::Violation;

use super::collect::Find;
use super::key::Key;
use super::pool;
use crate::engine::session;
use crate::progress::Progress;
use crate::replay::process::hung;
use crate::replay::{NO_HANG, Replayer, Verdict};

/// After so many hangs of a target, no other input of it is waited for in full.
const ENOUGH_HANGS: usize = 10;

/// How often an input that passes is replayed, each time by a new worker, before it counts as one that
/// does not reproduce.
const ATTEMPTS: usize = 3;

/// How replays are made.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The replay worker.
    pub worker: PathBuf,
    /// The project's folder: places below it are relative to it.
    pub root: PathBuf,
    /// How long an input may take.
    pub time_out: Duration,
    /// How many replays are made at once.
    pub cores: usize,
    /// Where progress is shown.
    pub progress: Progress,
}

impl Bench {
    /// The time in which all but hangs answer: a fifth of the time-out, and at least half a second.
    #[must_use]
    pub fn short_time(&self) -> Duration {
        (self.time_out / 5).clamp(Duration::from_millis(500), self.time_out.max(MIN_SHORT))
    }

    /// A replayer that waits so long for an answer.
    #[must_use]
    pub fn replayer(&self, time_out: Duration) -> Replayer {
        Replayer::new(self.worker.clone()).with_time_out(time_out)
    }
}

const MIN_SHORT: Duration = Duration::from_millis(500);

/// How an input fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it violates.
    pub violation: Violation,
    /// What it has in common with others.
    pub key: Key,
}

impl Failure {
    fn is_hang(&self) -> bool {
        self.violation.check == NO_HANG
    }
}

/// What a replay of a find showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It fails.
    Fails(Failure),
    /// It fails, and passed at first: something else than the input has a part in it.
    FailsAtTimes(Failure),
    /// It passes, every time.
    Passes,
    /// It gave no answer in a short time, and was not given the whole: see `ENOUGH_HANGS`.
    Slow(Failure),
    /// It could not be replayed; why.
    Unknown(String),
}

impl Outcome {
    /// How it fails, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Fails(failure) | Self::FailsAtTimes(failure) | Self::Slow(failure) => {
                Some(failure)
            }
            Self::Passes | Self::Unknown(_) => None,
        }
    }
}

/// Replays every find. Those that were not replayed because of Ctrl-C are missing.
///
/// # Errors
/// When no worker can be started.
pub fn replay_all(bench: &Bench, finds: &[Find]) -> Result<Vec<(usize, Outcome)>> {
    let all: Vec<usize> = (0..finds.len()).collect();
    let short = bench.short_time();
    let replay = |what, which: &[usize], time_out, work: Work<'_>| {
        let work = |replayer: &mut Replayer, index: usize| {
            if session::interrupted() {
                return Ok(None);
            }
            work(replayer, &finds[index]).map(Some)
        };
        let begin = || Ok(bench.replayer(time_out));
        pool::for_each(bench, (what, "finds"), which, begin, work)
    };
    let outcomes = replay("replay", &all, short, &|replayer, find| {
        outcome(bench, replayer, find)
    })?;
    if short >= bench.time_out {
        return Ok(outcomes);
    }
    let (slow, mut known): (Vec<_>, Vec<_>) = outcomes
        .into_iter()
        .partition(|(_, outcome)| matches!(outcome, Outcome::Fails(failure) if failure.is_hang()));
    let slow: Vec<usize> = slow.into_iter().map(|(index, _)| index).collect();
    let hangs: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let hangs = |find: &Find, more: usize| {
        let mut hangs = hangs.lock().unwrap_or_else(PoisonError::into_inner);
        let count = hangs.entry(find.target.clone()).or_default();
        *count += more;
        *count
    };
    known.extend(replay(
        "replay in full",
        &slow,
        bench.time_out,
        &|replayer, find| {
            if hangs(find, 0) >= ENOUGH_HANGS {
                let violation = replayer.crashed(hung(short), &find.target, find.path());
                return Ok(Outcome::Slow(failure(bench, violation)));
            }
            let outcome = outcome(bench, replayer, find)?;
            if matches!(&outcome, Outcome::Fails(failure) if failure.is_hang()) {
                hangs(find, 1);
            }
            Ok(outcome)
        },
    )?);
    known.sort_by_key(|(index, _)| *index);
    Ok(known)
}

type Work<'a> = &'a (dyn Fn(&mut Replayer, &Find) -> Result<Outcome> + Sync);

fn outcome(bench: &Bench, replayer: &mut Replayer, find: &Find) -> Result<Outcome> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            replayer.restart();
        }
        return Ok(match replayer.verdict(&find.target, find.path()) {
            Ok(Verdict::Fail(violation)) if attempt == 0 => {
                Outcome::Fails(failure(bench, *violation))
            }
            Ok(Verdict::Fail(violation)) => Outcome::FailsAtTimes(failure(bench, *violation)),
            Ok(_) => continue,
            // A file that cannot be read is a trouble of one find; a worker that cannot be started, of all.
            Err(error) => match fs::File::open(find.path()) {
                Err(why) => Outcome::Unknown(format!("{}: {why}", find.path().display())),
                Ok(_) => return Err(error),
            },
        });
    }
    Ok(Outcome::Passes)
}

fn failure(bench: &Bench, violation: Violation) -> Failure {
    Failure {
        key: Key::of(&violation, &bench.root),
        violation,
    }
}
