//! Recipes of VHD images: what they state is true, they reach every knob, and qemu-img sees in their
//! images what they state.

mod support;

use std::num::NonZeroU64;

use fastrand::Rng;
use harness_core::subject::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use harness_core::subject::ScanFormat::Vhd;
use recipes::vhd::{
    Beginning, CREATORS, Chs, ChsChoice, DYNAMIC, FIXED, Footer, Footers, Geometry,
    LARGEST_GEOMETRY, Placement, WRONG_BLOCKS, WRONG_VERSIONS, geometry,
};
use support::{Qemu, Reach, assert_truth, decode, note_fields, random_recipe, truth, zeros_but};

#[test]
fn a_geometry_is_the_one_that_the_calculator_knows() {
    // Sizes in sectors at which the rule changes, among others.
    for sectors in (0..40)
        .map(|bits| (1_u64 << bits) - 1)
        .chain([
            17 * 4 * 1024,
            17 * 16 * 1024,
            31 * 16 * 1024,
            65535 * 16 * 63,
            65535 * 16 * 63 + 1,
            LARGEST_GEOMETRY,
        ])
        .flat_map(|sectors| [sectors, sectors + 1])
    {
        let measured = measure::chs(sectors);
        assert_eq!(
            Chs::of(sectors),
            Chs(
                measured.cylinders,
                measured.heads,
                measured.sectors_per_track
            ),
            "{sectors}"
        );
    }
}

#[test]
fn what_a_recipe_says_is_what_the_scanner_answers() {
    let mut random = Rng::with_seed(0x6376_6878);
    let mut reach = Reach::default();
    for nth in 0..20_000 {
        let bytes = random_recipe(&mut random, Vhd, nth % 6 == 0);
        let recipe = decode(&bytes);
        let geometry = geometry(&recipe);
        let built = recipe.build();
        if nth % 16 == 0 {
            assert!(recipe.in_words().starts_with("vhd image of "));
        }
        let Some(truth) = truth(&recipe, &built) else {
            continue;
        };
        let block = NonZeroU64::new(geometry.block());
        let unit = if nth % 2 == 0 { block } else { recipe.unit };
        let _ = assert_truth(&recipe, &built, unit);
        note(&mut reach, &geometry);
        match truth.answer(None) {
            None => reach.note("answer", "several"),
            Some(Ok(summary)) => {
                reach.note("answer", "a summary");
                reach.note("data", summary.allocated_bytes != 0);
                reach.note("accepted placement", geometry.placement);
                reach.note("accepted footers", geometry.footers);
                reach.note("accepted type", geometry.disk_type);
                if geometry.disk_type == DYNAMIC {
                    reach.note("accepted block", geometry.block_size);
                    let blocks = summary.virtual_size.div_ceil(geometry.block());
                    let extents = truth.extents();
                    for unit in recipe.runs.units(blocks, blocks) {
                        if unit.kind < 0xfe && unit.kind % 5 == 4 {
                            let start = unit.index * geometry.block();
                            let is_data = extents
                                .iter()
                                .any(|extent| (extent.0..extent.1).contains(&start));
                            reach.note("a block over the footer is data", is_data);
                        }
                    }
                }
                let exact = truth.own_size.map(|own| own.at_least == own.at_most);
                reach.note("own size", exact);
            }
            Some(Err(kind)) => reach.note("answer", kind),
        }
        for unit in recipe.runs.units(1 << 30, 1 << 30) {
            reach.note(
                "kind of block",
                match unit.kind {
                    0xfe | 0xff => unit.kind,
                    kind => kind % 5,
                },
            );
        }
    }
    for (knob, values) in [
        ("disk_type", 2 + 6),
        ("block_size", 23 + WRONG_BLOCKS.len()),
        ("creator", CREATORS.len()),
        ("chs", 5),
        ("current_size", 4),
        ("too_large", 4),
        ("placement", 6),
        ("footers", Footers::SOUND.len() + Footers::WRONG.len()),
        ("order", 4),
        ("spare", 3),
        ("most_blocks", 2),
        ("reserved feature", 2),
        ("version", 1 + WRONG_VERSIONS.len()),
        ("header_version", 1 + WRONG_VERSIONS.len()),
        ("beginning", 3),
        ("longer", 3),
        ("fault", 1 + 8),
        ("answer", 5),
        ("data", 2),
        ("own size", 3),
        ("accepted placement", 6),
        ("accepted footers", Footers::SOUND.len()),
        ("accepted type", 2),
        ("accepted block", 23),
        ("kind of block", 7),
    ] {
        reach.assert(knob, values);
    }
    assert!(reach.count("a block over the footer is data", true) > 100);
    for kind in [Unsupported, Corrupt, NotThisFormat] {
        assert!(reach.count("answer", kind) > 50, "{kind:?}");
    }
    assert!(reach.count("answer", "a summary") > 8_000);
    assert!(reach.count("data", true) > 5_000);
    assert!(reach.count("own size", Some(true)) > 500);
}

fn note(reach: &mut Reach, geometry: &Geometry) {
    note_fields!(
        reach,
        geometry,
        disk_type,
        block_size,
        creator,
        current_size,
        too_large,
        placement,
        footers,
        order,
        most_blocks,
        version,
        header_version,
        beginning,
        fault
    );
    let chs = match geometry.chs {
        ChsChoice::Given(_) => ChsChoice::Given(Chs(0, 0, 0)),
        chs => chs,
    };
    reach.note("chs", chs);
    reach.note("spare", geometry.spare.1);
    reach.note("reserved feature", geometry.features & 2);
    reach.note("longer", geometry.longer.signum());
}

#[test]
fn a_recipe_of_zeros_is_an_empty_disk() {
    let recipe = zeros_but(Vhd, &[]);
    let built = recipe.build();
    let truth = built.truth.as_ref().unwrap();
    assert_eq!((truth.virtual_size, truth.extents()), (0, vec![]));
    assert_eq!(built.image.capacity(), 2048);
    assert!(assert_truth(&recipe, &built, NonZeroU64::new(2 << 20)).is_ok());
}

/// Why qemu-img refuses what a scanner takes: known differences, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// A dynamic disk stands and falls with the footer's copy.
    Copy,
    /// What a fixed disk begins with is taken for the copy; an empty one begins with its footer.
    Beginning,
    /// Entries past the disk's end are looked at, and the file has to reach the sector's end behind the
    /// table. Not each such image is refused.
    Table,
}

fn qemu_refuses(geometry: &Geometry, size: u64) -> Option<Refusal> {
    if geometry.disk_type == FIXED {
        let empty = size == 0 && geometry.longer == 0;
        let looks_dynamic =
            (size != 0 || geometry.longer > 0) && geometry.beginning != Beginning::Zeros;
        return (empty || looks_dynamic).then_some(Refusal::Beginning);
    }
    let no_footer = matches!(geometry.footers.end, Footer::Absent | Footer::Short);
    if geometry.footers.copy != Footer::Good {
        Some(Refusal::Copy)
    } else {
        let table_end = geometry.placement == Placement::TableEnd && no_footer;
        (geometry.spare.0 != 0 || table_end).then_some(Refusal::Table)
    }
}

/// qemu-img agrees on undamaged images that a scanner takes; where it is known to be of another mind, it
/// still is. (It tells the blocks of a dynamic disk, holes of the file or not, as data.)
#[test]
fn qemu_img_sees_what_a_recipe_says() {
    let mut random = Rng::with_seed(0x7165_6d75);
    let mut qemu = Qemu::new("recipe_vhd", "vpc");
    let mut reach = Reach::default();
    let (mut agreed, mut with_data) = (0, 0);
    let mut tries = 0;
    while agreed < 160 {
        tries += 1;
        assert!(tries < 2_000, "only {agreed} agreed");
        let recipe = decode(&random_recipe(&mut random, Vhd, false));
        let geometry = geometry(&recipe);
        let built = recipe.build();
        let truth = built.truth.as_ref().expect("undamaged");
        if truth.is_refused() {
            continue;
        }
        let words = recipe.in_words();
        qemu.write(&built.image);
        let expected = qemu_refuses(&geometry, truth.virtual_size);
        let size = match (qemu.virtual_size(), expected) {
            (Err(complaint), None) => panic!("{complaint}: {words}"),
            (Err(_), Some(refusal)) => {
                reach.note("refused", refusal);
                continue;
            }
            (Ok(None), _) => continue,
            (Ok(_), Some(Refusal::Copy | Refusal::Beginning)) => {
                panic!("qemu-img takes what it did not: {words}")
            }
            (Ok(Some(size)), _) => size,
        };
        assert_eq!(size, truth.virtual_size, "{words}");
        let map = qemu
            .map()
            .unwrap_or_else(|complaint| panic!("{complaint}: {words}"));
        let Some((_, data)) = map else { continue };
        // Of a fixed disk it tells the file's holes.
        if geometry.disk_type == DYNAMIC {
            assert_eq!(data, truth.extents(), "{words}");
            with_data += u64::from(!data.is_empty());
        }
        agreed += 1;
        note(&mut reach, &geometry);
    }
    println!(
        "{agreed} images agree with qemu-img, {with_data} dynamic ones with data; {} runs inconclusive",
        qemu.inconclusive
    );
    assert!(qemu.inconclusive <= 5);
    assert!(with_data > 70);
    reach.assert("refused", 3);
    reach.assert("disk_type", 2);
    reach.assert("creator", CREATORS.len());
    reach.assert("placement", 6);
    reach.assert("order", 4);
    // Those with a copy that is good.
    reach.assert("footers", 6);
}
