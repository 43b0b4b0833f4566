//! Images that qemu-img and qemu-io make: the disk's size is the one that `qemu-img info` says, and
//! the data are the blocks that were written, which the file's length confirms.
//!
//! `qemu-img map` is no judge: it reports the holes of the image file, or a whole disk.

mod common;

use common::Vhd;
use shared::AllocationSummary;
use shared::ScanError::Corrupt;
use testing::extents::{CONVERTED, Extent, blocks, summary};
use testing::qemu::Folder;
use testing::scan::{SECTOR_SIZES, answer};

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const T: u64 = 1 << 40;
/// The only block size that qemu-img writes, and the length of its sector bitmap.
const BLOCK: u64 = 2 * M;
const BITMAP: u64 = 512;

/// The file in which an image is made.
const NAME: &str = "image.vhd";

/// Makes a disk of `size` bytes with qemu-img and writes to it with qemu-io.
fn make(folder: &Folder, options: &str, size: u64, writes: &[Extent]) {
    folder.create("vpc", options, NAME, size);
    folder.write_data("vpc", NAME, writes);
}

/// Scans the image and compares with a disk of `size` bytes whose data are `extents`.
fn assert_scan(folder: &Folder, size: u64, extents: &[Extent], name: &str) {
    let file = folder.open(NAME);
    for unit in [4 * K, 64 * K, M, 2 * M, 8 * M, 256 * M] {
        let expected = summary(size, extents, unit);
        let found = answer(&Vhd, &file, Some(unit), &SECTOR_SIZES);
        assert_eq!(found, Ok(expected), "{name}, units of {unit}");
    }
}

#[test]
fn dynamic_disks_hold_the_blocks_that_were_written() {
    let folder = Folder::new();
    let mut compared = 0;
    let sizes = [
        (0, &[][..]),
        (512, &[(0, 512)]),
        (100 * K, &[(99 * K, 512)]),
        (M, &[]),
        (2 * M, &[(0, 1)]),
        (2 * M + 512, &[(2 * M, 512)]),
        (3 * M, &[(M, 2 * M)]),
        (5 * M + 1, &[(5 * M, 1), (0, 4096)]),
        (10_000_000, &[(1_999_999, 100_000), (9_999_000, 1000)]),
        (64 * M, &[(0, 64 * M)]),
        (100 * M, &[(2 * M - 1, 2), (50 * M, 4 * M), (99 * M, M)]),
        (
            G,
            &[
                (0, 512),
                (100 * M, 512),
                (512 * M - 512, 1024),
                (1023 * M, M),
            ],
        ),
        (40 * G, &[(39 * G, 5 * M), (7 * G, 1)]),
        (130 * G, &[(127 * G, 512), (129 * G, 512)]),
        (T, &[(T - 512, 512), (T / 2, 64 * K), (3 * M, 3 * M)]),
    ];
    for (size, writes) in sizes {
        for force_size in ["off", "on"] {
            let name = format!("{size} bytes, force_size {force_size}, {writes:?}");
            make(&folder, &format!("force_size={force_size}"), size, writes);
            let virtual_size = folder.virtual_size("vpc", NAME);
            let blocks = blocks(writes, BLOCK);
            assert_scan(&folder, virtual_size, &blocks, &name);

            // Footer copy, header, table, blocks, footer.
            let table = (4 * virtual_size.div_ceil(BLOCK)).next_multiple_of(512);
            let length = 512 + 1024 + table + blocks.len() as u64 * (BITMAP + BLOCK) + 512;
            assert_eq!(folder.length(NAME), length, "{name}");
            compared += 1;
        }
    }
    println!("{compared} dynamic disks compared");
    assert_eq!(compared, 30);
}

#[test]
fn fixed_disks_hold_all_of_themselves() {
    let folder = Folder::new();
    let mut compared = 0;
    for size in [512, 100 * K, M, 5 * M + 1, 10_000_000, 64 * M, G, 130 * G] {
        for force_size in ["off", "on"] {
            let name = format!("{size} bytes, fixed, force_size {force_size}");
            let options = format!("subformat=fixed,force_size={force_size}");
            make(&folder, &options, size, &[(0, 512)]);
            let virtual_size = folder.virtual_size("vpc", NAME);
            assert_scan(&folder, virtual_size, &[(0, virtual_size)], &name);
            assert_eq!(folder.length(NAME), virtual_size + 512, "{name}");
            compared += 1;
        }
    }
    println!("{compared} fixed disks compared");
    assert_eq!(compared, 16);
}

#[test]
fn converted_disks_hold_the_blocks_that_are_not_zero() {
    let folder = Folder::new();
    let mut compared = 0;
    for (size, writes) in CONVERTED {
        folder.write_holes("disk.raw", size);
        folder.write_data("raw", "disk.raw", writes);
        for options in ["force_size=off", "force_size=on"] {
            folder.convert("disk.raw", "vpc", &["-o", options], NAME);
            let name = format!("{size} bytes converted, {options}");
            let virtual_size = folder.virtual_size("vpc", NAME);
            assert_scan(&folder, virtual_size, &blocks(writes, BLOCK), &name);
            compared += 1;
        }
    }
    println!("{compared} converted disks compared");
    assert_eq!(compared, 8);
}

/// Where the scanner and qemu-img part, and that they still do: a change of either shows here.
#[test]
fn known_differences_are_still_there() {
    let folder = Folder::new();
    let write_at = |offset, bytes: &[u8]| folder.write_at(NAME, offset, bytes);
    let scanned = || answer(&Vhd, &folder.open(NAME), None, &SECTOR_SIZES);

    // The dynamic header's checksum: QEMU does not verify it.
    make(&folder, "force_size=on", 4 * M, &[(0, 512)]);
    write_at(512 + 600, b"x");
    assert_eq!(folder.virtual_size("vpc", NAME), 4 * M);
    assert_eq!(
        scanned(),
        Err(Corrupt("the dynamic disk header's checksum is wrong"))
    );

    // A block over the header: QEMU does not look.
    make(&folder, "force_size=on", 4 * M, &[(0, 512)]);
    write_at(1536, &[0, 0, 0, 1]);
    assert_eq!(folder.virtual_size("vpc", NAME), 4 * M);
    assert_eq!(
        scanned(),
        Err(Corrupt(
            "a block lies over the footer's copy, the header or the BAT"
        ))
    );

    // A damaged copy of a good footer: QEMU refuses.
    make(&folder, "force_size=on", 4 * M, &[(0, 512)]);
    write_at(300, b"x");
    assert!(!folder.accepts("vpc", NAME));
    assert_eq!(scanned(), Ok(AllocationSummary::new(4 * M, 2 * M)));

    // An empty fixed disk is one footer, which QEMU writes but takes for a dynamic disk's.
    make(&folder, "subformat=fixed", 0, &[]);
    assert!(!folder.accepts("vpc", NAME));
    assert_eq!(scanned(), Ok(AllocationSummary::new(0, 0)));
}
