//! Where QEMU and we differ about qcow2; `known.txt` has the rest.

use measure::Qcow2Opts;
use recipes::qcow2::is_clean_for_qemu;
use types::Options as CalcOptions;

use crate::differential::evidence::{ImageEvidence, KnownAnswer, TheirAnswer};
use crate::differential::qemu::bytes_of;
use crate::differential::question::{Question, Way};

pub(super) const ANSWERS: &[KnownAnswer] = &[KnownAnswer {
    id: "qcow2-measured-not-created",
    applies: |evidence| {
        evidence.ours.is_err()
            && matches!(evidence.theirs, TheirAnswer::Sizes(..))
            && (evidence.not_created)()
    },
    example: || {
        let opts = Qcow2Opts {
            compat_v3: false,
            lazy_refcounts: true,
            ..Qcow2Opts::default()
        };
        Question::empty(CalcOptions::Qcow2(opts), 1 << 20, Way::MeasureSize)
    },
}];

/// The header's size, its kind of encryption, and its incompatible features are at these bytes.
pub(super) fn condition(name: &str, evidence: &ImageEvidence<'_>) -> bool {
    match name {
        "the image is encrypted" => evidence.big::<4>(32) != 0,
        "the data is external" => evidence.big::<8>(72) & 4 != 0,
        "QEMU rounds the size" => rounds_the_size(evidence, evidence.big::<8>(24)),
        "a sound image that is not clean" => {
            let recipe = evidence.asked.recipe;
            evidence.asked.truth.is_some()
                && evidence.theirs.check.is_some()
                && recipe.is_some_and(|recipe| !is_clean_for_qemu(recipe))
        }
        _ => panic!("no condition {name}"),
    }
}

fn rounds_the_size(evidence: &ImageEvidence<'_>, size: u64) -> bool {
    let Some((ours, disk)) = evidence.both() else {
        return false;
    };
    let data = disk.data.as_deref().map_or(0, bytes_of);
    ours.virtual_size == size
        && !size.is_multiple_of(512)
        && disk.size == size - size % 512
        && (data..data + 512).contains(&ours.allocated_bytes)
}
