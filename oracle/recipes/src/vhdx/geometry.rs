//! The knobs of a vhdx image.
//!
//! Bytes [`at::GEOMETRY`] to 55, the position in the recipe in front; choices are modulo their number,
//! and choice 0 is what qemu-img does:
//!
//! | byte | meaning |
//! |---|---|
//! | 24 | block size, mod 9: 8 MiB, 1, 2, 4, 16, 32, 64, 128, 256 MiB |
//! | 25 | sectors: bit 0 logical (512, 4096); bits 1–2 physical (512, 4096, 0, all ones) |
//! | 26 | the disk's end at a multiple of the chunk ratio: bits 0–2 how ([`Boundary`]), bits 3–7 which one |
//! | 27 | which header counts ([`Headers`]) |
//! | 28 | the other header: bits 0–2 what is wrong with it if it were to count ([`Stale`]), bits 3–4 how far away its number is ([`Distance`]), bit 5 a damaged one has a wrong signature instead of checksum |
//! | 29 | region tables: bits 0–1 which counts ([`Tables`]), bit 2 a damaged one has a wrong signature instead of checksum |
//! | 30 | order of log, BAT, metadata, unknown regions and blocks in the file, mod 120 |
//! | 31–34 | gap in front of log, BAT, metadata, unknown regions, in steps |
//! | 35 | gap in front of the blocks: 0 for 4 MiB, else one more than the number of steps |
//! | 36 | a gap's step, mod 4: 1 MiB, 16 MiB, 256 MiB, 4 GiB |
//! | 37 | BAT: bits 0–2 MiB more than the disk needs, bits 3–5 sector bitmap entries ([`Bitmaps`]) |
//! | 38 | log length, mod 4: 1 MiB, none, 2 MiB, 9 MiB |
//! | 39 | bits 0–2 MiB of the metadata region beyond its first |
//! | 40 | unknown regions: bits 0–1 how many, bits 2–3 MiB of each beyond its first, bit 4 metadata before the BAT in the table, bits 5–6 unknown ones last, first, between, last |
//! | 41 | order of the five metadata entries, mod 120 |
//! | 42 | metadata: bits 0–1 where the items lie ([`Items`]), bits 2–3 how many unknown items, bits 4–5 these last, first, after the second, last |
//! | 43–44 | the items' seed |
//! | 45 | file parameters: bit 0 leave blocks allocated, bit 1 reserved bits set |
//! | 46 | blocks in the file: bits 0–1 order ([`Order`]), bits 2–7 its argument |
//! | 47 | the file's end: bits 0–1 how ([`FileEnd`]), bits 2–7 its argument |
//! | 48–49 | seed of garbage |
//! | 50 | creator, mod 4: QEMU, Windows, none, garbage |
//! | 51 | reserved bytes that are not zero ([`Reserved`]) |
//! | 52–55 | sequence number |
//!
//! Bytes [`at::RARE`] to 163:
//!
//! | byte | meaning |
//! |---|---|
//! | 152 | oddity ([`super::oddity::Oddity`]), below 0x80 none |
//! | 153 | ignored |
//! | 154–157 | the oddity's argument |
//! | 158 | from 0xf0 on a large disk may be: up to 131200 blocks instead of 8192; from 0xf8 on the first MiB of its BAT is just full, give or take |
//! | 159 | from 0xf0 on 24 more unknown regions, and the byte's low 3 bits |
//! | 160 | from 0xe0 on the blocks begin 2^(40 + low 5 bits mod 20) bytes farther away |
//! | 161 | from 0xf0 on the log lies behind the file's end |
//! | 162–163 | version of the log's format, which does not matter while there is none |

use crate::{Bytes, Recipe, at};

pub use super::choices::{
    Bitmaps, Boundary, Creator, Distance, FileEnd, Headers, Items, Order, Reserved, Stale, Stand,
    Tables,
};
use super::oddity::Oddity;

/// How a vhdx image is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a payload block.
    pub block_size: u64,
    /// Bytes of a logical sector: 512 or 4096.
    pub logical_sector: u32,
    /// What the metadata say is a physical sector.
    pub physical_sector: u32,
    /// Whether the disk ends about a multiple of the chunk ratio.
    pub boundary: Boundary,
    /// Which multiple: 0 to 31.
    pub boundary_at: u8,
    /// Which header counts.
    pub headers: Headers,
    /// What is wrong with the one that does not.
    pub stale: Stale,
    /// How far apart their sequence numbers are.
    pub distance: Distance,
    /// Whether a damaged header has a wrong signature and a right checksum.
    pub header_signature_wrong: bool,
    /// Which region table counts.
    pub tables: Tables,
    /// Whether a damaged region table has a wrong signature and a right checksum.
    pub table_signature_wrong: bool,
    /// Log, BAT, metadata, unknown regions, blocks (0 to 4) in the order of the file.
    pub parts: [u8; 5],
    /// The gaps in front of them, in MiB.
    pub gaps: [u64; 5],
    /// MiB of the BAT beyond those that have an entry of the disk.
    pub spare_bat: u64,
    /// The sector bitmap entries.
    pub bitmaps: Bitmaps,
    /// MiB of the log.
    pub log_length: u64,
    /// MiB of the metadata region.
    pub metadata_length: u64,
    /// How many regions there are that nobody knows, and nobody has to.
    pub unknown_regions: u64,
    /// MiB of each of them.
    pub unknown_length: u64,
    /// Whether the region table has the metadata before the BAT.
    pub metadata_first: bool,
    /// Where the unknown regions stand in the region table.
    pub unknown_regions_stand: Stand,
    /// The five metadata entries in the order of their table: file parameters, disk size, disk id,
    /// logical, physical sector size (0 to 4).
    pub items: [u8; 5],
    /// Where the items lie.
    pub items_lie: Items,
    /// How many unknown items there are that nobody has to know.
    pub unknown_items: u8,
    /// Where these stand in the metadata table.
    pub unknown_items_stand: Stand,
    /// Moves the items.
    pub items_seed: u16,
    /// Whether blocks stay allocated.
    pub leave_blocks_allocated: bool,
    /// Whether the file parameters' reserved bits are set.
    pub parameters_reserved: bool,
    /// In what order the blocks lie in the file.
    pub order: Order,
    /// The order's argument, below 64.
    pub order_argument: u8,
    /// How the file ends.
    pub file_end: FileEnd,
    /// The end's argument, below 64.
    pub file_end_argument: u8,
    /// Changes all garbage.
    pub garbage_seed: u16,
    /// Who made the file.
    pub creator: Creator,
    /// Reserved bytes that are not zero.
    pub reserved: Reserved,
    /// A sequence number.
    pub sequence: u32,
    /// What is not as it should be.
    pub oddity: Oddity,
    /// The most blocks that the disk may have.
    pub most_blocks: u64,
    /// So many entries of the BAT, when the disk's size is to be that of its BAT.
    pub exact_entries: Option<u64>,
    /// The blocks begin so many bytes farther away.
    pub far: u64,
    /// Whether the log lies behind the file's end.
    pub log_outside: bool,
    /// The version of the log's format.
    pub log_version: u16,
}

/// The geometry of a recipe that is one of a vhdx image.
#[must_use]
pub fn geometry(recipe: &Recipe) -> Geometry {
    Geometry::decode(recipe.bytes())
}

/// The choice that a byte makes.
fn choose<T: Copy, const N: usize>(from: [T; N], byte: u8) -> T {
    from[usize::from(byte) % N]
}

/// The numbers 0 to 4 in the order of number `nth`, modulo 120; number 0 is rising.
fn permutation(nth: u8) -> [u8; 5] {
    let mut order = [0, 1, 2, 3, 4];
    let mut code = usize::from(nth % 120);
    for place in 0..4 {
        let left = 5 - place;
        // The one that stands `code % left` farther on comes here, the others move on.
        order[place..=place + code % left].rotate_right(1);
        code /= left;
    }
    order
}

impl Geometry {
    /// Reads the knobs.
    #[must_use]
    pub fn decode(bytes: &Bytes) -> Self {
        let byte = |position: usize| bytes.u8(position);
        let headers = byte(28);
        let regions = byte(40);
        let metadata = byte(42);
        let step = 1 << (4 * (byte(36) & 3));
        let gap = |position| u64::from(byte(position)) * step;
        let rare = |position: usize, from: u8| Some(byte(position)).filter(|&byte| byte >= from);
        let many_regions = rare(159, 0xf0).map_or(0, |byte| 24 + u64::from(byte & 7));
        let stands = [Stand::Last, Stand::First, Stand::Between, Stand::Last];
        Self {
            block_size: choose([8, 1, 2, 4, 16, 32, 64, 128, 256], byte(24)) << 20,
            logical_sector: choose([512, 4096], byte(25)),
            physical_sector: choose([512, 4096, 0, u32::MAX], byte(25) >> 1),
            boundary: choose(
                [
                    Boundary::No,
                    Boundary::BlockBefore,
                    Boundary::At,
                    Boundary::BlockAfter,
                    Boundary::SectorAfter,
                    Boundary::SectorBefore,
                    Boundary::SectorBeforeBlockAfter,
                    Boundary::No,
                ],
                byte(26),
            ),
            boundary_at: byte(26) >> 3,
            headers: choose(
                [
                    Headers::SecondNewer,
                    Headers::FirstNewer,
                    Headers::Equal,
                    Headers::FirstDamaged,
                    Headers::SecondDamaged,
                ],
                byte(27),
            ),
            stale: choose(
                [
                    Stale::Nothing,
                    Stale::DirtyLog,
                    Stale::Version,
                    Stale::LogMisaligned,
                    Stale::LogOverMetadata,
                    Stale::Nothing,
                    Stale::DirtyLog,
                    Stale::LogOverMetadata,
                ],
                headers,
            ),
            distance: choose(
                [
                    Distance::One,
                    Distance::LowHalfTurned,
                    Distance::TopBit,
                    Distance::AtTheEnd,
                ],
                headers >> 3,
            ),
            header_signature_wrong: headers & 0x20 != 0,
            tables: choose(
                [
                    Tables::Same,
                    Tables::FirstDamaged,
                    Tables::SecondDamaged,
                    Tables::SecondOther,
                ],
                byte(29),
            ),
            table_signature_wrong: byte(29) & 4 != 0,
            parts: permutation(byte(30)),
            gaps: [
                gap(31),
                gap(32),
                gap(33),
                gap(34),
                byte(35)
                    .checked_sub(1)
                    .map_or(4, |steps| u64::from(steps) * step),
            ],
            spare_bat: u64::from(byte(37) & 7),
            bitmaps: choose(
                [
                    Bitmaps::NotPresent,
                    Bitmaps::Present,
                    Bitmaps::Ones,
                    Bitmaps::Partial,
                    Bitmaps::Garbage,
                    Bitmaps::NotPresent,
                    Bitmaps::Present,
                    Bitmaps::Garbage,
                ],
                byte(37) >> 3,
            ),
            log_length: choose([1, 0, 2, 9], byte(38)),
            metadata_length: 1 + u64::from(byte(39) & 7),
            unknown_regions: u64::from(regions & 3) + many_regions,
            unknown_length: 1 + u64::from(regions >> 2 & 3),
            metadata_first: regions & 0x10 != 0,
            unknown_regions_stand: choose(stands, regions >> 5),
            items: permutation(byte(41)),
            items_lie: choose(
                [
                    Items::Packed,
                    Items::OverBorders,
                    Items::AtTheEnd,
                    Items::Scattered,
                ],
                metadata,
            ),
            unknown_items: metadata >> 2 & 3,
            unknown_items_stand: choose(stands, metadata >> 4),
            items_seed: bytes.u16(43),
            leave_blocks_allocated: byte(45) & 1 != 0,
            parameters_reserved: byte(45) & 2 != 0,
            order: choose(
                [
                    Order::Rising,
                    Order::Falling,
                    Order::Interleaved,
                    Order::Rotated,
                ],
                byte(46),
            ),
            order_argument: byte(46) >> 2,
            file_end: choose(
                [
                    FileEnd::Plain,
                    FileEnd::LastBlockCut,
                    FileEnd::LastBlockWhole,
                    FileEnd::Trailing,
                ],
                byte(47),
            ),
            file_end_argument: byte(47) >> 2,
            garbage_seed: bytes.u16(48),
            creator: choose(
                [
                    Creator::Qemu,
                    Creator::Windows,
                    Creator::Nobody,
                    Creator::Garbage,
                ],
                byte(50),
            ),
            reserved: Reserved(byte(51)),
            sequence: bytes.u32(52),
            oddity: Oddity::decode(byte(at::RARE), bytes.u32(at::RARE + 2)),
            most_blocks: if rare(158, 0xf0).is_some() {
                131_200
            } else {
                8192
            },
            exact_entries: rare(158, 0xf8).map(|byte| (1 << 17) - 4 + u64::from(byte & 7)),
            far: rare(160, 0xe0).map_or(0, |byte| 1 << (40 + (byte & 31) % 20)),
            log_outside: rare(161, 0xf0).is_some(),
            log_version: bytes.u16(162),
        }
    }

    /// Garbage that depends on `nth`, never 0 in its low byte.
    pub(super) fn garbage(&self, nth: u64) -> u64 {
        let mixed = (u64::from(self.garbage_seed) << 32 ^ nth)
            .wrapping_add(0x9e37_79b9_7f4a_7c15)
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ mixed >> 32 | 1
    }

    /// All that is not plain, and the sizes, in words.
    pub(super) fn in_words(&self) -> String {
        format!(
            "sectors of {} and {} bytes; headers: {:?}, the other one: {:?}, numbers apart: {:?}; region \
             tables: {:?}; metadata items: {:?}, {} unknown ones; sector bitmap entries: {:?}; blocks in \
             the file: {:?}; the file's end: {:?}; made by {:?}, reserved bytes {:#x}",
            self.logical_sector,
            self.physical_sector,
            self.headers,
            self.stale,
            self.distance,
            self.tables,
            self.items_lie,
            self.unknown_items,
            self.bitmaps,
            self.order,
            self.file_end,
            self.creator,
            self.reserved.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn permutations_are_all_there_are_and_the_first_is_rising() {
        assert_eq!(permutation(0), [0, 1, 2, 3, 4]);
        let all: BTreeSet<_> = (0..120).map(permutation).collect();
        assert_eq!(all.len(), 120);
        for order in all {
            assert_eq!(order.into_iter().collect::<BTreeSet<_>>().len(), 5);
        }
    }
}
