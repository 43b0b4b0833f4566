//! Images that qemu-img and qemu-io make: the disk's size is the one that `qemu-img info` says, and
//! the data are the blocks that were written, which the file's length confirms.
//!
//! `qemu-img map` is no judge: it reports a whole disk as data.

mod common;

use common::Vhdx;
use shared::AllocationSummary;
use shared::ScanError::Corrupt;
use testing::extents::{CONVERTED, Extent, blocks, summary};
use testing::qemu::Folder;
use testing::scan::{SECTOR_SIZES, answer};

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const T: u64 = 1 << 40;

/// The file in which an image is made.
const NAME: &str = "image.vhdx";

/// Makes a disk of `size` bytes with qemu-img and writes to it with qemu-io.
fn make(folder: &Folder, options: &str, size: u64, writes: &[Extent]) {
    folder.create("vhdx", options, NAME, size);
    folder.write_data("vhdx", NAME, writes);
}

/// The block size that qemu-img takes by itself.
fn default_block(size: u64) -> u64 {
    match size {
        _ if size > 32 * T => 64 * M,
        _ if size > 100 * G => 32 * M,
        _ if size > G => 16 * M,
        _ => 8 * M,
    }
}

/// Where the payload begins in a file of qemu-img's: behind 1 MiB of headers, the log, the BAT, and
/// the metadata with what is left free behind them.
fn payload_start(size: u64, block: u64, log: u64) -> u64 {
    let ratio = (1 << 23) * 512 / block;
    let blocks = size.div_ceil(block);
    let entries = match blocks {
        // The subtraction below wraps in 32 bits in qemu-img.
        0 => 0xffff_ffff / ratio,
        _ => blocks + (blocks - 1) / ratio,
    };
    let metadata = M + log + (8 * entries).next_multiple_of(M);
    metadata + 5 * M
}

/// Scans the image and compares with a disk of `size` bytes whose data are `extents`.
fn assert_scan(folder: &Folder, size: u64, extents: &[Extent], name: &str) {
    let file = folder.open(NAME);
    for unit in [64 * K, M, 2 * M, 8 * M, 256 * M] {
        let sizes: &[u32] = if unit == M {
            &SECTOR_SIZES
        } else {
            &[512, 65536]
        };
        let found = answer(&Vhdx, &file, Some(unit), sizes);
        let expected = summary(size, extents, unit);
        assert_eq!(found, Ok(expected), "{name}, units of {unit}");
    }
}

/// Compares with the blocks that were written, and these with the file's length.
fn assert_image(folder: &Folder, writes: &[Extent], block: u64, log: u64, name: &str) {
    let size = folder.virtual_size("vhdx", NAME);
    let blocks = blocks(writes, block);
    assert_scan(folder, size, &blocks, name);
    assert_eq!(
        folder.length(NAME),
        payload_start(size, block, log) + blocks.len() as u64 * block,
        "{name}"
    );
}

#[test]
fn dynamic_disks_hold_the_blocks_that_were_written() {
    let folder = Folder::new();
    let mut compared = 0;
    for (size, writes) in [
        (0, &[][..]),
        (512, &[(0, 512)]),
        (M, &[]),
        (10 * M, &[(0, 1), (5 * M, 100)]),
        (10_000_000, &[(1_999_999, 100_000), (9_999_000, 1000)]),
        (33 * M, &[(8 * M - 1, 2), (32 * M, M)]),
        (
            G,
            &[
                (0, 512),
                (100 * M, 512),
                (512 * M - 512, 1024),
                (1023 * M, M),
            ],
        ),
        (40 * G, &[(39 * G, 5 * M), (7 * G, 1), (40 * G - 512, 512)]),
        (130 * G, &[(127 * G, 512), (129 * G, 512)]),
        (T, &[(T - 512, 512), (T / 2, 64 * K), (3 * M, 3 * M)]),
        (33 * T, &[(20 * T, 512), (33 * T - 1, 1)]),
    ] {
        make(&folder, "subformat=dynamic", size, writes);
        let name = format!("{size} bytes, {writes:?}");
        assert_image(&folder, writes, default_block(size), M, &name);
        compared += 1;
    }
    for block in [1, 2, 4, 8, 16, 32, 64, 128, 256].map(|mebibytes| mebibytes * M) {
        for log in [M, 4 * M] {
            for (size, writes) in [
                (
                    40 * G,
                    &[(0, 512), (3 * G - 512, 1024), (39 * G + 77 * M, M)][..],
                ),
                (300 * M + 512, &[(300 * M, 512), (M, 1)]),
            ] {
                let options = format!("block_size={block},log_size={log}");
                make(&folder, &options, size, writes);
                let name = format!("{size} bytes, {options}, {writes:?}");
                assert_image(&folder, writes, block, log, &name);
                compared += 1;
            }
        }
    }
    println!("{compared} dynamic disks compared");
    assert_eq!(compared, 47);
}

#[test]
fn converted_disks_hold_the_blocks_that_are_not_zero() {
    let folder = Folder::new();
    let mut compared = 0;
    for (size, writes) in CONVERTED {
        folder.write_holes("disk.raw", size);
        folder.write_data("raw", "disk.raw", writes);
        for block in [M, 8 * M] {
            let options = format!("block_size={block}");
            folder.convert("disk.raw", "vhdx", &["-o", &options], NAME);
            let name = format!("{size} bytes converted, {options}");
            assert_image(&folder, writes, block, M, &name);
            compared += 1;
        }
    }
    println!("{compared} converted disks compared");
    assert_eq!(compared, 8);
}

/// qemu-img writes the last block of a fixed disk only as far as the disk goes, and takes it so.
#[test]
fn fixed_disks_hold_all_of_themselves_once_their_blocks_are_present() {
    let folder = Folder::new();
    let mut compared = 0;
    for size in [512, M, 8 * M, 20 * M, 64 * M + 512, 2 * G + M] {
        make(&folder, "subformat=fixed,block_state_zero=off", size, &[]);
        let name = format!("{size} bytes, fixed");
        assert_eq!(folder.virtual_size("vhdx", NAME), size);
        assert_scan(&folder, size, &[(0, size)], &name);
        let start = payload_start(size, default_block(size), M);
        assert_eq!(folder.length(NAME), start + size, "{name}");

        // By default the blocks are there in the file, but said to be zero.
        make(&folder, "subformat=fixed", size, &[]);
        assert_scan(&folder, size, &[], &name);
        compared += 2;
    }
    println!("{compared} fixed disks compared");
    assert_eq!(compared, 12);
}

/// Where the scanner and qemu-img part, and that they still do: a change of either shows here.
#[test]
fn known_differences_are_still_there() {
    let folder = Folder::new();
    let write_at = |offset, bytes: &[u8]| folder.write_at(NAME, offset, bytes);
    let scanned = || answer(&Vhdx, &folder.open(NAME), None, &SECTOR_SIZES);
    let sound = Ok(AllocationSummary::new(10 * M, 8 * M));
    let bat = 2 * M;
    let metadata_items = 3 * M + 64 * K;

    // The first region table is damaged: QEMU refuses.
    make(&folder, "subformat=dynamic", 10 * M, &[(0, 512)]);
    assert_eq!(scanned(), sound);
    write_at(192 * K + 500, b"x");
    assert!(!folder.accepts("vhdx", NAME));
    assert_eq!(scanned(), sound);

    // Logical sectors of 4096 bytes: QEMU refuses.
    make(&folder, "subformat=dynamic", 10 * M, &[(0, 512)]);
    write_at(metadata_items + 32, &4096_u32.to_le_bytes());
    assert!(!folder.accepts("vhdx", NAME));
    assert_eq!(scanned(), sound);

    // States that no disk without a parent has, and a block over the headers: QEMU opens it.
    for (entry, what) in [
        (4_u64, "a block has a reserved state"),
        (7, "a block is partially present in a disk without a parent"),
        (6, "a block lies over the headers, the log or a region"),
    ] {
        make(&folder, "block_size=1M", 10 * M, &[(0, 512)]);
        write_at(bat, &entry.to_le_bytes());
        assert_eq!(folder.virtual_size("vhdx", NAME), 10 * M);
        assert_eq!(scanned(), Err(Corrupt(what)));
    }

    // A size that is no whole number of sectors: QEMU cuts it.
    make(&folder, "subformat=dynamic", 10 * M, &[(0, 512)]);
    write_at(metadata_items + 8, &(10 * M - 1).to_le_bytes());
    assert_eq!(folder.virtual_size("vhdx", NAME), 10 * M - 512);
    assert_eq!(
        scanned(),
        Err(Corrupt(
            "the disk's size is not a multiple of its logical sectors"
        ))
    );
}
