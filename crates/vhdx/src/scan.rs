//! The walk over the block allocation table (BAT).
//!
//! The BAT is an array of little-endian u64: a state in the low three bits, and from bit 20 on the
//! place in the file, in MiB (MS-VHDX 2.5.1). After every *chunk ratio* of payload blocks' entries
//! comes one for the sector bitmap of that chunk; only differencing disks use it, and it is passed
//! over.

use shared::{DataTally, Input, ScanError, SectorCache, entries_but};

use crate::areas::{Area, Areas};
use crate::fields::MIB;
use crate::metadata::Disk;

/// An entry's length in bytes.
const ENTRY: u64 = 8;
/// The BAT is read in pieces of this many bytes: empty entries are passed over in one step.
const PIECE: usize = 4096;
/// A sector bitmap block covers so many logical sectors (MS-VHDX 2.5, chunk ratio).
const SECTORS_IN_CHUNK: u64 = 1 << 23;
/// The eight bytes of an entry of a block that is not present and never was.
const NOT_PRESENT: u8 = 0;
/// The bits of an entry that hold a payload block's state.
const STATE: u64 = 7;

/// A BAT that has an entry for every block of the disk.
#[derive(Debug)]
pub(crate) struct BlockTable {
    disk: Disk,
    /// Where the BAT begins, in bytes from the file's start.
    pub(crate) start: u64,
    /// How many payload entries come between two sector bitmap entries.
    chunk_ratio: u64,
    /// How many payload blocks the disk has, the last one in part counted whole.
    blocks: u64,
}

impl BlockTable {
    /// Verifies that the BAT in `region` covers the disk. Reads nothing.
    pub(crate) fn new(region: Area, disk: Disk) -> Result<Self, ScanError> {
        let block_size = u64::from(disk.block_size);
        let chunk_ratio = SECTORS_IN_CHUNK * u64::from(disk.logical_sector_size) / block_size;
        let blocks = disk.virtual_size.div_ceil(block_size);
        let entries = blocks + blocks.saturating_sub(1) / chunk_ratio;
        if entries * ENTRY > region.length {
            return Err(ScanError::Corrupt(
                "the BAT has fewer entries than the disk needs",
            ));
        }
        Ok(Self {
            disk,
            start: region.start,
            chunk_ratio,
            blocks,
        })
    }

    pub(crate) const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Adds every block that is present. Sector bitmap entries and those past the disk's end are not
    /// looked at.
    pub(crate) fn scan(
        &self,
        input: &mut Input<'_>,
        cache: &mut SectorCache<'_>,
        areas: &Areas,
        tally: &mut DataTally,
    ) -> Result<(), ScanError> {
        let block_size = u64::from(self.disk.block_size);
        let mut piece = [0; PIECE];
        let mut block = 0;
        while block < self.blocks {
            let (chunk, in_chunk) = (block / self.chunk_ratio, block % self.chunk_ratio);
            let entries = (self.chunk_ratio - in_chunk)
                .min(self.blocks - block)
                .min(PIECE as u64 / ENTRY);
            #[allow(clippy::cast_possible_truncation, reason = "at most PIECE")]
            let piece = &mut piece[..(entries * ENTRY) as usize];
            input.read(
                cache,
                self.start + (block + chunk) * ENTRY,
                piece,
                "the BAT is not wholly in the file",
            )?;
            entries_but(piece, NOT_PRESENT).try_for_each(|(number, entry)| {
                let entry = u64::from_le_bytes(entry);
                if is_present(entry)? {
                    let start = (block + number) * block_size;
                    self.verify_place(input, areas, start, entry & !(MIB - 1))?;
                    tally.add(start, block_size);
                }
                Ok(())
            })?;
            block += entries;
        }
        Ok(())
    }

    /// Verifies that the block that begins at byte `start` of the disk may be at byte `place` of the
    /// file.
    fn verify_place(
        &self,
        input: &Input<'_>,
        areas: &Areas,
        start: u64,
        place: u64,
    ) -> Result<(), ScanError> {
        let length = u64::from(self.disk.block_size);
        // QEMU wants no more of the last block in the file than belongs to the disk.
        if !input.contains(place, length.min(self.disk.virtual_size - start)) {
            return Err(ScanError::Corrupt("a block runs past the end of the file"));
        }
        if areas.overlaps(Area {
            start: place,
            length,
        }) {
            return Err(ScanError::Corrupt(
                "a block lies over the headers, the log or a region",
            ));
        }
        Ok(())
    }
}

/// Whether a payload block's data are in the file, by the state in its entry (MS-VHDX 2.5.1.1): 0 not
/// present, 1 undefined, 2 zero, 3 unmapped, 6 fully present.
const fn is_present(entry: u64) -> Result<bool, ScanError> {
    match entry & STATE {
        0..=3 => Ok(false),
        6 => Ok(true),
        7 => Err(ScanError::Corrupt(
            "a block is partially present in a disk without a parent",
        )),
        _ => Err(ScanError::Corrupt("a block has a reserved state")),
    }
}
