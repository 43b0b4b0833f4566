//! Raw: the disk's bytes in whole sectors.

use types::{AllocationSummary, MeasureError, Measured};

use crate::sizes::{LARGEST_DISK, plain, too_large, too_many};

/// The size of a raw image (`raw_measure` in QEMU's `block/raw-format.c`).
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: units of no bytes; raw has no unit of its own, any other will do.
/// - [`MeasureError::InvalidSize`]: a disk over 2^63 - 1 bytes, or more data or units than it has.
/// - [`MeasureError::Overflow`]: the sum of the two answers is 2^64.
#[inline]
pub(crate) fn measure(summary: &AllocationSummary) -> Measured {
    let (unit, count) = summary
        .touched
        .map_or((1, 0), |touched| (touched.unit, touched.count));
    if unit == 0 {
        return Err(MeasureError::InvalidOption);
    }
    if too_large(summary, LARGEST_DISK) | too_many(count, unit, summary.virtual_size) {
        return Err(MeasureError::InvalidSize);
    }
    plain(summary.virtual_size)
}
