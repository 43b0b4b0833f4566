//! The geometry of a VHDX image, decoded from its [knobs](super::knobs).

use crate::layout::Bytes;
use crate::recipe::Recipe;

pub use super::choices::{
    Bitmaps, Boundary, Creator, Distance, FileEnd, Headers, Items, Order, Reserved, Stale, Stand,
    Tables,
};
use super::knobs;
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
        let knob = |position: usize| bytes.u8(position);
        let headers = knob(knobs::OTHER_HEADER);
        let regions = knob(knobs::REGIONS);
        let metadata = knob(knobs::ITEMS);
        let step = 1 << (4 * (knob(knobs::GAP_STEP) & 3));
        let gap = |position| u64::from(knob(position)) * step;
        let rare = |position: usize, from: u8| Some(knob(position)).filter(|&byte| byte >= from);
        let many_regions =
            rare(knobs::MORE_REGIONS, 0xf0).map_or(0, |byte| 24 + u64::from(byte & 7));
        let stands = [Stand::Last, Stand::First, Stand::Between, Stand::Last];
        Self {
            block_size: choose([8, 1, 2, 4, 16, 32, 64, 128, 256], knob(knobs::BLOCK_SIZE)) << 20,
            logical_sector: choose([512, 4096], knob(knobs::SECTORS)),
            physical_sector: choose([512, 4096, 0, u32::MAX], knob(knobs::SECTORS) >> 1),
            boundary: Boundary::choose(knob(knobs::BOUNDARY) & 7),
            boundary_at: knob(knobs::BOUNDARY) >> 3,
            headers: Headers::choose(knob(knobs::HEADERS)),
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
            distance: Distance::choose(headers >> 3),
            header_signature_wrong: headers & 0x20 != 0,
            tables: Tables::choose(knob(knobs::TABLES)),
            table_signature_wrong: knob(knobs::TABLES) & 4 != 0,
            parts: permutation(knob(knobs::PARTS)),
            gaps: [
                gap(knobs::GAPS),
                gap(knobs::GAPS + 1),
                gap(knobs::GAPS + 2),
                gap(knobs::GAPS + 3),
                knob(knobs::BLOCKS_GAP)
                    .checked_sub(1)
                    .map_or(4, |steps| u64::from(steps) * step),
            ],
            spare_bat: u64::from(knob(knobs::BAT) & 7),
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
                knob(knobs::BAT) >> 3,
            ),
            log_length: choose([1, 0, 2, 9], knob(knobs::LOG_LENGTH)),
            metadata_length: 1 + u64::from(knob(knobs::METADATA_LENGTH) & 7),
            unknown_regions: u64::from(regions & 3) + many_regions,
            unknown_length: 1 + u64::from(regions >> 2 & 3),
            metadata_first: regions & 0x10 != 0,
            unknown_regions_stand: choose(stands, regions >> 5),
            items: permutation(knob(knobs::ITEM_ORDER)),
            items_lie: Items::choose(metadata),
            unknown_items: metadata >> 2 & 3,
            unknown_items_stand: choose(stands, metadata >> 4),
            items_seed: bytes.u16(knobs::ITEMS_SEED),
            leave_blocks_allocated: knob(knobs::FILE_PARAMETERS) & 1 != 0,
            parameters_reserved: knob(knobs::FILE_PARAMETERS) & 2 != 0,
            order: Order::choose(knob(knobs::BLOCK_ORDER)),
            order_argument: knob(knobs::BLOCK_ORDER) >> 2,
            file_end: FileEnd::choose(knob(knobs::FILE_END)),
            file_end_argument: knob(knobs::FILE_END) >> 2,
            garbage_seed: bytes.u16(knobs::GARBAGE_SEED),
            creator: Creator::choose(knob(knobs::CREATOR)),
            reserved: Reserved(knob(knobs::RESERVED)),
            sequence: bytes.u32(knobs::SEQUENCE),
            oddity: Oddity::decode(knob(knobs::ODDITY), bytes.u32(knobs::ODDITY_ARGUMENT)),
            most_blocks: if rare(knobs::MOST_BLOCKS, 0xf0).is_some() {
                131_200
            } else {
                8192
            },
            exact_entries: rare(knobs::MOST_BLOCKS, 0xf8)
                .map(|byte| (1 << 17) - 4 + u64::from(byte & 7)),
            far: rare(knobs::FAR, 0xe0).map_or(0, |byte| 1 << (40 + (byte & 31) % 20)),
            log_outside: rare(knobs::LOG_OUTSIDE, 0xf0).is_some(),
            log_version: bytes.u16(knobs::LOG_VERSION),
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
    pub(super) fn describe(&self) -> String {
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
