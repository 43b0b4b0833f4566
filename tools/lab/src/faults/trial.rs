//! One fault: planted in a copy, shown to the corpora, then hunted by each engine.
//!
//! Everything found out is kept in the output's folder after each step, and reused while the patch, the
//! sources and the inputs are the same:
//!
//! ```text
//! faults/FAULT.json              what the shipped corpora show
//! hunts/FAULT/ENGINE/NNN.json    a hunt that came to its end, as comparisons read it
//! finds/                         inputs that caught a fault
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Error, Result, bail};
use campaign::atomic::{read_json, write_json};
use campaign::comparison::contestant::Contestant;
use campaign::comparison::hunts::{self, HuntTrial};
use campaign::comparison::order::{self, TrialId};
use campaign::engine::session;
use campaign::progress::Progress;
use campaign::project::Project;
use campaign::replay::{NO_ABORT, NO_HANG, Replayer, Verdict};
use worker::serve::INVARIANTS_ONLY;

use super::copy::{Copy, Sources};
use super::hunt::Hunting;
use super::inputs::Inputs;
use super::patch::Fault;
use super::report::{Basis, Caught, FaultResult, Replayed};

/// After so many inputs of a target that end the worker, its other inputs are not replayed: each one
/// that hangs costs seconds, and the fault is caught.
const ENOUGH_DEATHS: usize = 3;

/// A fault, and the names of the targets on which it is hunted, in this order.
#[derive(Debug, Clone)]
pub struct Task {
    /// The fault.
    pub fault: Fault,
    /// The targets; at least one.
    pub targets: Vec<&'static str>,
}

impl Task {
    /// The fault on every target that drives what it changes.
    #[must_use]
    pub fn on_all_targets(fault: Fault) -> Self {
        let targets = fault.targets();
        Self { fault, targets }
    }

    /// The fault on the first of its targets that is among `names`.
    ///
    /// # Errors
    /// When there is none.
    pub fn on_first_target(fault: Fault, names: &[String]) -> Result<Self> {
        let targets = fault.targets();
        let is_there = |target: &&str| names.iter().any(|name| name == target);
        let Some(first) = targets.iter().copied().find(is_there) else {
            bail!(
                "the fault {} is hunted on {}, and the comparison has none of these targets",
                fault.name,
                targets.join(" or ")
            );
        };
        Ok(Self {
            fault,
            targets: vec![first],
        })
    }
}

/// What all trials have in common.
#[derive(Debug)]
pub struct Trials<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its sources.
    pub sources: &'a Sources,
    /// Their digest.
    pub sources_digest: String,
    /// The shipped corpora; `None` when they are not replayed.
    pub corpora: Option<Inputs>,
    /// The seeds.
    pub seeds: Inputs,
    /// Who hunts.
    pub contestants: Vec<Contestant>,
    /// How often each hunts each fault.
    pub count: usize,
    /// The seed of the order of hunts.
    pub order_seed: u64,
    /// How long a hunt may take, on all targets of its fault together.
    pub time: Duration,
    /// Where results, finds and engines' folders are.
    pub out: PathBuf,
    /// Where progress goes.
    pub progress: Progress,
}

impl Trials<'_> {
    fn basis(&self, fault: &Fault) -> Basis {
        let corpora = self.corpora.as_ref();
        Basis {
            patch: fault.digest.clone(),
            sources: self.sources_digest.clone(),
            corpora: corpora.map_or_else(String::new, |corpora| corpora.digest.clone()),
            seeds: self.seeds.digest.clone(),
        }
    }

    /// What earlier runs found out about a fault and still holds.
    ///
    /// # Errors
    /// When a file of a hunt cannot be read.
    pub fn known(&self, task: &Task) -> Result<FaultResult> {
        let fault = &task.fault;
        let of = self.basis(fault);
        // A file that cannot be understood is as good as none.
        let kept = read_json::<FaultResult>(&self.replays_path(fault)).unwrap_or_default();
        let (corpora, invariants_alone) = kept
            .filter(|kept| kept.of.replays() == of.replays())
            .map(|kept| (kept.corpora, kept.invariants_alone))
            .unwrap_or_default();
        let mut engines: BTreeMap<Contestant, Vec<_>> = BTreeMap::new();
        for id in self.hunts(task) {
            if let Some(known) = self.known_hunt(task, &id)? {
                engines.entry(id.engine).or_default().push(known.hunt);
            }
        }
        Ok(FaultResult {
            fault: fault.name.clone(),
            sentence: fault.sentence.clone(),
            modelled_on: fault.modelled_on.clone(),
            of,
            corpora,
            invariants_alone,
            engines,
            failure: None,
        })
    }

    /// Whether nothing is left to find out.
    #[must_use]
    pub fn is_complete(&self, result: &FaultResult) -> bool {
        let is_replayed = result.corpora.is_some() && result.invariants_alone.is_some();
        let hunts: usize = result.engines.values().map(Vec::len).sum();
        (is_replayed || self.corpora.is_none()) && hunts == self.contestants.len() * self.count
    }

    /// All hunts of a fault, in the order in which they run.
    fn hunts(&self, task: &Task) -> Vec<TrialId> {
        let target = [task.targets[0].to_owned()];
        order::of(&target, &self.contestants, self.count, self.order_seed)
    }

    fn known_hunt(&self, task: &Task, id: &TrialId) -> Result<Option<HuntTrial>> {
        let path = hunts::file(&self.out, &task.fault.name, id);
        let known: Option<HuntTrial> = read_json(&path)?;
        let of = self.basis(&task.fault).hunts();
        Ok(known.filter(|known| {
            known.of == of && known.target == id.target && known.hunt.answers(self.time)
        }))
    }

    fn replays_path(&self, fault: &Fault) -> PathBuf {
        self.out.join("faults").join(format!("{}.json", fault.name))
    }

    /// Finds out what is not known of a fault in `copy`, with engines on `core`. Why it could not be found
    /// out is in [`FaultResult::failure`].
    ///
    /// # Errors
    /// When a file of an earlier hunt cannot be read.
    pub fn run(&self, task: &Task, copy: &Copy, core: usize) -> Result<FaultResult> {
        let mut result = self.known(task)?;
        if !self.is_complete(&result) {
            let done = self.find_out(task, copy, core, &mut result);
            result.failure = done.err().map(|error| format!("{error:#}"));
        }
        Ok(result)
    }

    fn find_out(
        &self,
        task: &Task,
        copy: &Copy,
        core: usize,
        result: &mut FaultResult,
    ) -> Result<()> {
        let fault = &task.fault;
        copy.restore(self.sources)?;
        copy.plant(fault)?;
        let planted = copy.project()?;
        let worker = planted.worker()?;
        if let Some(corpora) = &self.corpora {
            if result.corpora.is_none() {
                result.corpora = Some(replay(corpora, &mut Replayer::new(worker.to_owned()))?);
            }
            if result.invariants_alone.is_none() {
                let mut replayer = Replayer::with_options(worker.to_owned(), &[INVARIANTS_ONLY]);
                result.invariants_alone = Some(replay(corpora, &mut replayer)?);
                write_json(&self.replays_path(fault), result)?;
            }
        }
        let hunting = Hunting {
            project: self.project,
            seeds: &self.seeds,
            time: self.time,
            out: &self.out,
            progress: &self.progress,
        };
        for id in self.hunts(task) {
            if session::interrupted() {
                break;
            }
            if self.known_hunt(task, &id)?.is_some() {
                continue;
            }
            let engines = id.engine.engines(&self.contestants);
            let hunt = hunting.hunt(fault, &task.targets, &engines, core, &planted, worker)?;
            let Some(hunt) = hunt else { break };
            let path = hunts::file(&self.out, &fault.name, &id);
            let trial = HuntTrial {
                fault: fault.name.clone(),
                target: id.target,
                engine: id.engine,
                number: id.number,
                of: result.of.hunts(),
                hunt,
            };
            write_json(&path, &trial)?;
            result
                .engines
                .entry(trial.engine)
                .or_default()
                .push(trial.hunt);
        }
        Ok(())
    }

    /// Checks that no input fails without any fault: else anything would catch a fault.
    ///
    /// # Errors
    /// When one does, with its check.
    pub fn check_sound(&self, copy: &Copy) -> Result<()> {
        let worker = self
            .progress
            .step("build the replay worker in a copy", || {
                Ok::<_, Error>(copy.project()?.worker()?.to_owned())
            })?;
        for inputs in self.corpora.iter().chain([&self.seeds]) {
            let what = format!("replay the {} without any fault", inputs.what);
            let replayed = self
                .progress
                .step(&what, || replay(inputs, &mut Replayer::new(worker.clone())))?;
            if let Some(caught) = replayed.caught.first() {
                bail!(
                    "the {} fail without any fault: {} fails {} on {}",
                    inputs.what,
                    caught.input,
                    replayed.checks().join(", "),
                    caught.target
                );
            }
        }
        Ok(())
    }
}

/// Replays every input of every target. Returns which fail.
fn replay(inputs: &Inputs, replayer: &mut Replayer) -> Result<Replayed> {
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
