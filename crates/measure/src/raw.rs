//! Raw: the virtual disk's bytes, and nothing else.

use types::AllocationSummary;

use crate::arithmetic::SECTOR;
use crate::request::{answer, check_sizes};
use crate::{MeasureError, MeasureOutput};

/// How large a raw image would be: the virtual disk's size rounded up to 512 bytes, whatever it holds.
///
/// Raw has no unit of its own: a count of touched units may be in any unit but one of no bytes. The
/// formula is that of `raw_measure` in QEMU's `block/raw-format.c`. (For 2^63 - 1 bytes `qemu-img
/// measure` prints a negative number; here the sum of the two answers is 2^64, an overflow.)
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: touched units of no bytes.
/// - [`MeasureError::InvalidSize`]: a disk over 2^63 - 1 bytes, more data than the disk is large, or
///   more touched units than the disk has.
/// - [`MeasureError::Overflow`]: the sum of the two answers does not fit, from 2^63 - 511 bytes on.
pub fn measure_raw(s: &AllocationSummary) -> Result<MeasureOutput, MeasureError> {
    check_sizes(s)?;
    let size = SECTOR.round_up(s.virtual_size)?;
    answer(size, size)
}
