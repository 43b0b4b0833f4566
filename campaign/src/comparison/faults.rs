//! Planted faults, hunted by every engine as often as it has trials: time to catch each, as survival data.
//!
//! Each fault of `faults/` is planted in a copy of the project, as `campaign faults` does; every engine then
//! fuzzes that copy from the seeds until an input of its own making fails in a replay, or a trial's time is over.
//! This shows how strong the *oracle* is. The faults are no sample of real mistakes, and rank no engine.
//!
//! A hunt that came to its end is kept while the patch, the sources, the seeds and the time are the same
//! ([`hunts`]). One that was interrupted is run again. Beside them are `faults/finds/`, and the
//! engines' own folders, which each hunt empties.
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use harness_core::Target;

use super::contestant::Contestant;
use super::folder::Folder;
use super::hunts::{self, Basis, Hunt, HuntTrial};
use super::order::{self, TrialId};
use crate::atomic::{read_json, write_json};
use crate::cores;
use crate::engine::session;
use crate::faults::copy::{Copy, Sources};
use crate::faults::hunt::Hunting;
use crate::faults::inputs::Inputs;
use crate::faults::patch::{self, Fault};
use crate::faults::trial::replay;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, build_worker};
use crate::schedule::Queue;
use report::format::counted;

/// The name for every fault.
const ALL: &str = "all";

/// What it takes to hunt.
#[derive(Debug)]
pub struct Hunts<'a> {
    /// The project.
    pub project: &'a Project,
    /// The comparison's folder.
    pub folder: &'a Folder,
    /// The comparison's targets.
    pub targets: &'a BTreeMap<String, &'static Target>,
    /// The engines, and the ensemble when it takes part.
    pub engines: &'a [Contestant],
    /// How often each hunts each fault.
    pub trials: usize,
    /// How long a hunt is at most.
    pub time: Duration,
    /// A core for each hunt that runs at once; `None` when the system does not pin.
    pub cores: Vec<Option<usize>>,
    /// The seed of the order of hunts.
    pub order_seed: u64,
    /// Where it reports how far it is.
    pub progress: &'a Progress,
}

/// A fault and the target on which it is hunted.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The fault.
    pub fault: Fault,
    /// The first of the comparison's targets that drives what the fault changed.
    pub target: &'static Target,
}

/// Checks that there are faults of those names; `all` stands for every one.
///
/// # Errors
/// When there is none of a name.
pub fn check_known(project: &Project, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let all = patch::all(&project.root().join("faults"))?;
    let known: Vec<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
    for name in names {
        if name != ALL && !known.contains(&name.as_str()) {
            bail!(
                "no fault is called {name:?}; there are {ALL}, {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}

/// The faults of those names (or all that a target of the comparison drives, for `all`), each with its target.
///
/// # Errors
/// When there is no such fault, or none of the comparison's targets drives what it changes.
pub fn chosen(
    project: &Project,
    names: &[String],
    targets: &BTreeMap<String, &'static Target>,
) -> Result<Vec<Chosen>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    check_known(project, names)?;
    let all = patch::all(&project.root().join("faults"))?;
    let is_all = names.iter().any(|name| name == ALL);
    let mut chosen = Vec::new();
    for fault in all {
        if !is_all && !names.contains(&fault.name) {
            continue;
        }
        let on = fault.targets();
        match on.iter().find(|target| targets.contains_key(target.name)) {
            Some(&target) => chosen.push(Chosen { fault, target }),
            None if is_all => {}
            None => bail!(
                "the fault {} is hunted on {}, and the comparison has none of these targets",
                fault.name,
                on.iter()
                    .map(|target| target.name)
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
        }
    }
    Ok(chosen)
}

impl Hunts<'_> {
    /// Runs the hunts that did not come to their end before. Returns what could not be done, in sentences.
    ///
    /// # Errors
    /// When nothing can be done: the sources cannot be read or copied, or the seeds fail without any fault.
    pub fn run(&self, chosen: &[Chosen]) -> Result<Vec<String>> {
        let copies = self.project.builds("faults");
        let _lock = self.project.lock(&copies)?;
        let sources = Sources::read(self.project.root())?;
        let seeds = Inputs::seeds(self.project)?;
        let mut waiting = Vec::new();
        for chosen in chosen {
            let of = Basis {
                patch: chosen.fault.digest.clone(),
                sources: sources.digest(),
                seeds: seeds.digest.clone(),
            };
            let open = self.open(chosen, &of)?;
            if !open.is_empty() {
                waiting.push((chosen, of, open));
            }
        }
        let hunts: usize = waiting.iter().map(|(_, _, open)| open.len()).sum();
        self.progress.say(&format!(
            "{}; {} of at most {} s to run, {} at once",
            counted(chosen.len(), "planted fault", "planted faults"),
            counted(hunts, "hunt", "hunts"),
            self.time.as_secs(),
            self.cores.len()
        ));
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let places = &self.cores[..self.cores.len().min(waiting.len())];
        let copies = (0..places.len())
            .map(|nth| Copy::of(&sources, &copies.join(format!("core-{nth}"))))
            .collect::<Result<Vec<Copy>>>()?;
        self.check_sound(&copies[0], &seeds)?;
        let (troubles, _) = Queue::new(waiting, places).run(|_, (chosen, of, open), place| {
            let bench = Bench {
                copy: &copies[place.nth],
                core: place.core.unwrap_or(place.nth),
                seeds: &seeds,
            };
            // Builds too: so that a hunt on another core is not held up by them.
            let done = cores::on(place.core, || {
                self.fault(chosen, &of, &open, &bench, &sources)
            });
            let trouble = format!("{}: {:#}", chosen.fault.name, done.err()?);
            self.progress.say(&trouble);
            Some(trouble)
        });
        Ok(troubles.into_iter().flatten().collect())
    }

    /// The hunts of a fault that have no result yet, in the order in which they are run.
    fn open(&self, chosen: &Chosen, of: &Basis) -> Result<Vec<TrialId>> {
        let target = [chosen.target.name.to_owned()];
        let mut open = Vec::new();
        for id in order::of(&target, self.engines, self.trials, self.order_seed) {
            let known: Option<HuntTrial> =
                read_json(&hunts::file(self.folder, &chosen.fault.name, &id))?;
            let is_known = known.is_some_and(|known| {
                known.of == *of && known.target == id.target && known.hunt.answers(self.time)
            });
            if !is_known {
                open.push(id);
            }
        }
        Ok(open)
    }

    /// Checks that no seed fails as the sources are: else a fault would be caught by anything.
    fn check_sound(&self, copy: &Copy, seeds: &Inputs) -> Result<()> {
        let worker = self
            .progress
            .step("build the replay worker in a copy", || {
                build_worker(&copy.project()?)
            })?;
        let replayed = replay(seeds, &mut Replayer::new(worker))?;
        if let Some(caught) = replayed.caught.first() {
            bail!(
                "the seed {} fails {} on {} without any fault: planted faults cannot be judged",
                caught.input,
                replayed.checks().join(", "),
                caught.target
            );
        }
        Ok(())
    }

    /// Plants a fault and runs its hunts.
    fn fault(
        &self,
        chosen: &Chosen,
        of: &Basis,
        open: &[TrialId],
        bench: &Bench<'_>,
        sources: &Sources,
    ) -> Result<()> {
        bench.copy.restore(sources)?;
        bench.copy.plant(&chosen.fault)?;
        let planted = bench.copy.project()?;
        let worker = build_worker(&planted)?;
        let out = hunts::folder(self.folder);
        let hunting = Hunting {
            project: self.project,
            seeds: bench.seeds,
            time: self.time,
            out: &out,
            progress: self.progress,
        };
        for id in open {
            if session::interrupted() {
                break;
            }
            let targets = [chosen.target];
            let engines = id.engine.engines(self.engines);
            let (fault, core) = (&chosen.fault, bench.core);
            let hunt = hunting.hunt(fault, &targets, &engines, core, &planted, &worker)?;
            let Some(hunt) = hunt else {
                break;
            };
            self.progress.say(&describe(&chosen.fault, id, &hunt));
            let path = hunts::file(self.folder, &fault.name, id);
            let trial = HuntTrial {
                fault: chosen.fault.name.clone(),
                target: id.target.clone(),
                engine: id.engine,
                number: id.number,
                of: of.clone(),
                hunt,
            };
            write_json(&path, &trial)?;
        }
        Ok(())
    }
}

/// Where hunts are one after the other.
struct Bench<'a> {
    copy: &'a Copy,
    core: usize,
    seeds: &'a Inputs,
}

fn describe(fault: &Fault, id: &TrialId, hunt: &Hunt) -> String {
    let what = match (&hunt.find, &hunt.failure) {
        (Some(find), _) => format!("caught after {} ms by {}", hunt.time_ms, find.check),
        (None, Some(why)) => format!("FAILED: {why}"),
        (None, None) if hunt.executions == 0 && hunt.seed_fails.is_some() => {
            "every seed fails".to_owned()
        }
        (None, None) => format!("not caught in {} ms", hunt.time_ms),
    };
    format!("planted fault {}, {id}: {what}", fault.name)
}
