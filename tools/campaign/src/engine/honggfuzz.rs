//! honggfuzz, through cargo-hfuzz.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Build, Task, end_of, host_triple, latest_start, number_after, run_build};
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

/// The command. honggfuzz itself is started: `cargo hfuzz run` would build again, and
/// split arguments at blanks. It reads files that appear in the import folder, and takes them away from there.
pub(super) fn command(build: &Build, task: &Task, time: Duration) -> Result<Command> {
    // Those of before it was started again.
    let _ = fs::remove_file(statistics(task));
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
        .args(["--threads", &task.workers.to_string()])
        .args(["--run_time", &time.as_secs().max(1).to_string()])
        .args(["--max_file_size", &task.max_input.to_string()]);
    if let Some(dictionary) = &task.dictionary {
        command.arg("--dict").arg(dictionary);
    }
    if task.pool.is_some() {
        command.arg("--dynamic_input").arg(task.import());
    }
    command.arg("--").arg(&build.binary);
    Ok(command)
}

/// The file with a row for each input kept.
fn statistics(task: &Task) -> PathBuf {
    task.folder.join("statistics.csv")
}

/// honggfuzz reports that it has read its inputs, not how many they were: it reads them all first.
pub(super) fn seeds_read(log: &str, task: &Task) -> Option<u64> {
    log.contains("Entering phase 2/3")
        .then(|| files_in(&task.inputs).ok())?
        .map(|files| files.len() as u64)
}

/// The statistics have a row for each input kept, and the log's last line has the final figure.
pub(super) fn executions(task: &Task) -> Option<u64> {
    let final_figure = number_after(&latest_start(&task.log(0)), "Summary iterations:");
    final_figure.or_else(|| {
        let rows = end_of(&statistics(task));
        // The first is the title, and the last may be half written.
        let row = rows.rsplit_once('\n')?.0.lines().last()?;
        row.split(", ").nth(2)?.parse().ok()
    })
}
