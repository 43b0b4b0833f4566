//! VMDK: a directory of tables of grains, twice; or the disk's bytes.

use types::{AllocationSummary, MeasureOutput, Measured, VmdkOpts, VmdkSubformat};

use crate::sizes::{LARGEST_DISK, SECTOR_BITS, ceiling, plain, round_up, units};

/// Grains are numbered in 32 bits.
const MOST_GRAINS: u64 = u32::MAX as u64;

/// A grain table has 512 entries of 4 bytes, 4 sectors.
const TABLE_ENTRIES_BITS: u32 = 9;

/// What a grain of a stream-optimized extent takes more than its data, at most, in bytes.
///
/// Its marker of 12 bytes, 6 of zlib, and 5 for each begun 16383 bytes of data: 23 bytes for a grain of
/// 4 KiB to 43 for one of 64 KiB. So one sector, as a grain is whole sectors.
const STREAM_OVERHEAD: u64 = 512;

/// The size of a VMDK (layout: VMware's "Virtual Disk Format 5.0"; what of it is written:
/// `vmdk_create_extent` in QEMU's `block/vmdk.c`).
///
/// # Errors
/// - [`types::MeasureError::InvalidOption`]: a grain size outside its range, used or not.
/// - [`types::MeasureError::InvalidSize`]: too many grains; a flat disk over 2^63 - 1 bytes; more data or units
///   than the disk has.
/// - [`types::MeasureError::Overflow`]: a flat disk for which the sum of the two answers is 2^64.
#[inline]
pub(crate) fn measure(summary: &AllocationSummary, options: &VmdkOpts) -> Measured {
    let grain_size = options.grain_size;
    let legal = grain_size.is_power_of_two() & (4 << 10..=64 << 10).contains(&grain_size);
    let grain_bits = grain_size.trailing_zeros();
    let size = summary.virtual_size;
    let (largest, stream_overhead) = match options.subformat {
        VmdkSubformat::MonolithicFlat => {
            units(summary, legal, grain_bits, LARGEST_DISK)?;
            return plain(size);
        }
        VmdkSubformat::MonolithicSparse => (MOST_GRAINS << grain_bits, 0),
        VmdkSubformat::StreamOptimized => (MOST_GRAINS << grain_bits, STREAM_OVERHEAD),
    };
    // 2^48 bytes at most: nothing below comes near 2^63.
    let data_grains = units(summary, legal, grain_bits, largest)?;
    let grains = ceiling(size, grain_bits);
    let grain = u64::from(grain_size) + stream_overhead;
    let head = round_up(head_sectors(size, grain_bits) << SECTOR_BITS, grain_bits);
    Ok(MeasureOutput {
        required: head + data_grains * grain,
        fully_allocated: head + grains * grain,
    })
}

/// The sectors in front of the grains: a header, 20 of descriptor, and twice a directory and its tables.
#[inline(always)]
const fn head_sectors(size: u64, grain_bits: u32) -> u64 {
    // A table is 4 sectors; a sector of the directory has 128 entries of 4 bytes, one a table.
    let tables = ceiling(size, grain_bits + TABLE_ENTRIES_BITS);
    1 + 20 + 2 * (ceiling(tables, 7) + 4 * tables)
}
