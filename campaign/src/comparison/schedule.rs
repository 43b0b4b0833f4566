//! Trials run side by side, each on a core of its own, and measured as they end.
//!
//! A trial is measured on the core that it ran on, before the next begins there: no running engine loses a
//! core to it. What goes wrong with one trial is said and kept, and the others go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use harness_core::Target;
use report::format::grouped;

use super::cores;
use super::folder::Folder;
use super::measured::{Measured, Measuring};
use super::order::TrialId;
use super::trial::{self, Ended, LEAST_FREE, Running, Trial};
use crate::coverage::SourceMap;
use crate::engine::session;
use crate::output::from_here;
use crate::progress::Progress;

/// What a trial takes beside its time, before one was timed: starting, replaying, measuring.
const OVERHEAD: Duration = Duration::from_secs(2);

/// What it takes to run trials.
#[derive(Debug)]
pub struct Schedule<'a> {
    /// The comparison's folder.
    pub folder: &'a Folder,
    /// The targets, by name.
    pub targets: &'a BTreeMap<String, &'static Target>,
    /// How long a trial takes.
    pub time: Duration,
    /// How often the engines' files are looked at.
    pub snapshot: Duration,
    /// For each engine that runs at once, its core; `None` when the system does not pin.
    pub cores: Vec<Option<usize>>,
    /// The map of the coverage build.
    pub map: &'a SourceMap,
    /// The operating system and its version.
    pub system: &'a str,
    /// Where it says how far it is.
    pub progress: &'a Progress,
}

/// What came of all trials.
#[derive(Debug, Default)]
pub struct Trials {
    /// Those that are whole.
    pub whole: BTreeMap<TrialId, (Trial, Measured)>,
    /// Those that could not be run or measured, and why. They are run again when the comparison goes on.
    pub lost: BTreeMap<TrialId, String>,
    /// How many were not begun, or were interrupted.
    pub not_begun: usize,
}

impl Schedule<'_> {
    /// Runs those of `order` that are not whole, and measures those that are not measured.
    ///
    /// # Panics
    /// When a thread does.
    #[must_use]
    pub fn run(&self, order: Vec<TrialId>) -> Trials {
        let total = order.len();
        let is_whole = |id: &TrialId| trial::file(&self.folder.trial(id)).exists();
        let (whole, waiting): (Vec<TrialId>, Vec<TrialId>) = order.into_iter().partition(is_whole);
        self.announce(whole.len(), waiting.len());
        let shared = Mutex::new(Shared {
            waiting: waiting.into(),
            trials: Trials::default(),
            ended: 0,
            took: Duration::ZERO,
            running: 0,
            is_stopped: false,
        });
        let whole = Mutex::new(whole.into_iter());
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .cores
                .iter()
                .map(|&core| {
                    let (whole, shared) = (&whole, &shared);
                    scope.spawn(move || {
                        self.measure_whole(core, whole, shared);
                        self.run_waiting(core, total, shared);
                    })
                })
                .collect();
            for thread in threads {
                if let Err(panic) = thread.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        Trials {
            not_begun: shared.trials.not_begun + shared.waiting.len(),
            ..shared.trials
        }
    }

    fn announce(&self, whole: usize, waiting: usize) {
        let so_far = if whole > 0 {
            format!("{whole} trials are whole; ")
        } else {
            String::new()
        };
        if waiting == 0 {
            self.progress
                .say(&format!("{so_far}nothing is left to run"));
            return;
        }
        self.progress.say(&format!(
            "{so_far}{waiting} trials of {} s to run, {} at once: about {}",
            self.time.as_secs(),
            self.cores.len(),
            rounded(self.left(waiting, self.time + OVERHEAD)),
        ));
    }

    /// How long so many trials take.
    fn left(&self, trials: usize, each: Duration) -> Duration {
        let rounds = trials.div_ceil(self.cores.len().max(1));
        each * u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    fn measure_whole(
        &self,
        core: Option<usize>,
        whole: &Mutex<std::vec::IntoIter<TrialId>>,
        shared: &Mutex<Shared>,
    ) {
        let next = || whole.lock().ok()?.next();
        while let Some(id) = next() {
            let came = match Trial::read(self.folder, &id) {
                Ok(Some(trial)) => self.measure(core, &id, trial),
                Ok(None) => Came::Lost("its trial.json has just vanished".to_owned()),
                Err(error) => Came::Lost(format!("{error:#}")),
            };
            if let Came::Lost(_) = came {
                self.progress.say(&self.in_words(&id, &came));
            }
            with(shared, |shared| shared.settle(id, came));
        }
    }

    fn run_waiting(&self, core: Option<usize>, total: usize, shared: &Mutex<Shared>) {
        while let Some(id) = with(shared, Shared::next) {
            let since = Instant::now();
            let came = self.attempt(core, &id);
            let said = self.in_words(&id, &came);
            let left = with(shared, |shared| {
                shared.ended(since.elapsed());
                shared.settle(id, came);
                let each = shared.took / shared.ended.max(1);
                let left = self.left(shared.waiting.len() + shared.running, each);
                let goes_on = !shared.is_stopped && !session::interrupted();
                goes_on.then_some((shared.done(), left))
            });
            let so_far = match left {
                Some((done, left)) if done < total => {
                    format!(" [{done} of {total}, about {} left]", rounded(left))
                }
                _ => String::new(),
            };
            self.progress.say(&format!("{said}{so_far}"));
        }
    }

    /// Runs a trial and measures it.
    fn attempt(&self, core: Option<usize>, id: &TrialId) -> Came {
        match self.run_one(core, id) {
            Ok(Ended::Whole(trial)) => self.measure(core, id, *trial),
            Ok(Ended::Interrupted) => Came::Interrupted,
            Ok(Ended::Lost(why)) => Came::DiskFull(why),
            Err(error) if self.folder.free().is_some_and(|free| free < LEAST_FREE) => {
                Came::DiskFull(format!("the disk is full: {error:#}"))
            }
            Err(error) => Came::Lost(format!("{error:#}")),
        }
    }

    fn run_one(&self, core: Option<usize>, id: &TrialId) -> Result<Ended> {
        if let Some(moved) = self.folder.begin(id)? {
            self.progress.say(&format!(
                "{id}: it did not end before and is run again; what it left is in {}",
                from_here(&moved).display()
            ));
        }
        let mut line = self.progress.session(id.engine, &id.target, self.time);
        let running = Running {
            folder: self.folder,
            target: self.targets[&id.target],
            time: self.time,
            snapshot: self.snapshot,
            core,
            system: self.system,
        };
        let ended = running.run(id, &mut |time, status, finds| {
            line.show(time, status, finds);
        });
        line.done();
        ended
    }

    fn measure(&self, core: Option<usize>, id: &TrialId, mut trial: Trial) -> Came {
        let measuring = Measuring {
            folder: self.folder,
            map: self.map,
        };
        match cores::on(core, || measuring.trial(id, &trial)) {
            Ok(measured) => {
                trial.forget_kept();
                Came::Whole(Box::new((trial, measured)))
            }
            Err(error) => Came::Lost(format!("it was run, but cannot be measured: {error:#}")),
        }
    }

    fn in_words(&self, id: &TrialId, came: &Came) -> String {
        match came {
            Came::Whole(whole) => {
                let (trial, measured) = &**whole;
                let finds = match trial.finds.len() {
                    0 => String::new(),
                    finds => format!(", {finds} finds"),
                };
                let failure = match &trial.failure {
                    None => String::new(),
                    Some(why) => format!("; FAILED: {why}"),
                };
                format!(
                    "{id}: {} executions, {} inputs kept, {} regions{finds}{failure}",
                    grouped(trial.executions),
                    grouped(trial.corpus as u64),
                    grouped(measured.regions.len() as u64),
                )
            }
            Came::Interrupted => format!("{id}: interrupted; it will be run again"),
            Came::Lost(why) => format!("{id}: LOST: {why}"),
            Came::DiskFull(why) => format!("{id}: LOST: {why}; no further trial is begun"),
        }
    }
}

/// What came of an attempt.
enum Came {
    Whole(Box<(Trial, Measured)>),
    Interrupted,
    Lost(String),
    DiskFull(String),
}

/// What the threads share.
struct Shared {
    waiting: VecDeque<TrialId>,
    trials: Trials,
    /// How many trials came to an end in this run of the tool.
    ended: u32,
    /// How long they took.
    took: Duration,
    running: usize,
    /// No further trial is begun: the disk is full.
    is_stopped: bool,
}

impl Shared {
    fn next(&mut self) -> Option<TrialId> {
        if session::interrupted() || self.is_stopped {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.running += 1;
        Some(next)
    }

    fn ended(&mut self, took: Duration) {
        self.running -= 1;
        self.ended += 1;
        self.took += took;
    }

    fn settle(&mut self, id: TrialId, came: Came) {
        match came {
            Came::Whole(whole) => {
                self.trials.whole.insert(id, *whole);
            }
            Came::Interrupted => self.trials.not_begun += 1,
            Came::Lost(why) => {
                self.trials.lost.insert(id, why);
            }
            Came::DiskFull(why) => {
                self.is_stopped = true;
                self.trials.lost.insert(id, why);
            }
        }
    }

    fn done(&self) -> usize {
        self.trials.whole.len() + self.trials.lost.len()
    }
}

fn with<T>(shared: &Mutex<Shared>, work: impl FnOnce(&mut Shared) -> T) -> T {
    // A thread that panicked ends the whole, when it is joined.
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    work(&mut shared)
}

/// A time as it is told when it is a guess: `8s`, `12m`, `3h 10m`, `2days 5h`.
fn rounded(time: Duration) -> humantime::FormattedDuration {
    let seconds = time.as_secs();
    let unit = match seconds {
        0..120 => 1,
        120..7200 => 60,
        7200..172_800 => 600,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds.div_ceil(unit) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_not_told_to_the_second() {
        let said = [8, 119, 121, 3599, 11_000, 190_000]
            .map(|seconds| rounded(Duration::from_secs(seconds)).to_string());
        assert_eq!(said, ["8s", "1m 59s", "3m", "1h", "3h 10m", "2days 5h"]);
    }
}
