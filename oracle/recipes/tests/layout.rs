//! Each declared byte of a recipe matters, and no other byte does.

use recipes::{Knob, LENGTH, Recipe, at, knobs};
use types::ScanFormat;

/// The decoded geometry of a recipe, as text, in the order of [`ScanFormat::ALL`].
const GEOMETRIES: [fn(&Recipe) -> String; ScanFormat::COUNT] = [
    |recipe| format!("{:?}", recipes::qcow2::geometry(recipe)),
    |recipe| format!("{:?}", recipes::vmdk::geometry(recipe)),
    |recipe| format!("{:?}", recipes::vhd::geometry(recipe)),
    |recipe| format!("{:?}", recipes::vhdx::geometry(recipe)),
];

fn positions(knobs: &[Knob]) -> Vec<usize> {
    let of_knob = |knob: &Knob| knob.at..knob.at + knob.length;
    knobs.iter().flat_map(of_knob).collect()
}

#[test]
fn the_common_layout_has_no_gap_and_no_overlap() {
    assert_eq!(positions(at::LAYOUT), (0..LENGTH).collect::<Vec<_>>());
}

#[test]
fn a_formats_knobs_are_the_bytes_that_its_geometry_depends_on() {
    let mut random = fastrand::Rng::with_seed(1);
    for format in ScanFormat::ALL {
        let geometry =
            |bytes: &[u8]| GEOMETRIES[format as usize](&Recipe::decode(bytes).expect("version 0"));
        let declared = positions(knobs(format));
        assert!(declared.is_sorted_by(|a, b| a < b), "{format:?}");
        for position in 0..LENGTH {
            let is_declared = declared.contains(&position);
            let is_own = (at::GEOMETRY..at::RUNS).contains(&position) || position >= at::RARE;
            assert!(is_own || !is_declared, "{format:?}, byte {position}");
            if !is_own {
                continue;
            }
            // Some knobs matter only with a rare value of another.
            let matters = (0..if is_declared { 5000 } else { 100 }).any(|_| {
                let mut bytes = [0; LENGTH];
                for byte in &mut bytes {
                    *byte = random.u8(..) | if random.bool() { 0xf0 } else { 0 };
                    *byte = if random.bool() { *byte } else { 0 };
                }
                bytes[at::FORMAT] = format as u8;
                let before = geometry(&bytes);
                bytes[position] = random.u8(..);
                geometry(&bytes) != before
            });
            assert_eq!(matters, is_declared, "{format:?}, byte {position}");
        }
    }
}
