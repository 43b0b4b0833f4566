//! Images built by hand: every error with its text, and every fall-back. Failing reads and random damage are in
//! `tools/testing/tests/recipes`.

mod image;

use image::{DATA, Disk, LENGTH, fixed, put_footer};
use shared::ScanError::{self, Corrupt, NotThisFormat};
use testing::scan::ScanFormat::Vhd;
use testing::scan::{SECTOR_SIZES, answer, reads};

/// How many bytes of data a scan finds.
fn data_of(bytes: &[u8]) -> Result<u64, ScanError> {
    answer(Vhd, bytes, None, &SECTOR_SIZES).map(|summary| summary.allocated_bytes)
}

#[test]
fn a_fixed_disk_holds_all_of_itself() {
    for length in [0_u64, 512, 4096, 5120, 100 << 10] {
        let summary = answer(Vhd, &fixed(length, 0)[..], Some(1024), &SECTOR_SIZES).unwrap();
        assert_eq!(summary.allocated_bytes, length);
        assert_eq!(summary.touched.unwrap().count, length.div_ceil(1024));
    }
    // A file longer than the disk, and one whose length is not a multiple of 512.
    for more in [1, 511, 512, 5000] {
        assert_eq!(data_of(&fixed(4096, more)), Ok(4096));
    }
    let larger = Err(Corrupt("a fixed disk is larger than its file"));
    assert_eq!(data_of(&fixed(4608, 0)[512..]), larger);
    // The footer's last byte may be missing.
    assert_eq!(data_of(&fixed(4096, 0)[..4607]), Ok(4096));
    assert_eq!(data_of(&fixed(4096, 0)[..4606]), Err(NotThisFormat));
    assert_eq!(data_of(&fixed(4608, 0)[512..5119]), larger);
}

#[test]
fn what_has_no_footer_is_not_this_format() {
    for length in [0, 1, 8, 511, 512, 513, 4096, 70_000] {
        assert_eq!(data_of(&vec![0; length]), Err(NotThisFormat));
    }
    assert_eq!(data_of(&fixed(0, 0)[..511]), Err(NotThisFormat));
}

#[test]
fn a_fixed_disk_may_begin_with_a_footer_of_its_guest() {
    let mut bytes = fixed(8192, 0);
    bytes[..8].copy_from_slice(b"conectix");
    assert_eq!(data_of(&bytes), Ok(8192));
    put_footer(&mut bytes, 2, u64::MAX, 0);
    assert_eq!(data_of(&bytes), Ok(8192));
    // But with that alone there is none: QEMU, too, takes the copy at the start.
    bytes.truncate(8192);
    let text = "a fixed disk has its footer at the start, and no valid one at the end";
    assert_eq!(data_of(&bytes), Err(Corrupt(text)));
}

#[test]
fn the_header_or_the_table_may_follow_a_block_closely() {
    // Behind a block, at a sector and not.
    for far in [40_000, 79 * 512] {
        for (header_at, table_at) in [(512, far), (far, 512)] {
            let mut disk = Disk::sample();
            disk.length += 64 << 10;
            (disk.header_at, disk.table_at) = (header_at, table_at);
            disk.table[0] = (far / 512) as u32 - 9;
            assert_eq!(data_of(&disk.bytes()), Ok(DATA));
            disk.table[0] += 1;
            let text = "a block lies over the footer's copy, the header or the BAT";
            assert_eq!(data_of(&disk.bytes()), Err(Corrupt(text)));
        }
    }
}

#[test]
fn entries_past_the_end_of_the_disk_cost_nothing() {
    let mut disk = Disk::sample();
    disk.table.extend([0, 1, 0xffff_fffe, 0x7fff_ffff]);
    assert_eq!(data_of(&disk.bytes()), Ok(DATA));
    // A table of 1 MiB for a disk of one block.
    disk.table.resize(256 << 10, 0);
    disk.table[0] = 3 + 2048;
    disk.size = 4096;
    disk.length += 1 << 20;
    let bytes = disk.bytes();
    assert_eq!(data_of(&bytes), Ok(4096));
    assert!(reads(Vhd, &bytes[..]) < 12);
}

#[test]
fn thousands_of_entries_that_share_one_block_are_read_once() {
    let entries = 200 << 10;
    let disk = Disk {
        table: vec![3 + 1600; entries],
        block_size: 512,
        size: 512 * entries as u64,
        length: LENGTH + 4 * entries,
        ..Disk::sample()
    };
    let bytes = disk.bytes();
    assert!(bytes.len() < 1 << 20);
    let summary = answer(Vhd, &bytes[..], Some(4096), &SECTOR_SIZES).unwrap();
    assert_eq!(summary.allocated_bytes, summary.virtual_size);
    assert!(reads(Vhd, &bytes[..]) < entries as u64 / 128 + 12);
}
