//! The three engines: how each is built, started and read.
//!
//! One module an engine holds all that is peculiar to it. [`session`] runs one or several on one target.
//! An engine's exit code is never trusted: what it did is read from its files.

pub mod afl;
mod honggfuzz;
pub(crate) mod libfuzzer;
pub mod session;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::corpus::files_in;
use crate::project::Project;
use crate::supervisor::STARTED;
use afl::Sharing;

/// How much of a file's end is read, in bytes: engines may write to it for weeks.
const END: u64 = 64 << 10;

/// A fuzzing engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// AFL++, through cargo-afl.
    Afl,
    /// libFuzzer, through cargo-fuzz.
    Libfuzzer,
    /// honggfuzz, through cargo-hfuzz.
    Honggfuzz,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 3] = [Self::Afl, Self::Libfuzzer, Self::Honggfuzz];

    /// The name on the command line, in folders and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Afl => "afl",
            Self::Libfuzzer => "libfuzzer",
            Self::Honggfuzz => "honggfuzz",
        }
    }

    /// The name as its authors write it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Afl => "AFL++",
            Self::Libfuzzer => "libFuzzer",
            Self::Honggfuzz => "honggfuzz",
        }
    }

    /// The package of its cargo front end, and the version that the workspace pins.
    pub(crate) fn front_end(self) -> (&'static str, &'static str) {
        match self {
            Self::Afl => ("cargo-afl", pinned("afl")),
            Self::Libfuzzer => ("cargo-fuzz", pinned("cargo-fuzz")),
            Self::Honggfuzz => ("honggfuzz", pinned("honggfuzz")),
        }
    }

    /// The command that prints the version of its cargo front end.
    pub(crate) fn version_command(self) -> Command {
        let mut cargo = Command::new("cargo");
        match self {
            Self::Afl => cargo.args(["afl", "--version"]),
            Self::Libfuzzer => cargo.args(["fuzz", "--version"]),
            Self::Honggfuzz => cargo.args(["hfuzz", "version"]),
        };
        cargo
    }

    /// Builds a target for this engine. Fails when the build fails, with the end of what it printed and the command.
    pub fn build(self, project: &Project, target: &str, sanitizer: Sanitizer) -> Result<Build> {
        let build = match self {
            Self::Afl => afl::build(project, target),
            Self::Libfuzzer => libfuzzer::build(project, target, sanitizer),
            Self::Honggfuzz => honggfuzz::build(project, target),
        }?;
        for file in std::iter::once(&build.binary).chain(&build.launcher) {
            if !file.is_file() {
                bail!(
                    "the build of {target} for {} succeeded but left no {}",
                    self.title(),
                    file.display()
                );
            }
        }
        Ok(build)
    }

    /// The command of the process at `place` among those of a task, which ends by itself after `time`.
    fn command(self, build: &Build, task: &Task, place: usize, time: Duration) -> Result<Command> {
        match self {
            Self::Afl => Ok(afl::command(build, task, place, time)),
            Self::Libfuzzer => Ok(libfuzzer::command(build, task, time)),
            Self::Honggfuzz => honggfuzz::command(build, task, time),
        }
    }

    /// How many inputs it read to begin with, by its log.
    fn seeds_read(self, log: &str, task: &Task) -> Option<u64> {
        match self {
            Self::Afl => afl::seeds_read(log),
            Self::Libfuzzer => libfuzzer::seeds_read(log, task),
            Self::Honggfuzz => honggfuzz::seeds_read(log, task),
        }
    }

    /// Executions of the process at `place` since its last start, as far as its files show. AFL++ alone also
    /// counts those of earlier starts.
    fn executions(self, task: &Task, place: usize) -> u64 {
        let executions = match self {
            Self::Afl => afl::executions(task, place),
            Self::Libfuzzer => libfuzzer::executions(&latest_start(&task.log(place))),
            Self::Honggfuzz => honggfuzz::executions(task),
        };
        executions.unwrap_or(0)
    }
}

/// The inputs that an engine keeps in its folder; AFL++ keeps them in a folder of each instance.
fn kept_in(folder: &Path, sharing: Option<&Sharing>) -> Result<Vec<PathBuf>> {
    let mut kept = files_in(&folder.join("output"))?;
    for instance in afl::instances_of(folder, sharing)? {
        kept.extend(files_in(&instance.join("queue"))?);
    }
    Ok(kept)
}

/// The inputs that failed, likewise.
fn finds_in(folder: &Path, sharing: Option<&Sharing>) -> Result<Vec<PathBuf>> {
    let mut finds = files_in(&folder.join("finds"))?;
    // libFuzzer remarks on slow inputs: they are no finds.
    finds.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        !name.as_encoded_bytes().starts_with(b"slow-unit-")
    });
    for instance in afl::instances_of(folder, sharing)? {
        finds.extend(afl::instance_finds(&instance)?);
    }
    Ok(finds)
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The version that the workspace's manifest pins for `package`: versions are there, and only there.
fn pinned(package: &str) -> &'static str {
    include_str!("../../../Cargo.toml")
        .lines()
        .find_map(|line| {
            line.strip_prefix(package)?
                .strip_prefix(" = \"=")?
                .split('"')
                .next()
        })
        .expect("the workspace pins every engine")
}

/// The sanitizer of a libFuzzer build. AFL++ and honggfuzz run without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sanitizer {
    /// AddressSanitizer when a nightly toolchain is there, which it needs; none otherwise.
    Auto,
    /// AddressSanitizer; needs a nightly toolchain.
    Address,
    /// No sanitizer: stable Rust, and the fastest.
    None,
}

/// What a build made.
#[derive(Debug, Clone)]
pub struct Build {
    /// The instrumented target.
    pub binary: PathBuf,
    /// The engine itself, where it is a program of its own that the build makes.
    pub launcher: Option<PathBuf>,
}

/// What one engine is to do, in one process or several.
#[derive(Debug, Clone)]
struct Task {
    /// The longest input to make, in bytes.
    max_input: usize,
    /// The folder of inputs to begin from. The engine does not write there.
    inputs: PathBuf,
    /// The folder that belongs to this engine: it writes here and, when AFL++'s output is shared, there.
    folder: PathBuf,
    /// AFL++'s output folder that is shared with other machines, when there is one.
    sharing: Option<Sharing>,
    dictionary: Option<PathBuf>,
    /// Whether the target lets engines see comparisons (see
    /// [`compare_tracing`](worker::TargetInfo::compare_tracing)).
    compare_tracing: bool,
    /// Whether libFuzzer is guided by compared values too.
    value_profile: bool,
    /// How many fuzzing processes or threads.
    workers: usize,
    /// The folder with what all engines kept, when this one reads what others found.
    pool: Option<PathBuf>,
    /// AFL++'s instances, one a worker; none of other engines.
    instances: Vec<afl::Instance>,
}

impl Task {
    fn log(&self, place: usize) -> PathBuf {
        match place {
            0 => self.folder.join("log.txt"),
            _ => self.folder.join(format!("log-{}.txt", place + 1)),
        }
    }

    /// Where it keeps its inputs.
    fn output(&self) -> PathBuf {
        let sharing = self.sharing.as_ref();
        sharing.map_or_else(|| self.folder.join("output"), |one| one.folder.clone())
    }

    /// Where the engine puts finds, when it can be chosen.
    fn artifacts(&self) -> PathBuf {
        self.folder.join("finds")
    }

    /// Where honggfuzz reads what other engines found.
    fn import(&self) -> PathBuf {
        self.folder.join("import")
    }
}

/// Runs a build command and turns its failure into an error with the end of what it printed.
fn run_build(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        bail!(
            "`{shown}` failed ({}); `cargo campaign doctor` shows what is missing. The end of its output:\n{}",
            output.status,
            last_lines(&String::from_utf8_lossy(&output.stderr), 25)
        );
    }
    Ok(())
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The platform of this machine, as rustc names it.
fn host_triple() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

/// The last 64 KiB of a file, of which the first line may be cut; nothing when it cannot be read.
fn end_of(file: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(file).and_then(|mut file| {
        let before = file.metadata()?.len().saturating_sub(END);
        file.seek(SeekFrom::Start(before))?;
        file.read_to_end(&mut bytes)
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a process has printed since its last start, or the end of that.
fn latest_start(log: &Path) -> String {
    let end = end_of(log);
    end.rsplit(STARTED).next().unwrap_or_default().to_owned()
}

/// The last lines of a text that are not empty.
fn last_lines(text: &str, count: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.retain(|line| !line.trim().is_empty());
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The number after `key` in `text`, at its first occurrence.
pub(crate) fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = text.split_once(key)?.1.trim_start();
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
fn task() -> Task {
    Task {
        max_input: 192,
        inputs: "inputs".into(),
        folder: "folder".into(),
        sharing: None,
        dictionary: None,
        compare_tracing: true,
        value_profile: false,
        workers: 1,
        pool: None,
        instances: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn of_a_long_log_the_end_is_read_and_of_that_the_last_start() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(latest_start(&log), "");
        let start = format!("{STARTED}target\n");
        fs::write(&log, format!("{start}#5 NEW\n{start}#7 NEW\n")).unwrap();
        assert_eq!(latest_start(&log), "target\n#7 NEW\n");
        let line = "x".repeat(99);
        fs::write(&log, format!("{line}\n").repeat(1000)).unwrap();
        let end = end_of(&log);
        assert_eq!(end.len(), 65536);
        assert_eq!(last_lines(&end, 12).len(), 1199);
    }
}
