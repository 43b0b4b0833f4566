//! `campaign run`: one engine on one target, or several at once that give each other what they find.

mod ensemble;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness_core::Target;
use report::format::{grouped, rounded};

use super::{FINDS, INTERRUPTED, parse_time};
use crate::corpus::Store;
use crate::engine::{Engine, EngineSet, Sanitizer, session};
use crate::fuzz::{self, Find, Fuzzed, Plan};
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{Replayer, build_worker};

/// Fuzz one target: build, seed, run, keep what is new, name what fails.
///
/// With --engine one engine runs. With --engines several run at once and give each other what they find, while a
/// screen (or, without a terminal, some lines a minute) says how each stands; results/run/TARGET/status.json says
/// the same to machines. Every engine has a core; further cores go to AFL++, libFuzzer and honggfuzz in turn; with
/// fewer cores than engines they take turns. docs/campaigns.md says more.
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
  cargo campaign run --engines all fuzz_measure_scan --time 10m --trials 10
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
    /// For libFuzzer: which sanitizer to build with. `auto` is none with --trials.
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
    /// Measure instead whether the engines together reach more than the best of them alone: N trials of the
    /// ensemble and of each engine, each on one core for the time given, from the seeds. Nothing is added to
    /// the corpus. Begun again with the same --out it goes on where it was.
    #[arg(
        long,
        value_name = "N",
        requires = "engines",
        conflicts_with = "sync_dir"
    )]
    trials: Option<NonZeroUsize>,
    /// Where trials go; by default results/ensemble/TARGET.
    #[arg(long, value_name = "DIR", requires = "trials")]
    out: Option<PathBuf>,
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
    /// Whether it is one engine alone, without anything that only an ensemble has.
    const fn is_single(&self) -> bool {
        self.engine.is_some() && self.cores.is_none() && self.sync_dir.is_none() && !self.json
    }

    /// The inputs to begin from.
    fn inputs(&self, project: &Project, target: &Target) -> Result<Vec<PathBuf>> {
        let inputs = if self.seeds_only {
            crate::corpus::files_in(&project.seeds(target))?
        } else {
            fuzz::beginnings(project, target)?
        };
        if inputs.is_empty() {
            bail!(
                "{} has no seeds in {}; make some with `cargo campaign seeds`",
                target.name,
                project.seeds(target).display()
            );
        }
        Ok(inputs)
    }
}

/// Runs the command.
///
/// # Errors
/// When the result does not count; see the exit codes in the help.
pub fn run(args: &Run, project: &Project) -> Result<ExitCode> {
    let target = super::target(&args.target)?;
    if let Some(count) = args.trials {
        return ensemble::trials(args, count.get(), target, project);
    }
    match args.engine {
        Some(engine) if args.is_single() => single(args, engine, target, project),
        _ => ensemble::run(args, target, project),
    }
}

fn single(
    args: &Run,
    engine: Engine,
    target: &'static Target,
    project: &Project,
) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;

    let corpus = Store::open(&project.corpus(target.name))?;
    let finds_folder = project.finds(target.name, engine);
    let folder = project.run_folder(target.name, engine);
    let _lock = project.lock(&folder)?;
    let (saved, saved_finds) =
        fuzz::save_left_behind(engine, &folder, &corpus, &Store::open(&finds_folder)?)?;
    if saved + saved_finds > 0 {
        progress.say(&format!(
            "saved {saved} inputs and {saved_finds} finds of a run that did not end"
        ));
    }
    let inputs = args.inputs(project, target)?;
    let worker = progress.step("build the replay worker", || build_worker(project))?;
    let build = progress.step(
        &format!("build {} for {}", target.name, engine.title()),
        || engine.build(project, target.name, args.sanitizer),
    )?;

    let mut replayer = Replayer::new(worker);
    let mut line = progress.session(engine, target.name, args.time);
    let plan = Plan {
        target,
        engine,
        build: &build,
        inputs: &inputs,
        folder: folder.clone(),
        finds: finds_folder,
        dictionary: project.dictionary(target),
        time: args.time,
        snapshot: session::LOOK,
        core: None,
    };
    let Fuzzed {
        session,
        finds,
        evaluations,
    } = fuzz::run(&plan, &mut replayer, &mut |elapsed, status, finds| {
        line.show(elapsed, status, finds);
    })?;
    line.done();

    let mut failure = None;
    let mut interrupted = false;
    if let Some(session) = &session {
        let kept = session.kept.iter().map(|kept| kept.path.as_path());
        let new = corpus.add_files(kept)?;
        outln!(
            "{} on {}: {} s, {} seeds read, {} executions ({}/s), {new} new inputs of {}{}",
            engine.title(),
            target.name,
            session.elapsed.as_secs(),
            session.seeds_read,
            grouped(session.status.executions),
            rounded(session.executions_per_second()),
            session.kept.len(),
            session
                .status
                .stability
                .map_or_else(String::new, |stability| format!(", stability {stability}")),
        );
        failure = session.failure.clone();
        if failure.is_none() && !session.interrupted {
            if session.status.executions < args.min_executions {
                failure = Some(format!(
                    "{} executions are fewer than the {} asked for",
                    session.status.executions, args.min_executions
                ));
            }
            let missed = fuzz::never_evaluated(target, &evaluations);
            if !missed.is_empty() {
                failure = Some(fuzz::never_evaluated_in_words(target.name, &missed));
            }
        }
        interrupted = session.interrupted;
        if interrupted {
            progress.say("interrupted: everything found so far is kept");
        }
    }
    if failure.is_none() && folder.exists() {
        // All of it is in the corpus and among the finds now; after a failure the log is of use.
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    show(&finds, project)?;
    if finds.is_empty() {
        return match failure {
            Some(why) => bail!("{why}"),
            None if interrupted => Ok(ExitCode::from(INTERRUPTED)),
            None => Ok(ExitCode::SUCCESS),
        };
    }
    if let Some(why) = failure {
        eprintln!("{why}");
    }
    Ok(ExitCode::from(FINDS))
}

/// Prints finds, a group for each check: the shortest, and the command that reproduces it.
fn show(finds: &[Find], project: &Project) -> Result<()> {
    let checks: std::collections::BTreeSet<&str> =
        finds.iter().map(|find| find.check.as_str()).collect();
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
