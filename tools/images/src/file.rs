//! An image file that was opened safely, where it holds data and where it has holes; and one that is written.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::OFlags;
use rustix::fs::SeekFrom::{Data, Hole};
use rustix::io::Errno;
use sparse::SparseImage;

use super::shown;

/// The size of a sector in bytes.
const SECTOR: u64 = 512;

/// How much of a text in an image is read, in bytes. The descriptor in a VMDK of QEMU has 10 KiB.
const MAX_TEXT: u64 = 64 << 10;

/// A file that may be an image, open for reading.
pub(crate) struct ImageFile {
    /// The path it was opened by.
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Its size in bytes.
    pub(crate) length: u64,
    may_have_holes: bool,
}

/// Which files may be opened: who names one decides how far that is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Regular files, block devices, and links to them.
    FileOrDevice,
    /// Regular files, and links to them.
    File,
    /// Regular files that are no links.
    NoLink,
}

impl ImageFile {
    /// Opens a file. Never waits for another process: a FIFO is refused and not opened. Fails when `path` is of a kind
    /// that `opened` does not allow, or cannot be opened. The message names it.
    pub(crate) fn open(path: &Path, opened: Opened) -> Result<Self> {
        Self::open_unnamed(path, opened).with_context(|| shown(path))
    }

    fn open_unnamed(path: &Path, opened: Opened) -> Result<Self> {
        let refuse = |kind: FileType| {
            let is_device = kind.is_block_device() && opened == Opened::FileOrDevice;
            let is_allowed = kind.is_file() || is_device;
            ensure!(is_allowed, "it is {}, not an image file", special(kind));
            Ok(())
        };
        let (metadata, flags) = match opened {
            Opened::NoLink => (path.symlink_metadata()?, OFlags::NOFOLLOW),
            _ => (path.metadata()?, OFlags::empty()),
        };
        // What opening would block on, or do something to, is not opened; and if it takes the file's
        // place in between, it is opened without waiting and then refused.
        refuse(metadata.file_type())?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NONBLOCK | flags).bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        refuse(metadata.file_type())?;
        let may_have_holes = metadata.is_file();
        let length = if may_have_holes {
            metadata.len()
        } else {
            (&file)
                .seek(SeekFrom::End(0))
                .context("the size of the device is not known")?
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            may_have_holes,
        })
    }

    /// Where the file holds data.
    pub(crate) const fn extents(&self) -> FileExtents<'_> {
        FileExtents::new(&self.file, self.length, self.may_have_holes)
    }

    /// What makes two open files one: device and inode.
    pub(crate) fn identity(&self) -> Result<(u64, u64)> {
        let metadata = self.file.metadata().with_context(|| shown(&self.path))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// The bytes of the file in `range`, cut to 64 KiB and the file's end.
    pub(crate) fn bytes_at(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let end = range
            .end
            .min(self.length)
            .min(range.start.saturating_add(MAX_TEXT));
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(range.start))?];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// The `N` bytes at byte `at`. Fails when they cannot be read, or the file ends before.
    pub(crate) fn array<const N: usize>(&self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// Fills `buffer` with the bytes at `offset`, as far as the file goes; how many that were.
pub(crate) fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes an image that is in memory to a new file, in which what the image does not keep is a hole. Fails when the
/// file exists, or cannot be written; it is then removed again, unless it was there before.
pub fn write(image: &SparseImage, path: &Path) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let file = file.with_context(|| shown(path))?;
    let written = || -> io::Result<()> {
        file.set_len(image.capacity())?;
        for (at, piece) in image.pieces(0, image.capacity()) {
            file.write_all_at(piece, at)?;
        }
        Ok(())
    };
    written().with_context(|| {
        let _ = std::fs::remove_file(path);
        format!("{} of {} bytes", shown(path), image.capacity())
    })
}

/// What a file of this kind is called, which is not regular.
fn special(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_block_device() {
        "a block device"
    } else {
        "neither a file nor a block device"
    }
}

/// The extents of a file, as its file system reports them (`SEEK_DATA` and `SEEK_HOLE`).
///
/// A file system that reports none stores the whole file. So does a block device.
pub(crate) struct FileExtents<'a> {
    file: &'a File,
    /// The file's size in bytes, in whole sectors.
    length: u64,
    /// The extent that was asked for last, and whether it holds data.
    last: (Range<u64>, bool),
}

impl<'a> FileExtents<'a> {
    /// The extents of a file of `length` bytes. Its last sector of 512 bytes counts whole.
    pub(crate) const fn new(file: &'a File, length: u64, may_have_holes: bool) -> Self {
        let length = length.next_multiple_of(SECTOR);
        let known = if may_have_holes { 0..0 } else { 0..length };
        Self {
            file,
            length,
            last: (known, true),
        }
    }

    /// Whether the file holds data at byte `at`, and for how many bytes that is so: 1 or more. Past
    /// the end of the file is a hole. Fails when the file system fails, or the file changes meanwhile.
    pub(crate) fn at(&mut self, at: u64) -> Result<(bool, u64)> {
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
