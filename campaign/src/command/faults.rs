//! `campaign faults`: how strong the oracle is, by faults that are planted in a copy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::{INTERRUPTED, parse_time};
use crate::comparison::machine;
use crate::engine::{Engine, session};
use crate::faults::copy::{Copy, Sources};
use crate::faults::inputs::Inputs;
use crate::faults::patch::{self, Fault};
use crate::faults::report::{FaultResult, MEASURES, Report, markdown};
use crate::faults::trial::{Bench, Trials, replay};
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, build_worker};

/// The exit code that says that a fault escaped the corpora.
const ESCAPED: u8 = 3;

/// Plant each fault of faults/ in a copy, and see what notices: the strength of the oracle.
///
/// This is no ranking of engines: the faults are no sample of real ones. For each fault the shipped
/// corpora are replayed, once with all checks and once with the invariants alone; then each engine
/// fuzzes from the seeds, on one core, until a find that fails in a replay too. Seeds that the fault
/// makes fail are kept from the engine: the time is that of an input of its own making.
///
/// Faults in the calculators are hunted on fuzz_measure_calc, all others on fuzz_measure_image and then
/// on fuzz_measure_scan; the time is for all targets of a fault together, in equal parts.
///
/// The project itself is not changed. The copies, a core each, stay in target/campaign/faults with their
/// builds; results stay in the output's folder and are reused while the patch, the sources and the
/// inputs are the same, so a run that was interrupted goes on where it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the shipped corpora catch every fault
  1  something could not be done: a patch does not apply, a build fails, an engine
     died, or the corpora fail without any fault
  2  the command line is wrong
  3  a fault escaped the shipped corpora
130  it was interrupted; what was done is kept

Examples:
  cargo campaign faults --corpus-only
  cargo campaign faults --time 5m --cores 1 --json faults.json
  cargo campaign faults --engine libfuzzer --fault vhdx-header-tie-accepted --time 30s
  cargo campaign faults --corpus-only --corpora results/corpus")]
pub struct Faults {
    /// An engine that hunts; all when none is given. May be given more than once.
    #[arg(
        long = "engine",
        value_enum,
        value_name = "E",
        conflicts_with = "corpus_only"
    )]
    engines: Vec<Engine>,
    /// A fault, by the name of its patch; all when none is given. May be given more than once.
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<String>,
    /// How long an engine has for a fault: 30s, 5m.
    #[arg(long, default_value = "5m", value_parser = parse_time)]
    time: Duration,
    /// Only replay the corpora: no engine is needed.
    #[arg(long)]
    corpus_only: bool,
    /// How many faults are tried at once, each on a core of its own; by default as many as there are
    /// cores.
    #[arg(long, value_name = "K")]
    cores: Option<std::num::NonZeroUsize>,
    /// Where the corpora are: TARGET_seed_corpus.zip or a folder TARGET for each target. By default the
    /// shipped ones, in corpora/.
    #[arg(long, value_name = "DIR")]
    corpora: Option<PathBuf>,
    /// Also write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where results are kept: report.json, table.md, finds, and a file for each fault. By default
    /// results/faults.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When something could not be done; see the exit codes in the help.
pub fn run(args: &Faults, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let faults = chosen(&args.faults, patch::all(&project.root().join("faults"))?)?;
    let engines: BTreeSet<Engine> = match (args.corpus_only, args.engines.as_slice()) {
        (true, _) => BTreeSet::new(),
        (false, []) => Engine::ALL.into(),
        (false, named) => named.iter().copied().collect(),
    };
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.results().join("faults"),
    };
    let copies = project.builds("faults");
    let _lock = project.lock(&copies)?;
    let _claim = project.claim(&out)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = args.cores.map_or(cores, usize::from).min(faults.len());

    let sources = Sources::read(project.root())?;
    let folder = match &args.corpora {
        Some(folder) => folder.clone(),
        None => project.root().join("corpora"),
    };
    let trials = Trials {
        project,
        sources_digest: sources.digest(),
        sources: &sources,
        corpora: Inputs::corpora(&folder, &copies.join("inputs"))?,
        seeds: Inputs::seeds(project)?,
        engines: engines.iter().copied().collect(),
        time: args.time,
        out,
        progress: progress.clone(),
    };
    let benches = (0..at_once)
        .map(|core| {
            Ok(Bench {
                core,
                copy: Copy::of(&sources, &copies.join(format!("core-{core}")))?,
            })
        })
        .collect::<Result<Vec<Bench>>>()?;
    let complete = faults
        .iter()
        .filter(|fault| trials.is_complete(&trials.known(fault)))
        .count();
    if complete < faults.len() {
        sound_without_fault(&trials, &benches[0], &progress)?;
    }
    progress.say(&format!(
        "{} faults, {complete} of them known from before; {at_once} at once; {} inputs in the corpora",
        faults.len(),
        trials.corpora.count()
    ));
    let mut results = try_all(&trials, &faults, &benches, &progress)?;
    results.sort_by(|a, b| a.fault.cmp(&b.fault));

    let report = Report {
        measures: MEASURES.to_owned(),
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: machine::describe(&engines, cores, at_once),
        corpus_inputs: trials
            .corpora
            .iter()
            .map(|(target, files)| (target.to_owned(), files.len()))
            .collect(),
        time_seconds: args.time.as_secs(),
        engines: trials.engines.clone(),
        faults: results,
    };
    write_report(&report, &trials.out, args.json.as_deref())?;
    conclude(&report, &trials.out, faults.len())
}

fn chosen(names: &[String], all: Vec<Fault>) -> Result<Vec<Fault>> {
    if names.is_empty() {
        return Ok(all);
    }
    for name in names {
        if !all.iter().any(|fault| fault.name == *name) {
            let known: Vec<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
            bail!(
                "no fault is called {name:?}; there are {}",
                known.join(", ")
            );
        }
    }
    Ok(all
        .into_iter()
        .filter(|fault| names.contains(&fault.name))
        .collect())
}

/// Holds that no corpus and no seed fails as the sources are: else a fault would be caught by anything.
fn sound_without_fault(trials: &Trials<'_>, bench: &Bench, progress: &Progress) -> Result<()> {
    let worker = progress.step("build the replay worker in a copy", || {
        build_worker(&bench.copy.project()?)
    })?;
    for (what, inputs) in [("corpora", &trials.corpora), ("seeds", &trials.seeds)] {
        let replayed = progress.step(&format!("replay the {what} without any fault"), || {
            replay(inputs, &mut Replayer::new(worker.clone()))
        })?;
        if let Some(caught) = replayed.caught.first() {
            bail!(
                "the {what} fail without any fault: {} fails {} on {}",
                caught.input,
                replayed.checks().join(", "),
                caught.target
            );
        }
    }
    Ok(())
}

/// Tries every fault, one on each bench at a time.
fn try_all(
    trials: &Trials<'_>,
    faults: &[Fault],
    benches: &[Bench],
    progress: &Progress,
) -> Result<Vec<FaultResult>> {
    let waiting = Mutex::new(faults.iter());
    let next = || waiting.lock().ok()?.next();
    let (mut left, mut tried) = (faults.len(), 0_u32);
    let started = Instant::now();
    let mut results = Vec::new();
    let (sender, finished) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for bench in benches {
            let sender = sender.clone();
            scope.spawn(move || {
                // Builds too: so that an engine on another core is not held up by them.
                let mut cores = CpuSet::new();
                cores.set(bench.core);
                // A system that does not pin still runs; what was asked for is one core.
                let _ = sched_setaffinity(None, &cores);
                while let Some(fault) = next().filter(|_| !session::interrupted()) {
                    let known = trials.is_complete(&trials.known(fault));
                    if sender.send((known, trials.run(fault, bench))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (known, result) in finished {
            let result = result?;
            left -= 1;
            tried += u32::from(!known);
            if !known {
                let each = started.elapsed() / tried;
                let minutes = (each * u32::try_from(left).unwrap_or(u32::MAX)).as_secs() / 60;
                progress.say(&format!(
                    "{} of {}, about {minutes} min left: {}: {}",
                    faults.len() - left,
                    faults.len(),
                    result.fault,
                    in_words(&result)
                ));
            }
            results.push(result);
        }
        Ok(results)
    })
}

/// What came of a fault, on a line.
fn in_words(result: &FaultResult) -> String {
    if let Some(failure) = &result.failure {
        return failure.clone();
    }
    let mut words = match &result.corpora {
        Some(corpora) if !corpora.caught.is_empty() => {
            format!("caught by {}", corpora.checks().join(", "))
        }
        Some(_) => "escaped the corpora".to_owned(),
        None => "not replayed".to_owned(),
    };
    for (engine, hunt) in &result.engines {
        words += &match (&hunt.find, &hunt.failure) {
            (Some(find), _) => format!(
                "; {} in {} ms by {}",
                engine.title(),
                hunt.time_ms,
                find.check
            ),
            (None, Some(_)) => format!("; {} failed", engine.title()),
            (None, None) if hunt.every_seed_fails() => {
                format!("; {} has no seed that passes", engine.title())
            }
            (None, None) => format!("; {} not in {} ms", engine.title(), hunt.time_ms),
        };
    }
    words
}

fn write_report(report: &Report, out: &Path, json: Option<&Path>) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let text = serde_json::to_string_pretty(report)?;
    let mut files = vec![
        (out.join("table.md"), markdown(report)),
        (out.join("report.json"), text.clone()),
    ];
    files.extend(json.map(|path| (path.to_owned(), text)));
    for (path, text) in files {
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// Prints the table, and decides what the whole is worth.
fn conclude(report: &Report, out: &Path, asked_for: usize) -> Result<ExitCode> {
    outln!("{}", markdown(report));
    outln!("results: {}", from_here(out).display());
    let mut failures: Vec<String> = Vec::new();
    let mut escaped = Vec::new();
    for fault in &report.faults {
        failures.extend(
            fault
                .failure
                .iter()
                .map(|why| format!("{}: {why}", fault.fault)),
        );
        for engine in &report.engines {
            let failed = fault
                .engines
                .get(engine)
                .and_then(|hunt| hunt.failure.as_ref());
            failures.extend(failed.map(|why| format!("{}: {why}", fault.fault)));
        }
        if fault.failure.is_none() && fault.corpora.is_some() && !fault.caught_by_corpora() {
            escaped.push(fault);
        }
    }
    for fault in &escaped {
        outln!("ESCAPED {}: {}", fault.fault, fault.sentence);
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    if report.faults.len() < asked_for || session::interrupted() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(if escaped.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ESCAPED)
    })
}
