//! A replay worker as a process: started with its counters on, asked, and ended.
//!
//! Threads write requests and read answers. So a worker never waits for the tool, and the tool never waits for
//! a worker that no longer reads. The protocol is that of [`harness_core::worker`]. With counters on, each
//! answer has one more field at its end: the counters that grew.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness_core::counters::{COUNTERS_VARIABLE, PROFILE_VARIABLE};
use harness_core::worker::unescape;
use tempfile::TempDir;

use super::neutral_build::last_lines;
use super::profile::Profile;
use crate::replay::Verdict;

/// How long a worker may take to start, however short the timeout for an input is.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that every worker answers, whatever its targets are.
const GREETING: &[u8] = b"checks\n";
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
        worker.ask(GREETING.to_vec());
        match worker.line(START_TIMEOUT) {
            Ok(line) => split_grown(line)
                .with_context(|| format!("{} is not a worker with coverage", binary.display()))?,
            Err(why) => bail!("a worker did not start: {}", worker.end(why)),
        };
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

    /// Ends a worker that does not answer, and returns its status. A worker that ends by itself keeps its own.
    pub(super) fn end(&mut self, why: RecvTimeoutError) -> String {
        self.child.kill().ok();
        let status = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let printed = fs::read(self.folder.path().join("stderr")).unwrap_or_default();
        let printed = last_lines(&String::from_utf8_lossy(&printed), LINES_IN_ERROR);
        match why {
            RecvTimeoutError::Timeout => "no answer".to_owned(),
            RecvTimeoutError::Disconnected if printed.is_empty() => status,
            RecvTimeoutError::Disconnected => format!("{status}\n{printed}"),
        }
    }
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// The answer to `trace`: see [`harness_core::trace`], a line each.
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

    /// Reads a worker's line: the answer to `run` or `trace`, and the counters that grew.
    ///
    /// # Errors
    /// When it is none, or has no counters.
    pub(super) fn parse(line: &[u8]) -> Result<Self> {
        let (fields, grown) = split_grown(line)?;
        let fields = String::from_utf8_lossy(fields);
        let mut fields: Vec<String> = fields.split('\t').map(unescape).collect();
        let events = if fields[0] == "traced" && fields.len() > 1 {
            fields.drain(..2).nth(1)
        } else {
            None
        };
        Ok(Self {
            verdict: Verdict::of_answer(&fields)?,
            events: events.unwrap_or_default(),
            grown: parse_grown(grown).with_context(|| without_counters(line))?,
        })
    }
}

/// The fields of an answer, and its last one, which has the counters.
fn split_grown(line: &[u8]) -> Result<(&[u8], &[u8])> {
    let tab = line.iter().rposition(|&byte| byte == b'\t');
    let (fields, grown) = line.split_at(tab.with_context(|| without_counters(line))?);
    let is_grown = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b':');
    ensure!(grown[1..].iter().all(is_grown), without_counters(line));
    Ok((fields, &grown[1..]))
}

fn parse_grown(text: &[u8]) -> Option<Vec<(usize, u64)>> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    let pairs = text.split(' ').map(|pair| {
        let (counter, grown_by) = pair.split_once(':')?;
        Some((counter.parse().ok()?, grown_by.parse().ok()?))
    });
    pairs.collect()
}

fn without_counters(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    format!("the worker answered without its counters: {line:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_the_counters_that_grew() {
        let answer = Answer::parse(b"fail\ta check\ttwo\\nlines\t3:1 17:800").unwrap();
        let expected = Verdict::Fail {
            check: "a check".into(),
            message: "two\nlines".into(),
        };
        assert_eq!((answer.verdict, answer.events.as_str()), (expected, ""));
        assert_eq!(answer.grown, [(3, 1), (17, 800)]);
        let nothing = Answer::parse(b"pass\t").unwrap();
        assert!(nothing.verdict == Verdict::Pass && nothing.grown.is_empty());
        let traced = Answer::parse(b"traced\tone\\ntwo\tpass\t3:1").unwrap();
        assert_eq!(
            (traced.verdict, traced.events.as_str()),
            (Verdict::Pass, "one\ntwo")
        );
        for without in [
            &b"pass"[..],
            b"rejected\ttoo short",
            b"pass\tno 1\tx",
            b"pass\t3:",
            b"pass\t3:1  4:1",
            b"pass\t3",
            b"pass\t99999999999999999999:1",
        ] {
            let error = Answer::parse(without).unwrap_err();
            assert!(
                error.to_string().contains("without its counters"),
                "{error}"
            );
        }
    }
}
