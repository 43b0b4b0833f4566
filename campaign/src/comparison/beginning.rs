//! How a comparison begins, and how it is taken up again.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Result, bail};
use harness_core::Target;

use super::folder::{Folder, write_json};
use super::plan::{self, Asked, Plan};
use crate::comparison::machine;
use crate::corpus::files_in;
use crate::coverage::NeutralBuild;
use crate::engine::{Engine, Sanitizer};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::build_worker;

/// The time of a trial when none is said, in seconds.
const TIME: u64 = 60;

/// Builds everything, keeps it in the folder, and writes the plan.
///
/// # Errors
/// When a target has no seeds, or something cannot be built or written.
pub fn begin(
    asked: &Asked,
    targets: &[&'static Target],
    project: &Project,
    folder: &Folder,
    progress: &Progress,
) -> Result<Plan> {
    let started = SystemTime::now();
    let engines: BTreeSet<Engine> = match &asked.engines {
        Some(engines) => engines.iter().copied().collect(),
        None => Engine::ALL.into(),
    };
    folder.forget_kept()?;
    for target in targets {
        let seeds = files_in(&project.seeds(target))?;
        if seeds.is_empty() {
            bail!(
                "{} has no seeds in {}; make some with `cargo campaign seeds`",
                target.name,
                project.seeds(target).display()
            );
        }
        folder.keep_seeds(target.name, &seeds)?;
        if let Some(dictionary) = project.dictionary(target) {
            folder.keep_dictionary(target.name, &dictionary)?;
        }
    }
    let worker = progress.step("build the replay worker", || build_worker(project))?;
    folder.keep_worker(&worker)?;
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    folder.keep_neutral(&neutral)?;
    for target in targets {
        for &engine in &engines {
            let what = format!("build {} for {}", target.name, engine.title());
            let build = progress.step(&what, || {
                engine.build(project, target.name, Sanitizer::None)
            })?;
            folder.keep_build(engine, target.name, &build)?;
        }
    }
    let time_seconds = asked.time_seconds.unwrap_or(TIME);
    let of_machine = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = asked.cores.unwrap_or(of_machine);
    let by_clock = started
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| u64::from(time.subsec_nanos()) ^ time.as_secs());
    let plan = Plan {
        version: plan::VERSION,
        started: humantime::format_rfc3339_seconds(started).to_string(),
        targets: targets
            .iter()
            .map(|target| target.name.to_owned())
            .collect(),
        engines: engines.iter().copied().collect(),
        trials: asked.trials.unwrap_or(1),
        time_seconds,
        snapshot_seconds: asked
            .snapshot_seconds
            .unwrap_or((time_seconds / 600).clamp(1, 60)),
        cores,
        order_seed: asked.order_seed.unwrap_or(by_clock),
        machine: machine::describe(&engines, of_machine, cores),
        code: commit(project),
        files: folder.kept()?,
    };
    write_json(&folder.plan(), &plan)?;
    Ok(plan)
}

/// Takes up a comparison that has begun, with more trials when more are asked for.
///
/// # Errors
/// When its trials would not be comparable with those that it has: something else is asked for, or the machine
/// or a kept file is another.
pub fn go_on(mut plan: Plan, asked: &Asked, folder: &Folder) -> Result<Plan> {
    let engines: BTreeSet<Engine> = plan.engines.iter().copied().collect();
    let here = machine::describe(&engines, plan.machine.cores, plan.cores);
    let mut differences = plan.differences(asked, &here);
    let kept = folder.kept()?;
    let changed = |file: &&String| plan.files.get(*file) != kept.get(*file);
    let files: BTreeSet<&String> = plan.files.keys().chain(kept.keys()).collect();
    differences.extend(
        files
            .iter()
            .filter(|file| changed(file))
            .map(|file| format!("{file}: it is not the file with which the comparison was begun")),
    );
    if !differences.is_empty() {
        bail!(
            "the comparison in {} cannot go on: its trials would not be comparable.\n  {}\nAsk for what it \
             has (--out alone is enough), or name another folder with --out",
            folder.root().display(),
            differences.join("\n  ")
        );
    }
    if let Some(more) = asked.trials.filter(|&trials| trials > plan.trials) {
        plan.trials = more;
        write_json(&folder.plan(), &plan)?;
    }
    Ok(plan)
}

/// The commit of the project, where it has one.
fn commit(project: &Project) -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .current_dir(project.root())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(text).filter(|text| output.status.success() && !text.is_empty())
}
