//! Replaying the finds: which check each fails, in workers of their own, some at once.
//!
//! A hang costs its whole time-out, so every input is first given a short time; what does not answer in it
//! waits for a second round with the whole time. There, after `ENOUGH_HANGS` hangs of a target the rest
//! is taken for more of them, and the report states how many.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use worker::Violation;

use super::collect::Find;
use super::key::Key;
use super::minimise::Budget;
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
    /// The beginning of a command line for the project.
    pub command: String,
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
    #[must_use]
    pub fn short_time(&self) -> Duration {
        let least = Duration::from_millis(500);
        (self.time_out / 5).clamp(least, self.time_out.max(least))
    }

    /// A replayer that waits so long for an answer.
    #[must_use]
    pub fn replayer(&self, time_out: Duration) -> Replayer {
        Replayer::new(self.worker.clone()).with_time_out(time_out)
    }

    /// Does `work` for each of `which`, in threads that each `begin` with something of their own, under a line of
    /// progress. Returns the results with what they are of, ascending; `None` of `work` ends a thread early.
    ///
    /// # Errors
    /// The first of `begin` or `work`.
    pub(super) fn for_each<S, T: Send>(
        &self,
        (what, things): (&str, &str),
        which: &[usize],
        begin: impl Fn() -> Result<S> + Sync,
        work: impl Fn(&mut S, usize) -> Result<Option<T>> + Sync,
    ) -> Result<Vec<(usize, T)>> {
        if which.is_empty() {
            return Ok(Vec::new());
        }
        let line = self.progress.counted(what, things, which.len() as u64);
        let done = Mutex::new((line, Vec::new()));
        let next = AtomicUsize::new(0);
        let thread = || -> Result<()> {
            let mut own = begin()?;
            while let Some(&index) = which.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Some(result) = work(&mut own, index)? else {
                    break;
                };
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done.0.step();
                done.1.push((index, result));
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads = 0..self.cores.min(which.len());
            let threads: Vec<_> = threads.map(|_| scope.spawn(thread)).collect();
            let mut ends = threads.into_iter();
            ends.try_for_each(|end| end.join().expect("a thread of triage does not panic"))
        })?;
        let (line, mut results) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        line.done(&self.progress);
        results.sort_by_key(|&(index, _)| index);
        Ok(results)
    }
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
    /// It passes, every time.
    Passes,
    /// It could not be replayed; why.
    Unknown(String),
}

impl Outcome {
    /// How it fails, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Fails(failure) => Some(failure),
            Self::Passes | Self::Unknown(_) => None,
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
///
/// # Errors
/// When no worker can be started.
pub fn replay_all(bench: &Bench, finds: &[Find]) -> Result<Vec<(usize, Outcome)>> {
    let all: Vec<usize> = (0..finds.len()).collect();
    let short = bench.short_time();
    let mut outcomes = replay(bench, "replay", finds, &all, (short, usize::MAX))?;
    if short < bench.time_out {
        let slow = outcomes.extract_if(.., |(_, outcome)| outcome.is_hang());
        let slow: Vec<usize> = slow.map(|(index, _)| index).collect();
        let waits = (bench.time_out, ENOUGH_HANGS);
        outcomes.extend(replay(bench, "replay in full", finds, &slow, waits)?);
        outcomes.sort_by_key(|(index, _)| *index);
    }
    Ok(outcomes)
}

/// Replays some finds, each with this time. After `enough` hangs of a target its other finds are not waited for.
fn replay(
    bench: &Bench,
    what: &str,
    finds: &[Find],
    which: &[usize],
    (time_out, enough): (Duration, usize),
) -> Result<Vec<(usize, Outcome)>> {
    let hangs: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    let add_hangs = |target, more: usize| {
        let mut hangs = hangs.lock().unwrap_or_else(PoisonError::into_inner);
        let count = hangs.entry(target).or_default();
        *count += more;
        *count
    };
    let work = |replayer: &mut Replayer, index: usize| {
        if session::interrupted() {
            return Ok(None);
        }
        let find: &Find = &finds[index];
        if add_hangs(&find.target, 0) >= enough {
            let crash = hung(bench.short_time());
            let violation = replayer.crashed(crash, &find.target, find.path());
            let outcome = Outcome::fails(bench, violation, How::NotWaitedFor);
            return Ok(Some(outcome));
        }
        let outcome = outcome(bench, replayer, find)?;
        add_hangs(&find.target, usize::from(outcome.is_hang()));
        Ok(Some(outcome))
    };
    bench.for_each(
        (what, "finds"),
        which,
        || Ok(bench.replayer(time_out)),
        work,
    )
}

fn outcome(bench: &Bench, replayer: &mut Replayer, find: &Find) -> Result<Outcome> {
    for how in [How::Always]
        .into_iter()
        .chain([How::AtTimes; ATTEMPTS - 1])
    {
        if how != How::Always {
            replayer.restart();
        }
        match replayer.verdict(&find.target, find.path()) {
            Ok(Verdict::Fail(violation)) => return Ok(Outcome::fails(bench, *violation, how)),
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
