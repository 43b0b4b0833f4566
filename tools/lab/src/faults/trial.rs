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
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use campaign::atomic::{read_json, write_json};
use campaign::comparison::contestant::Contestant;
use campaign::comparison::hunts::{self, HuntTrial};
use campaign::comparison::order::{self, TrialId};
use campaign::engine::session;
use campaign::progress::Progress;
use campaign::project::Project;
use campaign::replay::{NO_ABORT, NO_HANG, Replayer, Verdict};
use report::Start;
use worker::serve::INVARIANTS_ONLY;

use super::inputs::Inputs;
use super::patch::Fault;
use super::report::{Basis, Caught, FaultResult, checks};
use crate::sources::{Copy, Sources};

/// After so many inputs of a target that end the worker, its other inputs are not replayed: each one
/// that hangs costs seconds, and the fault is caught.
const ENOUGH_DEATHS: usize = 3;

/// What is asked.
pub(crate) struct FaultPlan {
    pub(crate) faults: Vec<Fault>,
    /// Who hunts.
    pub(crate) contestants: Vec<Contestant>,
    /// How often each hunts each fault.
    pub(crate) count: usize,
    /// The seed of the order of hunts.
    pub(crate) order_seed: u64,
    /// How long a hunt may take, on all targets of its fault together.
    pub(crate) time: Duration,
    /// Where the corpora are; `None` when they are not replayed.
    pub(crate) corpora: Option<PathBuf>,
    pub(crate) out: PathBuf,
}

/// What all trials have in common.
pub(crate) struct Trials<'a> {
    pub(super) plan: &'a FaultPlan,
    /// The project, without any fault.
    pub(super) project: &'a Project,
    pub(crate) sources: Sources,
    digest: String,
    /// The shipped corpora; `None` when they are not replayed.
    corpora: Option<Inputs>,
    pub(super) seeds: Inputs,
    pub(super) progress: Progress,
}

impl<'a> Trials<'a> {
    /// The trials of a plan; inputs are copied to folders below `copies`.
    pub(crate) fn new(
        plan: &'a FaultPlan,
        project: &'a Project,
        copies: &Path,
        progress: Progress,
    ) -> Result<Self> {
        let sources = Sources::read(project.root())?;
        let read = |what, folder: &Path| Inputs::read(what, project, folder, copies);
        let corpora = plan.corpora.as_deref();
        Ok(Self {
            plan,
            project,
            digest: sources.digest(),
            sources,
            corpora: corpora.map(|folder| read("corpora", folder)).transpose()?,
            seeds: read("seeds", &project.seeds(""))?,
            progress,
        })
    }

    /// What earlier runs found out about a fault and still holds.
    pub(crate) fn known(&self, fault: &Fault) -> Result<FaultResult> {
        let of = Basis {
            hunts: hunts::Basis {
                patch: fault.digest.clone(),
                sources: self.digest.clone(),
                seeds: self.seeds.digest.clone(),
            },
            corpora: self.corpora.as_ref().map(|corpora| corpora.digest.clone()),
        };
        // A file that cannot be understood is as good as none.
        let kept = read_json::<FaultResult>(&self.replays_path(fault)).unwrap_or_default();
        let (corpora, invariants_alone) = kept
            .filter(|kept| kept.of == of)
            .map(|kept| (kept.corpora, kept.invariants_alone))
            .unwrap_or_default();
        let mut engines: BTreeMap<Contestant, Vec<_>> = BTreeMap::new();
        for id in self.hunts(fault)? {
            if let Some(known) = self.known_hunt(&of, fault, &id)? {
                engines.entry(id.engine).or_default().push(known.hunt);
            }
        }
        Ok(FaultResult {
            fault: fault.name.clone(),
            sentence: fault.sentence.clone(),
            of,
            corpora,
            invariants_alone,
            engines,
            failure: None,
        })
    }

    /// Whether nothing is left to find out.
    pub(crate) fn is_complete(&self, fault: &Fault, result: &FaultResult) -> Result<bool> {
        let is_replayed = result.corpora.is_some() && result.invariants_alone.is_some();
        let hunts: usize = result.engines.values().map(Vec::len).sum();
        let is_hunted = hunts == self.hunts(fault)?.len();
        Ok(is_hunted && (is_replayed || self.corpora.is_none()))
    }

    /// All hunts of a fault, in the order in which they run.
    fn hunts(&self, fault: &Fault) -> Result<Vec<TrialId>> {
        let target = self.project.target(&fault.targets[0])?;
        let (count, seed) = (self.plan.count, self.plan.order_seed);
        let (starts, contestants) = ([Start::Seeds], &self.plan.contestants);
        Ok(order::of([target], &starts, contestants, count, seed))
    }

    fn known_hunt(&self, of: &Basis, fault: &Fault, id: &TrialId) -> Result<Option<HuntTrial>> {
        let path = hunts::file(&self.plan.out, &fault.name, id);
        let known: Option<HuntTrial> = read_json(&path)?;
        Ok(known.filter(|known| {
            known.of == of.hunts && known.target == id.target && known.hunt.answers(self.plan.time)
        }))
    }

    fn replays_path(&self, fault: &Fault) -> PathBuf {
        let name = format!("{}.json", fault.name);
        self.plan.out.join("faults").join(name)
    }

    /// Finds out what is not known of a fault in `copy`, with engines on `core`. Why it could not be found
    /// out is in [`FaultResult::failure`].
    pub(crate) fn run(&self, fault: &Fault, copy: &Copy, core: usize) -> Result<FaultResult> {
        let mut result = self.known(fault)?;
        let done = self.find_out(fault, copy, core, &mut result);
        result.failure = done.err().map(|error| format!("{error:#}"));
        Ok(result)
    }

    fn find_out(
        &self,
        fault: &Fault,
        copy: &Copy,
        core: usize,
        result: &mut FaultResult,
    ) -> Result<()> {
        copy.restore(&self.sources)?;
        copy.plant(&fault.path)?;
        let planted = copy.project()?;
        let worker = planted.worker()?;
        if let Some(corpora) = &self.corpora {
            for (options, replayed) in [
                (&[][..], &mut result.corpora),
                (&[INVARIANTS_ONLY], &mut result.invariants_alone),
            ] {
                if replayed.is_none() {
                    let replayer = Replayer::with_options(worker.to_owned(), options);
                    *replayed = Some(replay(corpora, replayer)?);
                }
            }
            write_json(&self.replays_path(fault), result)?;
        }
        for id in self.hunts(fault)? {
            if session::interrupted() {
                break;
            }
            if self.known_hunt(&result.of, fault, &id)?.is_some() {
                continue;
            }
            let Some(hunt) = self.hunt(fault, id.engine, core, &planted)? else {
                break;
            };
            let path = hunts::file(&self.plan.out, &fault.name, &id);
            let trial = HuntTrial {
                fault: fault.name.clone(),
                target: id.target,
                engine: id.engine,
                number: id.number,
                of: result.of.hunts.clone(),
                hunt,
            };
            write_json(&path, &trial)?;
            let of_engine = result.engines.entry(trial.engine).or_default();
            of_engine.push(trial.hunt);
        }
        Ok(())
    }

    /// Checks that no input fails without any fault: else anything would catch a fault.
    pub(crate) fn check_sound(&self, copy: &Copy) -> Result<()> {
        let progress = &self.progress;
        let project = copy.project()?;
        let worker = progress.step("build the replay worker in a copy", || project.worker())?;
        for inputs in self.corpora.iter().chain([&self.seeds]) {
            let what = inputs.what;
            let step = format!("replay the {what} without any fault");
            let replayer = Replayer::new(worker.to_owned());
            let caught = progress.step(&step, || replay(inputs, replayer))?;
            if let Some(first) = caught.first() {
                bail!(
                    "the {what} fail without any fault: {} fails {} on {}",
                    first.input,
                    checks(&caught).join(", "),
                    first.target
                );
            }
        }
        Ok(())
    }
}

/// Replays every input of every target. Returns the targets of which some fail.
fn replay(inputs: &Inputs, mut replayer: Replayer) -> Result<Vec<Caught>> {
    let mut all = Vec::new();
    for (target, files) in inputs.iter() {
        let mut caught: Option<Caught> = None;
        let mut deaths = 0;
        for file in files {
            let Verdict::Fail(violation) = replayer.verdict(target, file)? else {
                continue;
            };
            let check = violation.check;
            deaths += usize::from(check == NO_ABORT || check == NO_HANG);
            let name = file.file_name().unwrap_or_default();
            let caught = caught.get_or_insert_with(|| Caught {
                target: target.to_owned(),
                checks: BTreeMap::new(),
                input: name.to_string_lossy().into_owned(),
            });
            *caught.checks.entry(check).or_default() += 1;
            if deaths >= ENOUGH_DEATHS {
                break;
            }
        }
        all.extend(caught);
    }
    Ok(all)
}
