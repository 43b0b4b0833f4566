//! VHDX: headers, a log, metadata, an allocation table, and blocks.
//!
//! The layout is that of Microsoft's MS-VHDX; how large the parts of a new image are is what
//! `vhdx_co_create` and `vhdx_create_bat` of QEMU's `block/vhdx.c` write, with a log of 1 MiB. Only the
//! dynamic subformat is calculated: qemu-img's fixed one stores the payload twice over.

use types::AllocationSummary;

use crate::arithmetic::{MIB, PowerOfTwo, add, multiply};
use crate::request::{answer, check_sizes, check_unit, units};
use crate::{MeasureError, MeasureOutput, VhdxOpts};

/// The block size in bytes of a disk of `virtual_size` bytes: as it is set, legal or not, or if it is
/// 0 the one that qemu-img chooses: 8 MiB for a disk up to and with 1 GiB, 16 MiB up to 100 GiB, 32 MiB
/// up to 32 TiB, else 64 MiB.
#[must_use]
pub(crate) const fn block_size_for(opts: &VhdxOpts, virtual_size: u64) -> u32 {
    const MIB: u32 = 1 << 20;
    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;
    if opts.block_size != 0 {
        opts.block_size
    } else if virtual_size <= GIB {
        8 * MIB
    } else if virtual_size <= 100 * GIB {
        16 * MIB
    } else if virtual_size <= 32 * TIB {
        32 * MIB
    } else {
        64 * MIB
    }
}

const SMALLEST_BLOCK_SIZE: u32 = 1 << 20;
const LARGEST_BLOCK_SIZE: u32 = 256 << 20;
/// 64 TiB (MS-VHDX 2.6.2.2; `VHDX_MAX_IMAGE_SIZE` in QEMU's `block/vhdx.h`).
const LARGEST_DISK: u64 = 64 << 40;
/// What comes in front of the allocation table and between it and the payload: headers, log, metadata,
/// and what qemu-img leaves free.
const FIXED_PARTS: u64 = 7 << 20;
/// A sector-bitmap block has a bit for each of 2^23 sectors (MS-VHDX 2.5).
const BYTES_PER_BITMAP_BLOCK: u64 = (1 << 23) * 512;

/// How large a dynamic VHDX would be: the file that `qemu-img convert -O vhdx` writes.
///
/// 7 MiB of headers, log and metadata; the block allocation table of 8 bytes an entry, in whole MiB,
/// with an entry for each block of the disk and one for each sector-bitmap block between them; and the
/// blocks that hold data.
///
/// A disk of no bytes takes **more** room than a small one: qemu-img's count of sector-bitmap entries
/// wraps in 32 bits for it, and the calculator answers what qemu-img writes.
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: a block size outside its range; a touched count for another unit
///   than the block size (that was chosen for this disk).
/// - [`MeasureError::InvalidSize`]: a disk over 64 TiB; more data than the disk is large, or more touched
///   units than the disk has.
///
/// Never [`MeasureError::Overflow`]: the largest VHDX is far from that.
pub fn measure_vhdx(s: &AllocationSummary, opts: &VhdxOpts) -> Result<MeasureOutput, MeasureError> {
    let block = PowerOfTwo::option(
        block_size_for(opts, s.virtual_size),
        SMALLEST_BLOCK_SIZE,
        LARGEST_BLOCK_SIZE,
    )?;
    check_unit(s, block)?;
    check_sizes(s)?;
    if s.virtual_size > LARGEST_DISK {
        return Err(MeasureError::InvalidSize);
    }

    let disk_blocks = block.count(s.virtual_size);
    let blocks_per_bitmap = BYTES_PER_BITMAP_BLOCK / block.get();
    let last_block = disk_blocks.checked_sub(1).unwrap_or(u64::from(u32::MAX));
    let entries = add(disk_blocks, last_block / blocks_per_bitmap)?;
    let table = MIB.round_up(multiply(entries, 8)?)?;
    let without_blocks = add(FIXED_PARTS, table)?;
    answer(
        add(without_blocks, block.times(units(s, block))?)?,
        add(without_blocks, block.times(disk_blocks)?)?,
    )
}
