//! Aliasing tables, failing reads, random damage: work stays bounded, and an answer is exact or absent.

use fastrand::Rng;
use shared::ScanError;
use testing::device::Device;
use testing::scan::{
    Outcomes, callers_mistakes, every_failed_scan_is_repeated, every_read_fails, scan,
};

use crate::common::{Vmdk, answer};
use crate::image::{Image, ZEROED_GRAINS, field};

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
        assert_eq!(answer(&image.bytes, None), Err(OVERDRAWN));
    }
}

#[test]
fn tables_may_alias_as_long_as_they_would_fit_the_file() {
    // What the tables say counts, as in qemu-img. 2048 sectors hold 512 tables of 4.
    let (mut image, _) = aliasing(8);
    let one_table = 512 * 8;
    image.put64(field::CAPACITY, 512 * one_table);
    assert_eq!(
        answer(&image.bytes, None).map(|summary| summary.allocated_bytes),
        Ok(512 * one_table * 512)
    );
    image.put64(field::CAPACITY, 512 * one_table + 1);
    assert_eq!(answer(&image.bytes, None), Err(OVERDRAWN));
}

#[test]
fn tables_that_overlap_add_up_too() {
    // Each table begins a sector after the one before.
    let mut image = Image::new(128, 16 * 65536);
    image.bytes.resize(24 * 512, 0);
    for index in 0..16 {
        image.put32(Image::directory_entry(index), 2 + index as u32);
    }
    assert_eq!(answer(&image.bytes, None), Err(OVERDRAWN));
    image.put64(field::CAPACITY, 6 * 65536);
    assert_eq!(
        answer(&image.bytes, None).map(|summary| summary.allocated_bytes),
        Ok(0)
    );
    image.put64(field::CAPACITY, 7 * 65536);
    assert_eq!(answer(&image.bytes, None), Err(OVERDRAWN));
}

/// Images that between them have every kind of entry.
fn specimens() -> Vec<Image> {
    let mut small = Image::new(1, 5 * 512 + 7);
    for grain in (0..2567).step_by(57) {
        small.data(grain);
        small.map(grain + 1, 1);
        small.map(grain + 2, u32::MAX);
    }
    small.put32(field::FLAGS, 3 | ZEROED_GRAINS);
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
fn a_read_that_fails_is_an_io_error_and_never_a_number() {
    let faults: u64 = specimens()
        .iter()
        .flat_map(|image| every_read_fails(&Vmdk, &image.bytes))
        .sum();
    assert!(faults > 250, "only {faults} reads failed");
}

#[test]
fn a_read_that_fails_in_a_descriptor_is_an_io_error() {
    let text = [
        &b"# Disk DescriptorFile\ncreateType=\"vmfs\"\n"[..],
        &[b' '; 2000],
    ]
    .concat();
    let device = Device::failing(&text, 512, 0);
    assert_eq!(
        scan(&Vmdk, &device, None, 1),
        Err(ScanError::Io { sector: 0 })
    );
}

#[test]
fn a_scan_after_a_failed_one_answers() {
    assert!(every_failed_scan_is_repeated(&Vmdk, &specimens()[0].bytes) > 5);
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    callers_mistakes(&Vmdk, &specimens()[0].bytes);
}

/// Damages one word of the header, of the footer or of a table: a bit, a boundary value, a random one,
/// or a sector of the file.
fn damage(image: &mut Image, random: &mut Rng) {
    let length = image.bytes.len();
    let at = match random.u64(..4) {
        0 => random.usize(..20) * 4,
        1 => length - 1536 + random.usize(..380) * 4,
        2 => 512 + random.usize(..128) * 4,
        _ => 512 + random.usize(..((length - 1024) / 4)) * 4,
    };
    let old = image.get32(at);
    let new = match random.u64(..5) {
        0 => old ^ 1 << random.u64(..32),
        1 => u32::MAX << random.u64(..32),
        2 => random.u64(..) as u32,
        3 => random.usize(..(2 * length / 512)) as u32,
        _ => 1 << random.u64(..32),
    };
    image.put32(at, new);
    if random.u64(..16) == 0 {
        image.put64(field::DIRECTORY, u64::MAX);
    }
}

#[test]
fn random_damage_is_survived_with_bounded_reads() {
    let mut random = Rng::with_seed(1);
    let mut outcomes = Outcomes::default();
    let specimens = specimens();
    for case in 0..6000 {
        let mut image = specimens[case % specimens.len()].clone();
        for _ in 0..=random.u64(..4) {
            damage(&mut image, &mut random);
        }
        if random.u64(..8) == 0 {
            let length = random.usize(..image.bytes.len());
            image.bytes.truncate(length);
        }
        // `answer` asserts the bound, and that neither sector size nor repetition matters.
        outcomes.note(answer(&image.bytes, Some(4096)));
    }
    assert!(
        outcomes.answered > 500 && outcomes.refused > 500,
        "{outcomes:?}"
    );
}
