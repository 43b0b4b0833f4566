//! libFuzzer, through cargo-fuzz.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Build, Sanitizer, Task, host_triple, number_after, run_build};
use crate::project::Project;

pub(super) fn build(project: &Project, target: &str, sanitizer: Sanitizer) -> Result<Build> {
    let address = match sanitizer {
        Sanitizer::Address => {
            require_nightly()?;
            true
        }
        Sanitizer::Auto => has_nightly(),
        Sanitizer::None => false,
    };
    let (sanitizer, folder) = match address {
        true => ("address", project.builds("libfuzzer-address")),
        false => ("none", project.builds("libfuzzer")),
    };
    let mut command = Command::new("cargo");
    command
        .args(address.then_some("+nightly"))
        .args(["fuzz", "build", "--fuzz-dir", "libfuzzer-targets"])
        .args(["--sanitizer", sanitizer, "--target-dir"])
        .arg(&folder)
        .arg(target)
        .current_dir(project.root());
    run_build(&mut command)?;
    Ok(Build {
        binary: folder.join(host_triple()?).join("release").join(target),
        launcher: None,
    })
}

/// Whether a nightly toolchain is installed.
pub(crate) fn has_nightly() -> bool {
    Command::new("cargo")
        .args(["+nightly", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Fails without a nightly toolchain.
pub(crate) fn require_nightly() -> Result<()> {
    let help = "AddressSanitizer needs nightly Rust: rustup toolchain install nightly";
    ensure!(has_nightly(), help);
    Ok(())
}

/// The command of a process. libFuzzer stops at a find. Every second it reads what appears in its output folder,
/// from other processes and from other engines.
pub(super) fn command(build: &Build, task: &Task, time: Duration) -> Command {
    let mut command = Command::new(&build.binary);
    command
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-max_len={}", task.max_input))
        .arg(format!("-artifact_prefix={}/", task.artifacts().display()))
        .args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg("-reload=1");
    if task.value_profile {
        command.arg("-use_value_profile=1");
    }
    if let Some(dictionary) = &task.dictionary {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(task.output()).arg(&task.inputs);
    command
}

/// What the folder of inputs held: libFuzzer reports each folder, the output's first.
pub(super) fn seeds_read(log: &str, task: &Task) -> Option<u64> {
    let folder = task.inputs.display().to_string();
    log.lines().find_map(|line| {
        let (count, rest) = line.strip_prefix("INFO:")?.split_once(" files found in ")?;
        (rest == folder).then(|| count.trim().parse().ok())?
    })
}

/// The executions in what a start has printed: the last `#123` of a whole line, or the final figure.
pub(super) fn executions(printed: &str) -> Option<u64> {
    let whole_lines = printed.rsplit_once('\n')?.0;
    whole_lines.lines().rev().find_map(|line| {
        number_after(line, "stat::number_of_executed_units:")
            .or_else(|| number_after(line.strip_prefix('#').map(|_| line)?, "#"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_those_of_the_last_whole_line() {
        for (printed, expected) in [
            ("", None),
            ("INFO: Seed: 5\n", None),
            ("#6\tINITED cov: 77\n#4096\tpul", Some(6)),
            ("#4096\tpulse\nthread panicked\n", Some(4096)),
            (
                "#12\tNEW cov: 3\nstat::number_of_executed_units: 5000\n",
                Some(5000),
            ),
        ] {
            assert_eq!(executions(printed), expected, "{printed}");
        }
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
