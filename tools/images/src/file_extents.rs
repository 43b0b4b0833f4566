//! Where a file holds data, and where it has holes.

use std::fs::File;
use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::SeekFrom::{Data, Hole};
use rustix::io::Errno;

/// The size of a sector in bytes.
const SECTOR: u64 = 512;

/// The extents of a file, as its file system reports them (`SEEK_DATA` and `SEEK_HOLE`).
///
/// A file system that reports none stores the whole file. So does a block device.
#[derive(Debug)]
pub struct FileExtents<'a> {
    file: &'a File,
    /// The file's size in bytes, in whole sectors.
    length: u64,
    /// The extent that was asked for last, and whether it holds data.
    last: (Range<u64>, bool),
}

impl<'a> FileExtents<'a> {
    /// The extents of a file of `length` bytes. Its last sector of 512 bytes counts whole.
    #[must_use]
    pub const fn new(file: &'a File, length: u64, may_have_holes: bool) -> Self {
        let length = length.next_multiple_of(SECTOR);
        let known = if may_have_holes { 0..0 } else { 0..length };
        Self {
            file,
            length,
            last: (known, true),
        }
    }

    /// Whether the file holds data at byte `at`, and for how many bytes that is so: 1 or more. Past
    /// the end of the file is a hole.
    ///
    /// # Errors
    /// When the file system fails, or the file changes meanwhile.
    pub fn at(&mut self, at: u64) -> Result<(bool, u64)> {
        if at >= self.length {
            return Ok((false, u64::MAX - at));
        }
        if !self.last.0.contains(&at) {
            self.last = self.look(at)?;
        }
        let (extent, is_data) = &self.last;
        Ok((*is_data, extent.end - at))
    }

    fn look(&self, at: u64) -> Result<(Range<u64>, bool)> {
        let start = match rustix::fs::seek(self.file, Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok((at..self.length, false)),
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok((0..self.length, true)),
            Err(error) => return Err(error).context("its data cannot be looked for (SEEK_DATA)"),
        };
        let (end, is_data) = if start > at {
            (start, false)
        } else {
            let end = rustix::fs::seek(self.file, Hole(at))
                .context("its holes cannot be looked for (SEEK_HOLE)")?;
            (end.next_multiple_of(SECTOR), true)
        };
        ensure!(
            at < end && end <= self.length,
            "the file changed while it was looked at"
        );
        Ok((at..end, is_data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_holes_is_data_to_its_end() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mut extents = FileExtents::new(&file, 4096, false);
        assert_eq!(extents.at(512).unwrap(), (true, 3584));
        assert!(!extents.at(4096).unwrap().0);
    }
}
