//! honggfuzz, through cargo-hfuzz.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::{Build, Kept, Status, Task, growing, host_triple, kept_in, number_after, run_build};
use crate::corpus::files_in;
use crate::project::Project;

pub(super) fn build(project: &Project, target: &str) -> Result<Build> {
    let folder = project.builds("honggfuzz");
    run_build(
        Command::new("cargo")
            .args(["hfuzz", "build", "--bin", target])
            .env("CARGO_TARGET_DIR", &folder)
            .current_dir(project.root().join("hfuzz-targets")),
    )?;
    Ok(Build {
        binary: folder.join(host_triple()?).join("release").join(target),
        launcher: Some(folder.join("honggfuzz")),
    })
}

/// honggfuzz is started itself: `cargo hfuzz run` would build again, and split arguments at blanks.
pub(super) fn command(build: &Build, task: &Task) -> Result<Command> {
    let mut command = options(build, task, task.time, 1)?;
    command.arg("--").arg(&build.binary);
    Ok(command)
}

/// The command in an ensemble, for `time`, with so many fuzzing threads. It reads files that appear in
/// `import`, and takes them away from there.
///
/// # Errors
/// When a folder cannot be made, or honggfuzz was not built.
pub fn ensemble_command(
    build: &Build,
    task: &Task,
    time: Duration,
    threads: usize,
    import: &Path,
) -> Result<Command> {
    fs::create_dir_all(import)?;
    let mut command = options(build, task, time, threads)?;
    command.arg("--dynamic_input").arg(import);
    command.arg("--").arg(&build.binary);
    Ok(command)
}

/// Everything but the target.
fn options(build: &Build, task: &Task, time: Duration, threads: usize) -> Result<Command> {
    for folder in [task.output(), task.artifacts()] {
        fs::create_dir_all(folder)?;
    }
    let launcher = build.launcher.as_ref().context("honggfuzz was not built")?;
    let mut command = Command::new(launcher);
    command
        .arg("--workspace")
        .arg(&task.folder)
        .arg("--crashdir")
        .arg(task.artifacts())
        .arg("--input")
        .arg(&task.inputs)
        .arg("--output")
        .arg(task.output())
        .arg("--statsfile")
        .arg(statistics(task))
        .args(["--persistent", "--verbose", "--timeout", "5"])
        .args(["--threads", &threads.to_string()])
        .args(["--run_time", &time.as_secs().max(1).to_string()])
        .args(["--max_file_size", &task.max_input.to_string()]);
    if let Some(dictionary) = &task.dictionary {
        command.arg("--dict").arg(dictionary);
    }
    Ok(command)
}

/// The file with a row for each input kept.
#[must_use]
pub fn statistics(task: &Task) -> PathBuf {
    task.folder.join("statistics.csv")
}

/// honggfuzz says that it has done with its inputs, not how many they were: it reads them all first.
pub(crate) fn seeds_read(log: &str, task: &Task) -> Option<u64> {
    log.contains("Entering phase 2/3")
        .then(|| files_in(&task.inputs).ok())?
        .map(|files| files.len() as u64)
}

/// The statistics have a row for each input kept, the log's last line the final figures.
pub(crate) fn status(task: &Task) -> Status {
    let log = growing::end(&task.log()).unwrap_or_default();
    let rows = growing::end(&statistics(task)).unwrap_or_default();
    Status {
        executions: number_after(&log, "Summary iterations:")
            .or_else(|| rows.lines().last()?.split(", ").nth(2)?.parse().ok())
            .unwrap_or(0),
        corpus: files_in(&task.output()).map_or(0, |files| files.len() as u64),
        stability: None,
    }
}

pub(super) fn kept(task: &Task, start: SystemTime) -> Result<Vec<Kept>> {
    kept_in(&task.output(), start)
}

pub(crate) fn finds(task: &Task) -> Result<Vec<PathBuf>> {
    files_in(&task.artifacts())
}
