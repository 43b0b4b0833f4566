//! VHDX: blocks, and one table of them and of their bitmaps.

use types::{AllocationSummary, MeasureOutput, Measured, VhdxOpts};

use crate::sizes::{ceiling, round_up, units};

/// 64 TiB (MS-VHDX 2.6.2.2).
const LARGEST_DISK: u64 = 64 << 40;

/// Headers, log, metadata, and what qemu leaves free, in bytes.
const BESIDE_THE_TABLE: u64 = 7 << 20;

/// What one bitmap block covers is two to this power in bytes: 2^23 sectors of 512.
const BITMAP_REACH_BITS: u32 = 32;

/// Regions are whole MiB.
const MIB_BITS: u32 = 20;

/// The size of a dynamic VHDX (layout: Microsoft's MS-VHDX; what of it is written: `vhdx_co_create` in
/// QEMU's `block/vhdx.c`, with its log of 1 MiB).
///
/// # Errors
/// - [`types::MeasureError::InvalidOption`]: a block size outside its range.
/// - [`types::MeasureError::InvalidSize`]: a disk over 64 TiB; more data or units than it has.
#[inline]
pub(crate) fn measure(summary: &AllocationSummary, options: &VhdxOpts) -> Measured {
    let size = summary.virtual_size;
    let block_size = block_size(options, size);
    let legal = block_size.is_power_of_two() & (1 << 20..=256 << 20).contains(&block_size);
    let block_bits = block_size.trailing_zeros();
    // So at most 2^26 blocks.
    let data_blocks = units(summary, legal, block_bits, LARGEST_DISK)?;
    let blocks = ceiling(size, block_bits);
    let start = BESIDE_THE_TABLE + round_up(8 * table_entries(blocks, block_bits), MIB_BITS);
    Ok(MeasureOutput {
        required: start + (data_blocks << block_bits),
        fully_allocated: start + (blocks << block_bits),
    })
}

/// The block size in bytes of a disk of `size` bytes: as it is set, or the one that qemu-img chooses.
#[inline(always)]
pub(crate) fn block_size(options: &VhdxOpts, size: u64) -> u64 {
    match options.block_size {
        0 => 1 << chosen_bits(size),
        given => given.into(),
    }
}

/// The block size that qemu-img chooses for a disk of `size` bytes is two to this power: 8 MiB, twice that
/// over 1 GiB, over 100 GiB and over 32 TiB.
#[inline(always)]
fn chosen_bits(size: u64) -> u32 {
    23 + u32::from(size > 1 << 30) + u32::from(size > 100 << 30) + u32::from(size > 32 << 40)
}

/// Entries for blocks, and one for a bitmap between any so many of them as one bitmap covers.
#[inline(always)]
const fn table_entries(blocks: u64, block_bits: u32) -> u64 {
    // For no block at all qemu-img takes the one before it to be the last of 2^32.
    let before_last = (blocks as u32).wrapping_sub(1);
    blocks + (before_last as u64 >> ((BITMAP_REACH_BITS - block_bits) & 63))
}
