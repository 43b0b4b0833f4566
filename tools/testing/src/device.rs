//! An image on a device that notes how it is read.
//!
//! A scanner may read whole sectors only, of the device it was given and inside its capacity. The
//! device refuses anything else and notes it; [`Device::assert_well_used`] fails afterwards, because a
//! panic cannot unwind through the call table.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::unix::fs::FileExt;

use shared::{InputDevice, ReadFailed};

/// The index under which every [`Device`] answers.
pub const DEVICE: u32 = 3;

/// The bytes of an image.
pub trait Source {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on; they are all there.
    fn read_at(&self, offset: u64, buffer: &mut [u8]);

    /// The bytes, when they are in memory.
    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        None
    }
}

impl Source for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) {
        let offset = usize::try_from(offset).expect("the offset is inside the slice");
        buffer.copy_from_slice(&self[offset..offset + buffer.len()]);
    }

    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self))
    }
}

impl Source for Vec<u8> {
    fn length(&self) -> u64 {
        self.as_slice().length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) {
        self.as_slice().read_at(offset, buffer);
    }

    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self))
    }
}

impl Source for File {
    fn length(&self) -> u64 {
        self.metadata().expect("an open file has a length").len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) {
        self.read_exact_at(buffer, offset)
            .expect("the bytes are in the file");
    }
}

/// An image on a device.
#[derive(Debug)]
pub struct Device<'s, S: ?Sized> {
    source: &'s S,
    sector_size: u32,
    /// Which read fails, counted from 0.
    fails: Option<u64>,
    reads: Cell<u64>,
    /// What was asked that must not be.
    misuse: RefCell<Vec<String>>,
}

impl<'s, S: Source + ?Sized> Device<'s, S> {
    /// `source` on a device with sectors of `sector_size` bytes.
    pub fn new(source: &'s S, sector_size: u32) -> Self {
        Self {
            source,
            sector_size,
            fails: None,
            reads: Cell::new(0),
            misuse: RefCell::default(),
        }
    }

    /// The same, but read number `fails`, counted from 0, fails: that one and no other.
    pub fn failing(source: &'s S, sector_size: u32, fails: u64) -> Self {
        Self {
            fails: Some(fails),
            ..Self::new(source, sector_size)
        }
    }

    /// The image's size in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.source.length()
    }

    /// The size of a sector in bytes.
    #[must_use]
    pub fn sector_size(&self) -> u32 {
        self.sector_size
    }

    /// Whether one of its reads fails.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.fails.is_some()
    }

    /// How often it was asked for a sector.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Fails when it was asked for anything but whole sectors of its own.
    pub fn assert_well_used(&self) {
        assert_eq!(*self.misuse.borrow(), [""; 0], "reads that must not be");
    }
}

impl<S: Source + ?Sized> InputDevice for Device<'_, S> {
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        let number = self.reads.replace(self.reads.get() + 1);
        let size = u64::from(self.sector_size);
        let start = sector.saturating_mul(size);
        let there = self.capacity().saturating_sub(start).min(size);
        if device != DEVICE || buffer.len() as u64 != size || there == 0 {
            self.misuse.borrow_mut().push(format!(
                "device {device}, sector {sector} of {size} bytes, a buffer of {}; the capacity is {}",
                buffer.len(),
                self.capacity()
            ));
            return Err(ReadFailed);
        }
        // What a failed read, or the end of the image inside a sector, leaves in the buffer.
        buffer.fill(0xee);
        if self.fails == Some(number) {
            return Err(ReadFailed);
        }
        let there = usize::try_from(there).expect("at most a sector");
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn sectors_are_served_and_counted_and_the_last_one_in_part() {
        let bytes: Vec<u8> = (0..700).map(|at| (at % 251) as u8).collect();
        let device = Device::new(&bytes, 512);
        let mut buffer = [0; 512];
        assert_eq!(device.read_sector(DEVICE, 1, &mut buffer), Ok(()));
        assert_eq!(buffer[..188], bytes[512..]);
        assert!(buffer[188..].iter().all(|&byte| byte == 0xee));
        assert_eq!(device.reads(), 1);
        device.assert_well_used();
    }

    #[test]
    fn one_read_fails_and_no_other() {
        let bytes = vec![7; 2048];
        let device = Device::failing(&bytes, 512, 1);
        let answers = [(); 3].map(|()| device.read_sector(DEVICE, 2, &mut [0; 512]));
        assert_eq!(answers, [Ok(()), Err(ReadFailed), Ok(())]);
        device.assert_well_used();
    }

    #[test]
    fn misuse_is_refused_and_noted() {
        let bytes = vec![7; 2048];
        for (index, sector, length) in [
            (DEVICE + 1, 0, 512),
            (DEVICE, 0, 511),
            (DEVICE, 0, 1024),
            (DEVICE, 4, 512),
            (DEVICE, u64::MAX, 512),
        ] {
            let device = Device::new(&bytes, 512);
            let answer = device.read_sector(index, sector, &mut vec![0; length]);
            assert_eq!(answer, Err(ReadFailed));
            let check = AssertUnwindSafe(|| device.assert_well_used());
            assert!(catch_unwind(check).is_err());
        }
    }
}
