//! The file's signature, the headers, the log and the regions: fall-backs, and each error with its text.

use crate::image::{
    BAT, BAT_AT, BLOCKS_AT, Header, Image, K, M, METADATA, METADATA_AT, Region, RegionTable,
};
use crate::{SAMPLE, after, after_regions};
use shared::ScanError::{Corrupt, NotThisFormat, Unsupported};

#[test]
fn what_has_no_signature_is_not_this_format() {
    for length in 0..8 {
        assert_eq!(after(|image| image.length = length), Err(NotThisFormat));
    }
    for signature in [*b"vhdxfilf", *b"conectix", [0; 8]] {
        let answer = after(|image| image.signature = signature);
        assert_eq!(answer, Err(NotThisFormat));
    }
    assert_eq!(
        after(|image| image.length = 8),
        Err(Corrupt("neither header is valid"))
    );
}

#[test]
fn the_newer_valid_header_is_current() {
    let unknown = Err(Unsupported("a version other than 1"));
    // Which header is believed shows in the version that is not known.
    for (newer, older) in [(0, 1), (1, 0)] {
        let with = |change: &dyn Fn(&mut Image)| {
            after(|image| {
                image.headers[newer].sequence = u64::MAX;
                image.headers[older].sequence = 0;
                change(image);
            })
        };
        assert_eq!(with(&|image| image.headers[older].version = 2), Ok(SAMPLE));
        assert_eq!(with(&|image| image.headers[newer].version = 2), unknown);
        let spoils: [fn(&mut Header); 2] = [
            |header| header.checksum_error = 1,
            |header| header.signature = *b"heaD",
        ];
        for spoil in spoils {
            let older_damaged = with(&|image| {
                spoil(&mut image.headers[older]);
                image.headers[older].version = 2;
            });
            assert_eq!(older_damaged, Ok(SAMPLE));
            let newer_damaged = with(&|image| {
                spoil(&mut image.headers[newer]);
                image.headers[older].version = 2;
            });
            assert_eq!(newer_damaged, unknown);
            let both_damaged = with(&|image| {
                spoil(&mut image.headers[newer]);
                spoil(&mut image.headers[older]);
            });
            assert_eq!(both_damaged, Err(Corrupt("neither header is valid")));
        }
    }
    // A file that ends inside the second header has the first.
    assert_eq!(
        after(|image| image.length = 130 * K),
        Err(Corrupt("neither region table is valid"))
    );
}

#[test]
fn equal_headers_are_one_and_different_ones_none() {
    assert_eq!(
        after(|image| image.headers[0].sequence = 41),
        Ok(SAMPLE),
        "the same in every field"
    );
    let answer = after(|image| {
        image.headers[0].sequence = 41;
        image.headers[0].log_length = 0;
    });
    assert_eq!(
        answer,
        Err(Corrupt(
            "two different headers have the same sequence number"
        ))
    );
}

#[test]
fn a_log_must_be_empty_and_in_its_place() {
    for byte in 0..16 {
        assert_eq!(
            after(|image| image.headers[1].log_guid[byte] = 1),
            Err(Unsupported("a log that has to be replayed first"))
        );
        assert_eq!(
            after(|image| image.headers[0].log_guid[byte] = 1),
            Ok(SAMPLE)
        );
    }
    let log = |offset, length| {
        after(|image| {
            image.headers[1].log_offset = offset;
            image.headers[1].log_length = length;
        })
    };
    let misplaced = Err(Corrupt(
        "the log's place is not in whole MiB, or at the file's start",
    ));
    for (offset, length) in [
        (0, 1 << 20),
        (0, 0),
        (M + 512, 1 << 20),
        (512 * K, 1 << 20),
        (u64::MAX, 1 << 20),
        (M, 1),
        (M, (1 << 20) + 4096),
        (M, u32::MAX),
    ] {
        assert_eq!(log(offset, length), misplaced, "{offset} {length}");
    }
    // An empty log is nowhere; one past the end of the file is in nothing's way.
    assert_eq!(log(BAT_AT, 0), Ok(SAMPLE));
    assert_eq!(log(64 * M, 1 << 20), Ok(SAMPLE));
    assert_eq!(log(u64::MAX - M + 1, 0xfff0_0000), Ok(SAMPLE));
    let over = Err(Corrupt(
        "a region lies over the headers, the log or another region",
    ));
    assert_eq!(log(M, 2 << 20), over);
    assert_eq!(log(METADATA_AT, 1 << 20), over);
    assert_eq!(
        log(BLOCKS_AT, 1 << 20),
        Err(Corrupt(
            "a block lies over the headers, the log or a region"
        ))
    );
}

#[test]
fn the_first_valid_region_table_is_taken() {
    let broken = |table: &mut RegionTable| table.regions.clear();
    assert_eq!(after(|image| broken(&mut image.tables[1])), Ok(SAMPLE));
    assert_eq!(
        after(|image| broken(&mut image.tables[0])),
        Err(Corrupt("the region table has no BAT"))
    );
    let spoils: [fn(&mut RegionTable); 2] = [
        |table| table.checksum_error = 1 << 31,
        |table| table.signature = *b"regj",
    ];
    for spoil in spoils {
        let fall_back = after(|image| {
            broken(&mut image.tables[0]);
            spoil(&mut image.tables[0]);
        });
        assert_eq!(fall_back, Ok(SAMPLE));
        assert_eq!(after(|image| spoil(&mut image.tables[1])), Ok(SAMPLE));
        assert_eq!(
            after_regions(spoil),
            Err(Corrupt("neither region table is valid"))
        );
    }
    // A file that ends inside the second table has the first, but no regions.
    assert_eq!(
        after(|image| image.length = 320 * K - 1),
        Err(Corrupt("a region is not wholly in the file"))
    );
    assert_eq!(
        after(|image| image.length = 256 * K - 1),
        Err(Corrupt("neither region table is valid"))
    );
}

#[test]
fn the_region_table_is_verified() {
    assert_eq!(
        after_regions(|table| table.count = Some(2048)),
        Err(Corrupt("the region table has more than 2047 entries"))
    );
    // Entries of zeros are regions that nobody knows and that are empty: as in QEMU, nothing.
    assert_eq!(after_regions(|table| table.count = Some(2047)), Ok(SAMPLE));
    for (count, text) in [
        (0, "the region table has no BAT"),
        (1, "the region table has no metadata region"),
    ] {
        let answer = after_regions(|table| table.count = Some(count));
        assert_eq!(answer, Err(Corrupt(text)));
    }
    let twice = |guid| {
        after_regions(|table| {
            table.regions.push(Region {
                guid,
                start: 6 * M,
                length: 1 << 20,
                flags: 1,
            });
        })
    };
    assert_eq!(twice(BAT), Err(Corrupt("the region table has two BATs")));
    assert_eq!(
        twice(METADATA),
        Err(Corrupt("the region table has two metadata regions"))
    );
    // QEMU writes its regions as not required.
    for flags in [0, 1, 2, u32::MAX] {
        assert_eq!(after_regions(|table| table.bat().flags = flags), Ok(SAMPLE));
    }
}

#[test]
fn regions_lie_in_the_file_and_apart() {
    let bat = |start, length| {
        after_regions(|table| {
            table.bat().start = start;
            table.bat().length = length;
        })
    };
    let metadata = |start, length| {
        after_regions(|table| {
            table.metadata().start = start;
            table.metadata().length = length;
        })
    };
    let uneven = Err(Corrupt("a region is not in whole MiB"));
    let outside = Err(Corrupt("a region is not wholly in the file"));
    let over = Err(Corrupt(
        "a region lies over the headers, the log or another region",
    ));
    for (start, length, expected) in [
        (BAT_AT + 512, 1 << 20, uneven),
        (BAT_AT, 1 << 19, uneven),
        (BAT_AT, u32::MAX, uneven),
        (7 * M, 1 << 20, outside),
        (6 * M, 2 << 20, outside),
        (BAT_AT, 0xfff0_0000, outside),
        (u64::MAX - M + 1, 1 << 20, outside),
        (0, 1 << 20, over),
        (0, 2 << 20, over),
        (M, 1 << 20, over),
    ] {
        assert_eq!(bat(start, length), expected, "BAT at {start}, {length}");
        assert_eq!(
            metadata(start, length),
            expected,
            "metadata at {start}, {length}"
        );
    }
    assert_eq!(bat(METADATA_AT, 1 << 20), over);
    assert_eq!(bat(BAT_AT, 2 << 20), over);
    assert_eq!(
        bat(BAT_AT, 0),
        Err(Corrupt("the BAT has fewer entries than the disk needs"))
    );
    assert_eq!(
        metadata(METADATA_AT, 0),
        Err(Corrupt("the metadata table is not wholly in its region"))
    );
}

#[test]
fn unknown_regions_are_passed_over_unless_required() {
    let with = |start, length, flags| {
        after(|image| {
            image.length = 100 * M;
            image.regions(|table| {
                table.regions.push(Region {
                    guid: 0x1111,
                    start,
                    length,
                    flags,
                });
            });
        })
    };
    for flags in [0, 2, u32::MAX - 1] {
        assert_eq!(with(16 * M, 1 << 20, flags), Ok(SAMPLE));
    }
    for flags in [1, 3] {
        assert_eq!(
            with(16 * M, 1 << 20, flags),
            Err(Unsupported("an unknown region that is required"))
        );
    }
    assert_eq!(with(BAT_AT, 0, 0), Ok(SAMPLE));
    let over = Err(Corrupt(
        "a region lies over the headers, the log or another region",
    ));
    for start in [0, M, BAT_AT, METADATA_AT] {
        assert_eq!(with(start, 1 << 20, 0), over);
    }
    assert_eq!(
        with(100 * M, 1 << 20, 0),
        Err(Corrupt("a region is not wholly in the file"))
    );
    assert_eq!(
        with(BLOCKS_AT, 1 << 20, 0),
        Err(Corrupt(
            "a block lies over the headers, the log or a region"
        ))
    );

    // As many as can be kept apart, beside the headers, the log, the BAT and the metadata.
    let many = |count: u64, start_of: fn(u64) -> u64| {
        after(|image| {
            image.length = 100 * M;
            image.regions(|table| {
                table.regions.extend((0..count).map(|index| Region {
                    guid: u128::from(index),
                    start: start_of(index),
                    length: 1 << 20,
                    flags: 0,
                }));
            });
        })
    };
    assert_eq!(many(28, |index| (16 + index) * M), Ok(SAMPLE));
    assert_eq!(many(28, |index| (16 + index % 27) * M), over);
    assert_eq!(
        many(29, |index| (16 + index) * M),
        Err(Unsupported("more regions than the scanner can keep apart"))
    );
}
