//! STUB
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]
use core::num::NonZeroU64;
use shared::{AllocationSummary, CallTable, ScanError};

/// A scanner over one image.
#[derive(Debug)]
pub struct VhdxState<'a> {
    calls: CallTable<'a>,
}

impl<'a> VhdxState<'a> {
    /// Reads and verifies the headers.
    pub fn init(
        calls: CallTable<'a>,
        device: u32,
        bat_cache: &'a mut [u8],
        data_cache: &'a mut [u8],
    ) -> Result<Self, ScanError> {
        let _ = (device, bat_cache, data_cache, calls);
        todo!()
    }
    /// Walks the tables.
    pub fn scan_allocation(
        &mut self,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        let _ = (unit, self.calls);
        todo!()
    }
    /// Bytes read from the device by `init` and every scan so far.
    pub fn bytes_read(&self) -> u64 {
        todo!()
    }
    /// The virtual disk's size in bytes.
    pub fn virtual_size(&self) -> u64 {
        todo!()
    }
}
