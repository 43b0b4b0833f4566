//! How an answer deviates from the one that is due: what finds have in common, whatever their numbers are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;

/// A deviation. Neither numbers nor an error's words are part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Both are answers, and this is the first value that differs.
    WrongField(String),
    /// An answer, where an error of the kind `due` should be.
    MissedError {
        /// The kind of the error that is due.
        due: String,
    },
    /// An error of the kind `given`, where an answer should be.
    Refused {
        /// The kind of the error that was given.
        given: String,
    },
    /// An error of another kind than the one that is due.
    WrongError {
        /// The kind of the error that was given.
        given: String,
        /// The kind of the error that is due.
        due: String,
    },
}

impl Difference {
    /// How `actual` deviates from `expected`; `None` when it does not. Errors of one kind are the same.
    pub fn between(expected: &Answer, actual: &Answer) -> Option<Self> {
        match (expected, actual) {
            (Answer::Values(expected), Answer::Values(actual)) => {
                let differs = expected.iter().find(|value| !actual.contains(value));
                let (name, _) =
                    differs.or_else(|| actual.iter().find(|value| !expected.contains(value)))?;
                Some(Self::WrongField(name.clone()))
            }
            (Answer::Error { kind, .. }, Answer::Values(_)) => {
                Some(Self::MissedError { due: kind.clone() })
            }
            (Answer::Values(_), Answer::Error { kind, .. }) => Some(Self::Refused {
                given: kind.clone(),
            }),
            (Answer::Error { kind: due, .. }, Answer::Error { kind: given, .. }) => (given != due)
                .then(|| Self::WrongError {
                    given: given.clone(),
                    due: due.clone(),
                }),
        }
    }

    /// For an error of the wrong kind, the two plainer mistakes of which it may be a consequence: the error that
    /// is due is missed, and the error that was given refuses what is sound.
    pub fn explanations(&self) -> Option<[Self; 2]> {
        let Self::WrongError { given, due } = self else {
            return None;
        };
        let (given, due) = (given.clone(), due.clone());
        Some([Self::MissedError { due }, Self::Refused { given }])
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongField(name) => write!(f, "{name} is wrong"),
            Self::MissedError { due } => write!(f, "an answer where {due} is due"),
            Self::Refused { given } => write!(f, "{given} where an answer is due"),
            Self::WrongError { given, due } => write!(f, "{given} where {due} is due"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Value;

    fn values<const N: usize>(values: [(&str, u64); N]) -> Answer {
        Answer::values(values.map(|(name, value)| (name, Value::Number(value))))
    }

    fn error(kind: &str, words: &str) -> Answer {
        Answer::Error {
            kind: kind.to_owned(),
            words: words.to_owned(),
        }
    }

    fn between(expected: &Answer, actual: &Answer) -> Option<String> {
        Difference::between(expected, actual).map(|difference| difference.to_string())
    }

    #[test]
    fn answers_differ_in_kind_or_in_the_first_value_that_is_wrong() {
        let due = values([("full", 9), ("required", 5)]);
        assert_eq!(between(&due, &due), None);
        for (actual, difference) in [
            (values([("full", 9), ("required", 6)]), "required is wrong"),
            (values([("full", 8), ("required", 6)]), "full is wrong"),
            (values([("full", 9)]), "required is wrong"),
            (
                values([("full", 9), ("required", 5), ("unit", 1)]),
                "unit is wrong",
            ),
            (error("Size", "x"), "Size where an answer is due"),
        ] {
            assert_eq!(between(&due, &actual).as_deref(), Some(difference));
        }
        let overflow = error("Overflow", "");
        let missed = Some("an answer where Overflow is due".to_owned());
        assert_eq!(between(&overflow, &due), missed);
        assert_eq!(between(&overflow, &error("Overflow", "words")), None);
        let wrong = Some("Size where Overflow is due".to_owned());
        assert_eq!(between(&overflow, &error("Size", "")), wrong);
    }

    #[test]
    fn an_error_of_the_wrong_kind_may_have_two_explanations() {
        let wrong = Difference::between(&error("Corrupt", ""), &error("Unsupported", "")).unwrap();
        let plain = wrong.explanations().unwrap();
        let words = plain.clone().map(|difference| difference.to_string());
        let expected = [
            "an answer where Corrupt is due",
            "Unsupported where an answer is due",
        ];
        assert_eq!(words, expected);
        assert!(plain.iter().all(|plain| plain.explanations().is_none()));
    }
}
