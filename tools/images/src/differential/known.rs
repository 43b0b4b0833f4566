//! The differences between QEMU and us that are known, each with what decides it and an example.
//!
//! Nothing else may differ. `tests/differential.rs` shows for each that it still does, by its example.
//!
//! They are in the table `known.txt` of each format: a paragraph each, of its name and, indented:
//!
//! ```text
//! qemu: WHAT               what QEMU does
//! spec: WHAT               what the specification states, and where
//! field: WHAT              what tools write, and which readers follow whom
//! right: us                `us`: who reads as QEMU does is wrong; `qemu`: we are, by a limit of ours that has a name;
//!                          `either`: the specification leaves it open, and a library may read either way
//! we refuse: WORDS         it shows when our reason has these words in it, and QEMU takes the image
//! they refuse: WORDS       it shows when QEMU's complaint has these words in it, and we take the image
//! if: CONDITION            it shows only under this condition of the format's
//! gone since: MAJOR        the first QEMU that does not differ
//! recipe: 0=3, 27=34 1     an example: bytes of a recipe that are not zero, and where they begin
//! ```
//!
//! It shows when one of the refusals does and the condition holds. One about questions has none of these; the format's
//! code detects it.

use std::fmt::Write as _;

use serde::Serialize;

use super::Case;
use super::evidence::{CalculatorEvidence, ImageEvidence};
use crate::format::FormatRef;
use crate::formats;

/// A known difference.
#[derive(Debug, Serialize)]
pub struct Known {
    /// Its name.
    pub id: &'static str,
    /// What QEMU does.
    pub qemu: &'static str,
    /// What the specification states, and where.
    pub spec: &'static str,
    /// What tools write, and which readers follow whom.
    pub field: &'static str,
    /// Who is right: `us`, `qemu` or `either`.
    pub right: &'static str,
    /// The first QEMU, by the first number of its version, that does not differ; `None` while all do.
    #[serde(skip)]
    pub gone_since: Option<u32>,
    /// A case that differs.
    #[serde(skip)]
    pub example: Case,
    #[serde(skip)]
    shows: Vec<Shows>,
}

#[derive(Debug)]
enum Shows {
    WeRefuse(&'static str),
    TheyRefuse(&'static str),
    If(&'static str),
}

/// All known differences. Panics when a format's table is malformed, which a test excludes.
pub fn all() -> Vec<Known> {
    formats::ALL.into_iter().flat_map(of_format).collect()
}

/// All of them as a page of Markdown.
pub fn page() -> String {
    let mut page = include_str!("known.md").to_owned();
    for format in formats::ALL {
        let _ = write!(page, "\n## {}\n", format.name);
        for known in of_format(format) {
            let right = match known.right {
                "us" => "QEMU is wrong",
                "qemu" => "QEMU is right",
                _ => "either reading",
            };
            let _ = write!(
                page,
                "\n**{}**: {right}\n- QEMU: {}\n- Specification: {}\n- Field: {}\n",
                known.id, known.qemu, known.spec, known.field
            );
        }
    }
    page
}

fn of_format(format: FormatRef) -> Vec<Known> {
    let mut all: Vec<Known> = Vec::new();
    for line in format.known.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            if !line.is_empty() && !line.starts_with('#') {
                let question = format.known_answers.iter().find(|known| known.id == line);
                let none = || Case::recipe(&[]);
                all.push(Known {
                    id: line,
                    qemu: "",
                    spec: "",
                    field: "",
                    right: "",
                    gone_since: None,
                    example: question.map_or_else(none, |it| Case::Question((it.example)())),
                    shows: Vec::new(),
                });
            }
            continue;
        };
        let known = all.last_mut().expect("a name comes first");
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        match key {
            "qemu" => known.qemu = value,
            "spec" => known.spec = value,
            "field" => known.field = value,
            "right" => known.right = value,
            "we refuse" => known.shows.push(Shows::WeRefuse(value)),
            "they refuse" => known.shows.push(Shows::TheyRefuse(value)),
            "if" => known.shows.push(Shows::If(value)),
            "gone since" => known.gone_since = value.parse().ok(),
            "recipe" => {
                let bytes = recipe(value).unwrap_or_else(|| panic!("{}: {line}", known.id));
                known.example = Case::recipe(&bytes);
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

/// The first known difference that explains an answer of a calculator.
pub(super) fn of_calculator(evidence: &CalculatorEvidence<'_>) -> Option<&'static str> {
    let format = formats::of_options(&evidence.question.options);
    let mut known = format.known_answers.iter();
    Some(known.find(|known| (known.applies)(evidence))?.id)
}

/// The first known difference from a QEMU whose version begins with `major` that explains an answer about an image.
pub(super) fn of_image(evidence: &ImageEvidence<'_>, major: u32) -> Option<&'static str> {
    let format = evidence.asked.format;
    let mut known = of_format(format).into_iter();
    let holds = |condition| match condition {
        "the file ends in a part of a sector" => {
            !evidence.asked.image.capacity().is_multiple_of(512)
        }
        _ => (format.condition)(condition, evidence),
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
