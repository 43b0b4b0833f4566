//! Where QEMU and we differ about VHD.

use measure::{VhdOpts, VhdSubformat};
use types::Options as CalcOptions;

use crate::differential::evidence::{ImageEvidence, Known};
use crate::differential::question::{Question, Source, Way};

pub(super) const KNOWN: &[Known] = &[
    Known::calculator(
        "vhd-empty-fixed-not-opened",
        "qemu-img writes an empty fixed disk, which is one footer, and then takes it for a \
         dynamic disk's",
        |evidence| evidence.cannot_open_its_own(),
        || {
            let opts = VhdOpts {
                subformat: VhdSubformat::Fixed,
                ..VhdOpts::default()
            };
            Question::empty(CalcOptions::Vhd(opts), 0, Way::Convert(Source::Raw))
        },
    ),
    Known::image(
        "vhd-footer-copy",
        "QEMU takes a dynamic disk by the footer's copy alone; the specification has the copy \
         for when the footer is damaged, and either one is enough",
        |evidence| {
            evidence.only_they_refuse("Incorrect header checksum")
                || evidence.only_they_refuse("invalid VPC image")
        },
        &[(0, &[2, 242])],
    ),
    Known::image(
        "vhd-fixed-begins-with-cookie",
        "QEMU takes what a fixed disk begins with for a dynamic disk's footer, also when that \
         is its guest's data, or the disk is empty and its footer comes first",
        |evidence| {
            evidence.only_they_refuse("") && begins_with_cookie(evidence) && is_fixed(evidence)
        },
        &[(0, &[2]), (24, &[85])],
    ),
    Known::image(
        "vhd-entries-past-the-disk",
        "QEMU looks at all entries of the table, and refuses an image when one past the \
         disk's end names a place past the file's",
        |evidence| evidence.only_they_refuse("free_data_block_offset points after the end of file"),
        &[(0, &[2]), (37, &[1, 1])],
    ),
    Known::image(
        "vhd-file-of-part-sectors",
        "QEMU takes a file to be as long as whole sectors of 512 bytes, also when the last \
         one, in which a block or the table ends, is not all there",
        |evidence| {
            (evidence.only_we_refuse("a block runs past the end of the file")
                || evidence.only_we_refuse("the BAT is not wholly in the file"))
                && !evidence.image.capacity().is_multiple_of(512)
        },
        &[
            (0, &[2]),
            (3, &[32, 40]),
            (33, &[101]),
            (62, &[26, 255]),
            (86, &[54]),
        ],
    ),
    Known::image(
        "vhd-tiny-blocks",
        "QEMU rounds the sector bitmap of a block of less than 4096 bytes down to nothing, so \
         that its blocks are shorter and end before the file does",
        |evidence| {
            evidence.only_we_refuse("a block runs past the end of the file")
                && block_size(evidence) < 4096
        },
        &[
            (0, &[2]),
            (3, &[11]),
            (15, &[1]),
            (25, &[103]),
            (27, &[3]),
            (120, &[2]),
            (123, &[85, 68]),
            (126, &[217, 110]),
        ],
    ),
    Known::image(
        "vhd-fixed-cut",
        "QEMU takes a fixed disk that is larger than its file, and reads zeroes there",
        |evidence| evidence.only_we_refuse("a fixed disk is larger than its file"),
        &[(0, &[2]), (14, &[1]), (24, &[189]), (44, &[251])],
    ),
    Known::image(
        "vhd-reserved-feature",
        "QEMU does not look at the features, of which the specification has one bit always \
         set",
        |evidence| evidence.only_we_refuse("the footer's features lack the reserved bit"),
        &[(0, &[2]), (40, &[252])],
    ),
    Known::image(
        "vhd-version",
        "QEMU does not look at the versions of footer and header, of which there is one: 1.0",
        |evidence| evidence.only_we_refuse("of a version other than 1.0"),
        &[(0, &[2]), (42, &[248])],
    ),
    Known::image(
        "vhd-header-checksum",
        "QEMU does not verify the dynamic disk header's checksum",
        |evidence| evidence.only_we_refuse("the dynamic disk header's checksum is wrong"),
        &[(0, &[2, 58])],
    ),
    Known::image(
        "vhd-over-header",
        "QEMU does not mind a block or the table over the footer's copy or the header, nor a \
         block over the table",
        |evidence| evidence.only_we_refuse("lies over the footer's copy"),
        &[(0, &[2]), (14, &[1]), (58, &[1]), (120, &[2])],
    ),
    Known::image(
        "vhd-size-by-geometry",
        "QEMU before 10.0 goes by the geometry for creators other than those of which it \
         knows better; now it goes by the current size but for its own and Virtual PC's",
        |evidence| {
            goes_by_geometry(evidence, 0)
                || evidence
                    .image
                    .capacity()
                    .checked_sub(512)
                    .is_some_and(|footer| goes_by_geometry(evidence, footer))
        },
        &[(0, &[2]), (14, &[1]), (26, &[7])],
    )
    .gone_since(10),
    Known::image(
        "vhd-disk-type",
        "QEMU looks for a fixed disk by its footer's place and takes every other type for a \
         dynamic disk; a differencing one holds only what its parent does not",
        |evidence| {
            evidence.only_we_refuse("a differencing disk")
                || evidence.only_we_refuse("a disk type other than")
        },
        &[(0, &[2]), (24, &[250])],
    ),
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

/// Whether the footer at this byte has another geometry than size, and QEMU takes the geometry: for the
/// size, or when it looks whether the table is large enough, or when the size is too large.
fn goes_by_geometry(evidence: &ImageEvidence<'_>, footer: u64) -> bool {
    let cylinders = evidence.big::<2>(footer + 56);
    let heads = evidence.big::<1>(footer + 58);
    let sectors = evidence.big::<1>(footer + 59);
    let geometry = cylinders * heads * sectors * 512;
    let has_cookie = evidence.big::<8>(footer) == u64::from_be_bytes(*b"conectix");
    has_cookie
        && geometry != evidence.big::<8>(footer + 48)
        && (evidence
            .both()
            .is_some_and(|(_, disk)| disk.size == geometry)
            || evidence.only_they_refuse("Page table too small")
            || evidence.only_we_refuse("a disk of more than 0xff000000 sectors"))
}

/// The block size in bytes, in the header that the footer's copy names; QEMU takes no other.
fn block_size(evidence: &ImageEvidence<'_>) -> u64 {
    let header = evidence.big::<8>(16);
    header.checked_add(32).map_or(0, |at| evidence.big::<4>(at))
}
