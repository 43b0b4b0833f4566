//! What counts: states, sector bitmaps, the place of blocks and of their table.

use testing::scan::{SECTOR_SIZES, answer};

use crate::common::Vhdx;
use crate::image::{BAT_AT, BLOCKS_AT, Image, K, M, METADATA_AT, PRESENT, Region};
use crate::{SAMPLE, after};
use shared::ScanError::Corrupt;

#[test]
fn present_blocks_count_and_the_last_is_clipped() {
    let image = Image::sample().build();
    for (unit, touched) in [
        (512, 4097),
        (64 * K, 33),
        (M, 3),
        (2 * M, 3),
        (8 * M, 2),
        (64 * M, 1),
        (1, SAMPLE),
    ] {
        let summary = answer(&Vhdx, &image, Some(unit), &SECTOR_SIZES).unwrap();
        assert_eq!(summary.virtual_size, 9 * M + 512);
        assert_eq!(summary.allocated_bytes, SAMPLE);
        assert_eq!(summary.touched.unwrap().count, touched, "units of {unit}");
    }
    assert_eq!(after(|image| image.bat.fill(2)), Ok(0));
    assert_eq!(after(|image| image.set_size(0)), Ok(0));
}

#[test]
fn every_state_of_a_block_is_known() {
    let first = |entry| after(|image| image.bat[0] = entry);
    // Not present, undefined, zero, unmapped: wherever they once were.
    for state in 0..=3 {
        for place in [0, BLOCKS_AT, 1 << 40, 0xffff_ffff_fff0_0000] {
            assert_eq!(first(place | state), Ok(SAMPLE - M), "state {state}");
        }
    }
    for state in [4, 5] {
        assert_eq!(
            first(BLOCKS_AT | state),
            Err(Corrupt("a block has a reserved state"))
        );
    }
    assert_eq!(
        first(BLOCKS_AT | 7),
        Err(Corrupt(
            "a block is partially present in a disk without a parent"
        ))
    );
    // Reserved bits are not looked at, as in QEMU.
    assert_eq!(first(BLOCKS_AT | 0xffff8 | PRESENT), Ok(SAMPLE));
}

#[test]
fn sector_bitmap_entries_are_passed_over() {
    // Blocks of 256 MiB: one sector bitmap entry after every 16 with sectors of 512, 128 with 4096.
    for (sector, ratio) in [(512, 16), (4096, 128)] {
        for blocks in [
            1,
            ratio - 1,
            ratio,
            ratio + 1,
            2 * ratio,
            2 * ratio + 1,
            5 * ratio + 3,
        ] {
            let mut image = Image::sample();
            image.set_block_size(256 << 20, 0);
            image.set_sectors(sector, 4096);
            image.set_size(blocks * 256 * M);
            image.length = BLOCKS_AT + 256 * M;
            // What the sector bitmap entries say would be an error in a payload entry.
            image.bat = vec![7; 1000];
            let mut present = 0;
            for block in 0..blocks {
                let entry = &mut image.bat[(block + block / ratio) as usize];
                *entry = if block % 3 == 0 {
                    present += 1;
                    BLOCKS_AT | PRESENT
                } else {
                    0
                };
            }
            let summary = answer(&Vhdx, &image.build(), Some(256 * M), &[512, 4096]).unwrap();
            assert_eq!(
                summary.allocated_bytes,
                present * 256 * M,
                "{blocks} blocks"
            );
            assert_eq!(summary.touched.unwrap().count, present);
        }
    }
}

#[test]
fn the_table_must_cover_the_disk() {
    let few = Err(Corrupt("the BAT has fewer entries than the disk needs"));
    // 1 MiB holds 131072 entries; with a chunk ratio of 4096, 31 of them are for sector bitmaps.
    let largest = 131_072 - 31;
    let with = |size| after(|image| image.set_size(size));
    assert_eq!(with(largest * M), Ok(3 * M));
    assert_eq!(with(largest * M + 512), few);
    assert_eq!(with(64 << 40), few);
    // The largest disk: 262144 blocks, a sector bitmap entry after every 16, 2.2 MB.
    let mut image = Image::sample();
    image.set_size(64 << 40);
    image.set_block_size(256 << 20, 0);
    image.length = 512 * M;
    image.bat = vec![2; 262_144 + 16_383];
    *image.bat.last_mut().unwrap() = (256 * M) | PRESENT;
    for (length, expected) in [(3 << 20, Ok(256 * M)), (2 << 20, few)] {
        image.regions(|table| {
            table.bat().start = 16 * M;
            table.bat().length = length;
        });
        let mut source = image.build();
        source.pieces[5].0 = 16 * M;
        let answer = answer(&Vhdx, &source, None, &[512, 65536]);
        assert_eq!(answer.map(|summary| summary.allocated_bytes), expected);
    }
}

#[test]
fn a_block_must_lie_in_the_file_and_beside_the_regions() {
    let first = |place| after(|image| image.bat[0] = place | PRESENT);
    let past = Err(Corrupt("a block runs past the end of the file"));
    for place in [7 * M, 1 << 40, 0xffff_ffff_fff0_0000] {
        assert_eq!(first(place), past);
    }
    let over = Err(Corrupt(
        "a block lies over the headers, the log or a region",
    ));
    for place in [0, M, BAT_AT, METADATA_AT] {
        assert_eq!(first(place), over);
    }
    for place in [BLOCKS_AT, BLOCKS_AT + M, BLOCKS_AT + 2 * M] {
        assert_eq!(first(place), Ok(SAMPLE));
    }
    // A large block that only its end puts over a region.
    let answer = after(|image| {
        image.set_block_size(2 << 20, 0);
        image.regions(|table| {
            table.regions.push(Region {
                guid: 0x1111,
                start: 5 * M,
                length: 1 << 20,
                flags: 0,
            });
        });
    });
    assert_eq!(answer, over);
}

#[test]
fn of_the_last_block_only_the_disks_part_must_be_in_the_file() {
    // The last block of the sample is at 5 MiB; let the file end there.
    let with = |length, bytes_in_last| {
        after(|image| {
            image.set_size(9 * M + bytes_in_last);
            image.bat[4] = 0;
            image.length = length;
        })
    };
    let past = Err(Corrupt("a block runs past the end of the file"));
    assert_eq!(with(5 * M + 512, 512), Ok(M + 512));
    assert_eq!(with(5 * M + 511, 512), past);
    assert_eq!(with(6 * M, M), Ok(2 * M));
    assert_eq!(with(6 * M - 1, M), past);
    // Any other block must be there whole.
    let answer = after(|image| image.length = 7 * M - 1);
    assert_eq!(answer, past);
}
