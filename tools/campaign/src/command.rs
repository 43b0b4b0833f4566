//! One module a command: its arguments, its help, and `run`, which returns the exit code. An error is exit code 1; the
//! help has the others.

mod compare;
mod completions;
mod corpora;
mod coverage;
mod doctor;
mod list;
mod minimize;
mod new;
mod replay;
mod run;
mod subjects;
mod triage;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use cli::output::from_here;
use cli::{FINDS, INTERRUPTED, parse_time};
use worker::TargetInfo;
use worker::known::IGNORE_VARIABLE;
use worker::protocol::JUDGE_VARIABLE;

use crate::coverage::{Replay, SourceMap, build_worker};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::TIME_OUT;
use crate::supervisor;

/// Fuzz the code that measures disk images, with three engines and one oracle.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Start here:
  cargo campaign doctor                                       what is missing, and what mends it
  cargo campaign run --engine afl fuzz_measure_calc --time 1m  fuzz one target with one engine
  cargo campaign compare --time 1m                            all engines on all targets
  cargo campaign replay FILE                                  what a find fails, and on which case
Image files and QEMU: cargo images. The oracle's strength: cargo lab.")]
enum Command {
    Doctor(doctor::Doctor),
    List(list::List),
    New(new::New),
    Run(run::Run),
    Compare(compare::Compare),
    Corpora(corpora::Corpora),
    Coverage(coverage::Coverage),
    Replay(replay::Replay),
    Triage(triage::Triage),
    Subjects(subjects::Subjects),
    Minimize(minimize::Minimize),
}

/// Commands and options of earlier versions, and what has taken their places.
const MOVED: [(&str, &str); 12] = [
    ("compare --faults", "cargo lab faults --into DIR"),
    ("differential", "cargo images differential …"),
    ("export", "zip or rsync: see docs/campaigns.md"),
    ("faults", "cargo lab faults …"),
    ("import", "unzip or rsync: see docs/campaigns.md"),
    ("measure", "cargo images measure …"),
    ("mutants", "cargo lab mutants …"),
    ("recipe", "cargo images recipe …"),
    (
        "run --main",
        "cargo campaign run without it: every machine has a main instance now",
    ),
    (
        "run --trials",
        "cargo campaign compare --engines all,ensemble …",
    ),
    ("scan", "cargo images scan …"),
    ("seeds", "cargo images seeds …"),
];

/// The whole of the tool's `main`.
pub fn main() -> ExitCode {
    if let Some(watched) = supervisor::watch_if_asked(std::env::args_os()) {
        return watched.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let given: Vec<OsString> = cli::arguments("campaign").skip(1).collect();
    let is_given = |was: &str| {
        let mut words = was.split(' ');
        given.first().map(OsString::as_os_str) == words.next().map(OsStr::new)
            && words.all(|option| given.iter().any(|given| given == option))
    };
    if let Some((_, now)) = MOVED.iter().find(|(was, _)| is_given(was)) {
        eprintln!("moved: use {now}");
        return ExitCode::from(2);
    }
    cli::main("campaign", completions::with_names, run)
}

fn run(command: &Command, project: Option<&Path>) -> Result<ExitCode> {
    match command {
        Command::Run(run::Run { judged, .. })
        | Command::Compare(compare::Compare { judged, .. })
        | Command::Replay(replay::Replay { judged, .. })
        | Command::Triage(triage::Triage { judged, .. }) => judged.apply()?,
        _ => {}
    }
    let project = || Project::open(project);
    match command {
        Command::New(args) => new::run(args),
        Command::Doctor(args) => doctor::run(args, &project()?),
        Command::List(args) => list::run(args, &project()?),
        Command::Run(args) => run::run(args, &project()?),
        Command::Compare(args) => compare::run(args, &project()?),
        Command::Corpora(args) => corpora::run(args, &project()?),
        Command::Coverage(args) => coverage::run(args, &project()?),
        Command::Replay(args) => replay::run(args, &project()?),
        Command::Triage(args) => triage::run(args, &project()?),
        Command::Subjects(args) => subjects::run(args, &project()?),
        Command::Minimize(args) => minimize::run(args, &project()?),
    }
}

/// What the code under test is held to in this run.
#[derive(Debug, Clone, clap::Args)]
struct Judged {
    /// Judge this in the place of what the project states: names with commas between them, or `all`. A name that
    /// there is not is answered with those that there are.
    #[arg(long, value_name = "NAMES")]
    judge: Option<String>,
    /// Set the list of known findings aside: each is a finding like any other.
    #[arg(long)]
    ignore_known: bool,
}

impl Judged {
    /// Workers and engines find this in their environment. A process cannot change its own without `unsafe`, so
    /// this one is replaced by itself with another environment, unless it has that already.
    fn apply(&self) -> Result<()> {
        let judge = self.judge.as_deref().map(|names| (JUDGE_VARIABLE, names));
        let ignore = self.ignore_known.then_some((IGNORE_VARIABLE, "1"));
        let missing: Vec<(&str, &str)> = [judge, ignore]
            .into_iter()
            .flatten()
            .filter(|(name, value)| std::env::var_os(name).as_deref() != Some(OsStr::new(value)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let program = std::env::current_exe().context("the path of this program is not known")?;
        let mut command = process::Command::new(program);
        let error = command
            .args(std::env::args_os().skip(1))
            .envs(missing)
            .exec();
        Err(error).context("this program cannot be started again")
    }
}

/// The targets of these names; all but the base line when there are none.
fn chosen_targets<'a>(project: &'a Project, names: &[String]) -> Result<Vec<&'a TargetInfo>> {
    if names.is_empty() {
        return project.fuzzed();
    }
    names.iter().map(|name| project.target(name)).collect()
}

/// The exit code of a command that replayed inputs of which `failing` fail; points to them when there are any.
fn end_of_replay(project: &Project, failing: usize) -> ExitCode {
    if failing == 0 {
        return ExitCode::SUCCESS;
    }
    let finds = project.results().join("finds");
    let finds = from_here(&finds).display();
    let command = project.command();
    eprintln!("{failing} inputs fail; see {command} replay {finds}");
    ExitCode::from(FINDS)
}

/// The neutral build of a project, and its map.
struct Neutral {
    binary: PathBuf,
    map: SourceMap,
}

impl Neutral {
    fn build(project: &Project, progress: &Progress) -> Result<Self> {
        let build = || build_worker(project.root(), &project.builds("coverage"));
        let binary = progress.step("build for coverage", build)?;
        let map = SourceMap::of_worker(&binary, project.code_under_test()?)?;
        Ok(Self { binary, map })
    }

    fn replay<'a>(&'a self, target: &'a str) -> Replay<'a> {
        Replay {
            binary: &self.binary,
            map: &self.map,
            target,
            timeout: TIME_OUT,
        }
    }
}
