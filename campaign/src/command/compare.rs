//! `campaign compare`: all engines on the same oracle, from the same seeds, for the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use harness_core::Target;

use super::{FINDS, INTERRUPTED, parse_time};
use crate::corpus::files_in;
use crate::coverage::{Input, NeutralBuild, RegionSet, Replay, Replayed, SourceMap};
use crate::engine::{Build, Engine, Sanitizer, session};
use crate::fuzz::{self, Find, Fuzzed, Plan};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, TIME_OUT, build_worker};
use crate::report::{
    Comparison, EngineResult, FindGroup, GrowthPoint, Machine, SeedsResult, TargetResult, VERSION,
    page, table,
};

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
    /// Where to write the result; by default work/compare/ and the time of day.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// One engine on one target.
struct Job {
    target: &'static Target,
    engine: Engine,
    build: Build,
    folder: PathBuf,
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
        .collect::<Result<BTreeMap<&str, Vec<PathBuf>>>>()?;

    let worker = progress.step("build the replay worker", || build_worker(project))?;
    let neutral = progress.step("build for coverage", || {
        NeutralBuild {
            manifest: project.root().join("Cargo.toml"),
            binary: "replay_worker".to_owned(),
            target_dir: project.builds("coverage"),
        }
        .build()
    })?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    let mut queue = Vec::new();
    for &target in &targets {
        for &engine in &engines {
            let what = format!("build {} for {}", target.name, engine.title());
            queue.push(Job {
                target,
                engine,
                build: progress.step(&what, || {
                    engine.build(project, target.name, Sanitizer::None)
                })?,
                folder: out.join("runs").join(target.name).join(engine.name()),
            });
        }
    }
    progress.say(&format!(
        "{} runs of {} s, {jobs} at once: about {} s",
        queue.len(),
        args.time.as_secs(),
        queue.len().div_ceil(jobs) as u64 * (args.time.as_secs() + 2),
    ));
    let mut fuzzed = fuzz_all(args, project, &queue, jobs, &seeds, &worker, &progress)?;

    let mut comparison = Comparison {
        version: VERSION,
        started: humantime::format_rfc3339_seconds(started).to_string(),
        time_seconds: args.time.as_secs(),
        interrupted: session::interrupted(),
        machine: machine(&engines, cores, jobs),
        targets: Vec::new(),
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

fn chosen_targets(names: &[String]) -> Result<Vec<&'static Target>> {
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
            project.work().join("compare").join(time.replace(':', "-"))
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

/// Runs all jobs, `jobs` at once, each on a core of its own.
fn fuzz_all(
    args: &Compare,
    project: &Project,
    queue: &[Job],
    jobs: usize,
    seeds: &BTreeMap<&str, Vec<PathBuf>>,
    worker: &Path,
    progress: &Progress,
) -> Result<BTreeMap<(&'static str, Engine), Fuzzed>> {
    let waiting = Mutex::new(queue.iter());
    let next = || waiting.lock().ok()?.next();
    let results: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs)
            .map(|core| {
                scope.spawn(move || {
                    let mut done = Vec::new();
                    while let Some(job) = next().filter(|_| !session::interrupted()) {
                        let mut line = progress.session(job.engine, job.target.name, args.time);
                        let plan = Plan {
                            project,
                            target: job.target,
                            engine: job.engine,
                            build: &job.build,
                            inputs: &seeds[job.target.name],
                            folder: job.folder.clone(),
                            finds: job.folder.with_extension("finds"),
                            time: args.time,
                            core: Some(core),
                        };
                        let mut replayer = Replayer::new(worker.to_owned());
                        let fuzzed =
                            fuzz::run(&plan, &mut replayer, &mut |time, status, finds| {
                                line.show(time, status, finds);
                            })?;
                        line.done();
                        done.push(((job.target.name, job.engine), fuzzed));
                    }
                    Ok(done)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut all = BTreeMap::new();
    for result in results {
        all.extend(result?);
    }
    Ok(all)
}

/// What it takes to measure a target's runs.
struct Measuring<'a> {
    target: &'static Target,
    neutral: &'a Path,
    map: &'a SourceMap,
}

impl Measuring<'_> {
    fn replay(&self, inputs: &[Input]) -> Result<Replayed> {
        Replay {
            binary: self.neutral,
            map: self.map,
            target: self.target.name,
            timeout: TIME_OUT,
        }
        .grow(inputs)
    }

    fn result(&self, seeds: &[PathBuf], runs: Vec<(Engine, Fuzzed)>) -> Result<TargetResult> {
        let seeds: Vec<Input> = seeds
            .iter()
            .map(|path| Input {
                path: path.clone(),
                time_ms: 0,
                executions: 0,
            })
            .collect();
        let of_seeds = self.replay(&seeds)?;
        let mut evaluations = BTreeMap::new();
        let mut measured = Vec::new();
        for (engine, fuzzed) in runs {
            let inputs = inputs_of(&fuzzed);
            for (check, count) in &fuzzed.evaluations {
                *evaluations.entry(check.clone()).or_insert(0) += count;
            }
            // An engine that does not keep the seeds themselves ran them all the same: without them its
            // growth would begin and end below what it reached.
            let with_seeds: Vec<Input> = seeds.iter().cloned().chain(inputs).collect();
            let replayed = self.replay(&with_seeds)?;
            measured.push((engine, fuzzed, replayed));
        }
        let union = RegionSet::union(measured.iter().map(|(_, _, replayed)| &replayed.covered));
        let engines = measured
            .iter()
            .map(|(engine, fuzzed, replayed)| {
                let others = RegionSet::union(
                    measured
                        .iter()
                        .filter(|(other, _, _)| other != engine)
                        .map(|(_, _, replayed)| &replayed.covered),
                );
                engine_result(
                    *engine,
                    fuzzed,
                    replayed,
                    &replayed.covered.difference(&others),
                )
            })
            .collect();
        Ok(TargetResult {
            target: self.target.name.to_owned(),
            drives: self.target.drives.to_owned(),
            max_input: self.target.max_input,
            regions_total: self.map.all().len(),
            regions_union: union.len(),
            seeds: SeedsResult {
                inputs: seeds.len(),
                regions: of_seeds.covered.len(),
            },
            engines,
            never_evaluated: fuzz::never_evaluated(self.target, &evaluations)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }
}

fn inputs_of(fuzzed: &Fuzzed) -> Vec<Input> {
    let Some(session) = &fuzzed.session else {
        return Vec::new();
    };
    let mut inputs: Vec<Input> = session
        .kept
        .iter()
        .map(|kept| Input {
            path: kept.path.clone(),
            time_ms: millis(kept.time),
            executions: kept
                .executions
                .unwrap_or_else(|| session.executions_at(kept.time)),
        })
        .collect();
    inputs.sort_by_key(|input| (input.time_ms, input.executions));
    inputs
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn engine_result(
    engine: Engine,
    fuzzed: &Fuzzed,
    replayed: &Replayed,
    only_here: &RegionSet,
) -> EngineResult {
    let session = fuzzed.session.as_ref();
    EngineResult {
        engine: engine.name().to_owned(),
        title: engine.title().to_owned(),
        command: session.map_or_else(String::new, |session| session.command.clone()),
        seconds: session.map_or(0.0, |session| session.elapsed.as_secs_f64()),
        seeds_read: session.map_or(0, |session| session.seeds_read),
        executions: session.map_or(0, |session| session.status.executions),
        executions_per_second: session.map_or(0.0, session::Session::executions_per_second),
        corpus: session.map_or(0, |session| session.kept.len()),
        regions: replayed.covered.len(),
        regions_only_here: only_here.len(),
        only_here: only_here
            .iter()
            .map(|region| {
                format!(
                    "{}:{}:{}",
                    region.file, region.start_line, region.start_column
                )
            })
            .collect(),
        stability: session
            .and_then(|session| session.status.stability)
            .map(|percent| f64::from(percent.0) / 100.0),
        finds: groups(&fuzzed.finds),
        growth: replayed
            .growth
            .points
            .iter()
            .map(|point| GrowthPoint {
                time_ms: point.time_ms,
                executions: point.executions,
                regions: point.regions,
            })
            .collect(),
        failure: match session {
            Some(session) => session.failure.clone(),
            None => Some("every seed fails: see the finds".to_owned()),
        },
    }
}

fn groups(finds: &[Find]) -> Vec<FindGroup> {
    let mut groups: BTreeMap<&str, Vec<&Find>> = BTreeMap::new();
    for find in finds {
        groups.entry(&find.check).or_default().push(find);
    }
    groups
        .into_iter()
        .map(|(check, finds)| FindGroup {
            check: check.to_owned(),
            inputs: finds.len(),
            example: finds
                .iter()
                .min_by_key(|find| find.path.metadata().map_or(u64::MAX, |file| file.len()))
                .map_or_else(String::new, |find| {
                    super::from_here(&find.path).display().to_string()
                }),
        })
        .collect()
}

fn machine(engines: &BTreeSet<Engine>, cores: usize, jobs: usize) -> Machine {
    let first_line = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        Some(
            String::from_utf8_lossy(&text)
                .lines()
                .next()?
                .trim()
                .to_owned(),
        )
    };
    let mut tools = vec![(
        "rustc".to_owned(),
        first_line(Command::new("rustc").arg("--version")).unwrap_or_default(),
    )];
    for engine in engines {
        let (package, version) = engine.front_end();
        tools.push((engine.title().to_owned(), format!("{package} {version}")));
    }
    Machine {
        processor: fs::read_to_string("/proc/cpuinfo")
            .unwrap_or_default()
            .lines()
            .find_map(|line| {
                Some(
                    line.strip_prefix("model name")?
                        .split_once(": ")?
                        .1
                        .to_owned(),
                )
            })
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores,
        jobs,
        system: first_line(Command::new("uname").args(["-s", "-r", "-m"])).unwrap_or_default(),
        tools,
    }
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
            if let Some(failure) = &engine.failure {
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
    outln!(
        "page: {}",
        super::from_here(&out.join("index.html")).display()
    );
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
