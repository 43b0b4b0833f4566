//! The three engines: how each is built, started, watched, and read.
//!
//! One module an engine holds all that is peculiar to it. [`session`] runs any of them on one target;
//! [`growing`] reads files that they write to for weeks.
//! An engine's exit code is never trusted: what it did is read from its files.

pub mod afl;
pub mod growing;
pub mod honggfuzz;
pub mod libfuzzer;
pub mod session;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::corpus::files_in;
use crate::project::Project;

/// A fuzzing engine.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    clap::ValueEnum,
    Serialize,
    Deserialize,
)]
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
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Afl => "afl",
            Self::Libfuzzer => "libfuzzer",
            Self::Honggfuzz => "honggfuzz",
        }
    }

    /// The name as its authors write it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Afl => "AFL++",
            Self::Libfuzzer => "libFuzzer",
            Self::Honggfuzz => "honggfuzz",
        }
    }

    /// The folder and package of its targets.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Afl => "afl-targets",
            Self::Libfuzzer => "libfuzzer-targets",
            Self::Honggfuzz => "hfuzz-targets",
        }
    }

    /// The package of its cargo front end, and the version that the workspace pins.
    #[must_use]
    pub fn front_end(self) -> (&'static str, &'static str) {
        match self {
            Self::Afl => ("cargo-afl", pinned("afl")),
            Self::Libfuzzer => ("cargo-fuzz", pinned("cargo-fuzz")),
            Self::Honggfuzz => ("honggfuzz", pinned("honggfuzz")),
        }
    }

    /// The command that says the version of its cargo front end.
    #[must_use]
    pub fn version_command(self) -> Command {
        let mut cargo = Command::new("cargo");
        match self {
            Self::Afl => cargo.args(["afl", "--version"]),
            Self::Libfuzzer => cargo.args(["fuzz", "--version"]),
            Self::Honggfuzz => cargo.args(["hfuzz", "version"]),
        };
        cargo
    }

    /// Builds a target for this engine.
    ///
    /// # Errors
    /// When the build fails, with the end of what it printed and the command.
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
}

/// Several engines, as a command line names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSet(pub BTreeSet<Engine>);

impl std::str::FromStr for EngineSet {
    type Err = String;

    /// Names with commas between them, or `all`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(Engine::ALL.into()));
        }
        let engine = |name| <Engine as clap::ValueEnum>::from_str(name, false);
        let engines = text.split(',').map(engine).collect::<Result<_, _>>();
        engines.map(Self).map_err(|error| {
            let names = Engine::ALL.map(Engine::name).join(", ");
            format!("{error}; there are {names}, and `all`")
        })
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The version that the workspace's manifest pins for `package`: versions are said there, and only there.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
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

/// What an engine is to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// The longest input to make, in bytes.
    pub max_input: usize,
    /// The folder of inputs to begin from. The engine does not write there.
    pub inputs: PathBuf,
    /// The folder that belongs to this run: the engine writes here and nowhere else.
    pub folder: PathBuf,
    /// The dictionary.
    pub dictionary: Option<PathBuf>,
    /// Whether the target lets engines see comparisons (see
    /// [`compare_tracing`](harness_core::Target::compare_tracing)).
    pub comparisons_are_seen: bool,
    /// How long.
    pub time: Duration,
}

impl Task {
    /// What the engine prints.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// Where the engine keeps its inputs.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// Where the engine puts finds, for those that are told where.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("finds")
    }

    /// Inputs that the engine has replaced by smaller ones since.
    #[must_use]
    pub fn replaced(&self) -> PathBuf {
        self.folder.join("replaced")
    }
}

/// What an engine has done so far, by its own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    /// Executions of the target.
    pub executions: u64,
    /// Inputs kept.
    pub corpus: u64,
    /// AFL++'s stability, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<Percent>,
}

/// Hundredths of a percent, so that it compares exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02} %", self.0 / 100, self.0 % 100)
    }
}

/// An input that an engine kept, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// Since the engine's start.
    pub time: Duration,
    /// Executions until then, when the engine says so.
    pub executions: Option<u64>,
}

/// Runs a build command and turns its failure into an error with the end of what it printed.
fn run_build(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(25)..].join("\n");
        bail!(
            "`{shown}` failed ({}); `cargo campaign doctor` says what is missing. It said:\n{end}",
            output.status
        );
    }
    Ok(())
}

/// A command as a person would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
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

/// The number after `key` in `text`, at its first occurrence.
pub(crate) fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = text.split_once(key)?.1.trim_start();
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// The inputs in a folder to which an engine adds one file each; the file's age says when it came.
fn kept_in(folder: &Path, start: SystemTime) -> Result<Vec<Kept>> {
    let kept = files_in(folder)?.into_iter().filter_map(|path| {
        // It may have vanished meanwhile.
        let written = path.metadata().ok()?.modified().ok()?;
        Some(Kept {
            time: written.duration_since(start).unwrap_or_default(),
            executions: None,
            path,
        })
    });
    Ok(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named_singly_or_all_at_once() {
        let parse = |text: &str| text.parse::<EngineSet>().map(|set| set.0.len());
        assert_eq!(parse("all"), Ok(3));
        assert_eq!(parse("afl,honggfuzz,afl"), Ok(2));
        let error = parse("afl,klee").unwrap_err();
        assert!(
            error.contains("libfuzzer") && error.contains("`all`"),
            "{error}"
        );
        assert!(parse("").is_err());
    }
}
