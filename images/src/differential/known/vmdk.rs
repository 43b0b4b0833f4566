//! VMDK images.

use harness_core::subject::ScanFormat::Vmdk;

use super::{Applies, Example, ImageEvidence, Known};

pub(super) const KNOWN: &[Known] = &[
    Known {
        id: "vmdk-descriptor",
        reason: "QEMU needs the embedded descriptor, with a content id; which data there is it does not say",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_they_refuse("") && !has_content_id(evidence)
        }),
        example: Example::Recipe(&[(0, &[1]), (29, &[41])]),
    },
    Known {
        id: "vmdk-footer-not-in-sectors",
        reason: "QEMU looks for a footer before the file's end rounded up to whole sectors; it lies 1024 bytes before the end itself",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            !evidence.image.capacity().is_multiple_of(512)
                && (evidence.only_they_refuse("footer") || evidence.only_we_refuse("footer"))
        }),
        example: Example::Recipe(&[(0, &[1]), (24, &[8]), (36, &[1])]),
    },
    Known {
        id: "vmdk-redundant-directory",
        reason: "QEMU reads the redundant directory when it opens an image; the other one is the one that counts",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| evidence.only_they_refuse("backup table")),
        example: Example::Recipe(&[(0, &[1]), (120, &[3, 54]), (123, &[2])]),
    },
    Known {
        id: "vmdk-table-past-end",
        reason: "QEMU reads what is past the end of the file as zeroes; a table that is not wholly there is corrupt",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_we_refuse("is not wholly in the file")
        }),
        example: Example::Recipe(&[(0, &[1]), (35, &[1, 255])]),
    },
    Known {
        id: "vmdk-directory-wraps",
        reason: "QEMU takes the directory's place in bytes modulo 2^64; in sectors it is far past the file's end",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_we_refuse("the grain directory is past 2^64")
        }),
        example: Example::Recipe(&[(0, &[1]), (24, &[194]), (136, &[3, 62, 218])]),
    },
    Known {
        id: "vmdk-text-descriptor",
        reason: "QEMU follows a text descriptor to the files of its extents, of which there may be none; a scanner has one file, and names the kind",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_we_refuse("a text descriptor of")
        }),
        example: Example::Recipe(&[(0, &[1]), (29, &[245]), (136, &[3, 86])]),
    },
    Known {
        id: "vmdk-version-0",
        reason: "QEMU takes version 0, which the specification does not know",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_we_refuse("a VMDK version other than 1 to 3") && has_version_0(evidence)
        }),
        example: Example::Recipe(&[(0, &[1]), (26, &[240])]),
    },
    Known {
        id: "vmdk-grain-size",
        reason: "QEMU takes grains of any number of sectors up to 2^21; the specification's are powers of two, of at most 128",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_we_refuse("a grain size that is no power of two")
        }),
        example: Example::Recipe(&[(0, &[1]), (25, &[249])]),
    },
    Known {
        id: "vmdk-table-entries",
        reason: "QEMU takes tables of fewer than 512 entries, which nobody writes",
        gone_since: None,
        applies: Applies::Image(Vmdk, |evidence| {
            evidence.only_we_refuse("grain tables of another length than 512 entries")
        }),
        example: Example::Recipe(&[(0, &[1]), (120, &[1, 214, 224, 33])]),
    },
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
