//! Replaying inputs without an engine, in a worker process: what a finding violates, on which case.
//!
//! The worker is a process of its own (see [`worker::protocol`]), so an abort, a stack overflow or
//! a hang of the code under test ends the worker and is itself the verdict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use worker::batch::Inputs;
use worker::protocol::{self, Described, Hello, Reply, Request, Response};
use worker::target::THE_FORMAT;
use worker::{Crash, Known, Violation};

pub use worker::Verdict;
pub use worker::violation::{NO_ABORT, NO_HANG, NO_PANIC};

use self::process::{Worker, unexpected};

pub(crate) mod process;

/// How long one input may take.
pub const TIME_OUT: Duration = Duration::from_secs(10);

/// The fingerprint of an input that is no case.
pub const NO_CASE: &str = "no case";

/// How long a build may take before a line reports that it is under way.
const SILENCE: Duration = Duration::from_secs(1);

/// Builds the worker of the project at `root` in the folder `builds`: on stable, without an engine. Reports a
/// build that takes longer than a second. Returns the binary's path.
pub(crate) fn build_worker(root: &Path, builds: &Path) -> Result<PathBuf> {
    let (_end, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("building the replay worker: the first time takes a minute or two");
        }
    });
    process::build(root, builds, |_| {})
}

/// What the worker in `binary` serves.
pub(crate) fn hello_of(binary: &Path) -> Result<Hello> {
    Ok(Worker::start(&mut Command::new(binary))?.1)
}

/// What became of inputs.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Those that passed.
    pub passed: usize,
    /// Those that are no cases.
    pub rejected: usize,
    /// Those that fail.
    pub failed: usize,
    /// Those that were not judged, by the feature that is not there.
    pub not_judged: BTreeMap<String, usize>,
    /// Those that met a known finding first, by its place in the list.
    pub known: BTreeMap<usize, usize>,
}

impl Verdicts {
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Rejected { .. } => &mut self.rejected,
            Verdict::NotJudged { feature } => self.not_judged.entry(feature.clone()).or_default(),
            Verdict::Known { nth, others, .. } => {
                // An input counts once: others are there, and may have no input of their own.
                for other in others {
                    self.known.entry(*other).or_default();
                }
                self.known.entry(*nth).or_default()
            }
            Verdict::Fail(_) | Verdict::Error { .. } => &mut self.failed,
        } += 1;
    }

    /// How many were not judged although the code under test has their format, and how many there are of that kind.
    pub(crate) fn unjudged(&self) -> (usize, usize) {
        let features = self.not_judged.iter();
        let features = features.filter(|(feature, _)| !feature.starts_with(THE_FORMAT));
        let unjudged = features.map(|(_, count)| count).sum();
        let known: usize = self.known.values().sum();
        (unjudged, unjudged + self.passed + self.failed + known)
    }

    /// What to warn of when most inputs show nothing.
    pub(crate) fn warning(&self) -> Option<String> {
        let (unjudged, all) = match self.unjudged() {
            // All of them are of formats that are not there.
            (0, 0) => [self.not_judged.values().sum(); 2].into(),
            counts => counts,
        };
        let percent = (unjudged * 100).checked_div(all).unwrap_or(100);
        let features = self.not_judged.keys().map(String::as_str);
        let features = features.collect::<Vec<_>>().join("; ");
        (percent >= 50 && !features.is_empty()).then(|| {
            format!("WARNING: NOT JUDGED: {unjudged} of {all} ({percent} %), which show nothing: {features}")
        })
    }
}

/// A worker that gets one request at a time, and is replaced when it dies.
#[derive(Debug)]
pub struct Replayer {
    binary: PathBuf,
    options: &'static [&'static str],
    /// How long it gives an input: [`TIME_OUT`], unless that is changed.
    pub(crate) time_out: Duration,
    running: Option<Worker>,
    /// The worker's known findings: it cannot go on over an abort or a hang itself.
    known: Vec<Known>,
    evaluated: BTreeMap<String, u64>,
}

impl Replayer {
    /// A replayer with the worker in `binary`, which is started for the first request.
    pub fn new(binary: PathBuf) -> Self {
        Self::with_options(binary, &[])
    }

    /// A replayer whose worker is started with `options`: see [`worker::serve()`].
    pub fn with_options(binary: PathBuf, options: &'static [&'static str]) -> Self {
        Self {
            binary,
            options,
            time_out: TIME_OUT,
            running: None,
            known: Vec::new(),
            evaluated: BTreeMap::new(),
        }
    }

    /// Ends the worker: the next request goes to a new one, which has seen no input before.
    pub(crate) fn restart(&mut self) {
        self.running = None;
    }

    /// Runs `target` on the input in `file`. When the worker dies of it, a new one describes the case. Fails when the
    /// file cannot be read or the worker cannot be started.
    pub fn verdict(&mut self, target: &str, file: &Path) -> Result<Verdict> {
        match self.ask(&about(protocol::Command::Run, target, file)?)? {
            Ok(Reply::Verdict(verdict)) => Ok(verdict),
            Ok(other) => unexpected(other),
            Err(crash) => {
                let violation = Box::new(self.crashed(crash, target, file));
                let nth = self.known.iter().position(|one| one.describes(&violation));
                Ok(match nth {
                    Some(nth) => Verdict::Known {
                        nth,
                        violation,
                        others: Vec::new(),
                    },
                    None => Verdict::Fail(violation),
                })
            }
        }
    }

    /// The violation that is a crash on the input in `file`, with its case if the input can be described.
    pub(crate) fn crashed(&mut self, crash: Crash, target: &str, file: &Path) -> Violation {
        let case = self.describe(target, file).ok().and_then(Result::ok);
        Violation::of_crash(crash, target, case.map(|case| case.description))
    }

    /// The case in `file`; or why it is none.
    pub(crate) fn describe(
        &mut self,
        target: &str,
        file: &Path,
    ) -> Result<Result<Described, String>> {
        described(self.ask(&about(protocol::Command::Describe, target, file)?)?)
    }

    /// The fingerprint of each of `inputs`; [`NO_CASE`] where one is none.
    pub(crate) fn fingerprints(&mut self, target: &str, inputs: &Inputs) -> Result<Vec<String>> {
        let mut worker = self.take_worker()?;
        worker.send(inputs.request(protocol::Command::Describe, target));
        let mut fingerprints = Vec::new();
        for _ in 0..inputs.count() {
            let described = described(reply(&mut worker, self.time_out)?)?;
            fingerprints.push(described.map_or(NO_CASE.to_owned(), |case| case.fingerprint));
        }
        self.running = Some(worker);
        Ok(fingerprints)
    }

    /// How often each check was evaluated in the replays so far, by id.
    pub(crate) fn evaluations(&mut self) -> Result<BTreeMap<String, u64>> {
        let counts = match self.ask(&Request::Evaluations)? {
            Ok(Reply::Evaluations(counts)) => counts,
            Ok(other) => return unexpected(other),
            Err(crash) => bail!("when it was asked for its checks: {crash}"),
        };
        // A worker counts from its start; the next request starts a new one.
        self.running = None;
        for (check, count) in counts {
            *self.evaluated.entry(check).or_default() += count;
        }
        Ok(self.evaluated.clone())
    }

    /// What the worker replies, or how it ended instead.
    fn ask(&mut self, request: &Request) -> Result<Result<Reply, Crash>> {
        let mut worker = self.take_worker()?;
        worker.send(request.to_line());
        let reply = reply(&mut worker, self.time_out)?;
        if reply.is_ok() {
            self.running = Some(worker);
        }
        Ok(reply)
    }

    /// The worker that runs, or a new one.
    fn take_worker(&mut self) -> Result<Worker> {
        match self.running.take() {
            Some(worker) => Ok(worker),
            None => {
                let mut command = Command::new(&self.binary);
                let (worker, hello) = Worker::start(command.args(self.options))?;
                self.known = hello.known;
                Ok(worker)
            }
        }
    }
}

fn reply(worker: &mut Worker, time_out: Duration) -> Result<Result<Reply, Crash>> {
    match worker.answer(time_out) {
        Ok(line) => Ok(Ok(Response::parse(&line).map_err(Error::msg)?.reply)),
        Err(crash) => Ok(Err(crash)),
    }
}

/// The case that a worker described; or why the input is none.
fn described(reply: Result<Reply, Crash>) -> Result<Result<Described, String>> {
    match reply {
        Ok(Reply::Described(described)) => Ok(Ok(described)),
        Ok(Reply::Verdict(Verdict::Rejected { why })) => Ok(Err(why)),
        Ok(other) => unexpected(other),
        Err(crash) => bail!("when it decoded an input: {crash}"),
    }
}

/// A request about the input in `file`.
fn about(command: protocol::Command, target: &str, file: &Path) -> Result<Request> {
    let path = file.to_str();
    let path = path.with_context(|| format!("the name of {} is not UTF-8", file.display()))?;
    Ok(Request::Input {
        command,
        target: target.to_owned(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The verdict of a worker that is this shell script.
    fn verdict_of(script: &str) -> Result<Verdict> {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        std::fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
        Replayer::new(worker).verdict("fuzz_x", Path::new("/nowhere"))
    }

    const HELLO: &str = r#"{"reply":{"hello":{"protocol":2,"targets":[],"checks":[]}}}"#;

    #[test]
    fn a_worker_of_another_version_is_refused() {
        let other = HELLO.replace(":2,", ":7,");
        let error = verdict_of(&format!("read -r line; echo '{other}'")).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("speaks version 7 of the protocol"),
            "{error}"
        );
        let error = format!("{:#}", verdict_of("printf 'pass\\t\\n'").unwrap_err());
        assert!(error.contains("does not serve this tool"), "{error}");
        let error = format!("{:#}", verdict_of("exit 3").unwrap_err());
        assert!(error.contains("exit status: 3"), "{error}");
    }
}
