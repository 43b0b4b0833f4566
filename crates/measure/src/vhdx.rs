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

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;

    fn sizes(summary: AllocationSummary, block_size: u32) -> Result<(u64, u64), MeasureError> {
        measure_vhdx(&summary, &VhdxOpts { block_size })
            .map(|out| (out.required, out.fully_allocated))
    }

    #[test]
    fn the_block_is_chosen_by_the_size_of_the_disk_for_every_size() {
        let auto = VhdxOpts::default();
        for (size, mib) in [
            (0, 8),
            (GIB - 1, 8),
            (GIB, 8),
            (GIB + 1, 16),
            (100 * GIB, 16),
            (100 * GIB + 1, 32),
            (32 * TIB, 32),
            (32 * TIB + 1, 64),
            (64 * TIB, 64),
            (u64::MAX, 64),
        ] {
            assert_eq!(block_size_for(&auto, size), mib << 20);
            let unit = crate::unit(&crate::Options::Vhdx(auto), size);
            assert_eq!(unit, Some(u64::from(mib) << 20));
        }
        let set = VhdxOpts {
            block_size: 3 << 20,
        };
        assert_eq!(block_size_for(&set, u64::MAX), 3 << 20);
    }

    /// File lengths seen from qemu-img.
    #[test]
    fn a_vhdx_is_its_fixed_parts_a_table_and_blocks() {
        assert_eq!(
            sizes(AllocationSummary::new(10 << 20, 0), 0),
            Ok((8_388_608, 3 * 8_388_608))
        );
        assert_eq!(
            sizes(AllocationSummary::new(64 * TIB, 1), 0),
            Ok((16_777_216 + (64 << 20), 16_777_216 + 64 * TIB))
        );
        // No bytes: more than for one.
        assert_eq!(
            sizes(AllocationSummary::new(0, 0), 0),
            Ok((74_448_896, 74_448_896))
        );
        assert_eq!(
            sizes(AllocationSummary::new(1, 1), 1 << 20),
            Ok((9 << 20, 9 << 20))
        );
    }

    /// With blocks of 1 MiB a sector-bitmap entry follows 4096 of payload, and a MiB has 131072 entries.
    #[test]
    fn the_table_has_an_entry_for_each_bitmap_block_between_payload_blocks() {
        let start = |blocks: u64| {
            let disk = AllocationSummary::new(blocks << 20, 0);
            sizes(disk, 1 << 20).unwrap().0 >> 20
        };
        // 131040 + 31 and 131041 + 31 entries fit; 131072 payload blocks do not, with 31 more.
        assert_eq!([start(131_040), start(131_041)], [8, 8]);
        assert_eq!([start(131_042), start(131_072)], [9, 9]);
        // Two MiB: 262144 entries, 63 of them (262080 - 1) / 4096.
        assert_eq!([start(262_081), start(262_082)], [9, 10]);
    }

    #[test]
    fn a_disk_has_at_most_64_tib() {
        for block_size in [0, 1 << 20, 256 << 20] {
            for disk in [64 * TIB - 1, 64 * TIB] {
                assert!(sizes(AllocationSummary::new(disk, disk), block_size).is_ok());
            }
            for disk in [64 * TIB + 1, i64::MAX as u64, 1 << 63, u64::MAX] {
                assert_eq!(
                    sizes(AllocationSummary::new(disk, 0), block_size),
                    Err(MeasureError::InvalidSize)
                );
            }
        }
        assert_eq!(
            sizes(AllocationSummary::new(GIB, GIB + 1), 0),
            Err(MeasureError::InvalidSize)
        );
    }

    #[test]
    fn a_block_size_is_a_power_of_two_from_1_to_256_mib_or_none() {
        for shift in 20..=28 {
            assert!(sizes(AllocationSummary::new(GIB, 0), 1 << shift).is_ok());
        }
        for block_size in [
            1,
            512 << 10,
            (1 << 20) + 1,
            3 << 20,
            1 << 29,
            1 << 31,
            u32::MAX,
        ] {
            for disk in [GIB, u64::MAX] {
                assert_eq!(
                    sizes(AllocationSummary::new(disk, 0), block_size),
                    Err(MeasureError::InvalidOption)
                );
            }
        }
    }

    #[test]
    fn touched_blocks_are_taken_as_counted_and_checked() {
        let disk = AllocationSummary::new(10 << 20, 2);
        assert_eq!(
            sizes(disk.with_touched(8 << 20, 2), 0),
            Ok((24 << 20, 24 << 20))
        );
        assert_eq!(
            sizes(disk.with_touched(8 << 20, 3), 0),
            Err(MeasureError::InvalidSize)
        );
        assert_eq!(
            sizes(disk.with_touched(1 << 20, 10), 1 << 20),
            Ok((18 << 20, 18 << 20))
        );
        for unit in [0, 1, 1 << 20, 16 << 20, u64::MAX] {
            assert_eq!(
                sizes(disk.with_touched(unit, 0), 0),
                Err(MeasureError::InvalidOption)
            );
        }
        // The chosen block size of a disk over the limit is known: a wrong unit comes before the size.
        let over = AllocationSummary::new(u64::MAX, 0);
        assert_eq!(
            sizes(over.with_touched(32 << 20, 0), 0),
            Err(MeasureError::InvalidOption)
        );
        assert_eq!(
            sizes(over.with_touched(64 << 20, 0), 0),
            Err(MeasureError::InvalidSize)
        );
    }
}
