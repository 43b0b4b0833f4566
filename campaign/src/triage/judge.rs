//! Replaying the finds: which check each fails, in workers of their own, some at once.
//!
//! A hang costs its whole time-out, so every input is first given a short time; what does not answer in it
//! waits for a second round with the whole time. There, after `ENOUGH_HANGS` hangs of a target the rest
//! is taken for more of them, and the report says how many.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::collect::Find;
use super::counter::Counter;
use super::key::Key;
use crate::engine::session;
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
    /// The project's folder, from which places are told.
    pub root: PathBuf,
    /// How long an input may take.
    pub time_out: Duration,
    /// How many replays are made at once.
    pub cores: usize,
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
    /// The check's id.
    pub check: String,
    /// The report.
    pub message: String,
    /// What it has in common with others.
    pub key: Key,
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
    let mut outcomes = replay_some(
        bench,
        finds,
        &all,
        "replay the finds",
        &|_, replayer, find| outcome(bench, replayer, find),
        short,
    )?;
    if short >= bench.time_out {
        outcomes.sort_by_key(|(index, _)| *index);
        return Ok(outcomes);
    }
    let (slow, mut known): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(
        |(_, outcome)| matches!(outcome, Outcome::Fails(failure) if failure.check == NO_HANG),
    );
    let slow: Vec<usize> = slow.into_iter().map(|(index, _)| index).collect();
    let hangs: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    known.extend(replay_some(
        bench,
        finds,
        &slow,
        "replay what is slow again",
        &|index, replayer, find| {
            let so_far = |more: usize| {
                let mut hangs = hangs
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                let count = hangs.entry(finds[index].target.name).or_default();
                *count += more;
                *count
            };
            if so_far(0) >= ENOUGH_HANGS {
                return Ok(Outcome::Slow(failure(bench, find, Verdict::hung(short))?));
            }
            let outcome = outcome(bench, replayer, find)?;
            if matches!(&outcome, Outcome::Fails(failure) if failure.check == NO_HANG) {
                so_far(1);
            }
            Ok(outcome)
        },
        bench.time_out,
    )?);
    known.sort_by_key(|(index, _)| *index);
    Ok(known)
}

type Work<'a> = &'a (dyn Fn(usize, &mut Replayer, &Find) -> Result<Outcome> + Sync);

/// Does `work` on some of the finds, on every core at once.
fn replay_some(
    bench: &Bench,
    finds: &[Find],
    which: &[usize],
    what: &str,
    work: Work<'_>,
    time_out: Duration,
) -> Result<Vec<(usize, Outcome)>> {
    let counter = Counter::new(what, which.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..bench.cores.min(which.len()))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut replayer = bench.replayer(time_out);
                    while !session::interrupted() {
                        let Some(&index) = which.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break;
                        };
                        let outcome = work(index, &mut replayer, &finds[index])?;
                        counter.one_more();
                        done.lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .push((index, outcome));
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a replay does not panic")?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn outcome(bench: &Bench, replayer: &mut Replayer, find: &Find) -> Result<Outcome> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            replayer.restart();
        }
        let failure = match replayer.verdict(find.target.name, find.path()) {
            Ok(failed @ Verdict::Fail { .. }) => failure(bench, find, failed)?,
            Ok(_) => continue,
            // A file that cannot be read is a trouble of one find; a worker that cannot be started, of all.
            Err(error) => match fs::File::open(find.path()) {
                Err(why) => {
                    return Ok(Outcome::Unknown(format!(
                        "{}: {why}",
                        find.path().display()
                    )));
                }
                Ok(_) => return Err(error),
            },
        };
        return Ok(match attempt {
            0 => Outcome::Fails(failure),
            _ => Outcome::FailsAtTimes(failure),
        });
    }
    Ok(Outcome::Passes)
}

fn failure(bench: &Bench, find: &Find, verdict: Verdict) -> Result<Failure> {
    let Verdict::Fail { check, message } = verdict else {
        anyhow::bail!("{} does not fail", find.path().display());
    };
    let content = fs::read(find.path())
        .with_context(|| format!("{} cannot be read", find.path().display()))?;
    Ok(Failure {
        key: Key::of(find.target, &content, &check, &message, &bench.root),
        check,
        message,
    })
}
