//! Replaying inputs without an engine, on behalf of the campaign tool.
//!
//! A worker is a process of its own, so that an abort or a hang of the code under test ends one
//! worker and not the campaign. It reads one request a line and answers each with one line before it
//! reads the next. Fields are separated by tabs; `\\`, `\t`, `\n` and `\r` inside a field are escaped.
//!
//! | request | answer |
//! |---|---|
//! | `run` target path | `pass`, or `rejected` why, or `fail` check message |
//! | `trace` target path | `traced` and what the input did (see [`crate::trace`]), a line each; then as for `run` |
//! | `describe` target path | `case` words Rust, or `rejected` why |
//! | `checks` | `checks`, then id and count of every check evaluated so far |
//!
//! `error` and a message is the answer to anything else: an unknown target, a file that cannot be
//! read. A worker that watches its coverage (see [`crate::counters`]) ends every answer with one field
//! more: the probes that the request reached. A project with other code under test has a worker too: `main` and one call of [`serve`].

use std::io::{self, BufRead, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Mutex;

use crate::check;
use crate::counters::{Ended, Watch};
use crate::outcome::Outcome;
use crate::subject::Subject;
use crate::targets;
use crate::trace;

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
    let mut watch = Watch::from_environment()?;
    let mut output = io::stdout().lock();
    for request in io::stdin().lock().lines() {
        let mut answer = answer(subject, &request?);
        if let Some(watch) = &mut watch {
            let unwound = match answer[0].as_str() {
                "traced" => answer[2] == "fail",
                verdict => verdict == "fail",
            };
            let ended = if unwound {
                Ended::Midway
            } else {
                Ended::Returned
            };
            answer.push(watch.line_after_input(ended)?);
        }
        let fields: Vec<String> = answer.iter().map(|field| escape(field)).collect();
        writeln!(output, "{}", fields.join("\t"))?;
        output.flush()?;
    }
    Ok(())
}

fn answer(subject: &Subject<'_>, request: &str) -> Vec<String> {
    let fields: Vec<String> = request.split('\t').map(unescape).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let (command, target, path) = match fields[..] {
        ["checks"] => return evaluations(),
        [command @ ("run" | "trace" | "describe"), target, path] => {
            (command, target, Path::new(path))
        }
        _ => return error(format!("not a request: {request:?}")),
    };
    let Some(target) = targets::find(target) else {
        return error(format!("no target is called {target:?}"));
    };
    let data = match std::fs::read(path) {
        Ok(data) => data,
        Err(why) => return error(format!("{}: {why}", path.display())),
    };
    if command == "describe" {
        return match target.describe(&data) {
            Ok(case) => vec!["case".into(), case.in_words, case.as_rust],
            Err(why) => vec!["rejected".into(), why.into()],
        };
    }
    if command == "trace" {
        let (verdict, deeds) = trace::trace(subject, target, &data);
        let traced = ["traced".to_owned(), deeds.join("\n")];
        return traced.into_iter().chain(told(verdict)).collect();
    }
    told(replay(subject, target, &data))
}

fn told(verdict: Verdict) -> Vec<String> {
    match verdict {
        Verdict::Pass => vec!["pass".into()],
        Verdict::Rejected(why) => vec!["rejected".into(), why],
        Verdict::Fail { check, message } => vec!["fail".into(), check, message],
    }
}

fn evaluations() -> Vec<String> {
    std::iter::once("checks".to_owned())
        .chain(
            check::ALL
                .iter()
                .flat_map(|check| [check.id.to_owned(), check.evaluations().to_string()]),
        )
        .collect()
}

fn error(message: String) -> Vec<String> {
    vec!["error".into(), message]
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
