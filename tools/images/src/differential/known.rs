//! The differences between QEMU and us that are known, each with its reason and an example.
//!
//! Nothing else may differ. `tests/differential.rs` shows for each that it still does, by its example.

use super::evidence::{Applies, CalculatorEvidence, ImageEvidence, Known};
use crate::format::FormatRef;
use crate::formats;

/// All known differences.
pub fn all() -> impl Iterator<Item = &'static Known> {
    formats::ALL.into_iter().flat_map(|format| format.known())
}

/// The known difference of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Known> {
    all().find(|known| known.id == id)
}

/// The known differences of a QEMU whose version begins with `major`.
fn of(format: FormatRef, major: u32) -> impl Iterator<Item = &'static Known> {
    let known = format.known().iter();
    known.filter(move |known| known.gone_since.is_none_or(|since| major < since))
}

/// The first known difference from such a QEMU that explains an answer of a calculator.
pub(super) fn of_calculator(
    format: FormatRef,
    evidence: &CalculatorEvidence<'_>,
    major: u32,
) -> Option<&'static str> {
    of(format, major)
        .find(|known| matches!(known.applies, Applies::Calculator(applies) if applies(evidence)))
        .map(|known| known.id)
}

/// The first known difference from such a QEMU that explains an answer about an image.
pub(super) fn of_image(
    format: FormatRef,
    evidence: &ImageEvidence<'_>,
    major: u32,
) -> Option<&'static str> {
    of(format, major)
        .find(|known| matches!(known.applies, Applies::Image(applies) if applies(evidence)))
        .map(|known| known.id)
}
