//! What must hold for any input: bounded reads, failing reads, random damage.

use testing::damage::{damage_field, survive};
use testing::scan::ScanFormat::Vhdx;
use testing::scan::{SECTOR_SIZES, answer, callers_mistakes, every_read_fails, reads};

use crate::image::{BAT, IMAGE, K, M, METADATA, PRESENT, sample, seal, sparse};

#[test]
fn entries_past_the_end_of_the_disk_cost_nothing() {
    let few = reads(Vhdx, &sample());
    let mut bytes = sample();
    for entry in bytes[BAT + 80..BAT + M].chunks_exact_mut(8) {
        entry[0] = 7;
    }
    bytes[BAT + 80] = 6;
    IMAGE.check(&bytes, "value.size=9M+512 => 2M+512");
    assert_eq!(reads(Vhdx, &bytes), few);
}

#[test]
fn thousands_of_entries_that_share_one_block_are_read_once() {
    let bat = vec![PRESENT; 131_072];
    let image = sparse("value.size=131041M", BAT as u64, &bat, 7 * M as u64);
    let summary = answer(Vhdx, &image, Some(M as u64), &SECTOR_SIZES).unwrap();
    assert_eq!(summary.allocated_bytes, summary.virtual_size);
    // 1 MiB, and the headers.
    assert!(reads(Vhdx, &image) < 2048 + 300);
}

#[test]
fn a_read_that_fails_is_an_io_error_and_then_a_scan_answers() {
    // Both headers and both region tables are read.
    let failed = every_read_fails(Vhdx, &IMAGE.with(&sample(), "!t1.checksum=1"));
    assert!(failed[0] > 270, "{failed:?} reads");
    assert!(failed.iter().all(|&reads| reads >= 7), "{failed:?} reads");
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    callers_mistakes(Vhdx, &sample());
}

#[test]
fn damage_with_right_checksums_never_harms() {
    let sound = sample();
    // Signature, headers, region tables, BAT, metadata table and items.
    let areas = [
        0..8,
        64 * K..64 * K + 80,
        128 * K..128 * K + 80,
        192 * K..192 * K + 96,
        192 * K..256 * K,
        BAT..BAT + 80,
        METADATA..METADATA + 192,
        METADATA + 64 * K..METADATA + 64 * K + 40,
    ];
    survive(Vhdx, 4000, 25, |random| {
        let mut bytes = sound.clone();
        for _ in 0..=random.u64(..2) {
            damage_field(&mut bytes, &areas, false, random);
        }
        if random.u64(..16) > 0 {
            seal(&mut bytes);
        }
        if random.u64(..8) == 0 {
            let length = random.usize(..bytes.len());
            bytes.truncate(length / K * K + random.usize(..2));
        }
        bytes
    });
}
