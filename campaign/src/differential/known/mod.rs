//! The differences between QEMU and us that are known, each with its reason and an example.
//!
//! Nothing else may differ. `tests/differential.rs` shows for each that it still does, by its example.

mod calculators;
mod qcow2;
mod vhd;
mod vhdx;
mod vmdk;

use harness_core::subject::{Measured, ScanFormat};
use recipes::Recipe;
use shared::{AllocationSummary, ScanError};
use sparse::SparseImage;

use super::images::{self, Disk};
use super::question::Question;

/// A known difference.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its name.
    pub id: &'static str,
    /// Why it is so.
    pub reason: &'static str,
    /// The first QEMU, by the first number of its version, that does not differ; `None` while all do.
    pub gone_since: Option<u32>,
    /// Whether a case differs for this reason.
    applies: Applies,
    /// A case that does.
    pub example: Example,
}

#[derive(Debug, Clone, Copy)]
enum Applies {
    Calculator(fn(&CalculatorEvidence<'_>) -> bool),
    Image(ScanFormat, fn(&ImageEvidence<'_>) -> bool),
}

/// A case with a difference.
#[derive(Debug, Clone, Copy)]
pub enum Example {
    /// A question.
    Question(fn() -> Question),
    /// A recipe: bytes that are not zero, and where.
    Recipe(&'static [(usize, &'static [u8])]),
}

/// A question to which we answer differently than qemu-img.
pub(super) struct CalculatorEvidence<'a> {
    pub(super) question: &'a Question,
    pub(super) ours: Measured,
    pub(super) theirs: &'a super::calculators::Theirs,
    /// Whether `qemu-img create` refuses such an image.
    pub(super) not_created: &'a dyn Fn() -> bool,
}

/// An image of which we say other things than QEMU.
pub(super) struct ImageEvidence<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) image: &'a SparseImage,
    /// Neither damaged nor cut.
    pub(super) is_whole: bool,
    pub(super) ours: Result<AllocationSummary, ScanError>,
    pub(super) theirs: &'a images::Theirs,
}

impl ImageEvidence<'_> {
    /// We refuse the image with words that have `words` in them, and QEMU takes it.
    fn only_we_refuse(&self, words: &str) -> bool {
        match self.ours {
            Err(ScanError::Corrupt(why) | ScanError::Unsupported(why)) => {
                why.contains(words) && self.theirs.disk.is_ok()
            }
            _ => false,
        }
    }

    /// QEMU refuses the image with words that have `words` in them, and we take it.
    fn only_they_refuse(&self, words: &str) -> bool {
        self.ours.is_ok()
            && self
                .theirs
                .disk
                .as_ref()
                .is_err_and(|complaint| complaint.contains(words))
    }

    /// Both take the image: our answer and QEMU's.
    fn both(&self) -> Option<(AllocationSummary, &Disk)> {
        self.ours.ok().zip(self.theirs.disk.as_ref().ok())
    }

    /// The number of `N` bytes at byte `at` of the image, big-endian.
    fn big<const N: usize>(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.image.read(at, &mut bytes[8 - N..]);
        u64::from_be_bytes(bytes)
    }

    /// The number of `N` bytes at byte `at` of the image, little-endian.
    fn little<const N: usize>(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.image.read(at, &mut bytes[..N]);
        u64::from_le_bytes(bytes)
    }
}

/// All known differences.
pub fn all() -> impl Iterator<Item = &'static Known> {
    [
        calculators::KNOWN,
        qcow2::KNOWN,
        vmdk::KNOWN,
        vhd::KNOWN,
        vhdx::KNOWN,
    ]
    .into_iter()
    .flatten()
}

/// The known difference of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Known> {
    all().find(|known| known.id == id)
}

impl Known {
    /// Whether a QEMU whose version begins with `major` may differ so.
    #[must_use]
    pub fn is_of(&self, major: u32) -> bool {
        self.gone_since.is_none_or(|since| major < since)
    }
}

/// The first known difference from such a QEMU that explains an answer of a calculator.
pub(super) fn of_calculator(evidence: &CalculatorEvidence<'_>, major: u32) -> Option<&'static str> {
    all()
        .filter(|known| known.is_of(major))
        .find(|known| matches!(known.applies, Applies::Calculator(applies) if applies(evidence)))
        .map(|known| known.id)
}

/// The first known difference from such a QEMU that explains an answer about an image.
pub(super) fn of_image(evidence: &ImageEvidence<'_>, major: u32) -> Option<&'static str> {
    let format = evidence.recipe.format;
    all()
        .filter(|known| known.is_of(major))
        .find(|known| {
            matches!(known.applies, Applies::Image(of, applies) if of == format && applies(evidence))
        })
        .map(|known| known.id)
}

impl Example {
    /// The recipe's bytes; `None` of a question.
    #[must_use]
    pub fn recipe(&self) -> Option<Vec<u8>> {
        let Self::Recipe(parts) = self else {
            return None;
        };
        let mut bytes = vec![0; recipes::LENGTH];
        for (at, part) in *parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        Some(bytes)
    }
}
