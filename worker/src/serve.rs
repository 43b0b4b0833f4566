//! A worker's `main`: answers requests from standard input until it ends.

use std::io::{self, BufRead, Write};

use crate::check::Check;
use crate::counters::Watch;
use crate::known;
use crate::protocol::{
    CheckInfo, Command, Described, Hello, JUDGE_VARIABLE, Reply, Request, Response, VERSION,
    Verdict,
};
use crate::replay::{replay, trace};
use crate::target::{Project, Target, TargetInfo};

/// The option with which only checks fail that [stand alone](crate::Layer::stands_alone).
pub const INVARIANTS_ONLY: &str = "--invariants-only";

/// Answers requests from standard input until it ends: the whole of a worker's `main`. Takes one option from
/// the command line, [`INVARIANTS_ONLY`]. Watches its coverage when its environment asks for that, see
/// [`Watch::from_environment`].
///
/// # Errors
/// When standard input or output fails, or the environment asks for what cannot be done.
pub fn serve(project: &Project<'_>) -> io::Result<()> {
    if std::env::args()
        .skip(1)
        .any(|given| given == INVARIANTS_ONLY)
    {
        mute_all_but_invariants(project.checks);
    }
    if project.judged.is_empty() && std::env::var_os(JUDGE_VARIABLE).is_some() {
        return refuse("this project has no choice of what is judged".to_owned());
    }
    let mut worker = Worker {
        project,
        targets: project.targets.iter().map(|target| target.info()).collect(),
        watch: Watch::from_environment()?,
        grown: Vec::new(),
    };
    worker.answer_all(&mut io::stdin().lock(), &mut io::stdout().lock())
}

/// Answers the first request with an error, `why` no other can be answered: then this is the whole of a worker's `main`.
///
/// # Errors
/// When standard input or output fails.
pub fn refuse(why: String) -> io::Result<()> {
    io::stdin().lock().read_until(b'\n', &mut Vec::new())?;
    let mut line = Vec::new();
    let reply = Reply::Error(why);
    Response { reply, grown: None }.write(&mut line);
    io::stdout().write_all(&line)
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
    watch: Option<Watch>,
    /// The counters that grew, as text.
    grown: Vec<u8>,
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
                }) => {
                    batch.answer_all(from, to, |data, line| {
                        if batch.inputs == 1 {
                            self.reset()?;
                        }
                        let reply = self.about(command, &target, data);
                        self.put(reply, line)
                    })?;
                    continue;
                }
                Ok(request) => {
                    self.reset()?;
                    let reply = self.answer(request);
                    self.put(reply, &mut line)?;
                }
                Err(why) => {
                    let reply = Reply::Error(format!("not a request: {why}"));
                    self.put(reply, &mut line)?;
                }
            }
            to.write_all(&line)?;
            to.flush()?;
        }
    }

    /// Resets the counters, if there are any.
    fn reset(&mut self) -> io::Result<()> {
        self.watch.as_mut().map_or(Ok(()), Watch::reset)
    }

    /// The answer to a request that is no batch.
    fn answer(&self, request: Request) -> Reply {
        let checks = self.project.checks;
        match request {
            Request::Hello => Reply::Hello(Hello {
                protocol: VERSION,
                targets: self.targets.clone(),
                checks: checks.iter().map(|&check| CheckInfo::from(check)).collect(),
                judged: self
                    .project
                    .judged
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                known: known::list().to_vec(),
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
                Ok(data) => self.about(command, &target, &data),
                Err(why) => Reply::Error(format!("{path}: {why}")),
            },
            Request::Batch { .. } => Reply::Error("a batch in the place of its inputs".to_owned()),
        }
    }

    /// What `command` answers about an input.
    fn about(&self, command: Command, target: &str, data: &[u8]) -> Reply {
        let Some(target) = self.find(target) else {
            return Reply::Error(format!("no target is called {target:?}"));
        };
        match command {
            Command::Run => Reply::Verdict(replay(target, data)),
            Command::Trace => {
                let (verdict, events) = trace(target, self.project.checks, data);
                let events = events.join("\n");
                Reply::Traced { verdict, events }
            }
            Command::Describe => match target.describe(data) {
                Ok(description) => Reply::Described(Described {
                    description,
                    decoded_size: target.decoded_size(data),
                    fingerprint: target.fingerprint(data),
                }),
                Err(why) => Reply::Verdict(Verdict::Rejected { why }),
            },
        }
    }

    fn find(&self, name: &str) -> Option<&dyn Target> {
        let index = self.targets.iter().position(|target| target.name == name)?;
        Some(self.project.targets[index])
    }

    /// Puts an answer into `line`, with the counters that grew, when they are watched.
    fn put(&mut self, reply: Reply, line: &mut Vec<u8>) -> io::Result<()> {
        self.grown.clear();
        let grown = match &mut self.watch {
            Some(watch) => {
                watch.put_after_input(&mut self.grown)?;
                Some(str::from_utf8(&self.grown).map_err(io::Error::other)?)
            }
            None => None,
        };
        Response { reply, grown }.write(line);
        Ok(())
    }
}
