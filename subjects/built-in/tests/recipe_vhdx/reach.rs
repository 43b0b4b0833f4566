//! What the scanner and the calculator answer is what recipes state, and every knob is reached.

use fastrand::Rng;
use harness_core::subject::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};
use harness_core::subject::ScanFormat::Vhdx;
use recipes::at;
use recipes::truth::Truth;
use recipes::vhdx::geometry::Headers;
use recipes::vhdx::oddity::Oddity;
use recipes::vhdx::{Geometry, geometry};

use crate::found::Found;
use crate::support::{Reach, assert_truth, decode, note_fields, random_recipe, truth, zeros_but};

fn note(reach: &mut Reach, geometry: &Geometry) {
    note_fields!(
        reach,
        geometry,
        physical_sector,
        boundary,
        headers,
        tables,
        parts,
        spare_bat,
        bitmaps,
        log_length,
        metadata_length,
        unknown_regions,
        unknown_length,
        items,
        items_lie,
        unknown_items,
        unknown_items_stand,
        order,
        file_end,
        creator,
        most_blocks,
        exact_entries,
        far,
        log_outside
    );
    let g = geometry;
    reach.note("block", (g.block_size, g.logical_sector));
    if g.headers != Headers::Equal {
        reach.note("stale", (g.stale, g.headers));
        reach.note("distance", (g.distance, g.headers));
    }
    reach.note(
        "signature",
        (g.header_signature_wrong, g.table_signature_wrong),
    );
    reach.note("regions stand", (g.unknown_regions_stand, g.metadata_first));
    reach.note(
        "parameters",
        (g.leave_blocks_allocated, g.parameters_reserved),
    );
    for bit in 0..8 {
        reach.note("reserved bit", (bit, g.reserved.has(1 << bit)));
    }
    reach.note("log version", g.log_version.min(1));
}

fn note_blocks(reach: &mut Reach, found: &Found) {
    for entry in found.entries.iter().filter(|entry| **entry != 0) {
        let (place, reserved) = (*entry >> 20 != 0, *entry >> 3 & 0x1ffff != 0);
        reach.note("state", (entry & 7, place, reserved));
    }
    for entry in &found.past_the_end {
        reach.note("state past the end", entry & 7);
    }
    let blocks = found.entries.len() as u64;
    if let Some((last, _)) = found.present().last() {
        let in_part = !found.virtual_size.is_multiple_of(found.block_size);
        reach.note(
            "last block is present, in part",
            (last + 1 == blocks, in_part),
        );
    }
}

#[test]
fn what_recipes_state_is_true_and_all_knobs_are_reached() {
    let mut random = Rng::with_seed(0x7668_6478);
    let mut reach = Reach::default();
    for nth in 0..20_000 {
        let recipe = decode(&random_recipe(&mut random, Vhdx, nth % 8 == 0));
        let built = recipe.build();
        let geometry = geometry(&recipe);
        note(&mut reach, &geometry);
        let Some(truth) = truth(&recipe, &built) else {
            continue;
        };
        let answer = assert_truth(&recipe, &built, recipe.unit);
        if truth.answer(recipe.unit).is_none() {
            reach.note("answer", "several reasons");
            continue;
        }
        reach.note("oddity", (name(geometry.oddity), answer.err()));
        if geometry.oddity == Oddity::None {
            note_blocks(&mut reach, &Found::of(&built.image, &geometry));
        }
        if !truth.is_refused() {
            note_own_size(&mut reach, truth);
        }
    }
    conclude(&reach);
}

/// An oddity's name, without its argument.
fn name(oddity: Oddity) -> String {
    let name = format!("{oddity:?}");
    name.split('(').next().unwrap_or_default().to_owned()
}

fn note_own_size(reach: &mut Reach, truth: &Truth) {
    let own = truth.own_size.map(|own| own.at_least == own.at_most);
    let has_data = own.is_some() && !truth.extents().is_empty();
    reach.note("own size is exact", (own, has_data));
}

fn conclude(reach: &Reach) {
    for (knob, values) in [
        ("block", 9 * 2),
        ("physical_sector", 4),
        ("boundary", 7),
        ("headers", 5),
        ("stale", 5 * 4),
        ("distance", 4 * 4),
        ("signature", 4),
        ("tables", 4),
        ("parts", 120),
        ("spare_bat", 8),
        ("bitmaps", 5),
        ("log_length", 4),
        ("log_outside", 2),
        ("log version", 2),
        ("metadata_length", 8),
        ("unknown_regions", 4 + 11),
        ("unknown_length", 4),
        ("regions stand", 3 * 2),
        ("items", 120),
        ("items_lie", 4),
        ("unknown_items", 4),
        ("unknown_items_stand", 3),
        ("parameters", 4),
        ("order", 4),
        ("file_end", 4),
        ("creator", 4),
        ("reserved bit", 16),
        ("most_blocks", 2),
        ("exact_entries", 9),
        ("far", 21),
        ("last block is present, in part", 4),
        ("own size is exact", 1 + 2 + 2),
        // Without a place there is nothing of state 0 to see; a present block has one.
        ("state", 6 * 4 + 3 + 2),
        ("state past the end", 8),
        ("answer", 1),
    ] {
        reach.assert(knob, values);
    }
    // Blocks in wrong states, and too many regions, are knobs of their own.
    let none = name(Oddity::None);
    let of_none = [None, Some(Corrupt), Some(Unsupported)];
    reach.assert_all("oddity", of_none.map(|kind| (&none, kind)));
    for nth in 0..Oddity::COUNT {
        let oddity = geometry(&zeros_but(Vhdx, &[(at::RARE, 0x80 + nth)])).oddity;
        reach.assert_all("oddity", [(name(oddity), refusal(oddity))]);
    }
}

/// How a scanner must refuse what is odd.
fn refusal(oddity: Oddity) -> Option<ScanErrorKind> {
    match oddity {
        Oddity::None | Oddity::LargestDisk => None,
        Oddity::FileSignature(_) => Some(NotThisFormat),
        Oddity::DirtyLog
        | Oddity::Version(_)
        | Oddity::RequiredRegion
        | Oddity::RequiredItem
        | Oddity::ParentLocator
        | Oddity::HasParent => Some(Unsupported),
        _ => Some(Corrupt),
    }
}
