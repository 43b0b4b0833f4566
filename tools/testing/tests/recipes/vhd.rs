//! The knobs of VHD recipes.

use harness_core::subject::ScanFormat::Vhd;
use recipes::vhd::{
    CREATORS, Chs, ChsChoice, DYNAMIC, Footers, Geometry, LARGEST_GEOMETRY, WRONG_BLOCKS,
    WRONG_VERSIONS, geometry,
};

use crate::reach::{Reach, knobs};
use crate::{Sound, explore};

#[test]
fn recipes_model_and_scanner_agree_and_all_knobs_are_reached() {
    let reach = explore(Vhd, 19, |_, _| {}, note);
    assert!(reach.count("a block over the footer is data", true) > 100);
}

fn note(sound: &Sound<'_>, reach: &mut Reach) {
    let it = geometry(sound.recipe);
    note_geometry(&it, reach);
    for unit in sound.recipe.runs.units(1 << 30, 1 << 30) {
        let kind = if unit.kind < 0xfe {
            unit.kind % 5
        } else {
            unit.kind
        };
        reach.knob("kind of block", kind, 7);
    }
    let Ok(summary) = sound.answer else {
        return;
    };
    reach.knob("accepted placement", it.placement, 6);
    reach.knob("accepted footers", it.footers, Footers::SOUND.len());
    reach.knob("accepted type", it.disk_type, 2);
    if it.disk_type == DYNAMIC {
        reach.knob("accepted block", it.block_size, 23);
        let blocks = summary.virtual_size.div_ceil(it.block());
        let extents = sound.truth.extents();
        for unit in sound.recipe.runs.units(blocks, blocks) {
            if unit.kind < 0xfe && unit.kind % 5 == 4 {
                let start = unit.index * it.block();
                let is_data = extents
                    .iter()
                    .any(|extent| (extent.0..extent.1).contains(&start));
                reach.note("a block over the footer is data", is_data);
            }
        }
    }
}

fn note_geometry(it: &Geometry, reach: &mut Reach) {
    knobs!(
        reach,
        it,
        disk_type: 2 + 6,
        block_size: 23 + WRONG_BLOCKS.len(),
        creator: CREATORS.len(),
        current_size: 4,
        too_large: 4,
        placement: 6,
        footers: Footers::SOUND.len() + Footers::WRONG.len(),
        order: 4,
        most_blocks: 2,
        version: 1 + WRONG_VERSIONS.len(),
        header_version: 1 + WRONG_VERSIONS.len(),
        beginning: 3,
        fault: 1 + 8,
    );
    let chs = match it.chs {
        ChsChoice::Given(_) => ChsChoice::Given(Chs(0, 0, 0)),
        chs => chs,
    };
    reach.knob("chs", chs, 5);
    reach.knob("spare", it.spare.1, 3);
    reach.knob("reserved feature", it.features & 2, 2);
    reach.knob("longer", it.longer.signum(), 3);
}

#[test]
fn a_geometry_is_the_one_that_the_calculator_knows() {
    // Sizes in sectors at which the rule changes, among others.
    let limits = [
        17 * 4 * 1024,
        17 * 16 * 1024,
        31 * 16 * 1024,
        65535 * 16 * 63,
        LARGEST_GEOMETRY,
    ];
    for limit in (0..40).map(|bits| 1 << bits).chain(limits) {
        for sectors in limit - 1..=limit + 1 {
            let measured = measure::chs(sectors);
            let (heads, sectors_per_track) = (measured.heads, measured.sectors_per_track);
            let expected = Chs(measured.cylinders, heads, sectors_per_track);
            assert_eq!(Chs::of(sectors), expected, "{sectors}");
        }
    }
}
