//! What is measured while an ensemble runs: the regions that each engine's inputs reach, and what its finds fail.
//!
//! A thread of its own replays each input once, on the neutral coverage build, soon after it was kept. After each
//! batch it waits nine times as long as the batch took, so that measuring takes a tenth of one core at most; what
//! it has not come to is counted, and measured when the engines have ended. Finds go first: they are replayed at
//! once, and kept at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness_core::Target;

use super::View;
use super::pool::Entry;
use crate::corpora::pack;
use crate::corpus::Store;
use crate::coverage::{Replay, SourceMap};
use crate::engine::Engine;
use crate::fuzz::{self, Find};
use crate::replay::{Replayer, TIME_OUT, Verdict};

/// How many times as long as it measured the thread waits: it takes a tenth of a core.
const WAIT: u32 = 9;
/// How many inputs are measured at a time: each batch is a process, which starts within hundredths of a second.
const BATCH: usize = 2000;
/// How long to wait for something new.
const IDLE: Duration = Duration::from_millis(250);

/// With what is measured.
#[derive(Debug)]
pub struct Meter<'a> {
    /// The target.
    pub target: &'static Target,
    /// The worker that was built for coverage.
    pub neutral: &'a Path,
    /// Its regions.
    pub map: &'a SourceMap,
    /// The zip of the target's shipped corpus, when there is one: what it reaches is known to be reachable.
    pub shipped: Option<PathBuf>,
    /// What the engines begin from.
    pub inputs: &'a [PathBuf],
}

/// What one engine's inputs reach.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The regions, those of the inputs to begin from included, by number.
    pub regions: BTreeSet<usize>,
    /// When, since the ensemble's start, an input of it reached a region that nobody had reached.
    pub last_new: Option<Duration>,
}

/// What was measured so far.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// What the inputs to begin from reach.
    pub beginnings: BTreeSet<usize>,
    /// What the shipped corpus reaches, once that is known.
    pub shipped: Option<BTreeSet<usize>>,
    /// What each engine's inputs reach.
    pub engines: BTreeMap<Engine, Reach>,
    /// How many inputs wait to be measured.
    pub waiting: usize,
    /// What fails.
    pub finds: Vec<Find>,
    /// How long measuring took, of one core.
    pub took: Duration,
}

impl Measured {
    /// Every region reached.
    #[must_use]
    pub fn reached(&self) -> BTreeSet<usize> {
        let engines = self.engines.values().flat_map(|reach| &reach.regions);
        self.beginnings.iter().chain(engines).copied().collect()
    }

    /// What `engine` reaches.
    #[must_use]
    pub fn of(&self, engine: Engine) -> BTreeSet<usize> {
        let own = self.engines.get(&engine).map(|reach| &reach.regions);
        let own = own.into_iter().flatten();
        self.beginnings.iter().chain(own).copied().collect()
    }

    /// How many regions `engine` reaches and no other, nor the inputs to begin from.
    #[must_use]
    pub fn only(&self, engine: Engine) -> usize {
        let Some(reach) = self.engines.get(&engine) else {
            return 0;
        };
        let others = self.engines.iter().filter(|(other, _)| **other != engine);
        let others: Vec<&BTreeSet<usize>> = others.map(|(_, reach)| &reach.regions).collect();
        let is_elsewhere = |region: &usize| {
            self.beginnings.contains(region) || others.iter().any(|other| other.contains(region))
        };
        reach
            .regions
            .iter()
            .filter(|region| !is_elsewhere(region))
            .count()
    }

    fn add(&mut self, engine: Engine, time: Duration, regions: BTreeSet<usize>) {
        let is_new = regions.iter().any(|region| {
            !self.beginnings.contains(region)
                && !self
                    .engines
                    .values()
                    .any(|reach| reach.regions.contains(region))
        });
        let reach = self.engines.entry(engine).or_default();
        reach.regions.extend(regions);
        if is_new {
            reach.last_new = reach.last_new.max(Some(time));
        }
    }

    fn add_find(&mut self, find: Find) {
        if !self.finds.iter().any(|known| known.path == find.path) {
            self.finds.push(find);
        }
    }
}

/// Something to measure.
#[derive(Debug, PartialEq)]
enum Job {
    Kept(Entry),
    Find(Engine, PathBuf),
}

/// Hands what is new to the thread that measures it, and tells what that has found out.
#[derive(Debug)]
pub struct Feed<'a> {
    jobs: Sender<Job>,
    measured: &'a Mutex<Measured>,
    fed: usize,
}

impl Feed<'_> {
    /// Hands over what is new in `view`.
    pub fn feed(&mut self, view: &View<'_>) {
        let finds = view.finds.iter().cloned();
        let finds = finds.map(|(engine, path)| Job::Find(engine, path));
        let kept = view.pool.entries()[self.fed..].iter().cloned();
        lock(self.measured).waiting += view.pool.entries().len() - self.fed;
        self.fed = view.pool.entries().len();
        for job in finds.chain(kept.map(Job::Kept)) {
            // When the thread is gone it has failed, which is told when it is joined.
            let _ = self.jobs.send(job);
        }
    }

    /// What was measured so far.
    #[must_use]
    pub fn measured(&self) -> Measured {
        lock(self.measured).clone()
    }
}

fn lock(measured: &Mutex<Measured>) -> MutexGuard<'_, Measured> {
    measured.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter<'_> {
    /// Does `work`, and measures beside it what it feeds; returns what came of both once everything is
    /// measured. `between` is done when the work is, before what is left is measured.
    ///
    /// # Errors
    /// Those of `work`, and when an input cannot be replayed or kept.
    ///
    /// # Panics
    /// When the thread does.
    pub fn beside<T>(
        &self,
        replayer: &mut Replayer,
        finds: &(impl Fn(Engine) -> Result<Store> + Sync),
        work: impl FnOnce(&mut Feed<'_>) -> Result<T>,
        between: impl FnOnce(),
    ) -> Result<(T, Measured)> {
        let measured = Mutex::new(Measured::default());
        let (jobs, receiver) = channel();
        let done = std::thread::scope(|scope| {
            let shared = &measured;
            let thread = scope.spawn(move || self.measure(receiver, replayer, finds, shared));
            let mut feed = Feed {
                jobs,
                measured: shared,
                fed: 0,
            };
            let done = work(&mut feed);
            drop(feed);
            between();
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .and(done)
        })?;
        let measured = measured.into_inner();
        Ok((done, measured.unwrap_or_else(PoisonError::into_inner)))
    }

    fn measure(
        &self,
        jobs: Receiver<Job>,
        replayer: &mut Replayer,
        finds: &impl Fn(Engine) -> Result<Store>,
        measured: &Mutex<Measured>,
    ) -> Result<()> {
        let beginnings = self.reached_by(self.inputs)?;
        lock(measured).beginnings = beginnings;
        if let Some(zip) = &self.shipped {
            let shipped = self.reached_by_shipped(zip)?;
            lock(measured).shipped = Some(shipped);
        }
        let mut waiting: Vec<Entry> = Vec::new();
        let mut not_before = Instant::now();
        loop {
            let first = jobs.recv_timeout(IDLE);
            let is_over = first == Err(RecvTimeoutError::Disconnected);
            for job in first.into_iter().chain(jobs.try_iter()) {
                match job {
                    Job::Kept(entry) => waiting.push(entry),
                    Job::Find(engine, path) => {
                        let store = finds(engine)?;
                        let find = fuzz::judge_find(self.target, &path, engine, replayer, &store)?;
                        lock(measured).add_find(find);
                    }
                }
            }
            if is_over {
                while !waiting.is_empty() {
                    self.batch(&mut waiting, finds, measured)?;
                }
                return Ok(());
            }
            if !waiting.is_empty() && Instant::now() >= not_before {
                let took = self.batch(&mut waiting, finds, measured)?;
                not_before = Instant::now() + took * WAIT;
            }
        }
    }

    /// Measures the first of those that wait. Returns how long it took.
    fn batch(
        &self,
        waiting: &mut Vec<Entry>,
        finds: &impl Fn(Engine) -> Result<Store>,
        measured: &Mutex<Measured>,
    ) -> Result<Duration> {
        let began = Instant::now();
        let batch: Vec<Entry> = waiting.drain(..waiting.len().min(BATCH)).collect();
        let paths: Vec<&Path> = batch.iter().map(|entry| entry.path.as_path()).collect();
        self.replay().each(&paths, |reached| {
            let entry = &batch[reached.input];
            // An engine keeps what is sound to it; the checks are the judge of that.
            let find = match reached.verdict {
                Verdict::Fail(violation) => Some(Find {
                    message: violation.to_string(),
                    check: violation.check,
                    path: fuzz::keep(&entry.path, &finds(entry.engine)?)?,
                    from: entry.engine.name().to_owned(),
                }),
                Verdict::Pass | Verdict::Rejected { .. } | Verdict::Error { .. } => None,
            };
            let mut measured = lock(measured);
            measured.add(entry.engine, entry.time, reached.regions);
            measured.waiting = measured.waiting.saturating_sub(1);
            find.into_iter().for_each(|find| measured.add_find(find));
            Ok(())
        })?;
        let took = began.elapsed();
        lock(measured).took += took;
        Ok(took)
    }

    fn replay(&self) -> Replay<'_> {
        Replay {
            binary: self.neutral,
            map: self.map,
            target: self.target.name,
            timeout: TIME_OUT,
        }
    }

    fn reached_by(&self, paths: &[PathBuf]) -> Result<BTreeSet<usize>> {
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let mut regions = BTreeSet::new();
        self.replay().each(&paths, |reached| {
            regions.extend(reached.regions);
            Ok(())
        })?;
        Ok(regions)
    }

    fn reached_by_shipped(&self, zip: &Path) -> Result<BTreeSet<usize>> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut paths = Vec::new();
        for (name, content) in pack::read(zip)? {
            let path = folder.path().join(name);
            std::fs::write(&path, content)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            paths.push(path);
        }
        self.reached_by(&paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_credited_to_whom_they_belong() {
        let mut measured = Measured {
            beginnings: [1, 2].into(),
            ..Measured::default()
        };
        let second = Duration::from_secs;
        measured.add(Engine::Afl, second(1), [1, 3].into());
        measured.add(Engine::Libfuzzer, second(2), [3, 4].into());
        measured.add(Engine::Afl, second(3), [1, 2, 3].into());
        measured.add(Engine::Honggfuzz, second(4), [2].into());
        assert_eq!(measured.reached(), [1, 2, 3, 4].into());
        assert_eq!(measured.of(Engine::Afl), [1, 2, 3].into());
        assert_eq!(measured.of(Engine::Honggfuzz), [1, 2].into());
        let only = Engine::ALL.map(|engine| measured.only(engine));
        assert_eq!(only, [0, 1, 0]);
        let last = |engine| measured.engines[&engine].last_new;
        assert_eq!(last(Engine::Afl), Some(second(1)));
        assert_eq!(last(Engine::Libfuzzer), Some(second(2)));
        assert_eq!(last(Engine::Honggfuzz), None);
    }
}
