//! What is broken on purpose: numbers of structures and entries of tables, from tables of boundaries.
//!
//! A damage is eight bytes:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | what is hit, mod 4: 0 nothing, 1 a number of a structure, 2 a table's entry, 3 a byte of a structure; a byte from 0xf0 on, with 2: the entries behind it get its new value too (see [`FOLLOWING`]) |
//! | 1–2 | which one, modulo what there is |
//! | 3 | the new value, one of 32 |
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
    value: u8,
    argument: u64,
}

/// How many entries behind the one that is hit may get its new value too, as far as the table has so
/// many, by bits 2–3 of a damage's first byte: a whole directory then names one table.
pub const FOLLOWING: [u64; 4] = [3, 31, 255, 2047];

/// What damage writes, before the number is cut to its width.
const VALUES: [fn(&Hit<'_>) -> u64; 32] = [
    |_| 0,
    |_| 1,
    |hit| hit.field.limit.wrapping_sub(1),
    |hit| hit.field.limit,
    |hit| hit.field.limit.wrapping_add(1),
    |_| 1 << 31,
    |_| 1 << 32,
    |_| 1 << 63,
    |_| u64::MAX,
    // What names the file's end, a step less and a step more; and its last sector of 512 bytes.
    |hit| hit.named(hit.writer.end()).wrapping_sub(1),
    |hit| hit.named(hit.writer.end()),
    |hit| hit.named(hit.writer.end()).wrapping_add(1),
    |hit| hit.named(hit.writer.end().saturating_sub(1) / 512 * 512),
    |hit| hit.before.wrapping_sub(1),
    |hit| hit.before.wrapping_add(1),
    |hit| hit.before.wrapping_add(hit.argument),
    |hit| hit.before ^ 1 << (hit.argument % (8 * u64::from(hit.field.width))),
    |hit| hit.argument,
    |hit| hit.argument << 32,
    |hit| hit.named(hit.argument),
    // An alias.
    |hit| hit.writer.read_number(hit.another.0, hit.another.1),
    // What names the start of a structure, or of a table: an overlap.
    |hit| hit.named(one_of(hit.writer.structures(), hit.argument).map_or(0, |one| one.start)),
    |hit| one_of(hit.writer.tables(), hit.argument).map_or(hit.before, |one| hit.named(one.start)),
    |_| 2,
    |_| 3,
    |_| 4,
    |_| (1 << 31) - 1,
    |_| (1 << 32) - 1,
    |_| (1 << 63) - 1,
    |_| 512,
    |_| u64::MAX - 1,
    |hit| hit.before.wrapping_add(512),
];

/// The item of number `nth`, modulo how many there are.
fn one_of<T>(items: &[T], nth: u64) -> Option<&T> {
    items.get((nth as usize).checked_rem(items.len())?)
}

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
            value: bytes.u8(at + 3),
            argument: bytes.u32(at + 4).into(),
        }
    }

    /// Damages the file; `None` when there is nothing of the kind to hit, or the value was that before.
    pub(super) fn apply(&self, writer: &mut ImageWriter) -> Option<Done> {
        if self.hits == 0 {
            return None;
        }
        let which = u64::from(self.which);
        let structures = writer.structures();
        let (field, following, another) = match self.hits {
            1 => {
                let fields = structures.iter().map(|s| s.fields.len() as u64);
                let (nth, index) = nth_of(fields, which)?;
                let Structure { start, fields, .. } = structures[nth];
                let mut field = fields[index as usize];
                field.at += start;
                let other = one_of(fields, self.argument)?;
                (field, 0, (start + other.at, other.width))
            }
            2 => {
                let entries = writer.tables().iter().map(|table| table.entries);
                let (nth, index) = nth_of(entries, which)?;
                let table = writer.tables()[nth];
                let place = |index: u64| table.start + index * u64::from(table.width);
                let field = Field::place(table.name, place(index), table.width, table.scale);
                let following = self.following.min(table.entries - index - 1);
                let another = place(self.argument % table.entries);
                (field, following, (another, table.width))
            }
            _ => {
                let structure = one_of(structures, which >> 8)?;
                let at = structure.start + (which & 0xff);
                let field = Field::number(structure.name, at, 1, 0xff);
                (field, 0, (at, 1))
            }
        };
        let Field {
            name, at, width, ..
        } = field;
        let before = writer.read_number(at, width);
        let after = VALUES[usize::from(self.value) % VALUES.len()](&Hit {
            field,
            before,
            another,
            argument: self.argument,
            writer,
        });
        let after = after & u64::MAX >> (64 - 8 * u32::from(width));
        if after == before && following == 0 {
            return None;
        }
        let end = writer.end();
        for nth in 0..=following {
            writer.number(at + nth * u64::from(width), width, after);
        }
        // A damage never makes the file longer: what lies past its end is lost.
        writer.set_end(end);
        Some(Done {
            what: name,
            at,
            before,
            after,
            following,
        })
    }
}

/// What a damage hits.
struct Hit<'a> {
    /// The number; its place is one in the file.
    field: Field,
    before: u64,
    /// Where another entry of the same table is, or field of the same structure, and its width.
    another: (u64, u8),
    argument: u64,
    writer: &'a ImageWriter,
}

impl Hit<'_> {
    /// The number that names byte `at` of the file.
    fn named(&self, at: u64) -> u64 {
        at / self.field.scale
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
