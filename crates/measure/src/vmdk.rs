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
