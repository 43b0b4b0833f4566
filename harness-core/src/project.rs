//! The targets and checks as a replay worker serves them, with a subject to ask.
//!
//! A library of one's own has a worker too: a binary named `replay_worker`, whose `main` is one call of [`serve`].

use std::io;

use worker::{Description, Events, Outcome, Project, TargetInfo, Verdict};

use crate::check;
use crate::subject::Subject;
use crate::targets::{TARGETS, Target};
use crate::trace::Listening;

/// A target, asked of one subject.
#[derive(Debug)]
struct OnSubject<'a> {
    subject: &'a Subject<'a>,
    target: &'static Target,
}

impl worker::Target for OnSubject<'_> {
    fn info(&self) -> TargetInfo {
        let target = self.target;
        TargetInfo {
            name: target.name.to_owned(),
            drives: target.drives.to_owned(),
            max_input: target.max_input,
            checks: target.checks.map(str::to_owned),
            dictionary: target.dictionary.map(str::to_owned),
            compare_tracing: target.compare_tracing,
            is_baseline: target.is_baseline,
        }
    }

    fn run(&self, data: &[u8]) -> Outcome {
        self.target.run(self.subject, data)
    }

    fn describe(&self, data: &[u8]) -> Result<Description, String> {
        self.target.describe(data).map_err(str::to_owned)
    }

    fn trace(&self, data: &[u8], events: &Events) -> Outcome {
        let listening = Listening::new(self.subject, events);
        self.target.run(&listening.subject(), data)
    }

    fn decoded_size(&self, data: &[u8]) -> u64 {
        self.target.decoded_size(data)
    }

    fn fingerprint(&self, data: &[u8]) -> String {
        self.target.fingerprint(data)
    }
}

/// Serves all targets, on `subject`: see [`worker::serve`](mod@worker::serve).
///
/// # Errors
/// As [`worker::serve()`].
pub fn serve(subject: &Subject<'_>) -> io::Result<()> {
    let targets: Vec<_> = TARGETS
        .iter()
        .map(|target| OnSubject { subject, target })
        .collect();
    let targets: Vec<_> = targets
        .iter()
        .map(|target| target as &dyn worker::Target)
        .collect();
    worker::serve(&Project {
        targets: &targets,
        checks: check::ALL,
    })
}

/// Runs `target` on an input, and catches what it panics with: see [`worker::replay()`].
#[must_use]
pub fn replay(subject: &Subject<'_>, target: &'static Target, data: &[u8]) -> Verdict {
    worker::replay(&OnSubject { subject, target }, data)
}

/// As [`replay`], with what the input did: see [`worker::trace()`].
#[must_use]
pub fn trace(
    subject: &Subject<'_>,
    target: &'static Target,
    data: &[u8],
) -> (Verdict, Vec<String>) {
    worker::trace(&OnSubject { subject, target }, check::ALL, data)
}
