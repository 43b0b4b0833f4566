//! Allocation scanner for raw images.
//!
//! A raw image has no tables: every byte of it is data. (A file system may know of holes. The caller
//! finds them with `SEEK_DATA` and `SEEK_HOLE`.)
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]
#![forbid(unsafe_code)]

use core::num::NonZeroU64;

use shared::{AllocationSummary, DataTally};

/// Everything is data: `virtual_size` bytes, and every unit of `unit` bytes when one is given.
#[must_use]
pub fn scan_allocation(virtual_size: u64, unit: Option<NonZeroU64>) -> AllocationSummary {
    let mut tally = DataTally::new(virtual_size, unit);
    tally.add(0, virtual_size);
    tally.summary()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_data() {
        assert_eq!(
            scan_allocation(1025, NonZeroU64::new(512)),
            AllocationSummary::new(1025, 1025).with_touched(512, 3)
        );
        assert_eq!(scan_allocation(0, None), AllocationSummary::new(0, 0));
        assert_eq!(
            scan_allocation(u64::MAX, NonZeroU64::new(1)),
            AllocationSummary::new(u64::MAX, u64::MAX).with_touched(1, u64::MAX)
        );
    }
}
