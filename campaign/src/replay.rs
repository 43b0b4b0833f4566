//! Replaying inputs without an engine, in a worker process: what a find fails, on which case.
//!
//! The worker is a process of its own (see [`harness_core::worker`]), so an abort, a stack overflow or
//! a hang of the code under test ends the worker and is itself the verdict.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness_core::worker::{escape, unescape};
use serde::Serialize;

use crate::project::Project;

/// How long one input may take.
pub const TIME_OUT: Duration = Duration::from_secs(10);

/// The id under which a worker that died is reported.
pub const NO_ABORT: &str = "subject.no_abort";
/// The id under which a worker that took too long is reported.
pub const NO_HANG: &str = "subject.no_hang";

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// Every check held.
    Pass,
    /// The input is no case.
    Rejected {
        /// Why not.
        why: String,
    },
    /// A check failed; a panic, an abort and a hang have an id too.
    Fail {
        /// The check's id.
        check: String,
        /// The report.
        message: String,
    },
    /// The worker could not run it: the file cannot be read, or there is no such target.
    Error {
        /// What the worker said.
        message: String,
    },
}

impl Verdict {
    /// The verdict that a worker's answer tells.
    ///
    /// # Errors
    /// When the fields are no answer to `run`.
    pub fn of_answer(fields: &[String]) -> Result<Self> {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        Ok(match fields[..] {
            ["pass"] => Self::Pass,
            ["rejected", why] => Self::Rejected {
                why: why.to_owned(),
            },
            ["fail", check, message] => Self::Fail {
                check: check.to_owned(),
                message: message.to_owned(),
            },
            ["error", message] => Self::Error {
                message: message.to_owned(),
            },
            _ => bail!("not an answer: {fields:?}"),
        })
    }

    /// The verdict on an input on which the worker died; `how` says of what.
    #[must_use]
    pub fn died(how: &str) -> Self {
        Self::Fail {
            check: NO_ABORT.to_owned(),
            message: format!("the process died: {how}"),
        }
    }

    /// The verdict on an input for which the worker took longer than `time_out`.
    #[must_use]
    pub fn hung(time_out: Duration) -> Self {
        Self::Fail {
            check: NO_HANG.to_owned(),
            message: format!("no answer in {} s", time_out.as_secs_f64()),
        }
    }
}

/// Builds the worker of a project: on stable, without an engine.
///
/// # Errors
/// When cargo fails, with the end of what it printed.
pub fn build_worker(project: &Project) -> Result<PathBuf> {
    let folder = project.builds("replay");
    let output = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--bin",
            "replay_worker",
            "--target-dir",
        ])
        .arg(&folder)
        .current_dir(project.root())
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "the replay worker cannot be built:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(folder.join("release").join("replay_worker"))
}

/// A worker that is asked one thing at a time, and replaced when it dies.
#[derive(Debug)]
pub struct Replayer {
    binary: PathBuf,
    options: &'static [&'static str],
    time_out: Duration,
    running: Option<Running>,
    evaluated: std::collections::BTreeMap<String, u64>,
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

    /// A replayer whose worker is started with `options`: see [`harness_core::worker::serve`].
    #[must_use]
    pub fn with_options(binary: PathBuf, options: &'static [&'static str]) -> Self {
        Self {
            binary,
            options,
            time_out: TIME_OUT,
            running: None,
            evaluated: std::collections::BTreeMap::new(),
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

    /// Runs `target` on the input in `file`.
    ///
    /// # Errors
    /// When the file cannot be read or the worker cannot be started.
    pub fn verdict(&mut self, target: &str, file: &Path) -> Result<Verdict> {
        match self.ask(&["run", target, path_text(file)?])? {
            Answer::Fields(fields) => match Verdict::of_answer(&fields)? {
                Verdict::Error { message } => bail!("{message}"),
                verdict => Ok(verdict),
            },
            Answer::Died(how) => Ok(Verdict::died(&how)),
            Answer::Hung => Ok(Verdict::hung(self.time_out)),
        }
    }

    /// The case in `file`, in words and as Rust; or why it is none.
    ///
    /// # Errors
    /// When the file cannot be read or the worker cannot be started, or dies.
    pub fn describe(&mut self, target: &str, file: &Path) -> Result<Result<[String; 2], String>> {
        match self.ask(&["describe", target, path_text(file)?])? {
            Answer::Fields(mut fields) => match fields.remove(0).as_str() {
                "case" if fields.len() == 2 => {
                    let rust = fields.remove(1);
                    Ok(Ok([fields.remove(0), rust]))
                }
                "rejected" => Ok(Err(fields.concat())),
                _ => bail!("{}", fields.concat()),
            },
            Answer::Died(how) => bail!("the worker died: {how}"),
            Answer::Hung => bail!("the worker gave no answer"),
        }
    }

    /// How often each check was evaluated in the replays so far, by id.
    ///
    /// # Errors
    /// When the worker cannot be asked.
    pub fn evaluations(&mut self) -> Result<std::collections::BTreeMap<String, u64>> {
        self.count_evaluations()?;
        Ok(self.evaluated.clone())
    }

    fn count_evaluations(&mut self) -> Result<()> {
        let Answer::Fields(fields) = self.ask(&["checks"])? else {
            bail!("the worker died when asked for its checks");
        };
        // A worker counts from its start; the next question starts a new one.
        self.running = None;
        for pair in fields[1..].chunks_exact(2) {
            *self.evaluated.entry(pair[0].clone()).or_default() += pair[1].parse::<u64>()?;
        }
        Ok(())
    }

    fn ask(&mut self, request: &[&str]) -> Result<Answer> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => start(&self.binary, self.options)?,
        };
        let line: Vec<String> = request.iter().map(|field| escape(field)).collect();
        // A failure to write means that it is gone, which the missing answer tells.
        let _ = writeln!(running.requests, "{}", line.join("\t"));
        match running.answers.recv_timeout(self.time_out) {
            Ok(answer) => {
                self.running = Some(running);
                Ok(Answer::Fields(answer.split('\t').map(unescape).collect()))
            }
            Err(RecvTimeoutError::Timeout) => Ok(Answer::Hung),
            Err(RecvTimeoutError::Disconnected) => {
                let status = running.process.wait().context("a worker is lost")?;
                Ok(Answer::Died(match status.signal() {
                    Some(signal) => format!("signal {signal}"),
                    None => status.to_string(),
                }))
            }
        }
    }
}

enum Answer {
    Fields(Vec<String>),
    Died(String),
    Hung,
}

fn start(binary: &Path, options: &[&str]) -> Result<Running> {
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
    Ok(Running {
        process,
        requests,
        answers,
    })
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("the name of {} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let parse = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
            Verdict::of_answer(&fields)
        };
        assert_eq!(parse(&["pass"]).unwrap(), Verdict::Pass);
        let rejected = Verdict::Rejected {
            why: "short".into(),
        };
        assert_eq!(parse(&["rejected", "short"]).unwrap(), rejected);
        for wrong in [
            &["pass", "x"][..],
            &["fail", "x"],
            &[""],
            &["checks", "a", "1"],
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("not an answer"), "{error}");
        }
    }
}
