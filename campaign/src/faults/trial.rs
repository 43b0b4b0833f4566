//! One fault: planted in a copy, shown to the corpora, then hunted by engines.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use harness_core::Target;
use harness_core::worker::INVARIANTS_ONLY;

use super::copy::{Copy, Sources};
use super::inputs::Inputs;
use super::patch::Fault;
use super::report::{Basis, Caught, FaultResult, Find, Hunt, Replayed};
use crate::corpus::Store;
use crate::engine::session::{self, Session};
use crate::engine::{Engine, Sanitizer, Task, number_after};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{NO_ABORT, NO_HANG, Replayer, Verdict, build_worker};

/// After so many inputs of a target that end the worker, its other inputs are not replayed: each one
/// that hangs costs seconds, and the fault is caught.
const ENOUGH_DEATHS: usize = 3;

/// What all trials have in common.
#[derive(Debug)]
pub struct Trials<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its sources.
    pub sources: &'a Sources,
    /// Their digest.
    pub sources_digest: String,
    /// The shipped corpora.
    pub corpora: Inputs,
    /// The seeds.
    pub seeds: Inputs,
    /// The engines that hunt.
    pub engines: Vec<Engine>,
    /// How long each has for a fault, on all of its targets together.
    pub time: Duration,
    /// Where results, finds and engines' folders are.
    pub out: PathBuf,
    /// Where progress goes.
    pub progress: Progress,
}

/// A copy on a core.
#[derive(Debug)]
pub struct Bench {
    /// The core's number; everything of a bench runs on it.
    pub core: usize,
    /// The copy.
    pub copy: Copy,
}

impl Trials<'_> {
    /// What a result on `fault` depends on.
    #[must_use]
    pub fn basis(&self, fault: &Fault) -> Basis {
        Basis {
            patch: fault.digest.clone(),
            sources: self.sources_digest.clone(),
            corpora: self.corpora.digest.clone(),
            seeds: self.seeds.digest.clone(),
        }
    }

    /// What of an earlier result on `fault` still holds; nothing has been found out in the rest.
    #[must_use]
    pub fn known(&self, fault: &Fault) -> FaultResult {
        let of = self.basis(fault);
        let kept = FaultResult::kept(&self.result_path(fault))
            .filter(|kept| kept.of.patch == of.patch && kept.of.sources == of.sources);
        let mut known = FaultResult {
            fault: fault.name.clone(),
            sentence: fault.sentence.clone(),
            modelled_on: fault.modelled_on.clone(),
            of,
            corpora: None,
            invariants_alone: None,
            engines: BTreeMap::new(),
            failure: None,
        };
        if let Some(kept) = kept {
            if kept.of.corpora == known.of.corpora {
                known.corpora = kept.corpora;
                known.invariants_alone = kept.invariants_alone;
            }
            if kept.of.seeds == known.of.seeds {
                known.engines = kept.engines;
            }
        }
        known
    }

    /// Whether nothing is left to find out.
    #[must_use]
    pub fn is_complete(&self, result: &FaultResult) -> bool {
        result.corpora.is_some()
            && result.invariants_alone.is_some()
            && self
                .engines
                .iter()
                .all(|engine| self.is_answered(result, *engine))
    }

    fn is_answered(&self, result: &FaultResult, engine: Engine) -> bool {
        result
            .engines
            .get(&engine)
            .is_some_and(|hunt| hunt.answers(self.time))
    }

    fn result_path(&self, fault: &Fault) -> PathBuf {
        self.out.join("faults").join(format!("{}.json", fault.name))
    }

    /// Finds out what is not known of a fault, and keeps it after each step.
    ///
    /// # Errors
    /// When something cannot be read or written. A patch that does not apply and a build that fails are
    /// told in [`FaultResult::failure`].
    pub fn run(&self, fault: &Fault, bench: &Bench) -> Result<FaultResult> {
        let mut result = self.known(fault);
        if self.is_complete(&result) {
            return Ok(result);
        }
        bench.copy.restore(self.sources)?;
        let planted = bench
            .copy
            .plant(fault)
            .and_then(|()| bench.copy.project())
            .and_then(|project| Ok((build_worker(&project)?, project)));
        let (worker, copy) = match planted {
            Ok(planted) => planted,
            Err(error) => {
                result.failure = Some(format!("{error:#}"));
                return Ok(result);
            }
        };
        if result.corpora.is_none() {
            result.corpora = Some(replay(&self.corpora, &mut Replayer::new(worker.clone()))?);
            result.keep(&self.result_path(fault))?;
        }
        if result.invariants_alone.is_none() {
            let mut replayer = Replayer::with_options(worker.clone(), &[INVARIANTS_ONLY]);
            result.invariants_alone = Some(replay(&self.corpora, &mut replayer)?);
            result.keep(&self.result_path(fault))?;
        }
        for &engine in &self.engines {
            if session::interrupted() {
                break;
            }
            if self.is_answered(&result, engine) {
                continue;
            }
            match self.hunt(fault, engine, bench, &copy, &worker) {
                Ok(Some(hunt)) => {
                    result.engines.insert(engine, hunt);
                    result.keep(&self.result_path(fault))?;
                }
                Ok(None) => break,
                Err(error) => {
                    result.failure = Some(format!("{error:#}"));
                    return Ok(result);
                }
            }
        }
        Ok(result)
    }

    /// One engine on the targets that drive what the fault changed, one after the other, each with its
    /// part of the time, until one has a find. None when it was interrupted.
    fn hunt(
        &self,
        fault: &Fault,
        engine: Engine,
        bench: &Bench,
        copy: &Project,
        worker: &Path,
    ) -> Result<Option<Hunt>> {
        let targets = fault.targets();
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
                    Verdict::Fail { check, .. } => {
                        hunt.seed_fails.get_or_insert(check);
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
                core: bench.core,
                folder: self
                    .out
                    .join(format!("run-{}", bench.core))
                    .join(engine.name()),
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
                        .strip_prefix(&self.out)
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
        if let Verdict::Fail { check, .. } = replayer.verdict(target.name, path)? {
            return Ok(Some((path.clone(), check)));
        }
        passed.insert(path.clone());
    }
    Ok(None)
}

/// Replays every input of every target, and says what fails.
///
/// # Errors
/// When an input cannot be read, or the worker cannot be started.
pub fn replay(inputs: &Inputs, replayer: &mut Replayer) -> Result<Replayed> {
    let mut replayed = Replayed::default();
    for (target, files) in inputs.iter() {
        let mut caught: Option<Caught> = None;
        let mut deaths = 0;
        for (at, file) in files.iter().enumerate() {
            let Verdict::Fail { check, .. } = replayer.verdict(target, file)? else {
                continue;
            };
            deaths += usize::from(check == NO_ABORT || check == NO_HANG);
            let caught = caught.get_or_insert_with(|| Caught {
                target: target.to_owned(),
                after: at + 1,
                checks: BTreeMap::new(),
                input: file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            });
            *caught.checks.entry(check).or_default() += 1;
            if deaths >= ENOUGH_DEATHS {
                break;
            }
        }
        replayed.caught.extend(caught);
    }
    Ok(replayed)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
