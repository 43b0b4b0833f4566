//! The mock device: a fuzzer's image, served one sector at a time.
//!
//! The image is borrowed from the fuzzer's input and never copied. The device counts what it serves,
//! notes every read that it should not have been asked for, and stops serving when a scanner reads
//! more than its bound, so that quadratic work becomes a failed check and not a hang.

use std::cell::Cell;

use shared::{CallTable, InputDevice, ReadFailed};

/// Sectors of this many bytes are the unit of the bound on reads, whatever the device's sector size.
pub const BOUND_SECTOR: u64 = 512;

/// The most segments that a packed image may have.
pub const MAX_SEGMENTS: usize = 64;

/// Some bytes of a packed image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Where the bytes begin, in bytes from the image's start.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// What the device holds. It lives on the stack for one execution, and is never moved in between.
#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost every execution an allocation"
)]
#[derive(Debug, Clone)]
enum Image<'a> {
    Flat(&'a [u8]),
    Packed {
        capacity: u64,
        segments: [Segment<'a>; MAX_SEGMENTS],
        used: usize,
    },
}

/// A device over a fuzzer's image.
#[derive(Debug)]
pub struct MockDevice<'a> {
    image: Image<'a>,
    sector_size: u32,
    device: u32,
    reads: Cell<u64>,
    bytes_served: Cell<u64>,
    misuse: Cell<Option<&'static str>>,
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
            reads: Cell::new(0),
            bytes_served: Cell::new(0),
            misuse: Cell::new(None),
        }
    }

    /// Puts a flat image on the device and starts counting afresh.
    pub fn set_fuzz_input(&mut self, image: &'a [u8]) {
        self.set(Image::Flat(image));
    }

    /// Puts a sparse image of `capacity` bytes on the device and starts counting afresh. What no
    /// segment covers reads as zeros; where two overlap the later one counts; segments after the
    /// first [`MAX_SEGMENTS`], and what lies past `capacity`, are ignored.
    pub fn set_packed_input(&mut self, capacity: u64, from: impl IntoIterator<Item = Segment<'a>>) {
        let mut segments = [Segment::default(); MAX_SEGMENTS];
        let mut used = 0;
        for (place, segment) in segments.iter_mut().zip(from) {
            *place = segment;
            used += 1;
        }
        self.set(Image::Packed {
            capacity,
            segments,
            used,
        });
    }

    fn set(&mut self, image: Image<'a>) {
        self.image = image;
        self.reads.set(0);
        self.bytes_served.set(0);
        self.misuse.set(None);
    }

    /// The image's size in bytes.
    #[must_use]
    pub fn input_capacity(&self) -> u64 {
        match &self.image {
            Image::Flat(image) => image.len() as u64,
            Image::Packed { capacity, .. } => *capacity,
        }
    }

    /// The call table through which a scanner reads this device.
    #[must_use]
    pub fn build_call_table(&self) -> CallTable<'_> {
        CallTable::over(self)
    }

    /// The index under which the device is known.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.device
    }

    /// The most sector reads that a scan of this image may need.
    #[must_use]
    pub fn read_bound(&self) -> u64 {
        self.input_capacity().div_ceil(BOUND_SECTOR) * 4 + 64
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
            return Err(ReadFailed);
        }
        match &self.image {
            Image::Flat(image) => {
                let rest = usize::try_from(start).map_or(&[][..], |start| &image[start..]);
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                buffer[length..].fill(0);
            }
            Image::Packed { segments, used, .. } => {
                buffer.fill(0);
                for segment in &segments[..*used] {
                    copy_overlap(segment, start, capacity, buffer);
                }
            }
        }
        self.bytes_served
            .set(self.bytes_served.get() + buffer.len() as u64);
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

/// Copies what `segment` has of the bytes from `start` on, below `capacity`, into `buffer`.
fn copy_overlap(segment: &Segment<'_>, start: u64, capacity: u64, buffer: &mut [u8]) {
    let end = (start + buffer.len() as u64).min(capacity);
    let segment_end = segment.offset.saturating_add(segment.bytes.len() as u64);
    let from = segment.offset.max(start);
    let to = segment_end.min(end);
    if from >= to {
        return;
    }
    let position = |at: u64, base: u64| usize::try_from(at - base).expect("inside a slice");
    buffer[position(from, start)..position(to, start)].copy_from_slice(
        &segment.bytes[position(from, segment.offset)..position(to, segment.offset)],
    );
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
    fn a_flat_image_is_served_as_it_is_and_its_last_sector_filled_up() {
        let image: Vec<u8> = (0..700_u16).map(|at| (at % 251) as u8).collect();
        let mut device = MockDevice::default();
        device.set_fuzz_input(&image);
        assert_eq!(device.input_capacity(), 700);
        assert_eq!(read(&device, 0).unwrap(), image[..512]);
        let last = read(&device, 1).unwrap();
        assert_eq!(last[..188], image[512..]);
        assert!(last[188..].iter().all(|&byte| byte == 0));
        assert_eq!((device.reads(), device.bytes_served()), (2, 1024));
        assert_eq!(device.misuse(), None);
    }

    #[test]
    fn a_packed_image_is_zeros_and_its_segments_in_order() {
        let mut device = MockDevice::default();
        device.set_packed_input(
            1536,
            [
                Segment {
                    offset: 510,
                    bytes: &[1, 2, 3, 4],
                },
                Segment {
                    offset: 511,
                    bytes: &[9],
                },
                Segment {
                    offset: 1535,
                    bytes: &[7, 8],
                },
                Segment {
                    offset: u64::MAX,
                    bytes: &[5],
                },
            ],
        );
        let bytes: Vec<u8> = (0..3)
            .flat_map(|sector| read(&device, sector).unwrap())
            .collect();
        assert_eq!(bytes[509..515], [0, 1, 9, 3, 4, 0]);
        assert_eq!(bytes[1534..], [0, 7]);
        assert_eq!(bytes.iter().filter(|&&byte| byte != 0).count(), 5);
    }

    #[test]
    fn a_read_that_should_not_be_is_refused_and_noted() {
        let mut device = MockDevice::new(512, 3);
        for (what, index, sector, length) in [
            ("a read of another device", 2, 0, 512),
            ("a read that is not one sector long", 3, 0, 511),
            ("a read past the capacity", 3, 1, 512),
            ("a read past the capacity", 3, u64::MAX, 512),
        ] {
            device.set_fuzz_input(&[0; 512]);
            let mut buffer = vec![0; length];
            let calls = device.build_call_table();
            assert_eq!(
                calls.read_input_sector(index, sector, &mut buffer),
                Err(ReadFailed)
            );
            assert_eq!(device.misuse(), Some(what));
            assert_eq!(device.bytes_served(), 0);
        }
        assert_eq!(CallTable::over(&device).get_input_capacity(2), 0);
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
