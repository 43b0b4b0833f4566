//! How much of an image holds data: the plain scanners.
//!
//! Each reads an image as bytes that are all there at once. What makes the scanners under test hard to
//! get right (sectors, two caches, buffers that tables straddle) is not here; what they must answer is.
//!
//! - [`qcow2`], [`vmdk`], [`vhd`], [`vhdx`]: one module a format.
//! - `data`: what they share: adding up data, the pigeonhole rule, and a table's entries.

use std::num::NonZeroU64;

use types::{AllocationSummary, Facts, ScanErrorKind, ScanFormat};

use sparse::Bytes;

mod data;
pub mod qcow2;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;

/// The right answer of a scan of an image of that format, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub fn scan(
    format: ScanFormat,
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    match format {
        ScanFormat::Qcow2 => self::qcow2::scan(image, unit),
        ScanFormat::Vmdk => self::vmdk::scan(image, unit),
        ScanFormat::Vhd => self::vhd::scan(image, unit),
        ScanFormat::Vhdx => self::vhdx::scan(image, unit),
    }
}

/// What an image of that format says of itself.
///
/// # Errors
/// For an image that is not sound, the kind of error with which a scan of it ends, as far as it was looked
/// at.
pub fn facts(format: ScanFormat, image: &(impl Bytes + ?Sized)) -> Result<Facts, ScanErrorKind> {
    match format {
        ScanFormat::Qcow2 => self::qcow2::facts(image),
        ScanFormat::Vmdk => self::vmdk::facts(image),
        ScanFormat::Vhd => self::vhd::facts(image),
        ScanFormat::Vhdx => self::vhdx::facts(image),
    }
}
