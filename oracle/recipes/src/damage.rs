//! What is broken on purpose: numbers of structures and entries of tables, from tables of boundaries.
//!
//! A damage is eight bytes:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | what is hit, mod 4: 0 nothing, 1 a number of a structure, 2 a table's entry, 3 a byte of a structure; a byte from 0xf0 on, with 2: the entries behind it get its new value too (see [`FOLLOWING`]) |
//! | 1–2 | which one, modulo what there is |
//! | 3 | the new value, an index into [`VALUES`] modulo its length |
//! | 4–7 | the argument of a value that takes one |

use crate::layout::Bytes;
use crate::writer::{Field, ImageWriter, Structure};

pub use crate::writer::Done;

/// One damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    hits: u8,
    /// How many of the entries behind the one that is hit get its new value.
    following: u64,
    which: u16,
    value: Value,
    argument: u32,
}

/// How many entries behind the one that is hit may get its new value too, as far as the table has so
/// many, by bits 2–3 of a damage's first byte: a whole directory then names one table.
pub const FOLLOWING: [u64; 4] = [3, 31, 255, 2047];

/// The new value of what damage hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A constant.
    Constant(u64),
    /// The field's limit, and so much more (wrapping).
    Limit(i64),
    /// What names the file's end, and so many steps more.
    EndOfFile(i64),
    /// What names the file's last sector of 512 bytes.
    LastSector,
    /// The value before, and so much more (wrapping).
    Before(i64),
    /// The value before, and the argument more (wrapping).
    BeforeAndArgument,
    /// The value before with one bit turned: the argument's.
    BitTurned,
    /// The argument.
    Argument,
    /// The argument times 2^32.
    HighArgument,
    /// The argument's place in the file: the byte offset `argument`, in steps.
    PlaceOfArgument,
    /// What another entry of the same table, or field of the same structure, holds: an alias.
    Another,
    /// What names the start of a structure: an overlap.
    StartOfStructure,
    /// What names the start of a table: an overlap.
    StartOfTable,
}

/// What damage may write.
pub const VALUES: [Value; 32] = [
    Value::Constant(0),
    Value::Constant(1),
    Value::Limit(-1),
    Value::Limit(0),
    Value::Limit(1),
    Value::Constant(1 << 31),
    Value::Constant(1 << 32),
    Value::Constant(1 << 63),
    Value::Constant(u64::MAX),
    Value::EndOfFile(-1),
    Value::EndOfFile(0),
    Value::EndOfFile(1),
    Value::LastSector,
    Value::Before(-1),
    Value::Before(1),
    Value::BeforeAndArgument,
    Value::BitTurned,
    Value::Argument,
    Value::HighArgument,
    Value::PlaceOfArgument,
    Value::Another,
    Value::StartOfStructure,
    Value::StartOfTable,
    Value::Constant(2),
    Value::Constant(3),
    Value::Constant(4),
    Value::Constant((1 << 31) - 1),
    Value::Constant((1 << 32) - 1),
    Value::Constant((1 << 63) - 1),
    Value::Constant(512),
    Value::Constant(u64::MAX - 1),
    Value::Before(512),
];

impl Damage {
    pub(super) fn decode(bytes: &Bytes, at: usize) -> Self {
        let hits = bytes.u8(at);
        Self {
            hits: hits & 3,
            following: match hits {
                0xf0.. => FOLLOWING[usize::from(hits >> 2 & 3)],
                _ => 0,
            },
            which: bytes.u16(at + 1),
            value: VALUES[usize::from(bytes.u8(at + 3)) % VALUES.len()],
            argument: bytes.u32(at + 4),
        }
    }

    /// Damages the file; `None` when there is nothing of the kind to hit, or the value was that before.
    pub(super) fn apply(&self, writer: &mut ImageWriter) -> Option<Done> {
        if self.hits == 0 {
            return None;
        }
        let which = u64::from(self.which);
        let argument = u64::from(self.argument);
        let structures = writer.structures();
        let hit = match self.hits {
            1 => {
                let fields = structures.iter().map(|s| s.fields.len() as u64);
                let (nth, index) = nth_of(fields, which)?;
                let Structure { start, fields, .. } = structures[nth];
                let other = fields[self.argument as usize % fields.len()];
                let field = fields[index as usize];
                Hit {
                    field: Field {
                        at: start + field.at,
                        ..field
                    },
                    following: 0,
                    another: (start + other.at, other.width),
                }
            }
            2 => {
                let entries = writer.tables().iter().map(|table| table.entries);
                let (nth, index) = nth_of(entries, which)?;
                let table = writer.tables()[nth];
                let place = |index: u64| table.start + index * u64::from(table.width);
                Hit {
                    field: Field::place(table.name, place(index), table.width, table.scale),
                    following: self.following.min(table.entries - index - 1),
                    another: (place(argument % table.entries), table.width),
                }
            }
            _ => {
                let nth = usize::from(self.which >> 8).checked_rem(structures.len())?;
                let at = structures[nth].start + u64::from(self.which & 0xff);
                Hit {
                    field: Field::number(structures[nth].name, at, 1, 0xff),
                    following: 0,
                    another: (at, 1),
                }
            }
        };
        hit.set(self.value, argument, writer)
    }
}

/// What a damage hits.
struct Hit {
    /// A field whose place is one in the file.
    field: Field,
    following: u64,
    /// Where another number is, and its width.
    another: (u64, u8),
}

impl Hit {
    fn set(&self, value: Value, argument: u64, writer: &mut ImageWriter) -> Option<Done> {
        let Field {
            name,
            at,
            width,
            limit,
            scale,
        } = self.field;
        let before = writer.read_number(at, width);
        let end = writer.end();
        let bits = 8 * u64::from(width);
        let after = match value {
            Value::Constant(constant) => constant,
            Value::Limit(more) => limit.wrapping_add_signed(more),
            Value::EndOfFile(more) => (end / scale).wrapping_add_signed(more),
            Value::LastSector => end.saturating_sub(1) / 512 * 512 / scale,
            Value::Before(more) => before.wrapping_add_signed(more),
            Value::BeforeAndArgument => before.wrapping_add(argument),
            Value::BitTurned => before ^ 1 << (argument % bits),
            Value::Argument => argument,
            Value::HighArgument => argument << 32,
            Value::PlaceOfArgument => argument / scale,
            Value::Another => writer.read_number(self.another.0, self.another.1),
            Value::StartOfStructure => {
                let structures = writer.structures();
                structures[argument as usize % structures.len().max(1)].start / scale
            }
            Value::StartOfTable => {
                let tables = writer.tables();
                tables[(argument as usize).checked_rem(tables.len())?].start / scale
            }
        };
        let after = after & u64::MAX >> (64 - bits);
        if after == before && self.following == 0 {
            return None;
        }
        for nth in 0..=self.following {
            writer.number(at + nth * u64::from(width), width, after);
        }
        // A damage never makes the file longer: what lies past its end is lost.
        writer.set_end(end);
        Some(Done {
            what: name,
            at,
            before,
            after,
            following: self.following,
        })
    }
}

/// The list that number `which`, modulo how many items all lists have, falls into, and its place there.
fn nth_of(lengths: impl Iterator<Item = u64> + Clone, which: u64) -> Option<(usize, u64)> {
    let mut left = which.checked_rem(lengths.clone().sum())?;
    for (nth, length) in lengths.enumerate() {
        if left < length {
            return Some((nth, left));
        }
        left -= length;
    }
    None
}

/// Which checksums are right in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumPolicy {
    /// All, damaged or not.
    AllRight,
    /// All but one.
    OneWrong {
        /// Which one, modulo how many there are.
        which: u8,
        /// How it is wrong: the bits that are turned, never 0.
        mask: u32,
    },
    /// They were right before the damage.
    AsTheyFell,
}

impl ChecksumPolicy {
    pub(super) fn decode(byte: u8) -> Self {
        match byte & 3 {
            0 | 1 => Self::AllRight,
            2 => Self::OneWrong {
                which: byte >> 2 & 7,
                mask: 1 << (u32::from(byte >> 5) * 4),
            },
            _ => Self::AsTheyFell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::LENGTH;
    use crate::writer::Table;

    /// Hits the second entry of a table of six, from the damage's first byte on.
    fn damaged(hits: u8, value: u8, argument: u8) -> (Vec<u64>, Option<Done>) {
        let mut writer = ImageWriter::new(true);
        for entry in 0..6 {
            writer.number(8 * entry, 8, 10 + entry);
        }
        writer.offer_table(Table::of("table", 8, 1), 0, 6);
        let mut bytes = [0; LENGTH];
        bytes[..5].copy_from_slice(&[hits, 1, 0, value, argument]);
        let done = Damage::decode(&Bytes::new(&bytes), 0).apply(&mut writer);
        let entries = (0..6).map(|entry| writer.read_number(8 * entry, 8));
        assert_eq!(writer.end(), 48);
        (entries.collect(), done)
    }

    const ANOTHER: u8 = 20;

    #[test]
    fn one_entry_or_those_behind_it_too_name_what_another_names() {
        assert_eq!(VALUES[usize::from(ANOTHER)], Value::Another);
        let (entries, done) = damaged(0xee, ANOTHER, 0);
        assert_eq!(entries, [10, 10, 12, 13, 14, 15]);
        assert_eq!(done.unwrap().following, 0);
        let (entries, done) = damaged(0xf2, ANOTHER, 0);
        assert_eq!(entries, [10, 10, 10, 10, 10, 15]);
        assert_eq!(
            done.unwrap().to_string(),
            "table at byte 8 is 0xa instead of 0xb, and so are 3 behind it"
        );
        let (entries, done) = damaged(0xfe, ANOTHER, 5);
        assert_eq!(entries, [10, 15, 15, 15, 15, 15]);
        assert_eq!(done.unwrap().following, 4);
        assert_eq!(damaged(0xfc, ANOTHER, 0).1, None);
        assert_eq!(damaged(2, ANOTHER, 1).1, None);
    }
}
