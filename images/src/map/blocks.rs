//! The map of a disk in blocks that one table places: dynamic VHD and VHDX.

use std::fs::File;

use anyhow::Result;

use super::{Content, Entries, Map, Stretch};

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// The entry of a VHD block that is not in the file.
const VHD_ABSENT: u32 = 0xffff_ffff;
/// How many sectors of a VHDX the bits of a sector bitmap block stand for (MS-VHDX 2.5).
const SECTORS_IN_CHUNK: u64 = 1 << 23;
/// The state of a VHDX block that is in the file, and the bits that hold it (MS-VHDX 2.5.1.1).
const VHDX_PRESENT: u64 = 6;
const VHDX_STATE: u64 = 7;

/// Where a block allocation table is and how it is read. Places and sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTable {
    /// Of a dynamic VHD: sectors of 512 bytes, where a block's sector bitmap begins.
    Vhd {
        /// Where the table begins.
        start: u64,
        /// The size of a block without its sector bitmap.
        block_size: u64,
    },
    /// Of a VHDX: the place and the state of a block.
    Vhdx {
        /// Where the table begins.
        start: u64,
        /// The size of a block.
        block_size: u64,
        /// The size of the disk's sectors.
        sector_size: u64,
    },
}

pub(super) struct BlockMap<'a> {
    table: BlockTable,
    entries: Entries<'a>,
}

impl<'a> BlockMap<'a> {
    pub(super) const fn new(file: &'a File, table: BlockTable) -> Self {
        Self {
            table,
            entries: Entries::new(file),
        }
    }

    /// Where the data of a block begins, if it is in the file.
    fn place(&mut self, block: u64) -> Result<Option<u64>> {
        Ok(match self.table {
            BlockTable::Vhd { start, block_size } => {
                let sector = u32::from_be_bytes(self.entries.read(start + block * 4)?);
                // One bit a sector, in whole sectors.
                let bitmap = (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
                (sector != VHD_ABSENT).then_some(u64::from(sector) * SECTOR + bitmap)
            }
            BlockTable::Vhdx {
                start,
                block_size,
                sector_size,
            } => {
                // After so many blocks' entries comes one of a sector bitmap.
                let chunk_ratio = SECTORS_IN_CHUNK * sector_size / block_size;
                let at = start + (block + block / chunk_ratio) * 8;
                let entry = u64::from_le_bytes(self.entries.read(at)?);
                (entry & VHDX_STATE == VHDX_PRESENT).then_some(entry & !(MIB - 1))
            }
        })
    }
}

impl Map for BlockMap<'_> {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let (BlockTable::Vhd { block_size, .. } | BlockTable::Vhdx { block_size, .. }) = self.table;
        let within = offset % block_size;
        let content = match self.place(offset / block_size)? {
            Some(place) => Content::Data(Some(place + within)),
            None => Content::Absent,
        };
        Ok(Stretch {
            content,
            length: block_size - within,
        })
    }
}
