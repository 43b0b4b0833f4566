//! The scanner on hand-built images.
//!
//! - [`header`]: every bound of the header, and the error that says so.
//! - [`tables`]: what each kind of L1 and L2 entry counts for, and which are errors.
//! - [`hostile`]: aliasing tables, failing reads, random damage; that work stays bounded.

#[path = "../common/mod.rs"]
mod common;

mod header;
mod hostile;
mod image;
mod tables;

use common::Qcow2;
use shared::{AllocationSummary, ScanError};
use testing::scan::{self, SECTOR_SIZES};

/// The answer for an image, for every sector size; `virtual_size` in bytes, the header's when absent.
fn answer(
    bytes: &[u8],
    virtual_size: Option<u64>,
    unit: Option<u64>,
) -> Result<AllocationSummary, ScanError> {
    scan::answer(&Qcow2(virtual_size), bytes, unit, &SECTOR_SIZES)
}
