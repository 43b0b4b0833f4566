//! Running one input without an engine, and catching what it panics with.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::check::Check;
use crate::known;
use crate::protocol::Verdict;
use crate::target::{Events, Outcome, Target};
use crate::violation::{Crash, Place, Violation};

thread_local! {
    /// The message and place of the latest panic of this thread: tests replay on several.
    static LATEST_PANIC: RefCell<Option<Crash>> = const { RefCell::new(None) };
}

/// Runs `target` on `data` and catches what it panics with.
///
/// The first call replaces the process's panic hook, so that a finding does not also print.
pub fn replay(target: &dyn Target, data: &[u8]) -> Verdict {
    catch(target, data, || target.run(data))
}

/// As [`replay`], with the events: those of [`Target::trace`], `evaluates` and the id of every check that was
/// evaluated, and why an input was rejected. Sorted, each once.
///
/// Evaluations are counted for the whole process: no other input may run meanwhile.
pub fn trace(target: &dyn Target, checks: &[&Check], data: &[u8]) -> (Verdict, Vec<String>) {
    let before: Vec<u64> = checks.iter().map(|check| check.evaluations()).collect();
    let events = Events::default();
    let verdict = catch(target, data, || target.trace(data, &events));
    for (check, before) in checks.iter().zip(before) {
        if check.evaluations() != before {
            events.note(format!("evaluates {}", check.id));
        }
    }
    match &verdict {
        Verdict::Rejected { why } => events.note(format!("rejected: {why}")),
        Verdict::NotJudged { feature } => events.note(format!("not judged: {feature}")),
        _ => {}
    }
    (verdict, events.into_sorted())
}

fn catch(target: &dyn Target, data: &[u8], run: impl FnOnce() -> Outcome) -> Verdict {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("a panic without a message");
            LATEST_PANIC.set(Some(Crash::Panic {
                message: message.to_owned(),
                place: info.location().map(|place| Place {
                    file: place.file().to_owned(),
                    line: place.line(),
                }),
            }));
        }));
    });
    // One that was caught elsewhere is none of this input.
    drop(Violation::take_raised());
    let verdict = match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Outcome::Checked) => Verdict::Pass,
        Ok(Outcome::Rejected(why)) => Verdict::Rejected {
            why: why.to_owned(),
        },
        Ok(Outcome::NotJudged(feature)) => Verdict::NotJudged { feature },
        Err(_) => {
            let violation = Violation::take_raised();
            let violation =
                violation.or_else(|| known::pass_over(of_panic(target, data)).map(Box::new));
            violation.map_or(Verdict::Pass, Verdict::Fail)
        }
    };
    match known::take_met() {
        Some((nth, violation, others)) if verdict.is_fine() => Verdict::Known {
            nth,
            violation,
            others,
        },
        _ => verdict,
    }
}

/// The violation that the latest panic of the code under test is.
fn of_panic(target: &dyn Target, data: &[u8]) -> Violation {
    let crash = LATEST_PANIC.take().unwrap_or(Crash::Panic {
        message: "a panic that another hook took".to_owned(),
        place: None,
    });
    // Decoding may be what panicked.
    let asked = panic::catch_unwind(AssertUnwindSafe(|| target.describe(data)));
    let asked = asked.ok().and_then(Result::ok);
    Violation::of_crash(crash, &target.info().name, asked)
}
