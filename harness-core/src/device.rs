//! The mock device: a fuzzer's image, served one sector at a time.
//!
//! The image is borrowed. The device counts what it serves, notes every read that it should not have
//! been asked for, fails the read that it is set to fail and those after all that it is set to serve, and
//! stops serving when a scanner reads more than its bound, so that quadratic work becomes a failed check
//! and not a hang.

use std::cell::Cell;

pub use sparse::file::BOUND_SECTOR;
use sparse::file::{ImageFile, Limits, Served};

use shared::{CallTable, InputDevice, ReadFailed};

use sparse::{PAGE, Place, SparseImage};
use worker::Violation;

/// What the device holds.
#[derive(Debug, Clone, Copy)]
enum Image<'a> {
    Flat(&'a [u8]),
    Sparse(&'a SparseImage),
}

/// A device over a fuzzer's image. Its sectors are whole pages of a sparse image.
#[derive(Debug)]
pub struct MockDevice<'a> {
    image: Image<'a>,
    sector_size: u32,
    device: u32,
    place: Cell<Place>,
    fails: Option<u64>,
    serves: u64,
    /// How many sector reads are served.
    bound: u64,
    reads: Cell<u64>,
    bytes_served: Cell<u64>,
    misuse: Cell<Option<&'static str>>,
    failed: Cell<Option<u64>>,
    overran: Cell<bool>,
    stopped: Cell<bool>,
    memory: Cell<u64>,
}

impl Default for MockDevice<'_> {
    fn default() -> Self {
        Self::new(512, 0)
    }
}

impl<'a> MockDevice<'a> {
    /// An empty device with sectors of `sector_size` bytes, known under the index `device`.
    #[must_use]
    pub fn new(sector_size: u32, device: u32) -> Self {
        Self {
            image: Image::Flat(&[]),
            sector_size,
            device,
            place: Cell::default(),
            fails: None,
            serves: u64::MAX,
            bound: 64, // of an empty image
            reads: Cell::new(0),
            bytes_served: Cell::new(0),
            misuse: Cell::new(None),
            failed: Cell::new(None),
            overran: Cell::new(false),
            stopped: Cell::new(false),
            memory: Cell::new(0),
        }
    }

    /// Puts a flat image on the device and starts counting afresh.
    pub fn set_fuzz_input(&mut self, image: &'a [u8]) {
        self.set(Image::Flat(image));
    }

    /// Puts a sparse image on the device and starts counting afresh.
    pub fn set_sparse_input(&mut self, image: &'a SparseImage) {
        self.set(Image::Sparse(image));
    }

    /// Makes the `nth` read from now on fail, counted from 0; the reads after it are served again.
    pub fn fail_read(&mut self, nth: u64) {
        self.fails = Some(self.reads.get() + nth);
    }

    /// Makes every read fail that would bring what was served to more than `bytes`.
    pub fn serve_at_most(&mut self, bytes: u64) {
        self.serves = bytes;
    }

    fn set(&mut self, image: Image<'a>) {
        *self = Self {
            image,
            ..Self::new(self.sector_size, self.device)
        };
        self.expect_scans(1);
    }

    /// The image as a file, with a copy of its bytes and the limits of this device.
    #[must_use]
    pub fn file(&self) -> ImageFile {
        match self.image {
            Image::Flat(image) => ImageFile::flat(image.to_vec(), self.limits()),
            Image::Sparse(image) => ImageFile::sparse(image.clone(), self.limits()),
        }
    }

    /// What a file of this device does not serve.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            fails: self.fails,
            serves: self.serves,
            reads: self.read_bound(),
        }
    }

    /// Takes over what a file of this device served, and how many bytes of memory were taken for that.
    pub(crate) fn note_served(&self, served: Served, memory: u64) {
        self.memory.set(memory);
        self.reads.set(served.reads);
        self.bytes_served.set(served.bytes);
        let sector = |offset| offset / u64::from(self.sector_size);
        self.failed.set(served.first_failed.map(sector));
        self.overran.set(served.overran);
        self.stopped.set(served.stopped);
    }

    /// The image's size in bytes.
    #[must_use]
    pub fn input_capacity(&self) -> u64 {
        match &self.image {
            Image::Flat(image) => image.len() as u64,
            Image::Sparse(image) => image.capacity(),
        }
    }

    /// The call table through which a scanner reads this device.
    #[must_use]
    pub fn build_call_table(&self) -> CallTable<'_> {
        CallTable::over(self)
    }

    /// The size of its sectors in bytes.
    #[must_use]
    pub fn sector_size(&self) -> u32 {
        self.sector_size
    }

    /// The index under which the device is known.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.device
    }

    /// The most sector reads that this many scans of the image may need (see
    /// [`expect_scans`](Self::expect_scans)).
    #[must_use]
    pub fn read_bound(&self) -> u64 {
        self.bound
    }

    /// Says that the image will be scanned so many times; without it, once.
    pub fn expect_scans(&mut self, scans: u64) {
        let sectors = self.input_capacity().div_ceil(BOUND_SECTOR);
        let of_one = sectors.saturating_mul(4).saturating_add(64);
        self.bound = of_one.saturating_mul(scans);
    }

    /// How many sectors the device was asked for, failed reads included.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// How many bytes the device served, in whole sectors.
    #[must_use]
    pub fn bytes_served(&self) -> u64 {
        self.bytes_served.get()
    }

    /// The first read that should not have been asked for, in words.
    #[must_use]
    pub fn misuse(&self) -> Option<&'static str> {
        self.misuse.get()
    }

    /// The sector of the first read that failed because it was set to fail, if there was one.
    #[must_use]
    pub fn failed_sector(&self) -> Option<u64> {
        self.failed.get()
    }

    /// The most bytes of memory that a scan took at once, if that was counted.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.get()
    }

    /// The most bytes of memory that a scan may take: those of [`check::MEMORY`](crate::check::MEMORY).
    pub(crate) fn memory_bound(&self) -> u64 {
        (64 << 20) + 4 * self.input_capacity().min(256 << 20)
    }

    /// Adds how much memory was taken to a violation of [`check::MEMORY`](crate::check::MEMORY).
    pub(crate) fn with_memory(&self, violation: Violation) -> Violation {
        violation
            .with("memory", self.memory())
            .with("memory_allowed", self.memory_bound())
    }

    /// Whether a scan took no more memory than it may.
    pub(crate) fn is_memory_bounded(&self) -> bool {
        self.memory() <= self.memory_bound()
    }

    /// Whether the scans read no more than they may.
    pub(crate) fn is_work_bounded(&self) -> bool {
        self.reads() <= self.read_bound() && !self.overran.get()
    }

    /// Whether so much was read that nothing more was served.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.get()
    }

    fn refuse(&self, why: &'static str) -> Result<(), ReadFailed> {
        if self.misuse.get().is_none() {
            self.misuse.set(Some(why));
        }
        Err(ReadFailed)
    }
}

impl InputDevice for MockDevice<'_> {
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        self.reads.set(self.reads.get() + 1);
        if device != self.device {
            return self.refuse("a read of another device");
        }
        if buffer.len() != self.sector_size as usize {
            return self.refuse("a read that is not one sector long");
        }
        let capacity = self.input_capacity();
        let Some(start) = sector
            .checked_mul(u64::from(self.sector_size))
            .filter(|&start| start < capacity)
        else {
            return self.refuse("a read past the capacity");
        };
        if self.reads.get() > self.read_bound() {
            // Not misuse in itself: the check on the number of reads reports it.
            self.stopped.set(true);
            return Err(ReadFailed);
        }
        let served = self.bytes_served.get() + buffer.len() as u64;
        if self.fails == Some(self.reads.get() - 1) || served > self.serves {
            self.failed.set(self.failed.get().or(Some(sector)));
            // Whoever uses what a failed read leaves behind finds nonsense.
            buffer.fill(0xa5);
            return Err(ReadFailed);
        }
        match &self.image {
            Image::Flat(image) => {
                let rest = usize::try_from(start).map_or(&[][..], |start| &image[start..]);
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                buffer[length..].fill(0);
            }
            Image::Sparse(image) => {
                let mut place = self.place.get();
                image.read_pages(start / PAGE, buffer, &mut place);
                self.place.set(place);
            }
        }
        self.bytes_served.set(served);
        Ok(())
    }

    fn capacity(&self, device: u32) -> u64 {
        if device == self.device {
            self.input_capacity()
        } else {
            0
        }
    }

    fn sector_size(&self, _device: u32) -> u32 {
        self.sector_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(device: &MockDevice<'_>, sector: u64) -> Result<Vec<u8>, ReadFailed> {
        let mut buffer = vec![0xee; device.sector_size as usize];
        device
            .build_call_table()
            .read_input_sector(device.device, sector, &mut buffer)
            .map(|()| buffer)
    }

    #[test]
    fn the_last_sector_is_filled_up_with_zeros() {
        let mut device = MockDevice::default();
        device.set_fuzz_input(&[7; 700]);
        let last = read(&device, 1).unwrap();
        assert_eq!((&last[..188], &last[188..]), (&[7; 188][..], &[0; 324][..]));
        let other = device.device + 1;
        assert_eq!(CallTable::over(&device).get_input_capacity(other), 0);
    }

    #[test]
    fn reads_after_all_that_shall_be_served_fail() {
        let mut device = MockDevice::default();
        device.set_fuzz_input(&[9; 2048]);
        device.serve_at_most(1500);
        assert!(read(&device, 3).is_ok());
        assert!(read(&device, 3).is_ok());
        assert_eq!(device.failed_sector(), None);
        assert!(read(&device, 1).is_err());
        assert!(read(&device, 2).is_err());
        assert_eq!(device.failed_sector(), Some(1));
        assert_eq!((device.bytes_served(), device.misuse()), (1024, None));
        device.set_fuzz_input(&[9; 512]);
        assert!((0..9).all(|_| read(&device, 0).is_ok()));
    }

    #[test]
    fn reads_past_the_bound_are_not_served() {
        let mut device = MockDevice::default();
        device.set_fuzz_input(&[0; 512]);
        for _ in 0..device.read_bound() {
            assert!(read(&device, 0).is_ok());
        }
        assert!(read(&device, 0).is_err());
        assert_eq!(device.reads(), 69);
    }
}
