//! Replaying the finds: which check each fails, in workers of their own, some at once.
//!
//! A hang costs its whole time-out. So every input first gets a short time, and only those that do not answer get
//! the whole time in a second round. After `ENOUGH_HANGS` hangs of a target there, the rest counts as more of them,
//! and the report states how many.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use worker::Violation;

use super::collect::Find;
use super::key::Key;
use super::minimise::Budget;
use crate::progress::Progress;
use crate::replay::process::hung;
use crate::replay::{NO_HANG, Replayer, Verdict};
use crate::schedule::Queue;

/// After so many hangs of a target, no other input of it is waited for in full.
const ENOUGH_HANGS: usize = 10;

/// The replays of an input, each by a new worker, and how reliably it fails when that one fails. An input that passes
/// all of them does not reproduce.
const ATTEMPTS: [How; 3] = [How::Always, How::AtTimes, How::AtTimes];

/// How replays are made.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The replay worker.
    pub worker: PathBuf,
    /// The project's folder: places below it are relative to it.
    pub root: PathBuf,
    /// The beginning of a command line for the project.
    pub command: String,
    /// What is judged, in words.
    pub judged: String,
    /// How long an input may take.
    pub time_out: Duration,
    /// What the minimisation of a group may cost.
    pub budget: Budget,
    /// How many replays are made at once.
    pub cores: usize,
    /// Where progress is shown.
    pub progress: Progress,
}

impl Bench {
    /// The time in which all but hangs answer: a fifth of the time-out, and at least half a second.
    pub(crate) fn short_time(&self) -> Duration {
        let least = Duration::from_millis(500);
        (self.time_out / 5).clamp(least, self.time_out.max(least))
    }

    /// A replayer that waits so long for an answer.
    pub(crate) fn replayer(&self, time_out: Duration) -> Replayer {
        let mut replayer = Replayer::new(self.worker.clone());
        replayer.time_out = time_out;
        replayer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked ends the whole, when it is joined.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How reliably an input fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Each time, as far as is known.
    Always,
    /// It passed at first: something else than the input has a part in it.
    AtTimes,
    /// It gave no answer in a short time, and was not given the whole: see `ENOUGH_HANGS`.
    NotWaitedFor,
}

/// A failure of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it violates.
    pub violation: Violation,
    /// What it has in common with others.
    pub key: Key,
    /// How reliably it fails.
    pub how: How,
}

/// What a replay of a find showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It fails.
    Fails(Box<Failure>),
    /// It fails, and the project accepts that for now.
    Known,
    /// It passes, every time.
    Passes,
    /// It could not be replayed; why.
    Unknown(String),
}

impl Outcome {
    /// How it fails, if it does.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Fails(failure) => Some(failure),
            Self::Known | Self::Passes | Self::Unknown(_) => None,
        }
    }

    fn fails(bench: &Bench, violation: Violation, how: How) -> Self {
        Self::Fails(Box::new(Failure {
            key: Key::of(&violation, &bench.root),
            violation,
            how,
        }))
    }

    fn is_hang(&self) -> bool {
        let failure = self.failure();
        failure.is_some_and(|failure| failure.violation.check == NO_HANG)
    }
}

/// Replays every find. Those that were not replayed because of Ctrl-C are missing.
pub(crate) fn replay_all(bench: &Bench, finds: &[Find]) -> Result<Vec<(usize, Outcome)>> {
    let all: Vec<usize> = (0..finds.len()).collect();
    let short = bench.short_time();
    let mut outcomes = replay(bench, "replay", finds, all, (short, usize::MAX))?;
    let slow = outcomes.extract_if(.., |(_, outcome)| {
        short < bench.time_out && outcome.is_hang()
    });
    let slow: Vec<usize> = slow.map(|(index, _)| index).collect();
    let waits = (bench.time_out, ENOUGH_HANGS);
    outcomes.extend(replay(bench, "replay in full", finds, slow, waits)?);
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes)
}

/// Replays some finds, each with this time. After `enough` hangs of a target its other finds are not waited for.
fn replay(
    bench: &Bench,
    what: &str,
    finds: &[Find],
    which: Vec<usize>,
    (time_out, enough): (Duration, usize),
) -> Result<Vec<(usize, Outcome)>> {
    if which.is_empty() {
        return Ok(Vec::new());
    }
    let line = bench.progress.counted(what, "finds", which.len() as u64);
    let cores = vec![None; bench.cores];
    let replayers = cores.iter().map(|_| Mutex::new(bench.replayer(time_out)));
    let replayers: Vec<Mutex<Replayer>> = replayers.collect();
    let hangs: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    let (outcomes, _) = Queue::new(which, &cores).run(|queue, index, place| {
        let mut replayer = lock(&replayers[place.nth]);
        let find = &finds[index];
        let hung_before = lock(&hangs).get(&*find.target).copied();
        let outcome = if hung_before.is_some_and(|count| count >= enough) {
            let crash = hung(bench.short_time());
            let violation = replayer.crashed(crash, &find.target, find.path());
            Outcome::fails(bench, violation, How::NotWaitedFor)
        } else {
            outcome(bench, &mut replayer, find).inspect_err(|_| queue.stop())?
        };
        if outcome.is_hang() {
            *lock(&hangs).entry(&find.target).or_default() += 1;
        }
        line.step();
        Ok((index, outcome))
    });
    line.done(&bench.progress);
    outcomes.into_iter().collect()
}

fn outcome(bench: &Bench, replayer: &mut Replayer, find: &Find) -> Result<Outcome> {
    for how in ATTEMPTS {
        if how != How::Always {
            replayer.restart();
        }
        match replayer.verdict(&find.target, find.path()) {
            Ok(Verdict::Fail(violation)) => return Ok(Outcome::fails(bench, *violation, how)),
            Ok(Verdict::Known { .. }) => return Ok(Outcome::Known),
            Ok(_) => {}
            // A file that cannot be read is a trouble of one find; a worker that cannot be started, of all.
            Err(error) => match fs::File::open(find.path()) {
                Ok(_) => return Err(error),
                Err(why) => {
                    let path = find.path().display();
                    return Ok(Outcome::Unknown(format!("{path}: {why}")));
                }
            },
        }
    }
    Ok(Outcome::Passes)
}
