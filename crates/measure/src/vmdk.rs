//! VMDK: a sparse extent with two levels of tables and data in grains, or a flat extent.
//!
//! The layout is that of VMware's "Virtual Disk Format 5.0"; how large the parts of a new image are
//! is what `vmdk_co_create_opts` and `vmdk_create_extent` of QEMU's `block/vmdk.c` write.

use types::AllocationSummary;

use crate::arithmetic::{PowerOfTwo, SECTOR, add, multiply};
use crate::request::{answer, check_sizes, check_unit, units};
use crate::{MeasureError, MeasureOutput, VmdkOpts, VmdkSubformat};

const SMALLEST_GRAIN_SIZE: u32 = 4 << 10;
const LARGEST_GRAIN_SIZE: u32 = 64 << 10;
/// Grains are counted in 32 bits. (qemu-img also rounds them up to whole grain tables of 512 in 32 bits:
/// for a disk in the last, incomplete table of this range it writes a file without tables.)
const MOST_GRAINS: u64 = u32::MAX as u64;
const HEADER_SECTORS: u64 = 1;
const DESCRIPTOR_SECTORS: u64 = 20;
/// A grain table has 512 entries of 4 bytes.
const GRAIN_TABLE_ENTRIES: PowerOfTwo = SECTOR;
const GRAIN_TABLE_SECTORS: u64 = 4;

/// How large a VMDK would be: the file that `qemu-img convert -O vmdk` writes.
///
/// - Monolithic sparse: a header of one sector, 20 of descriptor, twice the grain directory and the
///   grain tables of the whole disk, all rounded up to a grain; then the grains.
/// - Stream-optimized: as monolithic sparse, but the grains are deflated. **This is a bound**: every
///   grain is taken to be incompressible, a marker of 12 bytes and the deflated bytes, which are at most
///   the grain, 5 bytes for each 16383 of it and 6, in whole sectors. The file is smaller, as small as
///   the data allows.
/// - Monolithic flat: the flat extent, which is the disk rounded up to whole sectors. The text file
///   beside it (under 1 KiB; its length depends on the files' names) is not counted.
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: a grain size outside its range, for the flat subformat as well; a
///   touched count for another unit than the grain size.
/// - [`MeasureError::InvalidSize`]: a disk over 2^63 - 1 bytes; over 2^32 - 1 grains, 256 TiB less 64
///   KiB with grains of 64 KiB (not for the flat subformat: it has no grains); more data than the disk
///   is large, or more touched units than the disk has.
/// - [`MeasureError::Overflow`]: the sum of the two answers does not fit; only for the flat subformat,
///   from 2^63 - 511 bytes on.
pub fn measure_vmdk(s: &AllocationSummary, opts: &VmdkOpts) -> Result<MeasureOutput, MeasureError> {
    let grain = PowerOfTwo::option(opts.grain_size, SMALLEST_GRAIN_SIZE, LARGEST_GRAIN_SIZE)?;
    check_unit(s, grain)?;
    check_sizes(s)?;

    let bytes_per_grain = match opts.subformat {
        VmdkSubformat::MonolithicFlat => {
            let extent = SECTOR.round_up(s.virtual_size)?;
            return answer(extent, extent);
        }
        VmdkSubformat::MonolithicSparse => grain.get(),
        VmdkSubformat::StreamOptimized => largest_deflated_grain(grain)?,
    };
    let disk_grains = grain.count(s.virtual_size);
    if disk_grains > MOST_GRAINS {
        return Err(MeasureError::InvalidSize);
    }
    let head = sparse_head(disk_grains, grain)?;
    answer(
        add(head, multiply(units(s, grain), bytes_per_grain)?)?,
        add(head, multiply(disk_grains, bytes_per_grain)?)?,
    )
}

/// The bytes of a sparse extent in front of its first grain.
fn sparse_head(disk_grains: u64, grain: PowerOfTwo) -> Result<u64, MeasureError> {
    let table_sectors = multiply(GRAIN_TABLE_ENTRIES.count(disk_grains), GRAIN_TABLE_SECTORS)?;
    // An entry of the directory has 4 bytes, and a table 4 sectors: as many bytes as table sectors.
    let directory_sectors = SECTOR.count(table_sectors);
    let tables = add(directory_sectors, table_sectors)?;
    let sectors = add(HEADER_SECTORS + DESCRIPTOR_SECTORS, multiply(tables, 2)?)?;
    grain.round_up(SECTOR.times(sectors)?)
}

/// The most bytes that a grain of incompressible data takes in a stream-optimized extent.
fn largest_deflated_grain(grain: PowerOfTwo) -> Result<u64, MeasureError> {
    /// Sector number and length.
    const MARKER: u64 = 12;
    /// zlib's header and checksum.
    const STREAM: u64 = 6;
    /// Bytes that deflate stores at most under one block header at this compression level, and the
    /// header's.
    const STORED_BLOCK: u64 = 16383;
    const STORED_BLOCK_HEADER: u64 = 5;

    let block_headers = multiply(grain.get().div_ceil(STORED_BLOCK), STORED_BLOCK_HEADER)?;
    SECTOR.round_up(add(MARKER + STREAM, add(grain.get(), block_headers)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBFORMATS: [VmdkSubformat; 3] = [
        VmdkSubformat::MonolithicSparse,
        VmdkSubformat::StreamOptimized,
        VmdkSubformat::MonolithicFlat,
    ];

    fn opts(subformat: VmdkSubformat, grain_size: u32) -> VmdkOpts {
        VmdkOpts {
            subformat,
            grain_size,
        }
    }

    fn sizes(summary: AllocationSummary, opts: &VmdkOpts) -> Result<(u64, u64), MeasureError> {
        measure_vmdk(&summary, opts).map(|out| (out.required, out.fully_allocated))
    }

    #[test]
    fn the_defaults_are_those_of_qemu_img() {
        assert_eq!(
            VmdkOpts::default(),
            opts(VmdkSubformat::MonolithicSparse, 65536)
        );
        assert_eq!(VmdkOpts::default().grain_size, 65536);
    }

    /// File lengths seen from qemu-img; the smaller grains are the same formula by hand.
    #[test]
    fn a_sparse_extent_is_a_head_and_grains() {
        let g64 = opts(VmdkSubformat::MonolithicSparse, 65536);
        assert_eq!(
            sizes(AllocationSummary::new(0, 0), &g64),
            Ok((65536, 65536))
        );
        assert_eq!(
            sizes(AllocationSummary::new(1 << 20, 1), &g64),
            Ok((131_072, 65536 + (1 << 20)))
        );
        // 1 MiB + 1: a seventeenth grain, which counts as whole.
        assert_eq!(
            sizes(AllocationSummary::new((1 << 20) + 1, (1 << 20) + 1), &g64),
            Ok((65536 * 18, 65536 * 18))
        );
        assert_eq!(
            sizes(AllocationSummary::new(255 << 40, 0), &g64),
            Ok((34_292_432_896, 34_292_432_896 + (255 << 40)))
        );
        // 141 tables: 1 + 20 + 2 * (2 + 564) = 1153 sectors, one more than nine grains.
        assert_eq!(
            sizes(AllocationSummary::new(141 * (32 << 20), 0), &g64)
                .unwrap()
                .0,
            10 * 65536
        );
        // 64 MiB in grains of 4 KiB: 32 tables; 1 + 20 + 2 * (1 + 128) = 279 sectors, 280 with rounding.
        let g4 = opts(VmdkSubformat::MonolithicSparse, 4096);
        assert_eq!(
            sizes(AllocationSummary::new(64 << 20, 4097), &g4),
            Ok((280 * 512 + 8192, 280 * 512 + (64 << 20)))
        );
    }

    #[test]
    fn a_deflated_grain_is_bounded_by_what_incompressible_data_takes() {
        let stream = |grain_size| opts(VmdkSubformat::StreamOptimized, grain_size);
        assert_eq!(
            sizes(AllocationSummary::new(10 << 20, 65537), &stream(65536)),
            Ok((65536 + 2 * 66048, 65536 + 160 * 66048))
        );
        for (grain_size, bytes_per_grain) in [
            (4096, 4608),
            (8192, 8704),
            (16384, 16896),
            (32768, 33280),
            (65536, 66048),
        ] {
            let empty = sizes(AllocationSummary::new(1 << 20, 0), &stream(grain_size)).unwrap();
            let one = sizes(AllocationSummary::new(1 << 20, 1), &stream(grain_size)).unwrap();
            assert_eq!(one.0 - empty.0, bytes_per_grain);
            assert_eq!(
                empty.1 - empty.0,
                (1 << 20) / u64::from(grain_size) * bytes_per_grain
            );
        }
    }

    #[test]
    fn a_flat_extent_is_the_disk_in_whole_sectors_up_to_the_largest() {
        let flat = VmdkOpts {
            subformat: VmdkSubformat::MonolithicFlat,
            ..VmdkOpts::default()
        };
        for (size, extent) in [
            (0, 0),
            (1, 512),
            (512, 512),
            (513, 1024),
            (1 << 60, 1 << 60),
        ] {
            assert_eq!(
                sizes(AllocationSummary::new(size, 0), &flat),
                Ok((extent, extent))
            );
        }
        // No grains, so no limit of grains.
        assert_eq!(
            sizes(AllocationSummary::new(300 << 40, 0), &flat),
            Ok((300 << 40, 300 << 40))
        );
        let largest = (1 << 63) - 512;
        assert_eq!(
            sizes(AllocationSummary::new(largest, 0), &flat),
            Ok((largest, largest))
        );
        for over in [largest + 1, i64::MAX as u64] {
            assert_eq!(
                sizes(AllocationSummary::new(over, 0), &flat),
                Err(MeasureError::Overflow)
            );
        }
        assert_eq!(
            sizes(AllocationSummary::new(1 << 63, 0), &flat),
            Err(MeasureError::InvalidSize)
        );
    }

    #[test]
    fn grain_sizes_are_checked_for_every_subformat() {
        for subformat in SUBFORMATS {
            for grain_size in [4096, 8192, 16384, 32768, 65536] {
                assert!(sizes(AllocationSummary::new(1, 0), &opts(subformat, grain_size)).is_ok());
            }
            for grain_size in [
                0,
                1,
                512,
                2048,
                4095,
                4097,
                12288,
                65535,
                65537,
                1 << 17,
                u32::MAX,
            ] {
                // The option comes before sizes that are wrong as well.
                for summary in [
                    AllocationSummary::new(1, 0),
                    AllocationSummary::new(u64::MAX, 0),
                    AllocationSummary::new(0, 1),
                ] {
                    assert_eq!(
                        sizes(summary, &opts(subformat, grain_size)),
                        Err(MeasureError::InvalidOption)
                    );
                }
            }
        }
    }

    #[test]
    fn a_sparse_extent_has_at_most_2_to_the_32_less_1_grains() {
        for subformat in [
            VmdkSubformat::MonolithicSparse,
            VmdkSubformat::StreamOptimized,
        ] {
            for grain_size in [4096, 65536] {
                let opts = opts(subformat, grain_size);
                let limit = ((1 << 32) - 1) * u64::from(grain_size);
                assert!(sizes(AllocationSummary::new(limit - 1, limit - 1), &opts).is_ok());
                assert!(sizes(AllocationSummary::new(limit, limit), &opts).is_ok());
                assert_eq!(
                    sizes(AllocationSummary::new(limit + 1, 0), &opts),
                    Err(MeasureError::InvalidSize)
                );
            }
        }
    }

    #[test]
    fn touched_grains_are_taken_as_counted_and_checked() {
        let opts = VmdkOpts::default();
        let disk = AllocationSummary::new(1 << 20, 3 * 512);
        assert_eq!(
            sizes(disk.with_touched(65536, 3), &opts).unwrap().0,
            4 * 65536
        );
        assert_eq!(sizes(disk, &opts).unwrap().0, 2 * 65536);
        assert!(sizes(disk.with_touched(65536, 16), &opts).is_ok());
        assert_eq!(
            sizes(disk.with_touched(65536, 17), &opts),
            Err(MeasureError::InvalidSize)
        );
        for subformat in SUBFORMATS {
            let opts = VmdkOpts { subformat, ..opts };
            for unit in [0, 1, 4096, 65535, 65537, u64::MAX] {
                assert_eq!(
                    sizes(disk.with_touched(unit, 0), &opts),
                    Err(MeasureError::InvalidOption)
                );
            }
            assert_eq!(
                sizes(disk.with_touched(65536, 17), &opts),
                Err(MeasureError::InvalidSize)
            );
        }
    }
}
