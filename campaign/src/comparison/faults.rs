//! Planted faults, hunted by every engine as often as it has trials: time to catch each, as survival data.
//!
//! Each fault of `faults/` is planted in a copy of the project, as `campaign faults` does; every engine then
//! fuzzes that copy from the seeds until an input of its own making fails in a replay, or a trial's time is over.
//! This says how strong the *oracle* is. The faults are no sample of real mistakes, and rank no engine.
//!
//! In the comparison's folder, `faults/hunts/FAULT/ENGINE/NNN.json` is a hunt that came to its end; it is kept
//! while the patch, the sources, the seeds and the time are the same. A hunt that was interrupted is run again.
//! Beside them are `faults/finds/`, and engines' own folders, which each hunt empties.
//!
//! - [`told`]: the hunts in the report.

pub mod told;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use harness_core::Target;
use report::format::counted;
use serde::{Deserialize, Serialize};
use statistics::survival::Observation;

use super::cores;
use super::folder::{Folder, read_json, write_json};
use super::order::{self, TrialId};
use crate::engine::{Engine, session};
use crate::faults::copy::{Copy, Sources};
use crate::faults::hunt::Hunting;
use crate::faults::inputs::Inputs;
use crate::faults::patch::{self, Fault};
use crate::faults::report::Hunt;
use crate::faults::trial::replay;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, build_worker};

/// The word that stands for every fault.
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
    /// The engines.
    pub engines: &'a [Engine],
    /// How often each hunts each fault.
    pub trials: usize,
    /// How long a hunt is at most.
    pub time: Duration,
    /// A core for each hunt that runs at once; `None` when the system does not pin.
    pub cores: Vec<Option<usize>>,
    /// The seed of the order of hunts.
    pub order_seed: u64,
    /// Where it says how far it is.
    pub progress: &'a Progress,
}

/// What a hunt depends on, by content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Basis {
    /// The patch.
    pub patch: String,
    /// The sources that it was planted in.
    pub sources: String,
    /// The seeds.
    pub seeds: String,
}

/// A hunt that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntTrial {
    /// The fault's name.
    pub fault: String,
    /// The target.
    pub target: String,
    /// The engine.
    pub engine: Engine,
    /// The trial's number, from 1.
    pub number: usize,
    /// What it depends on.
    pub of: Basis,
    /// What came of it.
    pub hunt: Hunt,
}

impl HuntTrial {
    /// The trial as survival data; none when it does not count.
    #[must_use]
    pub fn observation(&self) -> Option<Observation> {
        let hunt = &self.hunt;
        let caught = |time_ms, happened| Some(Observation { time_ms, happened });
        match (&hunt.find, &hunt.failure) {
            (Some(_), _) => caught(hunt.time_ms, true),
            (None, Some(_)) => None,
            // Every seed fails, so that no engine had to begin.
            (None, None) if hunt.executions == 0 && hunt.seed_fails.is_some() => caught(0, true),
            (None, None) => caught(hunt.time_ms, false),
        }
    }
}

/// A fault and the target on which it is hunted.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The fault.
    pub fault: Fault,
    /// The first of the comparison's targets that drives what the fault changed.
    pub target: &'static Target,
}

/// Holds that there are faults of those names; `all` stands for every one.
///
/// # Errors
/// When there is none of a name.
pub fn hold_known(project: &Project, names: &[String]) -> Result<()> {
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
    hold_known(project, names)?;
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
        let mut waiting = VecDeque::new();
        for chosen in chosen {
            let of = Basis {
                patch: chosen.fault.digest.clone(),
                sources: sources.digest(),
                seeds: seeds.digest.clone(),
            };
            let open = self.open(chosen, &of)?;
            if !open.is_empty() {
                waiting.push_back((chosen, of, open));
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
        let benches = (0..self.cores.len().min(waiting.len()))
            .map(|nth| Copy::of(&sources, &copies.join(format!("core-{nth}"))))
            .collect::<Result<Vec<Copy>>>()?;
        self.hold_sound(&benches[0], &seeds)?;
        let waiting = Mutex::new(waiting);
        let troubles = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for (nth, (copy, &core)) in benches.iter().zip(&self.cores).enumerate() {
                let (waiting, troubles, sources, seeds) = (&waiting, &troubles, &sources, &seeds);
                scope.spawn(move || {
                    // Builds too: so that a hunt on another core is not held up by them.
                    cores::on(core, || {
                        while let Some((chosen, of, open)) = next(waiting) {
                            let bench = Bench {
                                copy,
                                core: core.unwrap_or(nth),
                                seeds,
                            };
                            let said = self.fault(chosen, &of, &open, &bench, sources);
                            if let Err(error) = said {
                                let trouble = format!("{}: {error:#}", chosen.fault.name);
                                self.progress.say(&trouble);
                                lock(troubles).push(trouble);
                            }
                        }
                    });
                });
            }
        });
        Ok(troubles
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// The hunts of a fault that have no result yet, in the order in which they are run.
    fn open(&self, chosen: &Chosen, of: &Basis) -> Result<Vec<TrialId>> {
        let target = [chosen.target.name.to_owned()];
        let mut open = Vec::new();
        for id in order::of(&target, self.engines, self.trials, self.order_seed) {
            let known: Option<HuntTrial> = read_json(&self.path(&chosen.fault, &id))?;
            let is_known = known.is_some_and(|known| {
                known.of == *of && known.target == id.target && known.hunt.answers(self.time)
            });
            if !is_known {
                open.push(id);
            }
        }
        Ok(open)
    }

    fn path(&self, fault: &Fault, id: &TrialId) -> PathBuf {
        hunts_of(self.folder)
            .join(&fault.name)
            .join(id.engine.name())
            .join(format!("{:03}.json", id.number))
    }

    /// Holds that no seed fails as the sources are: else a fault would be caught by anything.
    fn hold_sound(&self, copy: &Copy, seeds: &Inputs) -> Result<()> {
        let worker = self
            .progress
            .step("build the replay worker in a copy", || {
                build_worker(&copy.project()?)
            })?;
        let replayed = replay(seeds, &mut Replayer::new(worker))?;
        if let Some(caught) = replayed.caught.first() {
            bail!(
                "the seed {} fails {} on {} without any fault: planted faults cannot be told",
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
        let out = root(self.folder);
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
            let Some(hunt) = hunting.hunt(
                &chosen.fault,
                &targets,
                id.engine,
                bench.core,
                &planted,
                &worker,
            )?
            else {
                break;
            };
            self.progress.say(&in_words(&chosen.fault, id, &hunt));
            let path = self.path(&chosen.fault, id);
            fs::create_dir_all(path.parent().unwrap_or(&out))?;
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

type Waiting<'a> = VecDeque<(&'a Chosen, Basis, Vec<TrialId>)>;

fn next<'a>(waiting: &Mutex<Waiting<'a>>) -> Option<(&'a Chosen, Basis, Vec<TrialId>)> {
    if session::interrupted() {
        return None;
    }
    lock(waiting).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn root(folder: &Folder) -> PathBuf {
    folder.root().join("faults")
}

fn hunts_of(folder: &Folder) -> PathBuf {
    root(folder).join("hunts")
}

fn in_words(fault: &Fault, id: &TrialId, hunt: &Hunt) -> String {
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
