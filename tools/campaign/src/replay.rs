//! Replaying inputs without an engine, in a worker process: what a finding violates, on which case.
//!
//! The worker is a process of its own (see [`worker::protocol`]), so an abort, a stack overflow or
//! a hang of the code under test ends the worker and is itself the verdict.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use worker::batch::Inputs;
use worker::protocol::{self, Described, Hello, Reply, Request, Response};
use worker::{Crash, Violation};

pub use worker::Verdict;
pub use worker::violation::{NO_ABORT, NO_HANG};

/// How long one input may take.
pub const TIME_OUT: Duration = Duration::from_secs(10);

/// The fingerprint of an input that is no case.
pub const NO_CASE: &str = "no case";

/// How long a worker may take to start, however short the time for an input is.
pub(crate) const START_TIME: Duration = Duration::from_secs(60);

/// The crash of a worker that ended like this.
pub(crate) fn died(status: ExitStatus) -> Crash {
    Crash::Died(match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    })
}

/// The crash of a worker that gave no answer in this time.
pub(crate) fn hung(time_out: Duration) -> Crash {
    Crash::Hung(u64::try_from(time_out.as_millis()).unwrap_or(u64::MAX))
}

/// How long a build may take before a line reports that it is under way.
const SILENCE: Duration = Duration::from_secs(1);

/// Builds the worker of the project at `root` in the folder `builds`: on stable, without an engine. Reports a
/// build that takes longer than a second.
///
/// # Errors
/// When cargo fails, with the end of what it printed.
pub fn build_worker(root: &Path, builds: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--bin", "replay_worker"])
        .arg("--target-dir")
        .arg(builds)
        .current_dir(root)
        .stdin(Stdio::null());
    let (sender, built) = channel();
    std::thread::spawn(move || sender.send(cargo.output()));
    let output = match built.recv_timeout(SILENCE) {
        Err(RecvTimeoutError::Timeout) => {
            eprintln!("building the replay worker: the first time takes a minute or two");
            built.recv()
        }
        early => early.map_err(|_| RecvError),
    };
    let output = output?.context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "the replay worker cannot be built:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(builds.join("release").join("replay_worker"))
}

/// What the worker in `binary` serves.
///
/// # Errors
/// When it cannot be started, or is no worker of this version of the protocol.
pub fn hello_of(binary: &Path) -> Result<Hello> {
    Ok(start(binary, &[])?.1)
}

/// A worker that is asked one thing at a time, and replaced when it dies.
#[derive(Debug)]
pub struct Replayer {
    binary: PathBuf,
    options: &'static [&'static str],
    time_out: Duration,
    running: Option<Running>,
    evaluated: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Replayer {
    /// A replayer with the worker in `binary`, which is started when it is first asked.
    #[must_use]
    pub fn new(binary: PathBuf) -> Self {
        Self::with_options(binary, &[])
    }

    /// A replayer whose worker is started with `options`: see [`worker::serve()`].
    #[must_use]
    pub fn with_options(binary: PathBuf, options: &'static [&'static str]) -> Self {
        Self {
            binary,
            options,
            time_out: TIME_OUT,
            running: None,
            evaluated: BTreeMap::new(),
        }
    }

    /// The same replayer, which gives an input so long in the place of [`TIME_OUT`].
    #[must_use]
    pub fn with_time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// Ends the worker: the next question is put to a new one, which has seen no input before.
    pub fn restart(&mut self) {
        self.running = None;
    }

    /// Runs `target` on the input in `file`. When the worker dies of it, a new one describes the case.
    ///
    /// # Errors
    /// When the file cannot be read or the worker cannot be started.
    pub fn verdict(&mut self, target: &str, file: &Path) -> Result<Verdict> {
        match self.ask(&input(protocol::Command::Run, target, file)?)? {
            Ok(Reply::Verdict(verdict)) => Ok(verdict),
            Ok(other) => unexpected(other),
            Err(crash) => Ok(Verdict::Fail(Box::new(self.crashed(crash, target, file)))),
        }
    }

    /// The violation that is a crash on the input in `file`, with its case if the input can be described.
    pub fn crashed(&mut self, crash: Crash, target: &str, file: &Path) -> Violation {
        let asked = self.describe(target, file).ok().and_then(Result::ok);
        Violation::of_crash(crash, target, asked.map(|described| described.description))
    }

    /// The case in `file`; or why it is none.
    ///
    /// # Errors
    /// When the file cannot be read or the worker cannot be started, or dies.
    pub fn describe(&mut self, target: &str, file: &Path) -> Result<Result<Described, String>> {
        match self.ask(&input(protocol::Command::Describe, target, file)?)? {
            Ok(Reply::Described(described)) => Ok(Ok(described)),
            Ok(Reply::Verdict(Verdict::Rejected { why })) => Ok(Err(why)),
            Ok(other) => unexpected(other),
            Err(crash) => bail!("when it decoded an input: {crash}"),
        }
    }

    /// The fingerprint of each of `inputs`; [`NO_CASE`] where one is none.
    ///
    /// # Errors
    /// When the worker cannot be started, or dies.
    pub fn fingerprints(&mut self, target: &str, inputs: &Inputs) -> Result<Vec<String>> {
        let request = inputs.request(protocol::Command::Describe, target);
        let mut running = self.take_worker()?;
        running.send(&request);
        let answers = (0..inputs.count()).map(|_| match running.answer(self.time_out)? {
            Ok(Reply::Described(described)) => Ok(described.fingerprint),
            Ok(Reply::Verdict(Verdict::Rejected { .. })) => Ok(NO_CASE.to_owned()),
            Ok(other) => unexpected(other),
            Err(crash) => bail!("when it decoded an input: {crash}"),
        });
        let fingerprints = answers.collect::<Result<_>>()?;
        self.running = Some(running);
        Ok(fingerprints)
    }

    /// How often each check was evaluated in the replays so far, by id.
    ///
    /// # Errors
    /// When the worker cannot be asked.
    pub fn evaluations(&mut self) -> Result<BTreeMap<String, u64>> {
        let counts = match self.ask(&Request::Evaluations)? {
            Ok(Reply::Evaluations(counts)) => counts,
            Ok(other) => return unexpected(other),
            Err(crash) => bail!("when it was asked for its checks: {crash}"),
        };
        // A worker counts from its start; the next question starts a new one.
        self.running = None;
        for (check, count) in counts {
            *self.evaluated.entry(check).or_default() += count;
        }
        Ok(self.evaluated.clone())
    }

    /// What the worker replies, or how it ended instead.
    fn ask(&mut self, request: &Request) -> Result<Result<Reply, Crash>> {
        let mut running = self.take_worker()?;
        let answer = running.ask(request, self.time_out)?;
        if answer.is_ok() {
            self.running = Some(running);
        }
        Ok(answer)
    }

    /// The worker that runs, or a new one.
    fn take_worker(&mut self) -> Result<Running> {
        match self.running.take() {
            Some(running) => Ok(running),
            None => Ok(start(&self.binary, self.options)?.0),
        }
    }
}

impl Running {
    fn ask(&mut self, request: &Request, time_out: Duration) -> Result<Result<Reply, Crash>> {
        self.send(&request.to_line());
        self.answer(time_out)
    }

    fn send(&mut self, request: &[u8]) {
        // A failure to write means that it is gone, and then no answer comes.
        let _ = self.requests.write_all(request);
    }

    fn answer(&mut self, time_out: Duration) -> Result<Result<Reply, Crash>> {
        match self.answers.recv_timeout(time_out) {
            Ok(line) => match Response::parse(line.as_bytes()) {
                Ok(response) => Ok(Ok(response.reply)),
                Err(why) => bail!("{why}"),
            },
            Err(RecvTimeoutError::Timeout) => Ok(Err(hung(time_out))),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait().context("a worker is lost")?;
                Ok(Err(died(status)))
            }
        }
    }
}

/// A request about the input in `file`.
pub(crate) fn input(command: protocol::Command, target: &str, file: &Path) -> Result<Request> {
    Ok(Request::Input {
        command,
        target: target.to_owned(),
        path: path_text(file)?.to_owned(),
    })
}

/// What a worker is that greets so. It has to be of this version of the protocol.
pub(crate) fn greeted(reply: Reply) -> Result<Hello> {
    match reply {
        Reply::Hello(hello) => {
            hello.check_version().map_err(Error::msg)?;
            Ok(hello)
        }
        other => unexpected(other),
    }
}

/// The error that the worker reports, or that it answered what was not asked.
fn unexpected<T>(reply: Reply) -> Result<T> {
    Err(match reply {
        Reply::Error(why) => anyhow!("{why}"),
        other => anyhow!("the worker answered another question: {other:?}"),
    })
}

/// Starts a worker. Returns it with its greeting.
fn start(binary: &Path, options: &[&str]) -> Result<(Running, Hello)> {
    let mut process = Command::new(binary)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("the worker {} cannot be started", binary.display()))?;
    let requests = process.stdin.take().context("a worker without input")?;
    let output = BufReader::new(process.stdout.take().context("a worker without output")?);
    let (sender, answers) = channel();
    std::thread::spawn(move || {
        for line in output.lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut running = Running {
        process,
        requests,
        answers,
    };
    let greeting = running.ask(&Request::Hello, START_TIME);
    let greeting = greeting.and_then(|answer| match answer {
        Ok(reply) => greeted(reply),
        Err(crash) => Err(anyhow!("at its start: {crash}")),
    });
    let hello =
        greeting.with_context(|| format!("{} is not a worker for this tool", binary.display()))?;
    Ok((running, hello))
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("the name of {} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What comes of asking for a verdict, from a worker that is this shell script.
    fn asked(script: &str) -> Result<Verdict> {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        std::fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
        Replayer::new(worker).verdict("fuzz_x", Path::new("/nowhere"))
    }

    const HELLO: &str = r#"{"reply":{"hello":{"protocol":2,"targets":[],"checks":[]}}}"#;

    #[test]
    fn a_worker_of_another_version_is_refused_before_it_is_asked() {
        let other = HELLO.replace(":2,", ":7,");
        let error = asked(&format!("read -r line; echo '{other}'")).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("speaks version 7 of the protocol"),
            "{error}"
        );
        let error = format!("{:#}", asked("printf 'pass\\t\\n'").unwrap_err());
        assert!(error.contains("is not a worker for this tool"), "{error}");
        let error = format!("{:#}", asked("exit 3").unwrap_err());
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_crash_is_of_the_target_when_nobody_knows_the_case() {
        let script = format!("read -r line; echo '{HELLO}'; read -r line; kill -ABRT $$");
        let Verdict::Fail(violation) = asked(&script).unwrap() else {
            panic!("no failure");
        };
        assert_eq!(violation.check, NO_ABORT);
        assert_eq!(violation.part.to_string(), "fuzz_x");
        assert_eq!(violation.crash, Some(Crash::Died("signal 6".to_owned())));
    }

    #[test]
    fn what_a_worker_cannot_do_is_an_error() {
        let reply = r#"{"reply":{"error":"gone"}}"#;
        let script = format!("read -r line; echo '{HELLO}'; read -r line; echo '{reply}'");
        assert_eq!(asked(&script).unwrap_err().to_string(), "gone");
    }
}
