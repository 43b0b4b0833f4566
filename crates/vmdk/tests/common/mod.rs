//! An in-memory device that notes how it is used, and a scan that checks what holds for every image:
//! the same answer for every sector size and on a second scan, bounded reads, honest counts.

use std::cell::Cell;
use std::num::NonZeroU64;

use shared::{AllocationSummary, CallTable, InputDevice, ReadFailed, ScanError};
use vmdk::VmdkState;

/// Every sector size that a device may have, in bytes.
pub(crate) const SECTOR_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// The index under which a device answers.
const DEVICE: u32 = 3;

/// An image in memory.
pub(crate) struct Device<'b> {
    bytes: &'b [u8],
    sector_size: u32,
    /// Which read fails, counted from 0.
    fails: Option<u64>,
    reads: Cell<u64>,
    misuse: Cell<Option<&'static str>>,
}

impl<'b> Device<'b> {
    /// The image `bytes`; read number `fails`, from 0, fails.
    pub(crate) fn new(bytes: &'b [u8], sector_size: u32, fails: Option<u64>) -> Self {
        Self {
            bytes,
            sector_size,
            fails,
            reads: Cell::new(0),
            misuse: Cell::new(None),
        }
    }

    /// How often the device was asked for a sector.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Initialises a scanner and scans `scans` times: the last answer. Checks what `bytes_read` says.
    pub(crate) fn scan(
        &self,
        unit: Option<NonZeroU64>,
        scans: u32,
    ) -> Result<AllocationSummary, ScanError> {
        let sector = self.sector_size as usize;
        // What a cache held before does not matter, and it may be larger than a sector.
        let (mut gd, mut gt) = (vec![0xa5; sector], vec![0x5a; sector + 100]);
        let state = VmdkState::init(CallTable::over(self), DEVICE, &mut gd, &mut gt);
        assert_eq!(self.misuse.get(), None);
        let mut state = state?;
        let mut answer = state.scan_allocation(unit);
        for _ in 1..scans {
            answer = state.scan_allocation(unit);
        }
        assert_eq!(self.misuse.get(), None);
        if self.fails.is_none() {
            assert_eq!(
                state.bytes_read(),
                self.reads() * u64::from(self.sector_size)
            );
        }
        answer
    }
}

impl InputDevice for Device<'_> {
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        // A panic here would abort the process, so misuse is noted and asserted later.
        let read = self.reads.replace(self.reads.get() + 1);
        if device != DEVICE {
            self.misuse.set(Some("another device was read"));
        }
        if buffer.len() != self.sector_size as usize {
            self.misuse.set(Some("a buffer is not one sector long"));
        }
        let start = sector.saturating_mul(u64::from(self.sector_size));
        if start >= self.bytes.len() as u64 {
            self.misuse.set(Some("a sector past the end was read"));
            return Err(ReadFailed);
        }
        buffer.fill(0xee);
        if self.fails == Some(read) {
            return Err(ReadFailed);
        }
        let there = &self.bytes[start as usize..];
        let length = there.len().min(buffer.len());
        buffer[..length].copy_from_slice(&there[..length]);
        Ok(())
    }

    fn capacity(&self, _: u32) -> u64 {
        self.bytes.len() as u64
    }

    fn sector_size(&self, _: u32) -> u32 {
        self.sector_size
    }
}

/// The answer for an image, which is the same for every sector size and on a second scan, and costs a
/// bounded number of reads.
pub(crate) fn answer(bytes: &[u8], unit: Option<u64>) -> Result<AllocationSummary, ScanError> {
    let unit = unit.map(|unit| NonZeroU64::new(unit).expect("a unit is not zero"));
    let bound = 4 * (bytes.len() as u64).div_ceil(512) + 64;
    let answers = SECTOR_SIZES.map(|sector_size| {
        let device = Device::new(bytes, sector_size, None);
        let once = device.scan(unit, 1);
        let reads = device.reads();
        assert!(
            reads <= bound,
            "{reads} reads of {sector_size} bytes, bound {bound}"
        );
        assert_eq!(
            once,
            Device::new(bytes, sector_size, None).scan(unit, 2),
            "a second scan answers otherwise"
        );
        once
    });
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "the answer depends on the sector size: {answers:?}"
    );
    answers[0]
}
