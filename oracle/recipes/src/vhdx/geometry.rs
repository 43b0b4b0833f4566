//! The geometry of a VHDX image, decoded from its knobs.

use super::oddity::Oddity;
use crate::choices::{choices, choose};
use crate::layout::geometry;

choices! {
    /// Whether the disk ends about `n` blocks, a multiple of the chunk ratio; a sector is a logical one.
    pub enum Boundary {
        No: "No: it is as large as the recipe's size.",
        BlockBefore: "At `n` - 1 blocks.",
        At: "At `n` blocks.",
        BlockAfter: "At `n` + 1 blocks.",
        SectorAfter: "A sector after `n` blocks.",
        SectorBefore: "A sector before `n` blocks.",
        SectorBeforeBlockAfter: "A sector before `n` + 1 blocks.",
    }

    /// Which of the two headers counts.
    pub enum Headers {
        SecondNewer: "The second: its number is higher.",
        FirstNewer: "The first: its number is higher.",
        Equal: "They are the same.",
        FirstDamaged: "The second: the first is damaged, whose number is higher.",
        SecondDamaged: "The first: the second is damaged, whose number is higher.",
    }

    /// What is wrong with the header that does not count.
    pub enum Stale {
        Nothing: "Nothing.",
        DirtyLog: "It has a log that would have to be replayed.",
        Version: "It is of version 2.",
        LogMisaligned: "Its log lies at no multiple of 1 MiB.",
        LogOverMetadata: "Its log lies over the metadata.",
    }

    /// How far apart the headers' numbers are.
    pub enum Distance {
        One: "One.",
        LowHalfTurned: "About 2^32, and the low half of the higher one is the lower.",
        TopBit: "2^63.",
        AtTheEnd: "One, at the end of all numbers.",
    }

    /// Which of the two region tables counts.
    pub enum Tables {
        Same: "The first, and the second is the same.",
        FirstDamaged: "The second: the first is damaged and names other places.",
        SecondDamaged: "The first: the second is damaged.",
        SecondOther: "The first: the second is valid and names other places.",
    }

    /// What the sector bitmap entries hold, which no reader of a disk without a parent looks at.
    pub enum Bitmaps {
        NotPresent: "Zero: not present.",
        Present: "State 6 at place 0.",
        Ones: "All ones.",
        Partial: "State 7, which payload blocks must not have.",
        Garbage: "Anything.",
    }

    /// A log that has to be replayed. From [`Log::Unanchored`] on it has no valid sequence (MS-VHDX 2.3.3).
    pub enum Log {
        One: "An entry.",
        Sequence: "Three entries: the first one undoes what the other two do.",
        Stale: "Two entries. Older ones, and one of another log, would undo them.",
        Torn: "Two entries, and one that was not written to its end, which would undo them.",
        Unanchored: "An entry whose sequence begins elsewhere.",
        Truncated: "An entry of a longer file.",
        AllTorn: "An entry that was not written to its end.",
    }

    /// Where unknown ones stand among the known ones in a table.
    pub enum Stand {
        Last: "Behind all.",
        First: "Before all.",
        Between: "Behind the first region, or the second item.",
    }

    /// Where the metadata items lie in their region.
    pub enum Items {
        Packed: "One behind the other, right behind the table.",
        OverBorders: "Each over a sector's border.",
        AtTheEnd: "One behind the other up to the region's end.",
        Scattered: "Anywhere.",
    }

    /// In what order the blocks lie in the file.
    pub enum Order {
        Rising: "As on the disk.",
        Falling: "The last one first.",
        Interleaved: "Every other one, then the rest.",
        Rotated: "As on the disk, beginning in the middle.",
    }

    /// How the file ends.
    pub enum FileEnd {
        Plain: "With what lies last.",
        LastBlockCut:
            "With the disk's last block when that is present, of which only the disk's part is there.",
        LastBlockWhole: "With the disk's last block when that is present, whole.",
        Trailing: "With some bytes that belong to nothing, in the middle of a sector.",
    }

    /// The creator that the file names.
    pub enum Creator {
        Qemu: "A QEMU.",
        Windows: "A Windows.",
        Nobody: "Nobody.",
        Garbage: "512 bytes that are no text.",
    }
}

impl Bitmaps {
    pub(super) const fn entry(self, garbage: u64) -> u64 {
        match self {
            Self::NotPresent => 0,
            Self::Present => 6,
            Self::Ones => u64::MAX,
            Self::Partial => garbage << 20 | 7,
            Self::Garbage => garbage,
        }
    }
}

impl Stand {
    /// Behind how many of `known` ones that is, when `between` means behind so many.
    pub(super) const fn behind(self, between: usize, known: usize) -> usize {
        match self {
            Self::Last => known,
            Self::First => 0,
            Self::Between => between,
        }
    }
}

/// Reserved bytes that are not zero: a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved(pub u8);

impl Reserved {
    /// The last byte of each header.
    pub const HEADERS_END: u8 = 1;
    /// The last byte of each region table.
    pub const TABLES_END: u8 = 2;
    /// The reserved bits of each region's flags.
    pub const REGION_FLAGS: u8 = 4;
    /// The reserved field of the region table's head.
    pub const TABLES_HEAD: u8 = 8;
    /// The reserved fields of the metadata table's head and entries.
    pub const METADATA: u8 = 16;
    /// The flags of known metadata items are all ones.
    pub const ITEM_FLAGS: u8 = 32;
    /// Known regions are marked as required, which QEMU does not do; known metadata items are not.
    pub const REQUIRED_TURNED: u8 = 64;
    /// Write GUIDs that are not those of the other header.
    pub const WRITE_GUIDS: u8 = 128;

    /// Whether one is set.
    pub const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

geometry! {
    /// How a VHDX image is laid out.
    (bytes, byte)

    24, BLOCK_SIZE: "bytes of a payload block, mod 9: 8 MiB, 1, 2, 4, 16, 32, 64, 128, 256 MiB"
        => block_size: u64 = choose(&[8, 1, 2, 4, 16, 32, 64, 128, 256], byte) << 20;
    25, SECTORS: "bytes of a sector: bit 0 logical (512, 4096); bits 1–2 physical, by the metadata (512, 4096, 0, all ones)"
        => logical_sector: u32 = choose(&[512, 4096], byte)
        => physical_sector: u32 = choose(&[512, 4096, 0, u32::MAX], byte >> 1);
    26, BOUNDARY: "the disk's end at a multiple of the chunk ratio: bits 0–2 how ([`Boundary`]), bits 3–7 which one"
        => boundary: Boundary = Boundary::choose(byte & 7)
        => boundary_at: u8 = byte >> 3;
    27, HEADERS: "which header counts ([`Headers`])"
        => headers: Headers = Headers::choose(byte);
    28, OTHER_HEADER: "the other header: bits 0–2 what is wrong with it if it were to count ([`Stale`]), bits 3–4 how far away its number is ([`Distance`]), bit 5 a damaged one has a wrong signature instead of checksum"
        => stale: Stale = Stale::choose(of_eight(byte))
        => distance: Distance = Distance::choose(byte >> 3)
        => header_signature_wrong: bool = byte & 0x20 != 0;
    29, TABLES: "region tables: bits 0–1 which counts ([`Tables`]), bit 2 a damaged one has a wrong signature instead of checksum"
        => tables: Tables = Tables::choose(byte)
        => table_signature_wrong: bool = byte & 4 != 0;
    30, PARTS: "order of log, BAT, metadata, unknown regions and blocks (0 to 4) in the file, mod 120"
        => parts: [u8; 5] = permutation(byte);
    31..=34, GAPS: "gap in front of log, BAT, metadata, unknown regions, in steps; and of the blocks; all in MiB"
        => gaps: [u64; 5] = {
            let step = 1 << (4 * (bytes.u8(knobs::GAP_STEP) & 3));
            let gap = |nth| u64::from(bytes.u8(knobs::GAPS + nth)) * step;
            let of_blocks = bytes.u8(knobs::BLOCKS_GAP).checked_sub(1);
            let of_blocks = of_blocks.map_or(4, |steps| u64::from(steps) * step);
            [gap(0), gap(1), gap(2), gap(3), of_blocks]
        };
    35, BLOCKS_GAP: "gap in front of the blocks: 0 for 4 MiB, else one more than the number of steps";
    36, GAP_STEP: "a gap's step, mod 4: 1 MiB, 16 MiB, 256 MiB, 4 GiB";
    37, BAT: "BAT: bits 0–2 MiB more than the disk needs, bits 3–5 sector bitmap entries ([`Bitmaps`])"
        => spare_bat: u64 = (byte & 7).into()
        => bitmaps: Bitmaps = Bitmaps::choose(of_eight(byte >> 3));
    38, LOG_LENGTH: "MiB of the log, mod 4: 1, none, 2, 9"
        => log_length: u64 = choose(&[1, 0, 2, 9], byte);
    39, METADATA_LENGTH: "bits 0–2 MiB of the metadata region beyond its first"
        => metadata_length: u64 = 1 + u64::from(byte & 7);
    40, REGIONS: "unknown regions: bits 0–1 how many (byte 159 adds more), bits 2–3 MiB of each beyond its first, bit 4 metadata before the BAT in the table, bits 5–6 unknown ones last, first, between, last"
        => unknown_regions: u64 = u64::from(byte & 3) + match bytes.u8(knobs::MORE_REGIONS) {
            more @ 0xf0.. => 24 + u64::from(more & 7),
            _ => 0,
        }
        => unknown_length: u64 = 1 + u64::from(byte >> 2 & 3)
        => metadata_first: bool = byte & 0x10 != 0
        => unknown_regions_stand: Stand = Stand::choose(byte >> 5 & 3);
    41, ITEM_ORDER: "order of the five metadata entries, mod 120: file parameters, disk size, disk id, logical, physical sector size (0 to 4)"
        => items: [u8; 5] = permutation(byte);
    42, ITEMS: "metadata: bits 0–1 where the items lie ([`Items`]), bits 2–3 how many unknown items, bits 4–5 these last, first, after the second, last"
        => items_lie: Items = Items::choose(byte)
        => unknown_items: u8 = byte >> 2 & 3
        => unknown_items_stand: Stand = Stand::choose(byte >> 4 & 3);
    43..=44, ITEMS_SEED: "the items' seed, which moves them"
        => items_seed: u16 = bytes.u16(knobs::ITEMS_SEED);
    45, FILE_PARAMETERS: "file parameters: bit 0 leave blocks allocated, bit 1 reserved bits set"
        => leave_blocks_allocated: bool = byte & 1 != 0
        => parameters_reserved: bool = byte & 2 != 0;
    46, BLOCK_ORDER: "blocks in the file: bits 0–1 order ([`Order`]), bits 2–7 its argument"
        => order: Order = Order::choose(byte)
        => order_argument: u8 = byte >> 2;
    47, FILE_END: "the file's end: bits 0–1 how ([`FileEnd`]), bits 2–7 its argument"
        => file_end: FileEnd = FileEnd::choose(byte)
        => file_end_argument: u8 = byte >> 2;
    48..=49, GARBAGE_SEED: "seed of all garbage"
        => garbage_seed: u16 = bytes.u16(knobs::GARBAGE_SEED);
    50, CREATOR: "creator, mod 4: QEMU, Windows, none, garbage"
        => creator: Creator = Creator::choose(byte);
    51, RESERVED: "reserved bytes that are not zero ([`Reserved`])"
        => reserved: Reserved = Reserved(byte);
    52..=55, SEQUENCE: "sequence number"
        => sequence: u32 = bytes.u32(knobs::SEQUENCE);
    152, ODDITY: "oddity ([`Oddity`]), below 0x80 none"
        => oddity: Oddity = Oddity::decode(byte, bytes.u32(knobs::ODDITY_ARGUMENT));
    154..=157, ODDITY_ARGUMENT: "the oddity's argument";
    158, MOST_BLOCKS: "from 0xf0 on a large disk may be: up to 131200 blocks instead of 8192; from 0xf8 on the first MiB of its BAT is just full, give or take"
        => most_blocks: u64 = if byte < 0xf0 { 8192 } else { 131_200 }
        => exact_entries: Option<u64> = byte
            .checked_sub(0xf8)
            .map(|more| (1 << 17) - 4 + u64::from(more));
    159, MORE_REGIONS: "from 0xf0 on 24 more unknown regions, and the byte's low 3 bits";
    160, FAR: "from 0xe0 on the blocks begin 2^(40 + low 5 bits mod 20) bytes farther away"
        => far: u64 = match byte {
            0xe0.. => 1 << (40 + (byte & 31) % 20),
            _ => 0,
        };
    161, LOG_OUTSIDE: "from 0xf0 on the log lies behind the file's end"
        => log_outside: bool = byte >= 0xf0;
    162..=163, LOG_VERSION: "version of the log's format, which does not matter while there is none"
        => log_version: u16 = bytes.u16(knobs::LOG_VERSION);
    164, LOG: "from 0x60 to 0x7f a log to be replayed, if it lies in the file, is of version 0, and there is no oddity: bits 0–2 which ([`Log`]), bit 3 it changes the disk's size too, bit 4 the BAT names other data before it, else none"
        => log: Option<Log> = (byte & 0xe0 == 0x60).then(|| Log::choose(byte & 7))
        => log_changes_size: bool = byte & 8 != 0
        => log_replaces_data: bool = byte & 0x10 != 0;
    165, LOG_FIRST: "sectors of 4 KiB between the first entry and the log's end, behind which it goes on at its start; 0 at its start"
        => log_first: u64 = byte.into();
    166..=167, LOG_SEQUENCE: "sequence number of the log's active entries, less 16, in steps of 2^20"
        => log_sequence: u64 = 16 + (u64::from(bytes.u16(knobs::LOG_SEQUENCE)) << 20);
}

/// Eight choices of five things: the last one is the fifth thing, and two others come again.
fn of_eight(byte: u8) -> u8 {
    match byte & 7 {
        7 => 4,
        nth => nth,
    }
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
    /// Garbage that depends on `nth`, never 0 in its low byte.
    pub(super) fn garbage(&self, nth: u64) -> u64 {
        let mixed = (u64::from(self.garbage_seed) << 32 ^ nth)
            .wrapping_add(0x9e37_79b9_7f4a_7c15)
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ mixed >> 32 | 1
    }
}
