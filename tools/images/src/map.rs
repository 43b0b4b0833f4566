//! What an image's tables hold for each stretch of its disk, and where in the file the data lies.
//!
//! A map trusts tables that a scanner has verified. It reads as QEMU does where a scanner has nothing
//! to verify: what lies past the end of the file is zeroes.

use std::ffi::OsString;
use std::fs::File;

use anyhow::Result;

use super::file::{FileExtents, ImageFile, read_up_to};

/// How much of a table is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// What one image of a chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Data. It lies at this byte of the file, unless it is compressed or in another file.
    Data(Option<u64>),
    /// Zeroes, which hide what a backing file holds.
    Zero,
    /// Nothing: a backing file decides.
    Absent,
}

/// A stretch of the disk of one content. Data of a known place lies there in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// What the image holds.
    pub content: Content,
    /// The length in bytes, 1 or more. It may reach past the end of the disk.
    pub length: u64,
}

/// The map of an image.
pub(crate) trait Map {
    /// The stretch from byte `offset` of the disk on, which lies before the disk's end. Fails when a table cannot be
    /// read, or an entry contradicts the format's specification.
    fn at(&mut self, offset: u64) -> Result<Stretch>;
}

/// Where an image's tables are and how they are read. What a format does not have is left out.
pub(crate) trait Tables {
    /// The map of the image in `file`.
    fn map<'a>(&'a self, file: &'a File) -> Box<dyn Map + 'a>;

    /// The map in which data that lies in a hole of the file is zeroes.
    fn stored_map<'a>(&'a self, image: &'a ImageFile) -> Box<dyn Map + 'a> {
        Box::new(Stored {
            map: self.map(&image.file),
            extents: image.extents(),
        })
    }

    /// The name of the other file that has the data, as it stands in the image, if the data is in one. It is empty when
    /// the image does not name it.
    fn data_file_name(&self, _image: &ImageFile) -> Result<Option<OsString>> {
        Ok(None)
    }

    /// The map that qemu-img measures: the stored one where QEMU looks for holes in the file at the place of data
    /// (`BDRV_BLOCK_RAW` and `BDRV_BLOCK_RECURSE` in its drivers), else that of the tables.
    fn measured_map<'a>(&'a self, image: &'a ImageFile) -> Result<Box<dyn Map + 'a>> {
        Ok(self.map(&image.file))
    }

    /// The name of the backing file, as it stands in the image. It is empty when there is one without a name.
    fn backing_name(&self, _image: &ImageFile) -> Result<Option<OsString>> {
        Ok(None)
    }

    /// qemu-img's name of the backing file's format, if the image or its format determines it.
    fn backing_format(&self, _image: &ImageFile) -> Result<Option<String>> {
        Ok(None)
    }

    /// How many bytes the image's dirty bitmaps take in an image with clusters of that size; `None` when the
    /// format has no bitmaps. Fails when they are damaged, or the answer does not fit 64 bits.
    fn bitmaps_size(&self, _image: &ImageFile, _cluster_size: u64) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// A map, and the extents of the file.
struct Stored<'a> {
    map: Box<dyn Map + 'a>,
    extents: FileExtents<'a>,
}

impl Map for Stored<'_> {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let mut stretch = self.map.at(offset)?;
        if let Content::Data(Some(place)) = stretch.content {
            let (is_data, length) = self.extents.at(place)?;
            stretch.length = stretch.length.min(length);
            if !is_data {
                stretch.content = Content::Zero;
            }
        }
        Ok(stretch)
    }
}

/// No tables: the file is the disk, which begins at this byte of it. A raw image, a fixed VHD, or a flat extent.
#[derive(Clone, Copy)]
pub(crate) struct Flat(pub u64);

impl Tables for Flat {
    fn map<'a>(&'a self, _file: &'a File) -> Box<dyn Map + 'a> {
        Box::new(*self)
    }

    fn measured_map<'a>(&'a self, image: &'a ImageFile) -> Result<Box<dyn Map + 'a>> {
        Ok(self.stored_map(image))
    }
}

impl Map for Flat {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        Ok(Stretch {
            content: Content::Data(Some(self.0 + offset)),
            length: u64::MAX - offset,
        })
    }
}

/// One table that places the blocks of a disk: `place` finds where the data of a block begins, if it is in the file.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<P> {
    /// The size of a block in bytes.
    pub block_size: u64,
    /// Finds a block by its number.
    pub place: P,
}

impl<P: Fn(&mut Entries<'_>, u64) -> Result<Option<u64>> + Copy + 'static> Tables for Blocks<P> {
    fn map<'a>(&'a self, file: &'a File) -> Box<dyn Map + 'a> {
        Box::new((*self, Entries::new(file)))
    }
}

impl<P: Fn(&mut Entries<'_>, u64) -> Result<Option<u64>>> Map for (Blocks<P>, Entries<'_>) {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let (blocks, entries) = self;
        let within = offset % blocks.block_size;
        let content = match (blocks.place)(entries, offset / blocks.block_size)? {
            Some(place) => Content::Data(Some(place + within)),
            None => Content::Absent,
        };
        Ok(Stretch {
            content,
            length: blocks.block_size - within,
        })
    }
}

/// Table entries in a file; it keeps the piece of the file that it read last.
pub(crate) struct Entries<'a> {
    file: &'a File,
    start: u64,
    piece: Vec<u8>,
}

impl<'a> Entries<'a> {
    /// Those of `file`.
    pub(crate) const fn new(file: &'a File) -> Self {
        Self {
            file,
            start: 0,
            piece: Vec::new(),
        }
    }

    /// The `N` bytes at byte `at` of the file; zeroes past its end.
    pub(crate) fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        if let Some(entry) = self.held(at) {
            return Ok(entry);
        }
        self.piece.clear();
        self.piece.resize(PIECE, 0);
        self.start = at;
        read_up_to(self.file, at, &mut self.piece)?;
        Ok(self.held(at).unwrap_or([0; N]))
    }

    fn held<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.piece.get(from..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn entries_past_the_end_are_zeroes() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 20], 0).unwrap();
        let mut entries = Entries::new(&file);
        assert_eq!(entries.read(16).unwrap(), [7, 7, 7, 7, 0, 0, 0, 0]);
        assert_eq!(entries.read(1 << 40).unwrap(), [0; 8]);
    }
}
