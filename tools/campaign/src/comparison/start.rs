//! How a comparison is started, and how it is resumed.

use crate::comparison::machine;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Result, bail};
use worker::TargetInfo;

use super::contestant::{self, Contestant};
use super::folder::{Folder, keep};
use super::plan::{self, Asked, Plan};
use crate::atomic::write_json;
use crate::cores;
use crate::corpus::files_in;
use crate::coverage::NeutralBuild;
use crate::engine::Sanitizer;
use crate::progress::Progress;
use crate::project::Project;

/// The time of a trial when none is asked for, in seconds.
const TIME: u64 = 60;

/// Builds everything, keeps it in the folder, and writes the plan.
///
/// # Errors
/// When a target has no seeds, or something cannot be built or written.
pub fn start(
    asked: &Asked,
    targets: &[&TargetInfo],
    project: &Project,
    folder: &Folder,
    progress: &Progress,
) -> Result<Plan> {
    let started = SystemTime::now();
    let contestants = asked.engines.clone();
    let contestants = contestants.unwrap_or_else(|| Contestant::ENGINES.to_vec());
    let engines = contestant::engines(&contestants);
    folder.forget_kept()?;
    for target in targets {
        let seeds = files_in(&project.seeds(&target.name))?;
        if seeds.is_empty() {
            bail!(
                "{} has no seeds: they belong in {}",
                target.name,
                project.seeds(&target.name).display()
            );
        }
        for seed in seeds {
            let name = seed.file_name().unwrap_or_default();
            keep(&seed, &folder.seeds(&target.name).join(name))?;
        }
        if let Some(dictionary) = project.dictionary(target) {
            keep(&dictionary, &folder.dictionaries().join(&target.name))?;
        }
    }
    keep(project.worker()?, &folder.worker())?;
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    keep(&neutral, &folder.neutral())?;
    for target in targets {
        for &engine in &engines {
            let what = format!("build {} for {}", target.name, engine.title());
            let build = progress.step(&what, || {
                engine.build(project, &target.name, Sanitizer::None)
            })?;
            folder.keep_build(engine, &target.name, &build)?;
        }
    }
    let time_seconds = asked.time_seconds.unwrap_or(TIME);
    let cores = asked.cores.unwrap_or_else(cores::count);
    let by_clock = started
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| u64::from(time.subsec_nanos()) ^ time.as_secs());
    let plan = Plan {
        version: plan::VERSION,
        started: humantime::format_rfc3339_seconds(started).to_string(),
        targets: targets.iter().map(|target| target.name.clone()).collect(),
        engines: contestants,
        trials: asked.trials.unwrap_or(1),
        time_seconds,
        snapshot_seconds: asked
            .snapshot_seconds
            .unwrap_or((time_seconds / 600).clamp(1, 60)),
        cores,
        order_seed: asked.order_seed.unwrap_or(by_clock),
        machine: machine::describe(&engines, cores::count(), cores),
        code: commit(project),
        files: folder.kept()?,
    };
    write_json(&folder.plan(), &plan)?;
    Ok(plan)
}

/// Resumes a comparison, with more trials when more are asked for.
///
/// # Errors
/// When its trials would not be comparable with those that it has: something else is asked for, or the machine
/// or a kept file is another.
pub fn resume(mut plan: Plan, asked: &Asked, folder: &Folder) -> Result<Plan> {
    let engines = contestant::engines(&plan.engines);
    let here = machine::describe(&engines, plan.machine.cores, plan.cores);
    let mut differences = plan.differences(asked, &here);
    let kept = folder.kept()?;
    let mut files: Vec<&String> = plan.files.keys().chain(kept.keys()).collect();
    files.sort();
    files.dedup();
    files.retain(|file| plan.files.get(*file) != kept.get(*file));
    differences.extend(
        files.iter().map(|file| {
            format!("{file}: it is not the file with which the comparison was started")
        }),
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
