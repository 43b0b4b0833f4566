//! VHD images.

use harness_core::subject::ScanFormat::Vhd;

use super::{Applies, Example, ImageEvidence, Known};

pub(super) const KNOWN: &[Known] = &[
    Known {
        id: "vhd-footer-copy",
        reason: "QEMU takes a dynamic disk by the footer's copy alone; the specification has the copy for when the footer is damaged, and either one is enough",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_they_refuse("Incorrect header checksum")
                || evidence.only_they_refuse("invalid VPC image")
        }),
        example: Example::Recipe(&[(0, &[2, 242])]),
    },
    Known {
        id: "vhd-fixed-begins-with-cookie",
        reason: "QEMU takes what a fixed disk begins with for a dynamic disk's footer, also when that is its guest's data, or the disk is empty and its footer comes first",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_they_refuse("") && begins_with_cookie(evidence) && is_fixed(evidence)
        }),
        example: Example::Recipe(&[(0, &[2]), (24, &[85])]),
    },
    Known {
        id: "vhd-entries-past-the-disk",
        reason: "QEMU looks at all entries of the table, and refuses an image when one past the disk's end names a place past the file's",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_they_refuse("free_data_block_offset points after the end of file")
        }),
        example: Example::Recipe(&[(0, &[2]), (37, &[1, 1])]),
    },
    Known {
        id: "vhd-fixed-cut",
        reason: "QEMU takes a fixed disk that is larger than its file, and reads zeroes there",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_we_refuse("a fixed disk is larger than its file")
        }),
        example: Example::Recipe(&[(0, &[2]), (14, &[1]), (24, &[189]), (44, &[251])]),
    },
    Known {
        id: "vhd-reserved-feature",
        reason: "QEMU does not look at the features, of which the specification has one bit always set",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_we_refuse("the footer's features lack the reserved bit")
        }),
        example: Example::Recipe(&[(0, &[2]), (40, &[252])]),
    },
    Known {
        id: "vhd-version",
        reason: "QEMU does not look at the versions of footer and header, of which there is one: 1.0",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_we_refuse("of a version other than 1.0")
        }),
        example: Example::Recipe(&[(0, &[2]), (42, &[248])]),
    },
    Known {
        id: "vhd-header-checksum",
        reason: "QEMU does not verify the dynamic disk header's checksum",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_we_refuse("the dynamic disk header's checksum is wrong")
        }),
        example: Example::Recipe(&[(0, &[2, 58])]),
    },
    Known {
        id: "vhd-over-header",
        reason: "QEMU does not mind a block or the table over the footer's copy or the header, nor a block over the table",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_we_refuse("lies over the footer's copy")
        }),
        example: Example::Recipe(&[(0, &[2]), (14, &[1]), (58, &[1]), (120, &[2])]),
    },
    Known {
        id: "vhd-disk-type",
        reason: "QEMU looks for a fixed disk by its footer's place and takes every other type for a dynamic disk; a differencing one holds only what its parent does not",
        applies: Applies::Image(Vhd, |evidence| {
            evidence.only_we_refuse("a differencing disk")
                || evidence.only_we_refuse("a disk type other than")
        }),
        example: Example::Recipe(&[(0, &[2]), (24, &[250])]),
    },
];

fn begins_with_cookie(evidence: &ImageEvidence<'_>) -> bool {
    let mut beginning = [0; 8];
    evidence.image.read(0, &mut beginning);
    beginning == *b"conectix"
}

/// Whether the footer at the file's end says that the disk is a fixed one.
fn is_fixed(evidence: &ImageEvidence<'_>) -> bool {
    evidence
        .image
        .capacity()
        .checked_sub(512)
        .is_some_and(|footer| evidence.big::<4>(footer + 60) == 2)
}
