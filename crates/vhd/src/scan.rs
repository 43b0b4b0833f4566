//! The walk over the block allocation table (BAT).
//!
//! The BAT is an array of big-endian u32: for each block of the disk the sector of the file, 512 bytes
//! each, at which the block's sector bitmap begins; its data follows. `0xffff_ffff` means that the
//! block is not in the file ("Virtual Hard Disk Image Format Specification", section "Block Allocation
//! Table and Data Blocks").

use shared::{DataTally, Input, ScanError, SectorCache, entries_but};

use crate::footer;
use crate::header::{self, DynamicHeader};

/// The four bytes of an entry of a block that is not in the file.
const ABSENT: u8 = 0xff;
/// An entry's length in bytes.
const ENTRY: usize = 4;
/// The BAT is read in pieces of this many bytes: empty entries are passed over in one step.
const PIECE: usize = 4096;

/// A BAT that is wholly in the file and has an entry for every block of the disk.
#[derive(Debug)]
pub(crate) struct BlockTable {
    /// Bytes in a block, without its sector bitmap.
    pub(crate) block_size: u32,
    /// How many blocks the disk has, the last one in part counted whole.
    blocks: u64,
    /// Bytes that a block takes in the file, with its sector bitmap.
    block_in_file: u64,
    /// Bytes from the file's start.
    pub(crate) table: Extent,
    pub(crate) header: Extent,
}

/// `length` bytes of the file, from byte `start`; wholly in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) start: u64,
    length: u64,
}

impl Extent {
    /// Whether a byte lies in both. Nothing lies in an extent of no bytes, wherever it begins.
    fn overlaps(self, other: Self) -> bool {
        let end = (self.start + self.length).min(other.start + other.length);
        self.start.max(other.start) < end
    }
}

/// The footer's copy. Its place is kept free even in a disk that stands on its other footer.
const FOOTER_COPY: Extent = Extent {
    start: 0,
    length: footer::LENGTH,
};

impl BlockTable {
    /// Verifies that the BAT covers a disk of `virtual_size` bytes, is wholly in the file, and lies
    /// beside the header, which is at byte `header_offset`. Reads nothing.
    pub(crate) fn new(
        input: &Input<'_>,
        virtual_size: u64,
        header_offset: u64,
        found: &DynamicHeader,
    ) -> Result<Self, ScanError> {
        let block_size = u64::from(found.block_size);
        let blocks = virtual_size.div_ceil(block_size);
        if blocks > u64::from(found.table_entries) {
            return Err(ScanError::Corrupt(
                "the BAT has fewer entries than the disk has blocks",
            ));
        }
        let table = Extent {
            start: found.table_offset,
            length: u64::from(found.table_entries) * ENTRY as u64,
        };
        if !input.contains(table.start, table.length) {
            return Err(ScanError::Corrupt("the BAT is not wholly in the file"));
        }
        let header = Extent {
            start: header_offset,
            length: header::LENGTH,
        };
        if table.overlaps(FOOTER_COPY) || table.overlaps(header) {
            return Err(ScanError::Corrupt(
                "the BAT lies over the footer's copy or the header",
            ));
        }
        // One bit a sector, in whole sectors.
        let bitmap = (block_size / 512).div_ceil(8).next_multiple_of(512);
        Ok(Self {
            block_size: found.block_size,
            blocks,
            block_in_file: bitmap + block_size,
            table,
            header,
        })
    }

    /// Adds every block that is in the file. Entries past the disk's end are not read.
    pub(crate) fn scan(
        &self,
        input: &mut Input<'_>,
        cache: &mut SectorCache<'_>,
        tally: &mut DataTally,
    ) -> Result<(), ScanError> {
        let block_size = u64::from(self.block_size);
        let mut piece = [0; PIECE];
        for first in (0..self.blocks).step_by(PIECE / ENTRY) {
            let length = ((self.blocks - first) * ENTRY as u64).min(PIECE as u64);
            #[allow(clippy::cast_possible_truncation, reason = "at most PIECE")]
            let piece = &mut piece[..length as usize];
            let at = self.table.start + first * ENTRY as u64;
            input.read(cache, at, piece, "the BAT is not wholly in the file")?;
            entries_but(piece, ABSENT).try_for_each(|(number, sector)| {
                self.verify_place(input, u64::from(u32::from_be_bytes(sector)) * 512)?;
                tally.add((first + number) * block_size, block_size);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Verifies that a block may be at byte `start` of the file.
    fn verify_place(&self, input: &Input<'_>, start: u64) -> Result<(), ScanError> {
        let block = Extent {
            start,
            length: self.block_in_file,
        };
        if !input.contains(block.start, block.length) {
            return Err(ScanError::Corrupt("a block runs past the end of the file"));
        }
        if [FOOTER_COPY, self.header, self.table]
            .into_iter()
            .any(|taken| block.overlaps(taken))
        {
            return Err(ScanError::Corrupt(
                "a block lies over the footer's copy, the header or the BAT",
            ));
        }
        Ok(())
    }
}
