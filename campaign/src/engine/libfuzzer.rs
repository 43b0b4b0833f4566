//! libFuzzer, through cargo-fuzz.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::Result;

use super::growing::ReadTo;
use super::{Build, Kept, Sanitizer, Status, Task, host_triple, kept_in, number_after, run_build};
use crate::corpus::files_in;
use crate::project::Project;

pub(super) fn build(project: &Project, target: &str, sanitizer: Sanitizer) -> Result<Build> {
    let address = match sanitizer {
        Sanitizer::Address => true,
        Sanitizer::Auto => has_nightly(),
        Sanitizer::None => false,
    };
    let folder = project.builds(if address {
        "libfuzzer-address"
    } else {
        "libfuzzer"
    });
    let mut command = Command::new("cargo");
    if address {
        command.arg("+nightly");
    }
    run_build(
        command
            .args([
                "fuzz",
                "build",
                "--fuzz-dir",
                "libfuzzer-targets",
                "--sanitizer",
            ])
            .arg(if address { "address" } else { "none" })
            .arg("--target-dir")
            .arg(&folder)
            .arg(target)
            .current_dir(project.root()),
    )?;
    Ok(Build {
        binary: folder.join(host_triple()?).join("release").join(target),
        launcher: None,
    })
}

/// Whether a nightly toolchain is installed.
#[must_use]
pub fn has_nightly() -> bool {
    Command::new("cargo")
        .args(["+nightly", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command for what is left of the time. libFuzzer stops at a find; the caller starts it again.
pub(super) fn command(build: &Build, task: &Task, time: Duration) -> Result<Command> {
    for folder in [task.output(), task.artifacts(), task.replaced()] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(&build.binary);
    command
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-max_len={}", task.max_input))
        .arg(format!("-artifact_prefix={}/", task.artifacts().display()))
        .args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    if let Some(dictionary) = &task.dictionary {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(task.output()).arg(&task.inputs);
    Ok(command)
}

/// The command of a worker in an ensemble: it reads what appears in its output folder, from other workers and
/// from other engines, every second.
///
/// # Errors
/// When a folder cannot be made.
pub fn ensemble_command(build: &Build, task: &Task, time: Duration) -> Result<Command> {
    let mut command = command(build, task, time)?;
    command.arg("-reload=1");
    Ok(command)
}

/// What the folder of inputs held: libFuzzer reports each folder, the output's first.
pub(crate) fn seeds_read(log: &str, task: &Task) -> Option<u64> {
    let folder = task.inputs.display().to_string();
    log.lines().find_map(|line| {
        let (count, rest) = line.strip_prefix("INFO:")?.split_once(" files found in ")?;
        (rest == folder).then(|| count.trim().parse().ok())?
    })
}

pub(crate) fn status(task: &Task, executions: &mut Executions) -> Status {
    Status {
        executions: executions.read(&task.log()),
        corpus: files_in(&task.output()).map_or(0, |files| files.len() as u64),
        stability: None,
    }
}

/// The executions that a log tells, `#123` or the final figure, of every start there was.
#[derive(Debug, Default)]
pub struct Executions {
    read_to: ReadTo,
    of_earlier_starts: u64,
    latest: u64,
}

impl Executions {
    /// Reads what is new in the log; what cannot be read tells nothing.
    pub fn read(&mut self, log: &Path) -> u64 {
        let mut read_to = self.read_to;
        let _ = read_to.new_lines(log, |line| self.take(line));
        self.read_to = read_to;
        self.of_earlier_starts + self.latest
    }

    fn take(&mut self, line: &str) {
        let figure = line
            .strip_prefix("stat::number_of_executed_units:")
            .and_then(|rest| rest.trim().parse().ok())
            .or_else(|| number_after(line.strip_prefix('#').map(|_| line)?, "#"));
        if line.starts_with("INFO: Running with entropic") {
            self.of_earlier_starts += self.latest;
            self.latest = 0;
        } else if let Some(figure) = figure {
            self.latest = self.latest.max(figure);
        }
    }
}

/// libFuzzer replaces an input by a smaller one with the same features; so that growth over time is
/// not told from the late ones alone, a second name keeps what was there.
pub(super) fn preserve(task: &Task) -> Result<()> {
    for file in files_in(&task.output())? {
        let second = task.replaced().join(file.file_name().unwrap_or_default());
        if !second.exists() {
            // It may vanish between the two calls; then it is not there to be kept.
            let _ = fs::hard_link(&file, second);
        }
    }
    Ok(())
}

pub(super) fn kept(task: &Task, start: SystemTime) -> Result<Vec<Kept>> {
    preserve(task)?;
    kept_in(&task.replaced(), start)
}

pub(crate) fn finds(task: &Task) -> Result<Vec<PathBuf>> {
    Ok(files_in(&task.artifacts())?
        .into_iter()
        .filter(|path| {
            // `slow-unit-` is a remark, not a find.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ["crash-", "timeout-", "oom-", "leak-"]
                .iter()
                .any(|kind| name.starts_with(kind))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_of_every_start_are_added_up() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.txt");
        let mut executions = Executions::default();
        assert_eq!(executions.read(&log), 0, "there is none yet");
        let mut text = String::new();
        for (more, sum) in [
            (
                "INFO: Running with entropic power schedule\n#6\tINITED cov: 77\n#4096\tpul",
                6,
            ),
            (
                "se\nthread panicked\nstat::number_of_executed_units: 5000\n",
                5000,
            ),
            (
                "INFO: Running with entropic power schedule\n#12\tNEW cov: 3\n",
                5012,
            ),
        ] {
            text += more;
            fs::write(&log, &text).unwrap();
            assert_eq!(executions.read(&log), sum);
        }
        assert_eq!(Executions::default().read(&log), 5012, "all at once");
    }

    #[test]
    fn the_seeds_are_those_of_the_folder_given() {
        let task = Task {
            max_input: 1,
            inputs: "/a/inputs".into(),
            folder: "/a".into(),
            dictionary: None,
            comparisons_are_seen: true,
            time: Duration::from_secs(1),
        };
        let log =
            "INFO:        0 files found in /a/output\nINFO:        5 files found in /a/inputs\n";
        assert_eq!(seeds_read(log, &task), Some(5));
        assert_eq!(seeds_read("INFO: A corpus is not provided\n", &task), None);
    }
}
