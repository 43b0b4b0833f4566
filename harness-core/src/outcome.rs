//! What became of an input.

/// What became of an input that no check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is a case, and every check held.
    Checked,
    /// It is no case, and why.
    Rejected(&'static str),
}
