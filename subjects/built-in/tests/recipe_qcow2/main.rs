//! Recipes of qcow2 images: every byte string makes one, the scanner finds in it what the recipe states,
//! and qemu-img takes it for a real image.

mod qemu;
#[path = "../support/mod.rs"]
mod support;

use fastrand::Rng;
use harness_core::subject::{ScanErrorKind, ScanFormat::Qcow2};
use recipes::conditions::End;
use recipes::qcow2::geometry;
use recipes::qcow2::geometry::{CLUSTER_BITS, FileEnd, L1Length, Part, REFCOUNT_ORDERS};
use recipes::qcow2::header::Oddity;
use recipes::qcow2::knobs;
use recipes::qcow2::units::{FIRST_ODD, Kind};
use recipes::{Recipe, at};
use support::{Bytes, Reach, assert_truth, decode, note_fields, random_recipe};
use testing::qemu::Folder;
use types::AllocationSummary;

/// A recipe of an undamaged image without what is rare: nothing odd about the header, odd clusters, keys.
fn usual_recipe(random: &mut Rng) -> Bytes {
    let mut bytes = random_recipe(random, Qcow2, false);
    bytes[at::RARE..].fill(0);
    bytes[knobs::ENCRYPTION] = 0;
    for run in bytes[at::RUNS..at::DAMAGES].chunks_exact_mut(4) {
        run[3] %= FIRST_ODD;
    }
    bytes
}

/// The same on a device that ends up to 64 KiB before the file, and as often as not inside a table.
fn cut_the_end(bytes: &mut Bytes, random: &mut Rng) {
    bytes[at::END_MODE] = 4;
    let cut = random.u16(..) >> random.u32(..16);
    bytes[at::END..at::END + 2].copy_from_slice(&cut.to_le_bytes());
    if random.bool() {
        // Refcounts first, and then L2 or L1 last.
        bytes[knobs::ORDER] = random.u8(1..=2);
    }
}

#[test]
fn nothing_at_all_is_the_empty_image_that_qemu_makes() {
    let folder = Folder::new();
    folder.create("qcow2", "", "empty", 0);
    let built = decode(&[]).build();
    let length = folder.length("empty");
    assert_eq!(built.image.capacity(), length);
    let mut bytes = vec![0; length as usize];
    built.image.read(0, &mut bytes);
    let mut expected = folder.read("empty");
    // The names of features, which a recipe has not by default.
    expected[112..512].fill(0);
    assert!(bytes == expected, "the images differ");
}

/// How many recipes the scanner is asked about.
const RECIPES: u64 = 20_000;

#[test]
fn the_scanner_finds_in_an_image_what_its_recipe_states() {
    let mut random = Rng::with_seed(11);
    let mut reach = Reach::default();
    for nth in 0..RECIPES {
        let bytes = match nth % 2 {
            0 => usual_recipe(&mut random),
            _ => random_recipe(&mut random, Qcow2, false),
        };
        let recipe = decode(&bytes);
        assert_eq!(recipe.conditions.end, End::OfFile);
        let built = recipe.build();
        let answer = assert_truth(&recipe, &built, recipe.unit);
        if let Some(own) = built.truth.as_ref().and_then(|truth| truth.own_size) {
            assert!(own.at_most - own.at_least <= own.at_least / 8 + (8 << 20));
        }
        note(&recipe, answer, &mut reach);
    }
    assert_all_reached(&reach);
}

#[test]
fn the_scanner_finds_the_same_when_only_zeroes_of_the_last_cluster_are_missing() {
    let mut random = Rng::with_seed(13);
    let mut reach = Reach::default();
    for _ in 0..RECIPES / 2 {
        let mut bytes = usual_recipe(&mut random);
        cut_the_end(&mut bytes, &mut random);
        let recipe = decode(&bytes);
        let file = recipe.build().image.capacity();
        let built = recipe.build().on_device(&recipe.conditions);
        let missing = file - built.image.capacity();
        if built.truth.is_none() {
            reach.note("not the same", missing > geometry(&recipe).cluster());
            continue;
        }
        let answer = assert_truth(&recipe, &built, recipe.unit);
        if missing != 0 {
            let last = geometry(&recipe).order[3];
            let has_data = answer.is_ok_and(|it| it.allocated_bytes != 0);
            reach.note("the same", (last, has_data));
        }
    }
    reach.assert("not the same", 2);
    for last in [Part::Refcounts, Part::L1, Part::L2, Part::Data] {
        reach.assert_all("the same", [(last, true), (last, false)]);
    }
}

fn note(recipe: &Recipe, answer: Result<AllocationSummary, ScanErrorKind>, reach: &mut Reach) {
    let it = geometry(recipe);
    reach.note("answer", answer.map(|it| it.allocated_bytes != 0));
    reach.note("oddity", (it.oddity, answer.err()));
    reach.note("cluster", (it.cluster_bits, it.extended_l2));
    note_fields!(
        reach,
        it,
        version,
        refcount_order,
        encryption,
        header_length,
        order
    );
    reach.note(
        "features",
        (it.external_data, it.raw_external_data, it.zstd),
    );
    reach.note("marks", (it.dirty, it.corrupt));
    reach.note("turned", (it.interleaved, it.l2_reversed, it.data_reversed));
    reach.note("snapshots", (it.snapshots, it.sharing_snapshots()));
    reach.note("backing", (it.backing_name.min(2), it.backing_name_last));
    reach.note("nonsense", (it.l1_nonsense, it.l1_reserved != 0));
    let l1 = match it.l1_length {
        L1Length::More(more) => L1Length::More(more.min(2)),
        L1Length::WholeClusters(more) => L1Length::WholeClusters(more.min(1)),
        limit @ L1Length::Limit(_) => limit,
    };
    reach.note("L1", l1);
    let end = match it.end {
        FileEnd::Cut(bytes) => FileEnd::Cut(bytes.min(1)),
        FileEnd::Grown(_) => FileEnd::Grown(0),
    };
    reach.note("end", end);
    if let Ok(summary) = answer {
        let on_disk = summary.virtual_size.div_ceil(it.cluster());
        for unit in recipe.runs.units(on_disk, on_disk) {
            reach.note("kind", (Kind::decode(unit.kind), it.version));
            if it.extended_l2 {
                reach.note("pattern", (Kind::decode(unit.kind), unit.extra));
            }
        }
    }
}

fn assert_all_reached(reach: &Reach) {
    for (knob, values) in [
        ("answer", 5),
        ("version", 2),
        ("cluster", CLUSTER_BITS.len() + 8),
        ("refcount_order", REFCOUNT_ORDERS.len()),
        ("encryption", 3),
        // 72, 104, and 112 to 512 by eights.
        ("header_length", 2 + 51),
        ("order", 24),
        ("features", 3 * 2),
        ("marks", 4),
        ("turned", 8),
        ("backing", 6),
        ("nonsense", 4),
        ("L1", 3 + 2 + 3),
        ("end", 3),
    ] {
        reach.assert(knob, values);
    }
    for oddity in Oddity::ALL {
        reach.assert_all("oddity", [(oddity, refusal(oddity))]);
    }
    let shared = [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 2), (3, 3)];
    reach.assert_all("snapshots", shared);
    let usual = (0..6).map(Kind::decode);
    reach.assert_all(
        "kind",
        usual.clone().flat_map(|kind| [(kind, 2), (kind, 3)]),
    );
    let odd = (FIRST_ODD..FIRST_ODD + 4).map(Kind::decode);
    reach.assert_all("kind", odd.map(|kind| (kind, 3)));
    let patterns = usual.flat_map(|kind| (0..8).map(move |extra| (kind, extra)));
    reach.assert_all("pattern", patterns);
}

/// How a scanner must refuse what is odd.
fn refusal(oddity: Oddity) -> Option<ScanErrorKind> {
    match oddity {
        Oddity::Magic => Some(ScanErrorKind::NotThisFormat),
        Oddity::UnknownFeature | Oddity::Version | Oddity::Encryption | Oddity::CompressionType => {
            Some(ScanErrorKind::Unsupported)
        }
        Oddity::None
        | Oddity::MostSnapshots
        | Oddity::LargestRefcountTable
        | Oddity::HeaderUnaligned
        | Oddity::HeaderOfACluster
        | Oddity::BackingNameAtEnd
        | Oddity::RefcountTableAlmostFar
        | Oddity::SnapshotsAlmostFar => None,
        _ => Some(ScanErrorKind::Corrupt),
    }
}
