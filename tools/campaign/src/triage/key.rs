//! What makes two finds the same: the key of a group.
//!
//! A key has two halves, the *part* of the code under test that misbehaved and *what* it did. It is taken from the
//! fields of a [`Violation`], never from the input's bytes, from an engine's output or from words. `docs/triage.md`
//! has the rule, its reasons and its limits.
//!
//! Several checks judge one answer, and the input decides which of them notices a mistake first. So they share a key,
//! which names the [`Difference`] of the answer from the one that is due. Neither numbers nor the direction nor the
//! words of an error are part of it.

use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use worker::{Crash, Difference, Place, Violation};

use crate::corpus::content_name;

/// How much of a panic's message is part of a key, in characters: it is the title of an issue too.
const LONGEST_MESSAGE: usize = 140;

/// What the finds of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The part of the code under test.
    pub part: String,
    /// What it did.
    pub what: What,
}

/// What a part of the code under test did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It gave a wrong answer.
    Answers(Difference),
    /// It failed a check of this name that judges no answer.
    Fails(String),
    /// It panicked with this message, normalised.
    Panics(String),
    /// It ended its process like this.
    Dies(String),
    /// It gave no answer in time.
    Hangs,
    /// Nothing: an engine reported the input, and it passes.
    Passes,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(difference) => difference.fmt(f),
            Self::Fails(name) => write!(f, "{name} does not hold"),
            Self::Panics(message) => f.write_str(message),
            Self::Dies(how) => write!(f, "the process died: {how}"),
            Self::Hangs => f.write_str("no answer in time"),
            Self::Passes => f.write_str("does not reproduce"),
        }
    }
}

impl Key {
    /// The name of the group: the same in every triage, eight hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        content_name(self.to_string().as_bytes())[..8].to_owned()
    }

    /// The key of a violation; `root` is the project's folder.
    pub(crate) fn of(violation: &Violation, root: &Path) -> Self {
        let mut part = violation.part.to_string();
        let what = match (&violation.crash, violation.difference()) {
            (Some(Crash::Panic { message, .. }), _) => {
                part = place(violation, root)
                    .map_or_else(|| "an unknown place".to_owned(), |place| place.to_string());
                let first_line = message.lines().next().unwrap_or_default();
                let message = normalised(first_line);
                What::Panics(message.chars().take(LONGEST_MESSAGE).collect())
            }
            (Some(Crash::Died(how)), _) => What::Dies(how.clone()),
            (Some(Crash::Hung(_)), _) => What::Hangs,
            (None, Some(difference)) => What::Answers(difference),
            (None, None) => What::Fails(violation.check_name().to_owned()),
        };
        Self { part, what }
    }
}

/// Where a panic was, when that is known: the file from the project's root where it lies below it.
pub(crate) fn place(violation: &Violation, root: &Path) -> Option<Place> {
    let Some(Crash::Panic { place, .. }) = &violation.crash else {
        return None;
    };
    let Place { file, line } = place.as_ref()?;
    let below_root = Path::new(file).strip_prefix(root).ok();
    let file = match below_root.and_then(Path::to_str) {
        Some(file) => file,
        // The standard library, as it names itself: what follows is the toolchain's commit.
        None => match file.strip_prefix("/rustc/") {
            Some(file) => file.split_once('/')?.1,
            None => file,
        },
    };
    Some(Place {
        file: file.to_owned(),
        line: *line,
    })
}

/// A message with every number as `N`, addresses too; digits inside a word are part of it.
fn normalised(message: &str) -> String {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(0x[0-9a-fA-F_]*|[0-9][0-9_]*)").expect("a regular expression")
    });
    NUMBER.replace_all(message, "N").into_owned()
}

#[cfg(test)]
mod tests {
    use worker::{Answer, Case, Check, Describe, Layer, Part};

    use super::*;

    struct Asked(&'static str, &'static str);

    impl Describe for Asked {
        fn part(&self) -> Part {
            Part::of(self.0, self.1)
        }
        fn in_words(&self) -> String {
            format!("{} of 7 bytes", self.0)
        }
        fn as_rust(&self) -> String {
            "let a = 7;\n".to_owned()
        }
    }

    fn violation(id: &'static str, asked: &Asked) -> Violation {
        Violation::of(&Check::new(id, Layer::Exact, "it holds"), asked)
    }

    fn key(violation: &Violation) -> String {
        Key::of(violation, Path::new("/a/project")).to_string()
    }

    /// A panic in line 77 of a file.
    fn panic(message: &str, file: &str) -> Violation {
        let place = Place {
            file: file.to_owned(),
            line: 77,
        };
        let crash = Crash::Panic {
            message: message.to_owned(),
            place: Some(place).filter(|_| !file.is_empty()),
        };
        Violation::of_crash(crash, "fuzz_scan", None)
    }

    fn error(kind: &str, words: &str) -> Answer {
        Answer::Error {
            kind: kind.to_owned(),
            words: words.to_owned(),
        }
    }

    #[test]
    fn a_key_has_the_part_and_the_kind_of_its_failure() {
        let (vhd, vhdx) = (Asked("vhd", "scanner"), Asked("vhdx", "scanner"));
        let crashed = |crash, asked| Violation::of_crash(crash, "fuzz_new", asked);
        let required = |value: u64| Answer::values([("required", value.into())]);
        let due = |words| error("Overflow", words);
        let is_exact = violation("calc.answer_is_exact", &vhd).answered(required(2), due("a"));
        let has_overhead = violation("calc.has_overhead", &vhd).answered(required(1), due("b"));
        let is_due = violation("calc.unit_is_exact", &vhd).answered(due("a"), due("b"));
        let violations = [
            // Numbers and addresses in a panic's message do not count, nor does where the project is.
            panic("subtract 4 with overflow\nmore", "src/scan.rs"),
            panic("subtract 5 with overflow", "/a/project/src/scan.rs"),
            panic("64 and 1_000 at 0x7fFe", "/b/lib.rs"),
            panic("u32 of v1.10", "/rustc/59807616e/library/core/src/num.rs"),
            panic("no place", ""),
            crashed(Crash::Died("signal 11".to_owned()), Some((&vhdx).into())),
            crashed(Crash::Hung(5000), Some((&vhdx).into())),
            // Of a target that cannot describe its input only the name is known.
            crashed(Crash::Hung(1), None),
            // Two targets have this check, and it is one for each part.
            violation("scan.reads_bounded", &vhdx),
            violation("image.reads_bounded", &vhdx),
            violation("image.reads_bounded", &vhd),
            // Checks that judge one answer share a key, unless the answer is right.
            is_exact,
            has_overhead,
            is_due,
        ];
        let expected = [
            "src/scan.rs:77: subtract N with overflow",
            "src/scan.rs:77: subtract N with overflow",
            "/b/lib.rs:77: N and N at N",
            "library/core/src/num.rs:77: u32 of v1.N",
            "an unknown place: no place",
            "vhdx scanner: the process died: signal 11",
            "vhdx scanner: no answer in time",
            "fuzz_new: no answer in time",
            "vhdx scanner: reads_bounded does not hold",
            "vhdx scanner: reads_bounded does not hold",
            "vhd scanner: reads_bounded does not hold",
            "vhd scanner: an answer where Overflow is due",
            "vhd scanner: an answer where Overflow is due",
            "vhd scanner: unit_is_exact does not hold",
        ];
        assert_eq!(violations.each_ref().map(key), expected);
        let id = Key::of(&violations[4], Path::new("/")).id();
        assert_eq!(id, "f2fe1df6", "later triages find it again");
    }

    /// The words of the oracle, of its errors and of the case may change; groups stay.
    #[test]
    fn other_words_of_the_oracle_change_no_group() {
        let scanner = Asked("qcow2", "scanner");
        let answered = |actual| {
            let due = error("Corrupt", "");
            violation("scan.answer_is_exact", &scanner).answered(actual, due)
        };
        for before in [
            answered(error("Unsupported", "unsupported: compression type 7")),
            answered(Answer::values([("allocated_bytes", 5.into())])),
            violation("scan.reads_bounded", &scanner).with("reads", 65),
            violation("image.facts_are_exact", &scanner).with("facts", "unit: 512"),
            Violation::of_crash(
                Crash::Died("signal 6".to_owned()),
                "fuzz_scan",
                Some((&scanner).into()),
            ),
            panic("attempt to add with overflow", "src/lib.rs"),
        ] {
            let mut after = before.clone();
            after.statement = "raw: the model answers Ok(…); found: nothing where it is due".into();
            after.layer = Layer::Truth;
            after.details = vec![("the second answer is".into(), "Err(Overflow)".into())];
            for answer in [&mut after.actual, &mut after.expected] {
                if let Some(Answer::Error { words, .. }) = answer {
                    *words = "corrupt: 9 of 8 bytes hold data".to_owned();
                }
            }
            after.case = Some(Case {
                words: "vhdx calculator; a disk".to_owned(),
                rust: "check failed: scan.x\n  at src/other.rs:9".to_owned(),
            });
            assert_ne!(before.to_string(), after.to_string());
            assert_eq!(key(&before), key(&after));
        }
    }
}
