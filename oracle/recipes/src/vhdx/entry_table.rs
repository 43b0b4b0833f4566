//! Tables of entries of 32 bytes: the region tables and the metadata table.

use crate::writer::Field;

use super::geometry::Geometry;
use super::metadata::FILE_PARAMETERS;
use super::structures::BAT;

pub(super) type Guid = [u8; 16];

/// Entries that a region table, or the metadata table, can have.
pub(super) const MOST_ENTRIES: u64 = 2047;

/// Fields of a table's head, and how many entries' fields are behind them in the lists below.
pub(super) const FIELDS_OF_HEAD: usize = 4;
pub(super) const FIELDS_OF_ENTRY: usize = 4;
const ENTRIES_OFFERED: usize = 10;
pub(super) const FIELDS: usize = FIELDS_OF_HEAD + FIELDS_OF_ENTRY * ENTRIES_OFFERED;

/// A table's head and entries of 32 bytes from `first` on.
pub(super) const fn table_fields(
    head: [Field; FIELDS_OF_HEAD],
    first: u64,
    entry: [Field; FIELDS_OF_ENTRY],
) -> [Field; FIELDS] {
    let mut fields = [head[0]; FIELDS];
    let mut nth = 1;
    while nth < FIELDS_OF_HEAD {
        fields[nth] = head[nth];
        nth += 1;
    }
    while nth < FIELDS {
        let within = nth - FIELDS_OF_HEAD;
        let mut field = entry[within % FIELDS_OF_ENTRY];
        field.at += first + 32 * (within / FIELDS_OF_ENTRY) as u64;
        fields[nth] = field;
        nth += 1;
    }
    fields
}

/// A table of entries of 32 bytes behind its head, on its way.
pub(super) struct EntryTable<const N: usize> {
    pub(super) bytes: [u8; N],
    head: usize,
    pub(super) used: usize,
}

impl<const N: usize> EntryTable<N> {
    pub(super) const fn new(head: usize) -> Self {
        Self {
            bytes: [0; N],
            head,
            used: head,
        }
    }

    pub(super) fn push(&mut self, guid: Guid, rest: [u8; 16]) {
        let entry = &mut self.bytes[self.used..self.used + 32];
        entry[..16].copy_from_slice(&guid);
        entry[16..].copy_from_slice(&rest);
        self.used += 32;
    }

    pub(super) const fn entries(&self) -> usize {
        (self.used - self.head) / 32
    }

    /// What of its fields is offered to damage.
    pub(super) fn offered(&self, fields: &'static [Field; FIELDS]) -> &'static [Field] {
        &fields[..FIELDS_OF_HEAD + FIELDS_OF_ENTRY * self.entries().min(ENTRIES_OFFERED)]
    }
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
