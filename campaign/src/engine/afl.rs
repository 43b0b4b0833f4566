//! AFL++, through cargo-afl.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Build, Kept, Percent, Status, Task, number_after, run_build};
use crate::corpus::files_in;
use crate::project::Project;

/// The name of the only instance.
const INSTANCE: &str = "default";

pub(super) fn build(project: &Project, target: &str) -> Result<Build> {
    let folder = project.builds("afl");
    run_build(
        Command::new("cargo")
            .args(["afl", "build", "--release", "--bin", target, "--target-dir"])
            .arg(&folder)
            .current_dir(project.root().join("afl-targets")),
    )?;
    Ok(Build {
        binary: folder.join("release").join(target),
        launcher: None,
    })
}

pub(super) fn command(build: &Build, task: &Task) -> Command {
    let mut command = Command::new("cargo");
    command
        .args([
            "afl",
            "fuzz",
            "-V",
            &task.time.as_secs().max(1).to_string(),
            "-i",
        ])
        .arg(&task.inputs)
        .arg("-o")
        .arg(task.output())
        .args(["-G", &task.max_input.to_string(), "-t", "5000"])
        // No window on a terminal; no questions about the machine's set-up, which `doctor` answers.
        .env("AFL_NO_UI", "1")
        .env("AFL_SKIP_CPUFREQ", "1")
        .env("AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "1")
        // The core is chosen by us.
        .env("AFL_NO_AFFINITY", "1")
        // An input that fails to begin with is a find, not a reason to give up.
        .env("AFL_CRASHING_SEEDS_AS_NEW_CRASH", "1")
        .env("AFL_FUZZER_STATS_UPDATE_INTERVAL", "1");
    if let Some(dictionary) = &task.dictionary {
        command.arg("-x").arg(dictionary);
    }
    command.arg("--").arg(&build.binary);
    command
}

pub(super) fn seeds_read(log: &str) -> Option<u64> {
    number_after(log, "Loaded a total of ")
}

pub(super) fn status(task: &Task) -> Status {
    let text = fs::read_to_string(task.output().join(INSTANCE).join("fuzzer_stats"));
    text.map_or_else(|_| Status::default(), |text| status_of(&text))
}

fn status_of(fuzzer_stats: &str) -> Status {
    let value = |key: &str| {
        fuzzer_stats.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    Status {
        executions: value("execs_done")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        corpus: value("corpus_count")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        stability: value("stability")
            .and_then(|text| text.trim_end_matches('%').split_once('.'))
            .and_then(|(whole, hundredths)| {
                Some(Percent(
                    whole.parse::<u32>().ok()? * 100 + hundredths.parse::<u32>().ok()?,
                ))
            }),
    }
}

/// The queue, whose file names say when each input came.
pub(super) fn kept(task: &Task) -> Result<Vec<Kept>> {
    Ok(files_in(&task.output().join(INSTANCE).join("queue"))?
        .into_iter()
        .map(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Kept {
                time: Duration::from_millis(number_after(&name, ",time:").unwrap_or(0)),
                executions: number_after(&name, ",execs:"),
                path,
            }
        })
        .collect())
}

pub(super) fn finds(task: &Task) -> Result<Vec<PathBuf>> {
    let mut finds = Vec::new();
    for folder in ["crashes", "hangs"] {
        finds.extend(
            files_in(&task.output().join(INSTANCE).join(folder))?
                .into_iter()
                .filter(|path| path.file_name().is_some_and(|name| name != "README.txt")),
        );
    }
    Ok(finds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_figures_are_read() {
        let status = status_of(
            "start_time        : 1795361632\nexecs_done        : 294936\n\
             execs_per_sec     : 29487.70\ncorpus_count      : 83\nstability         : 99.45%\n",
        );
        assert_eq!((status.executions, status.corpus), (294_936, 83));
        assert_eq!(status.stability.unwrap().to_string(), "99.45 %");
        assert_eq!(
            seeds_read("[*] x\n[+] Loaded a total of 5 seeds.\n"),
            Some(5)
        );
        assert_eq!(seeds_read("[-] PROGRAM ABORT"), None);
    }
}
