//! What comes of a case.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What comes of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All give the same numbers.
    Agrees,
    /// All refuse.
    Refused,
    /// QEMU differs as is known: the id of the difference in [`super::known`].
    Known(&'static str),
    /// It says nothing: a tool crashed, took too long, or the file could not be made.
    Inconclusive(String),
    /// They differ, and nobody knew.
    Differs(Difference),
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind it is: the same of cases that differ in the same way.
    pub signature: String,
    /// Who says what.
    pub words: String,
}

impl Verdict {
    /// A difference.
    #[must_use]
    pub fn differs(signature: impl Into<String>, words: impl Into<String>) -> Self {
        Self::Differs(Difference {
            signature: signature.into(),
            words: words.into(),
        })
    }

    /// Whether this is a difference of that kind, or the known difference of that id.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        match self {
            Self::Known(id) => *id == kind,
            Self::Differs(difference) => difference.signature == kind,
            Self::Agrees | Self::Refused | Self::Inconclusive(_) => false,
        }
    }
}

/// Runs the code under test; a panic is an answer: its message.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()))
            .unwrap_or_else(|| "nothing".to_owned())
    })
}
