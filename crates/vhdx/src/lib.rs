//! How much of a VHDX image holds data: a scanner that reads headers, metadata and the block
//! allocation table, and no data.
//!
//! - `header`: the file's signature, its two headers, which of them is current, the log.
//! - `region`: the two region tables, and where the BAT and the metadata lie.
//! - `metadata`: the metadata table and the items with the disk's and the blocks' size.
//! - `areas`: what parts of the file are taken, so that nothing else may lie there.
//! - `scan`: the walk over the block allocation table (BAT).
//! - `fields`: little-endian fields and the checksum.
//!
//! # What counts
//! The unit is the payload block: one that is fully present by the BAT counts whole, clipped at the
//! disk's end. The sector bitmap entries between the payload entries are for differencing disks; they
//! are not read, as in QEMU. Blocks that share one place in the file each count: that is what the
//! table says, and no scanner without a heap could tell. A differencing disk is opened, so that its
//! parent's name can be read, and not scanned.
//!
//! # What is verified
//! The specification is Microsoft's MS-VHDX; QEMU 10.0's `block/vhdx.c`, seen from outside, decides
//! what it leaves open. With the specification where QEMU is stricter: the second region table is
//! taken when the first is damaged; 4096-byte logical sectors are known; a header is current by its
//! signature, checksum and sequence number alone, and its version decides only then. With the
//! specification where QEMU is more lenient: regions are aligned, inside the file and outside the
//! first MiB, metadata items are as long as they must be and inside their region, the disk's size is a
//! multiple of its sector, and a block's state is one that a disk without a parent may have. With QEMU
//! where the specification is stricter: two equal headers are one; the reserved bits of a BAT entry,
//! the physical sector size, the flags of known metadata items, the place of unknown optional items
//! and whether the log's place is inside the file are not looked at; of the disk's last block only
//! the part before the disk's end must be in the file. Entries of the BAT past the disk's end are not
//! looked at, though its region must be whole.
//!
//! # Work
//! Both headers (4 KiB each), a region table or two (64 KiB each), the metadata table and every sector
//! of the BAT that has an entry of the disk are read once, the region table once more for its
//! entries.
//!
//! `no_std`, no heap. Nothing here knows that it is fuzzed.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

mod areas;
mod checksum;
mod fields;
mod header;
mod metadata;
mod region;
mod scan;

use core::num::NonZeroU64;
use core::ops::Range;

use shared::{AllocationSummary, CallTable, DataTally, Input, ScanError, SectorCache};

use areas::Areas;
pub use header::FILE_SIGNATURE;
use scan::BlockTable;

/// A scanner over one VHDX image.
#[derive(Debug)]
pub struct VhdxState<'a> {
    input: Input<'a>,
    bat_cache: SectorCache<'a>,
    table: BlockTable,
    areas: Areas,
}

impl<'a> VhdxState<'a> {
    /// Reads and verifies the headers, the region table and the metadata.
    ///
    /// The caches are one sector of `device` long, or longer; what they hold does not matter.
    ///
    /// # Errors
    /// - [`ScanError::NotThisFormat`]: the file does not begin with "vhdxfile".
    /// - [`ScanError::Unsupported`]: a log that has to be replayed, a version other than 1, an unknown
    ///   region or metadata item that is required, more regions than the scanner can keep apart.
    /// - [`ScanError::Corrupt`]: no valid header or region table, a field that contradicts the
    ///   specification, a structure that is not wholly in its place, two in one place.
    /// - [`ScanError::Io`], [`ScanError::InvalidArgument`]: see there.
    pub fn init(
        calls: CallTable<'a>,
        device: u32,
        bat_cache: &'a mut [u8],
        data_cache: &'a mut [u8],
    ) -> Result<Self, ScanError> {
        let bat_cache = SectorCache::new(bat_cache);
        let mut cache = SectorCache::new(data_cache);
        let mut input = Input::open(calls, device, &[&bat_cache, &cache])?;
        let log = header::read(&mut input, &mut cache)?;
        let mut areas = Areas::new();
        areas.take(log)?;
        let regions = region::read(&mut input, &mut cache, &mut areas)?;
        let disk = metadata::read(&mut input, &mut cache, regions.metadata)?;
        let table = BlockTable::new(regions.bat, disk)?;
        Ok(Self {
            input,
            bat_cache,
            table,
            areas,
        })
    }

    /// Adds up the data that the image holds, and the units of `unit` bytes that it touches. May be
    /// called again, with the same answer.
    ///
    /// # Errors
    /// - [`ScanError::Unsupported`]: a differencing disk.
    /// - [`ScanError::Corrupt`]: a block's state is not one that a disk without a parent may have, or
    ///   a present block is not in the file or lies over the headers, the log or a region.
    /// - [`ScanError::Io`]: the device failed to read a sector.
    pub fn scan_allocation(
        &mut self,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        if self.table.disk().is_differencing {
            return Err(ScanError::Unsupported("a differencing disk"));
        }
        let mut tally = DataTally::new(self.virtual_size(), unit);
        self.table.scan(
            &mut self.input,
            &mut self.bat_cache,
            &self.areas,
            &mut tally,
        )?;
        Ok(tally.summary())
    }

    /// Bytes read from the device by `init` and every scan so far.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// The virtual disk's size in bytes; a multiple of its logical sector size.
    #[must_use]
    pub const fn virtual_size(&self) -> u64 {
        self.table.disk().virtual_size
    }

    /// The size of a payload block in bytes: a power of two from 1 MiB to 256 MiB.
    #[must_use]
    pub const fn block_size(&self) -> u32 {
        self.table.disk().block_size
    }

    /// Where the BAT lies, in bytes from the file's start.
    #[must_use]
    pub const fn table_offset(&self) -> u64 {
        self.table.start
    }

    /// The size of the disk's sectors in bytes: 512 or 4096.
    #[must_use]
    pub const fn logical_sector_size(&self) -> u32 {
        self.table.disk().logical_sector_size
    }

    /// The bytes of the file that hold the parent locator of a differencing disk (MS-VHDX 2.6.2.6). None for another
    /// disk, and when only the file parameters state that there is a parent.
    #[must_use]
    pub const fn parent_locator(&self) -> Option<Range<u64>> {
        match self.table.disk().parent_locator {
            Some(item) => Some(item.start..item.start + item.length),
            None => None,
        }
    }
}
