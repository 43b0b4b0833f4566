//! How much of a qcow2 image holds data.

use std::num::NonZeroU64;

use shared::AllocationSummary;

use crate::model::bytes::Bytes;
use crate::subject::ScanErrorKind;

/// The right answer of a scan of the image, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    let _ = (image.length(), unit);
    unimplemented!()
}
