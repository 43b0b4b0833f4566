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

#[cfg(test)]
mod tests {
    use types::TouchedUnits;

    use super::*;
    use crate::sizes::tests::{answer, empty, full};

    #[test]
    fn whole_sectors_and_limits() {
        for disk in [empty, full] {
            assert_eq!(measure(&disk(0)), answer(0, 0));
            assert_eq!(measure(&disk(1)), answer(512, 512));
            assert_eq!(measure(&disk(512)), answer(512, 512));
            assert_eq!(measure(&disk(513)), answer(1024, 1024));
            let largest = (1 << 63) - 512;
            assert_eq!(measure(&disk(largest)), answer(largest, largest));
            assert_eq!(measure(&disk(largest + 1)), Err(MeasureError::Overflow));
            assert_eq!(measure(&disk(LARGEST_DISK)), Err(MeasureError::Overflow));
            assert_eq!(measure(&disk(1 << 63)), Err(MeasureError::InvalidSize));
        }
    }

    #[test]
    fn any_unit_but_none() {
        let counted = |unit, count| {
            measure(&AllocationSummary {
                touched: Some(TouchedUnits { unit, count }),
                ..empty(1000)
            })
        };
        assert_eq!(counted(0, 0), Err(MeasureError::InvalidOption));
        assert_eq!(counted(300, 4), answer(1024, 1024));
        assert_eq!(counted(300, 5), Err(MeasureError::InvalidSize));
        assert_eq!(counted(u64::MAX, 1), answer(1024, 1024));
    }
}
