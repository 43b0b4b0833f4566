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
pub mod replay;
pub mod run;
pub mod triage;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use cli::parse_time;
use worker::TargetInfo;

use crate::coverage::{Replay, SourceMap, build_worker};
use crate::output::from_here;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::TIME_OUT;

pub use cli::{FINDS, INTERRUPTED};

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
        let map = SourceMap::of_worker(&binary, project.root(), &project.code_under_test()?)?;
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
