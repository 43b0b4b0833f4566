//! What each kind of directory and table entry counts for, and which are errors.

use shared::ScanError::Corrupt;
use testing::fields::{Layout, named};
use testing::scan::ScanFormat;

use crate::image::{CAPACITY, DIRECTORY, FLAGS, GRAIN, Image, VERSION};

const TABLES: Layout = Layout::new(ScanFormat::Vmdk, |name| named(FIELDS, name));
const FIELDS: &[(&str, usize, usize)] = &[
    ("version", VERSION, 4),
    ("flags", FLAGS, 4),
    ("table", 512, 4),
    ("grain0", 1024, 4),
    ("grain1", 1028, 4),
];

/// A grain is data over the tables, in the file, or past its end. An entry of 1 is a zeroed grain if bit 2 of the
/// flags is set. A table lies wholly in the file, also the part of it that maps nothing of the disk; sector 1 is the
/// directory, whose entry of 1 is taken for a grain.
#[test]
fn directory_and_table_entries() {
    // Eight grains and no data: three sectors of tables begin at sector 2.
    let mut image = Image::new(128, 8 * 128);
    image.table_entry(0);
    TABLES.check(
        &image.bytes,
        "
        version=1,2,3 flags=3,7,0x30003 grain1=0 => 0
        version=1,2,3 flags=3,7,0x30003 grain1=2,3,6,1000,2^32-1 => 64K
        version=1,2,3 flags=3 grain1=1 => 64K
        version=1,2,3 flags=4,7 grain1=1 => 0
        table=0 grain0=9 => 0
        table=1 => 64K
        table=1 flags=4 => 0
        table=3,6,2^31,2^32-1
        grain0=9 length=3071
            => corrupt: a grain table is not wholly in the file
        ",
    );
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
    assert_eq!(TABLES.data_of(&image.bytes), Ok(GRAIN));
}

#[test]
fn tables_that_overlap_add_up() {
    // Each table begins a sector after the one before.
    let mut image = Image::new(128, 16 * 65536);
    image.bytes.resize(24 * 512, 0);
    for index in 0..16 {
        image.put32(Image::directory_entry(index), 2 + index as u32);
    }
    let text = "the tables named add up to more sectors than the image has";
    for (tables, expected) in [
        (16, Err(Corrupt(text))),
        (6, Ok(0)),
        (7, Err(Corrupt(text))),
    ] {
        image.put64(CAPACITY, tables * 65536);
        assert_eq!(TABLES.data_of(&image.bytes), expected, "{tables} tables");
    }
}
