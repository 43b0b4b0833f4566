//! The walk through the grain directory and the grain tables.
//!
//! Sector reads for [`init`](VmdkState::init) and one scan: at most 5 for header and footer, the
//! file's sectors and one for the directory, and the file's sectors of 512 bytes for the tables.

use core::num::NonZeroU64;

use shared::{
    AllocationSummary, CallTable, DataTally, Input, ScanError, SectorCache, TableBudget,
    entries_but,
};

use crate::VmdkHeader;
use crate::descriptor;
use crate::header::{First, LENGTH, TABLE_BYTES};

/// How much of the directory is taken at once, in bytes: empty entries are passed over in one step.
const BLOCK: usize = 4096;
/// An entry's length in bytes, in directory and table.
const ENTRY: u64 = 4;
/// The size of VMDK's unit, in bytes.
const SECTOR: u64 = 512;
/// A grain table entry that is a zeroed grain, with the flag for that in the header.
const ZEROED: u32 = 1;

/// A scanner over one image.
#[derive(Debug)]
pub struct VmdkState<'a> {
    input: Input<'a>,
    gd_cache: SectorCache<'a>,
    gt_cache: SectorCache<'a>,
    header: VmdkHeader,
}

/// What one scan adds up.
struct Walk {
    tally: DataTally,
    budget: TableBudget,
}

impl<'a> VmdkState<'a> {
    /// Reads and verifies the header, and the footer when it has one, of the image on `device`. Each
    /// cache must hold one sector of the device; both belong to the scanner from here on.
    ///
    /// # Errors
    /// [`ScanError::NotThisFormat`] without a sparse extent's magic number;
    /// [`ScanError::Unsupported`] for a text descriptor, an extent of ESX, or a feature that is not
    /// known; [`ScanError::Corrupt`] for a field out of its bounds, a wrong footer, or a grain
    /// directory that is not wholly in the file; [`ScanError::Io`] when the device fails;
    /// [`ScanError::InvalidArgument`] for a sector size that is no power of two from 512 to 65536, or
    /// a cache that is too small.
    pub fn init(
        calls: CallTable<'a>,
        device: u32,
        gd_cache: &'a mut [u8],
        gt_cache: &'a mut [u8],
    ) -> Result<Self, ScanError> {
        let mut gd_cache = SectorCache::new(gd_cache);
        let gt_cache = SectorCache::new(gt_cache);
        let mut input = Input::open(calls, device, &[&gd_cache, &gt_cache])?;
        let header = read_header(&mut input, &mut gd_cache)?;
        if !input.contains(header.directory_offset, header.directory_bytes()) {
            return Err(ScanError::Corrupt(DIRECTORY_CUT_SHORT));
        }
        Ok(Self {
            input,
            gd_cache,
            gt_cache,
            header,
        })
    }

    /// The image's header; the footer's, when it has one.
    #[must_use]
    pub const fn header(&self) -> &VmdkHeader {
        &self.header
    }

    /// The virtual disk's size in bytes; under 2^63.
    #[must_use]
    pub const fn virtual_size(&self) -> u64 {
        self.header.virtual_size()
    }

    /// Bytes read from the device by [`init`](Self::init) and every scan so far: whole sectors.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// Adds up the data of the virtual disk; counts the units of `unit` bytes that it touches, when
    /// given.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] when a grain table is not wholly in the file, or the tables named add up
    /// to more sectors than the file has; [`ScanError::Io`] when the device fails.
    pub fn scan_allocation(
        &mut self,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        let mut walk = Walk {
            tally: DataTally::new(self.virtual_size(), unit),
            budget: TableBudget::new(self.input.capacity()),
        };
        let coverage = self.header.table_coverage();
        let (start, bytes) = (self.header.directory_offset, self.header.directory_bytes());
        let mut block = [0; BLOCK];
        for at in (0..bytes).step_by(BLOCK) {
            let block = &mut block[..up_to(BLOCK, bytes - at)];
            self.input
                .read(&mut self.gd_cache, start + at, block, DIRECTORY_CUT_SHORT)?;
            entries_but(block, 0).try_for_each(|(number, table)| {
                let table = u64::from(u32::from_le_bytes(table)) * SECTOR;
                self.scan_table(table, (at / ENTRY + number) * coverage, &mut walk)
            })?;
        }
        Ok(walk.tally.summary())
    }

    /// Adds the grains that the table at byte `table_offset` of the file maps, from byte
    /// `guest_offset` of the disk on.
    fn scan_table(
        &mut self,
        table_offset: u64,
        guest_offset: u64,
        walk: &mut Walk,
    ) -> Result<(), ScanError> {
        if !self.input.contains(table_offset, TABLE_BYTES as u64) {
            return Err(ScanError::Corrupt(TABLE_CUT_SHORT));
        }
        walk.budget.take(TABLE_BYTES as u64)?;

        let grain_size = self.header.grain_size();
        let zeroed_grains = self.header.has_zeroed_grains();
        let grains_left = (self.virtual_size() - guest_offset).div_ceil(grain_size);
        let mut table = [0; TABLE_BYTES];
        let table = &mut table[..up_to(TABLE_BYTES, grains_left.saturating_mul(ENTRY))];
        self.input
            .read(&mut self.gt_cache, table_offset, table, TABLE_CUT_SHORT)?;
        entries_but(table, 0).for_each(|(number, grain)| {
            if !(zeroed_grains && u32::from_le_bytes(grain) == ZEROED) {
                walk.tally
                    .add(guest_offset + number * grain_size, grain_size);
            }
        });
        Ok(())
    }
}

fn read_header(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
) -> Result<VmdkHeader, ScanError> {
    let capacity = input.capacity();
    let mut first = [0; LENGTH];
    let first = &mut first[..up_to(LENGTH, capacity)];
    input.read(cache, 0, first, "the header")?;
    if first.starts_with(descriptor::MAGIC) {
        return Err(ScanError::Unsupported(descriptor::kind(first)));
    }
    match VmdkHeader::parse_first(first, capacity)? {
        First::Header(header) => Ok(header),
        First::InFooter => {
            const WHAT: &str = "the file is too short for the footer that its header announces";
            let mut footer = [[0; LENGTH]; 3];
            let bytes = footer.as_flattened_mut();
            let at = capacity
                .checked_sub(bytes.len() as u64)
                .ok_or(ScanError::Corrupt(WHAT))?;
            input.read(cache, at, bytes, WHAT)?;
            VmdkHeader::parse_footer(&footer, capacity)
        }
    }
}

const DIRECTORY_CUT_SHORT: &str = "the grain directory is not wholly in the file";
const TABLE_CUT_SHORT: &str = "a grain table is not wholly in the file";

/// The smaller of `most` and `bytes`.
fn up_to(most: usize, bytes: u64) -> usize {
    usize::try_from(bytes).map_or(most, |bytes| bytes.min(most))
}
