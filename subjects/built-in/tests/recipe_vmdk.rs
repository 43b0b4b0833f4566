//! Recipes of vmdk images: the layout of their bytes, that what they say is true, what they reach, and
//! that qemu-img sees in their images what they say.

mod support;

use std::num::NonZeroU64;

use harness_core::subject::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use harness_core::subject::ScanFormat::Vmdk;
use recipes::vmdk::{
    Capacity, Descriptor, FooterFault, Geometry, Kind, Order, Overhead, Placement, Redundant,
    Spare, Tables, Tail, WRONG_GRAINS, WRONG_TABLE_ENTRIES, WRONG_VERSIONS, geometry,
};
use recipes::{LENGTH, at};
use support::{Qemu, Ran, Reach, assert_truth, decode, random_recipe, truth};
use testing::random::Random;

const G: usize = at::GEOMETRY;
const R: usize = at::RARE;

/// The geometry of a recipe of zeros but for these bytes.
fn with(changes: &[(usize, u8)]) -> Geometry {
    let mut bytes = [0; LENGTH];
    bytes[at::FORMAT] = 1;
    for &(at, byte) in changes {
        bytes[at] = byte;
    }
    geometry(&decode(&bytes))
}

#[test]
fn every_byte_means_what_the_table_says() {
    let plain = with(&[]);
    assert_eq!((plain.kind, plain.grain_sectors), (Kind::Sparse, 128));
    assert_eq!((plain.version, plain.flags), (1, 3));
    assert_eq!(plain.descriptor, Descriptor::Embedded);
    let changed = |at: usize, byte: u8, change: fn(&mut Geometry)| {
        let mut expected = plain;
        change(&mut expected);
        assert_ne!(expected, plain, "byte {at}");
        assert_eq!(with(&[(at, byte)]), expected, "byte {at} of {byte:#x}");
    };
    changed(G, 1, |g| {
        (g.kind, g.version, g.flags, g.compression) = (Kind::Stream, 3, 0x3_0003, 1);
    });
    changed(G, 2, |g| {
        (g.kind, g.version, g.flags, g.compression) = (Kind::StreamWithFooter, 3, 0x3_0003, 1);
        g.placement = Placement::Interleaved;
    });
    changed(G + 1, 7, |g| g.grain_sectors = 1);
    changed(G + 1, 9, |g| g.grain_sectors = 64);
    changed(G + 1, 0xfd, |g| g.grain_sectors = WRONG_GRAINS[5]);
    changed(G + 2, 2, |g| g.version = 2);
    changed(G + 2, 0xf1, |g| g.version = WRONG_VERSIONS[1]);
    changed(G + 3, 1, |g| (g.flags, g.version) = (7, 2));
    changed(G + 3, 2, |g| g.flags = 2);
    changed(G + 3, 4, |g| g.flags = 0x1_0003);
    changed(G + 3, 8, |g| g.flags = 0x2_0003);
    changed(G + 3, 16, |g| g.compression = 1);
    changed(G + 3, 32, |g| g.unclean = true);
    changed(G + 3, 64, |g| g.line_ends = false);
    changed(G + 4, 1, |g| {
        (g.redundant, g.flags) = (Redundant::Absent, 1)
    });
    changed(G + 4, 2, |g| g.redundant = Redundant::Empty);
    changed(G + 4, 3, |g| {
        (g.redundant, g.flags) = (Redundant::Unflagged, 1)
    });
    changed(G + 5, 1, |g| g.descriptor = Descriptor::Absent);
    changed(G + 5, 2, |g| g.descriptor = Descriptor::Elsewhere);
    changed(G + 5, 3, |g| g.descriptor = Descriptor::Unnamed);
    changed(G + 5, 0xf2, |g| {
        g.descriptor = Descriptor::Alone("streamOptimized")
    });
    changed(G + 6, 1, |g| g.placement = Placement::TablesFront);
    changed(G + 6, 5, |g| g.placement = Placement::DirectoryFront);
    changed(G + 7, 0x35, |g| (g.table_gap, g.grain_gap) = (5, 3));
    changed(G + 8, 3, |g| g.order = Order::Shared);
    changed(G + 9, 2, |g| g.tables = Tables::NeededAndNext);
    changed(G + 10, 0b0110, |g| g.spare = (2, Spare::One));
    changed(G + 11, 2, |g| g.overhead = Overhead::File);
    changed(G + 11, 0xf8, |g| g.overhead = Overhead::MoreThanFile);
    changed(G + 12, 1, |g| g.tail = Tail::Nothing);
    changed(G + 12, 0xf8, |g| g.tail = Tail::Cut);
    assert_eq!(with(&[(G + 12, 2), (G + 13, 9)]).tail, Tail::Bytes(9));
    assert_eq!(with(&[(G + 12, 3), (G + 13, 9)]).tail, Tail::Bytes(9 * 512));
    changed(G + 14, 0xf0, |g| g.longest_directory = 1 << 20);
    changed(R, 0xf8, |g| g.magic = *b"COWD");
    changed(R, 0xfa, |g| g.magic = [0; 4]);
    changed(R + 1, 0xfa, |g| g.table_entries = WRONG_TABLE_ENTRIES[2]);
    changed(R + 2, 0xf0, |g| g.capacity = Capacity::Sectors(0));
    changed(R + 3, 0xe2, |g| g.aliases = 3);
    changed(R + 6, 1, |g| g.footer_value = 2);
    changed(R + 7, 1, |g| g.footer_value = 257);
    changed(R + 9, 1, |g| g.compression = 256);
    changed(R + 13, 0x80, |g| g.flags = 0x8000_0003);
    changed(R + 10, 0xff, |g| g.flags = 0xff ^ 0b101);
    assert_eq!(
        with(&[(G, 2), (R + 4, 0xf5)]).footer_fault,
        Some(FooterFault::Magic)
    );
    assert!(with(&[(G, 2), (R + 5, 1)]).nonsense_first);
}

#[test]
fn what_a_recipe_says_is_what_the_scanner_answers() {
    let mut random = Random(0x564d_444b);
    let mut reach = Reach::default();
    for nth in 0..20_000 {
        let bytes = random_recipe(&mut random, Vmdk, nth % 6 == 0);
        let recipe = decode(&bytes);
        let geometry = geometry(&recipe);
        let built = recipe.build();
        let grain = NonZeroU64::new(geometry.grain());
        assert_truth(
            &recipe,
            &built,
            if nth % 2 == 0 { grain } else { recipe.unit },
        );
        if nth % 16 == 0 {
            assert!(recipe.in_words().starts_with("vmdk image of "));
        }
        let Some(truth) = truth(&recipe, &built) else {
            continue;
        };
        note(&mut reach, &geometry);
        match truth.answer(None) {
            None => panic!("a vmdk recipe knows which reason comes first"),
            Some(Ok(summary)) => {
                reach.note("answer", "a summary");
                reach.note("data", summary.allocated_bytes != 0);
                reach.note("accepted placement", geometry.placement);
                let first_sector = geometry.kind == Kind::Sparse
                    && geometry.descriptor == Descriptor::Absent
                    && geometry.placement == Placement::TablesFront
                    && geometry.table_gap == 0;
                if first_sector && summary.allocated_bytes != 0 {
                    let mut entry = [0; 4];
                    let header = &mut [0; 512];
                    built.image.read(0, header);
                    let directory = u64::from_le_bytes(header[56..64].try_into().unwrap()) * 512;
                    built.image.read(directory, &mut entry);
                    reach.note("first directory entry", u32::from_le_bytes(entry));
                }
                if geometry.aliases != 0 {
                    reach.note("aliases accepted", summary.allocated_bytes != 0);
                }
                let exact = truth.own_size.map(|own| own.at_least == own.at_most);
                reach.note("own size", exact);
                for unit in recipe.runs.units(1 << 30, 1 << 30) {
                    reach.note("kind of grain", unit.kind % 8);
                }
            }
            Some(Err(kind)) => {
                reach.note("answer", kind);
                if geometry.aliases != 0 {
                    reach.note("aliases refused", kind);
                }
            }
        }
    }
    for (knob, values) in [
        ("kind", 3),
        ("magic", 5),
        ("grain", 8 + WRONG_GRAINS.len()),
        ("version", 3 + WRONG_VERSIONS.len()),
        ("zeroed grains", 2),
        ("redundant", 4),
        ("descriptor", 4 + 13),
        ("placement", 6),
        ("order", 4),
        ("tables", 3),
        ("spare", 4 * 4),
        ("overhead", 6),
        ("tail", 4),
        ("longest directory", 2),
        ("table entries", 1 + WRONG_TABLE_ENTRIES.len()),
        ("capacity", 5),
        ("footer fault", 1 + 8),
        ("nonsense first", 2),
        ("answer", 4),
        ("data", 2),
        ("own size", 3),
        ("accepted placement", 6),
        ("kind of grain", 8),
        ("aliases accepted", 2),
    ] {
        reach.assert(knob, values);
    }
    for kind in [Unsupported, Corrupt, NotThisFormat] {
        assert!(reach.count("answer", kind) > 50, "{kind:?}");
    }
    assert!(reach.count("first directory entry", 1) > 0);
    assert!(reach.count("aliases refused", Corrupt) > 0);
    assert!(reach.count("answer", "a summary") > 10_000);
    assert!(reach.count("data", true) > 6_000);
    assert!(reach.count("own size", Some(true)) > 500);
}

fn note(reach: &mut Reach, geometry: &Geometry) {
    reach.note("kind", geometry.kind);
    reach.note("magic", geometry.magic);
    reach.note("grain", geometry.grain_sectors);
    reach.note("version", geometry.version);
    reach.note("zeroed grains", geometry.has_zeroed_grains());
    reach.note("redundant", geometry.redundant);
    reach.note("descriptor", geometry.descriptor);
    reach.note("placement", geometry.placement);
    reach.note("order", geometry.order);
    reach.note("tables", geometry.tables);
    reach.note("spare", geometry.spare);
    reach.note("overhead", geometry.overhead);
    reach.note(
        "tail",
        match geometry.tail {
            Tail::Bytes(_) => Tail::Bytes(1),
            tail => tail,
        },
    );
    reach.note("longest directory", geometry.longest_directory);
    reach.note("table entries", geometry.table_entries);
    reach.note("capacity", geometry.capacity);
    reach.note("footer fault", geometry.footer_fault);
    reach.note("nonsense first", geometry.nonsense_first);
}

#[test]
fn a_recipe_of_zeros_is_an_empty_disk_of_one_grain() {
    let mut bytes = [0; LENGTH];
    bytes[at::FORMAT] = 1;
    let recipe = decode(&bytes);
    let built = recipe.build();
    let truth = built.truth.as_ref().unwrap();
    assert_eq!((truth.virtual_size, truth.extents()), (65536, vec![]));
    assert_eq!(built.image.capacity(), 65536);
    assert_truth(&recipe, &built, NonZeroU64::new(65536));
}

/// qemu-img agrees on undamaged images that a scanner takes; where it is known to be of another mind, it
/// still is.
#[test]
fn qemu_img_sees_what_a_recipe_says() {
    let mut random = Random(0x7165_6d75);
    let mut qemu = Qemu::new("recipe_vmdk", "vmdk");
    let mut reach = Reach::default();
    let (mut agreed, mut with_data, mut checked) = (0, 0, 0);
    let mut tries = 0;
    while agreed < 160 {
        tries += 1;
        assert!(tries < 2_000, "only {agreed} agreed");
        let recipe = decode(&random_recipe(&mut random, Vmdk, false));
        let geometry = geometry(&recipe);
        let built = recipe.build();
        let truth = built.truth.as_ref().expect("undamaged");
        // Of each grain of a huge disk, qemu-img wants to know.
        let slow = truth.virtual_size / geometry.grain() > 1 << 18;
        // It rounds the file's end up before it looks for the footer.
        let other_footer =
            geometry.kind == Kind::StreamWithFooter && !built.image.capacity().is_multiple_of(512);
        if truth.is_refused() || slow || other_footer {
            continue;
        }
        let words = recipe.in_words();
        qemu.write(&built.image);
        let size = qemu.virtual_size();
        if geometry.descriptor == Descriptor::Absent {
            assert!(size.is_err(), "qemu-img needs no descriptor: {words}");
            reach.note("no descriptor", ());
            continue;
        }
        let size = size.unwrap_or_else(|complaint| panic!("{complaint}: {words}"));
        let data = qemu
            .data()
            .unwrap_or_else(|complaint| panic!("{complaint}: {words}"));
        let (Some(size), Some(data)) = (size, data) else {
            continue;
        };
        assert_eq!(size, truth.virtual_size, "{words}");
        assert_eq!(data, truth.extents(), "{words}");
        agreed += 1;
        with_data += u64::from(!data.is_empty());
        note(&mut reach, &geometry);

        let grains = size.div_ceil(geometry.grain());
        let units = recipe.runs.units(grains, grains);
        if units.iter().all(|unit| !matches!(unit.kind % 8, 3 | 6)) {
            match qemu.run(&["check"]) {
                Ran::Well(_) => checked += 1,
                Ran::Refused(complaint) => panic!("check: {complaint}: {words}"),
                Ran::Inconclusive => {}
            }
        }
    }
    println!(
        "{agreed} images agree with qemu-img, {with_data} with data, {checked} checked; {} runs inconclusive",
        qemu.inconclusive
    );
    assert!(qemu.inconclusive <= 5);
    assert!(with_data > 80 && checked > 50);
    assert!(reach.count("no descriptor", ()) > 0);
    reach.assert("kind", 3);
    reach.assert("grain", 8);
    reach.assert("placement", 6);
    reach.assert("redundant", 4);
    reach.assert("order", 4);
}
