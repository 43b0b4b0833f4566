//! `campaign compare`: all engines on the same oracle, from the same seeds, for the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use harness_core::Target;

use super::{FINDS, INTERRUPTED, parse_time};
use crate::corpus::files_in;
use crate::coverage::{NeutralBuild, SourceMap};
use crate::engine::{Engine, session};
use crate::fuzz::Fuzzed;
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::queue::{self, Running};
use crate::replay::build_worker;
use crate::report::measuring::Measuring;
use crate::report::{Comparison, CrateTotals, Reach, VERSION, machine, page, table};

/// Compare the engines: same oracle, same seeds, same profile, same time, one core each.
///
/// Every input that an engine kept is then replayed through one neutral coverage build, without any
/// engine's instrumentation, and the table counts source regions of the code under test. The result
/// is written to a folder of its own: report.json, summary.md, and index.html with the growth of
/// coverage over time and over executions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every engine ran on every target, clean
  1  a result does not count: an engine died, read no seeds or executed nothing, or a check was never
     evaluated; or something could not be built
  2  the command line is wrong
  3  there are finds
130  it was interrupted; the report has what was done until then

Examples:
  cargo campaign compare --time 1m
  cargo campaign compare fuzz_measure_scan --time 10m --engines afl,libfuzzer --jobs 1")]
pub struct Compare {
    /// The targets; all when none is given.
    targets: Vec<String>,
    /// How long each engine runs on each target: 30s, 10m, 1h.
    #[arg(long, default_value = "1m", value_parser = parse_time)]
    time: Duration,
    /// The engines.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// How many engines run at once, each on a core of its own; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
    /// Where to write the result; by default results/compare/ and the time of day.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When a result does not count; see the exit codes in the help. The report is written all the same.
pub fn run(args: &Compare, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let started = SystemTime::now();
    let targets = chosen_targets(&args.targets)?;
    let engines: BTreeSet<Engine> = args.engines.iter().copied().collect();
    let out = output_folder(args.out.as_deref(), project, started)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or(cores, usize::from);

    let seeds = targets
        .iter()
        .map(|target| {
            let seeds = files_in(&project.seeds(target))?;
            if seeds.is_empty() {
                bail!(
                    "{} has no seeds in {}; make some with `cargo campaign seeds`",
                    target.name,
                    project.seeds(target).display()
                );
            }
            Ok((target.name, seeds))
        })
        .collect::<Result<BTreeMap<&'static str, Vec<PathBuf>>>>()?;

    let worker = progress.step("build the replay worker", || build_worker(project))?;
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    let queue = queue::build(
        project,
        &targets,
        engines.iter().copied(),
        &out.join("runs"),
        &progress,
    )?;
    let running = Running {
        project,
        inputs: &seeds,
        worker: &worker,
        time: args.time,
        at_once: jobs,
        progress: &progress,
    };
    running.announce(&queue);
    let mut fuzzed = running.all(&queue)?;

    let mut comparison = Comparison {
        version: VERSION,
        started: humantime::format_rfc3339_seconds(started).to_string(),
        time_seconds: args.time.as_secs(),
        interrupted: session::interrupted(),
        machine: machine::describe(&engines, cores, jobs),
        snapshot_seconds: 1,
        trials: 1,
        order_seed: 0,
        code: map
            .summary_by_crate(&map.all())
            .iter()
            .map(|(name, summary)| CrateTotals {
                name: name.clone(),
                total: Reach::total(summary),
            })
            .collect(),
        targets: Vec::new(),
        across_targets: None,
        notes: Vec::new(),
    };
    for &target in &targets {
        let of_target: Vec<(Engine, Fuzzed)> = engines
            .iter()
            .filter_map(|engine| Some((*engine, fuzzed.remove(&(target.name, *engine))?)))
            .collect();
        let result = progress.step(&format!("coverage of {}", target.name), || {
            Measuring {
                target,
                neutral: &neutral,
                map: &map,
            }
            .result(&seeds[target.name], of_target)
        })?;
        comparison.targets.push(result);
    }
    write_report(&comparison, &out)?;
    conclude(&comparison, &out, &project.command())
}

pub(super) fn chosen_targets(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return super::target_names()
            .into_iter()
            .map(super::target)
            .collect();
    }
    names.iter().map(|name| super::target(name)).collect()
}

/// A new folder for the result: a former result is never written over.
fn output_folder(
    explicit: Option<&Path>,
    project: &Project,
    started: SystemTime,
) -> Result<PathBuf> {
    let out = match explicit {
        Some(folder) => std::path::absolute(folder)?,
        None => {
            let time = humantime::format_rfc3339_seconds(started).to_string();
            project
                .results()
                .join("compare")
                .join(time.replace(':', "-"))
        }
    };
    if out.join("report.json").exists() {
        bail!(
            "{} has a report already; name another folder with --out",
            out.display()
        );
    }
    fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
    Ok(out)
}

fn write_report(comparison: &Comparison, out: &Path) -> Result<()> {
    for (name, text) in [
        ("summary.md", table::markdown(comparison)),
        ("index.html", page::html(comparison)),
        ("report.json", serde_json::to_string_pretty(comparison)?),
    ] {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// Prints the result, and decides what the whole is worth.
fn conclude(comparison: &Comparison, out: &Path, command: &str) -> Result<ExitCode> {
    outln!("{}", table::markdown(comparison));
    let mut failures = Vec::new();
    let mut has_finds = false;
    for target in &comparison.targets {
        for engine in &target.engines {
            for group in &engine.finds {
                has_finds = true;
                outln!(
                    "FIND {} ({}, {}): {} inputs; reproduce: {command} replay {}",
                    group.check,
                    target.target,
                    engine.title,
                    group.inputs,
                    group.example
                );
            }
            if let Some(failure) = engine.failure() {
                failures.push(format!("{}: {failure}", target.target));
            }
        }
        if !target.never_evaluated.is_empty() && !comparison.interrupted {
            failures.push(format!(
                "{}: checks never evaluated: {}",
                target.target,
                target.never_evaluated.join(", ")
            ));
        }
    }
    outln!("page: {}", from_here(&out.join("index.html")).display());
    if has_finds {
        for failure in failures {
            eprintln!("{failure}");
        }
        return Ok(ExitCode::from(FINDS));
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    if comparison.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}
