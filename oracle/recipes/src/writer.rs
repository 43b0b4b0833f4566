//! Writing an image: numbers at places, what can be damaged, and checksums.

use std::fmt;

use sparse::SparseImage;
use sparse::crc32c;

use crate::content::Content;

/// A number in an on-disk structure, which damage may pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The specification's name.
    pub name: &'static str,
    /// Where it begins, in bytes from the structure's start.
    pub at: u64,
    /// Its width in bytes: 1, 2, 4 or 8.
    pub width: u8,
    /// The largest value that is allowed (or another at which its meaning changes).
    pub limit: u64,
    /// How many bytes of the file one step of it is when it names a place in the file; else 1.
    pub scale: u64,
}

impl Field {
    /// A number that names no place in the file.
    pub const fn number(name: &'static str, at: u64, width: u8, limit: u64) -> Self {
        let place = Self::place(name, at, width, 1);
        Self { limit, ..place }
    }

    /// A place in the file, in steps of `scale` bytes.
    pub const fn place(name: &'static str, at: u64, width: u8, scale: u64) -> Self {
        Self {
            name,
            at,
            width,
            limit: u64::MAX >> (64 - 8 * width as u32),
            scale,
        }
    }
}

/// Writes the numbers of a structure at byte `$start`; what damage may pick of it is then in `$fields`.
///
/// A line is a number: `place: type "name" = value, number limit`; or a place in the file:
/// `place: type "name" = value, place scale`. Places are in bytes from the structure's start.
macro_rules! structure {
    ($writer:expr, $start:expr => $fields:ident; $(
        $at:literal: $type:ident $name:literal = $value:expr, $kind:ident $argument:expr;
    )*) => {
        let $fields: &'static [$crate::writer::Field] = const {
            &[$(
                $crate::writer::Field::$kind($name, $at, ($type::BITS / 8) as u8, $argument)
            ),*]
        };
        const PLACES: &[usize] = &[$($at, $at + ($type::BITS / 8) as usize),*];
        const FIRST: usize = PLACES[0];
        let mut bytes = [0; PLACES[PLACES.len() - 1] - FIRST];
        let big_endian = $writer.is_big_endian();
        $(
            let number = u64::from($value) as $type;
            let number = if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
            bytes[$at - FIRST..][..number.len()].copy_from_slice(&number);
        )*
        $writer.bytes($start + FIRST as u64, &bytes);
    };
}

pub(crate) use structure;

/// A structure in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    /// Its name.
    pub name: &'static str,
    /// Where it begins, in bytes.
    pub start: u64,
    /// Its numbers.
    pub fields: &'static [Field],
}

/// A table of entries of one width in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Where it begins, in bytes.
    pub start: u64,
    /// How many entries it has.
    pub entries: u64,
    /// How wide each is: 4 or 8 bytes.
    pub width: u8,
    /// How many bytes of the file one step of an entry is.
    pub scale: u64,
}

impl Table {
    /// Tables of a kind: [`ImageWriter::offer_table`] takes where one is.
    pub const fn of(name: &'static str, width: u8, scale: u64) -> Self {
        Self {
            name,
            start: 0,
            entries: 0,
            width,
            scale,
        }
    }
}

/// A checksum in the file, over a range with the checksum's own four bytes taken as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub kind: ChecksumKind,
    /// Where the range begins, in bytes.
    pub start: u64,
    /// How long the range is, in bytes.
    pub length: u64,
    /// Where the checksum is kept, in bytes.
    pub at: u64,
}

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    /// The ones' complement of the sum of all bytes (VHD), big-endian.
    ByteSum,
    /// CRC-32C (VHDX), little-endian.
    Crc32c,
}

/// What damage did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// What was hit.
    pub what: &'static str,
    /// Where it is in the file, in bytes.
    pub at: u64,
    /// Its value before.
    pub before: u64,
    /// Its value since.
    pub after: u64,
    /// How many entries behind it have that value since.
    pub following: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, at, before, after) = (self.what, self.at, self.before, self.after);
        write!(
            f,
            "{what} at byte {at} is {after:#x} instead of {before:#x}"
        )?;
        if self.following > 0 {
            write!(f, ", and so are {} behind it", self.following)?;
        }
        Ok(())
    }
}

/// An image in the making.
pub struct ImageWriter {
    image: SparseImage,
    big_endian: bool,
    end: u64,
    structures: Vec<Structure>,
    tables: Vec<Table>,
    checksums: Vec<Checksum>,
    /// What the disk reads as, when that is asked for; a format takes it away where it does not know.
    pub content: Option<Content>,
}

impl ImageWriter {
    /// An empty file, whose numbers are `big_endian` or little-endian.
    pub fn new(big_endian: bool) -> Self {
        Self {
            image: SparseImage::new(u64::MAX),
            big_endian,
            end: 0,
            structures: Vec::with_capacity(8),
            tables: Vec::with_capacity(8),
            checksums: Vec::with_capacity(4),
            content: None,
        }
    }

    /// Whether numbers are big-endian.
    pub fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// The file's size so far, in bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Makes the file exactly so many bytes long, longer or shorter than it was.
    pub fn set_end(&mut self, end: u64) {
        self.end = end;
    }

    /// Takes `length` bytes at the next multiple of `alignment` at or after the file's end; answers
    /// where they begin. They are zeros.
    pub fn allocate(&mut self, length: u64, alignment: u64) -> u64 {
        let start = self.end.next_multiple_of(alignment);
        self.end = start + length;
        start
    }

    /// Writes bytes; the file grows to hold them.
    pub fn bytes(&mut self, at: u64, bytes: &[u8]) {
        self.image.write(at, bytes);
        self.end = self.end.max(at + bytes.len() as u64);
    }

    /// Writes a number of `width` bytes (1, 2, 4 or 8) in the format's byte order; the file grows to
    /// hold it.
    #[inline]
    pub fn number(&mut self, at: u64, width: u8, value: u64) {
        let unused = 64 - 8 * u32::from(width);
        let bytes = if self.big_endian {
            (value << unused).to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        match width {
            1 => self.image.write_array(at, [bytes[0]]),
            2 => self.image.write_array(at, [bytes[0], bytes[1]]),
            4 => self
                .image
                .write_array::<4>(at, *bytes.first_chunk().expect("4 of 8 bytes")),
            _ => self.image.write_array(at, bytes),
        }
        self.end = self.end.max(at + u64::from(width));
    }

    /// Writes 32-bit numbers in a row, in the format's byte order; the file grows to hold them. Entries
    /// of a table that lie together cost one write.
    pub fn words(&mut self, at: u64, words: &[u32]) {
        const MOST: usize = 64;
        let mut bytes = [[0; 4]; MOST];
        let mut at = at;
        for words in words.chunks(MOST) {
            for (bytes, word) in bytes.iter_mut().zip(words) {
                *bytes = if self.big_endian {
                    word.to_be_bytes()
                } else {
                    word.to_le_bytes()
                };
            }
            let bytes = bytes[..words.len()].as_flattened();
            self.bytes(at, bytes);
            at += bytes.len() as u64;
        }
    }

    /// Reads a number of `width` bytes in the format's byte order.
    pub fn read_number(&self, at: u64, width: u8) -> u64 {
        let width = usize::from(width);
        let mut bytes = [0; 8];
        if self.big_endian {
            self.image.read(at, &mut bytes[8 - width..]);
            u64::from_be_bytes(bytes)
        } else {
            self.image.read(at, &mut bytes[..width]);
            u64::from_le_bytes(bytes)
        }
    }

    /// Reads bytes.
    pub fn read(&self, at: u64, buffer: &mut [u8]) {
        self.image.read(at, buffer);
    }

    /// Turns the bits of a number that `mask` has; answers what it was.
    pub(super) fn turn(&mut self, at: u64, width: u8, mask: u64) -> u64 {
        let before = self.read_number(at, width);
        self.number(at, width, before ^ mask);
        before
    }

    /// Offers a structure to damage.
    pub fn offer_structure(&mut self, name: &'static str, start: u64, fields: &'static [Field]) {
        self.structures.push(Structure {
            name,
            start,
            fields,
        });
    }

    /// Offers the `entries` of a table of that kind at byte `start` to damage. One without entries is not
    /// offered.
    pub fn offer_table(&mut self, kind: Table, start: u64, entries: u64) {
        if entries != 0 {
            self.tables.push(Table {
                start,
                entries,
                ..kind
            });
        }
    }

    /// Says that the file has a checksum, which is put right or wrong at the end.
    pub fn add_checksum(&mut self, checksum: Checksum) {
        self.checksums.push(checksum);
    }

    /// The structures that damage may pick from, in the order of their making.
    pub fn structures(&self) -> &[Structure] {
        &self.structures
    }

    /// The tables that damage may pick from, in the order of their making.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub(super) fn put_checksums_right(&mut self) {
        for nth in 0..self.checksums.len() {
            self.put_right(self.checksums[nth]);
        }
    }

    /// Writes a checksum that is right.
    pub(super) fn put_right(&mut self, checksum: Checksum) {
        self.image.write(checksum.at, &[0; 4]);
        let pieces = self.image.pieces(checksum.start, checksum.length);
        let value = match checksum.kind {
            ChecksumKind::ByteSum => !pieces.fold(0, |sum, (_, piece)| {
                let each = piece.iter().map(|&byte| u32::from(byte));
                each.fold(sum, u32::wrapping_add)
            }),
            ChecksumKind::Crc32c => crc32c::of_pieces(checksum.start, checksum.length, pieces),
        };
        self.number(checksum.at, 4, value.into());
    }

    /// Makes one checksum wrong, which was right: exclusive or with `mask`, which is not 0.
    pub(super) fn break_checksum(&mut self, which: u8, mask: u32) -> Option<Done> {
        let which = usize::from(which).checked_rem(self.checksums.len())?;
        let at = self.checksums[which].at;
        let before = self.turn(at, 4, mask.into());
        Some(Done {
            what: "checksum",
            at,
            before,
            after: before ^ u64::from(mask),
            following: 0,
        })
    }

    pub(super) fn finish(self) -> SparseImage {
        let mut image = self.image;
        image.set_capacity(self.end);
        image
    }
}
