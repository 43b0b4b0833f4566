//! One module a command: its arguments, its help, and `run`.

pub mod bench;
pub mod compare;
pub mod completions;
pub mod corpora;
pub mod coverage;
pub mod differential;
pub mod doctor;
pub mod export;
pub mod faults;
pub mod import;
pub mod list;
pub mod manual;
pub mod measure;
pub mod minimize;
pub mod mutants;
pub mod recipe;
pub mod replay;
pub mod run;
pub mod scan;
pub mod seeds;
pub mod triage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness_core::{TARGETS, Target, targets};

use crate::coverage::{NeutralBuild, Replay, SourceMap};
use crate::output::from_here;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::TIME_OUT;

/// The exit code that says that there are finds.
pub const FINDS: u8 = 3;

/// The exit code after Ctrl-C, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// The names of all targets but the base line.
fn target_names() -> Vec<&'static str> {
    TARGETS
        .iter()
        .filter(|target| !target.is_baseline)
        .map(|target| target.name)
        .collect()
}

/// The target of that name.
fn target(name: &str) -> Result<&'static Target> {
    targets::find(name).with_context(|| {
        format!(
            "no target is called {name:?}; there are {}",
            target_names().join(", ")
        )
    })
}

/// The targets of these names; all but the empty one when there are none.
fn chosen_targets(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return target_names().into_iter().map(target).collect();
    }
    names.iter().map(|name| target(name)).collect()
}

/// Where `minimize` and `corpora` keep the inputs of a target that fail.
fn finds_of_corpora(project: &Project, target: &Target) -> PathBuf {
    let finds = project.results().join("finds");
    finds.join(target.name).join("corpora")
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
        let build = || NeutralBuild::of(project).build();
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

/// A time such as `30s`, `10m` or `1h`; a bare number is seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let time = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; write 30s, 10m or 1h"))?,
    };
    if time < Duration::from_secs(1) {
        return Err("at least one second".to_owned());
    }
    Ok(time)
}
