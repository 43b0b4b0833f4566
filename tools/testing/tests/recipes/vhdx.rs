//! The knobs of VHDX recipes.

use harness_core::subject::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};
use harness_core::subject::ScanFormat::Vhdx;
use model::readings::Readings;
use recipes::at;
use recipes::vhdx::geometry::Headers;
use recipes::vhdx::oddity::Oddity;
use recipes::vhdx::{Geometry, geometry, knobs::*};

use crate::random::Bytes;
use crate::reach::{Reach, knobs};
use crate::{Sound, explore, zeros_but};

#[test]
fn recipes_model_and_scanner_agree_and_all_knobs_are_reached() {
    let with_logs = |bytes: &mut Bytes, random: &mut fastrand::Rng| {
        if random.u8(..8) == 0 {
            bytes[LOG] = 0x60 | random.u8(..0x20);
            bytes[LOG_FIRST] = random.u8(..4);
            bytes[LOG_OUTSIDE..LOG].fill(0);
            bytes[ODDITY] = 0;
        }
    };
    let reach = explore(Vhdx, 39, with_logs, note);
    // Blocks in wrong states, and too many regions, are knobs of their own.
    let none = name(Oddity::None);
    let of_none = [None, Some(Corrupt), Some(Unsupported)];
    reach.assert_all("oddity", of_none.map(|kind| (&none, kind)));
    for nth in 0..Oddity::COUNT {
        let oddity = geometry(&zeros_but(Vhdx, &[(at::RARE, 0x80 + nth)])).oddity;
        reach.assert_all("oddity", [(name(oddity), refusal(oddity))]);
    }
}

fn note(sound: &Sound<'_>, reach: &mut Reach) {
    let it = geometry(sound.recipe);
    note_geometry(&it, reach);
    note_log(&it, sound, reach);
    if sound.truth.answer(None).is_none() {
        return;
    }
    reach.note("oddity", (name(it.oddity), sound.answer.err()));
    if it.oddity == Oddity::None {
        let blocks = sound.truth.virtual_size.div_ceil(it.block_size);
        for unit in sound.recipe.runs.units(blocks, blocks) {
            let state = if unit.kind < 0xf0 {
                unit.kind % 5
            } else {
                5 + unit.kind % 3
            };
            reach.knob("block", (state, unit.extra), 8 * 8);
        }
    }
    if sound.answer.is_ok() {
        let size = sound.truth.virtual_size;
        let extents = sound.truth.extents();
        let last_is_data = extents.last().is_some_and(|extent| extent.1 == size);
        let in_part = !size.is_multiple_of(it.block_size);
        reach.knob("last block", (last_is_data, in_part), 4);
    }
}

/// What a log makes of the image is what the recipe states.
fn note_log(it: &Geometry, sound: &Sound<'_>, reach: &mut Reach) {
    let Some(log) = it.log else { return };
    let unit = sound.recipe.unit;
    let needs_replay = sound.truth.needs_replay;
    let replayed = Readings::of(Vhdx, sound.image, unit).replayed.ok();
    let due = needs_replay.then(|| sound.truth.summary(unit));
    assert_eq!(replayed, due.or(sound.answer.ok()), "{log:?}");
    if needs_replay {
        let how = (it.log_changes_size, it.log_replaces_data, it.log_first % 4);
        reach.knob("log", (log, how), 4 * 2 * 2 * 4);
    }
}

fn note_geometry(it: &Geometry, reach: &mut Reach) {
    knobs!(
        reach,
        it,
        physical_sector: 4,
        boundary: 7,
        headers: 5,
        tables: 4,
        parts: 120,
        spare_bat: 8,
        bitmaps: 5,
        log_length: 4,
        metadata_length: 8,
        unknown_regions: 4 + 11,
        unknown_length: 4,
        items: 120,
        items_lie: 4,
        unknown_items: 4,
        unknown_items_stand: 3,
        order: 4,
        file_end: 4,
        creator: 4,
        most_blocks: 2,
        exact_entries: 9,
        far: 21,
        log_outside: 2,
    );
    reach.knob("block size", (it.block_size, it.logical_sector), 9 * 2);
    if it.headers != Headers::Equal {
        reach.knob("stale", (it.stale, it.headers), 5 * 4);
        reach.knob("distance", (it.distance, it.headers), 4 * 4);
    }
    let signature = (it.header_signature_wrong, it.table_signature_wrong);
    reach.knob("signature", signature, 4);
    let stand = (it.unknown_regions_stand, it.metadata_first);
    reach.knob("regions stand", stand, 3 * 2);
    let parameters = (it.leave_blocks_allocated, it.parameters_reserved);
    reach.knob("parameters", parameters, 4);
    for bit in 0..8 {
        reach.knob("reserved bit", (bit, it.reserved.has(1 << bit)), 16);
    }
    reach.knob("log version", it.log_version.min(1), 2);
}

/// An oddity's name, without its argument.
fn name(oddity: Oddity) -> String {
    let name = format!("{oddity:?}");
    name.split('(').next().unwrap_or_default().to_owned()
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
