//! How much of an image holds data: the plain scanners.
//!
//! Each reads an image as bytes that are all there at once. It has no sectors, no caches and no buffers
//! that tables straddle: these are what makes the scanners under test hard to get right.

use std::num::NonZeroU64;

use types::{AllocationSummary, Facts, ScanErrorKind, ScanFormat};

use sparse::Bytes;

use crate::readings::Reading;
use crate::{qcow2, vhd, vhdx, vmdk};

/// What each format's scanner has under a name, in the order of [`ScanFormat::ALL`].
macro_rules! table {
    ($item:ident) => {
        [
            qcow2::scanner::$item,
            vmdk::scanner::$item,
            vhd::scanner::$item,
            vhdx::scanner::$item,
        ]
    };
}

/// The right answer of a scan of an image of that format, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub fn scan<B: Bytes + ?Sized>(
    format: ScanFormat,
    image: &B,
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    read(format, image, unit, Reading::OURS)
}

/// The answer of a scan by one reading.
pub(crate) fn read<B: Bytes + ?Sized>(
    format: ScanFormat,
    image: &B,
    unit: Option<NonZeroU64>,
    reading: Reading,
) -> Result<AllocationSummary, ScanErrorKind> {
    type Scan<B> = fn(&B, Option<NonZeroU64>, Reading) -> Result<AllocationSummary, ScanErrorKind>;
    let scans: [Scan<B>; ScanFormat::COUNT] = table!(scan);
    scans[format as usize](image, unit, reading)
}

/// How many choices the readings of each format have.
pub(crate) const CHOICES: [u32; ScanFormat::COUNT] = table!(CHOICES);

/// Whether an image has something that makes a reader refuse it, and not our scanner.
pub(crate) fn may_be_refused<B: Bytes + ?Sized>(format: ScanFormat, image: &B) -> bool {
    let asked: [fn(&B) -> bool; ScanFormat::COUNT] = table!(may_be_refused);
    asked[format as usize](image)
}

/// What the metadata of an image of that format states.
///
/// # Errors
/// The kind of error with which a scan of the image ends. Only what these facts need is checked.
pub fn facts<B: Bytes + ?Sized>(format: ScanFormat, image: &B) -> Result<Facts, ScanErrorKind> {
    facts_by(format, image, Reading::OURS)
}

/// The facts by one reading.
pub(crate) fn facts_by<B: Bytes + ?Sized>(
    format: ScanFormat,
    image: &B,
    reading: Reading,
) -> Result<Facts, ScanErrorKind> {
    type FactsOf<B> = fn(&B, Reading) -> Result<Facts, ScanErrorKind>;
    let facts: [FactsOf<B>; ScanFormat::COUNT] = table!(facts);
    facts[format as usize](image, reading)
}
