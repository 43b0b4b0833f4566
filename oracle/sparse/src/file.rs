//! An image as a library reads it: an owned file in memory.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Fill, SparseImage};

/// Sectors of this many bytes are the unit of the bound on reads, whatever the device's sector size.
pub const BOUND_SECTOR: u64 = 512;

/// How much more is served than the work that a scan may need: a library whose work is not judged gets that far.
pub const PATIENCE: u64 = 64;

/// An image: a file in memory that is read only. Clones share the image and what was counted, and each has a
/// position of its own.
///
/// It counts what it serves, fails the read that the harness wants to fail, and fails every read once a scan has
/// read the image some hundred times over. So a library that walks in circles gets errors.
#[derive(Debug, Clone)]
pub struct ImageFile {
    shared: Arc<Shared>,
    position: u64,
}

#[derive(Debug)]
struct Shared {
    bytes: Bytes,
    size: u64,
    limits: Limits,
    served: Mutex<Served>,
}

#[derive(Debug)]
enum Bytes {
    Flat(Vec<u8>),
    Sparse(SparseImage, Fill),
}

/// What is not served.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The number of the read that fails, from 0.
    pub fails: Option<u64>,
    /// Reads fail that would bring what was served to more bytes.
    pub serves: u64,
    /// The most reads of 512 bytes that the scan may need.
    pub reads: u64,
}

/// What was served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// How often the image was read, failed reads included.
    pub reads: u64,
    /// How many bytes were served.
    pub bytes: u64,
    /// Where the first read began that failed because the harness wanted it to, in bytes.
    pub first_failed: Option<u64>,
    /// Whether it was read more than a scan may need.
    pub overran: bool,
    /// Whether it was read so often that nothing was served any more.
    pub stopped: bool,
    /// How many bytes were asked for, also past the end.
    pub wanted: u64,
}

impl ImageFile {
    /// An image of these bytes, without limits.
    pub fn new(bytes: Vec<u8>) -> Self {
        let limits = Limits {
            fails: None,
            serves: u64::MAX,
            reads: u64::MAX,
        };
        Self::flat(bytes, limits)
    }

    /// A flat image with limits.
    pub fn flat(bytes: Vec<u8>, limits: Limits) -> Self {
        let size = bytes.len() as u64;
        Self::over(Bytes::Flat(bytes), size, limits)
    }

    /// A sparse image with limits.
    pub fn sparse(image: SparseImage, limits: Limits) -> Self {
        Self::filled(image, Fill::default(), limits)
    }

    /// A sparse image with limits that holds data where `fill` says.
    pub fn filled(image: SparseImage, fill: Fill, limits: Limits) -> Self {
        let size = image.capacity();
        Self::over(Bytes::Sparse(image, fill), size, limits)
    }

    fn over(bytes: Bytes, size: u64, limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                bytes,
                size,
                limits,
                served: Mutex::default(),
            }),
            position: 0,
        }
    }

    /// The image's size in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// What was served so far, to this handle and its clones.
    pub fn served(&self) -> Served {
        *self.count()
    }

    /// Reads the bytes at `offset`, as many as there are and fit `buffer`. Returns how many; 0 past the end.
    ///
    /// # Errors
    /// When the harness wants this read to fail, and when the image was read far too often.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let there = self.size().saturating_sub(offset);
        let length = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
        self.count().wanted += buffer.len() as u64;
        let buffer = &mut buffer[..length];
        self.admit(offset, length as u64)?;
        match &self.shared.bytes {
            Bytes::Flat(bytes) => {
                let rest =
                    usize::try_from(offset).map_or(&[][..], |at| &bytes[at.min(bytes.len())..]);
                buffer.copy_from_slice(&rest[..length]);
            }
            Bytes::Sparse(image, fill) => fill.read(image, offset, buffer),
        }
        Ok(length)
    }

    /// As [`read_at`](Self::read_at), of the whole buffer.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at), and [`io::ErrorKind::UnexpectedEof`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buffer, offset)? {
            length if length == buffer.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Counts a read, and refuses it when it is not to be served.
    fn admit(&self, offset: u64, length: u64) -> io::Result<()> {
        let Limits {
            fails,
            serves,
            reads,
        } = self.shared.limits;
        let mut served = self.count();
        let nth = served.reads;
        served.reads += 1;
        let bytes = served.bytes.saturating_add(length);
        let work = served.reads.max(bytes / BOUND_SECTOR);
        served.overran |= work > reads;
        if work > reads.saturating_mul(PATIENCE) {
            served.stopped = true;
            return Err(io::Error::other("the image was read far too often"));
        }
        if fails == Some(nth) || bytes > serves {
            served.first_failed.get_or_insert(offset);
            return Err(io::Error::other("this read fails by intent"));
        }
        served.bytes = bytes;
        Ok(())
    }

    fn count(&self) -> MutexGuard<'_, Served> {
        // A panic of a library leaves nothing half done here.
        let served = self.shared.served.lock();
        served.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for ImageFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.read_at(buffer, self.position)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for ImageFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(distance) => self.size().checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        fails: None,
        serves: u64::MAX,
        reads: 2,
    };

    fn both(limits: Limits) -> [ImageFile; 2] {
        let bytes: Vec<u8> = (0..1200_u16).map(|at| (at % 251) as u8).collect();
        let mut sparse = SparseImage::new(1200);
        sparse.write(0, &bytes);
        [
            ImageFile::flat(bytes, limits),
            ImageFile::sparse(sparse, limits),
        ]
    }

    #[test]
    fn it_is_read_like_a_file_and_may_go_to_other_threads() {
        fn owned(_: &(impl Clone + Send + Sync + 'static)) {}
        for mut file in both(Limits {
            reads: 99,
            ..LIMITS
        }) {
            owned(&file);
            let mut bytes = [0; 600];
            assert_eq!(file.seek(SeekFrom::End(-100)).unwrap(), 1100);
            assert_eq!(file.clone().read(&mut bytes).unwrap(), 100);
            assert_eq!(bytes[99], (1199 % 251) as u8);
            assert_eq!(file.stream_position().unwrap(), 1100);
            assert!(file.seek(SeekFrom::Current(-1101)).is_err());
            assert_eq!(file.read_at(&mut bytes, 500).unwrap(), 600);
            assert_eq!(bytes[511], (1011 % 251) as u8);
            assert_eq!(file.read_at(&mut bytes, u64::MAX).unwrap(), 0);
            let error = file.read_exact_at(&mut bytes, 601).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let served = file.served();
            assert_eq!((served.reads, served.bytes), (4, 100 + 600 + 599));
            assert!(!served.overran && served.first_failed.is_none());
        }
    }

    #[test]
    fn the_read_that_shall_fail_fails_once_and_is_remembered() {
        for file in both(Limits {
            fails: Some(1),
            ..LIMITS
        }) {
            let results = [0, 700, 900].map(|at| file.read_at(&mut [0; 10], at).is_ok());
            assert_eq!(results, [true, false, true]);
            assert_eq!(file.served().first_failed, Some(700));
            assert_eq!(file.served().bytes, 20);
        }
    }

    #[test]
    fn no_more_is_served_than_its_bounds() {
        for file in both(Limits {
            serves: 1000,
            ..LIMITS
        }) {
            let results = [1000, 1, 1].map(|length| file.read_at(&mut vec![0; length], 9).is_ok());
            assert_eq!(results, [true, false, false]);
            assert_eq!(file.served().first_failed, Some(9));
        }
        for file in both(LIMITS) {
            let reads = |count: u64| (0..count).filter(|_| file.read_at(&mut [0], 0).is_ok());
            assert_eq!(reads(2).count(), 2);
            assert!(!file.served().overran);
            assert_eq!(reads(2 * PATIENCE).count() as u64, 2 * PATIENCE - 2);
            let served = file.served();
            assert!(served.overran && served.stopped && served.first_failed.is_none());
        }
    }
}
