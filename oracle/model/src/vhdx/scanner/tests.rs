//! Answers of the VHDX model on images made by hand.

use super::*;
use sparse::SparseImage;
use sparse::crc32c::of_pieces;

const BLOCK: u64 = MIB;
const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
const BAT_AT: u64 = 3 * MIB;
/// Where payload blocks may begin.
const PAYLOAD: u64 = 4;
const PRESENT: u64 = 6;
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];

/// A disk of `size` bytes in blocks of 1 MiB, with those states and places in MiB, in a file of
/// 10 MiB that has both headers, the first region table, and no checksums yet.
fn unsealed(size: u64, bat: &[(u64, u64)]) -> SparseImage {
    let mut image = SparseImage::new(10 * MIB);
    image.write(0, b"vhdxfile");
    for (at, sequence_number) in HEADERS.into_iter().zip([4_u64, 5]) {
        image.write(at, b"head");
        image.write(at + 8, &sequence_number.to_le_bytes());
        image.write(at + 66, &[1]);
        image.write(at + 68, &(MIB as u32).to_le_bytes());
        image.write(at + 72, &LOG_AT.to_le_bytes());
    }
    image.write(REGION_TABLES[0], b"regi");
    for (id, start) in [(BAT, BAT_AT), (METADATA, METADATA_AT)] {
        add_region(&mut image, id, start, MIB, 1);
    }
    image.write(METADATA_AT, b"metadata");
    let values = [BLOCK, size, 512, 4096, 0];
    for (nth, ((id, length), value)) in (0..).zip(ITEMS.iter().zip(values)) {
        let place = 65536 + 16 * nth;
        add_item(&mut image, *id, place as u32, *length as u32, 4);
        image.write(METADATA_AT + place, &value.to_le_bytes());
    }
    for (at, (state, mib)) in (BAT_AT..).step_by(8).zip(bat) {
        image.write(at, &(mib << 20 | state).to_le_bytes());
    }
    image
}

fn add_to_count(image: &mut SparseImage, at: u64) -> u64 {
    let [count] = image.array(at);
    image.write(at, &[count + 1]);
    count.into()
}

fn add_region(image: &mut SparseImage, id: [u8; 16], start: u64, length: u64, flags: u8) {
    let nth = add_to_count(image, REGION_TABLES[0] + 8);
    let entry = REGION_TABLES[0] + 16 + 32 * nth;
    image.write(entry, &id);
    image.write(entry + 16, &start.to_le_bytes());
    image.write(entry + 24, &(length as u32).to_le_bytes());
    image.write(entry + 28, &[flags]);
}

fn add_item(image: &mut SparseImage, id: [u8; 16], place: u32, length: u32, flags: u8) {
    let nth = add_to_count(image, METADATA_AT + 10);
    let entry = METADATA_AT + 32 + 32 * nth;
    image.write(entry, &id);
    image.write(entry + 16, &place.to_le_bytes());
    image.write(entry + 20, &length.to_le_bytes());
    image.write(entry + 24, &[flags]);
}

fn seal(image: &mut SparseImage, at: u64, length: u64) {
    image.write(at + 4, &[0; 4]);
    let crc = of_pieces(at, length, image.pieces(at, length));
    image.write(at + 4, &crc.to_le_bytes());
}

/// The bytes of data in the image, with the checksums of headers and first region table right.
fn data(mut image: SparseImage) -> Result<u64, ScanErrorKind> {
    for at in HEADERS {
        seal(&mut image, at, 4096);
    }
    seal(&mut image, REGION_TABLES[0], TABLE);
    scan(&image, None).map(|summary| summary.allocated_bytes)
}

/// The same of a disk of 3 MiB with one block, after `change`.
fn changed(change: impl Fn(&mut SparseImage)) -> Result<u64, ScanErrorKind> {
    let mut image = unsealed(3 * MIB, &[(PRESENT, PAYLOAD)]);
    change(&mut image);
    data(image)
}

#[test]
fn guids_lie_as_the_specification_has_them() {
    let start = [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64];
    assert_eq!(BAT[..10], start);
    assert_eq!(BAT[10..], [0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08]);
}

#[test]
fn present_blocks_count_up_to_the_end_of_the_disk() {
    let bat = [
        (PRESENT, 5),
        (0, 9),
        (1, 0),
        (2, 7),
        (3, 0),
        (PRESENT, 4),
        (7, 0),
    ];
    let mut image = unsealed(5 * MIB + 512, &bat);
    for at in HEADERS {
        seal(&mut image, at, 4096);
    }
    seal(&mut image, REGION_TABLES[0], TABLE);
    let expected = AllocationSummary::new(5 * MIB + 512, MIB + 512).with_touched(MIB / 2, 3);
    assert_eq!(scan(&image, NonZeroU64::new(MIB / 2)), Ok(expected));
}

#[test]
fn states_that_no_disk_without_a_parent_has_are_corrupt() {
    for (state, answer) in [
        (0, Ok(0)),
        (3, Ok(0)),
        (4, Err(Corrupt)),
        (5, Err(Corrupt)),
        (PRESENT, Ok(MIB)),
        (PRESENT | 0xffff8, Ok(MIB)),
        (7, Err(Corrupt)),
    ] {
        let image = unsealed(2 * MIB, &[(state, PAYLOAD)]);
        assert_eq!(data(image), answer, "{state}");
    }
}

#[test]
fn a_block_is_in_the_file_as_far_as_the_disk_goes_and_over_nothing() {
    let with = |size, mib, length| {
        let mut image = unsealed(size, &[(PRESENT, mib)]);
        image.set_capacity(length);
        data(image)
    };
    for mib in 0..PAYLOAD {
        assert_eq!(with(MIB, mib, 10 * MIB), Err(Corrupt), "{mib}");
    }
    assert_eq!(with(MIB, PAYLOAD, 5 * MIB), Ok(MIB));
    assert_eq!(with(MIB, PAYLOAD, 5 * MIB - 1), Err(Corrupt));
    assert_eq!(with(1024, PAYLOAD, 4 * MIB + 1024), Ok(1024));
    assert_eq!(with(1024, PAYLOAD, 4 * MIB + 1023), Err(Corrupt));
    assert_eq!(with(MIB, (1 << 44) - 1, 10 * MIB), Err(Corrupt));
}

#[test]
fn entries_of_sector_bitmaps_are_passed_over() {
    // 16 blocks of 256 MiB have 2^23 sectors of 512 bytes.
    let mut bat = vec![(0, 0); 19];
    bat[15] = (PRESENT, 4);
    bat[16] = (PRESENT, 0);
    bat[18] = (7, 0);
    let mut image = unsealed((17 << 28) - 512, &bat);
    image.write(METADATA_AT + 65536, &(1_u32 << 28).to_le_bytes());
    image.set_capacity(1 << 30);
    assert_eq!(data(image.clone()), Ok(1 << 28));
    image.write(BAT_AT + 8 * 17, &(5 << 28 | PRESENT).to_le_bytes());
    assert_eq!(data(image.clone()), Err(Corrupt), "not wholly in the file");
    image.write(BAT_AT + 8 * 17, &(1 << 28 | PRESENT).to_le_bytes());
    assert_eq!(data(image), Ok((2 << 28) - 512));
}

#[test]
fn the_newer_sound_header_counts() {
    // Only the one with the higher number says that there is something to replay.
    for (first, second, answer) in [
        (4_u64, 5_u64, Err(Unsupported)),
        (5, 4, Ok(MIB)),
        (u64::MAX, 0, Ok(MIB)),
        (5, 5, Err(Corrupt)),
    ] {
        let numbers = |image: &mut SparseImage| {
            image.write(HEADERS[0] + 8, &first.to_le_bytes());
            image.write(HEADERS[1] + 8, &second.to_le_bytes());
            image.write(HEADERS[1] + 63, &[1]);
        };
        assert_eq!(changed(numbers), answer);
        let damaged = |image: &mut SparseImage| {
            numbers(image);
            image.write(HEADERS[1], b"h");
            image.write(HEADERS[1] + 1, &[0]);
        };
        assert_eq!(changed(damaged), Ok(MIB));
    }
    let same = |image: &mut SparseImage| image.write(HEADERS[0] + 8, &[5]);
    assert_eq!(changed(same), Ok(MIB));
    assert_eq!(
        changed(|image| {
            same(image);
            image.write(HEADERS[1] + 16, &[1]);
        }),
        Err(Corrupt)
    );
    assert_eq!(
        changed(|image| HEADERS.iter().for_each(|&at| image.write(at, &[0]))),
        Err(Corrupt)
    );
    assert_eq!(changed(|image| image.write(0, b"V")), Err(NotThisFormat));
}

#[test]
fn a_header_says_a_known_version_and_where_the_log_is() {
    let with = |at: u64, value: &[u8]| changed(|image| image.write(HEADERS[1] + at, value));
    assert_eq!(with(66, &[2]), Err(Unsupported));
    for (length, answer) in [
        (0_u32, Ok(MIB)),
        (512, Err(Corrupt)),
        (2 << 20, Err(Corrupt)), // Over the metadata.
        (u32::MAX << 20, Err(Corrupt)),
    ] {
        assert_eq!(with(68, &length.to_le_bytes()), answer);
    }
    for (start, answer) in [
        (0, Err(Corrupt)),
        (MIB + 1, Err(Corrupt)),
        (METADATA_AT, Err(Corrupt)),
        (PAYLOAD * MIB, Err(Corrupt)),
        (8 * MIB, Ok(MIB)),
        (u64::MAX << 20, Ok(MIB)), // Past the end, which does not matter.
    ] {
        assert_eq!(with(72, &start.to_le_bytes()), answer, "{start}");
    }
}

#[test]
fn the_second_region_table_stands_in_for_the_first() {
    let second = |sealed| {
        changed(|image| {
            let table: [u8; 512] = image.array(REGION_TABLES[0]);
            image.write(REGION_TABLES[1], &table);
            if sealed {
                seal(image, REGION_TABLES[1], TABLE);
            }
            image.write(REGION_TABLES[0], &[0]);
        })
    };
    assert_eq!(second(true), Ok(MIB));
    assert_eq!(second(false), Err(Corrupt));
}

#[test]
fn regions_are_aligned_in_the_file_apart_and_not_too_many() {
    let more =
        |id, start, length, flags| changed(|image| add_region(image, id, start, length, flags));
    assert_eq!(more([1; 16], 8 * MIB, MIB, 0), Ok(MIB));
    assert_eq!(more([1; 16], 8 * MIB, MIB, 1), Err(Unsupported));
    assert_eq!(
        more([1; 16], 1, 1, 1),
        Err(Unsupported),
        "which comes first"
    );
    assert_eq!(more(BAT, 8 * MIB, MIB, 0), Err(Corrupt));
    assert_eq!(more(METADATA, 8 * MIB, MIB, 0), Err(Corrupt));
    for start in (0..=PAYLOAD).map(|mib| mib * MIB) {
        assert_eq!(more([1; 16], start, MIB, 0), Err(Corrupt));
        assert_eq!(more([1; 16], start, 0, 0), Ok(MIB));
    }
    assert_eq!(more([1; 16], 9 * MIB, 2 * MIB, 0), Err(Corrupt));
    assert_eq!(more([1; 16], 10 * MIB, 0, 0), Ok(MIB));
    assert_eq!(more([1; 16], 11 * MIB, 0, 0), Err(Corrupt));
    assert_eq!(more([1; 16], 8 * MIB + 512, MIB, 0), Err(Corrupt));
    assert_eq!(more([1; 16], 8 * MIB, 512, 0), Err(Corrupt));
    for (regions, answer) in [(28, Ok(MIB)), (29, Err(Unsupported))] {
        let many = |image: &mut SparseImage| {
            image.set_capacity(50 * MIB);
            for nth in 0..regions {
                add_region(image, [1; 16], (10 + nth) * MIB, MIB, 0);
            }
        };
        assert_eq!(changed(many), answer);
    }
    let count =
        |count: u16| changed(|image| image.write(REGION_TABLES[0] + 8, &count.to_le_bytes()));
    assert_eq!(count(1), Err(Corrupt));
    assert_eq!(count(2047), Ok(MIB));
    assert_eq!(count(2048), Err(Corrupt));
}

#[test]
fn metadata_items_are_all_there_once_and_in_their_place() {
    let more = |id, flags| changed(|image| add_item(image, id, 65536, 4, flags));
    assert_eq!(more([1; 16], 3), Ok(MIB));
    assert_eq!(more([1; 16], 4), Err(Unsupported));
    assert_eq!(more(PARENT_LOCATOR, 0), Err(Unsupported));
    assert_eq!(more(ITEMS[2].0, 0), Err(Corrupt));
    for nth in 0..5 {
        let with = |field: u64, value: u32| {
            let at = METADATA_AT + 32 + 32 * nth + field;
            changed(|image| image.write(at, &value.to_le_bytes()))
        };
        let length = ITEMS[nth as usize].1 as u32;
        assert_eq!(with(0, 0), Err(Unsupported), "unknown, and required");
        assert_eq!(with(20, length + 1), Err(Corrupt));
        assert_eq!(with(16, 65535), Err(Corrupt));
        assert_eq!(with(16, (1 << 20) - length + 1), Err(Corrupt));
        let wiped = changed(|image| image.write(METADATA_AT + 32 + 32 * nth, &[0; 32]));
        assert_eq!(wiped, Err(Corrupt));
    }
    let count = |count: u16| changed(|image| image.write(METADATA_AT + 10, &count.to_le_bytes()));
    assert_eq!(count(4), Err(Corrupt));
    assert_eq!(count(2047), Ok(MIB));
    assert_eq!(count(2048), Err(Corrupt));
    assert_eq!(
        changed(|image| image.write(METADATA_AT, b"M")),
        Err(Corrupt)
    );
}

#[test]
fn the_metadata_say_a_disk_that_there_can_be() {
    let with = |item: u64, value: u64| {
        changed(|image| image.write(METADATA_AT + 65536 + 16 * item, &value.to_le_bytes()))
    };
    let has_parent = 2 << 32;
    assert_eq!(with(0, BLOCK | 1 << 32), Ok(MIB));
    assert_eq!(with(0, has_parent), Err(Unsupported), "which comes first");
    for block in [0, 1 << 19, 3 << 20, (1 << 20) + 512, 1 << 29] {
        assert_eq!(with(0, block), Err(Corrupt), "{block}");
    }
    for (size, answer) in [
        (0, Ok(0)),
        (512, Ok(512)),
        (513, Err(Corrupt)),
        // 131,041 blocks and 31 bitmaps fill a BAT of 1 MiB; the rest of it is zeros.
        (131_041 << 20, Ok(MIB)),
        ((131_041 << 20) + 512, Err(Corrupt)),
        (64 << 40, Err(Corrupt)),
    ] {
        assert_eq!(with(1, size), answer, "{size}");
    }
    for (sector, answer) in [(4096, Ok(MIB)), (1024, Err(Corrupt)), (0, Err(Corrupt))] {
        assert_eq!(with(2, sector), answer, "{sector}");
    }
    assert_eq!(with(3, 77), Ok(MIB), "the physical sectors do not matter");
}

#[test]
fn the_largest_disk_has_64_tib() {
    for (size, answer) in [(64 << 40, Ok(0)), ((64 << 40) + 512, Err(Corrupt))] {
        let mut image = unsealed(size, &[]);
        image.write(METADATA_AT + 65536, &(256 * MIB).to_le_bytes());
        // 262,144 blocks and 16,383 bitmaps take 2.1 MiB.
        image.write(REGION_TABLES[0] + 16 + 16, &(4 * MIB).to_le_bytes());
        image.write(REGION_TABLES[0] + 16 + 24, &(3_u32 << 20).to_le_bytes());
        assert_eq!(data(image), answer);
    }
}
