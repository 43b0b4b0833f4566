//! Many engines on many targets: so many at once, each on a core of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use harness_core::Target;

use crate::engine::{Build, Engine, Sanitizer, session};
use crate::fuzz::{self, Fuzzed, Plan};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::Replayer;

/// One engine on one target.
#[derive(Debug)]
pub struct Job {
    /// The target.
    pub target: &'static Target,
    /// The engine.
    pub engine: Engine,
    /// Its build of the target, without a sanitizer.
    pub build: Build,
    /// The folder of the run.
    pub folder: PathBuf,
}

impl Job {
    /// Where finds are put.
    #[must_use]
    pub fn finds(&self) -> PathBuf {
        self.folder.with_extension("finds")
    }
}

/// Builds every target for every engine. The runs' folders are below `runs`.
///
/// # Errors
/// When a build fails.
pub fn build(
    project: &Project,
    targets: &[&'static Target],
    engines: impl IntoIterator<Item = Engine> + Clone,
    runs: &Path,
    progress: &Progress,
) -> Result<Vec<Job>> {
    let mut queue = Vec::new();
    for &target in targets {
        for engine in engines.clone() {
            let what = format!("build {} for {}", target.name, engine.title());
            queue.push(Job {
                target,
                engine,
                build: progress.step(&what, || {
                    engine.build(project, target.name, Sanitizer::None)
                })?,
                folder: runs.join(target.name).join(engine.name()),
            });
        }
    }
    Ok(queue)
}

/// How the jobs are run.
#[derive(Debug)]
pub struct Running<'a> {
    /// The project.
    pub project: &'a Project,
    /// Inputs to begin from, by target.
    pub inputs: &'a BTreeMap<&'static str, Vec<PathBuf>>,
    /// The replay worker.
    pub worker: &'a Path,
    /// How long each runs.
    pub time: Duration,
    /// How many at once.
    pub at_once: usize,
    /// Where each shows where it is.
    pub progress: &'a Progress,
}

impl Running<'_> {
    /// Says how long `queue` takes.
    pub fn announce(&self, queue: &[Job]) {
        self.progress.say(&format!(
            "{} runs of {} s, {} at once: about {} s",
            queue.len(),
            self.time.as_secs(),
            self.at_once,
            queue.len().div_ceil(self.at_once) as u64 * (self.time.as_secs() + 2),
        ));
    }

    /// Runs all jobs; none is begun after Ctrl-C.
    ///
    /// # Errors
    /// When something cannot be started, read or written.
    ///
    /// # Panics
    /// When a thread does.
    pub fn all(&self, queue: &[Job]) -> Result<BTreeMap<(&'static str, Engine), Fuzzed>> {
        let waiting = Mutex::new(queue.iter());
        let next = || waiting.lock().ok()?.next();
        let results: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.at_once)
                .map(|core| {
                    scope.spawn(move || {
                        let mut done = Vec::new();
                        while let Some(job) = next().filter(|_| !session::interrupted()) {
                            let fuzzed = self.one(job, core)?;
                            done.push(((job.target.name, job.engine), fuzzed));
                        }
                        Ok(done)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        let mut all = BTreeMap::new();
        for result in results {
            all.extend(result?);
        }
        Ok(all)
    }

    fn one(&self, job: &Job, core: usize) -> Result<Fuzzed> {
        let mut line = self
            .progress
            .session(job.engine, job.target.name, self.time);
        let plan = Plan {
            target: job.target,
            engine: job.engine,
            build: &job.build,
            inputs: &self.inputs[job.target.name],
            folder: job.folder.clone(),
            finds: job.finds(),
            dictionary: self.project.dictionary(job.target),
            time: self.time,
            snapshot: session::LOOK,
            core: Some(core),
        };
        let mut replayer = Replayer::new(self.worker.to_owned());
        let fuzzed = fuzz::run(&plan, &mut replayer, &mut |time, status, finds| {
            line.show(time, status, finds);
        })?;
        line.done();
        Ok(fuzzed)
    }
}
