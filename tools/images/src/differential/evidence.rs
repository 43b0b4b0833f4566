//! The answers of QEMU and ours, by which a format knows a known difference.

use std::path::Path;

use harness_core::subject::Measured;
use recipes::Recipe;
use recipes::truth::Truth;
use shared::{AllocationSummary, ScanError};
use sparse::SparseImage;

use super::qemu::{Disk, Qemu};
use super::question::Question;
use crate::format::FormatRef;

/// What qemu-img answers to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TheirAnswer {
    /// What `measure` prints: required and fully allocated; negative from 2^63 on.
    Sizes(i64, i64),
    /// The length of the file that it wrote, in bytes.
    Length(u64),
    /// It refuses, with this complaint.
    Refused(String),
}

/// A question to which we answer differently than qemu-img.
pub(crate) struct CalculatorEvidence<'a> {
    pub question: &'a Question,
    /// Our answer.
    pub ours: Measured,
    /// qemu-img's.
    pub theirs: &'a TheirAnswer,
    /// Whether `qemu-img create` refuses such an image.
    pub not_created: &'a dyn Fn() -> bool,
}

impl CalculatorEvidence<'_> {
    /// About an empty disk: qemu-img made the image and fails to open it.
    pub(crate) fn cannot_open_its_own(&self) -> bool {
        let complaint = "Could not open 'image'";
        self.question.size == 0
            && self.ours.is_ok()
            && matches!(self.theirs, TheirAnswer::Refused(why) if why.contains(complaint))
    }
}

/// An image behind an input, in a folder with QEMU's tools.
pub(crate) struct AskedImage<'a> {
    /// The recipe, when it was made from one.
    pub recipe: Option<&'a Recipe>,
    pub format: FormatRef,
    pub image: &'a SparseImage,
    /// What is true of it by its making; `None` when it is damaged or cut.
    pub truth: Option<&'a Truth>,
    pub qemu: &'a Qemu,
    /// The folder with the image's file.
    pub folder: &'a Path,
}

/// What qemu-img reports about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TheirImage {
    /// The disk, or why it refuses the image.
    pub disk: Result<Disk, String>,
    /// What `qemu-img check` complains of, when it was asked.
    pub check: Option<String>,
}

impl TheirImage {
    /// An image that `qemu-img check` was not asked about.
    pub(crate) const fn new(disk: Result<Disk, String>) -> Self {
        Self { disk, check: None }
    }
}

/// An image about which we and QEMU disagree.
pub(crate) struct ImageEvidence<'a> {
    pub asked: &'a AskedImage<'a>,
    /// Our answer.
    pub ours: Result<AllocationSummary, ScanError>,
    /// QEMU's.
    pub theirs: &'a TheirImage,
}

impl ImageEvidence<'_> {
    /// We refuse the image with words that have `words` in them, and QEMU takes it.
    pub(crate) fn only_we_refuse(&self, words: &str) -> bool {
        match self.ours {
            Err(ScanError::Corrupt(why) | ScanError::Unsupported(why)) => {
                why.contains(words) && self.theirs.disk.is_ok()
            }
            Err(ScanError::NotThisFormat) => words == "not this format" && self.theirs.disk.is_ok(),
            _ => false,
        }
    }

    /// QEMU refuses the image with words that have `words` in them, and we take it.
    pub(crate) fn only_they_refuse(&self, words: &str) -> bool {
        let theirs = &self.theirs.disk;
        self.ours.is_ok()
            && theirs
                .as_ref()
                .is_err_and(|complaint| complaint.contains(words))
    }

    /// Both take the image: our answer and QEMU's.
    pub(crate) fn both(&self) -> Option<(AllocationSummary, &Disk)> {
        self.ours.ok().zip(self.theirs.disk.as_ref().ok())
    }

    /// The number of `N` bytes at byte `at` of the image, big-endian.
    pub(crate) fn big<const N: usize>(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.asked.image.read(at, &mut bytes[8 - N..]);
        u64::from_be_bytes(bytes)
    }

    /// The number of `N` bytes at byte `at` of the image, little-endian.
    pub(crate) fn little<const N: usize>(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.asked.image.read(at, &mut bytes[..N]);
        u64::from_le_bytes(bytes)
    }
}

/// A known difference between qemu-img's answer to a question and ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownAnswer {
    /// Its name, by which the format's table explains it.
    pub id: &'static str,
    /// Whether a question differs for this reason.
    pub applies: fn(&CalculatorEvidence<'_>) -> bool,
    /// A question that does.
    pub example: fn() -> Question,
}
