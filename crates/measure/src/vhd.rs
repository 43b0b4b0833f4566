//! VHD (qemu's `vpc`): a footer, and for dynamic disks a header, an allocation table and blocks.
//!
//! The layout is that of Microsoft's "Virtual Hard Disk Image Format Specification"; how large the
//! parts of a new image are is what `vpc_co_create` of QEMU's `block/vpc.c` writes.

use types::AllocationSummary;

use crate::arithmetic::{PowerOfTwo, SECTOR, add, multiply};
use crate::request::{answer, check_sizes, check_unit, units};
use crate::{MeasureError, MeasureOutput, VhdOpts, VhdSubformat};

/// The size in bytes that the virtual disk gets in the image when `virtual_size` bytes are asked
/// for: a multiple of 512, and never smaller.
///
/// It grows to the next size that a geometry can express ([`chs`]), unless
/// [`VhdOpts::force_size`] is set or no geometry is large enough; then it is only rounded up
/// to 512. It grows by less than 4080 sectors, about 2 MiB.
///
/// # Errors
/// [`MeasureError::InvalidSize`] when the disk would be over 0xff000000 sectors, 2040 GiB, or
/// `virtual_size` is over 2^63 - 1 bytes.
pub(crate) fn disk_size(opts: &VhdOpts, virtual_size: u64) -> Result<u64, MeasureError> {
    let asked = SECTOR.count(virtual_size);
    let sectors = if opts.force_size {
        asked
    } else {
        match smallest_geometry(asked).sectors() {
            // In an image this number of sectors means: the size counts, not the geometry.
            LARGEST_GEOMETRY_SECTORS => asked,
            sectors => sectors,
        }
    };
    if sectors > MOST_SECTORS {
        return Err(MeasureError::InvalidSize);
    }
    SECTOR.times(sectors)
}

const SMALLEST_BLOCK_SIZE: u32 = 512 << 10;
const LARGEST_BLOCK_SIZE: u32 = 2 << 30;
/// 2040 GiB (`VHD_MAX_SECTORS` in QEMU's `block/vpc.c`).
const MOST_SECTORS: u64 = 0xff00_0000;
/// The sectors of the largest geometry.
const LARGEST_GEOMETRY_SECTORS: u64 = 65535 * 16 * 255;
/// The footer, and for dynamic disks its copy at the image's start.
const FOOTER: u64 = 512;
const DYNAMIC_HEADER: u64 = 1024;

/// How large a VHD would be: the file that `qemu-img convert -O vpc` writes.
///
/// The virtual disk may grow first (`disk_size`).
/// - Dynamic: a copy of the footer, a header of 1024 bytes, the block allocation table of 4 bytes for
///   each block of the disk in whole sectors, the blocks that hold data, each with its sector bitmap in
///   whole sectors, and the footer.
/// - Fixed: the disk and the footer.
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: a block size outside its range, for the fixed subformat as well; a
///   touched count for another unit than the block size.
/// - [`MeasureError::InvalidSize`]: a disk that `disk_size` refuses; more data than the disk
///   is large, or more touched units than the disk has.
///
/// Never [`MeasureError::Overflow`]: the largest VHD is far from that.
pub fn measure_vhd(s: &AllocationSummary, opts: &VhdOpts) -> Result<MeasureOutput, MeasureError> {
    let block = PowerOfTwo::option(opts.block_size, SMALLEST_BLOCK_SIZE, LARGEST_BLOCK_SIZE)?;
    check_unit(s, block)?;
    check_sizes(s)?;
    let disk_size = disk_size(opts, s.virtual_size)?;

    if opts.subformat == VhdSubformat::Fixed {
        let size = add(disk_size, FOOTER)?;
        return answer(size, size);
    }
    let disk_blocks = block.count(disk_size);
    let table = SECTOR.round_up(multiply(disk_blocks, 4)?)?;
    let without_blocks = add(FOOTER + DYNAMIC_HEADER + FOOTER, table)?;
    // One bit for each sector.
    let bitmap = SECTOR.round_up(block.get() / 512 / 8)?;
    let block_and_bitmap = add(block.get(), bitmap)?;
    answer(
        add(without_blocks, multiply(units(s, block), block_and_bitmap)?)?,
        add(without_blocks, multiply(disk_blocks, block_and_bitmap)?)?,
    )
}

/// The shape of a disk in a VHD's footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// How many cylinders, at most 65535.
    pub cylinders: u16,
    /// Heads, which is tracks a cylinder: 4 to 16.
    pub heads: u8,
    /// Sectors a track: 17, 31, 63 or 255.
    pub sectors_per_track: u8,
}

impl Geometry {
    /// How many sectors of 512 bytes such a disk has.
    #[must_use]
    pub const fn sectors(&self) -> u64 {
        self.cylinders as u64 * self.cylinder_sectors()
    }

    /// How many sectors of 512 bytes a cylinder has.
    const fn cylinder_sectors(&self) -> u64 {
        self.heads as u64 * self.sectors_per_track as u64
    }
}

/// The geometry of a disk of `total_sectors` sectors of 512 bytes: as many whole cylinders as fit it, so
/// of no more sectors than that. From 65535 * 16 * 255 sectors on, the geometry of that many.
///
/// The algorithm is that of the VHD specification, appendix "CHS Calculation" (`calculate_geometry` in
/// QEMU's `block/vpc.c`).
#[must_use]
pub fn chs(total_sectors: u64) -> Geometry {
    let sectors = total_sectors.min(LARGEST_GEOMETRY_SECTORS);
    let (heads, sectors_per_track) = if sectors > 65535 * 16 * 63 {
        (16, 255)
    } else {
        let tracks = sectors / 17;
        let heads = tracks.div_ceil(1024).max(4);
        if heads <= 16 && tracks < heads * 1024 {
            (heads, 17)
        } else if sectors / 31 < 16 * 1024 {
            (16, 31)
        } else {
            (16, 63)
        }
    };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "in each branch at most 65535 cylinders and 16 heads, see the tests"
    )]
    Geometry {
        cylinders: (sectors / sectors_per_track / heads) as u16,
        heads: heads as u8,
        sectors_per_track: sectors_per_track as u8,
    }
}

/// The geometry of the smallest disk of at least `asked` sectors whose geometry covers `asked` sectors;
/// `asked` is at most [`LARGEST_GEOMETRY_SECTORS`].
///
/// qemu tries `asked`, `asked + 1` and so on, up to 4079 times. But among sizes of one shape (heads,
/// sectors a track) the first that covers is the next whole cylinder, so it is enough to try that one,
/// provided no other shape begins before it. From 17 to 31 to 63 to 255 sectors a track each shape ends on
/// a whole cylinder of its own, with one exception: a disk of exactly 1024 times 4..=16 tracks of 17
/// sectors, and less than a track more, gets 31 sectors a track. There the next track is tried as well.
/// That makes four sizes at most.
fn smallest_geometry(asked: u64) -> Geometry {
    let asked = asked.min(LARGEST_GEOMETRY_SECTORS);
    let mut size = asked;
    loop {
        let geometry = chs(size);
        if geometry.sectors() >= asked {
            return geometry;
        }
        let whole_cylinder = asked.next_multiple_of(geometry.cylinder_sectors());
        let between_shapes_of_17 = geometry.sectors_per_track == 31 && size < 17 * 16 * 1024;
        size = if between_shapes_of_17 {
            whole_cylinder.min((size / 17 + 1) * 17)
        } else {
            whole_cylinder
        };
    }
}
