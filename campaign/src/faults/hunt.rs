//! One engine hunts one fault: from the seeds, until a find fails in a replay too.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use harness_core::Target;

use super::inputs::Inputs;
use super::patch::Fault;
use super::report::{Find, Hunt};
use crate::corpus::Store;
use crate::engine::session::{self, Session};
use crate::engine::{Engine, Sanitizer, Task, number_after};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, Verdict};

/// What hunts have in common.
#[derive(Debug)]
pub struct Hunting<'a> {
    /// The project, without any fault.
    pub project: &'a Project,
    /// The seeds.
    pub seeds: &'a Inputs,
    /// How long a hunt is, on all of its targets together.
    pub time: Duration,
    /// Where finds and engines' folders are.
    pub out: &'a Path,
    /// Where progress goes.
    pub progress: &'a Progress,
}

impl Hunting<'_> {
    /// One engine on `targets`, one after the other, each with its part of the time, until one has a find.
    /// `copy` is the project with the fault in it, `worker` its replay worker. None when it was interrupted.
    ///
    /// # Errors
    /// When something cannot be built, started, read or written.
    pub fn hunt(
        &self,
        fault: &Fault,
        targets: &[&'static Target],
        engine: Engine,
        core: usize,
        copy: &Project,
        worker: &Path,
    ) -> Result<Option<Hunt>> {
        let mut replayer = Replayer::new(worker.to_owned());
        let mut hunt = Hunt {
            find: None,
            time_ms: 0,
            executions: 0,
            limit_ms: millis(self.time),
            seed_fails: None,
            failure: None,
        };
        for (nth, &target) in targets.iter().enumerate() {
            let mut sound = Vec::new();
            for seed in self.seeds.of(target.name) {
                match replayer.verdict(target.name, seed)? {
                    Verdict::Fail(violation) => {
                        hunt.seed_fails.get_or_insert(violation.check);
                    }
                    _ => sound.push(seed.clone()),
                }
            }
            if sound.is_empty() {
                continue;
            }
            let left = self
                .time
                .saturating_sub(Duration::from_millis(hunt.time_ms));
            let time = left / u32::try_from(targets.len() - nth).unwrap_or(1);
            let hunted = Hunted {
                target,
                engine,
                time,
                core,
                folder: self.out.join(format!("run-{core}")).join(engine.name()),
            };
            let (session, find) = self.session(&hunted, &sound, copy, &mut replayer)?;
            let (until, executions) = match &find {
                Some(find) => (find.time, find.executions),
                None => (session.elapsed, session.status.executions),
            };
            hunt.time_ms += millis(until);
            hunt.executions += executions;
            if let Some(find) = find {
                let store = self.out.join("finds").join(&fault.name).join(engine.name());
                let (input, _) = Store::open(&store)?.add(&std::fs::read(&find.path)?)?;
                hunt.find = Some(Find {
                    target: target.name.to_owned(),
                    check: find.check,
                    input: input
                        .strip_prefix(self.out)
                        .unwrap_or(&input)
                        .display()
                        .to_string(),
                });
                hunt.failure = None;
                return Ok(Some(hunt));
            }
            if session.interrupted {
                return Ok(None);
            }
            hunt.failure = hunt.failure.or(session.failure);
        }
        Ok(Some(hunt))
    }

    /// Fuzzes until a find fails in a replay too, or the time is over.
    fn session(
        &self,
        hunted: &Hunted,
        seeds: &[PathBuf],
        copy: &Project,
        replayer: &mut Replayer,
    ) -> Result<(Session, Option<Confirmed>)> {
        let Hunted { target, engine, .. } = *hunted;
        let build = engine.build(copy, target.name, Sanitizer::None)?;
        session::empty(&hunted.folder)?;
        let task = Task {
            max_input: target.max_input,
            inputs: hunted.folder.join("inputs"),
            folder: hunted.folder.clone(),
            dictionary: self.project.dictionary(target),
            comparisons_are_seen: target.compare_tracing,
            time: hunted.time,
        };
        session::lay_out(seeds, &task.inputs)?;
        let mut line = self.progress.session(engine, target.name, hunted.time);
        let mut passed = BTreeSet::new();
        let mut confirmed = None;
        let mut trouble = Ok(());
        let session = session::run_until(
            engine,
            &build,
            &task,
            Some(hunted.core),
            &mut |elapsed, status, finds| {
                line.show(elapsed, status, finds.len());
                match first_that_fails(target, finds, &mut passed, replayer) {
                    Ok(found) => confirmed = confirmed.take().or(found),
                    Err(error) => trouble = Err(error),
                }
                if confirmed.is_some() || trouble.is_err() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )?;
        line.done();
        trouble?;
        if confirmed.is_none() {
            // One that was being written when it was looked at passed as something else.
            confirmed = first_that_fails(target, &session.finds, &mut BTreeSet::new(), replayer)?;
        }
        let confirmed = confirmed.map(|(path, check)| {
            let (time, executions) = when(&path, engine, &session);
            Confirmed {
                path,
                check,
                time,
                executions,
            }
        });
        Ok((session, confirmed))
    }
}

/// How long after the engine's start a find was written, and the executions until then: AFL++ says them in
/// the file's name, libFuzzer ends with a find, and of honggfuzz they are in proportion to the time.
fn when(find: &Path, engine: Engine, session: &Session) -> (Duration, u64) {
    let written = find.metadata().and_then(|file| file.modified()).ok();
    let time = written
        .and_then(|written| written.duration_since(session.start).ok())
        .unwrap_or(session.elapsed);
    let name = find.file_name().unwrap_or_default().to_string_lossy();
    let in_name = number_after(&name, ",execs:");
    let executions = in_name.unwrap_or_else(|| match engine {
        Engine::Libfuzzer => session.status.executions,
        Engine::Afl | Engine::Honggfuzz => session.executions_at(time),
    });
    (time, executions)
}

/// One engine on one target.
struct Hunted {
    target: &'static Target,
    engine: Engine,
    time: Duration,
    core: usize,
    folder: PathBuf,
}

/// A find that fails in a replay.
struct Confirmed {
    path: PathBuf,
    check: String,
    /// Since the engine's start.
    time: Duration,
    /// Until then.
    executions: u64,
}

/// The first of `finds` that fails in a replay, and the check; those in `passed` are known not to.
fn first_that_fails(
    target: &Target,
    finds: &[PathBuf],
    passed: &mut BTreeSet<PathBuf>,
    replayer: &mut Replayer,
) -> Result<Option<(PathBuf, String)>> {
    for path in finds {
        if passed.contains(path) {
            continue;
        }
        if let Verdict::Fail(violation) = replayer.verdict(target.name, path)? {
            return Ok(Some((path.clone(), violation.check)));
        }
        passed.insert(path.clone());
    }
    Ok(None)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
