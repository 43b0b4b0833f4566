//! `lab faults`: how strong the oracle is, by faults that are planted in a copy.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use campaign::atomic;
use campaign::comparison::contestant::Contestant;
use campaign::comparison::folder::Folder;
use campaign::comparison::hunts;
use campaign::comparison::machine;
use campaign::comparison::plan::Plan;
use campaign::cores;
use campaign::engine::{Engine, Sanitizer, session};
use campaign::progress::Progress;
use campaign::project::Project;
use campaign::schedule::{HumanDuration, Queue};
use campaign::supervisor::Claim;
use cli::output::from_here;
use cli::{FINDS, INTERRUPTED, outln, parse_time};
use report::Start;

use crate::faults::FOLDER;
use crate::faults::patch::{self, Fault};
use crate::faults::report::{FaultResult, MEASURES, markdown};
use crate::faults::trial::{FaultPlan, Trials};
use crate::sources::Copy;

/// Plant each fault of tools/lab/faults/ in a copy, and see what notices
///
/// This shows how strong the oracle is. It ranks no engine: the faults are no sample of real ones. For
/// each fault the shipped corpora are replayed, once with all checks and once with the invariants alone.
/// Then each engine fuzzes from the seeds, on one core, until a find that fails in a replay too. Seeds
/// that the fault makes fail are kept from the engine: the time is that of an input of its own making.
///
/// A fault is hunted on the targets of the checks that should fire; what is scanned on fuzz_measure_image and then
/// on fuzz_measure_scan. The time is for all targets of a fault together, in equal parts.
///
/// The project itself is not changed. The copies, one a core, stay in target/campaign/faults with their
/// builds. Results are reused while the patch, the sources and the inputs are the same, so a run that was
/// interrupted resumes where it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --into:
  The engines of a comparison hunt each fault as often as it has trials, each fault on the first of the comparison's
  targets that drives it. The comparison's folder keeps the hunts. When the report is made again (cargo campaign
  compare --out DIR), it shows how soon each fault was caught. A sanitizer does not hunt: no fault is a memory error.

Exit codes:
  0  the shipped corpora catch every fault
  1  something could not be done: a patch does not apply, a build fails, an engine
     died, or the corpora fail without any fault
  2  the command line is wrong
  3  a fault escaped the shipped corpora
130  it was interrupted; what was done is kept

Examples:
  cargo lab faults --corpus-only
  cargo lab faults --time 5m --cores 1
  cargo lab faults --engine libfuzzer --fault vhdx-header-tie-accepted --time 30s --trials 5
  cargo lab faults --corpus-only --corpora results/corpus
  cargo lab faults --subset evaluation --into results/compare/october")]
pub(super) struct Faults {
    /// An engine that hunts; all when none is given. May be given more than once
    #[arg(
        long = "engine",
        value_enum,
        value_name = "E",
        conflicts_with = "corpus_only"
    )]
    engines: Vec<Engine>,
    /// A fault, by the name of its patch; all when none is given. May be given more than once
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<String>,
    /// The faults that tools/lab/faults/NAME.txt lists: `evaluation` has those whose times to a find can be compared
    #[arg(long, value_name = "NAME", conflicts_with = "faults")]
    subset: Option<String>,
    /// How long an engine has for a fault: 30s, 5m [default: 5m; with --into, as long as a trial of the comparison]
    #[arg(long, value_parser = parse_time)]
    time: Option<Duration>,
    /// How often each engine hunts each fault
    #[arg(long, value_name = "N", default_value = "1")]
    trials: NonZeroUsize,
    /// Only replay the corpora: no engine is needed
    #[arg(long)]
    corpus_only: bool,
    /// How many faults are tried at once, each on a core of its own; by default as many as there are cores
    #[arg(long, value_name = "K")]
    cores: Option<NonZeroUsize>,
    /// Where the corpora are: for each target a zip or a folder that has its name; by default the shipped ones, in
    /// corpus/shipped/
    #[arg(long, value_name = "DIR")]
    corpora: Option<PathBuf>,
    /// Where results are kept: report.json, table.md, finds, and files for each fault; by default
    /// results/faults
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Add hunts to the comparison in this folder, by its engines and trials; no corpora are replayed
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["engines", "trials", "corpus_only", "corpora", "out"]
    )]
    into: Option<PathBuf>,
}

pub(super) fn run(args: &Faults, project: &Project) -> Result<ExitCode> {
    session::stop_on_ctrl_c()?;
    let folder = project.root().join(FOLDER);
    let names = match &args.subset {
        Some(name) => patch::subset(&folder, name)?,
        None => args.faults.clone(),
    };
    let faults = chosen(&names, patch::all(&folder)?)?;
    let cores = args.cores.map(NonZeroUsize::get);
    let Some(comparison) = &args.into else {
        let plan = plan_of_arguments(args, faults, project)?;
        let _claim = project.claim(&plan.out)?;
        let at_once = cores.unwrap_or_else(cores::count);
        return find_out(&plan, at_once, project);
    };
    let none = || {
        let comparison = comparison.display();
        format!("{comparison} is no comparison: cargo campaign compare --out makes one")
    };
    ensure!(comparison.join("plan.json").is_file(), none());
    let folder = Folder::open(comparison)?;
    let _claim = Claim::take(folder.root(), &folder.lock())?;
    let compared = Plan::read(&folder.plan())?.with_context(none)?;
    ensure!(
        compared.starts.contains(&Start::Seeds),
        "hunts start from the seeds, and no trial of this comparison does"
    );
    let at_once = cores.unwrap_or(compared.cores);
    let plan = plan_of_comparison(args, faults, compared, &folder)?;
    let ended = find_out(&plan, at_once, project)?;
    outln!(
        "the page with them: {} compare --out {}",
        project.command(),
        from_here(comparison).display()
    );
    Ok(ended)
}

fn plan_of_arguments(args: &Faults, faults: Vec<Fault>, project: &Project) -> Result<FaultPlan> {
    let contestants = match (args.corpus_only, &args.engines[..]) {
        (true, _) => Vec::new(),
        (false, []) => Contestant::ENGINES.to_vec(),
        (false, named) => {
            let named = named.iter().copied().map(Contestant::Alone);
            Vec::from_iter(BTreeSet::from_iter(named))
        }
    };
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.results().join("faults"),
    };
    let corpora = args.corpora.clone();
    Ok(FaultPlan {
        faults,
        contestants,
        count: args.trials.get(),
        order_seed: 0,
        time: args.time.unwrap_or(Duration::from_secs(5 * 60)),
        corpora: Some(corpora.unwrap_or_else(|| project.shipped())),
        out,
    })
}

fn plan_of_comparison(
    args: &Faults,
    faults: Vec<Fault>,
    mut compared: Plan,
    folder: &Folder,
) -> Result<FaultPlan> {
    let faults = faults.into_iter();
    let driven = faults.map(|fault| fault.on_first_of(&compared.targets));
    // Faults that were named must all be driven.
    let faults: Vec<Fault> = match args.faults.is_empty() {
        true => driven.filter_map(Result::ok).collect(),
        false => driven.collect::<Result<_>>()?,
    };
    let engines = &mut compared.engines;
    engines.retain(|one| one.sanitizer() == Sanitizer::None);
    ensure!(
        !faults.is_empty() && !compared.engines.is_empty(),
        "no fault is driven by the comparison's targets, or no engine is left without a sanitizer"
    );
    Ok(FaultPlan {
        faults,
        time: args.time.unwrap_or(compared.time()),
        contestants: compared.engines,
        count: compared.trials,
        order_seed: compared.order_seed,
        corpora: None,
        out: hunts::folder(folder),
    })
}

/// The faults of these names; all when there is none.
fn chosen(names: &[String], mut all: Vec<Fault>) -> Result<Vec<Fault>> {
    let known: Vec<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
    for name in names {
        ensure!(
            known.contains(&name.as_str()),
            "no fault is called {name:?}; there are {}",
            known.join(", ")
        );
    }
    all.retain(|fault| names.is_empty() || names.contains(&fault.name));
    Ok(all)
}

/// Tries every fault, writes the report, and decides what the whole is worth.
fn find_out(plan: &FaultPlan, at_once: usize, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    let copies = project.builds("faults");
    let _lock = project.lock(&copies)?;
    let trials = Trials::new(plan, project, &copies.join("inputs"), progress.clone())?;
    let faults = try_all(&trials, plan, &copies, at_once, &progress)?;
    let table = markdown(&faults, &plan.contestants, plan.time);
    let report = serde_json::json!({
        "measures": MEASURES,
        "made": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "machine": machine::describe(&plan.contestants, cores::count(), at_once),
        "time_seconds": plan.time.as_secs(),
        "trials": plan.count,
        "engines": plan.contestants,
        "faults": faults,
    });
    atomic::write(&plan.out.join("table.md"), table.as_bytes())?;
    atomic::write_json(&plan.out.join("report.json"), &report)?;
    outln!("{table}");
    outln!("results: {}", from_here(&plan.out).display());
    conclude(&faults, plan.faults.len())
}

/// Tries every fault, one on each core at a time. Returns the results by name; faults that were not begun
/// before Ctrl-C have none.
fn try_all(
    trials: &Trials<'_>,
    plan: &FaultPlan,
    copies: &Path,
    at_once: usize,
    progress: &Progress,
) -> Result<Vec<FaultResult>> {
    let (mut results, mut open) = (Vec::new(), Vec::new());
    for fault in &plan.faults {
        let known = trials.known(fault)?;
        if trials.is_complete(fault, &known)? {
            results.push(known);
        } else {
            open.push(fault);
        }
    }
    progress.say(&format!(
        "{} faults, {} of them known from before; {at_once} at once",
        plan.faults.len(),
        results.len(),
    ));
    if open.is_empty() {
        return Ok(results);
    }
    let places = cores::of_each(at_once.min(open.len()));
    let copies = (0..places.len())
        .map(|nth| Copy::of(&trials.sources, &copies.join(format!("core-{nth}"))))
        .collect::<Result<Vec<Copy>>>()?;
    trials.check_sound(&copies[0])?;
    let (found, _) = Queue::new(open, &places).run(|queue, fault, place| {
        let since = Instant::now();
        // Builds too are on the core, so that they do not slow down an engine on another one.
        let result = cores::on(place.core, || {
            trials.run(fault, &copies[place.nth], place.core.unwrap_or(place.nth))
        });
        if let Ok(result) = &result {
            let left = queue.left(since.elapsed()).filter(|left| !left.is_zero());
            let left = left.map_or_else(String::new, |left| {
                format!("about {} left: ", HumanDuration(left))
            });
            progress.say(&format!("{left}{}: {}", result.fault, result.summary()));
        }
        result
    });
    for result in found {
        results.push(result?);
    }
    results.sort_by(|a, b| a.fault.cmp(&b.fault));
    Ok(results)
}

/// Decides what the whole is worth.
fn conclude(faults: &[FaultResult], asked_for: usize) -> Result<ExitCode> {
    let mut failures: Vec<String> = Vec::new();
    let mut is_escaped = false;
    for fault in faults {
        let hunts = fault.engines.values().flatten();
        let of_hunts = hunts.filter_map(|hunt| hunt.failure.as_ref());
        let all = fault.failure.iter().chain(of_hunts);
        failures.extend(all.map(|why| format!("{}: {why}", fault.fault)));
        if fault.escaped() {
            outln!("ESCAPED {}: {}", fault.fault, fault.sentence);
            is_escaped = true;
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    if faults.len() < asked_for || session::interrupted() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::from(if is_escaped { FINDS } else { 0 }))
}
