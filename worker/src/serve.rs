//! A worker's `main`: answers requests from standard input until it ends.

use std::io::{self, BufRead, Write};

use crate::check::Check;
use crate::counters::{Ended, Watch};
use crate::protocol::{
    CheckInfo, Command, Described, Hello, Reply, Request, Response, VERSION, Verdict,
};
use crate::replay::{replay, trace};
use crate::target::{Project, Target, TargetInfo};

/// The option with which only checks fail that [stand alone](crate::Layer::stands_alone).
pub const INVARIANTS_ONLY: &str = "--invariants-only";
/// The option with which the worker takes no batches.
pub const ONE_BY_ONE: &str = "--one-by-one";

/// Answers requests from standard input until it ends: the whole of a worker's `main`. Takes options from the
/// command line: [`INVARIANTS_ONLY`] and [`ONE_BY_ONE`]. Watches its coverage when its environment asks for
/// that, see [`Watch::from_environment`].
///
/// # Errors
/// When standard input or output fails, or the environment asks for what cannot be done.
pub fn serve(project: &Project<'_>) -> io::Result<()> {
    let is_given = |option: &str| std::env::args().skip(1).any(|given| given == option);
    if is_given(INVARIANTS_ONLY) {
        mute_all_but_invariants(project.checks);
    }
    let mut worker = Worker {
        project,
        targets: project.targets.iter().map(|target| target.info()).collect(),
        takes_batches: !is_given(ONE_BY_ONE),
        watch: Watch::from_environment()?,
        reached: Vec::new(),
    };
    worker.answer_all(&mut io::stdin().lock(), &mut io::stdout().lock())
}

/// From now on, of `checks` only those fail that [stand alone](crate::Layer::stands_alone). A panic of the code
/// under test still is a finding. Which faults these miss shows what the other layers are for.
pub fn mute_all_but_invariants(checks: &[&Check]) {
    for check in checks.iter().filter(|check| !check.layer.stands_alone()) {
        check.mute();
    }
}

/// What it takes to answer.
struct Worker<'a> {
    project: &'a Project<'a>,
    targets: Vec<TargetInfo>,
    takes_batches: bool,
    watch: Option<Watch>,
    /// The probes that the input reached, as text.
    reached: Vec<u8>,
}

impl Worker<'_> {
    fn answer_all(&mut self, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
        let (mut request, mut line) = (Vec::new(), Vec::new());
        loop {
            request.clear();
            if from.read_until(b'\n', &mut request)? == 0 {
                return Ok(());
            }
            line.clear();
            match serde_json::from_slice(&request) {
                Ok(Request::Batch {
                    command,
                    target,
                    batch,
                }) if self.takes_batches => {
                    batch.answer_all(from, to, |data, line| {
                        if batch.inputs == 1 {
                            self.start_again()?;
                        }
                        let (reply, ended) = self.about(command, &target, data);
                        self.put(reply, ended, line)
                    })?;
                    continue;
                }
                Ok(request) => {
                    self.start_again()?;
                    let (reply, ended) = self.answer(request);
                    self.put(reply, ended, &mut line)?;
                }
                Err(why) => {
                    let reply = Reply::Error(format!("not a request: {why}"));
                    self.put(reply, Ended::Returned, &mut line)?;
                }
            }
            to.write_all(&line)?;
            to.flush()?;
        }
    }

    /// Sets the counters back, if there are any.
    fn start_again(&mut self) -> io::Result<()> {
        self.watch.as_mut().map_or(Ok(()), Watch::start_again)
    }

    /// The answer to a request that is no batch, and how the input's run ended.
    fn answer(&self, request: Request) -> (Reply, Ended) {
        let checks = self.project.checks;
        let reply = match request {
            Request::Hello => Reply::Hello(Hello {
                protocol: VERSION,
                batches: self.takes_batches,
                targets: self.targets.clone(),
                checks: checks.iter().map(|&check| CheckInfo::from(check)).collect(),
            }),
            Request::Evaluations => {
                let counts = checks.iter();
                let counts = counts.map(|check| (check.id.to_owned(), check.evaluations()));
                Reply::Evaluations(counts.collect())
            }
            Request::Input {
                command,
                target,
                path,
            } => match std::fs::read(&path) {
                Ok(data) => return self.about(command, &target, &data),
                Err(why) => Reply::Error(format!("{path}: {why}")),
            },
            Request::Batch { .. } => Reply::Error("this worker takes no batches".to_owned()),
        };
        (reply, Ended::Returned)
    }

    /// What `command` answers about an input, and how its run ended.
    fn about(&self, command: Command, target: &str, data: &[u8]) -> (Reply, Ended) {
        let Some(target) = self.find(target) else {
            let error = format!("no target is called {target:?}");
            return (Reply::Error(error), Ended::Returned);
        };
        let ended = |verdict: &Verdict| match verdict {
            Verdict::Fail(_) => Ended::Midway,
            Verdict::Pass | Verdict::Rejected { .. } | Verdict::Error { .. } => Ended::Returned,
        };
        match command {
            Command::Run => {
                let verdict = replay(target, data);
                let ended = ended(&verdict);
                (Reply::Verdict(verdict), ended)
            }
            Command::Trace => {
                let (verdict, events) = trace(target, self.project.checks, data);
                let ended = ended(&verdict);
                let events = events.join("\n");
                (Reply::Traced { verdict, events }, ended)
            }
            Command::Describe => {
                let reply = match target.describe(data) {
                    Ok(description) => Reply::Described(Described {
                        description,
                        decoded_size: target.decoded_size(data),
                        fingerprint: target.fingerprint(data),
                    }),
                    Err(why) => Reply::Verdict(Verdict::Rejected { why }),
                };
                (reply, Ended::Returned)
            }
        }
    }

    fn find(&self, name: &str) -> Option<&dyn Target> {
        let index = self.targets.iter().position(|target| target.name == name)?;
        Some(self.project.targets[index])
    }

    /// Puts an answer into `line`, with the probes that were reached, when they are watched.
    fn put(&mut self, reply: Reply, ended: Ended, line: &mut Vec<u8>) -> io::Result<()> {
        self.reached.clear();
        let reached = match &mut self.watch {
            Some(watch) => {
                watch.tell_after_input(ended, &mut self.reached)?;
                Some(str::from_utf8(&self.reached).map_err(io::Error::other)?)
            }
            None => None,
        };
        Response { reply, reached }.write(line);
        Ok(())
    }
}
