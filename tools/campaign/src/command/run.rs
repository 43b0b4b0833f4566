//! `campaign run`: one engine on one target, or several at once that give each other what they find.

mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use report::format::{grouped, rounded};
use worker::TargetInfo;
use worker::protocol::CheckInfo;

use super::{FINDS, INTERRUPTED, parse_time};
use crate::cores;
use crate::corpus::Store;
use crate::engine::afl::Sharing;
use crate::engine::session::{self, RESTARTS, Session, Setup};
use crate::engine::{Engine, EngineSet, Sanitizer};
use crate::fuzz::{self, Find, Fuzzed, Job};
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::Replayer;
use watched::Watched;

/// Fuzz one target: build, seed, run, keep what is new, name what fails.
///
/// With --engine one engine runs. With --engines several run at once and give each other what they find, while a
/// screen (or, without a terminal, some lines a minute) shows how each stands; results/run/TARGET/status.json has
/// the same for machines. Every engine has a core; further cores go to AFL++, libFuzzer and honggfuzz in turn; with
/// fewer cores than engines they take turns. See docs/campaigns.md.
///
/// The corpus is kept in results/corpus/TARGET under names by content; the next run, of any engine,
/// begins from it. Finds are kept in results/finds/TARGET/ENGINE and replayed, so that each has the name
/// of the check that fails. Ctrl-C stops the engines and keeps everything.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["engine", "engines"]))]
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
  cargo campaign run --engine afl fuzz_measure_scan --time 7d --cores 8 --sync-dir /shared/scan --instance-name host1 --main")]
pub struct Run {
    /// The engine.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Several engines at once: names with commas between them, or `all`.
    #[arg(long)]
    engines: Option<EngineSet>,
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
    /// How many cores to use; with --engines all of the machine by default, and with --engine one, unpinned.
    #[arg(long, value_name = "K")]
    cores: Option<NonZeroUsize>,
    /// AFL++'s output folder, where its instances on several machines read each other's queues.
    #[arg(long, value_name = "DIR", requires = "instance_name")]
    sync_dir: Option<PathBuf>,
    /// The name of this machine's instance in --sync-dir; no two machines have the same.
    #[arg(long, value_name = "NAME", requires = "sync_dir", value_parser = parse_instance_name)]
    instance_name: Option<String>,
    /// This machine has AFL++'s main instance, which one of all machines should have.
    #[arg(long, requires = "sync_dir")]
    main: bool,
    /// Print the result as JSON: that of status.json.
    #[arg(long)]
    json: bool,
    /// Of earlier versions.
    #[arg(long, hide = true, value_parser = trials_are_gone)]
    trials: Option<String>,
}

fn trials_are_gone(_: &str) -> Result<String, String> {
    Err("`run` has no trials any more: ask `cargo campaign compare TARGET --engines all,ensemble --trials N`"
        .to_owned())
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
    /// Whether it is one engine alone, without anything that a live status is for.
    const fn is_single(&self) -> bool {
        self.engine.is_some() && self.cores.is_none() && self.sync_dir.is_none() && !self.json
    }

    fn engines(&self) -> BTreeSet<Engine> {
        match &self.engines {
            Some(engines) => engines.0.clone(),
            None => self.engine.into_iter().collect(),
        }
    }

    /// The cores to run on, by the system's numbers; none for any.
    fn cores(&self) -> Result<Vec<usize>> {
        if self.is_single() {
            return Ok(Vec::new());
        }
        cores::first(match (self.cores, &self.engines) {
            (Some(cores), _) => Some(cores.get()),
            (None, Some(_)) => None,
            (None, None) => Some(1),
        })
    }

    /// The inputs to begin from.
    fn inputs(&self, project: &Project, target: &TargetInfo) -> Result<Vec<PathBuf>> {
        let inputs = if self.seeds_only {
            crate::corpus::files_in(&project.seeds(&target.name))?
        } else {
            fuzz::beginnings(project, target)?
        };
        if inputs.is_empty() {
            bail!(
                "{} has no seeds in {}; make some with `cargo images seeds`",
                target.name,
                project.seeds(&target.name).display()
            );
        }
        Ok(inputs)
    }

    /// Where AFL++'s instances of several machines meet, when they are to.
    fn sharing(&self) -> Result<Option<Sharing>> {
        let (Some(folder), Some(name)) = (&self.sync_dir, &self.instance_name) else {
            return Ok(None);
        };
        let engines = self.engines();
        ensure!(
            engines.contains(&Engine::Afl),
            "--sync-dir is for AFL++, which is not among the engines"
        );
        ensure!(
            self.main || engines.len() == 1,
            "only AFL++'s main instance reads from other engines: add --main here, or let AFL++ run alone"
        );
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Some(Sharing {
            folder: folder
                .canonicalize()
                .with_context(|| format!("{} cannot be opened", folder.display()))?,
            name: name.clone(),
            is_main: self.main,
        }))
    }

    /// The folder's name, and that of the file with the status. Instances with names of their own have places
    /// of their own, as they may run side by side.
    fn places(&self) -> (String, String) {
        match (&self.instance_name, self.engine) {
            (Some(name), _) => (format!("ensemble-{name}"), format!("status-{name}.json")),
            (None, Some(engine)) if self.is_single() => (engine.name().to_owned(), String::new()),
            _ => ("ensemble".to_owned(), "status.json".to_owned()),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the result does not count; see the exit codes in the help.
pub fn run(args: &Run, project: &Project) -> Result<ExitCode> {
    let target = project.target(&args.target)?;
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let (engines, cores, sharing) = (args.engines(), args.cores()?, args.sharing()?);
    if !cores.is_empty() && cores.len() < engines.len() {
        progress.say(&format!(
            "{} engines on {} of the machine's cores: they take turns",
            engines.len(),
            cores.len()
        ));
    }
    let (name, status) = args.places();
    let folder = project.run_folder(&target.name, &name);
    let claim = project.claim(&folder)?;
    let corpus = Store::open(&project.corpus(&target.name))?;
    let finds = |engine: Engine| project.finds(&target.name, engine.name());
    let alone = args.engine.filter(|_| engines.len() == 1);
    let (_, saved, saved_finds) =
        fuzz::save_left_behind(&folder, alone, sharing.as_ref(), &corpus, &finds)?;
    if saved + saved_finds + claim.ended > 0 {
        progress.say(&format!(
            "saved {saved} inputs and {saved_finds} finds of a run that did not end; {} of its processes \
             still ran and were ended",
            claim.ended
        ));
    }
    let inputs = args.inputs(project, target)?;
    let worker = project.worker()?;
    let mut builds = BTreeMap::new();
    for engine in engines {
        let what = format!("build {} for {}", target.name, engine.title());
        let build = progress.step(&what, || {
            engine.build(project, &target.name, args.sanitizer)
        })?;
        builds.insert(engine, build);
    }

    let mut replayer = Replayer::new(worker.to_owned());
    let job = Job {
        target,
        setup: Setup {
            dictionary: project.dictionary(target),
            at_once: cores.len().max(1),
            cores,
            sharing,
            restarts: if args.is_single() { 0 } else { RESTARTS },
            ..Setup::new(target, &builds, &inputs, folder.clone(), args.time)
        },
        finds: &finds,
        is_over_at_find: false,
    };
    let fuzzed = if args.is_single() {
        let title = args.engine.map_or("", Engine::title);
        let mut line = progress.session(title, &target.name, args.time);
        let fuzzed = job.run(&mut replayer, &mut |view| line.show(view))?;
        line.done();
        summarise_one(title, &fuzzed, &corpus, target)?;
        fuzzed
    } else {
        let watched = Watched {
            job: &job,
            worker,
            status_file: folder.with_file_name(status),
            json: args.json,
        };
        watched.run(&mut replayer, project, &corpus, &progress)?
    };
    let failure = failure(args, target, project.checks()?, &fuzzed);
    if failure.is_none() && folder.exists() {
        // All of it is in the corpus and among the finds now; after a failure the logs are of use.
        fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    conclude(args, &fuzzed, failure, project)
}

/// Keeps what `session` kept. Returns how many inputs were new to the corpus.
fn keep(session: &Session, corpus: &Store) -> Result<usize> {
    let new = corpus.add_files(session.kept.iter().map(|kept| kept.path.as_path()))?;
    // Some are shortened since they were seen first.
    corpus.add_files(session.files.iter().map(PathBuf::as_path))?;
    Ok(new)
}

fn summarise_one(title: &str, fuzzed: &Fuzzed, corpus: &Store, target: &TargetInfo) -> Result<()> {
    let Some(session) = &fuzzed.session else {
        return Ok(());
    };
    let new = keep(session, corpus)?;
    let stability = session.stability();
    outln!(
        "{title} on {}: {} s, {} seeds read, {} executions ({}/s), {new} new inputs of {}{}",
        target.name,
        session.elapsed.as_secs(),
        session.seeds_read(),
        grouped(session.executions()),
        rounded(session.executions_per_second()),
        session.kept.len(),
        stability.map_or_else(String::new, |percent| format!(", stability {percent:.2} %")),
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
    if session.interrupted {
        return failures.pop();
    }
    for one in &session.engines {
        let executions = one.figures.executions;
        if one.figures.failure.is_none() && executions < args.min_executions {
            failures.push(format!(
                "{}: {executions} executions are fewer than the {} asked for",
                one.figures.engine.title(),
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
    fuzzed: &Fuzzed,
    failure: Option<String>,
    project: &Project,
) -> Result<ExitCode> {
    let (session, finds) = (fuzzed.session.as_ref(), &fuzzed.finds);
    let interrupted = session.is_some_and(|session| session.interrupted);
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
