//! Adding up what an image holds, and bounding the work of reading its tables.

use core::num::NonZeroU64;

use crate::{AllocationSummary, ScanError, TouchedUnits};

/// Adds up extents of data: bytes, and the target units that they touch.
///
/// Extents are given in ascending order and do not overlap, which is how every scanner walks its
/// tables; what reaches past the virtual disk's end is clipped.
#[derive(Debug, Clone)]
pub struct DataTally {
    virtual_size: u64,
    allocated_bytes: u64,
    unit: Option<NonZeroU64>,
    touched: u64,
    /// The first unit that no extent has touched so far.
    next_untouched: u64,
}

impl DataTally {
    /// Nothing yet, of a disk of `virtual_size` bytes; counts units of `unit` bytes when given.
    #[must_use]
    pub const fn new(virtual_size: u64, unit: Option<NonZeroU64>) -> Self {
        Self {
            virtual_size,
            allocated_bytes: 0,
            unit,
            touched: 0,
            next_untouched: 0,
        }
    }

    /// Adds `length` bytes of data at byte `start` of the virtual disk. Returns whether `start` lies
    /// before the disk's end; when it does not, later extents cannot either.
    #[inline] // Called for every cluster, grain or block, from other crates.
    pub fn add(&mut self, start: u64, length: u64) -> bool {
        if start >= self.virtual_size {
            return false;
        }
        let length = length.min(self.virtual_size - start);
        if length == 0 {
            return true;
        }
        self.allocated_bytes += length;
        if let Some(unit) = self.unit {
            let first = (start / unit).max(self.next_untouched);
            let past_last = (start + length - 1) / unit + 1;
            self.touched += past_last - first;
            self.next_untouched = past_last;
        }
        true
    }

    /// What was added up.
    #[must_use]
    pub fn summary(&self) -> AllocationSummary {
        AllocationSummary {
            virtual_size: self.virtual_size,
            allocated_bytes: self.allocated_bytes,
            touched: self.unit.map(|unit| TouchedUnits {
                unit: unit.get(),
                count: self.touched,
            }),
        }
    }
}

/// The pigeonhole rule, which keeps a scan linear in the image's size.
///
/// Thousands of directory entries may name one table, and a scanner without a heap cannot remember
/// which it has read. But tables that do not overlap fit the image together: when the tables named
/// add up to more than the image has, some overlap, and the image is corrupt.
#[derive(Debug, Clone)]
pub struct TableBudget {
    /// What is left, in sectors of 512 bytes.
    sectors_left: u64,
}

impl TableBudget {
    /// The budget of an image of `capacity` bytes: its sectors of 512, the last one in part counted whole.
    #[must_use]
    pub const fn new(capacity: u64) -> Self {
        Self {
            sectors_left: capacity.div_ceil(512),
        }
    }

    /// Takes one table of `bytes` bytes.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] when the tables taken add up to more sectors than the image has.
    pub const fn take(&mut self, bytes: u64) -> Result<(), ScanError> {
        match self.sectors_left.checked_sub(bytes.div_ceil(512)) {
            Some(left) => {
                self.sectors_left = left;
                Ok(())
            }
            None => Err(ScanError::Corrupt(
                "the tables named add up to more sectors than the image has",
            )),
        }
    }
}
