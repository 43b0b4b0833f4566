//! Every bound of the header and the footer, and the error that names it.

use harness_core::MockDevice;
use testing::fields::{Layout, named};
use testing::scan::ScanFormat;
use vmdk::{VmdkHeader, VmdkState};

use crate::image::{FOOTER, GRAIN, Image};

/// The footer's marker, and the end-of-stream marker behind the header in the footer.
const MARKER: usize = FOOTER - 512;
const END: usize = FOOTER + 512;

const FIELDS: &[(&str, usize, usize)] = &[
    ("magic", 0, 4),
    ("version", 4, 4),
    ("flags", 8, 4),
    ("capacity", 12, 8),
    ("grain", 20, 8),
    ("descriptor", 28, 8),
    ("descriptor_size", 36, 8),
    ("table_entries", 44, 4),
    ("redundant", 48, 8),
    ("directory", 56, 8),
    ("overhead", 64, 8),
    ("unclean", 72, 1),
    ("line_ends", 73, 4),
    ("compression", 77, 2),
    ("footer.magic", FOOTER, 4),
    ("footer.version", FOOTER + 4, 4),
    ("footer.capacity", FOOTER + 12, 8),
    ("footer.directory", FOOTER + 56, 8),
    ("footer.padding", FOOTER - 4, 4),
    ("marker.value", MARKER, 8),
    ("marker.size", MARKER + 8, 4),
    ("marker.type", MARKER + 12, 4),
    ("end.value.low", END, 4),
    ("end.value.high", END + 4, 4),
    ("end.size", END + 8, 4),
    ("end.type", END + 12, 4),
    ("end.padding", END + 508, 4),
];

const HEADER: Layout = Layout::new(ScanFormat::Vmdk, |name| named(FIELDS, name));

/// An image with grains of 64 KiB and 4 MiB, the first grain of which is data. It has 134 sectors.
fn sound() -> Image {
    let mut image = Image::new(128, 8192);
    image.data(0);
    image
}

fn header(bytes: &[u8]) -> VmdkHeader {
    let mut device = MockDevice::new(512, 0);
    device.set_fuzz_input(bytes);
    let (mut directory, mut table) = ([0; 512], [0; 512]);
    let state = VmdkState::init(device.build_call_table(), 0, &mut directory, &mut table);
    *state.unwrap().header()
}

#[test]
fn a_sound_header_is_parsed() {
    let sound = sound().bytes;
    let of = |changes| header(&HEADER.with(&sound, changes));
    let header = of("descriptor=5 descriptor_size=20");
    assert_eq!((header.version, header.flags), (1, 3));
    assert_eq!((header.capacity, header.grain_size()), (8192, GRAIN));
    assert_eq!(header.descriptor(), Some(5 * 512..25 * 512));
    assert!(!header.is_compressed() && !header.has_zeroed_grains());
    let place = of("descriptor=1 descriptor_size=1").descriptor();
    assert_eq!(place, Some(512..1024));
    for nowhere in [
        "descriptor=0 descriptor_size=20",
        "descriptor=1 descriptor_size=0",
        "descriptor=2^64-1 descriptor_size=1",
        "descriptor=1 descriptor_size=2^64-1",
        "descriptor=2^54 descriptor_size=2^55",
        "descriptor=0 descriptor_size=0",
    ] {
        assert_eq!(of(nowhere).descriptor(), None, "{nowhere}");
    }
}

#[test]
fn bounds_of_the_header() {
    HEADER.check(
        &sound().bytes,
        "
        magic=0,0x564d444c => not an image of this format
        length=0,1,3 => not an image of this format
        length=4,79,80,511 => corrupt: the header is not wholly in the file
        length=512 => corrupt: the grain directory is not wholly in the file
        magic=0x44574f43 length=4,4096
            => unsupported: a sparse extent of version 3 or ESX (COWD); qemu-img convert -f vmdk copies it
        version=1,2,3 => 64K
        version=0,4,2^32-1 => unsupported: a VMDK version other than 1 to 3
        grain=0,3,127,129,256,2M,2^32,2^63,2^64-1
            => unsupported: a grain size that is no power of two from 1 to 128 sectors
        table_entries=0,1,256,511,513,1024,2^32-1
        capacity=2^64-1 table_entries=1
            => unsupported: grain tables of another length than 512 entries
        capacity=2^54,2^55,2^63,2^64-1 => corrupt: the capacity is 2^63 bytes or more
        capacity=2^54-1 => corrupt: the grain directory is not wholly in the file
        capacity=0 => 0
        capacity=0 descriptor=1,2^64-1
            => unsupported: capacity 0: the embedded descriptor lists the extents
        directory=2^55,2^64-2 => corrupt: the grain directory is past 2^64
        directory=134,2^40,2^55-1 => corrupt: the grain directory is not wholly in the file
        overhead=134 => 64K
        overhead=135,2^40,2^64-1
            => corrupt: the file is shorter than the metadata that its header announces
        flags=0,1,2,2^16,2^17,2^32-5 => 64K
        redundant=2^64-1 descriptor=2^64-1 descriptor_size=2^64-1 => 64K
        unclean=255 line_ends=255 compression=255 => 64K
        ",
    );
    // The directory needs an entry of 4 bytes for each 32 MiB.
    let mut longer = sound();
    longer.append(512);
    HEADER.check(
        &longer.bytes,
        "
        directory=134 capacity=64K length=67K+4 => 0
        directory=134 capacity=64K+1 length=67K+8 => 0
        directory=134 capacity=64K length=67K+3
        directory=134 capacity=64K+1 length=67K+7
            => corrupt: the grain directory is not wholly in the file
        ",
    );
}

#[test]
fn other_kinds_of_vmdk_are_named() {
    const UNKNOWN: &str = "of an unknown createType";
    let head = "# Disk DescriptorFile\n";
    for (text, kind) in [
        ("", UNKNOWN),
        ("createType=\"other\"", UNKNOWN),
        ("createType=\"monolithicF", UNKNOWN),
        ("# createType=\"vmfs\"", UNKNOWN),
        (
            "version=1\nCID=1\ncreateType=\"monolithicFlat\"\n",
            "of a flat extent (monolithicFlat)",
        ),
        (
            "  createType = \"twoGbMaxExtentSparse\"\r\n",
            "of several sparse extents (twoGbMaxExtentSparse)",
        ),
        (
            "createType=\"vmfsRDM\"\n",
            "of a raw device on VMFS (vmfsRDM)",
        ),
    ] {
        let answer = HEADER.answer(format!("{head}{text}").as_bytes());
        let error = answer.unwrap_err().to_string();
        assert_eq!(error, format!("unsupported: a text descriptor {kind}"));
    }
    let answer = HEADER.answer(b"# Disk Descriptor");
    let error = answer.unwrap_err().to_string();
    assert_eq!(error, "not an image of this format");
}

#[test]
fn the_footer_is_the_header() {
    let mut image = sound();
    assert_eq!(image.with_footer(), FOOTER);
    HEADER.check(
        &image.bytes,
        "
        version=1,9 => 64K
        grain=9 capacity=1 => 64K
        footer.capacity=1 => 512
        footer.capacity=0 => 0
        footer.version=9 => unsupported: a VMDK version other than 1 to 3
        marker.value=7 => 64K
        footer.padding=7 => 64K
        end.padding=7 => 64K
        footer.magic=0
        length=70144+512,70144+100,70144-100
        length=1536
            => corrupt: the header says that there is a footer, but there is none
        marker.size=9
        marker.type=9
            => corrupt: the footer's marker is wrong
        end.value.low=9
        end.value.high=9
        end.size=9
        end.type=9
            => corrupt: the end-of-stream marker behind the footer is wrong
        footer.directory=2^64-1 => corrupt: the footer points to a footer
        length=512,1024,1535
            => corrupt: the file is too short for the footer that its header announces
        ",
    );
}
