//! Checks: what must hold, and how often each was evaluated.
//!
//! A check has a stable id (reports, triage and regressions name it), a statement of what must hold, and a
//! count of its evaluations: a campaign in which a check was never evaluated has not shown what it claims.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::known;
use crate::target::Describe;
use crate::violation::Violation;

/// How a check knows what is right: the layers of an oracle, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The code under test does not panic, overflow, end its process or hang.
    NoCrash,
    /// It holds for every answer, even a slightly wrong one.
    Invariant,
    /// The work is bounded: reads, bytes, memory.
    Work,
    /// The answer is the reference model's, in value and in kind of error.
    Exact,
    /// The answer is what the input was made from.
    Truth,
    /// Two related questions have related answers.
    Metamorphic,
    /// A failed read is an error and never a number.
    Fault,
    /// One part's answer is what the next part takes.
    Composition,
}

impl Layer {
    /// Whether its checks need neither a model, nor a known truth, nor a second answer.
    #[must_use]
    pub const fn stands_alone(self) -> bool {
        matches!(self, Self::NoCrash | Self::Invariant | Self::Work)
    }
}

/// Something that must hold for every case. A project declares each as a `static`.
#[derive(Debug)]
pub struct Check {
    /// The stable id: a family (often the target's) and a name, with a dot between them.
    pub id: &'static str,
    /// How it knows what is right.
    pub layer: Layer,
    /// What must hold, as a sentence without its full stop.
    pub statement: &'static str,
    evaluations: AtomicU64,
    /// Whether it only counts its evaluations, see [`Check::mute`].
    muted: AtomicBool,
}

impl Check {
    /// A check that was never evaluated.
    #[must_use]
    pub const fn new(id: &'static str, layer: Layer, statement: &'static str) -> Self {
        Self {
            id,
            layer,
            statement,
            evaluations: AtomicU64::new(0),
            muted: AtomicBool::new(false),
        }
    }

    /// From now on it counts its evaluations and never fails in this process. An engine's build ignores this.
    pub fn mute(&self) {
        self.muted.store(true, Relaxed);
    }

    /// An engine's build has no such switch, and pays nothing for it.
    #[inline(always)]
    fn is_muted(&self) -> bool {
        cfg!(not(fuzzing)) && self.muted.load(Relaxed)
    }

    /// How often this check was evaluated in this process.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Relaxed)
    }
}

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
        // Not one atomic operation, which costs more than a check: targets run on one thread.
        let count = check.evaluations.load(Relaxed);
        let count = count.wrapping_add(u64::from(applies));
        check.evaluations.store(count, Relaxed);
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
