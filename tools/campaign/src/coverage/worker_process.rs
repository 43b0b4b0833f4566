//! A replay worker as a process: started with its counters on, asked, and ended.
//!
//! Threads write requests and read answers. So a worker never waits for the tool, and the tool never waits for
//! a worker that no longer reads. The protocol is that of [`worker::protocol`].

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use tempfile::TempDir;
use worker::Crash;
use worker::counters::{COUNTERS_VARIABLE, PROFILE_VARIABLE};
use worker::protocol::{Reply, Request, Response};

use super::neutral_build::last_lines;
use super::profile::Profile;
use crate::replay::{START_TIME, Verdict, died, greeted, hung};

/// How much is read from a worker at once: what a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// How many lines of a worker's messages an error repeats.
const LINES_IN_ERROR: usize = 10;

/// Runs a worker that is asked nothing, and returns the profile that it leaves: it has a place for every counter.
pub(super) fn empty_run(binary: &Path) -> Result<Profile> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let profile = folder.path().join("profraw");
    let status = command(binary, &profile)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{} could not be started", binary.display()))?;
    ensure!(status.success(), "{} failed: {status}", binary.display());
    ensure!(
        profile.exists(),
        "{} leaves no profile: it was not built for coverage",
        binary.display()
    );
    Profile::read(&profile).with_context(|| format!("the profile of {}", binary.display()))
}

/// The binary, with LLVM's runtime set to keep the counters in `profile`.
fn command(binary: &Path, profile: &Path) -> Result<Command> {
    let name = profile
        .to_str()
        .context("the temporary folder's name is not UTF-8")?;
    // The runtime would take it for one of its patterns.
    ensure!(
        !name.contains('%'),
        "the temporary folder has a `%` in its name: {name}"
    );
    let mut command = Command::new(binary);
    // Ctrl-C is for the campaign, which ends its workers itself.
    command
        .env("LLVM_PROFILE_FILE", format!("{name}%c"))
        .process_group(0);
    Ok(command)
}

/// Writes requests until there are no more. A failure to write means that the worker is gone: its answers will
/// be missing.
fn write_all(mut input: ChildStdin, requests: &Receiver<Vec<u8>>) {
    for request in requests {
        if input.write_all(&request).is_err() {
            break;
        }
    }
}

/// Reads answers until there are no more, in pieces that end with a line.
fn read_lines(mut output: ChildStdout, lines: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut begun = Vec::new();
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        let read = &buffer[..length];
        let end = read.iter().rposition(|&byte| byte == b'\n');
        let (whole, rest) = read.split_at(end.map_or(0, |last| last + 1));
        begun.extend_from_slice(whole);
        if end.is_some() && lines.send(std::mem::take(&mut begun)).is_err() {
            break;
        }
        begun.extend_from_slice(rest);
    }
}

/// A running worker; ended when dropped, and its files removed.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    requests: Sender<Vec<u8>>,
    lines: Receiver<Vec<u8>>,
    /// The lines being looked at, and where the next one begins.
    chunk: Vec<u8>,
    at: usize,
    /// Has its profile, its messages, and the list of counters to watch.
    folder: TempDir,
    profile: PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Worker {
    /// Starts a worker that watches `counters`, and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not speak the protocol.
    pub(super) fn start(binary: &Path, counters: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let profile = folder.path().join("profraw");
        let watched = folder.path().join("counters");
        fs::write(&watched, counters).context("the list of counters could not be written")?;
        let mut child = command(binary, &profile)?
            .env(PROFILE_VARIABLE, &profile)
            .env(COUNTERS_VARIABLE, watched)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("stderr")).context("the worker's messages")?)
            .spawn()
            .with_context(|| format!("{} could not be started", binary.display()))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let (requests, to_write) = channel();
        let (read, lines) = channel();
        std::thread::spawn(move || write_all(input, &to_write));
        std::thread::spawn(move || read_lines(output, &read));
        let mut worker = Self {
            child,
            requests,
            lines,
            chunk: Vec::new(),
            at: 0,
            folder,
            profile,
        };
        worker.ask(Request::Hello.to_line());
        let greeting = match worker.line(START_TIME) {
            Ok(line) => greeting(line),
            Err(why) => bail!("a worker did not start: {}", worker.end(why, START_TIME).1),
        };
        greeting.with_context(|| format!("{} is not a worker with coverage", binary.display()))?;
        Ok(worker)
    }

    /// Where it keeps its counters.
    pub(super) fn profile(&self) -> &Path {
        &self.profile
    }

    /// Sends a request.
    pub(super) fn ask(&self, request: Vec<u8>) {
        // A worker that has ended gives no answer, which the caller will notice.
        self.requests.send(request).ok();
    }

    /// The next line of its answers, without the line's end.
    ///
    /// # Errors
    /// When none comes in time, or the worker has ended.
    pub(super) fn line(&mut self, patience: Duration) -> Result<&[u8], RecvTimeoutError> {
        if self.at == self.chunk.len() {
            self.chunk = self.lines.recv_timeout(patience)?;
            self.at = 0;
        }
        let start = self.at;
        let rest = &self.chunk[start..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.unwrap_or(rest.len());
        self.at = (start + length + 1).min(self.chunk.len());
        Ok(&self.chunk[start..start + length])
    }

    /// Ends a worker that did not answer for so long. Returns how it ended, and that with what it printed. A
    /// worker that ends by itself keeps its status.
    pub(super) fn end(&mut self, why: RecvTimeoutError, patience: Duration) -> (Crash, String) {
        self.child.kill().ok();
        let crash = match (why, self.child.wait()) {
            (RecvTimeoutError::Timeout, _) => hung(patience),
            (RecvTimeoutError::Disconnected, Ok(status)) => died(status),
            (RecvTimeoutError::Disconnected, Err(error)) => Crash::Died(error.to_string()),
        };
        let printed = fs::read(self.folder.path().join("stderr")).unwrap_or_default();
        let printed = last_lines(&String::from_utf8_lossy(&printed), LINES_IN_ERROR);
        let text = format!("{crash}\n{printed}");
        (crash, text.trim_end().to_owned())
    }
}

/// Reads a worker's first answer, which has to be of this version of the protocol and with coverage.
fn greeting(line: &[u8]) -> Result<()> {
    let response = Response::parse(line).map_err(Error::msg)?;
    response.counters().map_err(Error::msg)?;
    greeted(response.reply).map(drop)
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// What it did, when a trace was asked for: see [`Reply::Traced`].
    pub(super) events: String,
    /// The counters that grew, by ascending index, and by how much.
    pub(super) grown: Vec<(usize, u64)>,
}

impl Answer {
    /// Of an input that was not sent, with the reason.
    pub(super) const fn unreadable(message: String) -> Self {
        Self {
            verdict: Verdict::Error { message },
            events: String::new(),
            grown: Vec::new(),
        }
    }

    /// Reads a worker's answer to a run or a trace.
    ///
    /// # Errors
    /// When it is none, or has no counters.
    pub(super) fn parse(line: &[u8]) -> Result<Self> {
        let response = Response::parse(line).map_err(Error::msg)?;
        let grown = response.counters().map_err(Error::msg)?;
        let (verdict, events) = match response.reply {
            Reply::Verdict(verdict) => (verdict, String::new()),
            Reply::Traced { verdict, events } => (verdict, events),
            Reply::Error(message) => (Verdict::Error { message }, String::new()),
            other => bail!("the worker answered another question: {other:?}"),
        };
        Ok(Self {
            verdict,
            events,
            grown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_of_this_version_with_coverage_is_one() {
        let hello = r#"{"reply":{"hello":{"protocol":2,"targets":[],"checks":[]}}"#;
        let with = format!(r#"{hello},"grown":"3:1 4:2"}}"#);
        greeting(with.as_bytes()).unwrap();
        for (line, why) in [
            (format!("{hello}}}"), "without coverage"),
            (with.replace(":2,", ":1,"), "version 1"),
            (with.replace("4:2", "4"), "no counters"),
            (
                r#"{"reply":{"error":"broken"},"grown":""}"#.to_owned(),
                "broken",
            ),
            ("checks\t".to_owned(), "not an answer"),
        ] {
            let error = greeting(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_answer_has_the_counters_that_grew() {
        let answer = |reply: &str, grown: &str| {
            Answer::parse(format!(r#"{{"reply":{reply},"grown":"{grown}"}}"#).as_bytes())
        };
        let pass = answer(r#"{"verdict":{"verdict":"pass"}}"#, "3:1 17:800").unwrap();
        assert_eq!(pass.verdict, Verdict::Pass);
        assert_eq!(pass.grown, [(3, 1), (17, 800)]);
        let trace = r#"{"traced":{"verdict":{"verdict":"pass"},"events":"one\ntwo"}}"#;
        let traced = answer(trace, "").unwrap();
        assert_eq!(traced.events, "one\ntwo");
        assert!(traced.verdict == Verdict::Pass && traced.grown.is_empty());
        let message = "gone".to_owned();
        let gone = answer(r#"{"error":"gone"}"#, "").unwrap();
        assert_eq!(gone.verdict, Verdict::Error { message });
        assert!(answer(r#"{"evaluations":{}}"#, "").is_err());
    }
}
