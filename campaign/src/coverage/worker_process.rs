//! A replay worker as a process: started with its counters on, fed, listened to, and ended.
//!
//! Requests are written ahead of the answers by a thread of their own, so that the worker never waits. The
//! protocol is that of [`harness_core::worker`]; with counters on, each answer has one field more at its end:
//! the probes that the input reached.

use super::neutral_build::last_lines;
use anyhow::{Context, Result, bail, ensure};
use harness_core::counters::{
    PROBES_VARIABLE, PROFILE_VARIABLE, Probes, Profile, REPORT_VARIABLE, Report,
};
use harness_core::worker::unescape;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How long a worker may take to start, however short the time-out for an input is.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that every worker answers, whatever its targets are.
const GREETING: &str = "checks";
/// How many answers may wait to be looked at.
const ANSWERS_WAITING: usize = 4096;
/// How many lines of a worker's messages an error repeats.
const LINES_IN_ERROR: usize = 10;

/// What a worker needs to report coverage.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) binary: &'a Path,
    /// A folder for the files of the workers, which nothing else uses.
    pub(super) folder: &'a Path,
    pub(super) report: Report,
    /// How long one input may take.
    pub(super) timeout: Duration,
}

/// An answer: its fields, and the probes reached, each with the class of how often; 0 when that was not asked.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) fields: Vec<String>,
    pub(super) reached: Vec<(usize, u8)>,
}

/// Why a worker that did not answer everything stopped.
#[derive(Debug)]
pub(super) enum Death {
    /// It ended; in words, with the end of what it printed.
    Crashed(String),
    /// It took too long and was killed.
    Hung,
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

    /// The profile of the worker of that number.
    pub(super) fn profile(&self, number: usize) -> PathBuf {
        self.folder.join(format!("worker-{number}.profraw"))
    }

    /// Starts worker `number`, has it answer `requests` in order, and hands each answer to `on_answer`. Returns
    /// `None` when all were answered; otherwise the first one without an answer is the one that it died of.
    ///
    /// # Errors
    /// When the worker cannot be started or does not speak the protocol, and those of `on_answer`.
    pub(super) fn run(
        &self,
        number: usize,
        requests: &[String],
        mut on_answer: impl FnMut(Answer) -> Result<()>,
    ) -> Result<Option<Death>> {
        let messages = self.folder.join(format!("worker-{number}.stderr"));
        let mut worker = self.start(number, &messages)?;
        let mut input = BufWriter::new(worker.0.stdin.take().context("no standard input")?);
        let output = BufReader::new(worker.0.stdout.take().context("no standard output")?);
        let (sender, answers) = sync_channel(ANSWERS_WAITING);
        std::thread::scope(|scope| {
            scope.spawn(move || -> std::io::Result<()> {
                // Failing to write means that the worker is gone, which the missing answers tell.
                let greeting = std::iter::once(GREETING);
                for request in greeting.chain(requests.iter().map(String::as_str)) {
                    writeln!(input, "{request}")?;
                }
                input.flush()
            });
            scope.spawn(move || {
                for line in output.split(b'\n') {
                    let Ok(line) = line else { break };
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
            let mut listen = || -> Result<Option<Death>> {
                match answers.recv_timeout(START_TIMEOUT) {
                    Ok(line) => Answer::parse(&line).with_context(|| {
                        format!("{} is not a worker with coverage", self.binary.display())
                    })?,
                    Err(why) => bail!("a worker did not start: {}", worker.end(why, &messages)),
                };
                for _ in requests {
                    match answers.recv_timeout(self.timeout) {
                        Ok(line) => on_answer(Answer::parse(&line)?)?,
                        Err(RecvTimeoutError::Timeout) => return Ok(Some(Death::Hung)),
                        Err(why) => {
                            return Ok(Some(Death::Crashed(worker.end(why, &messages))));
                        }
                    }
                }
                Ok(None)
            };
            let result = listen();
            // The threads end once the worker is gone and nobody takes answers.
            drop(worker);
            drop::<Receiver<_>>(answers);
            result
        })
    }

    fn start(&self, number: usize, messages: &Path) -> Result<Worker> {
        let profile = self.profile(number);
        let report = match self.report {
            Report::New => "new",
            Report::All => "all",
            Report::Counts => "counts",
        };
        let child = command(self.binary, &profile)?
            .env(PROFILE_VARIABLE, &profile)
            .env(PROBES_VARIABLE, self.probes())
            .env(REPORT_VARIABLE, report)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(messages).context("the worker's messages")?)
            .spawn()
            .with_context(|| format!("{} could not be started", self.binary.display()))?;
        Ok(Worker(child))
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

/// A running worker; ended when dropped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Worker {
    /// Ends a worker that does not answer, and says how it was found: a worker that is ending by itself keeps its status.
    fn end(&mut self, why: RecvTimeoutError, messages: &Path) -> String {
        self.0.kill().ok();
        let status = self
            .0
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let printed = fs::read(messages).unwrap_or_default();
        let printed = last_lines(&String::from_utf8_lossy(&printed), LINES_IN_ERROR);
        match why {
            RecvTimeoutError::Timeout => "it gave no sign".to_owned(),
            RecvTimeoutError::Disconnected if printed.is_empty() => status,
            RecvTimeoutError::Disconnected => format!("{status}\n{printed}"),
        }
    }
}

impl Answer {
    fn parse(line: &[u8]) -> Result<Self> {
        let line = String::from_utf8_lossy(line);
        let parsed = line.rsplit_once('\t').and_then(|(fields, reached)| {
            let numbers =
                reached
                    .split_ascii_whitespace()
                    .map(|number| match number.split_once(':') {
                        None => Some((number.parse().ok()?, 0)),
                        Some((probe, class)) => Some((probe.parse().ok()?, class.parse().ok()?)),
                    });
            Some(Self {
                fields: fields.split('\t').map(unescape).collect(),
                reached: numbers.collect::<Option<_>>()?,
            })
        });
        parsed.with_context(|| format!("the worker answered without coverage: {line:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_the_probes_it_reached() {
        let answer = Answer::parse(b"fail\ta check\ttwo\\nlines\t3 17").unwrap();
        assert_eq!(answer.fields, ["fail", "a check", "two\nlines"]);
        assert_eq!(answer.reached, [(3, 0), (17, 0)]);
        let counted = Answer::parse(b"pass\t3:1 17:8").unwrap();
        assert_eq!(counted.reached, [(3, 1), (17, 8)]);
        let nothing = Answer::parse(b"pass\t").unwrap();
        assert!(nothing.fields == ["pass"] && nothing.reached.is_empty());
        for without in [
            &b"pass"[..],
            b"rejected\ttoo short",
            b"error\tno 1\tx",
            b"pass\t3:",
        ] {
            let error = Answer::parse(without).unwrap_err();
            assert!(error.to_string().contains("without coverage"), "{error}");
        }
    }
}
