//! Tables of entries of 32 bytes: the region tables and the metadata table.

use super::geometry::Geometry;
use crate::writer::Field;

/// A GUID as it lies in the file.
pub(super) type Guid = [u8; 16];

pub(super) const BAT: Guid = 0x6677_c22d_23f6_0042_9d64_115e_9bfd_4a08_u128.to_be_bytes();
pub(super) const METADATA: Guid = 0x06a2_7c8b_9047_9a4b_b8fe_575f_050f_886e_u128.to_be_bytes();
pub(super) const FILE_PARAMETERS: Guid =
    0x3767_a1ca_36fa_434d_b3b6_33f0_aa44_e76b_u128.to_be_bytes();

/// Entries that a region table, or the metadata table, can have.
pub(super) const MOST_ENTRIES: u64 = 2047;

/// The fields of a table's head, and behind them those of the entries that are offered to damage.
pub(super) type TableFields = [Field; HEAD + ENTRY * OFFERED];
const HEAD: usize = 4;
const ENTRY: usize = 4;
const OFFERED: usize = 10;

/// A table's head and entries of 32 bytes from `first` on.
pub(super) const fn table_fields(
    head: [Field; HEAD],
    first: u64,
    entry: [Field; ENTRY],
) -> TableFields {
    let mut fields = [head[0]; HEAD + ENTRY * OFFERED];
    let mut nth = 0;
    while nth < fields.len() {
        if nth < HEAD {
            fields[nth] = head[nth];
        } else {
            let within = nth - HEAD;
            fields[nth] = entry[within % ENTRY];
            fields[nth].at += first + 32 * (within / ENTRY) as u64;
        }
        nth += 1;
    }
    fields
}

/// How many entries a table has behind a head of so many bytes.
pub(super) fn entries(table: &[u8], head: usize) -> usize {
    (table.len() - head) / 32
}

/// What of its fields a table of so many entries offers to damage.
pub(super) fn offered(fields: &'static TableFields, entries: usize) -> &'static [Field] {
    &fields[..HEAD + ENTRY * entries.min(OFFERED)]
}

/// A GUID that the specification does not know; with an odd number it is all but the one of the BAT, or
/// of the file parameters.
pub(super) fn unknown_guid(geometry: &Geometry, nth: u64) -> Guid {
    let mut guid = if nth % 4 == 1 { BAT } else { FILE_PARAMETERS };
    if nth % 2 == 1 {
        guid[(geometry.garbage(nth) >> 8 & 15) as usize] ^= 0x40;
    } else {
        guid[4..12].copy_from_slice(&geometry.garbage(nth).to_le_bytes());
    }
    guid
}
