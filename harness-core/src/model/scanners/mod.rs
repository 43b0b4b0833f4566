//! How much of an image holds data: the plain scanners.

use std::num::NonZeroU64;

use shared::AllocationSummary;

use crate::model::bytes::Bytes;
use crate::subject::{ScanErrorKind, ScanFormat};

/// The right answer of a scan of an image of that format, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub fn scan(
    format: ScanFormat,
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    let _ = (format, image.length(), unit);
    unimplemented!()
}
