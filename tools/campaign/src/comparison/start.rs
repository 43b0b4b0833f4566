//! How a comparison is started, and how it is resumed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use report::Start;
use worker::TargetInfo;
use worker::protocol::CheckInfo;

use super::contestant::Contestant;
use super::folder::{Folder, keep};
use super::plan::{self, Asked, From, Plan};
use super::{machine, order};
use crate::atomic::{write, write_json};
use crate::cores;
use crate::corpora::zip_of;
use crate::corpus::files_in;
use crate::coverage::{SourceMap, build_worker};
use crate::engine::{Sanitizer, libfuzzer};
use crate::progress::Progress;
use crate::project::{Project, judged_in_words};
use crate::replay::hello_of;

/// A comparison under way.
pub(crate) struct Opened {
    pub(crate) folder: Folder,
    pub(crate) plan: Plan,
    /// The targets, by name: those of the kept worker, for the project may have changed.
    pub(crate) targets: BTreeMap<String, TargetInfo>,
    pub(crate) checks: Vec<CheckInfo>,
    pub(crate) map: SourceMap,
}

/// The time of a trial when none is asked for.
const TIME: Duration = Duration::from_secs(60);

/// What trials from nothing start from. It is as small as an input can be: AFL++ refuses an empty one, with which
/// libFuzzer and honggfuzz would start.
const NOTHING: &[u8] = &[0];

/// Starts a comparison of `targets`, or resumes the one in the folder.
pub(crate) fn open(
    asked: &Asked,
    targets: &[&TargetInfo],
    project: &Project,
    folder: Folder,
    progress: &Progress,
) -> Result<Opened> {
    let plan = match Plan::read(&folder.plan())? {
        Some(plan) => resume(plan, asked, &folder)?,
        None => start(asked, targets, project, &folder, progress)?,
    };
    let hello = hello_of(&folder.worker())?;
    let judged = judged_in_words(&hello.judged, hello.known.len());
    ensure!(
        plan.judged == judged,
        "the comparison in {} cannot be resumed: its trials have {:?}, and asked for is {judged:?}; see --judge and \
         --ignore-known",
        folder.root().display(),
        plan.judged
    );
    let map = SourceMap::of_worker(&folder.neutral(), project.code_under_test()?)?;
    let targets = hello.targets.into_iter();
    Ok(Opened {
        folder,
        plan,
        targets: targets
            .map(|target| (target.name.clone(), target))
            .collect(),
        checks: hello.checks,
        map,
    })
}

/// Builds everything, keeps it in the folder, and writes the plan.
fn start(
    asked: &Asked,
    targets: &[&TargetInfo],
    project: &Project,
    folder: &Folder,
    progress: &Progress,
) -> Result<Plan> {
    let started = SystemTime::now();
    let contestants: Vec<Contestant> = match &asked.engines {
        Some(engines) => engines.0.iter().copied().collect(),
        None => Contestant::ENGINES.into(),
    };
    if contestants
        .iter()
        .any(|one| one.sanitizer() == Sanitizer::Address)
    {
        libfuzzer::require_nightly()?;
    }
    for &one in &contestants {
        ensure!(
            targets.iter().any(|target| one.takes_part(target)),
            "{one} runs on targets with compare tracing only, and none of these has it"
        );
    }
    let starts = asked.from.unwrap_or(From::Seeds).starts();
    folder.forget_kept()?;
    if starts.contains(&Start::Nothing) {
        write(&folder.inputs("", Start::Nothing).join("one-byte"), NOTHING)?;
    }
    for target in targets {
        let seeds = files_in(&project.seeds(&target.name))?;
        ensure!(
            !seeds.is_empty() || !starts.contains(&Start::Seeds),
            "{} has no seeds: they belong in {}",
            target.name,
            project.seeds(&target.name).display()
        );
        for seed in seeds {
            let name = seed.file_name().unwrap_or_default();
            keep(&seed, &folder.inputs(&target.name, Start::Seeds).join(name))?;
        }
        let shipped = zip_of(&project.shipped(), target);
        if shipped.is_file() {
            keep(&shipped, &folder.shipped(&target.name))?;
        }
        if let Some(dictionary) = project.dictionary(target) {
            keep(&dictionary, &folder.dictionary_of(&target.name))?;
        }
    }
    keep(project.worker()?, &folder.worker())?;
    let neutral = progress.step("build for coverage", || {
        build_worker(project.root(), &project.builds("coverage"))
    })?;
    keep(&neutral, &folder.neutral())?;
    for id in order::of(targets.iter().copied(), &starts[..1], &contestants, 1, 0) {
        let (name, contestant) = (&id.target, id.engine);
        for engine in contestant.engines(&contestants) {
            let kept = folder.builds().join(contestant.build(engine));
            if kept.join(name).exists() {
                continue;
            }
            let what = match contestant {
                Contestant::Ensemble => engine.title(),
                alone => alone.title(),
            };
            let what = format!("build {name} for {what}");
            let build = progress.step(&what, || {
                engine.build(project, name, contestant.sanitizer())
            })?;
            keep(&build.binary, &kept.join(name))?;
            if let Some(launcher) = &build.launcher {
                keep(launcher, &kept.join("launcher"))?;
            }
        }
    }
    let time_seconds = asked.time.unwrap_or(TIME).as_secs();
    let cores = asked.cores.map_or_else(cores::count, usize::from);
    let plan = Plan {
        version: plan::VERSION,
        started: humantime::format_rfc3339_seconds(started).to_string(),
        targets: targets.iter().map(|target| target.name.clone()).collect(),
        starts,
        machine: machine::describe(&contestants, cores::count(), cores),
        engines: contestants,
        trials: asked.trials.map_or(1, usize::from),
        judged: project.judged()?,
        time_seconds,
        snapshot_seconds: (time_seconds / 600).clamp(1, 60),
        cores,
        order_seed: asked.seed.unwrap_or_else(|| fastrand::u32(..).into()),
        code: Some(machine::commit(project.root())).filter(|commit| !commit.is_empty()),
        files: folder.kept()?,
    };
    write_json(&folder.plan(), &plan)?;
    Ok(plan)
}

/// Resumes a comparison, with more trials when more are asked for. Refuses when its trials would not be comparable with
/// those that it has: something else is asked for, or the machine or a kept file is another.
fn resume(mut plan: Plan, asked: &Asked, folder: &Folder) -> Result<Plan> {
    let here = machine::describe(&plan.engines, plan.machine.cores, plan.cores);
    let mut differences = plan.differences(asked, &here);
    let kept = folder.kept()?;
    let files: BTreeSet<&String> = plan.files.keys().chain(kept.keys()).collect();
    for file in files {
        if plan.files.get(file) != kept.get(file) {
            let why = "it is not the file with which the comparison was started";
            differences.push(format!("{file}: {why}"));
        }
    }
    if !differences.is_empty() {
        bail!(
            "the comparison in {} cannot be resumed: its trials would not be comparable.\n  {}\nAsk for what it \
             has (--out alone is enough), or name another folder with --out",
            folder.root().display(),
            differences.join("\n  ")
        );
    }
    let trials = asked.trials.map(usize::from);
    if let Some(more) = trials.filter(|&trials| trials > plan.trials) {
        plan.trials = more;
        write_json(&folder.plan(), &plan)?;
    }
    Ok(plan)
}
