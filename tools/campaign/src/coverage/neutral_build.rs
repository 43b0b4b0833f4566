//! Building the replay worker with the compiler's own coverage counters.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::Project;

/// The compiler's flags.
///
/// The second makes LLVM's runtime keep the counters in the profile file, where the worker reads them: see
/// [`worker::counters`]. By default the compiler counts with atomic additions, for programs whose threads
/// share counters. Those cost several times what the code under test costs: `fuzz_measure_image` took 104 µs an
/// input, and takes 17. So the passes are listed. The first makes every atomic operation an ordinary one, which
/// is correct in a worker: it has one thread, as every engine's target has. Then comes the usual optimisation,
/// which may now keep a loop's counter in a register until the loop ends.
const RUSTFLAGS: [&str; 4] = [
    "-Cinstrument-coverage",
    "-Cllvm-args=-runtime-counter-relocation",
    "-Cno-prepopulate-passes",
    "-Cpasses=function(lower-atomic) default<O3>",
];

/// How many lines of cargo's messages an error repeats.
const LINES_IN_ERROR: usize = 30;

/// A build for coverage: the release profile as it is, assertions and all, plus counters, for one thread.
#[derive(Debug, Clone)]
pub struct NeutralBuild {
    /// The `Cargo.toml` of the package or workspace that has the worker.
    pub manifest: PathBuf,
    /// The worker's binary, for instance `replay_worker`.
    pub binary: String,
    /// Where to build. A folder of its own, so that no other build is thrown away.
    pub target_dir: PathBuf,
}

impl NeutralBuild {
    /// That of a project's worker.
    #[must_use]
    pub fn of(project: &Project) -> Self {
        Self {
            manifest: project.root().join("Cargo.toml"),
            binary: "replay_worker".to_owned(),
            target_dir: project.builds("coverage"),
        }
    }

    /// Builds and returns the binary's path. Nothing is rebuilt when nothing has changed.
    ///
    /// `RUSTFLAGS` of the environment and of cargo's configuration do not apply: an engine's instrumentation
    /// must not be in this build.
    ///
    /// # Errors
    /// When cargo cannot be started, or fails: then with the end of its messages.
    pub fn build(&self) -> Result<PathBuf> {
        let manifest = self
            .manifest
            .canonicalize()
            .with_context(|| format!("no manifest at {}", self.manifest.display()))?;
        // With a target named, build scripts and procedural macros are compiled without counters.
        let host = host()?;
        let output = Command::new(program("CARGO", "cargo"))
            .args(["build", "--release", "--bin", &self.binary])
            .args(["--target", &host])
            .arg("--manifest-path")
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&self.target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
            .output()
            .context("cargo could not be started")?;
        if !output.status.success() {
            let messages = String::from_utf8_lossy(&output.stderr);
            bail!(
                "the coverage build of {} failed ({}):\n{}",
                self.binary,
                output.status,
                last_lines(&messages, LINES_IN_ERROR)
            );
        }
        let folder = self.target_dir.join(host).join("release");
        Ok(folder.join(&self.binary))
    }
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let rustc = program("RUSTC", "rustc");
    let output = Command::new(&rustc)
        .arg("-vV")
        .output()
        .with_context(|| format!("{} could not be started", Path::new(&rustc).display()))?;
    let version = String::from_utf8_lossy(&output.stdout);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .with_context(|| format!("`rustc -vV` names no host:\n{version}"))
}

/// The program that an environment variable names, or the usual one.
fn program(variable: &str, usual: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| usual.into())
}

/// The last `count` lines of `text`.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\n", 2), "a");
    }
}
