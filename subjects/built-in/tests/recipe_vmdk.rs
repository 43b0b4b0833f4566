//! Recipes of VMDK images: what they state is true, they reach every knob, and qemu-img sees in their
//! images what they state.

mod support;

use std::num::NonZeroU64;

use fastrand::Rng;
use harness_core::subject::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use harness_core::subject::ScanFormat::Vmdk;
use recipes::vmdk::{
    Descriptor, Geometry, Kind, Placement, Tail, WRONG_GRAINS, WRONG_TABLE_ENTRIES, WRONG_VERSIONS,
    geometry,
};
use support::{
    Qemu, Ran, Reach, assert_truth, decode, note_fields, random_recipe, truth, zeros_but,
};

#[test]
fn what_a_recipe_says_is_what_the_scanner_answers() {
    let mut random = Rng::with_seed(0x564d_444b);
    let mut reach = Reach::default();
    for nth in 0..20_000 {
        let bytes = random_recipe(&mut random, Vmdk, nth % 6 == 0);
        let recipe = decode(&bytes);
        let geometry = geometry(&recipe);
        let built = recipe.build();
        if nth % 16 == 0 {
            assert!(recipe.in_words().starts_with("vmdk image of "));
        }
        let Some(truth) = truth(&recipe, &built) else {
            continue;
        };
        let grain = NonZeroU64::new(geometry.grain());
        let unit = if nth % 2 == 0 { grain } else { recipe.unit };
        let _ = assert_truth(&recipe, &built, unit);
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
        ("grain_sectors", 8 + WRONG_GRAINS.len()),
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
        ("longest_directory", 2),
        ("table_entries", 1 + WRONG_TABLE_ENTRIES.len()),
        ("capacity", 5),
        ("footer_fault", 1 + 8),
        ("nonsense_first", 2),
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
    note_fields!(
        reach,
        geometry,
        kind,
        magic,
        grain_sectors,
        version,
        redundant,
        descriptor,
        placement,
        order,
        tables,
        spare,
        overhead,
        longest_directory,
        table_entries,
        capacity,
        footer_fault,
        nonsense_first
    );
    reach.note("zeroed grains", geometry.has_zeroed_grains());
    let tail = match geometry.tail {
        Tail::Bytes(_) => Tail::Bytes(1),
        tail => tail,
    };
    reach.note("tail", tail);
}

#[test]
fn a_recipe_of_zeros_is_an_empty_disk_of_one_grain() {
    let recipe = zeros_but(Vmdk, &[]);
    let built = recipe.build();
    let truth = built.truth.as_ref().unwrap();
    assert_eq!((truth.virtual_size, truth.extents()), (65536, vec![]));
    assert_eq!(built.image.capacity(), 65536);
    assert!(assert_truth(&recipe, &built, NonZeroU64::new(65536)).is_ok());
}

/// qemu-img agrees on undamaged images that a scanner takes; where it is known to be of another mind, it
/// still is.
#[test]
fn qemu_img_sees_what_a_recipe_says() {
    let mut random = Rng::with_seed(0x7165_6d75);
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
        let map = qemu
            .map()
            .unwrap_or_else(|complaint| panic!("{complaint}: {words}"));
        let (Some(size), Some((_, data))) = (size, map) else {
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
    reach.assert("grain_sectors", 8);
    reach.assert("placement", 6);
    reach.assert("redundant", 4);
    reach.assert("order", 4);
}
