//! Evaluates the checks of a case, and asserts them together.

use crate::check::Check;
use crate::known;
use crate::target::Describe;
use crate::violation::Violation;

/// The checks of one case, evaluated one after the other and asserted together.
///
/// Evaluating is straight-line code, because a branch for each check would cost an engine more than
/// the check: it counts, compares and stores every edge and every comparison of every execution.
#[derive(Debug, Default)]
pub struct Checks {
    first_failed: Option<&'static Check>,
}

impl Checks {
    /// Evaluates a check.
    #[inline(always)]
    pub fn evaluate(&mut self, check: &'static Check, holds: bool) {
        self.evaluate_if(true, check, holds);
    }

    /// Evaluates a check that applies to some cases only.
    #[inline(always)]
    pub fn evaluate_if(&mut self, applies: bool, check: &'static Check, holds: bool) {
        check.count_if(applies);
        let failed = (applies & !holds & !check.is_muted()).then_some(check);
        self.first_failed = self.first_failed.or(failed);
    }

    /// Asserts what was evaluated, but for what is known ([`crate::known`]). `case` is the decoded input; `complete`
    /// adds to the first failed check's violation what was found.
    ///
    /// # Panics
    /// When a check did not hold, in every build, with the violation's text. [`replay`](crate::replay()) gets
    /// the violation itself.
    #[inline(always)]
    pub fn conclude(self, case: &dyn Describe, complete: impl FnOnce(Violation) -> Violation) {
        if let Some(check) = self.first_failed {
            fail(check, case, complete);
        }
    }
}

#[cold]
#[inline(never)]
fn fail(check: &Check, case: &dyn Describe, complete: impl FnOnce(Violation) -> Violation) {
    if let Some(violation) = known::pass_over(complete(Violation::of(check, case))) {
        violation.raise();
    }
}
