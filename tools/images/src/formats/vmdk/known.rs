//! Where QEMU and we differ about VMDK; `known.txt` has the rest.

use measure::VmdkSubformat;

use super::{of, with};
use crate::differential::evidence::{ImageEvidence, KnownAnswer, TheirAnswer};
use crate::differential::question::{Question, Source, Way};

pub(super) const ANSWERS: &[KnownAnswer] = &[
    KnownAnswer {
        id: "vmdk-grain-numbers",
        applies: |evidence| {
            of(&evidence.question.options).subformat != VmdkSubformat::MonolithicFlat
                && evidence.question.size.div_ceil(65536) > (1 << 32) - 512
                && matches!(evidence.theirs, TheirAnswer::Length(_))
        },
        example: || Question::empty(with(VmdkSubformat::MonolithicSparse), 1 << 48, Way::Create),
    },
    KnownAnswer {
        id: "vmdk-empty-not-opened",
        applies: |evidence| evidence.cannot_open_its_own(),
        example: || {
            let options = with(VmdkSubformat::MonolithicSparse);
            Question::empty(options, 0, Way::Convert(Source::Raw))
        },
    },
];

pub(super) fn condition(name: &str, evidence: &ImageEvidence<'_>) -> bool {
    match name {
        "there is no content id" => !has_content_id(evidence),
        // In the header at the start, or in the footer.
        "a header of version 0" => {
            let footer = evidence.asked.image.capacity().saturating_sub(1024);
            let begins = u64::from_le_bytes(*b"KDMV\0\0\0\0");
            [0, footer]
                .iter()
                .any(|&header| evidence.little::<8>(header) == begins)
        }
        _ => panic!("no condition {name}"),
    }
}

/// Whether there is a content id where QEMU looks for it: in the sectors 1 to 20.
fn has_content_id(evidence: &ImageEvidence<'_>) -> bool {
    let mut descriptor = [0; 20 * 512];
    evidence.asked.image.read(512, &mut descriptor);
    // It is a text, which ends with the first zero.
    let text = descriptor.split(|&byte| byte == 0).next();
    text.is_some_and(|text| text.windows(4).any(|four| four == b"CID="))
}
