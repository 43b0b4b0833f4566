//! qemu-img takes the images that recipes make for real ones, and finds in them what they state.

use std::io::Write as _;

use fastrand::Rng;
use harness_core::subject::ScanFormat::Qcow2;
use recipes::conditions::End;
use recipes::qcow2::geometry::{CLUSTER_BITS, FileEnd, Part, REFCOUNT_ORDERS};
use recipes::qcow2::header::DATA_FILE;
use recipes::qcow2::units::Kind;
use recipes::qcow2::{geometry, qemu_view};
use recipes::truth::Truth;
use recipes::{Built, Recipe, at};

use crate::support::{Qemu, Ran, Reach, decode, note_fields, random_recipe, zeros_but};
use crate::{cut_the_end, usual_recipe};

/// What files of the test's file system may be long, in bytes, with room to spare.
const LARGEST_FILE: u64 = 8 << 40;

/// qemu-img, with the backing files that recipes name.
fn judge(name: &str) -> Qemu {
    let qemu = Qemu::new(name, "qcow2");
    for backing in ["b", "bb"] {
        let mut file = qemu.create(backing, 0);
        file.write_all(&[7; 4096]).expect("it can be written");
    }
    qemu
}

/// Writes the image and the external data file that it may name.
fn write<'a>(qemu: &Qemu, built: &'a Built) -> &'a Truth {
    let truth = built.truth.as_ref().expect("it is not damaged");
    qemu.write(&built.image);
    qemu.create(DATA_FILE, truth.virtual_size.min(LARGEST_FILE));
    truth
}

/// How many images qemu-img must judge.
const JUDGED: u64 = 400;

#[test]
fn qemu_takes_the_images_for_real_ones() {
    let mut reach = Reach::default();
    let mut qemu = judge("recipe-qcow2");
    let mut random = Rng::with_seed(21);
    let (mut agreed, mut clean, mut with_data) = (0, 0, 0);
    while agreed < JUDGED {
        let mut bytes = match random.u8(..8) {
            0 => random_recipe(&mut random, Qcow2, false),
            _ => usual_recipe(&mut random),
        };
        if random.bool() {
            cut_the_end(&mut bytes, &mut random);
        }
        let recipe = decode(&bytes);
        let view = qemu_view(&recipe);
        let built = recipe.build().on_device(&recipe.conditions);
        let is_taken = built
            .truth
            .as_ref()
            .is_some_and(|truth| !truth.is_refused());
        if !is_taken || !view.agrees || built.image.capacity() > LARGEST_FILE {
            continue;
        }
        let truth = write(&qemu, &built);
        let words = recipe.in_words();
        match qemu.map() {
            Ok(Some(map)) => {
                assert_eq!(map, (truth.virtual_size, truth.extents()), "{words}");
                agreed += 1;
                note(&recipe, truth.virtual_size, &mut reach);
                with_data += u64::from(!map.1.is_empty());
            }
            Ok(None) => {}
            Err(complaint) => panic!("{complaint}: {words}"),
        }
        if view.is_clean {
            match qemu.run(&["check"]) {
                Ran::Well(_) => clean += 1,
                Ran::Refused(complaint) => panic!("{complaint}: {words}"),
                Ran::Inconclusive => {}
            }
        }
    }
    let inconclusive = qemu.inconclusive;
    println!("{agreed} agreed, {with_data} with data; {clean} clean; {inconclusive} inconclusive");
    assert!(with_data * 2 > agreed && clean * 4 > agreed * 3);
    assert!(inconclusive <= agreed / 20, "{inconclusive} inconclusive");
    reach.assert("version", 2);
    reach.assert("cluster_bits", CLUSTER_BITS.len());
    reach.assert("extended_l2", 2);
    reach.assert("external_data", 2);
    reach.assert("refcount_order", REFCOUNT_ORDERS.len());
    reach.assert("sharing", 4);
    reach.assert("parts last", 4);
    reach.assert("cut", 2);
    let tables = [Part::L1, Part::L2].map(|last| (last, true));
    reach.assert_all("lacks zeroes", tables);
    for kind in (0..6).map(Kind::decode) {
        reach.assert_all("kind", [false, true].map(|extended| (kind, extended)));
    }
}

fn note(recipe: &Recipe, virtual_size: u64, reach: &mut Reach) {
    let it = geometry(recipe);
    note_fields!(
        reach,
        it,
        version,
        cluster_bits,
        extended_l2,
        external_data,
        refcount_order
    );
    reach.note("sharing", it.sharing_snapshots());
    reach.note("parts last", it.order[3]);
    reach.note("cut", matches!(it.end, FileEnd::Cut(1..)));
    let is_cut = recipe.conditions.end != End::OfFile;
    reach.note("lacks zeroes", (it.order[3], is_cut));
    let on_disk = virtual_size.div_ceil(it.cluster());
    for unit in recipe.runs.units(on_disk, on_disk) {
        reach.note("kind", (Kind::decode(unit.kind), it.extended_l2));
    }
}

/// A recipe of a disk of eight clusters and one cluster of this kind, with these bytes.
fn one_cluster(kind: u8, set: &[(usize, u8)]) -> Recipe {
    let disk = [
        (at::SIZE_MODE, 4 << 2),
        (at::SIZE, 8),
        (at::RUNS + 2, 1),
        (at::RUNS + 3, kind),
    ];
    zeros_but(Qcow2, &[&disk, set].concat())
}

/// Known to differ: each reason that [`qemu_view`] has is one.
#[test]
fn qemu_takes_no_image_that_it_is_known_not_to_take() {
    let mut qemu = judge("recipe-qcow2-refused");
    let external = (27, 2);
    for recipe in [
        one_cluster(0, &[(28, 6)]),
        one_cluster(0, &[(28, 7)]),
        one_cluster(0, &[external, (24, 1), (29, 51)]),
        one_cluster(0, &[(157, 0xff), (12, 1)]),
    ] {
        let words = recipe.in_words();
        assert!(!qemu_view(&recipe).agrees, "{words}");
        let built = recipe.build();
        let truth = write(&qemu, &built);
        match qemu.map() {
            Ok(Some((size, _))) => assert_ne!(size, truth.virtual_size, "{words}"),
            Err(_) => {}
            Ok(None) => panic!("no answer: {words}"),
        }
    }
}

/// Known to differ: each reason for which [`qemu_view`] calls an image not clean is one.
#[test]
fn qemu_checks_complain_where_they_are_known_to() {
    let mut qemu = judge("recipe-qcow2-unclean");
    let extended = (27, 1);
    for recipe in [
        one_cluster(0xe0, &[]),
        one_cluster(0xe1, &[]),
        one_cluster(0xe2, &[]),
        one_cluster(0xe3, &[]),
        one_cluster(0xe5, &[extended]),
        one_cluster(0, &[(154, 1)]),
        one_cluster(0, &[(155, 1)]),
        one_cluster(0, &[(156, 0xff), (41, 1)]),
        one_cluster(0, &[(24, 1), (41, 5)]),
    ] {
        let words = recipe.in_words();
        let view = qemu_view(&recipe);
        assert!(view.agrees && !view.is_clean, "{words}");
        let built = recipe.build();
        let truth = write(&qemu, &built);
        let map = qemu.map().expect(&words).expect(&words);
        assert_eq!(map.1, truth.extents(), "{words}");
        let complains = matches!(qemu.run(&["check"]), Ran::Refused(_));
        assert!(complains, "qemu-img check finds nothing wrong: {words}");
    }
}
