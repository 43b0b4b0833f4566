//! What an image's tables hold for each stretch of its disk, and where in the file the data lies.
//!
//! A map trusts tables that a scanner has verified. It reads as QEMU does where a scanner has nothing
//! to verify: what lies past the end of the file is zeroes.

mod blocks;
mod qcow2;
mod vmdk;

use std::fs::File;

use ::qcow2::QcowHeader;
use ::vmdk::VmdkHeader;
use anyhow::Result;

use super::format::read_up_to;
pub use blocks::BlockTable;

/// How much of a table is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// What one image of a chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Data. It lies at this byte of the file, unless it is compressed or in another file.
    Data(Option<u64>),
    /// Zeroes, which hide what a backing file holds.
    Zero,
    /// Nothing: a backing file decides.
    Absent,
}

/// A stretch of the disk of one content. Data of a known place lies there in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// What the image holds.
    pub content: Content,
    /// The length in bytes, 1 or more. It may reach past the end of the disk.
    pub length: u64,
}

/// The map of an image.
pub trait Map {
    /// The stretch from byte `offset` of the disk on, which lies before the disk's end.
    ///
    /// # Errors
    /// When a table cannot be read, or an entry contradicts the format's specification.
    fn at(&mut self, offset: u64) -> Result<Stretch>;
}

/// Where an image's tables are and how they are read.
#[derive(Debug)]
pub enum Tables {
    /// No tables: the file is the disk. A raw image, or a fixed VHD.
    Flat,
    /// An L1 table and L2 tables.
    Qcow2(QcowHeader),
    /// A grain directory and grain tables.
    Vmdk(VmdkHeader),
    /// A block allocation table: a VHD or VHDX.
    Blocks(BlockTable),
}

impl Tables {
    /// The map of the image in `file`.
    #[must_use]
    pub fn map<'a>(&self, file: &'a File) -> Box<dyn Map + 'a> {
        match *self {
            Self::Flat => Box::new(FlatMap),
            Self::Qcow2(header) => Box::new(qcow2::Qcow2Map::new(file, header)),
            Self::Vmdk(header) => Box::new(vmdk::VmdkMap::new(file, header)),
            Self::Blocks(table) => Box::new(blocks::BlockMap::new(file, table)),
        }
    }
}

struct FlatMap;

impl Map for FlatMap {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        Ok(Stretch {
            content: Content::Data(Some(offset)),
            length: u64::MAX - offset,
        })
    }
}

/// Table entries in a file; it keeps the piece of the file that it read last.
struct Entries<'a> {
    file: &'a File,
    start: u64,
    piece: Vec<u8>,
}

impl<'a> Entries<'a> {
    const fn new(file: &'a File) -> Self {
        Self {
            file,
            start: 0,
            piece: Vec::new(),
        }
    }

    /// The `N` bytes at byte `at` of the file; zeroes past its end.
    fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
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
    fn entries_are_read_at_any_place_and_past_the_end_are_zeroes() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..PIECE + 100).map(|at| (at % 251) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let mut entries = Entries::new(&file);
        for at in [0, 8, PIECE - 3, PIECE + 92, 5] {
            let expected: [u8; 8] = bytes[at..at + 8].try_into().unwrap();
            assert_eq!(entries.read(at as u64).unwrap(), expected, "{at}");
        }
        let last = bytes[bytes.len() - 1];
        let read: [u8; 4] = entries.read(bytes.len() as u64 - 1).unwrap();
        assert_eq!(read, [last, 0, 0, 0]);
        assert_eq!(entries.read(1 << 40).unwrap(), [0; 8]);
    }
}
