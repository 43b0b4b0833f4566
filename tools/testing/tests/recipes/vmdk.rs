//! The knobs of VMDK recipes.

use harness_core::subject::ScanErrorKind::Corrupt;
use harness_core::subject::ScanFormat::Vmdk;
use recipes::aliases::Aliases;
use recipes::vmdk::{
    Geometry, Kind, Tail, WRONG_GRAINS, WRONG_TABLE_ENTRIES, WRONG_VERSIONS, geometry,
};
use sparse::SparseImage;

use crate::reach::{Reach, knobs};
use crate::{Sound, explore};

#[test]
fn recipes_model_and_scanner_agree_and_all_knobs_are_reached() {
    let reach = explore(Vmdk, 28, |_, _| {}, note);
    assert!(reach.count("aliases refused", Corrupt) > 0);
    assert!(reach.count("first directory entry", 1) > 0);
    assert_eq!(reach.count("answer", "several reasons"), 0);
}

fn note(sound: &Sound<'_>, reach: &mut Reach) {
    let it = geometry(sound.recipe);
    note_geometry(&it, reach);
    match sound.answer {
        Ok(summary) => {
            reach.knob("accepted placement", it.placement, 6);
            if it.kind == Kind::Sparse && summary.allocated_bytes != 0 {
                reach.note("first directory entry", first_directory_entry(sound.image));
            }
            if it.aliases != Aliases::NONE {
                reach.knob("aliases accepted", summary.allocated_bytes != 0, 2);
            }
            for unit in sound.recipe.runs.units(1 << 30, 1 << 30) {
                reach.knob("kind of grain", unit.kind % 8, 8);
            }
        }
        Err(kind) if it.aliases != Aliases::NONE => reach.note("aliases refused", kind),
        Err(_) => {}
    }
}

fn first_directory_entry(image: &SparseImage) -> u32 {
    let (mut directory, mut entry) = ([0; 8], [0; 4]);
    image.read(56, &mut directory);
    image.read(u64::from_le_bytes(directory) * 512, &mut entry);
    u32::from_le_bytes(entry)
}

fn note_geometry(it: &Geometry, reach: &mut Reach) {
    knobs!(
        reach,
        it,
        kind: 3,
        magic: 5,
        grain_sectors: 8 + WRONG_GRAINS.len(),
        version: 3 + WRONG_VERSIONS.len(),
        redundant: 4,
        descriptor: 4 + 13,
        placement: 6,
        order: 4,
        tables: 3,
        spare: 4 * 4,
        overhead: 6,
        longest_directory: 2,
        table_entries: 1 + WRONG_TABLE_ENTRIES.len(),
        capacity: 5,
        footer_fault: 1 + 8,
        nonsense_first: 2,
    );
    reach.knob("zeroed grains", it.has_zeroed_grains(), 2);
    let tail = match it.tail {
        Tail::Bytes(_) => Tail::Bytes(1),
        tail => tail,
    };
    reach.knob("tail", tail, 4);
}
