//! An answer as data: named values, or an error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An answer of the code under test, or the one that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Named values, the most significant first: the first that differs names what is wrong.
    Values(Vec<(String, Value)>),
    /// An error.
    Error {
        /// Its kind, as a name.
        kind: String,
        /// Its words; empty where only the kind is known.
        words: String,
    },
}

impl Answer {
    /// An answer of these values.
    pub fn values<const N: usize>(values: [(&str, Value); N]) -> Self {
        let values = values.map(|(name, value)| (name.to_owned(), value));
        Self::Values(values.into())
    }

    /// An error of a kind, shown by its `Debug` name, with its words.
    pub fn error(kind: &dyn fmt::Debug, words: String) -> Self {
        Self::Error {
            kind: format!("{kind:?}"),
            words,
        }
    }
}

/// A value with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number: of bytes, unless the name has another unit.
    Number(u64),
    /// Anything else.
    Text(String),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Values(values) => {
                for (nth, (name, value)) in values.iter().enumerate() {
                    let separator = if nth == 0 { "" } else { ", " };
                    write!(f, "{separator}{name} = {value}")?;
                }
                Ok(())
            }
            Self::Error { kind, words } if words.is_empty() => write!(f, "the error {kind}"),
            Self::Error { kind, words } => write!(f, "the error {kind} ({words})"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
