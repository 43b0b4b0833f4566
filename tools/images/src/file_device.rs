//! A file as the device that scanners read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use shared::{InputDevice, ReadFailed};

/// A file, read one sector at a time; its reads are counted.
///
/// The file is read with `pread`, so its position does not matter and does not change. It answers to
/// every device index.
pub(crate) struct FileDevice<'a> {
    file: &'a File,
    length: u64,
    sector_size: u32,
    sector_reads: Cell<u64>,
    sectors: RefCell<BTreeSet<u64>>,
    failure: RefCell<Option<io::Error>>,
}

impl<'a> FileDevice<'a> {
    /// A device over the first `length` bytes of `file`, in sectors of `sector_size` bytes.
    pub(crate) const fn new(file: &'a File, length: u64, sector_size: u32) -> Self {
        Self {
            file,
            length,
            sector_size,
            sector_reads: Cell::new(0),
            sectors: RefCell::new(BTreeSet::new()),
            failure: RefCell::new(None),
        }
    }

    /// How many sectors were asked for so far, failed reads included.
    pub(crate) const fn sector_reads(&self) -> u64 {
        self.sector_reads.get()
    }

    /// Which sectors were asked for so far.
    pub(crate) fn sectors(&self) -> BTreeSet<u64> {
        self.sectors.borrow().clone()
    }

    /// Why the last read that failed did so.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.failure.take()
    }

    fn read(&self, sector: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = sector
            .checked_mul(u64::from(self.sector_size))
            .filter(|&start| start < self.length)
            .ok_or_else(|| io::Error::other("it lies past the end of the file"))?;
        let there = usize::try_from(self.length - start)
            .map_or(buffer.len(), |there| there.min(buffer.len()));
        let (inside, past_the_end) = buffer.split_at_mut(there);
        past_the_end.fill(0);
        self.file.read_exact_at(inside, start)
    }
}

impl InputDevice for FileDevice<'_> {
    fn read_sector(&self, _device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        self.sector_reads.set(self.sector_reads.get() + 1);
        self.sectors.borrow_mut().insert(sector);
        self.read(sector, buffer).map_err(|error| {
            self.failure.replace(Some(error));
            ReadFailed
        })
    }

    fn capacity(&self, _device: u32) -> u64 {
        self.length
    }

    fn sector_size(&self, _device: u32) -> u32 {
        self.sector_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_that_shrank_is_a_failed_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1000]).unwrap();
        let device = FileDevice::new(&file, 2048, 512);
        assert_eq!(device.read_sector(0, 1, &mut [0; 512]), Err(ReadFailed));
        assert_eq!(
            device.take_failure().map(|error| error.kind()),
            Some(io::ErrorKind::UnexpectedEof)
        );
    }
}
