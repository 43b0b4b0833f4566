//! `campaign run`: one engine on one target, or several at once that give each other what they find.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use cli::output::{from_here, outln};
use fs_err as fs;
use worker::TargetInfo;
use worker::protocol::CheckInfo;

use super::{FINDS, INTERRUPTED, Judged, Neutral, parse_time};
use crate::corpus::{Store, files_in};
use crate::engine::afl::Sharing;
use crate::engine::session::{self, Session, Setup, View, interrupted};
use crate::engine::{Engine, Sanitizer};
use crate::fuzz::{self, Find, Fuzzed, Job};
use crate::monitor::status::{State, Status};
use crate::monitor::{Measured, Meter};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::Replayer;
use crate::{atomic, cores};

/// Fuzz one target: build, seed, run, keep what is new, name what fails.
///
/// Several engines run at once and give each other what they find. A screen (or, without a terminal, some lines a
/// minute) shows how each stands; results/run/TARGET/status.json (of one engine, status-ENGINE.json) has the same
/// for machines. Every engine has a core; further cores go to AFL++, libFuzzer and honggfuzz in turn; with fewer
/// cores than engines they take turns. See docs/campaigns.md.
///
/// The corpus is kept in results/corpus/TARGET under names by content; the next run, of any engine,
/// begins from it. Finds are kept in results/finds/TARGET/ENGINE and replayed, so that each has the name
/// of the check that fails. Ctrl-C stops the engines and keeps everything.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  clean
  1  no finds, but the result does not count: an engine died, read no seeds, executed too little, or
     a check was never evaluated; or something could not be built
  2  the command line is wrong
  3  there are finds
130  it was interrupted, and there are no finds

Examples:
  cargo campaign run --engine afl fuzz_measure_calc --time 10m
  cargo campaign run --engine libfuzzer fuzz_measure_scan --time 1h --sanitizer address
  cargo campaign run --engines all fuzz_measure_scan --time 8h --cores 6
  cargo campaign run --engines afl,honggfuzz fuzz_measure_image --time 30m --json > run.json
  cargo campaign run --engines all fuzz_measure_scan --time 7d --cores 8 --sync-dir /local/scan --instance-name host1")]
pub(super) struct Run {
    /// The engines: names with commas between them, or `all`.
    #[arg(long, visible_alias = "engine", value_parser = parse_engines)]
    engines: BTreeSet<Engine>,
    /// The target: see `campaign list`.
    target: String,
    /// How long: 30s, 10m, 1h.
    #[arg(long, default_value = "1m", value_parser = parse_time)]
    time: Duration,
    /// For libFuzzer: which sanitizer to build with.
    #[arg(long, value_enum, default_value_t = Sanitizer::Auto)]
    sanitizer: Sanitizer,
    /// Fail when an engine executed the target fewer times.
    #[arg(long, default_value_t = 1, value_name = "N")]
    min_executions: u64,
    /// Begin from the checked-in seeds alone, without the corpus of earlier runs.
    #[arg(long)]
    seeds_only: bool,
    /// How many cores to use; by default all of the machine's, and for one engine one of the system's choice.
    #[arg(long, value_name = "K")]
    cores: Option<NonZeroUsize>,
    /// AFL++'s output folder, where its instances on several machines read each other's queues.
    #[arg(long, value_name = "DIR", requires = "instance_name")]
    sync_dir: Option<PathBuf>,
    /// The name of this machine's main instance in --sync-dir; no two machines have the same.
    #[arg(long, value_name = "NAME", requires = "sync_dir", value_parser = parse_instance_name)]
    instance_name: Option<String>,
    /// What is judged.
    #[command(flatten)]
    pub(super) judged: Judged,
    /// Print the result as JSON: that of status.json.
    #[arg(long)]
    json: bool,
}

/// Names of engines with commas between them, or `all`.
fn parse_engines(text: &str) -> Result<BTreeSet<Engine>, String> {
    if text == "all" {
        return Ok(Engine::ALL.into());
    }
    let engine = |name| <Engine as clap::ValueEnum>::from_str(name, false);
    let engines = text.split(',').map(engine).collect::<Result<_, _>>();
    engines.map_err(|error| {
        let names = Engine::ALL.map(Engine::name).join(", ");
        format!("{error}; there are {names}, and `all`")
    })
}

/// A name that AFL++ takes for an instance.
fn parse_instance_name(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 30 || !text.chars().all(is_fine) || text.starts_with('-') {
        return Err("letters, digits, `-` and `_`, up to 30 of them".to_owned());
    }
    Ok(text.to_owned())
}

impl Run {
    /// The only engine, when there is one.
    fn alone(&self) -> Option<Engine> {
        let first = self.engines.first().copied();
        first.filter(|_| self.engines.len() == 1)
    }

    /// The cores to run on, by the system's numbers; none for any.
    fn cores(&self) -> Result<Vec<usize>> {
        match (self.cores, self.alone()) {
            (None, Some(_)) => Ok(Vec::new()),
            (cores, _) => cores::first(cores.map(NonZeroUsize::get)),
        }
    }

    /// The inputs to begin from.
    fn inputs(&self, project: &Project, target: &TargetInfo) -> Result<Vec<PathBuf>> {
        let seeds = project.seeds(&target.name);
        let inputs = match self.seeds_only {
            true => files_in(&seeds)?,
            false => fuzz::beginnings(project, target)?,
        };
        ensure!(
            !inputs.is_empty(),
            "{} has no seeds: they belong in {}",
            target.name,
            seeds.display()
        );
        Ok(inputs)
    }

    /// Where AFL++'s instances of several machines meet, when they are to.
    fn sharing(&self) -> Result<Option<Sharing>> {
        let (Some(folder), Some(name)) = (&self.sync_dir, &self.instance_name) else {
            return Ok(None);
        };
        ensure!(
            self.engines.contains(&Engine::Afl),
            "--sync-dir is for AFL++, which is not among the engines"
        );
        fs::create_dir_all(folder)?;
        Ok(Some(Sharing {
            folder: fs::canonicalize(folder)?,
            name: name.clone(),
        }))
    }

    /// The folder's name, and that of the file with the status. What may run side by side has places of its own.
    fn places(&self) -> (String, String) {
        match (&self.instance_name, self.alone()) {
            (Some(name), _) => (format!("ensemble-{name}"), format!("status-{name}.json")),
            (None, Some(engine)) => (engine.name().to_owned(), format!("status-{engine}.json")),
            (None, None) => ("ensemble".to_owned(), "status.json".to_owned()),
        }
    }
}

pub(super) fn run(args: &Run, project: &Project) -> Result<ExitCode> {
    let target = project.target(&args.target)?;
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let (cores, sharing) = (args.cores()?, args.sharing()?);
    let (engines, at_once) = (args.engines.len(), cores.len().max(1));
    if at_once < engines {
        progress.say(&format!(
            "{engines} engines on {at_once} of the machine's cores: they take turns"
        ));
    }
    let (name, status_file) = args.places();
    let folder = project.run_folder(&target.name, &name);
    let claim = project.claim(&folder)?;
    let corpus = Store::open(&project.corpus(&target.name))?;
    let finds = |engine: Engine| project.finds(&target.name, engine.name());
    let (inputs, found) = session::left_behind(&folder, args.alone(), sharing.as_ref())?;
    let saved = corpus.add_files(inputs.iter().map(PathBuf::as_path))?;
    let mut saved_finds = 0;
    for (engine, path) in &found {
        saved_finds += Store::open(&finds(*engine))?.add_files([path.as_path()])?;
    }
    if saved + saved_finds + claim.ended > 0 {
        progress.say(&format!(
            "saved {saved} inputs and {saved_finds} finds of a run that did not end; {} of its processes \
             still ran and were ended",
            claim.ended
        ));
    }
    let inputs = args.inputs(project, target)?;
    let mut replayer = Replayer::new(project.worker()?.to_owned());
    let mut builds = BTreeMap::new();
    for &engine in &args.engines {
        let what = format!("build {} for {}", target.name, engine.title());
        let build = || engine.build(project, &target.name, args.sanitizer);
        builds.insert(engine, progress.step(&what, build)?);
    }
    let neutral = Neutral::build(project, &progress)?;
    let job = Job {
        target,
        setup: Setup {
            dictionary: project.dictionary(target),
            at_once,
            cores,
            sharing,
            ..Setup::new(target, &builds, &inputs, folder.clone(), args.time)
        },
        finds: &finds,
        is_over_at_find: false,
    };
    let meter = Meter {
        replay: neutral.replay(&target.name),
        inputs: &inputs,
        finds: &finds,
    };
    let status_file = folder.with_file_name(status_file);
    let mut status = Status {
        target: target.name.clone(),
        started: SystemTime::now(),
        elapsed: Duration::ZERO,
        time: args.time,
        state: State::Running,
        cores: at_once,
        regions: neutral.map.regions().len(),
        judged: project.judged()?,
        engines: Vec::new(),
        measured: Measured::default(),
    };
    let mut text = progress.text();
    let mut cannot_write = false;
    let (fuzzed, measured) = meter.beside(|feed| {
        let fuzzed = job.run(&mut replayer, &mut |view: &View<'_>| {
            for event in view.events {
                progress.say(event);
            }
            status.elapsed = view.elapsed;
            status.engines = view.engines.to_vec();
            status.measured = feed.feed(view);
            if let Err(error) = atomic::write_json(&status_file, &status.json())
                && !std::mem::replace(&mut cannot_write, true)
            {
                // What the engines find matters more than who can look at it.
                progress.say(&format!("{error:#}; the engines go on"));
            }
            text.show(status.screen());
        })?;
        progress.say("the engines have ended; what is left is measured");
        Ok(fuzzed)
    })?;
    drop(text);
    if let Some(session) = &fuzzed.session {
        status.state = match interrupted() {
            true => State::Interrupted,
            false => State::Ended,
        };
        status.elapsed = session.elapsed;
        status.engines = session.figures().cloned().collect();
        status.measured = measured;
        // A process that ends as it is known to is no finding.
        let is_find = |path: &PathBuf| fuzzed.finds.iter().any(|find| find.path == *path);
        let finds = &mut status.measured.finds;
        finds.retain(|(_, _, path)| is_find(path));
        atomic::write_json(&status_file, &status.json())?;
        summarise(args, session, &status, &corpus)?;
    }
    let failure = failure(args, target, project.checks()?, &fuzzed);
    if failure.is_none() && folder.exists() {
        // All of it is in the corpus and among the finds now; after a failure the logs are of use.
        fs::remove_dir_all(&folder)?;
    }
    if let Some(warning) = &fuzzed.warning {
        eprintln!("{warning}");
    }
    conclude(args, &fuzzed.finds, failure, project)
}

/// Keeps what the engines kept, and prints how they stand at the end.
fn summarise(args: &Run, session: &Session, status: &Status, corpus: &Store) -> Result<()> {
    let new = corpus.add_files(session.kept.iter().map(|kept| kept.path.as_path()))?;
    // Some are shortened since they were seen first.
    corpus.add_files(session.files.iter().map(PathBuf::as_path))?;
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&status.json())?);
        return Ok(());
    }
    outln!("{}", status.summary());
    outln!(
        "seeds read: {}; inputs kept: {}, new to the corpus: {new}{}",
        session.seeds_read(),
        session.kept.len(),
        session
            .stability()
            .map_or_else(String::new, |percent| format!(
                "; stability: {percent:.2} %"
            ))
    );
    Ok(())
}

/// Why the result does not count.
fn failure(
    args: &Run,
    target: &TargetInfo,
    checks: &[CheckInfo],
    fuzzed: &Fuzzed,
) -> Option<String> {
    let session = fuzzed.session.as_ref()?;
    let mut failures: Vec<String> = session.failure().into_iter().collect();
    if interrupted() {
        return failures.pop();
    }
    for one in session.figures() {
        if one.failure.is_none() && one.executions < args.min_executions {
            failures.push(format!(
                "{}: {} executions are fewer than the {} asked for",
                one.engine.title(),
                one.executions,
                args.min_executions
            ));
        }
    }
    let missed = fuzz::never_evaluated(target, checks, &fuzzed.evaluations);
    if !missed.is_empty() {
        failures.push(fuzz::never_evaluated_in_words(&target.name, &missed));
    }
    (!failures.is_empty()).then(|| failures.join("\n"))
}

fn conclude(
    args: &Run,
    finds: &[Find],
    failure: Option<String>,
    project: &Project,
) -> Result<ExitCode> {
    if interrupted() {
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
    Ok(match (finds.is_empty(), interrupted()) {
        (false, _) => ExitCode::from(FINDS),
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Prints finds, a group for each check: the shortest, and the command that reproduces it.
fn show(finds: &[Find], project: &Project) -> Result<()> {
    let checks: BTreeSet<&str> = finds.iter().map(|find| find.check.as_str()).collect();
    for check in checks {
        let group = finds.iter().filter(|find| find.check == check);
        outln!("FIND {check}: {} inputs", group.clone().count());
        let size = |find: &&Find| find.path.metadata().map_or(u64::MAX, |file| file.len());
        if let Some(shortest) = group.min_by_key(size) {
            outln!("  {}", shortest.message.trim_end().replace('\n', "\n  "));
            outln!(
                "  reproduce: {} replay {}",
                project.command(),
                from_here(&shortest.path).display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named_singly_or_all_at_once() {
        let parse = |text: &str| parse_engines(text).map(|engines| engines.len());
        assert_eq!(parse("all"), Ok(3));
        assert_eq!(parse("afl,honggfuzz,afl"), Ok(2));
        let error = parse("afl,klee").unwrap_err();
        assert!(
            error.contains("libfuzzer") && error.contains("`all`"),
            "{error}"
        );
        assert!(parse("").is_err());
    }
}
