//! What is measured while engines run: the regions that each engine's inputs reach, and what its finds fail.
//!
//! A thread of its own replays each input once, on the neutral coverage build, soon after it was kept. After each
//! batch it waits nine times as long as the batch took, so that measuring takes a tenth of one core at most; what
//! it has not come to is counted, and measured when the engines have ended. Finds go first, and are kept.
//!
//! [`status`]: how it all stands, in JSON and for people.

pub(crate) mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::corpus::Store;
use crate::coverage::Replay;
use crate::engine::Engine;
use crate::engine::session::View;
use crate::fuzz::UNREPRODUCED;
use crate::replay::Verdict;

/// How many times as long as it measured the thread waits: it takes a tenth of a core.
const WAIT: u32 = 9;
/// How many inputs are measured at a time: each batch is a process, which starts within hundredths of a second.
const BATCH: usize = 2000;
/// How long to wait for something new.
const IDLE: Duration = Duration::from_millis(250);

/// With what is measured.
pub(crate) struct Meter<'a> {
    /// The neutral coverage build, on the target.
    pub replay: Replay<'a>,
    /// What the engines begin from.
    pub inputs: &'a [PathBuf],
    /// The folder in which an engine's finds are kept.
    pub finds: &'a (dyn Fn(Engine) -> PathBuf + Sync),
}

/// What was measured so far. Regions go by their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// What the inputs to begin from reach.
    pub beginnings: BTreeSet<usize>,
    /// What each engine's inputs reach.
    pub engines: BTreeMap<Engine, BTreeSet<usize>>,
    /// When, since the start, an input of an engine reached a region that nobody had reached.
    pub last_new: BTreeMap<Engine, Duration>,
    /// How many inputs wait to be measured.
    pub waiting: usize,
    /// What fails: the check, the engine, and where the input is kept.
    pub finds: BTreeSet<(String, Engine, PathBuf)>,
}

impl Measured {
    pub(crate) fn reached(&self) -> BTreeSet<usize> {
        let engines = self.engines.values().flatten();
        self.beginnings.iter().chain(engines).copied().collect()
    }

    /// How many regions `engine` reaches, with those of the beginning.
    pub(crate) fn of(&self, engine: Engine) -> usize {
        self.beginnings.len() + self.own(engine).count()
    }

    /// How many regions `engine` reaches and no other, nor the inputs to begin from.
    pub(crate) fn only(&self, engine: Engine) -> usize {
        let is_others = |region| {
            let mut all = self.engines.iter();
            all.any(|(other, regions)| *other != engine && regions.contains(region))
        };
        self.own(engine).filter(|region| !is_others(region)).count()
    }

    fn own(&self, engine: Engine) -> impl Iterator<Item = &usize> {
        let own = self.engines.get(&engine).into_iter().flatten();
        own.filter(|region| !self.beginnings.contains(region))
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
#[derive(Debug)]
struct Input {
    engine: Engine,
    path: PathBuf,
    /// When it was kept, since the start; none for a find.
    kept: Option<Duration>,
}

/// What the thread that measures shares with the one that feeds it.
#[derive(Debug, Default)]
struct Shared {
    measured: Measured,
    waiting: VecDeque<Input>,
    is_over: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands what is new to the thread that measures it, and returns what that has found out.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    shared: &'a Mutex<Shared>,
    fed: usize,
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        lock(self.shared).is_over = true;
    }
}

impl Feed<'_> {
    /// Hands over what is new in `view`. Returns what was measured so far.
    pub(crate) fn feed(&mut self, view: &View<'_>) -> Measured {
        let mut shared = lock(self.shared);
        let new = &view.pool.kept()[self.fed..];
        self.fed += new.len();
        shared.waiting.extend(new.iter().map(|kept| Input {
            engine: kept.engine,
            path: kept.path.clone(),
            kept: Some(kept.time),
        }));
        for (engine, path) in view.finds {
            shared.waiting.push_front(Input {
                engine: *engine,
                path: path.clone(),
                kept: None,
            });
        }
        shared.measured.waiting += new.len() + view.finds.len();
        shared.measured.clone()
    }
}

impl Meter<'_> {
    /// Does `work`, and measures beside it what it feeds; returns what came of both once everything is
    /// measured.
    pub(crate) fn beside<T>(
        &self,
        work: impl FnOnce(&mut Feed<'_>) -> Result<T>,
    ) -> Result<(T, Measured)> {
        let shared = &Mutex::new(Shared::default());
        let done = std::thread::scope(|scope| {
            let thread = scope.spawn(|| self.measure(shared));
            let done = work(&mut Feed { shared, fed: 0 });
            let measured = thread.join();
            measured
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .and(done)
        })?;
        let measured = std::mem::take(&mut lock(shared).measured);
        Ok((done, measured))
    }

    fn measure(&self, shared: &Mutex<Shared>) -> Result<()> {
        let mut beginnings = BTreeSet::new();
        self.replay.regions(&self.inputs, |hits| {
            beginnings.extend(hits.numbers());
            Ok(())
        })?;
        lock(shared).measured.beginnings = beginnings;
        let mut not_before = Instant::now();
        loop {
            let mut there = lock(shared);
            let is_over = there.is_over;
            let count = match is_over || Instant::now() >= not_before {
                true => there.waiting.len().min(BATCH),
                false => 0,
            };
            let batch: Vec<Input> = there.waiting.drain(..count).collect();
            drop(there);
            if batch.is_empty() {
                if is_over {
                    return Ok(());
                }
                sleep(IDLE);
                continue;
            }
            let began = Instant::now();
            self.batch(&batch, shared)?;
            not_before = Instant::now() + began.elapsed() * WAIT;
        }
    }

    fn batch(&self, batch: &[Input], shared: &Mutex<Shared>) -> Result<()> {
        let paths: Vec<&Path> = batch.iter().map(|input| input.path.as_path()).collect();
        self.replay.regions(&paths.as_slice(), |hits| {
            let Input { engine, path, kept } = &batch[hits.input];
            let reached: BTreeSet<usize> = hits.numbers().collect();
            let check = match hits.verdict {
                // An engine keeps what is sound to it; the checks are the judge of that.
                Verdict::Fail(violation) => Some(violation.check),
                Verdict::Known { .. } => None,
                _ if kept.is_none() => Some(UNREPRODUCED.to_owned()),
                _ => None,
            };
            let find = match check {
                Some(check) => {
                    let (path, _) = Store::open(&(self.finds)(*engine))?.add_file(path)?;
                    Some((check, *engine, path))
                }
                None => None,
            };
            let measured = &mut lock(shared).measured;
            measured.finds.extend(find);
            if let Some(time) = *kept {
                measured.add(*engine, time, reached);
            }
            measured.waiting = measured.waiting.saturating_sub(1);
            Ok(())
        })
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
