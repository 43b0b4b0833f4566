//! The differences between QEMU and us that are known, each with its reason and an example.
//!
//! Nothing else may differ. `tests/differential.rs` shows for each that it still does, by its example.
//!
//! The known differences of what a format's images hold are in its table `known.txt`: a paragraph each, of its name
//! and, indented:
//!
//! ```text
//! why: REASON              the reason; more lines of it are indented by four more blanks
//! we refuse: WORDS         it shows when our reason has these words in it, and QEMU takes the image
//! they refuse: WORDS       it shows when QEMU's complaint has these words in it, and we take the image
//! if: CONDITION            it shows only under this condition of the format's
//! gone since: MAJOR        the first QEMU that does not differ
//! recipe: 0=3, 27=34 1     an example: bytes of a recipe that are not zero, and where they begin
//! ```
//!
//! It shows when one of the refusals does and the condition holds.

use super::evidence::{CalculatorEvidence, ImageEvidence};
use super::question::Question;
use crate::format::FormatRef;
use crate::formats;

/// A known difference.
#[derive(Debug)]
pub struct Known {
    /// Its name.
    pub id: &'static str,
    /// Why it is so.
    pub reason: String,
    /// The first QEMU, by the first number of its version, that does not differ; `None` while all do.
    pub gone_since: Option<u32>,
    /// A case that differs.
    pub example: Example,
    shows: Vec<Shows>,
}

/// A case with a difference.
#[derive(Debug)]
pub enum Example {
    /// A question.
    Question(Question),
    /// A recipe's bytes.
    Recipe(Vec<u8>),
}

#[derive(Debug)]
enum Shows {
    WeRefuse(&'static str),
    TheyRefuse(&'static str),
    If(&'static str),
}

/// All known differences.
///
/// # Panics
/// When a format's table is malformed, which a test excludes.
#[must_use]
pub fn all() -> Vec<Known> {
    let mut all = Vec::new();
    for format in formats::ALL {
        all.extend(format.known_answers.iter().map(|known| Known {
            id: known.id,
            reason: known.reason.to_owned(),
            gone_since: None,
            example: Example::Question((known.example)()),
            shows: Vec::new(),
        }));
        all.extend(of_images(format));
    }
    all
}

/// The known differences of what the format's images hold.
fn of_images(format: FormatRef) -> Vec<Known> {
    let mut all: Vec<Known> = Vec::new();
    for line in format.known_images.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            if !line.is_empty() && !line.starts_with('#') {
                all.push(Known {
                    id: line,
                    reason: String::new(),
                    gone_since: None,
                    example: Example::Recipe(vec![0; recipes::LENGTH]),
                    shows: Vec::new(),
                });
            }
            continue;
        };
        let known = all.last_mut().expect("a name comes first");
        if let Some(more) = line.strip_prefix("    ") {
            known.reason += &format!(" {more}");
            continue;
        }
        match line.split_once(':') {
            Some(("why", reason)) => known.reason = reason.trim().to_owned(),
            Some(("we refuse", words)) => known.shows.push(Shows::WeRefuse(words.trim())),
            Some(("they refuse", words)) => known.shows.push(Shows::TheyRefuse(words.trim())),
            Some(("if", condition)) => known.shows.push(Shows::If(condition.trim())),
            Some(("gone since", major)) => known.gone_since = major.trim().parse().ok(),
            Some(("recipe", parts)) => {
                let bytes = recipe(parts).unwrap_or_else(|| panic!("{}: {line}", known.id));
                known.example = Example::Recipe(bytes);
            }
            _ => panic!("{}: {line}", known.id),
        }
    }
    all
}

/// The recipe of an example.
fn recipe(parts: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; recipes::LENGTH];
    for part in parts.split(',') {
        let (at, part) = part.split_once('=')?;
        let at: usize = at.trim().parse().ok()?;
        for (nth, byte) in part.split_whitespace().enumerate() {
            *bytes.get_mut(at + nth)? = byte.parse().ok()?;
        }
    }
    Some(bytes)
}

/// The recipe as a table of known differences has it.
#[must_use]
pub fn as_example(bytes: &[u8]) -> String {
    let mut text = "recipe:".to_owned();
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        if at == 0 || bytes[at - 1] == 0 {
            let comma = if text.ends_with(':') { "" } else { "," };
            text += &format!("{comma} {at}={byte}");
        } else {
            text += &format!(" {byte}");
        }
    }
    text
}

/// The first known difference that explains an answer of a calculator.
pub(super) fn of_calculator(evidence: &CalculatorEvidence<'_>) -> Option<&'static str> {
    let format = formats::of_options(&evidence.question.options);
    let mut known = format.known_answers.iter();
    Some(known.find(|known| (known.applies)(evidence))?.id)
}

/// The first known difference from a QEMU whose version begins with `major` that explains an answer about an image.
pub(super) fn of_image(evidence: &ImageEvidence<'_>, major: u32) -> Option<&'static str> {
    let format = formats::of_scanner(evidence.asked.recipe.format);
    let mut known = of_images(format).into_iter();
    let holds = |condition| match condition {
        "the file ends in a part of a sector" => {
            !evidence.asked.image.capacity().is_multiple_of(512)
        }
        _ => format.driver.condition(condition, evidence),
    };
    let known = known.find(|known| {
        let mut refusals = known.shows.iter().filter_map(|shows| match shows {
            Shows::WeRefuse(words) => Some(evidence.only_we_refuse(words)),
            Shows::TheyRefuse(words) => Some(evidence.only_they_refuse(words)),
            Shows::If(_) => None,
        });
        let is_refused = refusals
            .next()
            .is_none_or(|first| first || refusals.any(|shows| shows));
        let mut conditions = known.shows.iter().filter_map(|shows| match shows {
            Shows::If(name) => Some(holds(name)),
            _ => None,
        });
        let is_there =
            known.gone_since.is_none_or(|since| major < since) && !known.shows.is_empty();
        is_there && is_refused && conditions.all(|holds| holds)
    });
    Some(known?.id)
}
