//! VHDX images.

use harness_core::crc32c;
use harness_core::subject::ScanFormat::Vhdx;

use super::{Applies, Example, ImageEvidence, Known};
use crate::differential::blocks;

/// The first region table, and its length, in bytes.
const REGION_TABLE: u64 = 192 << 10;
const REGION_TABLE_LENGTH: usize = 64 << 10;

pub(super) const KNOWN: &[Known] = &[
    Known {
        id: "vhdx-first-region-table",
        reason: "QEMU reads the first region table only; the specification has the second one for when the first is damaged",
        applies: Applies::Image(Vhdx, |evidence| {
            evidence.only_they_refuse("") && !has_first_region_table(evidence)
        }),
        example: Example::Recipe(&[]),
    },
    Known {
        id: "vhdx-logical-sectors",
        reason: "QEMU knows logical sectors of 512 bytes only; the specification has 4096 as well",
        applies: Applies::Image(Vhdx, |evidence| {
            evidence.only_they_refuse("not supported")
                && blocks::logical_sector(evidence.image) == Some(4096)
        }),
        example: Example::Recipe(&[]),
    },
    Known {
        id: "vhdx-bitmap-entry",
        reason: "QEMU verifies a sector bitmap's entry as if it were a block's; a disk without a parent has no use for it",
        applies: Applies::Image(Vhdx, |evidence| {
            evidence.only_they_refuse("overlaps with region")
        }),
        example: Example::Recipe(&[]),
    },
    Known {
        id: "vhdx-reserved-state",
        reason: "QEMU opens an image with a block in a state that a disk without a parent does not have",
        applies: Applies::Image(Vhdx, |evidence| {
            evidence.only_we_refuse("a block has a reserved state")
                || evidence
                    .only_we_refuse("a block is partially present in a disk without a parent")
        }),
        example: Example::Recipe(&[]),
    },
    Known {
        id: "vhdx-log",
        reason: "QEMU replays a log, or finds nothing in it, and goes on; a scanner does not write",
        applies: Applies::Image(Vhdx, |evidence| {
            evidence.only_we_refuse("a log that has to be replayed first")
        }),
        example: Example::Recipe(&[]),
    },
    Known {
        id: "vhdx-item-length",
        reason: "QEMU does not look at the length of a metadata item, which its kind determines",
        applies: Applies::Image(Vhdx, |evidence| {
            evidence.only_we_refuse("a metadata item has a wrong length")
        }),
        example: Example::Recipe(&[]),
    },
    Known {
        id: "vhdx-region-place",
        reason: "QEMU takes regions that are not in whole MiB, or not wholly in the file",
        applies: Applies::Image(Vhdx, |evidence| evidence.only_we_refuse("a region is not")),
        example: Example::Recipe(&[]),
    },
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
