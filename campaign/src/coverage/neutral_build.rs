//! Building the replay worker with the compiler's own coverage counters.

use anyhow::{Context, Result, bail};

use crate::project::Project;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is said to the compiler.
///
/// The second makes LLVM's runtime keep the counters in the profile file, where the worker reads them: see
/// [`harness_core::counters`]. The compiler counts with atomic additions, for programs whose threads share
/// counters, and those cost several times what the code under test does: `fuzz_measure_image` took 104 µs an
/// input, and takes 17. So the passes are named: first every atomic operation becomes an ordinary one, which
/// is the same in a worker, for it has one thread as every engine's target has; then all that the usual
/// optimisation does, which may now keep a loop's counter in a register until the loop ends.
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
    /// When cargo cannot be started, or fails: then with the end of what it said.
    pub fn build(&self) -> Result<PathBuf> {
        let manifest = self
            .manifest
            .canonicalize()
            .with_context(|| format!("no manifest at {}", self.manifest.display()))?;
        // With a target named, build scripts and procedural macros are compiled without counters.
        let output = Command::new(program("CARGO", "cargo"))
            .args([
                "build",
                "--release",
                "--message-format=json-render-diagnostics",
            ])
            .args(["--bin", &self.binary, "--target", &host()?])
            .arg("--manifest-path")
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&self.target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
            .output()
            .context("cargo could not be started")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "the coverage build of {} failed ({}):\n{}",
                self.binary,
                output.status,
                last_lines(&said, LINES_IN_ERROR)
            );
        }
        executable(&String::from_utf8_lossy(&output.stdout), &self.binary)
            .with_context(|| format!("cargo built no binary {}", self.binary))
    }
}

/// A line of cargo's JSON messages, as far as it matters here (The Cargo Book, "External tools").
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<MessageTarget>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| matches!(&message.target, Some(target) if target.name == binary))
        .find_map(|message| message.executable)
}

/// The triple of the machine, as the compiler calls it.
fn host() -> Result<String> {
    let rustc = program("RUSTC", "rustc");
    let output = Command::new(&rustc)
        .arg("-vV")
        .output()
        .with_context(|| format!("{} could not be started", Path::new(&rustc).display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .with_context(|| format!("`rustc -vV` names no host:\n{said}"))
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
    fn the_binary_is_found_among_cargos_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"shared"},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
            {"reason":"compiler-artifact","target":{"name":"worker"},"executable":"/t/worker"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "worker"), Some("/t/worker".into()));
        assert_eq!(executable(messages, "shared"), None);
    }

    #[test]
    fn the_end_of_a_text() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\n", 2), "a");
    }
}
