//! One fault: planted in a copy, shown to the corpora, then hunted by each engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use worker::serve::INVARIANTS_ONLY;

use super::copy::{Copy, Sources};
use super::hunt::Hunting;
use super::inputs::Inputs;
use super::patch::Fault;
use super::report::{Basis, Caught, FaultResult, Hunt, Replayed};
use crate::engine::{Engine, session};
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

    fn hunt(
        &self,
        fault: &Fault,
        engine: Engine,
        bench: &Bench,
        copy: &Project,
        worker: &Path,
    ) -> Result<Option<Hunt>> {
        let hunting = Hunting {
            project: self.project,
            seeds: &self.seeds,
            time: self.time,
            out: &self.out,
            progress: &self.progress,
        };
        hunting.hunt(
            fault,
            &fault.targets(),
            &[engine].into(),
            bench.core,
            copy,
            worker,
        )
    }
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
            let Verdict::Fail(violation) = replayer.verdict(target, file)? else {
                continue;
            };
            let check = violation.check;
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
