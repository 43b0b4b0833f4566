//! Where QEMU and we differ about VHDX; `known.txt` has the rest.

use harness_core::subject::ScanFormat;
use measure::MeasureError;
use sparse::{SparseImage, crc32c};

use super::{block_size, with};
use crate::differential::evidence::{ImageEvidence, KnownAnswer, TheirAnswer};
use crate::differential::question::{Question, Way};

/// The first region table, and its length, in bytes.
const REGION_TABLE: u64 = 192 << 10;
const REGION_TABLE_LENGTH: usize = 64 << 10;

pub(super) const ANSWERS: &[KnownAnswer] = &[KnownAnswer {
    id: "vhdx-block-size-rounded",
    applies: |evidence| {
        let block_size = block_size(&evidence.question.options);
        (!block_size.is_multiple_of(1 << 20) || block_size > 1 << 28)
            && evidence.ours == Err(MeasureError::InvalidOption)
            && matches!(evidence.theirs, TheirAnswer::Length(_))
    },
    example: || Question::empty(with(1), 1 << 20, Way::Create),
}];

pub(super) fn condition(name: &str, evidence: &ImageEvidence<'_>) -> bool {
    match name {
        "the first region table is damaged" => !has_first_region_table(evidence),
        "logical sectors of 4096 bytes" => logical_sector(evidence.asked.image) == Some(4096),
        "a log of another version" => in_a_header(evidence, 64, |version| version != 0),
        "a header of another version" => in_a_header(evidence, 66, |version| version != 1),
        "the disk is empty" => evidence.ours.is_ok_and(|disk| disk.virtual_size == 0),
        _ => panic!("no condition {name}"),
    }
}

/// Whether the number of two bytes at this byte of one of the headers is as `has` wants.
fn in_a_header(evidence: &ImageEvidence<'_>, at: u64, has: fn(u64) -> bool) -> bool {
    [64 << 10, 128 << 10]
        .iter()
        .any(|header| has(evidence.little::<2>(header + at)))
}

fn has_first_region_table(evidence: &ImageEvidence<'_>) -> bool {
    let mut table = vec![0; REGION_TABLE_LENGTH];
    evidence.asked.image.read(REGION_TABLE, &mut table);
    let checksum = evidence.little::<4>(REGION_TABLE + 4);
    table[4..8].fill(0);
    let right = crc32c::of_pieces(0, table.len() as u64, [(0, &table[..])].into_iter());
    table[..4] == *b"regi" && u64::from(right) == checksum
}

/// The size of the disk's sectors in bytes, of an image that its scanner takes.
fn logical_sector(image: &SparseImage) -> Option<u32> {
    let facts = model::scanners::facts(ScanFormat::Vhdx, image);
    facts.ok()?.logical_sector_size
}
