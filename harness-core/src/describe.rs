//! A case as a person reads it: in words, and as Rust that runs.

/// Something that can be described: a decoded case.
pub trait Describe {
    /// The case in one or a few lines of plain words, sizes in bytes.
    fn in_words(&self) -> String;

    /// The case as statements of Rust that reproduce it, against the crates of this workspace.
    fn as_rust(&self) -> String;
}

/// A case's descriptions, taken from a [`Describe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// See [`Describe::in_words`].
    pub in_words: String,
    /// See [`Describe::as_rust`].
    pub as_rust: String,
}

impl<D: Describe> From<&D> for Description {
    fn from(case: &D) -> Self {
        Self {
            in_words: case.in_words(),
            as_rust: case.as_rust(),
        }
    }
}
