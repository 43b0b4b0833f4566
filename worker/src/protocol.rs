//! The requests and answers of a replay worker, version [`VERSION`].
//!
//! A worker is a process of its own, so that an abort or a hang of the code under test ends one worker and not
//! the tool. It reads a request, one line of JSON, and answers it with one line of JSON before it reads the next.
//! Only [`Request::Batch`] gets as many answers as it has inputs.
//!
//! | request | reply |
//! |---|---|
//! | `Hello` | [`Reply::Hello`]; the first request of every client, which then compares versions |
//! | `Input` | as its [`Command`] |
//! | `Batch` | behind the line follow the inputs (see [`batch`](crate::batch)); for each, a line as its [`Command`] |
//! | `Evaluations` | [`Reply::Evaluations`] |
//!
//! [`Reply::Error`] answers what cannot be done: an unknown target, a file that cannot be read.
//!
//! A worker that watches its coverage (see [`counters`](crate::counters)) adds to every answer which counters grew,
//! and by how much. It resets them before a request for one input, and a batch of one is such a request. So the
//! profile of a worker that died holds what its last input reached. It does not reset them within a longer batch:
//! the client replays the unanswered inputs one by one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Inputs};
use crate::check::{Check, Layer};
use crate::known::Known;
use crate::target::{Description, TargetInfo};
use crate::violation::{Crash, Violation};

/// The version of this protocol. It changes when a client or a worker of another version would misunderstand.
pub const VERSION: u32 = 2;

/// The environment variable that replaces what a subject is held to: names with commas between them, which a worker
/// knows and a client does not. With a wrong one, the worker's first answer is an error that lists the names.
pub const JUDGE_VARIABLE: &str = "MEASURE_FUZZ_JUDGE";

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Which targets and checks are there?
    Hello,
    /// Do something with the input in a file.
    Input {
        /// What to do.
        command: Command,
        /// The target's name.
        target: String,
        /// The file.
        path: String,
    },
    /// Do something with each of the inputs that follow the request's line.
    Batch {
        /// What to do.
        command: Command,
        /// The target's name.
        target: String,
        /// What follows.
        batch: Batch,
    },
    /// How often was each check evaluated since the worker's start?
    Evaluations,
}

/// What to do with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Run it: [`Reply::Verdict`].
    Run,
    /// Run it, and report what it did: [`Reply::Traced`].
    Trace,
    /// Decode it without running it: [`Reply::Described`], or a [`Verdict::Rejected`].
    Describe,
}

/// A line that a worker answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Response<'a> {
    /// The answer.
    pub reply: Reply,
    /// The counters that grew, from a worker that watches its coverage: see [`Response::counters`]. Digits,
    /// colons and blanks.
    #[serde(borrow, default)]
    pub grown: Option<&'a str>,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// What the worker is.
    Hello(Hello),
    /// What became of an input.
    Verdict(Verdict),
    /// What became of an input, and what it did.
    Traced {
        /// What became of it.
        verdict: Verdict,
        /// What it did: a line an event, sorted, each once.
        events: String,
    },
    /// A decoded input.
    Described(Described),
    /// The number of evaluations by the id of the check, of every check.
    Evaluations(BTreeMap<String, u64>),
    /// The request cannot be answered; why.
    Error(String),
}

/// What became of an input in a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every check held.
    Pass,
    /// The input is no case.
    Rejected {
        /// Why not.
        why: String,
    },
    /// The code under test does not have what the input is about: nothing was judged.
    NotJudged {
        /// The name of the format or feature.
        feature: String,
    },
    /// A check failed, or the code under test crashed.
    Fail(Box<Violation>),
    /// The same, and the project accepts it for now.
    Known {
        /// Which of [`Hello::known`] it is.
        nth: usize,
        /// What failed first.
        violation: Box<Violation>,
        /// Which others failed behind it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<usize>,
    },
    /// It could not be run.
    Error {
        /// Why not.
        message: String,
    },
}

impl Verdict {
    /// Whether the code under test answered, and nothing is wrong that is not known.
    pub fn is_fine(&self) -> bool {
        !matches!(self, Self::Fail(_) | Self::Error { .. })
    }

    /// The verdict on an input of `target` that crashed the code under test, of which no more is known.
    pub fn crashed(crash: Crash, target: &str) -> Self {
        Self::Fail(Box::new(Violation::of_crash(crash, target, None)))
    }
}

/// What a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its [`VERSION`] of the protocol.
    pub protocol: u32,
    /// Its targets.
    pub targets: Vec<TargetInfo>,
    /// Its checks.
    pub checks: Vec<CheckInfo>,
    /// What the code under test is held to, by name: see [`JUDGE_VARIABLE`]. Empty where there is no choice.
    #[serde(default)]
    pub judged: Vec<String>,
    /// The findings that the project accepts for now.
    #[serde(default)]
    pub known: Vec<Known>,
}

impl Hello {
    /// Refuses a worker of another version.
    ///
    /// # Errors
    /// Which versions the worker and this client have.
    pub fn check_version(&self) -> Result<(), String> {
        let Self { protocol, .. } = self;
        if *protocol == VERSION {
            return Ok(());
        }
        Err(format!(
            "the replay worker speaks version {protocol} of the protocol, and this tool version {VERSION}: \
             build both from the same sources"
        ))
    }
}

/// What is fixed of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckInfo {
    /// The stable id.
    pub id: String,
    /// How it knows what is right.
    pub layer: Layer,
    /// What must hold.
    pub statement: String,
}

impl From<&Check> for CheckInfo {
    fn from(check: &Check) -> Self {
        Self {
            id: check.id.to_owned(),
            layer: check.layer,
            statement: check.statement.to_owned(),
        }
    }
}

/// A decoded input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The case.
    #[serde(flatten)]
    pub description: Description,
    /// See [`Target::decoded_size`](crate::Target::decoded_size).
    pub decoded_size: u64,
    /// See [`Target::fingerprint`](crate::Target::fingerprint).
    pub fingerprint: String,
}

impl Request {
    /// The request's line, with its end.
    ///
    /// # Panics
    /// Never: these types have nothing that JSON lacks.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        write(self, &mut line);
        line.push(b'\n');
        line
    }
}

impl<'a> Response<'a> {
    /// Reads a line of a worker.
    ///
    /// # Errors
    /// When it is no answer of this version; the message repeats the line.
    pub fn parse(line: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|why| {
            let line = String::from_utf8_lossy(line);
            format!("not an answer of a replay worker ({why}): {line:?}")
        })
    }

    /// Appends the line, with its end.
    ///
    /// Most answers are a pass with a long list of counters. So neither is written by way of a serialiser, which
    /// would look at every byte of it.
    ///
    /// # Panics
    /// Never: these types have nothing that JSON lacks.
    pub fn write(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(br#"{"reply":"#);
        match &self.reply {
            Reply::Verdict(Verdict::Pass) => line.extend_from_slice(PASS),
            reply => write(reply, line),
        }
        if let Some(grown) = self.grown {
            line.extend_from_slice(br#","grown":""#);
            line.extend_from_slice(grown.as_bytes());
            line.push(b'"');
        }
        line.extend_from_slice(b"}\n");
    }

    /// The counters that grew, each with by how much.
    ///
    /// # Errors
    /// When the worker does not watch its coverage, or these are no counters.
    pub fn counters(&self) -> Result<Vec<(usize, u64)>, String> {
        let grown = self
            .grown
            .ok_or("the worker answered without coverage")?
            .as_bytes();
        if grown.is_empty() {
            return Ok(Vec::new());
        }
        let counter = |part: &[u8]| {
            let colon = part.iter().position(|&byte| byte == b':')?;
            let index = usize::try_from(number(&part[..colon])?).ok()?;
            Some((index, number(&part[colon + 1..])?))
        };
        let counters: Option<_> = grown.split(|&byte| byte == b' ').map(counter).collect();
        counters.ok_or_else(|| format!("no counters: {:?}", self.grown))
    }
}

/// [`Verdict::Pass`] as a reply.
const PASS: &[u8] = br#"{"verdict":{"verdict":"pass"}}"#;

fn write(value: &impl Serialize, line: &mut Vec<u8>) {
    serde_json::to_writer(line, value).expect("memory takes it, and JSON has it");
}

/// A decimal number. There are hundreds an input, which the standard library reads more slowly.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

impl Inputs {
    /// The request to do `command` with each, with what follows its line.
    pub fn request(&self, command: Command, target: &str) -> Vec<u8> {
        let request = Request::Batch {
            command,
            target: target.to_owned(),
            batch: Batch {
                inputs: self.count(),
                bytes: self.bytes() as u64,
            },
        };
        let mut line = request.to_line();
        line.extend_from_slice(self.content());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(reply: Reply, grown: Option<&str>) -> String {
        let mut line = Vec::new();
        Response { reply, grown }.write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_pass_is_a_short_line() {
        let pass = line(Reply::Verdict(Verdict::Pass), None);
        assert_eq!(pass, "{\"reply\":{\"verdict\":{\"verdict\":\"pass\"}}}\n");
        let reply = Reply::Verdict(Verdict::Pass);
        assert_eq!(serde_json::to_vec(&reply).unwrap(), PASS);
        let response = Response::parse(pass.as_bytes()).unwrap();
        assert_eq!(response.reply, reply);
        assert!(response.counters().is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let violation = Violation::of_crash(Crash::Died("signal 6".to_owned()), "t", None);
        for reply in [
            Reply::Verdict(Verdict::Fail(Box::new(violation))),
            Reply::Traced {
                verdict: Verdict::Rejected {
                    why: "a\tb".to_owned(),
                },
                events: "one\ntwo \"three\"".to_owned(),
            },
            Reply::Evaluations([("a.b".to_owned(), u64::MAX)].into()),
            Reply::Error("ü".to_owned()),
        ] {
            let text = line(reply.clone(), Some("3:1 4:2"));
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            let response = Response::parse(text.as_bytes()).unwrap();
            assert_eq!(response.reply, reply);
        }
    }

    #[test]
    fn counters_are_read() {
        let counters = |grown| {
            let text = line(Reply::Verdict(Verdict::Pass), Some(grown));
            Response::parse(text.as_bytes()).unwrap().counters()
        };
        assert_eq!(counters("3:1 17:800").unwrap(), [(3, 1), (17, 800)]);
        assert_eq!(counters("").unwrap(), []);
        for wrong in ["3", "3:", ":3", "3:1  4:1", "x:1", "1:99999999999999999999"] {
            let why = counters(wrong).unwrap_err();
            assert!(why.contains("no counters"), "{wrong}");
        }
    }

    #[test]
    fn other_versions_and_other_programs_are_refused() {
        let hello = Hello {
            protocol: VERSION + 1,
            targets: Vec::new(),
            checks: Vec::new(),
            judged: Vec::new(),
            known: Vec::new(),
        };
        let why = hello.check_version().unwrap_err();
        assert!(why.contains("version 3 of the protocol"), "{why}");
        let why = Response::parse(b"pass\t").unwrap_err();
        assert!(
            why.contains("not an answer") && why.contains("pass"),
            "{why}"
        );
    }
}
