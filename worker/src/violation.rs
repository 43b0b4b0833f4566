//! What a failed check reports: as data, and only at the very end as text.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Value};
use crate::check::{Check, Layer};
use crate::difference::Difference;
use crate::target::{Case, Describe, Description, Part};

/// The id under which a panic, an overflow or a failed assertion of the code under test is reported.
pub const NO_PANIC: &str = "subject.no_panic";
/// The id under which a process that died is reported.
pub const NO_ABORT: &str = "subject.no_abort";
/// The id under which a process that took too long is reported.
pub const NO_HANG: &str = "subject.no_hang";

/// A check that does not hold, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The check's id.
    pub check: String,
    /// The check's layer.
    pub layer: Layer,
    /// What must hold.
    pub statement: String,
    /// What misbehaved.
    pub part: Part,
    /// The answer that is due, when the check judges an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Answer>,
    /// The answer that was given, when the check judges an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Answer>,
    /// What else was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, Value)>,
    /// How the code under test ended before it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// The decoded input; `None` when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
}

/// How the code under test ended before it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crash {
    /// It panicked.
    Panic {
        /// The panic's message.
        message: String,
        /// Where; `None` when the panic does not say.
        place: Option<Place>,
    },
    /// It ended its process: `signal 6`, or an exit status.
    Died(String),
    /// It gave no answer in so many milliseconds.
    Hung(u64),
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file, as the compiler names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl Violation {
    /// Whether the process died of it, or hung.
    pub fn ends_the_process(&self) -> bool {
        matches!(self.crash, Some(Crash::Died(_) | Crash::Hung(_)))
    }

    /// A violation of `check` on a case, without what was found.
    pub fn of(check: &Check, case: &dyn Describe) -> Self {
        let Description { part, case } = Description::from(case);
        Self::new(check.id, check.layer, check.statement, part, Some(case))
    }

    /// One without what was found.
    pub(crate) fn new(
        check: &str,
        layer: Layer,
        statement: &str,
        part: Part,
        case: Option<Case>,
    ) -> Self {
        Self {
            check: check.to_owned(),
            layer,
            statement: statement.to_owned(),
            part,
            expected: None,
            actual: None,
            details: Vec::new(),
            crash: None,
            case,
        }
    }

    /// A crash of the code under test. `asked` is what the input asks, when that is known; otherwise the `target`
    /// stands for the part that misbehaved.
    pub fn of_crash(crash: Crash, target: &str, asked: Option<Description>) -> Self {
        let (check, statement) = match crash {
            Crash::Panic { .. } => (
                NO_PANIC,
                "the code under test does not panic, overflow or fail an assertion",
            ),
            Crash::Died(_) => (NO_ABORT, "the code under test does not end its process"),
            Crash::Hung(_) => (NO_HANG, "the code under test answers in time"),
        };
        let (part, case) = match asked {
            Some(Description { part, case }) => (part, Some(case)),
            None => (Part::new(target), None),
        };
        Self {
            crash: Some(crash),
            ..Self::new(check, Layer::NoCrash, statement, part, case)
        }
    }

    /// Whether it is a violation of `check`.
    pub fn is_of(&self, check: &Check) -> bool {
        self.check == check.id
    }

    /// The same, with another part held responsible.
    pub fn by(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// The same, for a check that judges an answer.
    pub fn answered(self, actual: Answer, expected: Answer) -> Self {
        Self {
            actual: Some(actual),
            expected: Some(expected),
            ..self
        }
    }

    /// The same, with one thing more that was found.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.push((name.to_owned(), value.into()));
        self
    }

    /// The same, with one thing more when there is one.
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The check's name: its id without the family, so that one check of several targets is one.
    pub fn check_name(&self) -> &str {
        self.check
            .split_once('.')
            .map_or(&self.check, |(_, name)| name)
    }

    /// How the answer deviates from the one that is due; `None` when the check judges no answer, or the answer
    /// is the one that is due.
    pub fn difference(&self) -> Option<Difference> {
        Difference::between(self.expected.as_ref()?, self.actual.as_ref()?)
    }

    /// What was found, a sentence each.
    pub fn facts(&self) -> Vec<String> {
        let answers = [("answers", &self.actual), ("should answer", &self.expected)];
        let answers = answers.into_iter().filter_map(|(verb, answer)| {
            let answer = answer.as_ref()?;
            Some(format!("the {} {verb} {answer}", self.part))
        });
        let details = self.details.iter();
        let details = details.map(|(name, value)| format!("{name} = {value}"));
        let crash = self.crash.iter().map(Crash::to_string);
        answers.chain(details).chain(crash).collect()
    }

    /// Panics with the violation's text, and keeps the violation for [`replay`](crate::replay()).
    pub(crate) fn raise(self) -> ! {
        let text = self.to_string();
        RAISED.set(Some(Box::new(self)));
        panic!("{text}");
    }

    /// The violation that this thread panicked with last, if nobody has taken it.
    pub(crate) fn take_raised() -> Option<Box<Self>> {
        RAISED.take()
    }
}

thread_local! {
    /// In a box, because it is taken for every input and a violation is large to move.
    static RAISED: RefCell<Option<Box<Violation>>> = const { RefCell::new(None) };
}

/// The report, in a few lines: the check, what must hold, what was found, the case.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            check, statement, ..
        } = self;
        let found = self.facts().join("; ");
        write!(
            f,
            "check failed: {check}\n  must hold: {statement}\n  found: {found}"
        )?;
        let Some(Case { words, rust }) = &self.case else {
            return Ok(());
        };
        write!(f, "\n  case: {words}")?;
        if !rust.is_empty() {
            f.write_str("\n  as Rust:")?;
        }
        for line in rust.lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { message, place } => {
                let message = message.trim_end().replace('\n', "\n    ");
                write!(f, "it panics: {message}")?;
                place
                    .iter()
                    .try_for_each(|place| write!(f, "\n  at {place}"))
            }
            Self::Died(how) => write!(f, "the process died: {how}"),
            Self::Hung(milliseconds) => {
                let time = Duration::from_millis(*milliseconds).as_secs_f64();
                write!(f, "no answer in {time} s")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum(u64, u64);

    impl Describe for Sum {
        fn part(&self) -> Part {
            Part::of("decimal", "adder")
        }
        fn in_words(&self) -> String {
            format!("{} and {}", self.0, self.1)
        }
        fn as_rust(&self) -> String {
            format!("let a = {};\na + {}\n", self.0, self.1)
        }
    }

    static EXACT: Check = Check::new("sum.is_exact", Layer::Exact, "the sum is right");

    fn sum(value: u64) -> Answer {
        Answer::values([("sum", value.into())])
    }

    #[test]
    fn the_text_has_everything_and_ends_with_the_case() {
        let violation = Violation::of(&EXACT, &Sum(2, 3)).answered(sum(6), sum(5));
        let text = violation.with("carry", "none").to_string();
        let expected = "check failed: sum.is_exact\n  must hold: the sum is right\n  \
             found: the decimal adder answers sum = 6; the decimal adder should answer sum = 5; carry = none\n  \
             case: 2 and 3\n  as Rust:\n    let a = 2;\n    a + 3";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_crash_names_its_place_and_who_was_asked() {
        let place = Place {
            file: "src/add.rs".to_owned(),
            line: 7,
        };
        let crash = Crash::Panic {
            message: "left\nright\n".to_owned(),
            place: Some(place),
        };
        let violation = Violation::of_crash(crash, "fuzz_sum", None);
        assert_eq!(violation.part.to_string(), "fuzz_sum");
        let text = violation.to_string();
        let found = "found: it panics: left\n    right\n  at src/add.rs:7";
        assert!(text.ends_with(found), "{text}");
        let hung = Violation::of_crash(Crash::Hung(1500), "fuzz_sum", Some((&Sum(1, 1)).into()));
        assert_eq!(hung.facts(), ["no answer in 1.5 s"]);
        assert_eq!(hung.part, Part::of("decimal", "adder"));
    }

    #[test]
    fn it_is_the_same_after_its_way_through_json() {
        let violation = Violation::of(&EXACT, &Sum(2, 3)).answered(
            Answer::error(&"Overflow", "too large".to_owned()),
            sum(u64::MAX),
        );
        let violation = violation.with("reads", 3).with("why", "a \"quoted\"\nline");
        let json = serde_json::to_string(&violation).unwrap();
        assert!(!json.contains('\n'));
        assert_eq!(serde_json::from_str::<Violation>(&json).unwrap(), violation);
    }
}
