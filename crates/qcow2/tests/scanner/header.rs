//! Every bound of the header, and the error that names it.

use qcow2::extension::{BITMAPS, DATA_FILE};
use qcow2::{QcowHeader, extension};
use shared::ScanError::{self, Corrupt, NotThisFormat};
use testing::fields::{Layout, named};
use testing::scan::ScanFormat;

use crate::image::Image;

const FIELDS: &[(&str, usize, usize)] = &[
    ("magic", 0, 4),
    ("version", 4, 4),
    ("backing_offset", 8, 8),
    ("backing_size", 16, 4),
    ("cluster_bits", 20, 4),
    ("size", 24, 8),
    ("crypt", 32, 4),
    ("l1_size", 36, 4),
    ("l1_offset", 40, 8),
    ("refcount_offset", 48, 8),
    ("refcount_clusters", 56, 4),
    ("snapshots", 60, 4),
    ("snapshots_offset", 64, 8),
    ("incompatible", 72, 8),
    ("compatible", 80, 8),
    ("autoclear", 88, 8),
    ("refcount_order", 96, 4),
    ("header_length", 100, 4),
    ("compression_type", 104, 1),
];

const HEADER: Layout = Layout::new(ScanFormat::Qcow2, |name| named(FIELDS, name));

/// An image of version 3 with 64 KiB clusters and 1 MiB.
fn sound() -> Vec<u8> {
    Image::new(16, 1 << 20).bytes
}

#[test]
fn a_sound_header_is_parsed() {
    let with = |changes| QcowHeader::parse(&HEADER.with(&sound(), changes)[..512]);
    let header = with("").unwrap();
    let sizes = (header.version, header.cluster_size(), header.virtual_size);
    assert_eq!(sizes, (3, 65536, 1 << 20));
    assert_eq!((header.l1_entries, header.l1_offset), (1, 131_072));
    assert!(!header.has_backing_file() && !header.has_extended_l2() && !header.has_external_data());
    assert_eq!(header.backing_file_name(), None);
    let header = with("backing_offset=600 backing_size=12").unwrap();
    assert!(header.has_backing_file());
    assert_eq!(header.backing_file_name(), Some(600..612));
    // `parse` alone finds what is wrong with a header.
    assert_eq!(with("magic=0"), Err(NotThisFormat));
    let cut = Err(Corrupt("the header is not wholly in the file"));
    assert_eq!(QcowHeader::parse(&sound()[..111]), cut);
}

/// From the header's end on, each rounded up to 8 bytes.
#[test]
fn header_extensions() {
    let mut bytes = HEADER.with(&sound(), "incompatible=4 header_length=105");
    let extensions = [
        (105, 7, 9),
        (129, DATA_FILE, 5),
        (145, 0, 0),
        (153, BITMAPS, 1),
    ];
    for (at, kind, length) in extensions {
        let extension = u64::from(kind) << 32 | length;
        bytes[at..at + 8].copy_from_slice(&extension.to_be_bytes());
    }
    let find = |changes, kind| {
        let bytes = HEADER.with(&bytes, changes);
        let header = QcowHeader::parse(&bytes[..512])?;
        let read = |at| Ok::<_, ScanError>(*bytes[at as usize..].first_chunk().unwrap());
        extension::find(&header, bytes.len() as u64, kind, read)
    };
    assert_eq!(find("", DATA_FILE), Ok(Some(137..142)));
    assert_eq!(find("", BITMAPS), Ok(None));
    assert_eq!(find("backing_offset=136", DATA_FILE), Ok(None));
    let too_long = Err(Corrupt("a header extension is too long"));
    assert_eq!(find("backing_offset=141", DATA_FILE), too_long);
}

#[test]
fn features_and_versions() {
    HEADER.check(
        &sound(),
        "
        magic=0,0x514649fa => not an image of this format
        length=0,1,3 => not an image of this format
        length=4,7,8,71,72,103,104,111 => corrupt: the header is not wholly in the file
        version=2 => 0
        version=1 => unsupported: version 1, the first qcow
        version=0,4,2^24,2^32-1 => unsupported: a qcow2 version other than 2 and 3
        crypt=0,1,2 => 0
        crypt=3,2^32-1 => unsupported: an encryption method other than AES and LUKS
        cluster_bits=0 crypt=3 => unsupported: an encryption method other than AES and LUKS
        incompatible=2^5..63 => unsupported: an incompatible feature bit from 5 to 63
        incompatible=3,4,16 => 0
        compatible=2^64-1 => 0
        autoclear=2^64-3 => 0
        autoclear=2 incompatible=4 => 0
        autoclear=2
            => corrupt: the header says that the external data file is raw, but there is none
        ",
    );
    // A version 2 header has none of version 3's fields.
    HEADER.check(
        &sound(),
        "version=2 incompatible=2^64-1 autoclear=2^64-1 refcount_order=255 header_length=255 => 0",
    );
}

#[test]
fn the_compression_type_and_its_bit_go_together() {
    HEADER.check(
        &sound(),
        "
        compression_type=0 incompatible=0 => 0
        compression_type=1 incompatible=8 => 0
        compression_type=0 incompatible=8
            => corrupt: the header's compression type contradicts the bit for it
        compression_type=1 incompatible=0
            => corrupt: the header's compression type contradicts the bit for it
        compression_type=2 incompatible=0,8
            => unsupported: a compression type other than deflate and zstd
        compression_type=2 header_length=104 => 0
        compression_type=1 incompatible=8 header_length=104
            => corrupt: the header's compression type contradicts the bit for it
        ",
    );
    // A header of 105 bytes has a compression type.
    let mut image = Image::new(16, 0);
    image.put64(40, 0);
    let shortest = "header_length=105 incompatible=8 compression_type=1";
    let bytes = HEADER.with(&image.bytes, shortest);
    let header = QcowHeader::parse(&bytes[..105]).unwrap();
    assert_eq!((header.header_length, header.compression_type), (105, 1));
    HEADER.check(
        &bytes,
        "
        length=105 => 0
        length=104
            => corrupt: the header's compression type contradicts the bit for it
        compression_type=2 => unsupported: a compression type other than deflate and zstd
        ",
    );
}

#[test]
fn places_and_sizes() {
    HEADER.check(
        &sound(),
        "
        cluster_bits=0,8,22,63,64,2^32-1
            => corrupt: the header's cluster size is not from 512 bytes to 2 MiB
        incompatible=16 cluster_bits=9,13
            => corrupt: the header has extended L2 entries, but clusters under 16 KiB
        header_length=0,72,103 => corrupt: the header is shorter than 104 bytes
        header_length=64K+1,2^32-8 => corrupt: the header is longer than a cluster
        header_length=104,105,108,111,112,113,120,64K-1,64K => 0
        l1_size=0 => corrupt: the L1 table is too small for the virtual size
        size=512M => 0
        size=512M+1,2^64-1 => corrupt: the L1 table is too small for the virtual size
        l1_size=4M+1,2^32-1 => corrupt: the L1 table is larger than 32 MiB
        l1_offset=1,512,128K+8,2^63+8 => corrupt: the L1 table is not aligned to a cluster
        l1_offset=192K,2^40,2^63,2^64-64K
            => corrupt: the L1 table is not wholly in the file's clusters
        l1_size=8192 => 0
        l1_size=8193 => corrupt: the L1 table is not wholly in the file's clusters
        length=128K+1 => 0
        length=128K => corrupt: the L1 table is not wholly in the file's clusters
        refcount_order=6 => 0
        refcount_order=7 => corrupt: refcounts are wider than 64 bits
        refcount_clusters=0 => corrupt: there is no refcount table
        refcount_clusters=128 => 0
        refcount_clusters=129,2^32-1 => corrupt: the refcount table is larger than 8 MiB
        refcount_offset=512,2^63,2^64-64K
            => corrupt: the refcount table is not aligned to a cluster, or past 2^63
        snapshots_offset=512,2^63,2^64-64K
            => corrupt: the snapshot table is not aligned to a cluster, or past 2^63
        snapshots_offset=2^62 => 0
        snapshots=65536 => 0
        snapshots=65537 => corrupt: there are more than 65536 snapshots
        backing_offset=0 backing_size=5000 => 0
        backing_offset=64K backing_size=0 => 0
        backing_offset=64K-1 backing_size=1 => 0
        backing_offset=1000 backing_size=1023 => 0
        backing_offset=64K+1,2^64-1
            => corrupt: the backing file's name does not begin in the first cluster
        backing_offset=64K backing_size=1
        backing_offset=64K-1 backing_size=2
        backing_offset=1000 backing_size=1024
        backing_offset=8 backing_size=2^32-1
            => corrupt: the backing file's name is longer than 1023 bytes or the first cluster
        ",
    );
}

#[test]
fn the_file_of_an_empty_disk_may_end_with_the_header() {
    // The L1 table of no entries is still at an offset, which must not lie past the end.
    HEADER.check(
        &Image::new(16, 0).bytes,
        "
        length=111 => corrupt: the header is not wholly in the file
        length=112 => corrupt: the L1 table is not wholly in the file's clusters
        ",
    );
    HEADER.check(
        &Image::with(2, 16, 0, 0).bytes,
        "
        l1_offset=0 length=71 => corrupt: the header is not wholly in the file
        l1_offset=0 length=72 => size 0
        ",
    );
}
