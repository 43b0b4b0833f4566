//! What an input did beside what it covered: the checks it evaluated, and the answers it got.
//!
//! A corpus is to keep an input for every check and for every kind of answer, whether or not these have a
//! branch of their own. The code under test is asked through a subject that listens, so this holds for
//! every target and knows no input layout.

use std::collections::BTreeSet;
use std::sync::Mutex;

use types::{AllocationSummary, Options};

use crate::check;
use crate::subject::{Calculators, Facts, Measured, ScanAnswer, ScanRequest, Scanner, Subject};
use crate::targets::Target;
use crate::worker::{Verdict, replay};

/// Replays an input and tells what it did, a sentence each, sorted and each once: `evaluates` and a
/// check's id; a calculator or a scanner and its kind of answer.
///
/// Checks are counted for the whole process: no other input may run meanwhile.
pub fn trace(subject: &Subject<'_>, target: &Target, data: &[u8]) -> (Verdict, Vec<String>) {
    let evaluations = || check::ALL.iter().map(|check| check.evaluations());
    let before: Vec<u64> = evaluations().collect();
    let listening = Listening {
        subject,
        heard: Mutex::default(),
    };
    let verdict = replay(
        &Subject {
            calculators: &listening,
            scanner: &listening,
        },
        target,
        data,
    );
    let mut deeds = listening
        .heard
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for ((check, before), after) in check::ALL.iter().zip(before).zip(evaluations()) {
        if after != before {
            deeds.insert(format!("evaluates {}", check.id));
        }
    }
    if let Verdict::Rejected(why) = &verdict {
        deeds.insert(format!("rejected: {why}"));
    }
    (verdict, deeds.into_iter().collect())
}

/// A subject that notes the kind of every answer.
struct Listening<'a> {
    subject: &'a Subject<'a>,
    heard: Mutex<BTreeSet<String>>,
}

impl Listening<'_> {
    fn note(&self, who: &str, kind: &str) {
        let mut heard = self
            .heard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        heard.insert(format!("{who}: {kind}"));
    }

    fn measured(&self, who: &str, answer: Measured) -> Measured {
        match &answer {
            Ok(output) if output.required == output.fully_allocated => self.note(who, "full"),
            Ok(_) => self.note(who, "sparse"),
            Err(why) => self.note(who, &format!("{why:?}")),
        }
        answer
    }
}

impl Calculators for Listening<'_> {
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        let answer = self.subject.calculators.measure(summary, options);
        self.measured(options.name(), answer)
    }
    fn unit(&self, options: &Options, virtual_size: u64) -> Option<u64> {
        self.subject.calculators.unit(options, virtual_size)
    }
    fn luks_payload(&self, key_bytes: u32, xts: bool) -> Option<u64> {
        self.subject.calculators.luks_payload(key_bytes, xts)
    }
}

impl Scanner for Listening<'_> {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        let who = format!("a scan of {}", request.format.name());
        let answer = self.subject.scanner.scan(request);
        match &answer.result {
            Ok(summary) if summary.allocated_bytes == 0 => self.note(&who, "empty"),
            Ok(summary) if summary.allocated_bytes == summary.virtual_size => {
                self.note(&who, "full");
            }
            Ok(_) => self.note(&who, "some data"),
            // The sector is not of the kind.
            Err(shared::ScanError::Io { .. }) => self.note(&who, "Io"),
            Err(why) => self.note(&who, &format!("{why:?}")),
        }
        answer
    }

    fn facts(&self, request: ScanRequest<'_>) -> Option<Facts> {
        self.subject.scanner.facts(request)
    }
}
