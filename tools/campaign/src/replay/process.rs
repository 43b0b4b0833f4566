//! The process of a replay worker: built, started, asked, and ended.
//!
//! Threads write requests and read answers. So a worker never waits for the tool, and the tool never waits for
//! a worker that no longer reads.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use serde_json::Value;
use worker::Crash;
use worker::protocol::{Hello, Reply, Request, Response};

/// How long a worker may take to start, however short the time for an input is.
const START_TIME: Duration = Duration::from_secs(60);
/// How many lines of cargo's messages an error repeats.
const LINES_IN_ERROR: usize = 30;

/// Builds the worker of the project at `root` in the folder `builds`, on stable. `change` may add to cargo's
/// command. Returns the binary's path.
pub(crate) fn build(
    root: &Path,
    builds: &Path,
    change: impl FnOnce(&mut Command),
) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--bin", "replay_worker"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(builds)
        .current_dir(root)
        .stdin(Stdio::null());
    change(&mut cargo);
    let output = cargo.output().context("cargo cannot be run")?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = messages.trim_end().lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES_IN_ERROR)..];
        bail!("the replay worker cannot be built:\n{}", last.join("\n"));
    }
    // The last that cargo built is the one that was requested.
    let mut messages = output.stdout.rsplit(|&byte| byte == b'\n');
    let binary = messages.find_map(|line| {
        let message: Value = serde_json::from_slice(line).ok()?;
        Some(message["executable"].as_str()?.into())
    });
    binary.context("cargo does not name the replay worker that it built")
}

/// The crash of a worker that gave no answer in this time.
pub(crate) fn hung(time_out: Duration) -> Crash {
    Crash::Hung(u64::try_from(time_out.as_millis()).unwrap_or(u64::MAX))
}

/// The crash of a worker that ended like this.
fn died(status: ExitStatus) -> Crash {
    Crash::Died(match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    })
}

/// A running worker; ended when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Child,
    requests: Sender<Vec<u8>>,
    answers: Receiver<Vec<u8>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Worker {
    /// Starts a worker. Returns it with its greeting.
    pub(crate) fn start(command: &mut Command) -> Result<(Self, Hello)> {
        let name = Path::new(command.get_program()).display().to_string();
        // Ctrl-C is for the campaign, which ends its workers itself.
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("the worker {name} cannot be started"))?;
        let mut input = process.stdin.take().context("a worker without input")?;
        let output = process.stdout.take().context("a worker without output")?;
        let (requests, to_write) = channel::<Vec<u8>>();
        let (read, answers) = channel();
        std::thread::spawn(move || {
            // A failure to write means that the worker has ended: its answers will be missing.
            to_write
                .iter()
                .all(|request| input.write_all(&request).is_ok());
        });
        std::thread::spawn(move || {
            let mut lines = BufReader::with_capacity(64 << 10, output).split(b'\n');
            lines.all(|line| line.is_ok_and(|line| read.send(line).is_ok()));
        });
        let mut worker = Self {
            process,
            requests,
            answers,
        };
        let hello = worker.greeting();
        let hello = hello.with_context(|| format!("{name} does not serve this tool"))?;
        Ok((worker, hello))
    }

    fn greeting(&mut self) -> Result<Hello> {
        self.send(Request::Hello.to_line());
        let line = self.answer(START_TIME);
        let line = line.map_err(|crash| anyhow!("at its start: {crash}"))?;
        match Response::parse(&line).map_err(Error::msg)?.reply {
            Reply::Hello(hello) => {
                hello.check_version().map_err(Error::msg)?;
                Ok(hello)
            }
            other => unexpected(other),
        }
    }

    /// Sends a request. A worker that has ended gives no answer, which the caller notices.
    pub(crate) fn send(&self, request: Vec<u8>) {
        let _ = self.requests.send(request);
    }

    /// The next line of its answers. Without one, the worker is ended, and the error is how; one that ended by itself
    /// keeps its status.
    pub(crate) fn answer(&mut self, time_out: Duration) -> Result<Vec<u8>, Crash> {
        self.answers.recv_timeout(time_out).map_err(|why| {
            let _ = self.process.kill();
            match (why, self.process.wait()) {
                (RecvTimeoutError::Timeout, _) => hung(time_out),
                (RecvTimeoutError::Disconnected, Ok(status)) => died(status),
                (RecvTimeoutError::Disconnected, Err(why)) => Crash::Died(why.to_string()),
            }
        })
    }
}

/// The error that the worker reports, or that its answer is to another question.
pub(crate) fn unexpected<T>(reply: Reply) -> Result<T> {
    match reply {
        Reply::Error(why) => bail!("{why}"),
        other => bail!("the worker answered another question: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_fails_repeats_the_compilers_message() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        std::fs::create_dir(root.path().join("src")).unwrap();
        let manifest = "[package]\nname = \"replay_worker\"\nedition = \"2024\"\n[workspace]\n";
        write("Cargo.toml", manifest);
        write("src/main.rs", "fn main() { no_such_function() }");
        let build = || build(root.path(), &root.path().join("target"), |_| {});
        let error = build().unwrap_err().to_string();
        assert!(error.contains("no_such_function"), "{error}");

        write("src/main.rs", "fn main() {}");
        let error = Worker::start(&mut Command::new(build().unwrap())).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("exit status: 0"), "{error}");
    }
}
