//! Images built by hand: every error with its text, every fall-back, and what must hold for any input.

mod fields;
mod image;

use image::{ABSENT, DATA, Disk, LENGTH, fixed, put_footer, seal};
use shared::ScanError::{self, Corrupt, NotThisFormat};
use testing::damage::{damage_field, survive};
use testing::scan::ScanFormat::Vhd;
use testing::scan::{SECTOR_SIZES, answer, callers_mistakes, every_read_fails, reads};

/// How many bytes of data a scan finds.
fn data_of(bytes: &[u8]) -> Result<u64, ScanError> {
    answer(Vhd, bytes, None, &SECTOR_SIZES).map(|summary| summary.allocated_bytes)
}

#[test]
fn blocks_in_the_file_count_and_the_last_is_clipped() {
    let mut disk = Disk::sample();
    for (unit, touched) in [(512, 23), (4096, 3), (8192, 3), (1 << 20, 1), (1, DATA)] {
        let summary = answer(Vhd, &disk.bytes(), Some(unit), &SECTOR_SIZES).unwrap();
        assert_eq!(summary.virtual_size, 8 * 4096 - 512);
        assert_eq!(summary.allocated_bytes, DATA);
        assert_eq!(summary.touched.unwrap().count, touched, "units of {unit}");
    }
    disk.table.fill(ABSENT);
    assert_eq!(data_of(&disk.bytes()), Ok(0));
}

#[test]
fn a_fixed_disk_holds_all_of_itself() {
    for length in [0_u64, 512, 4096, 5120, 100 << 10] {
        let summary = answer(Vhd, &fixed(length, 0), Some(1024), &SECTOR_SIZES).unwrap();
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
fn blocks_of_every_size_have_their_bitmap_in_whole_sectors() {
    for (block_size, bitmap) in [
        (512, 512),
        (1024, 512),
        (2 << 20, 512),
        (4 << 20, 1024),
        (16 << 20, 4096),
    ] {
        let disk = Disk {
            table: vec![4],
            block_size,
            size: block_size.into(),
            length: (2048 + bitmap + block_size) as usize,
            ..Disk::sample()
        };
        let mut bytes = disk.bytes();
        let sizes = &[512, 65536];
        let summary = answer(Vhd, &bytes, None, sizes).unwrap();
        assert_eq!(summary.allocated_bytes, u64::from(block_size));
        bytes.pop();
        let past = Err(Corrupt("a block runs past the end of the file"));
        assert_eq!(answer(Vhd, &bytes, None, sizes), past);
    }
}

#[test]
fn the_table_may_begin_at_any_byte() {
    let mut disk = Disk::sample();
    disk.length += 32 << 10;
    for shift in 0..1030 {
        disk.table_at = 30_000 + shift;
        assert_eq!(data_of(&disk.bytes()), Ok(DATA), "shifted by {shift}");
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
    assert!(reads(Vhd, &bytes) < 12);
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
    let summary = answer(Vhd, &bytes, Some(4096), &SECTOR_SIZES).unwrap();
    assert_eq!(summary.allocated_bytes, summary.virtual_size);
    assert!(reads(Vhd, &bytes) < entries as u64 / 128 + 12);
}

#[test]
fn a_read_that_fails_is_an_io_error_and_then_a_scan_answers() {
    let mut disk = Disk::sample();
    disk.table.resize(400, ABSENT);
    disk.table_at = 30_001;
    disk.size = 400 * 4096;
    disk.length += 32 << 10;
    let mut dynamic = disk.bytes();
    // Then the footer at the end is read as well.
    dynamic[67] ^= 1;
    assert!(every_read_fails(Vhd, &dynamic)[0] >= 8);
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    callers_mistakes(Vhd, &Disk::sample().bytes());
}

#[test]
fn damage_with_right_checksums_never_harms() {
    let mut disk = Disk::sample();
    disk.length += 2048;
    let (sound, end) = (disk.bytes(), disk.length - 512);
    // The fields of the footer, its copy, the header; the table; anything.
    let areas = [0..88, end..end + 88, 512..560, 1536..1568, 0..end];
    survive(Vhd, 6000, 15, |random| {
        let mut bytes = sound.clone();
        for _ in 0..=random.u64(..2) {
            damage_field(&mut bytes, &areas, true, random);
        }
        if random.u64(..16) > 0 {
            seal(&mut bytes);
        }
        if random.u64(..8) == 0 {
            bytes.truncate(random.usize(..=bytes.len()));
        }
        bytes
    });
}
