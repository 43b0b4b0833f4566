//! `campaign run --engines`: an ensemble from seeds to verdicts, with its screen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use harness_core::Target;

use super::{Run, show};
use crate::command::{FINDS, INTERRUPTED};
use crate::corpora::zip_of;
use crate::corpus::{Store, files_in};
use crate::coverage::{NeutralBuild, SourceMap};
use crate::engine::{Build, Engine, Sanitizer, session};
use crate::ensemble::live::{Feed, Measured, Meter};
use crate::ensemble::status::{Gathering, Status};
use crate::ensemble::trials::Trials;
use crate::ensemble::{self, AflSharing, Outcome, Plan, allocation};
use crate::fuzz::{self, Find};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, build_worker};

/// Runs an ensemble.
///
/// # Errors
/// When the result does not count; see the exit codes in the help of `run`.
pub(super) fn run(args: &Run, target: &'static Target, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let engines = engines(args);
    let sharing = sharing(args, &engines)?;
    let cores = allocation::first_cores(match (args.cores, &args.engines) {
        (Some(cores), _) => Some(cores.get()),
        (None, Some(_)) => None,
        (None, None) => Some(1),
    })?;
    let shares = allocation::allocate(&engines.iter().copied().collect::<Vec<_>>(), &cores)?;
    if cores.len() < engines.len() {
        progress.say(&format!(
            "{} engines on {} of the machine's cores: they take turns",
            engines.len(),
            cores.len()
        ));
    }

    let (folder, status_file) = places(project, target, sharing.as_ref());
    let _lock = project.lock(&folder)?;
    let corpus = Store::open(&project.corpus(target.name))?;
    let finds_store = |engine| Store::open(&project.finds(target.name, engine));
    let (saved, saved_finds, ended) =
        ensemble::left_behind::save(&folder, sharing.as_ref(), &corpus, finds_store)?;
    if saved + saved_finds + ended > 0 {
        progress.say(&format!(
            "saved {saved} inputs and {saved_finds} finds of a run that did not end; {ended} of its processes \
             still ran and were ended"
        ));
    }
    let inputs = args.inputs(project, target)?;
    let worker = progress.step("build the replay worker", || build_worker(project))?;
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    let builds = builds(args, &engines, target, project, &progress)?;

    let mut replayer = Replayer::new(worker);
    let store_of_seeds = finds_store(*engines.first().context("an engine")?)?;
    let mut finds = Vec::new();
    let mut sound = Vec::new();
    for input in &inputs {
        match fuzz::judge(target, input, "seeds", &mut replayer, &store_of_seeds)? {
            Some(find) => finds.push(find),
            None => sound.push(input.clone()),
        }
    }
    if sound.is_empty() {
        show(&finds, project)?;
        return Ok(ExitCode::from(FINDS));
    }
    let mut evaluations = replayer.evaluations()?;
    let plan = Plan {
        shares: &shares,
        builds: &builds,
        inputs: &sound,
        max_input: target.max_input,
        comparisons_are_seen: target.compare_tracing,
        dictionary: project.dictionary(target),
        folder: folder.clone(),
        at_once: cores.len(),
        time: args.time,
        sharing,
    };
    let meter = Meter {
        target,
        neutral: &neutral,
        map: &map,
        shipped: Some(zip_of(&project.root().join("corpora"), target)).filter(|zip| zip.is_file()),
        inputs: &sound,
    };
    let mut gathering = Gathering::new(target.name, args.time, cores.len(), map.all().len());
    let (outcome, measured) = meter.beside(
        &mut replayer,
        &finds_store,
        |feed| watch(&plan, feed, &mut gathering, &status_file, &progress),
        || progress.say("the engines have ended; what is left is measured"),
    )?;
    let kept = outcome.entries.iter().map(|entry| entry.path.as_path());
    let as_they_are = outcome.files.iter().map(PathBuf::as_path);
    let new = corpus.add_files(kept)?;
    corpus.add_files(as_they_are)?;

    let mut missed = fuzz::never_evaluated(target, &evaluations);
    if !missed.is_empty() {
        // The beginnings alone do not evaluate every check; what was kept may.
        for entry in &outcome.entries {
            replayer.verdict(target.name, &entry.path)?;
        }
        evaluations = replayer.evaluations()?;
        missed = fuzz::never_evaluated(target, &evaluations);
    }
    let status = gathering.outcome(&outcome, &measured);
    status.write(&status_file)?;
    finds.extend(measured.finds.clone());
    report(args, &status, &outcome, &measured, new)?;
    let failure = failure(args, target.name, &outcome, &missed);
    if failure.is_none() && folder.exists() {
        // All of it is in the corpus and among the finds now; after a failure the logs are of use.
        fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    conclude(args, &finds, failure, outcome.interrupted, project)
}

/// Runs trials of an ensemble and of its engines alone.
///
/// # Errors
/// When one cannot be run, or none of some contestant counts.
pub(super) fn trials(
    args: &Run,
    count: usize,
    target: &'static Target,
    project: &Project,
) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let cores = allocation::first_cores(args.cores.map(std::num::NonZeroUsize::get))?;
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.results().join("ensemble").join(target.name),
    };
    let _lock = project.lock(&out)?;
    let seeds = files_in(&project.seeds(target))?;
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    let builds = builds(args, &engines(args), target, project, &progress)?;
    let trials = Trials {
        target,
        builds: &builds,
        seeds: &seeds,
        dictionary: project.dictionary(target),
        out: &out,
        time: args.time,
        count,
        cores: &cores,
        neutral: &neutral,
        map: &map,
    };
    let done = trials.run(&progress)?;
    if session::interrupted() {
        progress.say("interrupted: begun again, it goes on where it was");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let answer = trials
        .answer(&done)
        .context("no trial of some contestant counts: see trials.jsonl")?;
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        outln!("{}", answer.words());
    }
    ensure!(answer.failures.is_empty(), "some trials do not count");
    Ok(ExitCode::SUCCESS)
}

fn builds(
    args: &Run,
    engines: &BTreeSet<Engine>,
    target: &Target,
    project: &Project,
    progress: &Progress,
) -> Result<BTreeMap<Engine, Build>> {
    let sanitizer = match args.sanitizer {
        // Engines are compared without one, as in `compare`.
        Sanitizer::Auto if args.trials.is_some() => Sanitizer::None,
        chosen => chosen,
    };
    let mut builds = BTreeMap::new();
    for &engine in engines {
        let what = format!("build {} for {}", target.name, engine.title());
        let build = progress.step(&what, || engine.build(project, target.name, sanitizer))?;
        builds.insert(engine, build);
    }
    Ok(builds)
}

fn engines(args: &Run) -> BTreeSet<Engine> {
    match (&args.engines, args.engine) {
        (Some(engines), _) => engines.0.clone(),
        (None, engine) => engine.into_iter().collect(),
    }
}

/// Where AFL++'s instances of several machines meet, when they are to.
fn sharing(args: &Run, engines: &BTreeSet<Engine>) -> Result<Option<AflSharing>> {
    let (Some(folder), Some(name)) = (&args.sync_dir, &args.instance_name) else {
        return Ok(None);
    };
    ensure!(
        engines.contains(&Engine::Afl),
        "--sync-dir is for AFL++, which is not among the engines"
    );
    ensure!(
        args.main || engines.len() == 1,
        "only AFL++'s main instance reads from other engines: add --main here, or let AFL++ run alone"
    );
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(Some(AflSharing {
        folder: folder
            .canonicalize()
            .with_context(|| format!("{} cannot be opened", folder.display()))?,
        name: name.clone(),
        is_main: args.main,
    }))
}

/// The folder of the run, and the file with its status. Instances with names of their own have places of their
/// own, as they may run side by side.
fn places(project: &Project, target: &Target, sharing: Option<&AflSharing>) -> (PathBuf, PathBuf) {
    let runs = project.results().join("run").join(target.name);
    match sharing {
        None => (runs.join("ensemble"), runs.join("status.json")),
        Some(AflSharing { name, .. }) => (
            runs.join(format!("ensemble-{name}")),
            runs.join(format!("status-{name}.json")),
        ),
    }
}

/// Runs the engines, and shows and writes how they stand.
fn watch(
    plan: &Plan<'_>,
    feed: &mut Feed<'_>,
    gathering: &mut Gathering,
    status_file: &Path,
    progress: &Progress,
) -> Result<Outcome> {
    let mut board = progress.board();
    let mut cannot_write = false;
    let outcome = ensemble::run(plan, &mut |view| {
        for line in view.said {
            progress.say(line);
        }
        feed.feed(view);
        let status = gathering.view(view, &feed.measured());
        if let Err(error) = status.write(status_file)
            && !std::mem::replace(&mut cannot_write, true)
        {
            // What the engines find matters more than who can look at it.
            progress.say(&format!("{error:#}; the engines go on"));
        }
        board.show(&status.screen(), || status.plain());
        ControlFlow::Continue(())
    });
    board.done();
    outcome
}

fn report(
    args: &Run,
    status: &Status,
    outcome: &Outcome,
    measured: &Measured,
    new: usize,
) -> Result<()> {
    if args.json {
        outln!("{}", serde_json::to_string_pretty(status)?);
        return Ok(());
    }
    outln!(
        "{}: {} s, {:.1} core-seconds, {} inputs kept, {new} of them new to the corpus",
        status.target,
        outcome.elapsed.as_secs(),
        status.core_seconds,
        outcome.entries.len(),
    );
    outln!("{}", status.regions_line());
    outln!(
        "measuring took {:.1} s of one core\n\n{}\n",
        measured.took.as_secs_f64(),
        status.table()
    );
    Ok(())
}

/// Why the result does not count.
fn failure(args: &Run, target: &str, outcome: &Outcome, missed: &[&str]) -> Option<String> {
    let mut failures: Vec<String> = Vec::new();
    for member in &outcome.members {
        let executions = member.session.status.executions;
        failures.extend(member.session.failure.clone());
        if member.session.failure.is_none()
            && !outcome.interrupted
            && executions < args.min_executions
        {
            failures.push(format!(
                "{}: {executions} executions are fewer than the {} asked for",
                member.engine.title(),
                args.min_executions
            ));
        }
    }
    if !missed.is_empty() && !outcome.interrupted {
        failures.push(fuzz::never_evaluated_in_words(target, missed));
    }
    (!failures.is_empty()).then(|| failures.join("\n"))
}

fn conclude(
    args: &Run,
    finds: &[Find],
    failure: Option<String>,
    interrupted: bool,
    project: &Project,
) -> Result<ExitCode> {
    if interrupted {
        eprintln!("interrupted: everything found so far is kept");
    }
    if !args.json {
        show(finds, project)?;
    }
    match failure {
        Some(why) if finds.is_empty() => bail!("{why}"),
        Some(why) => eprintln!("{why}"),
        None => {}
    }
    Ok(match (finds.is_empty(), interrupted) {
        (false, _) => ExitCode::from(FINDS),
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
    })
}
