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

#[cfg(test)]
mod tests {
    use super::*;

    fn size(summary: AllocationSummary) -> Result<u64, MeasureError> {
        measure_raw(&summary).map(|out| {
            assert_eq!(out.required, out.fully_allocated);
            out.required
        })
    }

    #[test]
    fn a_raw_image_is_the_disk_in_whole_sectors_whatever_it_holds() {
        for (disk, file) in [
            (0, 0),
            (1, 512),
            (511, 512),
            (512, 512),
            (513, 1024),
            (1 << 40, 1 << 40),
        ] {
            assert_eq!(size(AllocationSummary::new(disk, 0)), Ok(file));
            assert_eq!(size(AllocationSummary::new(disk, disk)), Ok(file));
        }
    }

    #[test]
    fn the_last_sizes_before_2_to_the_63_overflow_and_those_after_are_invalid() {
        let largest = (1 << 63) - 512;
        assert_eq!(size(AllocationSummary::new(largest - 1, 0)), Ok(largest));
        assert_eq!(size(AllocationSummary::new(largest, 0)), Ok(largest));
        for disk in [largest + 1, i64::MAX as u64] {
            assert_eq!(
                size(AllocationSummary::new(disk, 0)),
                Err(MeasureError::Overflow)
            );
            // An invalid size hides the overflow.
            assert_eq!(
                size(AllocationSummary::new(disk, disk + 1)),
                Err(MeasureError::InvalidSize)
            );
        }
        for disk in [1 << 63, u64::MAX] {
            assert_eq!(
                size(AllocationSummary::new(disk, 0)),
                Err(MeasureError::InvalidSize)
            );
        }
    }

    #[test]
    fn no_more_data_than_the_disk_is_large() {
        assert_eq!(size(AllocationSummary::new(1000, 1000)), Ok(1024));
        assert_eq!(
            size(AllocationSummary::new(1000, 1001)),
            Err(MeasureError::InvalidSize)
        );
    }

    #[test]
    fn units_may_be_counted_in_any_size_but_nothing() {
        let disk = AllocationSummary::new(1000, 10);
        for (unit, most) in [
            (1, 1000),
            (3, 334),
            (512, 2),
            (1000, 1),
            (1 << 63, 1),
            (u64::MAX, 1),
        ] {
            assert_eq!(size(disk.with_touched(unit, 0)), Ok(1024));
            assert_eq!(size(disk.with_touched(unit, most)), Ok(1024));
            assert_eq!(
                size(disk.with_touched(unit, most + 1)),
                Err(MeasureError::InvalidSize)
            );
        }
        // No bytes: refused before any size.
        for disk in [
            disk,
            AllocationSummary::new(u64::MAX, 0),
            AllocationSummary::new(0, 1),
        ] {
            assert_eq!(
                size(disk.with_touched(0, 0)),
                Err(MeasureError::InvalidOption)
            );
        }
        let empty = AllocationSummary::new(0, 0);
        assert_eq!(size(empty.with_touched(512, 0)), Ok(0));
        assert_eq!(
            size(empty.with_touched(512, 1)),
            Err(MeasureError::InvalidSize)
        );
    }
}
