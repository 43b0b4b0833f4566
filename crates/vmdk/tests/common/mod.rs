//! The scanner under test, for the checks that all formats share.

use shared::{AllocationSummary, ScanError};
use testing::scan::{self, SECTOR_SIZES};
use vmdk::VmdkState;

testing::scanner!(Vmdk, VmdkState);

/// The answer for an image, for every sector size.
pub(crate) fn answer(bytes: &[u8], unit: Option<u64>) -> Result<AllocationSummary, ScanError> {
    scan::answer(&Vmdk, bytes, unit, &SECTOR_SIZES)
}
