//! A replay worker as a process: started with its counters on, asked, listened to, and ended.
//!
//! Requests are written, and answers read, by threads of their own, so that a worker never waits for the tool
//! and the tool never for a worker that reads no more. The protocol is that of [`harness_core::worker`]; with
//! counters on, each answer has one field more at its end: the probes that the input reached.

use super::neutral_build::last_lines;
use anyhow::{Context, Result, bail, ensure};
use harness_core::counters::{
    PROBES_VARIABLE, PROFILE_VARIABLE, Probes, Profile, REPORT_VARIABLE, Report,
};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a worker may take to start, however short the time-out for an input is.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that every worker answers, whatever its targets are.
const GREETING: &[u8] = b"checks\n";
/// A request that tells whether a worker takes batches.
const BATCHES: &[u8] = b"batches\n";
/// How much is read from a worker at once: what a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// How many lines of a worker's messages an error repeats.
const LINES_IN_ERROR: usize = 10;

/// What a worker needs to report coverage.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) binary: &'a Path,
    /// A folder for the files of the workers, which nothing else uses.
    pub(super) folder: &'a Path,
    pub(super) report: Report,
}

/// Runs a worker that is asked nothing, and returns the profile that it leaves: all its counters have a place there.
pub(super) fn empty_run(binary: &Path, folder: &Path) -> Result<Profile> {
    let profile = folder.join("empty.profraw");
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
    Profile::open(&profile).with_context(|| format!("the profile of {}", binary.display()))
}

impl Settings<'_> {
    /// Writes the probes to where the workers read them.
    pub(super) fn prepare(&self, probes: &Probes) -> Result<()> {
        fs::write(self.probes(), probes.to_text()).context("the probes could not be written")
    }

    fn probes(&self) -> PathBuf {
        self.folder.join("probes")
    }

    /// Starts a worker, whose `number` no other in this folder has, and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not speak the protocol.
    pub(super) fn start(&self, number: usize) -> Result<Worker> {
        let profile = self.folder.join(format!("worker-{number}.profraw"));
        let messages = self.folder.join(format!("worker-{number}.stderr"));
        let report = match self.report {
            Report::New => "new",
            Report::All => "all",
            Report::Counts => "counts",
        };
        let mut child = command(self.binary, &profile)?
            .env(PROFILE_VARIABLE, &profile)
            .env(PROBES_VARIABLE, self.probes())
            .env(REPORT_VARIABLE, report)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&messages).context("the worker's messages")?)
            .spawn()
            .with_context(|| format!("{} could not be started", self.binary.display()))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let (requests, to_write) = channel();
        let (read, lines) = channel();
        std::thread::spawn(move || write_all(input, &to_write));
        std::thread::spawn(move || read_lines(output, &read));
        let mut worker = Worker {
            child,
            requests,
            lines,
            chunk: Vec::new(),
            at: 0,
            takes_batches: false,
            profile,
            messages,
        };
        worker.ask(GREETING.to_vec());
        let not_one = || format!("{} is not a worker with coverage", self.binary.display());
        match worker.line(START_TIMEOUT) {
            Ok(line) => Answer::of(line).with_context(not_one)?,
            Err(why) => bail!("a worker did not start: {}", worker.end(why)),
        };
        worker.ask(BATCHES.to_vec());
        worker.takes_batches = match worker.line(START_TIMEOUT) {
            Ok(line) => Answer::of(line).with_context(not_one)?.fields == b"batches",
            Err(why) => bail!("a worker did not start: {}", worker.end(why)),
        };
        Ok(worker)
    }
}

/// The binary, with LLVM's runtime told to keep the counters in `profile`.
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

/// Writes requests until there are no more. Failing to write means that the worker is gone, which the missing
/// answers tell.
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
        if end.is_some() {
            begun.extend_from_slice(whole);
            if lines.send(std::mem::take(&mut begun)).is_err() {
                break;
            }
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
    /// Whether it knows the request `batch`.
    pub(super) takes_batches: bool,
    /// Where it keeps its counters.
    pub(super) profile: PathBuf,
    messages: PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, and so may its files, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_file(&self.profile).ok();
        fs::remove_file(&self.messages).ok();
    }
}

impl Worker {
    /// Sends a request.
    pub(super) fn ask(&self, request: Vec<u8>) {
        // A worker that is gone gives no answer.
        self.requests.send(request).ok();
    }

    /// The next line that it answers, without the line's end.
    ///
    /// # Errors
    /// When none comes in time, or it is gone.
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

    /// Ends a worker that does not answer, and says how it was found: a worker that is ending by itself keeps its status.
    pub(super) fn end(&mut self, why: RecvTimeoutError) -> String {
        self.child.kill().ok();
        let status = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let printed = fs::read(&self.messages).unwrap_or_default();
        let printed = last_lines(&String::from_utf8_lossy(&printed), LINES_IN_ERROR);
        match why {
            RecvTimeoutError::Timeout => "it gave no sign".to_owned(),
            RecvTimeoutError::Disconnected if printed.is_empty() => status,
            RecvTimeoutError::Disconnected => format!("{status}\n{printed}"),
        }
    }
}

/// An answer's line: its fields, escaped and with tabs between them, and the probes reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) fields: &'a [u8],
    reached: &'a [u8],
}

impl<'a> Answer<'a> {
    /// # Errors
    /// When the line does not end with probes.
    pub(super) fn of(line: &'a [u8]) -> Result<Self> {
        let answer = line
            .iter()
            .rposition(|&byte| byte == b'\t')
            .map(|tab| Self {
                fields: &line[..tab],
                reached: &line[tab + 1..],
            });
        let is_told = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b':');
        answer
            .filter(|answer| answer.reached.iter().all(is_told))
            .with_context(|| without_coverage(line))
    }

    /// Puts the probes reached into `hits`, each with how often it was executed; 0 when that was not asked.
    ///
    /// # Errors
    /// When they are no numbers.
    pub(super) fn hits(&self, hits: &mut Vec<(usize, u64)>) -> Result<()> {
        hits.clear();
        if self.reached.is_empty() {
            return Ok(());
        }
        for hit in self.reached.split(|&byte| byte == b' ') {
            let mut parts = hit.split(|&byte| byte == b':');
            let probe = parts.next().and_then(number);
            let times = parts.next().map_or(Some(0), number);
            match (probe, times) {
                (Some(probe), Some(times)) => hits.push((probe, times as u64)),
                _ => bail!(without_coverage(self.reached)),
            }
        }
        Ok(())
    }
}

fn without_coverage(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    format!("the worker answered without coverage: {line:?}")
}

/// A decimal number. The standard library reads one from text, which this is not known to be.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = (Vec<u8>, Vec<(usize, u64)>);

    fn hits(line: &[u8]) -> Result<Parsed> {
        let answer = Answer::of(line)?;
        let mut hits = vec![(1, 1)];
        answer.hits(&mut hits)?;
        Ok((answer.fields.to_vec(), hits))
    }

    #[test]
    fn an_answer_ends_with_the_probes_it_reached() {
        let (fields, reached) = hits(b"fail\ta check\ttwo\\nlines\t3 17").unwrap();
        assert_eq!(fields, b"fail\ta check\ttwo\\nlines");
        assert_eq!(reached, [(3, 0), (17, 0)]);
        assert_eq!(hits(b"pass\t3:1 17:800").unwrap().1, [(3, 1), (17, 800)]);
        let nothing = hits(b"pass\t").unwrap();
        assert!(nothing.0 == b"pass" && nothing.1.is_empty());
        for without in [
            &b"pass"[..],
            b"rejected\ttoo short",
            b"error\tno 1\tx",
            b"pass\t3:",
            b"pass\t3  4",
            b"pass\t99999999999999999999",
        ] {
            let error = hits(without).unwrap_err();
            assert!(error.to_string().contains("without coverage"), "{error}");
        }
    }
}
