//! A device that watches what is asked of it, and one way to scan an image that checks everything
//! which holds for every image.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;

use shared::{AllocationSummary, CallTable, InputDevice, ReadFailed, ScanError};
use vhdx::VhdxState;

/// The device index that the scanner is given.
const DEVICE: u32 = 7;

/// All sector sizes that a device may have.
pub(crate) const SECTOR_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// The bytes of an image.
pub(crate) trait Source {
    /// Bytes in all.
    fn length(&self) -> u64;
    /// Fills `buffer` with the bytes from `offset` on; they are all there.
    fn read_at(&self, offset: u64, buffer: &mut [u8]);
}

/// An image on a device with sectors of `sector_size` bytes.
pub(crate) struct Device<'a, S> {
    source: &'a S,
    sector_size: u32,
    /// The read that fails, counted from 0.
    fails: Option<u64>,
    /// Reads asked for so far.
    pub(crate) reads: Cell<u64>,
    /// What was asked that must not be.
    wrong: RefCell<Vec<String>>,
}

impl<'a, S: Source> Device<'a, S> {
    pub(crate) fn new(source: &'a S, sector_size: u32, fails: Option<u64>) -> Self {
        Self {
            source,
            sector_size,
            fails,
            reads: Cell::new(0),
            wrong: RefCell::default(),
        }
    }

    /// One `init` and two scans; the second, and everything that was asked, are checked here.
    pub(crate) fn scan(&self, unit: Option<NonZeroU64>) -> Result<AllocationSummary, ScanError> {
        let size = self.sector_size as usize;
        // More than a sector, and not zeros: neither may matter.
        let (mut bat, mut data) = (vec![0xa5; size + 1], vec![0x5a; size]);
        let answer = VhdxState::init(CallTable::over(self), DEVICE, &mut bat, &mut data).and_then(
            |mut state| {
                let answer = state.scan_allocation(unit);
                let reads = self.reads.get();
                assert!(reads <= self.most_reads(), "{reads} reads");
                if self.fails.is_none() {
                    assert_eq!(state.bytes_read(), reads * size as u64);
                    assert_eq!(state.scan_allocation(unit), answer, "the second scan");
                }
                answer.inspect(|answer| assert_eq!(answer.virtual_size, state.virtual_size()))
            },
        );
        assert_eq!(*self.wrong.borrow(), [""; 0]);
        if let Ok(answer) = answer {
            assert!(answer.allocated_bytes <= answer.virtual_size);
            assert_eq!(
                answer.touched.map(|touched| touched.unit),
                unit.map(NonZeroU64::get)
            );
        }
        answer
    }

    /// The bound on the reads of one `init` and one scan.
    fn most_reads(&self) -> u64 {
        4 * self.source.length().div_ceil(512) + 64
    }
}

impl<S: Source> InputDevice for Device<'_, S> {
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        let number = self.reads.replace(self.reads.get() + 1);
        let size = u64::from(self.sector_size);
        let start = sector.saturating_mul(size);
        let there = self.source.length().saturating_sub(start).min(size) as usize;
        // A panic could not unwind through the call table.
        if device != DEVICE || buffer.len() as u64 != size || there == 0 {
            self.wrong.borrow_mut().push(format!(
                "device {device}, sector {sector}, {} bytes",
                buffer.len()
            ));
            return Err(ReadFailed);
        }
        buffer.fill(0xee);
        if self.fails == Some(number) {
            return Err(ReadFailed);
        }
        self.source.read_at(start, &mut buffer[..there]);
        Ok(())
    }

    fn capacity(&self, _: u32) -> u64 {
        self.source.length()
    }

    fn sector_size(&self, _: u32) -> u32 {
        self.sector_size
    }
}

/// Scans the image on devices with sectors of all `sizes`, which must give one answer.
pub(crate) fn scan(
    source: &impl Source,
    unit: Option<u64>,
    sizes: &[u32],
) -> Result<AllocationSummary, ScanError> {
    let unit = unit.map(|unit| NonZeroU64::new(unit).expect("a unit is not 0"));
    let answers: Vec<_> = sizes
        .iter()
        .map(|&size| Device::new(source, size, None).scan(unit))
        .collect();
    for (answer, size) in answers.iter().zip(sizes) {
        assert_eq!(*answer, answers[0], "sectors of {size} bytes");
    }
    answers[0]
}
