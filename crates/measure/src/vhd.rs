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

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest VHD in bytes.
    const LARGEST: u64 = 0xff00_0000 * 512;

    const FIXED: VhdOpts = VhdOpts {
        subformat: VhdSubformat::Fixed,
        block_size: 2 << 20,
        force_size: false,
    };

    fn sizes(summary: AllocationSummary, opts: &VhdOpts) -> Result<(u64, u64), MeasureError> {
        measure_vhd(&summary, opts).map(|out| (out.required, out.fully_allocated))
    }

    fn geometry(cylinders: u16, heads: u8, sectors_per_track: u8) -> Geometry {
        Geometry {
            cylinders,
            heads,
            sectors_per_track,
        }
    }

    /// The number of sectors that qemu finds: one more at a time.
    fn grown_one_by_one(asked: u64) -> u64 {
        (asked..)
            .map(|size| chs(size).sectors())
            .find(|&sectors| sectors >= asked)
            .unwrap()
    }

    #[test]
    fn the_defaults_are_those_of_qemu_img() {
        let default = VhdOpts::default();
        assert_eq!(default.subformat, VhdSubformat::Dynamic);
        assert_eq!(default.block_size, 2 << 20);
        assert!(!default.force_size);
    }

    #[test]
    fn geometries_by_the_specification() {
        for (sectors, expected) in [
            (0, geometry(0, 4, 17)),
            (67, geometry(0, 4, 17)),
            (68, geometry(1, 4, 17)),
            (69631, geometry(1023, 4, 17)),
            // Exactly 4096 tracks.
            (69632, geometry(140, 16, 31)),
            (69649, geometry(819, 5, 17)),
            (278_527, geometry(1023, 16, 17)),
            (278_528, geometry(561, 16, 31)),
            (507_903, geometry(1023, 16, 31)),
            (507_904, geometry(503, 16, 63)),
            (66_059_280, geometry(65535, 16, 63)),
            (66_059_281, geometry(16191, 16, 255)),
            (267_382_799, geometry(65534, 16, 255)),
            (267_382_800, geometry(65535, 16, 255)),
            (u64::MAX, geometry(65535, 16, 255)),
        ] {
            assert_eq!(chs(sectors), expected, "{sectors} sectors");
        }
    }

    /// So no field of [`Geometry`] is cut off.
    #[test]
    fn a_geometry_never_has_more_sectors_than_the_disk_and_lacks_less_than_a_cylinder() {
        let mut size = 0;
        while size < LARGEST_GEOMETRY_SECTORS {
            let sectors = chs(size).sectors();
            assert!(sectors <= size && size - sectors < 16 * 255);
            size += 1 + size / 5000;
        }
    }

    #[test]
    fn a_disk_grows_to_what_qemu_finds_one_sector_at_a_time() {
        let near = |at: u64| at.saturating_sub(600)..at + 600;
        let all = (0..20_000)
            .chain((4..=16).flat_map(|heads| near(17 * 1024 * heads)))
            .chain(near(31 * 16 * 1024))
            .chain(near(65535 * 16 * 63))
            .chain(LARGEST_GEOMETRY_SECTORS - 5000..=LARGEST_GEOMETRY_SECTORS)
            // And a way through all sizes.
            .chain((0..8_000).map(|step| step * step * 239 % LARGEST_GEOMETRY_SECTORS));
        for asked in all {
            let grown = smallest_geometry(asked).sectors();
            assert_eq!(grown, grown_one_by_one(asked), "{asked} sectors");
            assert!(grown - asked < 4080);
        }
    }

    #[test]
    fn a_disk_grows_only_when_a_geometry_can_help() {
        let grows = VhdOpts::default();
        let forced = VhdOpts {
            force_size: true,
            ..grows
        };
        for (asked, grown) in [
            (0, 0),
            (1, 68 * 512),
            (68 * 512, 68 * 512),
            (68 * 512 + 1, 136 * 512),
            (10 << 20, 20536 * 512),
        ] {
            assert_eq!(disk_size(&grows, asked), Ok(grown));
            assert_eq!(disk_size(&forced, asked), Ok(asked.next_multiple_of(512)));
        }
        // The largest geometry would be found: the size stays.
        let largest_geometry = LARGEST_GEOMETRY_SECTORS * 512;
        let one_cylinder_less = largest_geometry - 4080 * 512;
        assert_eq!(disk_size(&grows, one_cylinder_less), Ok(one_cylinder_less));
        for asked in [
            one_cylinder_less + 512,
            largest_geometry - 512,
            largest_geometry,
            largest_geometry + 512,
            LARGEST,
        ] {
            assert_eq!(disk_size(&grows, asked), Ok(asked));
            assert_eq!(disk_size(&grows, asked - 1), Ok(asked));
        }
    }

    #[test]
    fn a_disk_has_at_most_2040_gib() {
        for force_size in [false, true] {
            for subformat in [VhdSubformat::Dynamic, VhdSubformat::Fixed] {
                let opts = VhdOpts {
                    subformat,
                    force_size,
                    ..VhdOpts::default()
                };
                for disk in [LARGEST - 1, LARGEST] {
                    assert!(sizes(AllocationSummary::new(disk, disk), &opts).is_ok());
                    assert_eq!(disk_size(&opts, disk), Ok(LARGEST));
                }
                for disk in [LARGEST + 1, i64::MAX as u64, 1 << 63, u64::MAX] {
                    assert_eq!(
                        sizes(AllocationSummary::new(disk, 0), &opts),
                        Err(MeasureError::InvalidSize)
                    );
                    assert_eq!(disk_size(&opts, disk), Err(MeasureError::InvalidSize));
                }
            }
        }
    }

    /// File lengths seen from qemu-img; the other block size is the same formula by hand.
    #[test]
    fn a_dynamic_disk_is_its_headers_a_table_and_blocks_with_bitmaps() {
        let opts = VhdOpts::default();
        assert_eq!(sizes(AllocationSummary::new(0, 0), &opts), Ok((2048, 2048)));
        let block = (2 << 20) + 512;
        assert_eq!(
            sizes(AllocationSummary::new(10 << 20, 1), &opts),
            // 10 MiB grow by 28 KiB, into a sixth block.
            Ok((2560 + block, 2560 + 6 * block))
        );
        assert_eq!(
            sizes(AllocationSummary::new(LARGEST, 0), &opts),
            Ok((4_179_968, 4_179_968 + 1_044_480 * block))
        );
        // 2 GiB blocks: bitmaps of 512 KiB.
        let large = VhdOpts {
            block_size: 1 << 31,
            force_size: true,
            ..opts
        };
        let block = (1 << 31) + (1 << 19);
        assert_eq!(
            sizes(AllocationSummary::new((1 << 31) + 1, 1), &large),
            Ok((2560 + block, 2560 + 2 * block))
        );
        // 512 KiB blocks: bitmaps of 128 bytes, in whole sectors.
        let small = VhdOpts {
            block_size: 512 << 10,
            force_size: true,
            ..opts
        };
        let block = (512 << 10) + 512;
        assert_eq!(
            sizes(AllocationSummary::new(1 << 20, 1), &small),
            Ok((2560 + block, 2560 + 2 * block))
        );
    }

    #[test]
    fn a_fixed_disk_is_its_bytes_and_a_footer() {
        assert_eq!(sizes(AllocationSummary::new(0, 0), &FIXED), Ok((512, 512)));
        for data in [0, 1, 10 << 20] {
            assert_eq!(
                sizes(AllocationSummary::new(10 << 20, data), &FIXED),
                Ok((20537 * 512, 20537 * 512))
            );
        }
        let forced = VhdOpts {
            force_size: true,
            ..FIXED
        };
        assert_eq!(
            sizes(AllocationSummary::new(1000, 1000), &forced),
            Ok((1536, 1536))
        );
    }

    #[test]
    fn block_sizes_are_checked_for_every_subformat() {
        for subformat in [VhdSubformat::Dynamic, VhdSubformat::Fixed] {
            let opts = |block_size| VhdOpts {
                subformat,
                block_size,
                force_size: false,
            };
            for shift in 19..=31 {
                assert!(sizes(AllocationSummary::new(1, 0), &opts(1 << shift)).is_ok());
            }
            for block_size in [0, 1, 512, 1 << 18, (1 << 19) + 1, 3 << 20, u32::MAX] {
                for summary in [
                    AllocationSummary::new(1, 0),
                    AllocationSummary::new(u64::MAX, 0),
                    AllocationSummary::new(0, 1),
                ] {
                    assert_eq!(
                        sizes(summary, &opts(block_size)),
                        Err(MeasureError::InvalidOption)
                    );
                }
            }
        }
    }

    #[test]
    fn touched_blocks_are_taken_as_counted_and_checked() {
        let disk = AllocationSummary::new(10 << 20, 2);
        let block = (2 << 20) + 512;
        for subformat in [VhdSubformat::Dynamic, VhdSubformat::Fixed] {
            let opts = VhdOpts {
                subformat,
                ..VhdOpts::default()
            };
            let most = sizes(disk.with_touched(2 << 20, 5), &opts).unwrap();
            if subformat == VhdSubformat::Dynamic {
                assert_eq!(most, (2560 + 5 * block, 2560 + 6 * block));
            }
            // As many as the disk asked for has, not the grown one.
            assert_eq!(
                sizes(disk.with_touched(2 << 20, 6), &opts),
                Err(MeasureError::InvalidSize)
            );
            for unit in [0, 1, 65536, (2 << 20) - 1, 4 << 20, u64::MAX] {
                for disk in [disk, AllocationSummary::new(u64::MAX, 0)] {
                    assert_eq!(
                        sizes(disk.with_touched(unit, 0), &opts),
                        Err(MeasureError::InvalidOption)
                    );
                }
            }
        }
        assert_eq!(
            sizes(AllocationSummary::new(10, 11), &VhdOpts::default()),
            Err(MeasureError::InvalidSize)
        );
    }
}
