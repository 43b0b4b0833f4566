//! What each kind of directory and table entry counts for, and which are errors.

use shared::ScanError::{self, Corrupt};

use crate::image::{DIRECTORY, FLAGS, GRAIN, Image, VERSION, ZEROED_GRAINS};

/// The data of a disk of 8 grains whose grain 1 has `entry`.
fn with_entry(version: u32, flags: u32, entry: u32) -> Result<u64, ScanError> {
    let mut image = Image::new(128, 8 * 128);
    image.put32(VERSION, version);
    image.put32(FLAGS, flags);
    image.map(1, entry).data_of()
}

#[test]
fn a_grain_is_data_wherever_it_lies() {
    // Over the tables, in the file, past its end.
    for version in 1..=3 {
        for flags in [3, 3 | ZEROED_GRAINS, 3 << 16 | 3] {
            for entry in [2, 3, 6, 1000, u32::MAX] {
                assert_eq!(with_entry(version, flags, entry), Ok(GRAIN));
            }
            assert_eq!(with_entry(version, flags, 0), Ok(0));
        }
    }
}

#[test]
fn an_entry_of_1_is_a_zeroed_grain_if_the_flag_says_so() {
    for version in 1..=3 {
        assert_eq!(with_entry(version, 3, 1), Ok(GRAIN));
        assert_eq!(with_entry(version, 3 | ZEROED_GRAINS, 1), Ok(0));
        assert_eq!(with_entry(version, ZEROED_GRAINS, 1), Ok(0));
    }
}

#[test]
fn grains_are_clipped_at_the_end_of_the_disk() {
    let mut image = Image::new(128, 2 * 128 + 3);
    image.data(1).data(2).data(3);
    let summary = image.answer(Some(512)).unwrap();
    assert_eq!(summary.virtual_size, 2 * GRAIN + 3 * 512);
    assert_eq!(summary.allocated_bytes, GRAIN + 3 * 512);
    assert_eq!(summary.touched.unwrap().count, 128 + 3);
}

#[test]
fn units_are_counted_over_tables() {
    // A table maps 512 grains of 4 KiB.
    let mut image = Image::new(8, 3 * 512 * 8);
    image.data(0).data(511).data(512).data(1024).data(1535);
    let touched = |unit| {
        let summary = image.answer(Some(unit)).unwrap();
        summary.touched.unwrap().count
    };
    assert_eq!(
        [512, 4096, 65536, 2 << 20, 4 << 20, 1 << 40].map(touched),
        [40, 5, 5, 3, 2, 1]
    );
}

#[test]
fn a_directory_entry_of_0_is_no_table_and_every_other_one_is() {
    let mut image = Image::new(128, 8 * 128);
    assert_eq!(image.data_of(), Ok(0));
    image.append(4096);
    // The header's and the directory's own bytes, taken for a table: what is not zero is data.
    image.put32(Image::directory_entry(0), 1);
    assert_eq!(image.data_of(), Ok(GRAIN));
    image.put32(FLAGS, ZEROED_GRAINS);
    assert_eq!(image.data_of(), Ok(0));
}

#[test]
fn a_table_is_wholly_in_the_file() {
    let mut image = Image::new(128, 8 * 128);
    image.map(1, 2);
    let outside = Err(Corrupt("a grain table is not wholly in the file"));
    let sectors = image.bytes.len() as u32 / 512;
    for table in [sectors - 3, sectors, 1 << 31, u32::MAX] {
        let mut damaged = image.clone();
        damaged.put32(Image::directory_entry(0), table);
        assert_eq!(damaged.data_of(), outside);
    }
    // Also the part of it that maps nothing of the disk.
    assert_eq!(image.data_of(), Ok(GRAIN));
    image.bytes.pop();
    assert_eq!(image.data_of(), outside);
}

#[test]
fn entries_past_the_disk_are_not_looked_at() {
    let mut image = Image::new(1, 512 + 1);
    image.data(0).data(512).data(513);
    // The directory's sector has room for 128 entries; the disk needs 2.
    for index in 2..128 {
        image.put32(Image::directory_entry(index), u32::MAX);
    }
    assert_eq!(image.data_of(), Ok(1024));
}

#[test]
fn a_file_whose_last_sector_is_there_in_part_is_read_to_its_last_byte() {
    let mut image = Image::new(128, 3 * 65536);
    image.data(2 * 512);
    let entry = image.get32(Image::directory_entry(2));
    let at = image.append(512);
    image.put64(DIRECTORY, u64::from(at));
    let at = at as usize * 512;
    image.put32(at + 8, entry);
    image.bytes.truncate(at + 12);
    assert_eq!(image.bytes.len() % 512, 12);
    assert_eq!(image.data_of(), Ok(GRAIN));
}
