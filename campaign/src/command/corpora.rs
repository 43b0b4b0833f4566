//! `campaign corpora`: the corpora that are shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness_core::Target;

use super::chosen_targets;
use super::{FINDS, INTERRUPTED, parse_time};
use crate::corpora::candidates::Candidates;
use crate::corpora::features::{self, Traces};
use crate::corpora::minimise::{Candidate, cover};
use crate::corpora::pack::{self, Inputs};
use crate::corpora::zip_of;
use crate::corpus::{Store, files_in};
use crate::coverage::{NeutralBuild, Replay, SourceMap};
use crate::engine::{Engine, session};
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::queue::{self, Running};
use crate::replay::{TIME_OUT, build_worker};
use crate::report::grouped;

/// Make the corpora that are shipped: grow, merge, minimise, pack, verify, swap.
///
/// Takes the seeds, the zips that are there, and what --from names; with --time, every engine grows them
/// first. Of all that, few inputs are kept, small and soon done, that have every feature: a source region
/// with how often it is executed (1, 2, 3, 4-7, 8-15, 16-31, 32-127, more often), a check that is evaluated,
/// a kind of answer. Features are counted on the neutral build, for all engines alike. The zip is read back
/// and replayed before it takes the old one's place, which happens only when nothing was lost. Inputs in
/// corpora/kept/ are in the zip whatever they reach: they tell faults that others with their features do not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every zip is written, and has every feature that any input had
  1  it could not be done; the zips are as they were
  2  the command line is wrong
  3  some inputs fail: they are kept in results/finds, and are in no zip
130  it was interrupted; what was grown is kept in results/corpus, the zips are as they were

Examples:
  cargo campaign corpora                                minimise again what there is
  cargo campaign corpora --time 10m                     grow first, ten minutes an engine and target
  cargo campaign corpora --from results/corpus          take what campaigns have found worth keeping
  cargo campaign corpora --targets fuzz_measure_calc --keep-per-feature 20")]
pub struct Corpora {
    /// Grow first: how long each engine runs on each target. It begins from the seeds and the present zip.
    #[arg(long, value_parser = parse_time)]
    time: Option<Duration>,
    /// The engines that grow: names with commas between them, or `all`.
    #[arg(long, default_value = "all", value_parser = parse_engines)]
    engines: EngineSet,
    /// The targets, with commas between them; all when none is given.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Take inputs from a folder (and all below it), or from a zip; its target must be named in the path.
    #[arg(long, value_name = "DIR|ZIP")]
    from: Vec<PathBuf>,
    /// How many inputs to keep for each feature, where there are as many: different inputs with the same
    /// coverage differ in what they are sensitive to.
    #[arg(long, value_name = "N", default_value = "12")]
    keep_per_feature: NonZeroUsize,
    /// How many engines grow at once, each on a core of its own; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where the zips are, and are written; by default the project's corpora/.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Some engines, each once.
#[derive(Debug, Clone)]
struct EngineSet(BTreeSet<Engine>);

fn parse_engines(text: &str) -> Result<EngineSet, String> {
    if text == "all" {
        return Ok(EngineSet(Engine::ALL.into()));
    }
    let engine = |name| <Engine as clap::ValueEnum>::from_str(name, false);
    text.split(',')
        .map(engine)
        .collect::<Result<_, _>>()
        .map(EngineSet)
        .map_err(|error| {
            let names = Engine::ALL.map(Engine::name).join(", ");
            format!("{error}; there are {names}, and `all`")
        })
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Corpora, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let targets = chosen_targets(&args.targets)?;
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.root().join("corpora"),
    };
    let _lock = project.lock(&project.results().join("corpora"))?;

    let mut candidates = Candidates::default();
    for &target in &targets {
        candidates.add_files(target, &files_in(&project.seeds(target))?)?;
        let pinned = files_in(&kept_folder(project, target))?;
        candidates.add_files(target, &pinned)?;
        let zip = zip_of(&out, target);
        if zip.exists() {
            candidates.add_zip(target, &zip)?;
        }
    }
    let mut finds = 0;
    if let Some(time) = args.time {
        finds += grow(args, time, project, &targets, &mut candidates, &progress)?;
        if session::interrupted() {
            progress.say("interrupted: what was grown is kept, and the zips are as they were");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    for from in &args.from {
        let new = candidates.add_from(from, &targets)?;
        progress.say(&format!("{}: {new} inputs more", from_here(from).display()));
    }
    if candidates.too_long > 0 {
        progress.say(&format!(
            "left out: {} inputs, which are longer than their target takes",
            candidates.too_long
        ));
    }

    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    let mut made = Vec::new();
    for &target in &targets {
        let Some(inputs) = candidates.inputs.get(target.name) else {
            bail!(
                "{} has no inputs at all; make seeds with `cargo campaign seeds`",
                target.name
            );
        };
        let replay = Replay {
            binary: &neutral,
            map: &map,
            target: target.name,
            timeout: TIME_OUT,
        };
        let what = format!("{}: {} inputs", target.name, grouped(inputs.len() as u64));
        let pinned = contents(&kept_folder(project, target))?;
        let corpus = progress.step(&what, || {
            shrink(
                target,
                &replay,
                inputs,
                &pinned,
                args.keep_per_feature.get(),
            )
        })?;
        finds += keep_failing(project, target, inputs, &corpus.all)?;
        made.push((target, inputs.len(), corpus));
    }
    // All are sound: now they take their places.
    for (target, of, corpus) in &made {
        let path = zip_of(&out, target);
        pack::swap(&path, &corpus.zip)?;
        outln!(
            "{}: {} of {} inputs, {} features, {} of {} regions, {} bytes in {}",
            target.name,
            grouped(corpus.inputs as u64),
            grouped(*of as u64),
            grouped(corpus.all.features() as u64),
            corpus.all.regions.len(),
            map.all().len(),
            grouped(corpus.zip.len() as u64),
            from_here(&path).display()
        );
    }
    if finds > 0 {
        outln!(
            "{finds} inputs fail; see {} replay {}",
            project.command(),
            from_here(&project.results().join("finds")).display()
        );
        return Ok(ExitCode::from(FINDS));
    }
    Ok(ExitCode::SUCCESS)
}

/// A corpus, packed and verified.
struct Corpus {
    all: Traces,
    inputs: usize,
    zip: Vec<u8>,
}

/// The folder of inputs that are kept whatever they reach.
fn kept_folder(project: &Project, target: &Target) -> PathBuf {
    project.root().join("corpora/kept").join(target.name)
}

/// The inputs in a folder.
fn contents(folder: &Path) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for path in files_in(folder)? {
        let content =
            fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        pack::insert(&mut inputs, content)?;
    }
    Ok(inputs)
}

/// Minimises, packs (with what each input stands for as its comment), reads back, replays, and compares. Those
/// `pinned` are kept in any case.
fn shrink(
    target: &Target,
    replay: &Replay<'_>,
    inputs: &Inputs,
    pinned: &Inputs,
    keep: usize,
) -> Result<Corpus> {
    let all = features::trace(replay, inputs)?;
    let (names, sound): (Vec<&String>, Vec<Candidate>) = all
        .inputs
        .iter()
        .map(|(name, candidate)| (name, candidate.clone()))
        .unzip();
    let mut kept = BTreeSet::from_iter(cover(sound.as_slice(), keep));
    kept.extend((0..names.len()).filter(|&place| pinned.contains_key(names[place])));
    ensure!(!kept.is_empty(), "{}: every input fails", replay.target);
    let kept = kept.iter().map(|&place| {
        let name = names[place];
        (name.as_str(), inputs[name].as_slice())
    });
    let zip = pack::zipped(kept, |content| target.fingerprint(content))?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let written = folder.path().join("corpus.zip");
    fs::write(&written, &zip)
        .with_context(|| format!("{} cannot be written", written.display()))?;
    let read_back = pack::read(&written)?;
    let after = features::trace(replay, &read_back)?;
    if let Some((name, verdict)) = after.failing.first_key_value() {
        bail!(
            "{}: {name} passed once and then not: {verdict:?}",
            replay.target
        );
    }
    let lost = all.lost_in(&after, keep);
    ensure!(
        lost.is_empty(),
        "{}: the packed corpus lost {} features, the first of which is {:?}",
        replay.target,
        lost.len(),
        lost[0]
    );
    Ok(Corpus {
        inputs: read_back.len(),
        all,
        zip,
    })
}

/// Grows the candidates with engines. Returns how many finds there were.
fn grow(
    args: &Corpora,
    time: Duration,
    project: &Project,
    targets: &[&'static Target],
    candidates: &mut Candidates,
    progress: &Progress,
) -> Result<usize> {
    let folder = project.results().join("corpora");
    let mut beginnings = BTreeMap::new();
    for target in targets {
        let store = Store::open(&folder.join("beginnings").join(target.name))?;
        let inputs = candidates.inputs.get(target.name);
        let mut paths = Vec::new();
        for content in inputs.iter().flat_map(|inputs| inputs.values()) {
            paths.push(store.add(content)?.0);
        }
        ensure!(!paths.is_empty(), "{} has no seeds", target.name);
        beginnings.insert(target.name, paths);
    }
    let worker = progress.step("build the replay worker", || build_worker(project))?;
    let engines = args.engines.0.iter().copied();
    let queue = queue::build(project, targets, engines, &folder.join("runs"), progress)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let running = Running {
        project,
        inputs: &beginnings,
        worker: &worker,
        time,
        at_once: args.jobs.map_or(cores, usize::from),
        progress,
    };
    running.announce(&queue);
    let fuzzed = running.all(&queue)?;
    let (mut finds, mut failures) = (0, Vec::new());
    for job in &queue {
        let Some(result) = fuzzed.get(&(job.target.name, job.engine)) else {
            continue;
        };
        let Some(session) = &result.session else {
            bail!("every input of {} fails", job.target.name);
        };
        let corpus = Store::open(&project.corpus(job.target.name))?;
        let kept: Vec<PathBuf> = session.kept.iter().map(|kept| kept.path.clone()).collect();
        corpus.add_files(kept.iter().map(PathBuf::as_path))?;
        // libFuzzer replaces inputs by smaller ones: one may be gone.
        let there: Vec<PathBuf> = kept.into_iter().filter(|path| path.exists()).collect();
        candidates.add_files(job.target, &there)?;
        let store = Store::open(&project.finds(job.target.name, job.engine))?;
        store.add_files(result.finds.iter().map(|find| find.path.as_path()))?;
        finds += result.finds.len();
        progress.say(&format!(
            "{} on {}: {} executions, {} inputs kept, {} finds",
            job.engine.title(),
            job.target.name,
            grouped(session.status.executions),
            grouped(there.len() as u64),
            result.finds.len()
        ));
        failures.extend(
            session
                .failure
                .as_ref()
                .map(|why| format!("{} on {}: {why}", job.engine.title(), job.target.name)),
        );
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(finds)
}

/// Keeps the inputs that fail among the finds. Returns how many there are.
fn keep_failing(
    project: &Project,
    target: &Target,
    inputs: &Inputs,
    traces: &Traces,
) -> Result<usize> {
    let folder: &Path = &project
        .results()
        .join("finds")
        .join(target.name)
        .join("corpora");
    for name in traces.failing.keys() {
        Store::open(folder)?.add(&inputs[name])?;
    }
    Ok(traces.failing.len())
}
