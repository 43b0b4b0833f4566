//! Where QEMU and we differ about VHDX.

use measure::MeasureError;
use sparse::crc32c;

use super::blocks;
use super::{block_size, with};
use crate::differential::evidence::{ImageEvidence, Known, TheirAnswer};
use crate::differential::question::{Question, Way};

/// The first region table, and its length, in bytes.
const REGION_TABLE: u64 = 192 << 10;
const REGION_TABLE_LENGTH: usize = 64 << 10;

pub(super) const KNOWN: &[Known] = &[
    Known::calculator(
        "vhdx-block-size-rounded",
        "qemu-img rounds a block size up to 1 MiB and cuts it to 256 MiB before it looks at \
         it; so does a tool, and not the calculator",
        |evidence| {
            let block_size = block_size(&evidence.question.options);
            (!block_size.is_multiple_of(1 << 20) || block_size > 1 << 28)
                && evidence.ours == Err(MeasureError::InvalidOption)
                && matches!(evidence.theirs, TheirAnswer::Length(_))
        },
        || Question::empty(with(1), 1 << 20, Way::Create),
    ),
    Known::image(
        "vhdx-first-region-table",
        "QEMU reads the first region table only; the specification has the second one for \
         when the first is damaged",
        |evidence| evidence.only_they_refuse("") && !has_first_region_table(evidence),
        &[(0, &[3]), (29, &[17])],
    ),
    Known::image(
        "vhdx-logical-sectors",
        "QEMU knows logical sectors of 512 bytes only; the specification has 4096 as well",
        |evidence| {
            evidence.only_they_refuse("not supported")
                && blocks::logical_sector(evidence.image) == Some(4096)
        },
        &[(0, &[3]), (25, &[9])],
    ),
    Known::image(
        "vhdx-bitmap-entry",
        "QEMU verifies a sector bitmap's entry as if it were a block's; a disk without a \
         parent has no use for it",
        |evidence| evidence.only_they_refuse("overlaps with region"),
        &[(0, &[3]), (26, &[17]), (37, &[52])],
    ),
    Known::image(
        "vhdx-reserved-state",
        "QEMU opens an image with a block in a state that a disk without a parent does not \
         have",
        |evidence| {
            evidence.only_we_refuse("a block has a reserved state")
                || evidence
                    .only_we_refuse("a block is partially present in a disk without a parent")
        },
        &[(0, &[3]), (3, &[74]), (78, &[1, 249])],
    ),
    Known::image(
        "vhdx-log",
        "QEMU replays a log, or finds nothing in it, and goes on; a scanner does not write",
        |evidence| evidence.only_we_refuse("a log that has to be replayed first"),
        &[(0, &[3]), (152, &[131])],
    ),
    Known::image(
        "vhdx-log-version",
        "QEMU refuses a log version other than 0 also when there is no log to replay",
        |evidence| evidence.only_they_refuse("") && has_log_version(evidence),
        &[(0, &[3]), (162, &[1])],
    ),
    Known::image(
        "vhdx-header-version",
        "QEMU takes the older header when the newer one is of another version; a version that \
         is not known is no damage",
        |evidence| evidence.only_we_refuse("a version other than 1"),
        &[
            (0, &[3]),
            (26, &[1, 71]),
            (29, &[235]),
            (40, &[171]),
            (86, &[5]),
            (120, &[1, 177]),
        ],
    ),
    Known::image(
        "vhdx-many-regions",
        "a scanner has no heap to keep hundreds of unknown regions apart",
        |evidence| evidence.only_we_refuse("more regions than the scanner can keep apart"),
        &[(0, &[3]), (159, &[246])],
    ),
    Known::image(
        "vhdx-item-place",
        "QEMU reads metadata wherever it is said to be, also outside of its region",
        |evidence| {
            evidence.only_we_refuse("a metadata item is not between the metadata table")
                || evidence.only_we_refuse("the metadata table is not wholly in its region")
        },
        &[(0, &[3]), (40, &[214]), (120, &[1, 175])],
    ),
    Known::image(
        "vhdx-last-block-cut",
        "QEMU takes a last block that the file holds only as far as the disk goes, as it \
         writes it itself, but not behind a sector bitmap's entry",
        |evidence| evidence.only_they_refuse("points after end of file"),
        &[
            (0, &[3]),
            (24, &[187]),
            (26, &[101]),
            (47, &[125]),
            (65, &[190, 14]),
        ],
    ),
    Known::image(
        "vhdx-file-of-part-sectors",
        "QEMU takes a file to be as long as whole sectors of 512 bytes, also when the last \
         one, in which a block ends, is not all there",
        |evidence| {
            evidence.only_we_refuse("a block runs past the end of the file")
                && !evidence.image.capacity().is_multiple_of(512)
        },
        &[(0, &[3]), (3, &[106]), (58, &[1]), (152, &[237])],
    ),
    Known::image(
        "vhdx-empty-disk",
        "QEMU counts 2^32 - 1 blocks of a disk of no bytes, and looks at their entries, or \
         for a table as large",
        |evidence| {
            evidence.only_they_refuse("") && evidence.ours.is_ok_and(|disk| disk.virtual_size == 0)
        },
        &[(0, &[3]), (61, &[223, 93])],
    ),
    Known::image(
        "vhdx-block-over",
        "QEMU opens an image with a block over the headers, the log or a region",
        |evidence| evidence.only_we_refuse("a block lies over the headers, the log or a region"),
        &[
            (0, &[3]),
            (14, &[1]),
            (30, &[4]),
            (58, &[4]),
            (120, &[1, 245]),
        ],
    ),
    Known::image(
        "vhdx-size-of-part-sectors",
        "QEMU cuts a size that is no whole number of sectors; the specification has none",
        |evidence| {
            evidence.only_we_refuse("the disk's size is not a multiple of its logical sectors")
        },
        &[(0, &[3]), (128, &[1, 148]), (131, &[154])],
    ),
    Known::image(
        "vhdx-log-place",
        "QEMU does not look where a log lies in which there is nothing to replay",
        |evidence| evidence.only_we_refuse("the log's place is not in whole MiB"),
        &[(0, &[3]), (32, &[1]), (136, &[1, 20, 0, 143, 0, 1])],
    ),
    Known::image(
        "vhdx-item-length",
        "QEMU does not look at the length of a metadata item, which its kind determines",
        |evidence| evidence.only_we_refuse("a metadata item has a wrong length"),
        &[(0, &[3]), (152, &[155])],
    ),
    Known::image(
        "vhdx-region-place",
        "QEMU takes regions that are not in whole MiB, or not wholly in the file",
        |evidence| evidence.only_we_refuse("a region is not"),
        &[(0, &[3]), (152, &[237])],
    ),
];

/// Whether the first region table is in order.
fn has_first_region_table(evidence: &ImageEvidence<'_>) -> bool {
    let mut table = vec![0; REGION_TABLE_LENGTH];
    evidence.image.read(REGION_TABLE, &mut table);
    let checksum = evidence.little::<4>(REGION_TABLE + 4);
    table[4..8].fill(0);
    let right = crc32c::of_pieces(0, table.len() as u64, [(0, &table[..])].into_iter());
    table[..4] == *b"regi" && u64::from(right) == checksum
}

/// Whether one of the headers says that the log is of another version than 0.
fn has_log_version(evidence: &ImageEvidence<'_>) -> bool {
    [64 << 10, 128 << 10]
        .iter()
        .any(|header| evidence.little::<2>(header + 64) != 0)
}
