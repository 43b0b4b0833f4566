//! VHD: blocks and their bitmaps, a table of them, and a disk that grows to whole cylinders.
//!
//! # How far the disk grows
//! A disk of t sectors has a geometry of whole cylinders, the size of which depends on t alone (VHD
//! specification, appendix "CHS Calculation"): [`BANDS`] lists the ranges of t, and the cylinder of each.
//! The geometry then covers floor(t / cylinder) cylinders. The image gets the first t from the asked
//! size s on whose geometry covers s. Within a band that is the case exactly if t reaches s rounded up to
//! whole cylinders; so each band's first such t is known without trying, and the first band that has one
//! has the first of all.

use types::{AllocationSummary, MeasureOutput, Measured, VhdOpts, VhdSubformat};

use crate::sizes::{SECTOR_BITS, ceiling, round_up, units};

/// 2040 GiB, in sectors (`VHD_MAX_SECTORS` in QEMU's `block/vpc.c`).
const MOST_SECTORS: u64 = 0xff00_0000;

/// The footer, or its copy, in bytes.
const FOOTER: u64 = 512;

/// The header of a dynamic disk, in bytes.
const HEADER: u64 = 1024;

/// The size of a VHD (layout: Microsoft's "Virtual Hard Disk Image Format Specification"; what of it is
/// written: `vpc_co_create` in QEMU's `block/vpc.c`).
///
/// # Errors
/// - [`types::MeasureError::InvalidOption`]: a block size outside its range, used or not.
/// - [`types::MeasureError::InvalidSize`]: a disk over 2040 GiB; more data or units than it has.
#[inline]
pub(crate) fn measure(summary: &AllocationSummary, options: &VhdOpts) -> Measured {
    let block_size = options.block_size;
    let legal = block_size.is_power_of_two() & (block_size >= 512 << 10);
    let block_bits = block_size.trailing_zeros();
    // The limit is about the disk after its growth, but disks near the limit do not grow. It is below 2^41
    // bytes, and so all else is below 2^43.
    let data_blocks = units(summary, legal, block_bits, MOST_SECTORS << SECTOR_BITS)?;
    let asked = ceiling(summary.virtual_size, SECTOR_BITS);
    let disk = if options.force_size | (asked > LARGEST_GEOMETRY.into()) {
        asked
    } else {
        u64::from(grown(asked as u32))
    } << SECTOR_BITS;

    Ok(match options.subformat {
        VhdSubformat::Dynamic => {
            let blocks = ceiling(disk, block_bits);
            // A bit for each sector; a bitmap is a power of two as well, but for the smallest.
            let block = u64::from(block_size) + u64::from(block_size >> 12).max(512);
            let head = FOOTER + HEADER + round_up(4 * blocks, SECTOR_BITS);
            MeasureOutput {
                required: head + data_blocks * block + FOOTER,
                fully_allocated: head + blocks * block + FOOTER,
            }
        }
        VhdSubformat::Fixed => MeasureOutput {
            required: disk + FOOTER,
            fully_allocated: disk + FOOTER,
        },
    })
}

/// The largest disk that a geometry can express, in sectors.
const LARGEST_GEOMETRY: u32 = 65535 * 16 * 255;

/// Tracks of 31 sectors end here, and those of 63 begin, in sectors.
const TRACKS_OF_63: u32 = 31 * 16 * 1024;

/// Tracks of 63 sectors end here, and those of 255 begin, in sectors.
const TRACKS_OF_255: u32 = 65535 * 16 * 63 + 1;

/// 1024 tracks of 17 sectors. With tracks of 17 a disk has one head for each such slice, but at least 4.
const SLICE: u32 = 1024 * 17;

/// Where a range of disks begins, in sectors, and the cylinder of their geometry; from 0 to
/// [`LARGEST_GEOMETRY`] without a gap, and what is behind.
///
/// Up to four slices there are four heads. From each following slice on, up to the 16th, a disk of up to
/// one track more has 31 sectors a track and 16 heads, because the 1024 cylinders that so many heads would
/// need are one too many; from there on it has 17 sectors a track and one head more. Then there are 31, 63
/// and 255 sectors a track with 16 heads.
const BANDS: [(u32, u32); 29] = {
    let mut bands = [(0, 17 * 4); 29];
    let mut heads = 4;
    while heads < 16 {
        let first = 2 * heads as usize - 7;
        bands[first] = (heads * SLICE, 31 * 16);
        bands[first + 1] = (heads * SLICE + 17, 17 * (heads + 1));
        heads += 1;
    }
    bands[25] = (16 * SLICE, 31 * 16);
    bands[26] = (TRACKS_OF_63, 63 * 16);
    bands[27] = (TRACKS_OF_255, 255 * 16);
    bands[28] = (LARGEST_GEOMETRY + 1, 0);
    bands
};

/// The disk that covers `asked` sectors in whole cylinders, in sectors; or `asked` itself when that disk
/// is the largest. `asked` is at most [`LARGEST_GEOMETRY`].
#[inline(always)]
fn grown(asked: u32) -> u32 {
    // The first band that does not end before `asked`; or one before that.
    let slices = (asked / SLICE).min(16) as usize;
    let larger = usize::from(asked >= TRACKS_OF_63) + usize::from(asked >= TRACKS_OF_255);
    let first = (2 * slices).saturating_sub(7) + larger;
    for [(start, cylinder), (end, _)] in BANDS[first..].array_windows() {
        let disk = asked.next_multiple_of(*cylinder).max(*start);
        if disk < *end {
            let covered = disk - disk % cylinder;
            return if covered == LARGEST_GEOMETRY {
                asked
            } else {
                covered
            };
        }
    }
    // The last band ends on a whole cylinder and has a disk for every size that can be asked.
    asked
}
