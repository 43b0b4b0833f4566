//! The file's signature, the headers, the log and the regions: fall-backs, and each error with its text.

use shared::ScanError::{Corrupt, Unsupported};

use crate::image::{BAT_GUID, IMAGE, M, METADATA_GUID, REGION_TABLES, sample, seal};

#[test]
fn without_signature_or_header_there_is_no_image() {
    IMAGE.check(
        &sample(),
        "
        length=0,1,2,3,4,5,6,7 => not an image of this format
        file.signature=0,0x7869746365636e6f => not an image of this format
        length=8 => corrupt: neither header is valid
        length=130K => corrupt: neither region table is valid
        ",
    );
}

#[test]
fn the_newer_valid_header_is_current() {
    // Which header is believed shows in the version that is not known.
    for (newer, older) in [("h1", "h2"), ("h2", "h1")] {
        let sample = IMAGE.with(
            &sample(),
            &format!("{newer}.sequence=2^64-1 {older}.sequence=0"),
        );
        IMAGE.check(
            &sample,
            &format!(
                "
                {older}.version=2
                {older}.version=2 !{older}.checksum=1
                {older}.version=2 {older}.signature=0
                    => 2M+512
                {newer}.version=2
                {older}.version=2 !{newer}.checksum=1
                {older}.version=2 {newer}.signature=0
                    => unsupported: a version other than 1
                !{older}.checksum=1 !{newer}.checksum=1
                {older}.signature=0 {newer}.signature=0
                    => corrupt: neither header is valid
                "
            ),
        );
    }
    // The same in every field, and not.
    IMAGE.check(
        &sample(),
        "
        h1.sequence=41 => 2M+512
        h1.sequence=41 h1.log_length=0
            => corrupt: two different headers have the same sequence number
        ",
    );
}

/// An empty log is nowhere; one past the end of the file is in nothing's way.
#[test]
fn a_log_must_be_empty_and_in_its_place() {
    IMAGE.check(
        &sample(),
        "
        h2.log_guid=1,2^8,2^16,2^24,2^32,2^40,2^48,2^56
        h2.log_guid_end=1,2^8,2^16,2^24,2^32,2^40,2^48,2^56
            => unsupported: a log that has to be replayed first (qemu-img check -r all does so)
        h1.log_guid=1 h1.log_guid_end=2^56 => 2M+512
        h2.log_offset=0 h2.log_length=0,1M
        h2.log_offset=1M+512,512K,2^64-1 h2.log_length=1M
        h2.log_offset=1M h2.log_length=1,1M+4096,2^32-1
            => corrupt: the log's place is not in whole MiB, or at the file's start
        h2.log_offset=2M h2.log_length=0
        h2.log_offset=64M h2.log_length=1M
        h2.log_offset=2^64-1M h2.log_length=0xfff00000
            => 2M+512
        h2.log_offset=1M h2.log_length=2M
        h2.log_offset=3M h2.log_length=1M
            => corrupt: a region lies over the headers, the log or another region
        h2.log_offset=4M h2.log_length=1M
            => corrupt: a block lies over the headers, the log or a region
        ",
    );
}

#[test]
fn the_first_valid_region_table_is_taken() {
    IMAGE.check(
        &sample(),
        "
        t2.count=0 => 2M+512
        t1.count=0 => corrupt: the region table has no BAT
        t1.count=0 !t1.checksum=1
        t1.count=0 t1.signature=0
        !t2.checksum=1
        t2.signature=0
            => 2M+512
        !t1.checksum=1 !t2.checksum=1
        t.signature=0
        length=256K-1
            => corrupt: neither region table is valid
        length=320K-1 => corrupt: a region is not wholly in the file
        ",
    );
}

/// Entries of zeros are regions that nobody knows and that are empty: as in QEMU, nothing. QEMU writes its regions
/// as not required.
#[test]
fn the_region_table_is_verified() {
    IMAGE.check(
        &sample(),
        "
        t.count=2047 => 2M+512
        t.count=2048 => corrupt: the region table has more than 2047 entries
        t.count=0 => corrupt: the region table has no BAT
        t.count=1 => corrupt: the region table has no metadata region
        bat_region.flags=0,1,2,2^32-1 => 2M+512
        ",
    );
    for (guid, text) in [
        (BAT_GUID, "the region table has two BATs"),
        (METADATA_GUID, "the region table has two metadata regions"),
    ] {
        let [start, end] = [(guid >> 64) as u64, guid as u64].map(u64::swap_bytes);
        let third = format!("third_region.guid={start} third_region.guid_end={end} t.count=3");
        let place = "third_region.start=6M third_region.length=1M";
        IMAGE.check(&sample(), &format!("{third} {place} => corrupt: {text}"));
    }
}

#[test]
fn regions_lie_in_the_file_and_apart() {
    for region in ["bat_region", "metadata_region"] {
        let table = "
            R.start=2M+512 R.length=1M
            R.start=2M R.length=512K,2^32-1
                => corrupt: a region is not in whole MiB
            R.start=7M R.length=1M
            R.start=6M R.length=2M
            R.start=2M R.length=0xfff00000
            R.start=2^64-1M R.length=1M
                => corrupt: a region is not wholly in the file
            R.start=0 R.length=1M,2M
            R.start=1M R.length=1M
                => corrupt: a region lies over the headers, the log or another region
            ";
        IMAGE.check(&sample(), &table.replace('R', region));
    }
    IMAGE.check(
        &sample(),
        "
        bat_region.start=3M
        bat_region.length=2M
            => corrupt: a region lies over the headers, the log or another region
        bat_region.length=0 => corrupt: the BAT has fewer entries than the disk needs
        metadata_region.length=0
            => corrupt: the metadata table is not wholly in its region
        ",
    );
}

#[test]
fn unknown_regions_are_passed_over_unless_required() {
    let third = IMAGE.with(&sample(), "t.count=3 third_region.guid=1 length=16M");
    let table = "
        R.start=15M R.length=1M R.flags=0,2,2^32-2 => 2M+512
        R.start=15M R.length=1M R.flags=1,3 => unsupported: an unknown region that is required
        R.start=2M R.length=0 => 2M+512
        R.start=0,1M,2M,3M R.length=1M
            => corrupt: a region lies over the headers, the log or another region
        R.start=16M R.length=1M => corrupt: a region is not wholly in the file
        R.start=4M R.length=1M => corrupt: a block lies over the headers, the log or a region
        ";
    IMAGE.check(&third, &table.replace('R', "third_region"));

    // As many as can be kept apart, beside the headers, the log, the BAT and the metadata.
    let many = |count: usize, place_of: fn(u64) -> u64| {
        let changes = format!("length=45M t.count={}", 2 + count);
        let mut bytes = IMAGE.with(&sample(), &changes);
        for (nth, table) in (0..count).flat_map(|nth| REGION_TABLES.map(|table| (nth, table))) {
            let entry = &mut bytes[table + 80 + 32 * nth..][..28];
            entry[0] = nth as u8;
            let start = place_of(nth as u64) * M as u64;
            entry[16..24].copy_from_slice(&start.to_le_bytes());
            entry[24..].copy_from_slice(&(M as u32).to_le_bytes());
        }
        seal(&mut bytes);
        IMAGE.data_of(&bytes)
    };
    assert_eq!(many(28, |nth| 16 + nth), Ok((2 << 20) + 512));
    let over = "a region lies over the headers, the log or another region";
    assert_eq!(many(28, |nth| 16 + nth % 27), Err(Corrupt(over)));
    let too_many = "more regions than the scanner can keep apart";
    assert_eq!(many(29, |nth| 16 + nth), Err(Unsupported(too_many)));
}
