//! What makes two finds the same: the key of a group.
//!
//! A key has two halves, the *part* of the code under test that misbehaved and *what* it did. It is taken from the
//! fields of a [`Violation`], never from the input's bytes, from an engine's output or from words:
//!
//! | violation | part | what |
//! |---|---|---|
//! | an answer is not the one due | the part held responsible | the kind of difference |
//! | another check failed | the part that was asked | the check's name |
//! | a panic | file and line | the message, its numbers as `N` |
//! | the process died | the part that was asked | the signal |
//! | no answer in time | the part that was asked | that |
//!
//! Several checks judge one answer: `calc.non_raw_has_overhead` and `calc.answer_is_exact`, or
//! `scan.answer_is_exact` and `image.answer_is_exact` on the same scanner. Which of them is first to
//! notice a mistake depends on the input, so they share a key, and the key names the [`Difference`]:
//!
//! - an answer where an error is due, an error where an answer is due, or the wrong kind of error, with
//!   the kinds;
//! - or else the first value that is wrong. Of a calculator this is `fully_allocated`, which does not depend on what
//!   a disk holds, or `required`; of a scanner the virtual size, the bytes, or the touched units.
//!
//! An error of the wrong kind may be a consequence: a scanner that misses that an image is corrupt may stumble
//! over something unsupported later. So where exactly one plainer mistake would explain it, an answer where
//! that error is due or that error where an answer is due, and there are finds that show it, it is filed
//! there ([`Key::explanations`]).
//!
//! Neither numbers nor the direction nor the words of an error are part of it: one mistake counts here too
//! much and there too little. So two mistakes in one format that show in the same way are one group, until
//! one of them is mended; and one mistake in code that all formats use is a group for each format.

use std::fmt;
use std::path::Path;

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
    #[must_use]
    pub fn id(&self) -> String {
        content_name(self.to_string().as_bytes())[..8].to_owned()
    }

    /// The key of a violation; `root` is the project's folder.
    #[must_use]
    pub fn of(violation: &Violation, root: &Path) -> Self {
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

    /// For an error of the wrong kind, the keys of the two plainer mistakes of which it may be a consequence: see
    /// [`Difference::explanations`].
    #[must_use]
    pub fn explanations(&self) -> Option<[Self; 2]> {
        let What::Answers(difference) = &self.what else {
            return None;
        };
        let explanations = difference.explanations()?;
        Some(explanations.map(|difference| Self {
            part: self.part.clone(),
            what: What::Answers(difference),
        }))
    }
}

/// Where a panic was, when it says so: the file from the project's root where it lies below it.
#[must_use]
pub fn place(violation: &Violation, root: &Path) -> Option<Place> {
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

/// A message with every number as `N`, addresses too.
#[must_use]
pub fn normalised(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut characters = message.chars().peekable();
    let mut in_word = false;
    while let Some(character) = characters.next() {
        if !character.is_ascii_digit() || in_word {
            in_word = character.is_alphanumeric() || character == '_';
            text.push(character);
            continue;
        }
        let is_hexadecimal = character == '0' && characters.next_if_eq(&'x').is_some();
        let belongs =
            |c: &char| c.is_ascii_digit() || *c == '_' || (is_hexadecimal && c.is_ascii_hexdigit());
        while characters.next_if(belongs).is_some() {}
        text.push('N');
    }
    text
}

#[cfg(test)]
mod tests {
    use worker::{Answer, Case, Check, Describe, Layer, Part};

    use super::*;

    /// A case of a part.
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

    fn panic(message: &str, place: Option<(&str, u32)>) -> Violation {
        let place = place.map(|(file, line)| Place {
            file: file.to_owned(),
            line,
        });
        let message = message.to_owned();
        Violation::of_crash(Crash::Panic { message, place }, "fuzz_scan", None)
    }

    fn error(kind: &str, words: &str) -> Answer {
        Answer::Error {
            kind: kind.to_owned(),
            words: words.to_owned(),
        }
    }

    #[test]
    fn numbers_and_addresses_are_not_part_of_a_message() {
        assert_eq!(
            normalised("index out of bounds: the len is 64 but the index is 1_000 at 0x7fFe"),
            "index out of bounds: the len is N but the index is N at N"
        );
        let version = "u32 from be32 of v1.10";
        assert_eq!(normalised(version), "u32 from be32 of v1.N");
    }

    #[test]
    fn a_panic_is_known_by_its_place_and_message() {
        let of = |message, file, line| key(&panic(message, Some((file, line))));
        let relative = of(
            "subtract 4 with overflow\nmore",
            "crates/vhd/src/scan.rs",
            77,
        );
        assert_eq!(
            relative,
            "crates/vhd/src/scan.rs:77: subtract N with overflow"
        );
        let absolute = "/a/project/crates/vhd/src/scan.rs";
        assert_eq!(of("subtract 5 with overflow", absolute, 77), relative);
        let library = "/rustc/59807616e/library/core/src/num.rs";
        assert_eq!(of("x", library, 5), "library/core/src/num.rs:5: x");
        assert_eq!(of("x", "/b/lib.rs", 5), "/b/lib.rs:5: x");
        assert_eq!(key(&panic("no place", None)), "an unknown place: no place");
    }

    #[test]
    fn a_process_that_dies_or_hangs_is_known_by_the_part_it_was_asked_for() {
        let asked = || Some((&Asked("raw", "calculator")).into());
        let died = || Crash::Died("signal 11".to_owned());
        let of = |crash, asked| key(&Violation::of_crash(crash, "fuzz_new", asked));
        assert_eq!(
            of(died(), asked()),
            "raw calculator: the process died: signal 11"
        );
        assert_eq!(
            of(Crash::Hung(5000), asked()),
            "raw calculator: no answer in time"
        );
        // Nothing is known of a target that cannot describe its input but its name.
        assert_eq!(of(Crash::Hung(1), None), "fuzz_new: no answer in time");
    }

    #[test]
    fn a_check_of_two_targets_is_one_and_its_part_is_in_the_key() {
        let scan = key(&violation("scan.reads_bounded", &Asked("vhdx", "scanner")));
        assert_eq!(scan, "vhdx scanner: reads_bounded does not hold");
        let image = |format| key(&violation("image.reads_bounded", &Asked(format, "scanner")));
        assert_eq!(scan, image("vhdx"));
        assert_ne!(scan, image("vhd"));
    }

    #[test]
    fn checks_that_judge_one_answer_share_a_key() {
        let asked = Asked("vhd", "calculator");
        let of = |id, actual, expected| key(&violation(id, &asked).answered(actual, expected));
        let missed = of(
            "calc.non_raw_has_overhead",
            Answer::values([("required", 1.into())]),
            error("Overflow", ""),
        );
        assert_eq!(missed, "vhd calculator: an answer where Overflow is due");
        let same = of(
            "calc.answer_is_exact",
            Answer::values([("required", 2.into())]),
            error("Overflow", "too large"),
        );
        assert_eq!(same, missed);
        // The answer that is due: then the check is of something else.
        let right = of("calc.unit_is_exact", error("Size", "a"), error("Size", "b"));
        assert_eq!(right, "vhd calculator: unit_is_exact does not hold");
    }

    /// The words of the oracle, of its errors and of the case may change; groups stay.
    #[test]
    fn no_word_of_the_oracle_decides_about_a_group() {
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
            panic("attempt to add with overflow", Some(("src/lib.rs", 7))),
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

    #[test]
    fn a_group_has_the_same_name_in_every_triage() {
        let key = Key {
            part: "qcow2 scanner".into(),
            what: What::Answers(Difference::Refused {
                given: "Corrupt".into(),
            }),
        };
        assert_eq!(
            key.to_string(),
            "qcow2 scanner: Corrupt where an answer is due"
        );
        assert_eq!(key.id(), key.clone().id());
        assert_eq!(key.id().len(), 8);
    }
}
