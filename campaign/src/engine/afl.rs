//! AFL++, through cargo-afl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Build, Kept, Percent, Status, Task, number_after, run_build};
use crate::corpus::files_in;
use crate::project::Project;

/// The name of the only instance.
const INSTANCE: &str = "default";
/// How often instances read each other's queues, in minutes: the shortest there is. A main instance, which
/// also reads the folders of other engines, does so twice as often.
const SYNC_MINUTES: &str = "1";

/// One of several instances that share an output folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name, and that of its folder below the output folder.
    pub name: String,
    /// Whether it is the main instance (`-M`), which reads everybody's queue; the others (`-S`) read its.
    pub is_main: bool,
    /// Its power schedule (`-p`), when it is not the usual one.
    pub schedule: Option<&'static str>,
    /// The folder with what other engines found (`-F`); only a main instance reads one.
    pub import: Option<PathBuf>,
}

/// The power schedules of further instances, in turn. The first instance has AFL++'s own choice, `explore`.
pub const SCHEDULES: [&str; 7] = ["fast", "rare", "coe", "exploit", "quad", "lin", "mmopt"];

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
    let mut command = options(task, task.time, &task.output());
    command.arg("--").arg(&build.binary);
    command
}

/// The command of one of several instances with the common output folder `output`, for `time`. An instance
/// that was there before goes on where it was.
#[must_use]
pub fn instance_command(
    build: &Build,
    task: &Task,
    time: Duration,
    output: &Path,
    instance: &Instance,
) -> Command {
    let mut command = options(task, time, output);
    command
        .arg(if instance.is_main { "-M" } else { "-S" })
        .arg(&instance.name)
        .env("AFL_SYNC_TIME", SYNC_MINUTES)
        .env("AFL_IMPORT_FIRST", "1")
        .env("AFL_AUTORESUME", "1");
    if let Some(schedule) = instance.schedule {
        command.args(["-p", schedule]);
    }
    if let Some(folder) = &instance.import {
        command.arg("-F").arg(folder);
    }
    command.arg("--").arg(&build.binary);
    command
}

/// Everything but what names the instance and the target.
fn options(task: &Task, time: Duration, output: &Path) -> Command {
    let mut command = Command::new("cargo");
    command
        .args([
            "afl",
            "fuzz",
            "-V",
            &time.as_secs().max(1).to_string(),
            "-i",
        ])
        .arg(&task.inputs)
        .arg("-o")
        .arg(output)
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
    if !task.comparisons_are_seen {
        // cargo-afl asks for CmpLog, which takes its time for every input even where it sees nothing.
        command.args(["-c", "-"]);
    }
    command
}

pub(crate) fn seeds_read(log: &str) -> Option<u64> {
    number_after(log, "Loaded a total of ")
}

pub(crate) fn status(task: &Task) -> Status {
    instance_status(&task.output().join(INSTANCE))
}

/// The figures of the instance in `folder`.
#[must_use]
pub fn instance_status(folder: &Path) -> Status {
    let text = fs::read_to_string(folder.join("fuzzer_stats"));
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

pub(crate) fn finds(task: &Task) -> Result<Vec<PathBuf>> {
    instance_finds(&task.output().join(INSTANCE))
}

/// The finds of the instance in `folder`, those of before it was started again included: AFL++ then gives
/// their folders another name.
///
/// # Errors
/// When a folder cannot be read.
pub fn instance_finds(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut finds = Vec::new();
    for folder in folders_in(folder)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("crashes") || name.starts_with("hangs") {
            let files = files_in(&folder)?.into_iter();
            finds.extend(files.filter(|path| !path.ends_with("README.txt")));
        }
    }
    Ok(finds)
}

/// The folders of all instances below an output folder.
///
/// # Errors
/// When it is there and cannot be read.
pub fn instances_in(output: &Path) -> Result<Vec<PathBuf>> {
    let folders = folders_in(output)?.into_iter();
    Ok(folders
        .filter(|folder| folder.join("queue").is_dir())
        .collect())
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("{} cannot be read", folder.display()))?
            .path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
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

    #[test]
    fn comparisons_are_solved_where_they_are_seen() {
        let asked = |comparisons_are_seen| {
            let task = Task {
                max_input: 192,
                inputs: "inputs".into(),
                folder: "folder".into(),
                dictionary: None,
                comparisons_are_seen,
                time: Duration::from_secs(1),
            };
            let command = options(&task, task.time, &task.output());
            let asked: Vec<String> = command
                .get_args()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            asked.windows(2).any(|pair| pair == ["-c", "-"])
        };
        assert!(asked(false) && !asked(true));
    }

    #[test]
    fn finds_of_before_a_restart_are_finds() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "main/queue/id:000000",
            "main/crashes/README.txt",
            "main/crashes/id:000001",
            "main/crashes.2026-01-01-00:00:00/id:000000",
            "main/hangs/id:000000",
            "other/x",
        ] {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let instances = instances_in(folder.path()).unwrap();
        assert_eq!(instances, [folder.path().join("main")]);
        assert_eq!(instance_finds(&instances[0]).unwrap().len(), 3);
        assert_eq!(instances_in(&folder.path().join("gone")).unwrap().len(), 0);
    }
}
