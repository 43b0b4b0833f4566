//! Aliasing tables, failing reads, random damage: work stays bounded, and an answer is exact or absent.

use shared::ScanError;
use testing::damage::{damage_field, survive};
use testing::scan::ScanFormat::Vmdk;
use testing::scan::{callers_mistakes, every_read_fails};

use crate::image::{CAPACITY, DIRECTORY, FLAGS, Image, ZEROED_GRAINS};

const OVERDRAWN: ScanError =
    ScanError::Corrupt("the tables named add up to more sectors than the image has");

/// An image of 1 MiB whose directory fills most of it, and names one table in every entry; and how
/// many entries that are.
fn aliasing(grain_sectors: u64) -> (Image, u64) {
    let entries = ((1 << 20) - 8192) / 4;
    let mut image = Image::new(grain_sectors, entries * 512 * grain_sectors);
    let table = image.append(2048);
    image.bytes.resize(1 << 20, 0);
    for index in 0..entries {
        image.put32(Image::directory_entry(index), table);
    }
    for index in 0..512 {
        image.put32(table as usize * 512 + index * 4, table);
    }
    (image, entries)
}

#[test]
fn a_table_that_every_directory_entry_names_is_not_read_time_and_again() {
    for grain_sectors in [1, 8, 128] {
        let (image, entries) = aliasing(grain_sectors);
        assert_eq!(image.bytes.len(), 1 << 20);
        assert!(entries > 250_000);
        // `answer` asserts the bound on the reads.
        assert_eq!(image.answer(None), Err(OVERDRAWN));
    }
}

#[test]
fn tables_may_alias_as_long_as_they_would_fit_the_file() {
    // What the tables say counts, as in qemu-img. 2048 sectors hold 512 tables of 4.
    let (mut image, _) = aliasing(8);
    let one_table = 512 * 8;
    image.put64(CAPACITY, 512 * one_table);
    assert_eq!(image.data_of(), Ok(512 * one_table * 512));
    image.put64(CAPACITY, 512 * one_table + 1);
    assert_eq!(image.answer(None), Err(OVERDRAWN));
}

#[test]
fn tables_that_overlap_add_up_too() {
    // Each table begins a sector after the one before.
    let mut image = Image::new(128, 16 * 65536);
    image.bytes.resize(24 * 512, 0);
    for index in 0..16 {
        image.put32(Image::directory_entry(index), 2 + index as u32);
    }
    assert_eq!(image.answer(None), Err(OVERDRAWN));
    image.put64(CAPACITY, 6 * 65536);
    assert_eq!(image.data_of(), Ok(0));
    image.put64(CAPACITY, 7 * 65536);
    assert_eq!(image.answer(None), Err(OVERDRAWN));
}

/// Images that between them have every kind of entry.
fn specimens() -> Vec<Image> {
    let mut small = Image::new(1, 5 * 512 + 7);
    for grain in (0..2567).step_by(57) {
        small.data(grain);
        small.map(grain + 1, 1);
        small.map(grain + 2, u32::MAX);
    }
    small.put32(FLAGS, 3 | ZEROED_GRAINS);
    let mut large = Image::new(128, 300 * 65536 + 5);
    for grain in (0..300 * 512).step_by(9_001) {
        large.map(grain, 9);
        large.map(grain + 1, 1);
    }
    let mut stream = Image::new(16, 40_000);
    for grain in (0..2500).step_by(101) {
        stream.map(grain, 77);
    }
    stream.with_footer();
    vec![small, large, stream]
}

#[test]
fn a_read_that_fails_is_an_io_error_and_then_a_scan_answers() {
    let faults: u64 = specimens()
        .iter()
        .flat_map(|image| every_read_fails(Vmdk, &image.bytes))
        .sum();
    assert!(faults > 250, "only {faults} reads failed");
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    callers_mistakes(Vmdk, &specimens()[0].bytes);
}

#[test]
fn random_damage_is_survived_with_bounded_reads() {
    let specimens = specimens();
    survive(Vmdk, 6000, 15, |random| {
        let image = random.choice(&specimens).expect("three specimens");
        let mut bytes = image.bytes.clone();
        let length = bytes.len();
        // Header, directory, footer, and anything.
        let areas = [0..80, 512..1024, length - 1536..length, 512..length];
        for _ in 0..=random.u64(..4) {
            damage_field(&mut bytes, &areas, false, random);
        }
        if random.u64(..16) == 0 {
            bytes[DIRECTORY..][..8].fill(0xff);
        }
        if random.u64(..8) == 0 {
            bytes.truncate(random.usize(..length));
        }
        bytes
    });
}
