//! The targets and checks as a replay worker serves them, with a subject to ask.
//!
//! A library of one's own has a worker too: a binary named `replay_worker`, whose `main` is one call of [`serve`].

use std::io;
use std::sync::OnceLock;

use types::{AllocationSummary, ScanFormat};
use worker::{Check, Description, Events, Layer, Outcome, Project, TargetInfo, Verdict};

use crate::check;
use crate::formats;
use crate::subject::Subject;
use crate::targets::{self, TARGETS, Target};
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

/// Serves the targets that `subject` has, held to what it states or the environment asks for: see
/// [`worker::serve`](mod@worker::serve).
///
/// # Errors
/// As [`worker::serve()`].
pub fn serve(subject: &Subject<'_>) -> io::Result<()> {
    let subject = &match subject.from_environment() {
        Ok(subject) => subject,
        Err(why) => return worker::serve::refuse(why),
    };
    let targets: Vec<_> = TARGETS
        .iter()
        .filter(|target| has(subject, target))
        .map(|target| OnSubject { subject, target })
        .collect();
    let targets: Vec<_> = targets
        .iter()
        .map(|target| target as &dyn worker::Target)
        .collect();
    worker::serve(&Project {
        targets: &targets,
        checks: &checks(subject),
        judged: &subject.judgement.names(),
    })
}

/// A target on `subject`, under an engine: the whole of an engine's binary. Known findings do not end the process.
///
/// # Panics
/// When a check fails or the code under test panics: that is the finding. And as [`Subject::from_environment`]
/// when there is no such target.
pub fn fuzz(subject: &'static Subject<'static>, target: &'static str, data: &[u8]) {
    static STARTED: OnceLock<(Subject<'static>, &Target)> = OnceLock::new();
    let (subject, target) = STARTED.get_or_init(|| {
        let subject = subject
            .from_environment()
            .unwrap_or_else(|why| panic!("{why}"));
        let target =
            targets::find(target).unwrap_or_else(|| panic!("no target is called {target}"));
        (subject, target)
    });
    worker::known::run(|| drop(target.run(subject, data)));
}

/// Whether `subject` has what `target` drives.
fn has(subject: &Subject<'_>, target: &Target) -> bool {
    match target.checks {
        None => true,
        Some("calc.") => has_calculators(subject),
        Some("detect.") => subject.detector.is_some(),
        Some(_) => has_scanner(subject),
    }
}

fn has_scanner(subject: &Subject<'_>) -> bool {
    !subject.scanner.formats().is_empty()
}

fn has_calculators(subject: &Subject<'_>) -> bool {
    let options = formats::with_unit_of(AllocationSummary::new(0, 0));
    let is_there = |options| subject.calculators.not_supported(options).is_none();
    options.iter().any(is_there)
}

/// The checks that are evaluated on `subject`.
#[must_use]
pub fn checks(subject: &Subject<'_>) -> Vec<&'static Check> {
    let is_there = |check: &Check| {
        let targets = TARGETS.iter();
        let of_check = |target: &&Target| target.checks.is_some_and(|of| check.id.starts_with(of));
        // A composition is one with what another target drives.
        let has_other = match check.layer {
            Layer::Composition if check.id.starts_with("detect.") => has_scanner(subject),
            Layer::Composition => has_calculators(subject),
            _ => true,
        };
        has_other && targets.filter(of_check).all(|target| has(subject, target))
    };
    let has_own_sizes = subject.calculators.has_own_sizes();
    let is_left_out =
        |check: &Check| has_own_sizes && check::SIZES.iter().any(|of| of.id == check.id);
    let is_evaluated = |check: &&'static Check| {
        subject.judgement.evaluates(check) && is_there(check) && !is_left_out(check)
    };
    let memory = worker::memory::is_counted().then_some(&check::MEMORY);
    let content = subject.scanner.reader().map(|_| &check::CONTENT);
    let is_encrypted = subject.scanner.formats().contains(&ScanFormat::Qcow2);
    let ciphertext = content.and(is_encrypted.then_some(&check::CIPHERTEXT));
    let apart = [memory, content, ciphertext].into_iter().flatten();
    let checks = check::ALL.iter().copied().chain(apart);
    checks.filter(is_evaluated).collect()
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
