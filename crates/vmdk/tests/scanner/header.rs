//! Every bound of the header and the footer, and the error that says so.

use shared::CallTable;
use shared::ScanError::{self, Corrupt, NotThisFormat, Unsupported};
use testing::device::{DEVICE, Device};
use vmdk::VmdkState;

use crate::common::answer;
use crate::image::{Image, field};

/// An image with grains of 64 KiB and 4 MiB, the first grain of which is data.
fn sound() -> Image {
    let mut image = Image::new(128, 8192);
    image.data(0);
    image
}

const GRAIN: u64 = 65536;

fn data_of(image: &Image) -> Result<u64, ScanError> {
    answer(&image.bytes, None).map(|summary| summary.allocated_bytes)
}

fn after(damage: impl FnOnce(&mut Image)) -> Result<u64, ScanError> {
    let mut image = sound();
    damage(&mut image);
    data_of(&image)
}

fn with32(at: usize, value: u32) -> Result<u64, ScanError> {
    after(|image| image.put32(at, value))
}

fn with64(at: usize, value: u64) -> Result<u64, ScanError> {
    after(|image| image.put64(at, value))
}

#[test]
fn a_sound_image_is_answered() {
    let mut image = sound();
    image.put64(field::DESCRIPTOR, 5);
    image.put64(field::DESCRIPTOR_SIZE, 20);
    let device = Device::new(&image.bytes, 512);
    let (mut gd, mut gt) = ([0; 512], [0; 512]);
    let mut state = VmdkState::init(CallTable::over(&device), DEVICE, &mut gd, &mut gt).unwrap();
    assert_eq!(state.virtual_size(), 4 << 20);
    let header = *state.header();
    assert_eq!(
        (
            header.version,
            header.flags,
            header.capacity,
            header.grain_size()
        ),
        (1, 3, 8192, GRAIN)
    );
    assert_eq!(header.descriptor(), Some(5 * 512..25 * 512));
    assert!(!header.is_compressed() && !header.has_zeroed_grains());
    let summary = state.scan_allocation(None).unwrap();
    assert_eq!(
        (summary.virtual_size, summary.allocated_bytes),
        (4 << 20, GRAIN)
    );
}

#[test]
fn the_descriptors_place_is_said_when_it_is_one() {
    let place = |offset, size| {
        let mut image = sound();
        image.put64(field::DESCRIPTOR, offset);
        image.put64(field::DESCRIPTOR_SIZE, size);
        let device = Device::new(&image.bytes, 512);
        let (mut gd, mut gt) = ([0; 512], [0; 512]);
        VmdkState::init(CallTable::over(&device), DEVICE, &mut gd, &mut gt)
            .unwrap()
            .header()
            .descriptor()
    };
    for (offset, size) in [
        (0, 20),
        (1, 0),
        (u64::MAX, 1),
        (1, u64::MAX),
        (1 << 54, 1 << 55),
        (0, 0),
    ] {
        assert_eq!(place(offset, size), None);
    }
    assert_eq!(place(1, 1), Some(512..1024));
}

#[test]
fn without_the_magic_number_it_is_another_format() {
    for length in [0, 1, 3] {
        assert_eq!(answer(&sound().bytes[..length], None), Err(NotThisFormat));
    }
    assert_eq!(with32(0, 0x564d_444c), Err(NotThisFormat));
    assert_eq!(answer(&[0; 4096], None), Err(NotThisFormat));
    assert_eq!(answer(b"# Disk Descriptor", None), Err(NotThisFormat));
}

#[test]
fn other_kinds_of_vmdk_are_named() {
    let descriptor = |kind: &str| {
        let text = format!("# Disk DescriptorFile\nversion=1\nCID=1\ncreateType=\"{kind}\"\n");
        answer(text.as_bytes(), None)
    };
    for (kind, what) in [
        (
            "monolithicFlat",
            "a text descriptor of a flat extent (monolithicFlat)",
        ),
        (
            "twoGbMaxExtentSparse",
            "a text descriptor of several sparse extents (twoGbMaxExtentSparse)",
        ),
        (
            "twoGbMaxExtentFlat",
            "a text descriptor of several flat extents (twoGbMaxExtentFlat)",
        ),
        ("vmfs", "a text descriptor of a flat extent on VMFS (vmfs)"),
        ("other", "a text descriptor of an unknown createType"),
    ] {
        assert_eq!(descriptor(kind), Err(Unsupported(what)));
    }
    assert_eq!(
        answer(b"# Disk DescriptorFile", None),
        Err(Unsupported("a text descriptor of an unknown createType"))
    );
    for length in [4, 4096] {
        let mut bytes = vec![0; length];
        bytes[..4].copy_from_slice(b"COWD");
        assert_eq!(
            answer(&bytes, None),
            Err(Unsupported("a sparse extent of version 3 or ESX (COWD)"))
        );
    }
}

#[test]
fn a_header_that_the_file_cuts_short_is_corrupt() {
    for length in [4, 79, 80, 511] {
        assert_eq!(
            answer(&sound().bytes[..length], None),
            Err(Corrupt("the header is not wholly in the file"))
        );
    }
    assert_eq!(
        answer(&sound().bytes[..512], None),
        Err(Corrupt("the grain directory is not wholly in the file"))
    );
}

#[test]
fn versions_1_to_3_are_known() {
    for version in 1..=3 {
        assert_eq!(with32(field::VERSION, version), Ok(GRAIN));
    }
    for version in [0, 4, u32::MAX] {
        assert_eq!(
            with32(field::VERSION, version),
            Err(Unsupported("a VMDK version other than 1 to 3"))
        );
    }
}

#[test]
fn grains_are_powers_of_two_of_1_to_128_sectors() {
    for bits in 0..=7 {
        let mut image = Image::new(1 << bits, 3 << bits);
        assert_eq!(data_of(image.data(2)), Ok(512 << bits));
    }
    for sectors in [0, 3, 127, 129, 256, 0x20_0000, 1 << 32, 1 << 63, u64::MAX] {
        assert_eq!(
            with64(field::GRAIN, sectors),
            Err(Unsupported(
                "a grain size that is no power of two from 1 to 128 sectors"
            ))
        );
    }
}

#[test]
fn tables_have_512_entries() {
    for entries in [0, 1, 256, 511, 513, 1024, u32::MAX] {
        assert_eq!(
            with32(field::TABLE_ENTRIES, entries),
            Err(Unsupported(
                "grain tables of another length than 512 entries"
            ))
        );
    }
}

#[test]
fn the_capacity_has_bounds() {
    for sectors in [1 << 54, 1 << 55, 1 << 63, u64::MAX] {
        assert_eq!(
            with64(field::CAPACITY, sectors),
            Err(Corrupt("the capacity is 2^63 bytes or more"))
        );
    }
    // The directory needs an entry of 4 bytes for each 32 MiB, and must be wholly in the file.
    assert_eq!(
        with64(field::CAPACITY, (1 << 54) - 1),
        Err(Corrupt("the grain directory is not wholly in the file"))
    );
    let in_file = |sectors, length| {
        after(|image| {
            image.put64(field::CAPACITY, sectors);
            let at = image.append(512);
            image.put64(field::DIRECTORY, u64::from(at));
            image.bytes.truncate(at as usize * 512 + length);
        })
    };
    assert_eq!(in_file(65536, 4), Ok(0));
    assert_eq!(in_file(65537, 8), Ok(0));
    let outside = Err(Corrupt("the grain directory is not wholly in the file"));
    assert_eq!(in_file(65536, 3), outside);
    assert_eq!(in_file(65537, 7), outside);
}

#[test]
fn a_capacity_of_0_with_a_descriptor_is_the_descriptors_business() {
    let with = |descriptor| {
        after(|image| {
            image.put64(field::CAPACITY, 0);
            image.put64(field::DESCRIPTOR, descriptor);
        })
    };
    assert_eq!(with(0), Ok(0));
    for descriptor in [1, u64::MAX] {
        assert_eq!(
            with(descriptor),
            Err(Unsupported(
                "capacity 0: the embedded descriptor lists the extents"
            ))
        );
    }
}

#[test]
fn the_directory_lies_in_the_file() {
    for sector in [1 << 55, u64::MAX - 1] {
        assert_eq!(
            with64(field::DIRECTORY, sector),
            Err(Corrupt("the grain directory is past 2^64"))
        );
    }
    let past = sound().bytes.len() as u64 / 512;
    for sector in [past, 1 << 40, (1 << 55) - 1] {
        assert_eq!(
            with64(field::DIRECTORY, sector),
            Err(Corrupt("the grain directory is not wholly in the file"))
        );
    }
}

#[test]
fn metadata_that_the_header_announces_must_be_there() {
    let sectors = sound().bytes.len() as u64 / 512;
    assert_eq!(with64(field::OVERHEAD, sectors), Ok(GRAIN));
    for overhead in [sectors + 1, 1 << 40, u64::MAX] {
        assert_eq!(
            with64(field::OVERHEAD, overhead),
            Err(Corrupt(
                "the file is shorter than the metadata that its header announces"
            ))
        );
    }
}

#[test]
fn fields_that_do_not_bear_on_the_answer_may_say_anything() {
    for flags in [0, 1, 2, 1 << 16, 1 << 17, !4] {
        assert_eq!(with32(field::FLAGS, flags), Ok(GRAIN));
    }
    assert_eq!(with64(field::REDUNDANT_DIRECTORY, u64::MAX), Ok(GRAIN));
    assert_eq!(with64(field::DESCRIPTOR, u64::MAX), Ok(GRAIN));
    assert_eq!(with64(field::DESCRIPTOR_SIZE, u64::MAX), Ok(GRAIN));
    for at in [field::UNCLEAN, field::LINE_ENDS, field::COMPRESSION] {
        assert_eq!(after(|image| image.bytes[at] = 0xff), Ok(GRAIN));
    }
}

#[test]
fn the_footer_is_the_header() {
    let with = |damage: &dyn Fn(&mut Image, usize)| {
        after(|image| {
            let header = image.with_footer();
            damage(image, header);
        })
    };
    assert_eq!(with(&|_, _| {}), Ok(GRAIN));
    // What the header at the file's start says does not matter.
    assert_eq!(with(&|image, _| image.put32(field::VERSION, 9)), Ok(GRAIN));
    assert_eq!(with(&|image, _| image.put64(field::GRAIN, 9)), Ok(GRAIN));
    assert_eq!(with(&|image, _| image.put64(field::CAPACITY, 1)), Ok(GRAIN));
    assert_eq!(
        with(&|image, at| image.put64(at + field::CAPACITY, 1)),
        Ok(512)
    );
    assert_eq!(
        with(&|image, at| image.put64(at + field::CAPACITY, 0)),
        Ok(0)
    );
    assert_eq!(
        with(&|image, at| image.put32(at + field::VERSION, 9)),
        Err(Unsupported("a VMDK version other than 1 to 3"))
    );
    // What QEMU does not look at: the marker's value, and what fills the markers up.
    assert_eq!(with(&|image, at| image.put64(at - 512, 7)), Ok(GRAIN));
    assert_eq!(with(&|image, at| image.put32(at - 4, 7)), Ok(GRAIN));
    assert_eq!(with(&|image, at| image.put32(at + 512 + 508, 7)), Ok(GRAIN));
}

#[test]
fn a_wrong_footer_is_corrupt() {
    let with = |damage: &dyn Fn(&mut Image, usize)| {
        after(|image| {
            let header = image.with_footer();
            damage(image, header);
        })
    };
    let absent = Err(Corrupt(
        "the header says that there is a footer, but there is none",
    ));
    assert_eq!(with(&|image, at| image.put32(at, 0)), absent);
    assert_eq!(
        with(&|image, _| image.bytes.resize(image.bytes.len() + 512, 0)),
        absent
    );
    assert_eq!(
        with(&|image, _| image.bytes.resize(image.bytes.len() + 100, 0)),
        absent
    );
    assert_eq!(
        with(&|image, _| image.bytes.truncate(image.bytes.len() - 100)),
        absent
    );
    for at in [8, 12] {
        assert_eq!(
            with(&|image, header| image.put32(header - 512 + at, 9)),
            Err(Corrupt("the footer's marker is wrong"))
        );
    }
    for at in [0, 4, 8, 12] {
        assert_eq!(
            with(&|image, header| image.put32(header + 512 + at, 9)),
            Err(Corrupt(
                "the end-of-stream marker behind the footer is wrong"
            ))
        );
    }
    assert_eq!(
        with(&|image, at| image.put64(at + field::DIRECTORY, u64::MAX)),
        Err(Corrupt("the footer points to a footer"))
    );
    for length in [512, 1024, 1535] {
        assert_eq!(
            after(|image| {
                image.put64(field::DIRECTORY, u64::MAX);
                image.bytes.truncate(length);
            }),
            Err(Corrupt(
                "the file is too short for the footer that its header announces"
            ))
        );
    }
    assert_eq!(
        after(|image| {
            image.put64(field::DIRECTORY, u64::MAX);
            image.bytes.truncate(1536);
        }),
        absent
    );
}

#[test]
fn what_is_unsupported_is_said_before_what_is_corrupt() {
    assert_eq!(
        after(|image| {
            image.put64(field::CAPACITY, u64::MAX);
            image.put32(field::TABLE_ENTRIES, 1);
        }),
        Err(Unsupported(
            "grain tables of another length than 512 entries"
        ))
    );
}
