//! Where QEMU and we differ about VHD; `known.txt` has the rest.

use measure::{VhdOpts, VhdSubformat};
use types::Options as CalcOptions;

use crate::differential::evidence::{ImageEvidence, KnownAnswer};
use crate::differential::question::{Question, Source, Way};

pub(super) const ANSWERS: &[KnownAnswer] = &[KnownAnswer {
    id: "vhd-empty-fixed-not-opened",
    applies: |evidence| evidence.cannot_open_its_own(),
    example: || {
        let opts = VhdOpts {
            subformat: VhdSubformat::Fixed,
            ..VhdOpts::default()
        };
        Question::empty(CalcOptions::Vhd(opts), 0, Way::Convert(Source::Raw))
    },
}];

pub(super) fn condition(name: &str, evidence: &ImageEvidence<'_>) -> bool {
    let last = evidence.asked.image.capacity().checked_sub(512);
    match name {
        // The footer at the file's end makes it a fixed one.
        "a fixed disk begins with the cookie" => {
            has_cookie(evidence, 0) && last.is_some_and(|last| evidence.big::<4>(last + 60) == 2)
        }
        // In the header that the footer's copy names; QEMU takes no other.
        "blocks of less than 4096 bytes" => {
            let field = evidence.big::<8>(16).checked_add(32);
            field.map_or(0, |at| evidence.big::<4>(at)) < 4096
        }
        "QEMU goes by the geometry" => [Some(0), last]
            .into_iter()
            .flatten()
            .any(|footer| goes_by_geometry(evidence, footer)),
        _ => panic!("no condition {name}"),
    }
}

fn has_cookie(evidence: &ImageEvidence<'_>, at: u64) -> bool {
    evidence.big::<8>(at) == u64::from_be_bytes(*b"conectix")
}

/// Whether the footer at this byte has another geometry than size, and QEMU takes the geometry: for the
/// size, or when it looks whether the table is large enough, or when the size is too large.
fn goes_by_geometry(evidence: &ImageEvidence<'_>, footer: u64) -> bool {
    let cylinders = evidence.big::<2>(footer + 56);
    let heads = evidence.big::<1>(footer + 58);
    let sectors = evidence.big::<1>(footer + 59);
    let geometry = cylinders * heads * sectors * 512;
    let both = evidence.both();
    has_cookie(evidence, footer)
        && geometry != evidence.big::<8>(footer + 48)
        && (both.is_some_and(|(_, disk)| disk.size == geometry)
            || evidence.only_they_refuse("Page table too small")
            || evidence.only_we_refuse("a disk of more than 0xff000000 sectors"))
}
