//! What is measured while engines run: the regions that each engine's inputs reach, and what its finds fail.
//!
//! A thread of its own replays each input once, on the neutral coverage build, soon after it was kept. After each
//! batch it waits nine times as long as the batch took, so that measuring takes a tenth of one core at most; what
//! it has not come to is counted, and measured when the engines have ended. Finds go first: they are replayed at
//! once, and kept at once.
//!
//! - [`status`]: how it all stands, in JSON; [`screen`]: the same for people.

pub mod screen;
pub mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use worker::TargetInfo;

use crate::corpora::pack;
use crate::corpus::Store;
use crate::coverage::{Replay, SourceMap};
use crate::engine::Engine;
use crate::engine::session::{Kept, View};
use crate::fuzz::UNREPRODUCED;
use crate::replay::{Replayer, TIME_OUT, Verdict};

/// How many times as long as it measured the thread waits: it takes a tenth of a core.
const WAIT: u32 = 9;
/// How many inputs are measured at a time: each batch is a process, which starts within hundredths of a second.
const BATCH: usize = 2000;
/// How long to wait for something new.
const IDLE: Duration = Duration::from_millis(250);

/// With what is measured.
pub struct Meter<'a> {
    /// The target.
    pub target: &'a TargetInfo,
    /// The worker that was built for coverage.
    pub neutral: &'a Path,
    /// Its regions.
    pub map: &'a SourceMap,
    /// The worker that replays.
    pub worker: &'a Path,
    /// The zip of the target's shipped corpus, when there is one: what it reaches is known to be reachable.
    pub shipped: Option<PathBuf>,
    /// What the engines begin from.
    pub inputs: &'a [PathBuf],
    /// The folder in which an engine's finds are kept.
    pub finds: &'a (dyn Fn(Engine) -> PathBuf + Sync),
}

/// What was measured so far. Regions go by their numbers.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// What the inputs to begin from reach.
    pub beginnings: BTreeSet<usize>,
    /// What the shipped corpus reaches, once that is known.
    pub shipped: Option<BTreeSet<usize>>,
    /// What each engine's inputs reach.
    pub engines: BTreeMap<Engine, BTreeSet<usize>>,
    /// When, since the start, an input of an engine reached a region that nobody had reached.
    pub last_new: BTreeMap<Engine, Duration>,
    /// How many inputs wait to be measured.
    pub waiting: usize,
    /// What fails: the check, the engine, and where the input is kept.
    pub finds: BTreeSet<(String, Engine, PathBuf)>,
    /// How long measuring took, of one core.
    pub took: Duration,
}

impl Measured {
    /// Every region reached.
    #[must_use]
    pub fn reached(&self) -> BTreeSet<usize> {
        let engines = self.engines.values().flatten();
        self.beginnings.iter().chain(engines).copied().collect()
    }

    /// How many regions `engine` reaches, with those of the beginning.
    #[must_use]
    pub fn of(&self, engine: Engine) -> usize {
        let own = self.engines.get(&engine).into_iter().flatten();
        let own = own.filter(|region| !self.beginnings.contains(region));
        self.beginnings.len() + own.count()
    }

    /// How many regions `engine` reaches and no other, nor the inputs to begin from.
    #[must_use]
    pub fn only(&self, engine: Engine) -> usize {
        let others = self.engines.iter().filter(|(other, _)| **other != engine);
        let others: Vec<&BTreeSet<usize>> = others.map(|(_, regions)| regions).collect();
        let own = self.engines.get(&engine).into_iter().flatten();
        own.filter(|region| {
            let is_of_beginnings = self.beginnings.contains(region);
            !is_of_beginnings && !others.iter().any(|other| other.contains(region))
        })
        .count()
    }

    fn add(&mut self, engine: Engine, time: Duration, regions: BTreeSet<usize>) {
        let is_known = |region| {
            let mut all = self.engines.values().chain([&self.beginnings]);
            all.any(|known| known.contains(region))
        };
        if !regions.iter().all(is_known) {
            let last = self.last_new.entry(engine).or_default();
            *last = time.max(*last);
        }
        self.engines.entry(engine).or_default().extend(regions);
    }
}

/// Something to measure.
#[derive(Debug, PartialEq)]
enum Job {
    Kept(Kept),
    Find(Engine, PathBuf),
}

/// Hands what is new to the thread that measures it, and returns what that has found out.
#[derive(Debug)]
pub struct Feed<'a> {
    jobs: Sender<Job>,
    measured: &'a Mutex<Measured>,
    fed: usize,
}

impl Feed<'_> {
    /// Hands over what is new in `view`. Returns what was measured so far.
    pub fn feed(&mut self, view: &View<'_>) -> Measured {
        let new = &view.pool.kept()[self.fed..];
        lock(self.measured).waiting += new.len();
        self.fed += new.len();
        let finds = view.finds.iter().cloned();
        let finds = finds.map(|(engine, path)| Job::Find(engine, path));
        for job in finds.chain(new.iter().cloned().map(Job::Kept)) {
            // When the thread is gone it has failed, which is seen when it is joined.
            let _ = self.jobs.send(job);
        }
        lock(self.measured).clone()
    }
}

fn lock(measured: &Mutex<Measured>) -> MutexGuard<'_, Measured> {
    measured.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter<'_> {
    /// Does `work`, and measures beside it what it feeds; returns what came of both once everything is
    /// measured.
    ///
    /// # Errors
    /// Those of `work`, and when an input cannot be replayed or kept.
    ///
    /// # Panics
    /// When the thread does.
    pub fn beside<T>(
        &self,
        work: impl FnOnce(&mut Feed<'_>) -> Result<T>,
    ) -> Result<(T, Measured)> {
        let measured = Mutex::new(Measured::default());
        let (jobs, receiver) = channel();
        let done = std::thread::scope(|scope| {
            let shared = &measured;
            let thread = scope.spawn(move || self.measure(&receiver, shared));
            let mut feed = Feed {
                jobs,
                measured: shared,
                fed: 0,
            };
            let done = work(&mut feed);
            drop(feed);
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .and(done)
        })?;
        let measured = measured.into_inner();
        Ok((done, measured.unwrap_or_else(PoisonError::into_inner)))
    }

    fn measure(&self, jobs: &Receiver<Job>, measured: &Mutex<Measured>) -> Result<()> {
        let beginnings = self.reached_by(self.inputs)?;
        lock(measured).beginnings = beginnings;
        if let Some(zip) = &self.shipped {
            let shipped = self.reached_by_shipped(zip)?;
            lock(measured).shipped = Some(shipped);
        }
        let mut replayer = Replayer::new(self.worker.to_owned());
        let mut waiting: Vec<Kept> = Vec::new();
        let mut not_before = Instant::now();
        loop {
            let first = jobs.recv_timeout(IDLE);
            let is_over = first == Err(RecvTimeoutError::Disconnected);
            for job in first.into_iter().chain(jobs.try_iter()) {
                match job {
                    Job::Kept(kept) => waiting.push(kept),
                    Job::Find(engine, path) => {
                        let check = match replayer.verdict(&self.target.name, &path)? {
                            Verdict::Fail(violation) => violation.check,
                            _ => UNREPRODUCED.to_owned(),
                        };
                        self.keep_find(check, engine, &path, measured)?;
                    }
                }
            }
            while !waiting.is_empty() && (is_over || Instant::now() >= not_before) {
                let took = self.batch(&mut waiting, measured)?;
                not_before = Instant::now() + took * WAIT;
            }
            if is_over {
                return Ok(());
            }
        }
    }

    fn keep_find(
        &self,
        check: String,
        engine: Engine,
        path: &Path,
        measured: &Mutex<Measured>,
    ) -> Result<()> {
        let (kept, _) = Store::open(&(self.finds)(engine))?.add_file(path)?;
        lock(measured).finds.insert((check, engine, kept));
        Ok(())
    }

    /// Measures the first of those that wait. Returns how long it took.
    fn batch(&self, waiting: &mut Vec<Kept>, measured: &Mutex<Measured>) -> Result<Duration> {
        let began = Instant::now();
        let batch: Vec<Kept> = waiting.drain(..waiting.len().min(BATCH)).collect();
        let paths: Vec<&Path> = batch.iter().map(|kept| kept.path.as_path()).collect();
        self.replay().regions(&paths.as_slice(), |hits| {
            let kept = &batch[hits.input];
            let regions = hits.numbers().collect();
            // An engine keeps what is sound to it; the checks are the judge of that.
            if let Verdict::Fail(violation) = hits.verdict {
                self.keep_find(violation.check, kept.engine, &kept.path, measured)?;
            }
            let mut measured = lock(measured);
            measured.add(kept.engine, kept.time, regions);
            measured.waiting = measured.waiting.saturating_sub(1);
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
            target: &self.target.name,
            timeout: TIME_OUT,
        }
    }

    fn reached_by(&self, paths: &[PathBuf]) -> Result<BTreeSet<usize>> {
        let mut regions = BTreeSet::new();
        self.replay().regions(&paths, |hits| {
            regions.extend(hits.numbers());
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
        assert_eq!(Engine::ALL.map(|engine| measured.of(engine)), [3, 4, 2]);
        assert_eq!(Engine::ALL.map(|engine| measured.only(engine)), [0, 1, 0]);
        let last = [(Engine::Afl, second(1)), (Engine::Libfuzzer, second(2))];
        assert_eq!(measured.last_new, last.into());
    }
}
