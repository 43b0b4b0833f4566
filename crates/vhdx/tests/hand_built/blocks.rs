//! What counts: states, sector bitmaps, the place of blocks and of their table.

use shared::ScanError::Corrupt;
use testing::scan::ScanFormat::Vhdx;
use testing::scan::{SECTOR_SIZES, answer, reads};

use crate::image::{BAT, IMAGE, PRESENT, sample, sparse};

const M: u64 = 1 << 20;

/// Blocks that are not present, undefined, zero or unmapped (0 to 3) may name any place. Reserved bits are not looked
/// at, as in QEMU.
#[test]
fn every_state_of_a_block_is_known() {
    IMAGE.check(
        &sample(),
        "
        value.size=0 => 0
        bat.0=2 bat.4=2 bat.9=2 => 0
        bat.0=0,1,2,3,4M,4M+1,4M+2,4M+3,2^40,2^40+3,2^64-1M,2^64-1M+3 => 1M+512
        bat.0=4M+4,4M+5 => corrupt: a block has a reserved state
        bat.0=4M+7 => corrupt: a block is partially present in a disk without a parent
        bat.0=4M+0xffff8+6 => 2M+512
        ",
    );
}

#[test]
fn the_table_must_cover_the_disk() {
    // 1 MiB holds 131072 entries; with a chunk ratio of 4096, 31 of them are for sector bitmaps.
    IMAGE.check(
        &sample(),
        "
        value.size=131041M => 3M
        value.size=131041M+512,2^46 => corrupt: the BAT has fewer entries than the disk needs
        ",
    );
    // The largest disk: 262144 blocks, a sector bitmap entry after every 16, 2.2 MB.
    let mut bat = vec![2; 262_144 + 16_383];
    *bat.last_mut().unwrap() = (256 * M) | 6;
    let few = Err(Corrupt("the BAT has fewer entries than the disk needs"));
    for (length, expected) in [("3M", Ok(256 * M)), ("2M", few)] {
        let values = "value.size=2^46 value.block_size=256M";
        let region = format!("bat_region.start=16M bat_region.length={length}");
        let image = sparse(&format!("{values} {region}"), 16 * M, &bat, 512 * M);
        let answer = answer(Vhdx, &image, None, &[512, 65536]);
        assert_eq!(answer.map(|summary| summary.allocated_bytes), expected);
    }
}

/// Only the last block, which is at 5 MiB, need not be wholly in the file: its part that is in the disk must.
#[test]
fn a_block_must_lie_in_the_file_and_beside_the_regions() {
    let third = "t.count=3 third_region.guid=1 third_region.start=5M third_region.length=1M";
    let table = format!("{third} value.block_size=2M");
    IMAGE.check(
        &sample(),
        &format!(
            "
            bat.0=4M+6,5M+6,6M+6 => 2M+512
            bat.0=7M+6,2^40+6,2^64-1M+6 => corrupt: a block runs past the end of the file
            bat.0=6,1M+6,2M+6,3M+6
            {table}
                => corrupt: a block lies over the headers, the log or a region
            bat.4=0 length=5M+512 => 1M+512
            bat.4=0 length=6M value.size=10M => 2M
            bat.4=0 length=5M+511
            bat.4=0 length=6M-1 value.size=10M
            length=7M-1
                => corrupt: a block runs past the end of the file
            "
        ),
    );
}

#[test]
fn entries_past_the_end_of_the_disk_cost_nothing() {
    let few = reads(Vhdx, &sample()[..]);
    let mut bytes = sample();
    for entry in bytes[BAT + 80..BAT + M as usize].chunks_exact_mut(8) {
        entry[0] = 7;
    }
    bytes[BAT + 80] = 6;
    IMAGE.check(&bytes, "value.size=9M+512 => 2M+512");
    assert_eq!(reads(Vhdx, &bytes[..]), few);
}

#[test]
fn thousands_of_entries_that_share_one_block_are_read_once() {
    let bat = vec![PRESENT; 131_072];
    let image = sparse("value.size=131041M", BAT as u64, &bat, 7 * M);
    let summary = answer(Vhdx, &image, Some(M), &SECTOR_SIZES).unwrap();
    assert_eq!(summary.allocated_bytes, summary.virtual_size);
    // 1 MiB, and the headers.
    assert!(reads(Vhdx, &image) < 2048 + 300);
}
