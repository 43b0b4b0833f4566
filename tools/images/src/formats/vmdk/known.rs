//! Where QEMU and we differ about VMDK.

use measure::VmdkSubformat;

use super::{of, with};
use crate::differential::evidence::{CalculatorEvidence, ImageEvidence, Known, TheirAnswer};
use crate::differential::question::{Question, Source, Way};

pub(super) const KNOWN: &[Known] = &[
    Known::calculator(
        "vmdk-grain-numbers",
        "qemu-img cuts numbers of grains to 32 bits: from 2^32 - 512 grains on it writes no \
         tables, or too few; we count them, up to 2^32 - 1 grains",
        |evidence| {
            !is_flat(evidence)
                && evidence.question.size.div_ceil(65536) > (1 << 32) - 512
                && matches!(evidence.theirs, TheirAnswer::Length(_))
        },
        || Question::empty(with(VmdkSubformat::MonolithicSparse), 1 << 48, Way::Create),
    ),
    Known::calculator(
        "vmdk-empty-not-opened",
        "qemu-img writes an empty disk's header, and then does not open it",
        |evidence| evidence.cannot_open_its_own(),
        || {
            Question::empty(
                with(VmdkSubformat::MonolithicSparse),
                0,
                Way::Convert(Source::Raw),
            )
        },
    ),
    Known::image(
        "vmdk-descriptor",
        "QEMU needs the embedded descriptor, with a content id; which data there is it does \
         not say",
        |evidence| evidence.only_they_refuse("") && !has_content_id(evidence),
        &[(0, &[1]), (29, &[41])],
    ),
    Known::image(
        "vmdk-footer-not-in-sectors",
        "QEMU looks for a footer before the file's end rounded up to whole sectors; it lies \
         1024 bytes before the end itself",
        |evidence| {
            !evidence.image.capacity().is_multiple_of(512)
                && (evidence.only_they_refuse("footer") || evidence.only_we_refuse("footer"))
        },
        &[(0, &[1]), (24, &[8]), (36, &[1])],
    ),
    Known::image(
        "vmdk-redundant-directory",
        "QEMU reads the redundant directory when it opens an image; the other one is the one \
         that counts",
        |evidence| evidence.only_they_refuse("backup table"),
        &[(0, &[1]), (120, &[3, 54]), (123, &[2])],
    ),
    Known::image(
        "vmdk-table-past-end",
        "QEMU reads what is past the end of the file as zeroes; a table that is not wholly \
         there is corrupt",
        |evidence| evidence.only_we_refuse("is not wholly in the file"),
        &[(0, &[1]), (35, &[1, 255])],
    ),
    Known::image(
        "vmdk-directory-wraps",
        "QEMU takes the directory's place in bytes modulo 2^64; in sectors it is far past the \
         file's end",
        |evidence| evidence.only_we_refuse("the grain directory is past 2^64"),
        &[(0, &[1]), (24, &[194]), (136, &[3, 62, 218])],
    ),
    Known::image(
        "vmdk-text-descriptor",
        "QEMU follows a text descriptor to the files of its extents, of which there may be \
         none; a scanner has one file, and names the kind",
        |evidence| evidence.only_we_refuse("a text descriptor of"),
        &[(0, &[1]), (29, &[245]), (136, &[3, 86])],
    ),
    Known::image(
        "vmdk-version-0",
        "QEMU takes version 0, which the specification does not know",
        |evidence| {
            evidence.only_we_refuse("a VMDK version other than 1 to 3") && has_version_0(evidence)
        },
        &[(0, &[1]), (26, &[240])],
    ),
    Known::image(
        "vmdk-grain-size",
        "QEMU takes grains of any number of sectors up to 2^21; the specification's are \
         powers of two, of at most 128",
        |evidence| evidence.only_we_refuse("a grain size that is no power of two"),
        &[(0, &[1]), (25, &[249])],
    ),
    Known::image(
        "vmdk-table-entries",
        "QEMU takes tables of fewer than 512 entries, which nobody writes",
        |evidence| evidence.only_we_refuse("grain tables of another length than 512 entries"),
        &[(0, &[1]), (120, &[1, 214, 224, 33])],
    ),
];

/// Whether there is a content id where QEMU looks for it: in the sectors 1 to 20.
fn has_content_id(evidence: &ImageEvidence<'_>) -> bool {
    let mut descriptor = [0; 20 * 512];
    evidence.image.read(512, &mut descriptor);
    // It is a text, which ends with the first zero.
    let end = descriptor.iter().position(|&byte| byte == 0);
    let text = &descriptor[..end.unwrap_or(descriptor.len())];
    text.windows(4).any(|four| four == b"CID=")
}

/// Whether the header is of version 0: the one at the start, or the one in the footer.
fn has_version_0(evidence: &ImageEvidence<'_>) -> bool {
    let footer = evidence.image.capacity().saturating_sub(1024);
    [0, footer]
        .iter()
        .any(|header| evidence.little::<8>(*header) == u64::from_le_bytes(*b"KDMV\0\0\0\0"))
}

fn is_flat(evidence: &CalculatorEvidence<'_>) -> bool {
    of(&evidence.question.options).subformat == VmdkSubformat::MonolithicFlat
}
