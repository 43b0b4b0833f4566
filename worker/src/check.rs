//! Checks: what must hold, and how often each was evaluated.
//!
//! A check has a stable id (reports, triage and regressions name it), a statement of what must hold, and a
//! count of its evaluations: a campaign in which a check was never evaluated has not shown what it claims.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

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

    /// Counts an evaluation if there `is` one.
    #[inline(always)]
    pub(crate) fn count_if(&self, is: bool) {
        // Not one atomic operation, which costs more than a check: targets run on one thread.
        let count = self.evaluations.load(Relaxed);
        self.evaluations
            .store(count.wrapping_add(u64::from(is)), Relaxed);
    }

    /// An engine's build has no such switch, and pays nothing for it.
    #[inline(always)]
    pub(crate) fn is_muted(&self) -> bool {
        cfg!(not(fuzzing)) && self.muted.load(Relaxed)
    }

    /// How often this check was evaluated in this process.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Relaxed)
    }
}
