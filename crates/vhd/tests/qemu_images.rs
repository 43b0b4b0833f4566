//! Images that qemu-img and qemu-io make: the disk's size is the one that `qemu-img info` says, and
//! the data are the blocks that were written, which the file's length confirms.
//!
//! `qemu-img map` is no judge: it reports the holes of the image file, or a whole disk.

mod common;
mod qemu;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{SECTOR_SIZES, Source, scan};
use qemu::qemu;
use shared::AllocationSummary;
use shared::ScanError::Corrupt;

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const T: u64 = 1 << 40;
/// The only block size that qemu-img writes, and the length of its sector bitmap.
const BLOCK: u64 = 2 * M;
const BITMAP: u64 = 512;

impl Source for File {
    fn length(&self) -> u64 {
        self.metadata().expect("an open file has a length").len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) {
        self.read_exact_at(buffer, offset)
            .expect("the bytes are in the file");
    }
}

/// Bytes written at an offset of the disk.
type Write = (u64, u64);

/// Makes a disk of `size` bytes with qemu-img and writes to it with qemu-io.
fn make(path: &Path, options: &str, size: u64, writes: &[Write]) {
    let path = path.to_str().expect("the path is UTF-8");
    qemu(
        "qemu-img",
        &[
            "create",
            "-q",
            "-f",
            "vpc",
            "-o",
            options,
            path,
            &size.to_string(),
        ],
    );
    write(path, "vpc", writes);
}

fn write(path: &str, format: &str, writes: &[Write]) {
    let commands: Vec<_> = writes
        .iter()
        .map(|(offset, length)| format!("write -P 0xa7 {offset} {length}"))
        .collect();
    let mut arguments = vec!["-f", format];
    arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
    arguments.push(path);
    if !writes.is_empty() {
        qemu("qemu-io", &arguments);
    }
}

/// The disk's size in bytes, as `qemu-img info` says.
fn size_by_qemu(path: &Path) -> u64 {
    let path = path.to_str().expect("the path is UTF-8");
    let info = qemu("qemu-img", &["info", "-f", "vpc", "--output", "json", path]);
    let info: serde_json::Value = serde_json::from_slice(&info).expect("qemu-img writes JSON");
    info["virtual-size"].as_u64().expect("a disk has a size")
}

/// The bytes of data, and the units of `unit` bytes they touch, in a disk whose data are `extents`.
fn expected(size: u64, extents: &[Write], unit: u64) -> (u64, u64) {
    let mut touched = BTreeSet::new();
    let mut bytes = 0;
    for &(start, length) in extents {
        let length = length.min(size - start);
        bytes += length;
        if length > 0 {
            touched.extend(start / unit..=(start + length - 1) / unit);
        }
    }
    (bytes, touched.len() as u64)
}

fn assert_scan(path: &Path, size: u64, extents: &[Write], name: &str) {
    let file = File::open(path).expect("the image can be opened");
    for unit in [4 * K, 64 * K, M, 2 * M, 8 * M, 256 * M] {
        if unit < M && size > 100 * M && extents.contains(&(0, size)) {
            // A large fixed disk: so many units are not worth a set.
            continue;
        }
        let (bytes, touched) = expected(size, extents, unit);
        let expected = AllocationSummary::new(size, bytes).with_touched(unit, touched);
        let found = scan(&file, Some(unit), &SECTOR_SIZES);
        assert_eq!(found, Ok(expected), "{name}, units of {unit}");
    }
}

/// The blocks that `writes` touch, each with its length.
fn blocks(writes: &[Write]) -> Vec<Write> {
    let touched: BTreeSet<u64> = writes
        .iter()
        .flat_map(|&(start, length)| start / BLOCK..=(start + length - 1) / BLOCK)
        .collect();
    touched
        .into_iter()
        .map(|block| (block * BLOCK, BLOCK))
        .collect()
}

#[test]
fn dynamic_disks_hold_the_blocks_that_were_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
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
            let path = folder.path().join("image.vhd");
            let name = format!("{size} bytes, force_size {force_size}, {writes:?}");
            make(&path, &format!("force_size={force_size}"), size, writes);
            let virtual_size = size_by_qemu(&path);
            let blocks = blocks(writes);
            assert_scan(&path, virtual_size, &blocks, &name);

            // Footer copy, header, table, blocks, footer.
            let table = (4 * virtual_size.div_ceil(BLOCK)).next_multiple_of(512);
            let length = 512 + 1024 + table + blocks.len() as u64 * (BITMAP + BLOCK) + 512;
            let file = File::open(&path).expect("the image can be opened");
            assert_eq!(file.length(), length, "{name}");
            compared += 1;
        }
    }
    println!("{compared} dynamic disks compared");
    assert_eq!(compared, 30);
}

#[test]
fn fixed_disks_hold_all_of_themselves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut compared = 0;
    for size in [512, 100 * K, M, 5 * M + 1, 10_000_000, 64 * M, G, 130 * G] {
        for force_size in ["off", "on"] {
            let path = folder.path().join("image.vhd");
            let name = format!("{size} bytes, fixed, force_size {force_size}");
            let options = format!("subformat=fixed,force_size={force_size}");
            make(&path, &options, size, &[(0, 512)]);
            let virtual_size = size_by_qemu(&path);
            assert_scan(&path, virtual_size, &[(0, virtual_size)], &name);
            let file = File::open(&path).expect("the image can be opened");
            assert_eq!(file.length(), virtual_size + 512, "{name}");
            compared += 1;
        }
    }
    println!("{compared} fixed disks compared");
    assert_eq!(compared, 16);
}

#[test]
fn converted_disks_hold_the_blocks_that_are_not_zero() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let raw = folder.path().join("disk.raw");
    let vhd = folder.path().join("disk.vhd");
    let paths = [&raw, &vhd].map(|path| path.to_str().expect("the path is UTF-8"));
    let mut compared = 0;
    for (size, writes) in [
        (M, &[][..]),
        (20 * M, &[(0, 64 * K), (6 * M, 64 * K)]),
        (77 * M, &[(10 * M - 4 * K, 8 * K), (76 * M, M)]),
        (
            500 * M,
            &[(0, M), (100 * M, M), (200 * M, 9 * M), (499 * M, M)],
        ),
    ] {
        File::create(&raw)
            .and_then(|file| file.set_len(size))
            .expect("a sparse file can be made");
        write(paths[0], "raw", writes);
        for options in ["force_size=off", "force_size=on"] {
            qemu(
                "qemu-img",
                &[
                    "convert", "-f", "raw", "-O", "vpc", "-o", options, paths[0], paths[1],
                ],
            );
            let name = format!("{size} bytes converted, {options}");
            assert_scan(&vhd, size_by_qemu(&vhd), &blocks(writes), &name);
            compared += 1;
        }
    }
    println!("{compared} converted disks compared");
    assert_eq!(compared, 8);
}

/// Where the scanner and qemu-img part, and that they still do: a change of either shows here.
#[test]
fn known_differences_are_still_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("image.vhd");
    let write_at = |offset, bytes: &[u8]| {
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.write_all_at(bytes, offset))
            .expect("the image can be written");
    };
    let scanned = || scan(&File::open(&path).expect("it opens"), None, &SECTOR_SIZES);

    // The dynamic header's checksum: QEMU does not verify it.
    make(&path, "force_size=on", 4 * M, &[(0, 512)]);
    write_at(512 + 600, b"x");
    assert_eq!(size_by_qemu(&path), 4 * M);
    assert_eq!(
        scanned(),
        Err(Corrupt("the dynamic disk header's checksum is wrong"))
    );

    // A block over the header: QEMU does not look.
    make(&path, "force_size=on", 4 * M, &[(0, 512)]);
    write_at(1536, &[0, 0, 0, 1]);
    assert_eq!(size_by_qemu(&path), 4 * M);
    assert_eq!(
        scanned(),
        Err(Corrupt(
            "a block lies over the footer's copy, the header or the BAT"
        ))
    );

    // A damaged copy of a good footer: QEMU refuses.
    make(&path, "force_size=on", 4 * M, &[(0, 512)]);
    write_at(300, b"x");
    assert!(!qemu::accepts(&path, "vpc"));
    assert_eq!(scanned(), Ok(AllocationSummary::new(4 * M, 2 * M)));

    // An empty fixed disk is one footer, which QEMU writes but takes for a dynamic disk's.
    make(&path, "subformat=fixed", 0, &[]);
    assert!(!qemu::accepts(&path, "vpc"));
    assert_eq!(scanned(), Ok(AllocationSummary::new(0, 0)));
}
