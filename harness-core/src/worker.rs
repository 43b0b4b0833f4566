//! Replaying inputs without an engine, on behalf of the campaign tool.
//!
//! A worker is a process of its own, so that an abort or a hang of the code under test ends one
//! worker and not the campaign. It reads one request a line and answers each before it reads the next. Fields
//! are separated by tabs; `\\`, `\t`, `\n` and `\r` inside a field are escaped.
//!
//! | request | answer, a line |
//! |---|---|
//! | `run` target path | `pass`, or `rejected` why, or `fail` check message |
//! | `trace` target path | `traced` and what the input did (see [`crate::trace`]), a line each; then as for `run` |
//! | `describe` target path | `case` words Rust, or `rejected` why |
//! | `batch` command target inputs bytes | behind the line follow so many `bytes`: each input's length, 4 bytes little-endian, and its content. For each input a line, as `command` (one of the three above) has it |
//! | `checks` | `checks`, then id and count of every check evaluated so far |
//!
//! `error` and a message is the answer to anything else: an unknown target, a file that cannot be
//! read. A worker that watches its coverage (see [`crate::counters`]) ends every answer with one more
//! field: the counters that grew during the request, or the batch's input, and by how much. It resets them
//! before a request for one input, and before a batch of one. So the profile that a dead worker leaves
//! holds what its last input reached. It does not reset them within a longer batch: whoever sent it
//! replays the unanswered inputs one by one. A project with other code under test has a worker too:
//! `main` and one call of [`serve`].

pub mod batch;

use std::io::{self, BufRead, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use crate::check;
use crate::counters::Watch;
use crate::outcome::Outcome;
use crate::subject::Subject;
use crate::targets;
use crate::trace;
use batch::Batch;

/// The option with which only invariants fail: see [`check::only_invariants`].
pub const INVARIANTS_ONLY: &str = "--invariants-only";

/// What became of an input in a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every check held.
    Pass,
    /// The input is no case, and why.
    Rejected(String),
    /// A check failed, or the code under test panicked.
    Fail {
        /// The check's id; [`check::NO_PANIC`] for a panic.
        check: String,
        /// The report: the check's, or the panic's message and place.
        message: String,
    },
}

/// The message and place of the latest panic, for the answer.
static LATEST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Runs `target` on `data` and catches what it panics with.
///
/// The process's panic hook is replaced on the first call, so that a find does not also print.
pub fn replay(subject: &Subject<'_>, target: &targets::Target, data: &[u8]) -> Verdict {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("a panic without a message");
            let text = match info.location() {
                Some(place) if check::id_of_panic(message) == check::NO_PANIC => {
                    format!("{message}\n  at {}:{}", place.file(), place.line())
                }
                _ => message.to_owned(),
            };
            *latest_panic() = text;
        }));
    });
    match panic::catch_unwind(AssertUnwindSafe(|| target.run(subject, data))) {
        Ok(Outcome::Checked) => Verdict::Pass,
        Ok(Outcome::Rejected(why)) => Verdict::Rejected(why.to_owned()),
        Err(_) => {
            let message = latest_panic().clone();
            Verdict::Fail {
                check: check::id_of_panic(&message).to_owned(),
                message,
            }
        }
    }
}

fn latest_panic() -> std::sync::MutexGuard<'static, String> {
    LATEST_PANIC
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Answers requests from standard input until it ends: the whole of a worker's `main`. Takes one option
/// from the command line, [`INVARIANTS_ONLY`].
///
/// # Errors
/// When standard input or output fails.
pub fn serve(subject: &Subject<'_>) -> io::Result<()> {
    if std::env::args()
        .skip(1)
        .any(|option| option == INVARIANTS_ONLY)
    {
        check::only_invariants();
    }
    let mut answering = Answering {
        subject,
        watch: Watch::from_environment()?,
    };
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let (mut request, mut line) = (String::new(), Vec::new());
    loop {
        request.clear();
        if input.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let fields: Vec<String> = request
            .trim_end_matches(['\n', '\r'])
            .split('\t')
            .map(unescape)
            .collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        if let ["batch", command, target, inputs, bytes] = fields[..]
            && let Some(batch) = Batch::parse(inputs, bytes)
        {
            batch.answer_all(&mut input, &mut output, |data, line| {
                if batch.inputs == 1 {
                    answering.reset()?;
                }
                answering.about(command, target, data, line)
            })?;
            continue;
        }
        line.clear();
        answering.reset()?;
        answering.answer(&fields, &mut line)?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()?;
    }
}

/// What it takes to answer.
struct Answering<'a> {
    subject: &'a Subject<'a>,
    watch: Option<Watch>,
}

impl Answering<'_> {
    /// Resets the counters, if there are any.
    fn reset(&mut self) -> io::Result<()> {
        self.watch.as_mut().map_or(Ok(()), Watch::reset)
    }

    /// Puts the answer to a request that is no batch into `line`.
    fn answer(&mut self, fields: &[&str], line: &mut Vec<u8>) -> io::Result<()> {
        match *fields {
            ["checks"] => {
                put(line, "checks");
                for check in check::ALL {
                    put_next(line, check.id);
                    put_next(line, &check.evaluations().to_string());
                }
            }
            [command @ ("run" | "trace" | "describe"), target, path] => match std::fs::read(path) {
                Ok(data) => return self.about(command, target, &data, line),
                Err(why) => put_error(line, &format!("{path}: {why}")),
            },
            _ => put_error(line, &format!("not a request: {fields:?}")),
        }
        self.put_grown(line)
    }

    /// Puts what `command` has to say of an input into `line`.
    fn about(
        &mut self,
        command: &str,
        target: &str,
        data: &[u8],
        line: &mut Vec<u8>,
    ) -> io::Result<()> {
        match (command, targets::find(target)) {
            ("run", Some(target)) => put_verdict(line, &replay(self.subject, target, data)),
            ("trace", Some(target)) => {
                let (verdict, deeds) = trace::trace(self.subject, target, data);
                put(line, "traced");
                put_next(line, &deeds.join("\n"));
                line.push(b'\t');
                put_verdict(line, &verdict);
            }
            ("describe", Some(target)) => match target.describe(data) {
                Ok(case) => {
                    put(line, "case");
                    put_next(line, &case.in_words);
                    put_next(line, &case.as_rust);
                }
                Err(why) => {
                    put(line, "rejected");
                    put_next(line, why);
                }
            },
            ("run" | "trace" | "describe", None) => {
                put_error(line, &format!("no target is called {target:?}"));
            }
            _ => put_error(line, &format!("not a request: {command:?}")),
        }
        self.put_grown(line)
    }

    /// Ends an answer with the counters that grew, when they are watched.
    fn put_grown(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        line.push(b'\t');
        watch.put_after_input(line)
    }
}

/// Puts a verdict's fields into `line`.
fn put_verdict(line: &mut Vec<u8>, verdict: &Verdict) {
    match verdict {
        Verdict::Pass => put(line, "pass"),
        Verdict::Rejected(why) => {
            put(line, "rejected");
            put_next(line, why);
        }
        Verdict::Fail { check, message } => {
            put(line, "fail");
            put_next(line, check);
            put_next(line, message);
        }
    }
}

fn put_error(line: &mut Vec<u8>, message: &str) {
    put(line, "error");
    put_next(line, message);
}

/// Appends a field to those of a line.
fn put_next(line: &mut Vec<u8>, field: &str) {
    line.push(b'\t');
    put(line, field);
}

/// Appends a line's first field.
fn put(line: &mut Vec<u8>, field: &str) {
    if field.contains(['\\', '\t', '\n', '\r']) {
        line.extend_from_slice(escape(field).as_bytes());
    } else {
        line.extend_from_slice(field.as_bytes());
    }
}

/// Escapes what would end a field or a line.
#[must_use]
pub fn escape(field: &str) -> String {
    field
        .replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

/// Undoes [`escape`].
#[must_use]
pub fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_survives_its_way() {
        for field in ["", "plain", "a\tb\nc\\d\re", "\\n", "\\\\t\n"] {
            let escaped = escape(field);
            assert!(!escaped.contains(['\t', '\n', '\r']));
            assert_eq!(unescape(&escaped), field);
        }
    }
}
