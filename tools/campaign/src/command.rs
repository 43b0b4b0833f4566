//! One module a command: its arguments, its help, and `run`.

pub mod bench;
pub mod compare;
pub mod completions;
pub mod corpora;
pub mod coverage;
pub mod doctor;
pub mod export;
pub mod import;
pub mod list;
pub mod minimize;
pub mod new;
pub mod replay;
pub mod run;
pub mod subjects;
pub mod triage;

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use cli::parse_time;
use worker::TargetInfo;
use worker::known::IGNORE_VARIABLE;
use worker::protocol::JUDGE_VARIABLE;

use crate::coverage::{Replay, SourceMap, build_worker};
use crate::output::from_here;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::TIME_OUT;

pub use cli::{FINDS, INTERRUPTED};

/// What the code under test is held to in this run.
#[derive(Debug, Clone, clap::Args)]
pub struct Judged {
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
    ///
    /// # Errors
    /// When the program cannot be started again.
    pub fn apply(&self) -> Result<()> {
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
        let mut command = Command::new(program);
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
