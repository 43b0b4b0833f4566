//! How much of a VHD image holds data: a scanner that reads headers and the block allocation table,
//! and no data.
//!
//! - `footer`: the footer, its copy at the start, which of them is believed, and the disk's size.
//! - `header`: the dynamic disk header.
//! - `scan`: the walk over the block allocation table (BAT).
//!
//! # What counts
//! A dynamic disk's unit is the block: a block that the BAT gives a place in the file counts whole,
//! clipped at the disk's end. The sector bitmap in front of each block is not read: in a disk without
//! a parent it has no say in what a sector reads as, and QEMU does not consult it either. A fixed disk
//! holds all of itself. Blocks that share one place in the file each count: that is what the table
//! says, and no scanner without a heap could tell. A differencing disk is opened, so that its parent's
//! name can be read, and not scanned.
//!
//! # What is verified
//! The specification is Microsoft's "Virtual Hard Disk Image Format Specification"; QEMU 10.0's
//! `block/vpc.c`, seen from outside, decides what it leaves open. Stricter than QEMU, with the
//! specification: the checksum of the dynamic disk header, the versions, that a fixed disk fits
//! its file, and that no block lies over the footer's copy, the header or the BAT. With QEMU where the
//! specification is stricter: the footer's features are not looked at, since tools leave their reserved
//! bit clear (VHD Attach). More lenient, with the specification: of a dynamic disk's footer and its copy,
//! one with a right checksum is enough. Entries of the BAT wholly past the disk's end are not looked
//! at, though the table must be whole.
//!
//! # Work
//! The footers, the header and every sector of the BAT that has an entry of the disk are read once:
//! at most the file, and eight sectors more.
//!
//! `no_std`, no heap. Nothing here knows that it is fuzzed.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

mod footer;
mod header;
mod scan;

use core::num::NonZeroU64;
use core::ops::Range;

use shared::{AllocationSummary, CallTable, DataTally, Input, ScanError, SectorCache};

pub use footer::{COOKIE, ends};
use scan::BlockTable;

/// A scanner over one VHD image.
#[derive(Debug)]
pub struct VhdState<'a> {
    input: Input<'a>,
    bat_cache: SectorCache<'a>,
    virtual_size: u64,
    /// Where the blocks are. A fixed disk has none: its data lies at the file's start.
    table: Option<BlockTable>,
    /// Whether data may also be in a parent.
    is_differencing: bool,
}

impl<'a> VhdState<'a> {
    /// Reads and verifies the footers and, unless the disk is fixed, the header and where its BAT lies.
    ///
    /// The caches are one sector of `device` long, or longer; what they hold does not matter.
    ///
    /// # Errors
    /// - [`ScanError::NotThisFormat`]: neither the first nor the last 512 bytes begin with "conectix",
    ///   nor the last 511 of a file whose last sector lacks a byte.
    /// - [`ScanError::Unsupported`]: a type other than fixed, dynamic and differencing, a version other
    ///   than 1.0, a disk of more than 0xff000000 sectors of 512 bytes (QEMU's limit).
    /// - [`ScanError::Corrupt`]: a wrong checksum, a field that contradicts the specification, a
    ///   structure that is not wholly in the file, a fixed disk that does not fit it.
    /// - [`ScanError::Io`], [`ScanError::InvalidArgument`]: see there.
    pub fn init(
        calls: CallTable<'a>,
        device: u32,
        bat_cache: &'a mut [u8],
        data_cache: &'a mut [u8],
    ) -> Result<Self, ScanError> {
        let bat_cache = SectorCache::new(bat_cache);
        let mut data_cache = SectorCache::new(data_cache);
        let mut input = Input::open(calls, device, &[&bat_cache, &data_cache])?;
        let footer = footer::find(&mut input, &mut data_cache)?;
        footer.verify()?;
        let virtual_size = footer.virtual_size()?;
        let table = if footer.disk_type == footer::FIXED {
            if virtual_size > footer.offset {
                return Err(ScanError::Corrupt("a fixed disk is larger than its file"));
            }
            None
        } else {
            let at = footer.data_offset;
            let header = header::read(&mut input, &mut data_cache, at)?;
            Some(BlockTable::new(&input, virtual_size, at, &header)?)
        };
        Ok(Self {
            input,
            bat_cache,
            virtual_size,
            table,
            is_differencing: footer.disk_type == footer::DIFFERENCING,
        })
    }

    /// Adds up the data that the image holds, and the units of `unit` bytes that it touches. May be
    /// called again, with the same answer.
    ///
    /// # Errors
    /// - [`ScanError::Unsupported`]: a differencing disk.
    /// - [`ScanError::Corrupt`]: a block is not wholly in the file, or lies over the footer's copy,
    ///   the header or the BAT.
    /// - [`ScanError::Io`]: the device failed to read a sector.
    pub fn scan_allocation(
        &mut self,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        if self.is_differencing {
            return Err(ScanError::Unsupported("a differencing disk"));
        }
        let mut tally = DataTally::new(self.virtual_size, unit);
        if let Some(table) = &self.table {
            table.scan(&mut self.input, &mut self.bat_cache, &mut tally)?;
        } else {
            tally.add(0, self.virtual_size);
        }
        Ok(tally.summary())
    }

    /// Bytes read from the device by `init` and every scan so far.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// The virtual disk's size in bytes; a multiple of 512.
    #[must_use]
    pub const fn virtual_size(&self) -> u64 {
        self.virtual_size
    }

    /// The size of the disk's blocks in bytes: a power of two from 512. None for a fixed disk.
    #[must_use]
    pub fn block_size(&self) -> Option<u32> {
        self.table.as_ref().map(|table| table.block_size)
    }

    /// Where the BAT lies, in bytes from the file's start. None for a fixed disk.
    #[must_use]
    pub fn table_offset(&self) -> Option<u64> {
        self.table.as_ref().map(|table| table.table.start)
    }

    /// The bytes of the file that hold the name of a differencing disk's parent: UTF-16, big-endian, up to a zero or
    /// the end. None for another disk.
    #[must_use]
    pub const fn parent_name(&self) -> Option<Range<u64>> {
        match &self.table {
            Some(table) if self.is_differencing => {
                let at = table.header.start;
                Some(at + header::PARENT_NAME.start..at + header::PARENT_NAME.end)
            }
            _ => None,
        }
    }
}
