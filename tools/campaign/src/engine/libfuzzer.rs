//! libFuzzer, through cargo-fuzz.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::growing::ReadTo;
use super::{Build, Sanitizer, Task, host_triple, number_after, run_build};
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
        env: std::collections::BTreeMap::new(),
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

/// The command of a process, whose folder is made. libFuzzer stops at a find. Every second it reads what
/// appears in its output folder, from other processes and from other engines.
pub(super) fn command(build: &Build, task: &Task, time: Duration) -> Result<Command> {
    for folder in [&task.output, &task.artifacts()] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(&build.binary);
    command
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-max_len={}", task.max_input))
        .arg(format!("-artifact_prefix={}/", task.artifacts().display()))
        .args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg("-reload=1");
    if let Some(dictionary) = &task.dictionary {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(&task.output).arg(&task.inputs);
    Ok(command)
}

/// What the folder of inputs held: libFuzzer reports each folder, the output's first.
pub(super) fn seeds_read(log: &str, task: &Task) -> Option<u64> {
    let folder = task.inputs.display().to_string();
    log.lines().find_map(|line| {
        let (count, rest) = line.strip_prefix("INFO:")?.split_once(" files found in ")?;
        (rest == folder).then(|| count.trim().parse().ok())?
    })
}

/// The executions in a log, `#123` or the final figure, of every start there was.
#[derive(Debug, Default)]
pub(super) struct Executions {
    read_to: ReadTo,
    of_earlier_starts: u64,
    latest: u64,
}

impl Executions {
    /// Reads what is new in the log, and returns the sum; what cannot be read adds nothing.
    pub(super) fn read(&mut self, log: &Path) -> u64 {
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
            inputs: "/a/inputs".into(),
            ..super::super::task()
        };
        let log =
            "INFO:        0 files found in /a/output\nINFO:        5 files found in /a/inputs\n";
        assert_eq!(seeds_read(log, &task), Some(5));
        assert_eq!(seeds_read("INFO: A corpus is not provided\n", &task), None);
    }
}
