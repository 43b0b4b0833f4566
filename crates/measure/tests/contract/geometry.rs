//! The geometries of VHD, and how a disk grows to one.

use measure::VhdSubformat::Fixed;
use measure::{Geometry, chs};

use crate::{LARGEST_VHD, sizes, vhd};

#[test]
fn geometries_by_the_specification() {
    for (sectors, cylinders, heads, sectors_per_track) in [
        (0, 0, 4, 17),
        (67, 0, 4, 17),
        (68, 1, 4, 17),
        (69631, 1023, 4, 17),
        // Exactly 4096 tracks.
        (69632, 140, 16, 31),
        (69649, 819, 5, 17),
        (278_527, 1023, 16, 17),
        (278_528, 561, 16, 31),
        (507_903, 1023, 16, 31),
        (507_904, 503, 16, 63),
        (66_059_280, 65535, 16, 63),
        (66_059_281, 16191, 16, 255),
        (267_382_799, 65534, 16, 255),
        (267_382_800, 65535, 16, 255),
        (u64::MAX, 65535, 16, 255),
    ] {
        let expected = Geometry {
            cylinders,
            heads,
            sectors_per_track,
        };
        assert_eq!(chs(sectors), expected, "{sectors} sectors");
    }
    // So no field is cut off.
    let mut size = 0;
    while size < LARGEST_GEOMETRY {
        let sectors = chs(size).sectors();
        assert!(sectors <= size && size - sectors < 16 * 255);
        size += 1 + size / 5000;
    }
}

/// In sectors.
const LARGEST_GEOMETRY: u64 = 65535 * 16 * 255;

/// The disk in a VHD: its sectors when so many bytes are asked for.
fn grown(force_size: bool, asked: u64) -> u64 {
    let (file, _) = sizes(vhd(Fixed, 2 << 20, force_size), asked, 0).unwrap();
    file / 512 - 1
}

#[test]
fn a_disk_grows_to_what_qemu_finds_one_sector_at_a_time() {
    let one_by_one = |asked: u64| {
        let mut sectors = (asked..).map(|size| chs(size).sectors());
        sectors.find(|&sectors| sectors >= asked).unwrap()
    };
    let near = |at: u64| at.saturating_sub(600)..at + 600;
    let all = (0..20_000)
        .chain((4..=16).flat_map(|heads| near(17 * 1024 * heads)))
        .chain(near(31 * 16 * 1024))
        .chain(near(65535 * 16 * 63))
        .chain(LARGEST_GEOMETRY - 5000..=LARGEST_GEOMETRY - 4080)
        // And a way through all sizes.
        .chain((0..8_000).map(|step| step * step * 239 % (LARGEST_GEOMETRY - 4080)));
    for asked in all {
        let sectors = grown(false, asked * 512);
        assert_eq!(sectors, one_by_one(asked), "{asked} sectors");
        assert!(sectors - asked < 4080);
    }
}

#[test]
fn a_disk_grows_only_when_a_geometry_can_help() {
    for (asked, sectors) in [
        (0, 0),
        (1, 68),
        (68 * 512, 68),
        (68 * 512 + 1, 136),
        (10 << 20, 20536),
    ] {
        assert_eq!(grown(false, asked), sectors);
        assert_eq!(grown(true, asked), asked.div_ceil(512));
    }
    // The largest geometry would be found: the size stays.
    for sectors in [
        LARGEST_GEOMETRY - 4080,
        LARGEST_GEOMETRY - 4079,
        LARGEST_GEOMETRY - 1,
        LARGEST_GEOMETRY,
        LARGEST_GEOMETRY + 1,
        LARGEST_VHD / 512,
    ] {
        assert_eq!(grown(false, sectors * 512), sectors);
        assert_eq!(grown(false, sectors * 512 - 1), sectors);
    }
}
