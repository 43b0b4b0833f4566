//! STUB
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]
use core::num::NonZeroU64;
use shared::{AllocationSummary, CallTable, ScanError};

/// The parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QcowHeader {
    /// The virtual disk's size in bytes.
    pub virtual_size: u64,
}
impl QcowHeader {
    /// Parses the image's first sector (at least 512 bytes).
    pub fn parse(first_sector: &[u8]) -> Result<Self, ScanError> {
        let _ = first_sector;
        todo!()
    }
}

/// A scanner over one image.
#[derive(Debug)]
pub struct Qcow2State<'a> {
    calls: CallTable<'a>,
}

impl<'a> Qcow2State<'a> {
    /// Reads and verifies the headers.
    pub fn init(
        calls: CallTable<'a>,
        device: u32,
        l1_cache: &'a mut [u8],
        l2_cache: &'a mut [u8],
    ) -> Result<Self, ScanError> {
        let _ = (device, l1_cache, l2_cache, calls);
        todo!()
    }
    /// Walks the tables.
    pub fn scan_allocation(
        &mut self,
        virtual_size: u64,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        let _ = (unit, self.calls);
        todo!()
    }
    /// Bytes read from the device by `init` and every scan so far.
    pub fn bytes_read(&self) -> u64 {
        todo!()
    }
}
