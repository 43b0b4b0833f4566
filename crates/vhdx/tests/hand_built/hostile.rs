//! What must hold for any input: bounded reads, failing reads, random damage.

use fastrand::Rng;
use testing::device::Device;
use testing::scan::{
    Outcomes, SECTOR_SIZES, answer, callers_mistakes, every_failed_scan_is_repeated,
    every_read_fails, scan,
};

use crate::common::Vhdx;
use crate::image::{BAT_AT, BLOCKS_AT, Image, K, M, PRESENT, seal};
use crate::{SAMPLE, after};

#[test]
fn entries_past_the_end_of_the_disk_cost_nothing() {
    let answer = after(|image| {
        image.bat.resize(100_000, 7);
        image.bat[10] = PRESENT;
    });
    assert_eq!(answer, Ok(SAMPLE));
    let mut image = Image::sample();
    let reads = |image: &Image| {
        let source = image.build();
        let device = Device::new(&source, 512);
        scan(&Vhdx, &device, None, 2).unwrap();
        device.reads()
    };
    let few = reads(&image);
    image.bat.resize(131_072, 7);
    assert_eq!(reads(&image), few);
}

#[test]
fn thousands_of_entries_that_share_one_block_are_read_once() {
    let mut image = Image::sample();
    image.set_size(131_041 * M);
    image.bat = vec![BLOCKS_AT | PRESENT; 131_072];
    let source = image.build();
    let summary = answer(&Vhdx, &source, Some(M), &SECTOR_SIZES).unwrap();
    assert_eq!(summary.allocated_bytes, summary.virtual_size);
    let device = Device::new(&source, 512);
    scan(&Vhdx, &device, None, 2).unwrap();
    // Two scans of 1 MiB, and the headers.
    assert!(device.reads() < 2 * 2048 + 300);
}

#[test]
fn a_read_that_fails_is_said_and_never_a_number() {
    let mut image = Image::sample();
    // Both headers and both region tables are read.
    image.tables[0].checksum_error = 1;
    let source = image.build();
    let failed = every_read_fails(&Vhdx, &source);
    assert!(failed[0] > 270, "{failed:?} reads");
    assert!(failed.iter().all(|&reads| reads >= 7), "{failed:?} reads");
}

#[test]
fn a_scan_after_a_failed_one_answers() {
    assert!(every_failed_scan_is_repeated(&Vhdx, &Image::sample().build()) > 0);
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    callers_mistakes(&Vhdx, &Image::sample().build());
}

#[test]
fn damage_with_right_checksums_never_harms() {
    const CASES: usize = 4000;
    let mut random = Rng::with_seed(2);
    let sample = Image::sample().build();
    let mut outcomes = Outcomes::default();
    for _ in 0..CASES {
        let mut source = sample.clone();
        for _ in 0..=random.u64(..2) {
            damage(&mut source.pieces, &mut random);
        }
        if random.u64(..8) == 0 {
            source.length = [
                random.u64(..source.length),
                random.u64(..source.length) / K * K,
            ][random.u64(..2) as usize];
        }
        // `answer` checks that a number, if it is one, is possible.
        outcomes.note(answer(&Vhdx, &source, Some(4096), &[512, 65536]));
    }
    outcomes.conclude(25);
}

/// Overwrites a field's worth of bytes of a structure with a value that is often telling, and puts
/// the checksum right, but for one case in 16.
fn damage(pieces: &mut [(u64, Vec<u8>)], random: &mut Rng) {
    // Piece, and where in it: signature, headers, region tables, BAT, metadata table and items.
    let (piece, start, length) = [
        (0, 0, 8),
        (1, 0, 80),
        (2, 0, 80),
        (3, 0, 96),
        (3, 0, 64 * K),
        (5, 0, 80),
        (6, 0, 192),
        (6, 64 * K, 40),
    ][random.u64(..8) as usize];
    let width = 1 << random.u64(..4);
    let at = ((start + random.u64(..length)) / width * width) as usize;
    let interesting = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        M,
        BLOCKS_AT,
        BLOCKS_AT | PRESENT,
        BAT_AT,
        7 * M,
        1 << 28,
        1 << 31,
        1 << 46,
        1 << 63,
        u64::MAX - M + 1,
        u64::MAX,
    ];
    let value = match random.u64(..4) {
        0 => random.u64(..),
        1 => random.u64(..64),
        2 => random.u64(..16) * M + random.u64(..8),
        _ => interesting[random.u64(..(interesting.len() as u64)) as usize],
    };
    let width = width as usize;
    let bytes = &mut pieces[piece].1;
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    if (1..=4).contains(&piece) && random.u64(..16) > 0 {
        seal(bytes, 0);
    }
}
