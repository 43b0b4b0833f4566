//! What makes two finds the same: the key of a group.
//!
//! A key has two halves, the *part* of the code under test that misbehaved and *what* it did. It is
//! taken from a replay's report, never from the input's bytes or from an engine's words:
//!
//! | what a replay tells | part | what |
//! |---|---|---|
//! | an answer is not the model's | calculator or scanner, and the format asked | the kind of difference |
//! | another check failed | calculator or scanner, and the format asked | the check's name |
//! | a panic | file and line | the message, its numbers as `N` |
//! | the process died | as for a check | the signal |
//! | no answer in time | as for a check | that |
//!
//! Several checks judge one answer: `calc.non_raw_has_overhead` and `calc.answer_is_exact`, or
//! `scan.answer_is_exact` and `image.answer_is_exact` on the same scanner. Which of them is first to
//! notice a mistake depends on the input, so they share a key, and the key says how the answer differs:
//!
//! - an answer where an error is due, an error where an answer is due, or the wrong kind of error, with
//!   the kinds;
//! - of a calculator, that `fully_allocated` is wrong, which does not depend on what a disk holds; or
//!   that `required` alone is;
//! - of a scanner, that the virtual size is wrong; or else the bytes; or the touched units alone.
//!
//! An error of the wrong kind may be a consequence: who does not notice that an image is corrupt may stumble
//! over something unsupported later. So where exactly one plainer mistake would explain it, an answer where
//! that error is due or that error where an answer is due, and there are finds that show it, it is filed
//! there ([`Key::explanations`]).
//!
//! Neither numbers nor the direction nor the words of an error are part of it: one mistake counts here too
//! much and there too little. So two mistakes in one format that show in the same way are one group, until
//! one of them is mended; and one mistake in code that all formats use is a group for each format.

mod answers;

use std::path::Path;

use harness_core::Target;
use harness_core::check::{FAILURE_PREFIX, NO_PANIC};
use serde::{Deserialize, Serialize};

use crate::corpus::content_name;
use crate::replay::{NO_ABORT, NO_HANG};

/// How much of a panic's message is part of a key, in characters: it is the title of an issue too.
const LONGEST_WORDS: usize = 140;

/// What the finds of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The part of the code under test.
    pub part: String,
    /// What it did.
    pub what: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.part, self.what)
    }
}

impl Key {
    /// The name of the group: the same in every triage, eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        content_name(self.to_string().as_bytes())[..8].to_owned()
    }

    /// The key of a failure: the id of the check that failed, and its report. `content` is the input, `root`
    /// the project's folder, from which places are told.
    #[must_use]
    pub fn of(target: &Target, content: &[u8], check: &str, message: &str, root: &Path) -> Self {
        if check == NO_PANIC {
            return Self::of_panic(message, root);
        }
        let found = line_after(message, "  found: ").unwrap_or_default();
        let case = match line_after(message, "  case: ") {
            Some(case) => case.to_owned(),
            None => target
                .describe(content)
                .map_or_else(|_| String::new(), |case| case.in_words),
        };
        let format = format_of(&case);
        let (family, name) = check.split_once('.').unwrap_or(("", check));
        let side = match family {
            "calc" => "calculator",
            "scan" | "image" => "scanner",
            _ if target.checks == Some("calc.") => "calculator",
            _ => "scanner",
        };
        let of_format = |format: &str| match format {
            "" => target.name.to_owned(),
            format => format!("{format} {side}"),
        };
        if let Some(answer) = answers::calculator(check, &format, found, content) {
            return Self {
                part: format!("{} calculator", answer.format),
                what: answer.difference,
            };
        }
        if let Some(difference) = answers::scanner(check, found) {
            return Self {
                part: of_format(&format),
                what: difference,
            };
        }
        Self {
            part: of_format(&format),
            what: match check {
                NO_HANG => "no answer in time".to_owned(),
                NO_ABORT => with_numbers_kept_short(message),
                _ => format!("{name} does not hold"),
            },
        }
    }

    /// For an error of the wrong kind, the two plainer mistakes of which it may be a consequence: an answer
    /// where that error is due, and that error where an answer is due.
    #[must_use]
    pub fn explanations(&self) -> Option<[Self; 2]> {
        let (told, due) = self.what.strip_suffix(IS_DUE)?.split_once(WHERE)?;
        if told == AN_ANSWER || due == AN_ANSWER {
            return None;
        }
        let plain = |told: &str, due: &str| Self {
            part: self.part.clone(),
            what: difference_of_kind(told, due),
        };
        Some([plain(AN_ANSWER, due), plain(told, AN_ANSWER)])
    }

    fn of_panic(message: &str, root: &Path) -> Self {
        let (words, _) = message.rsplit_once("\n  at ").unwrap_or((message, ""));
        let part = match place_of_panic(message, root) {
            Some(Place { file, line }) => format!("{file}:{line}"),
            None => "an unknown place".to_owned(),
        };
        let words = words.lines().next().unwrap_or_default();
        Self {
            part,
            what: normalised(words).chars().take(LONGEST_WORDS).collect(),
        }
    }
}

const AN_ANSWER: &str = "an answer";
const WHERE: &str = " where ";
const IS_DUE: &str = " is due";

/// One kind of answer in the place of another: an error's kind, or [`AN_ANSWER`].
fn difference_of_kind(told: &str, due: &str) -> String {
    format!("{told}{WHERE}{due}{IS_DUE}")
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, from the project's root where it lies below it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Where a panic was, when its report says so.
#[must_use]
pub fn place_of_panic(message: &str, root: &Path) -> Option<Place> {
    if message.starts_with(FAILURE_PREFIX) {
        return None;
    }
    let (file, line) = message.rsplit_once("\n  at ")?.1.rsplit_once(':')?;
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
        line: line.parse().ok()?,
    })
}

/// The rest of the line of `message` that begins so.
pub(super) fn line_after<'a>(message: &'a str, beginning: &str) -> Option<&'a str> {
    message
        .lines()
        .find_map(|line| line.strip_prefix(beginning))
}

/// The format that a case in words begins with.
fn format_of(case: &str) -> String {
    let word = case.split([' ', ',', ';']).next().unwrap_or_default();
    let word = word.to_ascii_lowercase();
    let is_known = ["raw", "qcow2", "vmdk", "vhd", "vhdx"].contains(&word.as_str());
    if is_known { word } else { String::new() }
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

/// What killed a process: `signal 6` says more than `signal N`.
fn with_numbers_kept_short(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_core::targets;

    fn key(target: &str, check: &str, message: &str) -> String {
        let target = targets::find(target).unwrap();
        Key::of(target, &[0; 42], check, message, Path::new("/a/project")).to_string()
    }

    fn report(check: &str, found: &str, case: &str) -> String {
        format!(
            "{FAILURE_PREFIX}{check}\n  must hold: m\n  found: {found}\n  case: {case}\n  as Rust:\n    x"
        )
    }

    #[test]
    fn numbers_and_addresses_are_not_part_of_a_message() {
        assert_eq!(
            normalised("index out of bounds: the len is 64 but the index is 1_000 at 0x7fFe"),
            "index out of bounds: the len is N but the index is N at N"
        );
        assert_eq!(
            normalised("u32 from be32 of v1.10"),
            "u32 from be32 of v1.N"
        );
    }

    #[test]
    fn a_panic_is_known_by_its_place_and_message() {
        let of = |message| key("fuzz_measure_scan", NO_PANIC, message);
        let first = of("attempt to subtract 4 with overflow\n  at crates/vhd/src/scan.rs:77");
        assert_eq!(
            first,
            "crates/vhd/src/scan.rs:77: attempt to subtract N with overflow"
        );
        let absolute =
            "attempt to subtract 5 with overflow\n  at /a/project/crates/vhd/src/scan.rs:77";
        assert_eq!(of(absolute), first);
        assert_eq!(
            of("x\n  at /rustc/59807616e/library/core/src/num.rs:5"),
            "library/core/src/num.rs:5: x"
        );
        assert_eq!(of("no place"), "an unknown place: no place");
        let place = place_of_panic("a\nb\n  at /b/src/lib.rs:9", Path::new("/a"));
        let expected = Place {
            file: "/b/src/lib.rs".into(),
            line: 9,
        };
        assert_eq!(place, Some(expected));
    }

    #[test]
    fn a_process_that_dies_or_hangs_is_known_by_the_format_it_was_asked_for() {
        assert_eq!(
            key("fuzz_measure_calc", NO_ABORT, "the process died: signal 11"),
            "raw calculator: the process died: signal 11"
        );
        assert_eq!(
            key("fuzz_measure_scan", NO_HANG, "no answer in 5 s"),
            "qcow2 scanner: no answer in time"
        );
        assert_eq!(
            key("fuzz_nothing", NO_HANG, "no answer in 5 s"),
            "fuzz_nothing: no answer in time"
        );
    }

    #[test]
    fn a_check_of_two_targets_is_one_and_its_format_is_part_of_the_key() {
        let of =
            |target, check: &str, case| key(target, check, &report(check, "65 sector reads", case));
        let scan = of(
            "fuzz_measure_scan",
            "scan.reads_bounded",
            "vhdx, counting bytes only",
        );
        assert_eq!(scan, "vhdx scanner: reads_bounded does not hold");
        assert_eq!(
            scan,
            of(
                "fuzz_measure_image",
                "image.reads_bounded",
                "vhdx image of 4 bytes"
            )
        );
        assert_ne!(
            scan,
            of(
                "fuzz_measure_image",
                "image.reads_bounded",
                "vhd image of 4 bytes"
            )
        );
        assert_eq!(
            of(
                "fuzz_measure_calc",
                "calc.unit_is_exact",
                "VHDX, block_size 0"
            ),
            "vhdx calculator: unit_is_exact does not hold"
        );
    }

    #[test]
    fn an_error_of_the_wrong_kind_may_have_two_explanations() {
        let key = |what: &str| Key {
            part: "vhdx scanner".into(),
            what: what.into(),
        };
        assert_eq!(
            key("Unsupported where Corrupt is due").explanations(),
            Some([
                key("an answer where Corrupt is due"),
                key("Unsupported where an answer is due")
            ])
        );
        for plain in [
            "an answer where Corrupt is due",
            "Corrupt where an answer is due",
            "reads_bounded",
        ] {
            assert_eq!(key(plain).explanations(), None);
        }
    }

    #[test]
    fn a_group_has_the_same_name_in_every_triage() {
        let key = Key {
            part: "vhd scanner".into(),
            what: "reads_bounded".into(),
        };
        assert_eq!(key.id(), key.clone().id());
        assert_eq!(key.id().len(), 8);
    }
}
