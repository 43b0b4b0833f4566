//! Every bound of the footers, the dynamic header and the table, and the error that names it.

use testing::fields::{Layout, named};
use testing::scan::{ScanFormat, facts};

use crate::image::{Disk, LENGTH, seal};

const END: usize = LENGTH - 512;

const FIELDS: &[(&str, usize, usize)] = &[
    ("copy.cookie", 0, 8),
    ("copy.features", 8, 4),
    ("copy.version", 12, 4),
    ("copy.data_offset", 16, 8),
    ("copy.creator", 28, 4),
    ("copy.current_size", 48, 8),
    // Cylinders (16 bits), heads, sectors a track.
    ("copy.geometry", 56, 4),
    ("copy.type", 60, 4),
    ("copy.checksum", 64, 4),
    ("header.table_offset", 512 + 16, 8),
    ("header.version", 512 + 24, 4),
    ("header.entries", 512 + 28, 4),
    ("header.block_size", 512 + 32, 4),
    ("header.checksum", 512 + 36, 4),
    ("first_entry", 1536, 4),
    ("end.cookie", END, 8),
    ("end.current_size", END + 48, 8),
    ("end.type", END + 60, 4),
    ("end.checksum", END + 64, 4),
];

const DYNAMIC: Layout = Layout {
    seal,
    ..Layout::new(ScanFormat::Vhd, |name| named(FIELDS, name))
};

#[test]
fn one_good_footer_is_enough_and_the_copy_is_believed_as_in_qemu() {
    DYNAMIC.check(
        &Disk::sample().bytes(),
        "
        !end.checksum=1 => 11776
        !copy.checksum=1 => 11776
        end.cookie=0 => 11776
        copy.cookie=0 => 11776
        end.current_size=4096 end.type=2 => 11776
        !copy.checksum=1 !end.checksum=1
        !copy.checksum=1 end.cookie=0
        copy.cookie=0 !end.checksum=1
            => corrupt: neither the footer nor its copy has a right checksum
        length=15872 => 11776
        length=15871 => corrupt: a block runs past the end of the file
        copy.cookie=0 length=16383 => 11776
        copy.cookie=0 length=16382 => not an image of this format
        ",
    );
}

#[test]
fn footers_that_are_not_known_are_refused() {
    DYNAMIC.check(
        &Disk::sample().bytes(),
        "
        copy.version=0,0x10001,0x20000,2^32-1
            => unsupported: a footer of a version other than 1.0
        copy.features=0,1,2,3,2^32-3 => 11776
        copy.type=0,1,5,6,7,2^32-1
            => unsupported: a disk type other than fixed, dynamic and differencing
        ",
    );
}

/// It is verified as a dynamic one is, but for its blocks.
#[test]
fn a_differencing_disk_is_opened_for_its_parents_name_and_not_scanned() {
    let sample = Disk::sample().bytes();
    DYNAMIC.check(
        &sample,
        "
        copy.type=4 first_entry=0,4,2^32-1 => unsupported: a differencing disk
        copy.type=4 !header.checksum=1 => corrupt: the dynamic disk header's checksum is wrong
        copy.type=4 header.entries=7
            => corrupt: the BAT has fewer entries than the disk has blocks
        ",
    );
    let parent = |changes| facts(ScanFormat::Vhd, &DYNAMIC.with(&sample, changes))?.parent;
    assert_eq!(parent("copy.type=4"), Some(576..1088));
    assert_eq!(parent("copy.type=3"), None);
    assert_eq!(parent("end.type=4"), None);
    assert_eq!(parent("copy.cookie=0 end.type=4"), Some(576..1088));
}

/// The geometry's product for the creators `vpc ` and `qemu`, unless it is the largest; else the current size.
#[test]
fn the_size_is_the_one_that_the_creator_means() {
    let bytes = Disk::sample().bytes();
    DYNAMIC.check(
        &bytes,
        "
        copy.creator=0x76706320,0x71656d75 copy.geometry=0x00010409 => size 18432
        copy.creator=0x76706320,0x71656d75 copy.geometry=0x00000409 => size 0
        copy.creator=0x76706320,0x71656d75 copy.geometry=0xffff10ff,0xffffff10 => size 32256
        copy.creator=0x76706320 copy.geometry=2^32-1
        copy.current_size=0x1fe00000000
            => corrupt: the BAT has fewer entries than the disk has blocks
        copy.current_size=0x1fe00000000+512,2^64-1
            => unsupported: a disk of more than 0xff000000 sectors
        ",
    );
    for creator in [
        b"qem2",
        b"win ",
        b"d2v ",
        b"tap\0",
        b"CTXS",
        b"wa\0\0",
        b"vs  ",
        b"vbox",
        b"\0\0\0\0",
    ] {
        let creator = format!("copy.creator={}", u32::from_be_bytes(*creator));
        let whole = format!("{creator} copy.current_size=32256,32256+511 => size 32256");
        DYNAMIC.check(&bytes, &whole);
        DYNAMIC.check(
            &bytes,
            &format!("{creator} copy.current_size=511 => size 0"),
        );
    }
}

#[test]
fn the_dynamic_header_and_the_table_are_verified() {
    DYNAMIC.check(
        &Disk::sample().bytes(),
        "
        copy.data_offset=0,1,511
            => corrupt: the dynamic disk header lies over the footer's copy
        copy.data_offset=16384-1023,16384,2^40,2^64-1024,2^64-1
            => corrupt: the dynamic disk header is not wholly in the file
        copy.data_offset=513,16384-1024
            => corrupt: the dynamic disk header does not begin with its cookie
        !header.checksum=1 => corrupt: the dynamic disk header's checksum is wrong
        header.version=0,0x10001,0x20000
            => unsupported: a dynamic disk header of a version other than 1.0
        header.block_size=0,1,256,511,513,3M,3072M,2^32-1
            => corrupt: the block size is not a power of two from 512
        header.entries=0,7 => corrupt: the BAT has fewer entries than the disk has blocks
        header.entries=2^32-1
        header.table_offset=16384-31,16384,2^62,2^64-32,2^64-1
            => corrupt: the BAT is not wholly in the file
        header.table_offset=0,511,512,1535
            => corrupt: the BAT lies over the footer's copy or the header
        copy.current_size=0 header.entries=0 header.table_offset=0,100,600,1500 => 0
        ",
    );
}

/// Blocks have nine sectors, the file 32. One may lie over the footer at the end, as in QEMU.
#[test]
fn a_block_must_lie_in_the_file_and_beside_the_headers() {
    DYNAMIC.check(
        &Disk::sample().bytes(),
        "
        first_entry=4,23 => 11776
        first_entry=24,32,2^31-1,2^32-2 => corrupt: a block runs past the end of the file
        first_entry=0,1,2,3
            => corrupt: a block lies over the footer's copy, the header or the BAT
        ",
    );
}
