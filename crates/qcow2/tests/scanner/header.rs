//! Every bound of the header, and the error that says so.

use qcow2::QcowHeader;
use shared::ScanError::{self, Corrupt, NotThisFormat, Unsupported};

use crate::answer;
use crate::image::{EXTENDED_L2, EXTERNAL_DATA, Image, field};

/// An image of version 3 with 64 KiB clusters and 1 MiB.
fn sound() -> Image {
    Image::new(16, 1 << 20)
}

/// What the scanner says of a sound image after `damage`; `parse` must say the same.
fn after(damage: impl FnOnce(&mut Image)) -> Result<u64, ScanError> {
    let mut image = sound();
    damage(&mut image);
    let bytes = &image.bytes;
    let answer = answer(bytes, None, None);
    let parsed = QcowHeader::parse(&bytes[..bytes.len().min(512)]);
    match parsed {
        Ok(header) => assert_eq!(
            answer.map(|summary| summary.virtual_size),
            Ok(header.virtual_size)
        ),
        Err(error) => assert_eq!(answer, Err(error)),
    }
    answer.map(|summary| summary.allocated_bytes)
}

fn with32(at: usize, value: u32) -> Result<u64, ScanError> {
    after(|image| image.put32(at, value))
}

fn with64(at: usize, value: u64) -> Result<u64, ScanError> {
    after(|image| image.put64(at, value))
}

#[test]
fn a_sound_image_is_answered() {
    assert_eq!(after(|_| {}), Ok(0));
    let header = QcowHeader::parse(&sound().bytes[..512]).unwrap();
    assert_eq!(
        (
            header.version,
            header.cluster_size(),
            header.virtual_size,
            header.l1_entries,
            header.l1_offset
        ),
        (3, 65536, 1 << 20, 1, 131_072)
    );
    assert!(!header.has_backing_file() && !header.has_extended_l2() && !header.has_external_data());
    assert_eq!(header.backing_file_name(), None);
}

#[test]
fn without_the_magic_number_it_is_another_format() {
    for length in [0, 1, 3] {
        assert_eq!(
            answer(&sound().bytes[..length], None, None),
            Err(NotThisFormat)
        );
        assert_eq!(
            QcowHeader::parse(&sound().bytes[..length]),
            Err(NotThisFormat)
        );
    }
    assert_eq!(with32(0, 0x5146_49fa), Err(NotThisFormat));
    assert_eq!(answer(&[0; 4096], None, None), Err(NotThisFormat));
}

#[test]
fn a_header_that_the_file_cuts_short_is_corrupt() {
    let cut = Err(Corrupt("the header is not wholly in the file"));
    for length in [4, 7, 8, 71, 72, 103, 104, 111] {
        assert_eq!(
            answer(&sound().bytes[..length], None, None),
            cut,
            "{length}"
        );
        assert_eq!(
            QcowHeader::parse(&sound().bytes[..length]).map(|_| ()),
            cut.map(|_| ())
        );
    }
    // An empty disk needs no L1 table, so that its file may end with the header.
    let empty = Image::new(16, 0);
    assert_eq!(answer(&empty.bytes[..111], None, None), cut);
    assert_eq!(
        answer(&empty.bytes[..112], None, None).map(|summary| summary.virtual_size),
        // The L1 table of no entries is still at an offset, which must not lie past the end.
        Err(Corrupt("the L1 table is not wholly in the file's clusters"))
    );
    let mut empty = Image::with(2, 16, 0, 0);
    empty.put64(field::L1_OFFSET, 0);
    assert_eq!(answer(&empty.bytes[..71], None, None), cut);
    assert_eq!(
        answer(&empty.bytes[..72], None, None).map(|summary| summary.virtual_size),
        Ok(0)
    );
}

#[test]
fn versions_2_and_3_are_known() {
    assert_eq!(with32(field::VERSION, 2), Ok(0));
    assert_eq!(
        with32(field::VERSION, 1),
        Err(Unsupported("version 1, the first qcow"))
    );
    for version in [0, 4, 0x0100_0000, u32::MAX] {
        assert_eq!(
            with32(field::VERSION, version),
            Err(Unsupported("a qcow2 version other than 2 and 3"))
        );
    }
}

#[test]
fn clusters_are_from_512_bytes_to_2_mib() {
    for bits in [0, 8, 22, 63, 64, u32::MAX] {
        assert_eq!(
            with32(field::CLUSTER_BITS, bits),
            Err(Corrupt(
                "the header's cluster size is not from 512 bytes to 2 MiB"
            ))
        );
    }
    for bits in 9..=21 {
        let size = 3 << bits;
        let answer = answer(&Image::new(bits, size).data(1).bytes, None, None).unwrap();
        assert_eq!(
            (answer.virtual_size, answer.allocated_bytes),
            (size, 1 << bits)
        );
    }
}

#[test]
fn features_that_are_not_known_are_unsupported() {
    for bit in 5..64 {
        assert_eq!(
            with64(field::INCOMPATIBLE, 1 << bit),
            Err(Unsupported("an incompatible feature bit from 5 to 63"))
        );
    }
    // Dirty and corrupt bear on refcounts; compatible bits, and autoclear ones, may be ignored.
    assert_eq!(with64(field::INCOMPATIBLE, 0b11), Ok(0));
    assert_eq!(with64(field::INCOMPATIBLE + 8, u64::MAX), Ok(0));
    assert_eq!(with64(field::AUTOCLEAR, !2), Ok(0));
    assert_eq!(with64(field::INCOMPATIBLE, EXTERNAL_DATA), Ok(0));
    assert_eq!(with64(field::INCOMPATIBLE, EXTENDED_L2), Ok(0));
    for method in [0, 1, 2] {
        assert_eq!(with32(field::CRYPT, method), Ok(0));
    }
    for method in [3, u32::MAX] {
        assert_eq!(
            with32(field::CRYPT, method),
            Err(Unsupported("an encryption method other than AES and LUKS"))
        );
    }
}

#[test]
fn the_compression_type_and_its_bit_go_together() {
    let with = |kind: u8, bit: u64, length: u32| {
        after(|image| {
            image.bytes[field::COMPRESSION_TYPE] = kind;
            image.put64(field::INCOMPATIBLE, bit << 3);
            image.put32(field::HEADER_LENGTH, length);
        })
    };
    let no_type = Err(Corrupt(
        "the header has the compression type bit, but the type is deflate",
    ));
    assert_eq!(with(0, 0, 112), Ok(0));
    assert_eq!(with(1, 1, 112), Ok(0));
    assert_eq!(with(0, 1, 112), no_type);
    assert_eq!(
        with(1, 0, 112),
        Err(Corrupt(
            "the header has a compression type, but not the bit for it"
        ))
    );
    for bit in [0, 1] {
        assert_eq!(
            with(2, bit, 112),
            Err(Unsupported(
                "a compression type other than deflate and zstd"
            ))
        );
    }
    // A header of 104 bytes has no such field.
    assert_eq!(with(2, 0, 104), Ok(0));
    assert_eq!(with(1, 1, 104), no_type);
}

#[test]
fn extended_l2_entries_need_clusters_of_16_kib() {
    for bits in 9..14 {
        assert_eq!(
            answer(
                &Image::with(3, bits, 1 << 20, EXTENDED_L2).bytes,
                None,
                None
            ),
            Err(Corrupt(
                "the header has extended L2 entries, but clusters under 16 KiB"
            ))
        );
    }
    assert!(answer(&Image::with(3, 14, 1 << 20, EXTENDED_L2).bytes, None, None).is_ok());
}

#[test]
fn a_raw_external_data_file_must_be_there() {
    assert_eq!(
        with64(field::AUTOCLEAR, 2),
        Err(Corrupt(
            "the header says that the external data file is raw, but there is none"
        ))
    );
    assert_eq!(
        after(|image| {
            image.put64(field::AUTOCLEAR, 2);
            image.put64(field::INCOMPATIBLE, EXTERNAL_DATA);
        }),
        Ok(0)
    );
}

#[test]
fn the_headers_length_has_bounds() {
    for length in [0, 72, 103] {
        assert_eq!(
            with32(field::HEADER_LENGTH, length),
            Err(Corrupt("the header is shorter than 104 bytes"))
        );
    }
    for length in [65537, 0xffff_fff8] {
        assert_eq!(
            with32(field::HEADER_LENGTH, length),
            Err(Corrupt("the header is longer than a cluster"))
        );
    }
    // It need not be a multiple of 8, as in QEMU.
    for length in [104, 105, 108, 111, 112, 113, 120, 65535, 65536] {
        assert_eq!(with32(field::HEADER_LENGTH, length), Ok(0));
    }
}

#[test]
fn a_header_of_105_bytes_has_a_compression_type() {
    let with = |kind: u8| {
        let mut image = Image::new(16, 0);
        image.put64(field::L1_OFFSET, 0);
        image.put64(field::INCOMPATIBLE, 1 << 3);
        image.put32(field::HEADER_LENGTH, 105);
        image.bytes[field::COMPRESSION_TYPE] = kind;
        image.bytes
    };
    let header = QcowHeader::parse(&with(1)[..105]).unwrap();
    assert_eq!((header.header_length, header.compression_type), (105, 1));
    assert!(answer(&with(1)[..105], None, None).is_ok());
    assert!(matches!(
        answer(&with(1)[..104], None, None),
        Err(Corrupt(_))
    ));
    assert!(matches!(answer(&with(2), None, None), Err(Unsupported(_))));
}

#[test]
fn the_l1_table_has_bounds() {
    let small = Err(Corrupt("the L1 table is too small for the virtual size"));
    assert_eq!(with32(field::L1_SIZE, 0), small);
    // One L2 table of 64 KiB maps 512 MiB.
    assert_eq!(with64(field::SIZE, 512 << 20), Ok(0));
    assert_eq!(with64(field::SIZE, (512 << 20) + 1), small);
    assert_eq!(with64(field::SIZE, u64::MAX), small);
    for entries in [4_194_305, u32::MAX] {
        assert_eq!(
            with32(field::L1_SIZE, entries),
            Err(Corrupt("the L1 table is larger than 32 MiB"))
        );
    }
    for offset in [1, 512, 131_080, 1 << 63 | 8] {
        assert_eq!(
            with64(field::L1_OFFSET, offset),
            Err(Corrupt("the L1 table is not aligned to a cluster"))
        );
    }
}

#[test]
fn the_l1_table_must_be_wholly_in_the_files_clusters() {
    let outside = Err(Corrupt("the L1 table is not wholly in the file's clusters"));
    let scanned = |damage: &dyn Fn(&mut Image)| {
        let mut image = sound();
        damage(&mut image);
        answer(&image.bytes, None, None).map(|summary| summary.allocated_bytes)
    };
    for offset in [196_608, 1 << 40, 1 << 63, u64::MAX << 16] {
        assert_eq!(
            scanned(&|image| image.put64(field::L1_OFFSET, offset)),
            outside
        );
    }
    // Also what is not needed for the disk's size.
    assert_eq!(scanned(&|image| image.put32(field::L1_SIZE, 8192)), Ok(0));
    assert_eq!(scanned(&|image| image.put32(field::L1_SIZE, 8193)), outside);
    // A byte of its cluster must be there.
    assert_eq!(scanned(&|image| image.bytes.truncate(131_073)), Ok(0));
    assert_eq!(scanned(&|image| image.bytes.truncate(131_072)), outside);
}

#[test]
fn the_refcount_and_snapshot_tables_have_bounds() {
    assert_eq!(
        with32(field::REFCOUNT_ORDER, 7),
        Err(Corrupt("refcounts are wider than 64 bits"))
    );
    assert_eq!(with32(field::REFCOUNT_ORDER, 6), Ok(0));
    assert_eq!(
        with32(field::REFCOUNT_CLUSTERS, 0),
        Err(Corrupt("there is no refcount table"))
    );
    for clusters in [129, u32::MAX] {
        assert_eq!(
            with32(field::REFCOUNT_CLUSTERS, clusters),
            Err(Corrupt("the refcount table is larger than 8 MiB"))
        );
    }
    assert_eq!(with32(field::REFCOUNT_CLUSTERS, 128), Ok(0));
    for offset in [512, 1 << 63, u64::MAX << 16] {
        assert_eq!(
            with64(field::REFCOUNT_OFFSET, offset),
            Err(Corrupt(
                "the refcount table is not aligned to a cluster, or past 2^63"
            ))
        );
        assert_eq!(
            with64(field::SNAPSHOTS_OFFSET, offset),
            Err(Corrupt(
                "the snapshot table is not aligned to a cluster, or past 2^63"
            ))
        );
    }
    assert_eq!(with64(field::SNAPSHOTS_OFFSET, 1 << 62), Ok(0));
    assert_eq!(with32(field::SNAPSHOTS, 65536), Ok(0));
    assert_eq!(
        with32(field::SNAPSHOTS, 65537),
        Err(Corrupt("there are more than 65536 snapshots"))
    );
}

#[test]
fn the_backing_files_name_lies_in_the_first_cluster() {
    let with = |offset: u64, size: u32| {
        after(|image| {
            image.put64(field::BACKING_OFFSET, offset);
            image.put32(field::BACKING_SIZE, size);
        })
    };
    for (offset, size) in [(0, 5000), (65536, 0), (65535, 1), (1000, 1023)] {
        assert_eq!(with(offset, size), Ok(0));
    }
    for offset in [65537, u64::MAX] {
        assert_eq!(
            with(offset, 0),
            Err(Corrupt(
                "the backing file's name does not begin in the first cluster"
            ))
        );
    }
    for (offset, size) in [(65536, 1), (65535, 2), (1000, 1024), (8, u32::MAX)] {
        assert_eq!(
            with(offset, size),
            Err(Corrupt(
                "the backing file's name is longer than 1023 bytes or the first cluster"
            ))
        );
    }
    let mut image = sound();
    image.put64(field::BACKING_OFFSET, 600);
    image.put32(field::BACKING_SIZE, 12);
    let header = QcowHeader::parse(&image.bytes[..512]).unwrap();
    assert!(header.has_backing_file());
    assert_eq!(header.backing_file_name(), Some(600..612));
}

#[test]
fn what_is_unsupported_is_said_before_what_is_corrupt() {
    assert_eq!(
        after(|image| {
            image.put32(field::CLUSTER_BITS, 0);
            image.put32(field::CRYPT, 3);
        }),
        Err(Unsupported("an encryption method other than AES and LUKS"))
    );
}

#[test]
fn a_version_2_header_has_none_of_version_3s_fields() {
    assert_eq!(
        after(|image| {
            image.put32(field::VERSION, 2);
            for at in (72..112).step_by(8) {
                image.put64(at, u64::MAX);
            }
        }),
        Ok(0)
    );
}
