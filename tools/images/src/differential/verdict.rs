//! What comes of a case.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::qemu::Inconclusive;

/// What comes of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All give the same numbers.
    Agrees,
    /// All refuse.
    Refused,
    /// QEMU differs as is known: the id of the difference.
    Known(&'static str),
    /// There is no answer: a tool crashed, took too long, or the file could not be made.
    Inconclusive(String),
    /// They differ, and nobody knew.
    Differs {
        /// What kind of difference it is: equal for cases that differ in the same way.
        signature: String,
        /// All answers.
        words: String,
    },
}

impl Verdict {
    pub(crate) fn differs(signature: impl Into<String>, words: impl Into<String>) -> Self {
        Self::Differs {
            signature: signature.into(),
            words: words.into(),
        }
    }

    /// Whether this is a difference of that kind.
    pub(crate) fn is_difference(&self, kind: &str) -> bool {
        matches!(self, Self::Differs { signature, .. } if signature == kind)
    }
}

impl From<Inconclusive> for Verdict {
    fn from(Inconclusive(why): Inconclusive) -> Self {
        Self::Inconclusive(why)
    }
}

/// Runs the code under test; `what` is the difference when it panics.
pub(super) fn guarded<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, Verdict> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Verdict::differs(what, format!("the panic: {:?}", text.unwrap_or_default()))
    })
}
