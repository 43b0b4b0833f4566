//! Aliasing tables, failing reads, random damage: work stays bounded, and an answer is exact or absent.

use fastrand::Rng;
use qcow2::QcowHeader;
use shared::ScanError;
use testing::damage::{damage_field, survive};
use testing::scan::ScanFormat::Qcow2;
use testing::scan::{callers_mistakes, every_read_fails};

use crate::image::{COMPRESSED, COPIED, EXTENDED_L2, Image, L1_SIZE, SIZE, ZERO};

const OVERDRAWN: ScanError =
    ScanError::Corrupt("the tables named add up to more sectors than the image has");

/// An image of 1 MiB whose L1 table fills most of it, and names one L2 table in every entry.
fn aliasing(cluster_bits: u32) -> Image {
    let cluster = 1_u64 << cluster_bits;
    let l1_bytes = (1 << 20) - 4 * cluster;
    let entries = l1_bytes / 8;
    let mut image = Image::new(cluster_bits, 0);
    image.append(l1_bytes);
    let table = image.append(cluster);
    image.bytes.resize(1 << 20, 0);
    image.put32(L1_SIZE, entries as u32);
    image.put64(SIZE, entries * (cluster / 8) * cluster);
    for index in 0..entries {
        let at = image.l1_entry(index);
        image.put64(at, COPIED | table);
    }
    for at in (table..table + cluster).step_by(8) {
        image.put64(at as usize, COPIED | table);
    }
    image
}

#[test]
fn an_l2_table_that_every_l1_entry_names_is_not_read_time_and_again() {
    for cluster_bits in [9, 12, 16, 17] {
        let image = aliasing(cluster_bits);
        assert_eq!(image.bytes.len(), 1 << 20);
        // `answer` asserts the bound on the reads.
        assert_eq!(image.answer(None), Err(OVERDRAWN));
    }
}

#[test]
fn l2_tables_may_alias_as_long_as_they_would_fit_the_file() {
    // What the tables say counts, as in qemu-img. 2048 sectors hold 2048 tables of one sector.
    let mut image = aliasing(9);
    let one_table = 64 * 512;
    image.put64(SIZE, 2048 * one_table);
    assert_eq!(image.data_of(), Ok(2048 * one_table));
    image.put64(SIZE, 2048 * one_table + 1);
    assert_eq!(image.data_of(), Err(OVERDRAWN));
}

/// Images that between them have every kind of entry.
fn specimens() -> Vec<Image> {
    let mut standard = Image::new(9, 600 * 512 + 77);
    for cluster in (0..601).step_by(7) {
        standard.data(cluster);
        standard.map(cluster + 1, COMPRESSED | 0x1234);
        standard.map(cluster + 3, ZERO);
    }
    let mut old = Image::with(2, 12, 40 << 20, 0);
    for cluster in (0..10_240).step_by(611) {
        old.data(cluster);
    }
    let mut extended = Image::with(3, 14, 64 << 20, EXTENDED_L2);
    for cluster in (0..4096).step_by(501) {
        extended.map_extended(cluster, COPIED | 0x1_0000, 0xf0f0 << 32 | 0x0f0f_0000);
    }
    vec![standard, old, extended]
}

#[test]
fn a_read_that_fails_is_an_io_error_and_then_a_scan_answers() {
    let faults: u64 = specimens()
        .iter()
        .flat_map(|image| every_read_fails(Qcow2, &image.bytes))
        .sum();
    assert!(faults > 500, "only {faults} reads failed");
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    callers_mistakes(Qcow2, &specimens()[0].bytes);
}

#[test]
fn random_damage_is_survived_with_bounded_reads() {
    let specimens = specimens();
    survive(Qcow2, 6000, 15, |random| {
        let image = random.choice(&specimens).expect("three specimens");
        let mut bytes = image.bytes.clone();
        let areas = [0..112, image.l1_offset as usize..bytes.len()];
        for _ in 0..=random.u64(..4) {
            damage_field(&mut bytes, &areas, true, random);
        }
        if random.u64(..8) == 0 {
            bytes.truncate(random.usize(..bytes.len()));
        }
        bytes
    });
}

#[test]
fn random_headers_are_survived() {
    let mut random = Rng::with_seed(2);
    let mut accepted = 0;
    let sound: Vec<[u8; 512]> = (9..=21)
        .map(|bits| *Image::new(bits, 1 << 20).bytes.first_chunk().unwrap())
        .collect();
    for case in 0..200_000 {
        let mut first_sector = sound[case % sound.len()];
        for _ in 0..=random.u64(..3) {
            let at = 4 + random.usize(..112);
            first_sector[at] = random.u64(..) as u8;
        }
        if let Ok(header) = QcowHeader::parse(&first_sector) {
            assert!(header.l1_entries_for(header.virtual_size) <= u64::from(header.l1_entries));
            accepted += 1;
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}
