//! The metadata as bytes (MS-VHDX 2.6).

use crate::writer::{Field, ImageWriter};

use super::MIB;
use super::entry_table::{
    FILE_PARAMETERS, Guid, MOST_ENTRIES, TableFields, entries, offered, table_fields, unknown_guid,
};
use super::geometry::{Geometry, Items, Reserved};
use super::layout::{LARGEST_DISK, Layout};
use super::oddity::{Oddity, split};

/// Bytes of the table, in front of the items.
const TABLE_LENGTH: u64 = 64 << 10;
/// Bytes of the metadata table's head.
const METADATA_HEAD: usize = 32;

const PARENT_LOCATOR: Guid = 0x2d5f_d3a8_0bb3_4d45_abf7_d3d8_4834_ab0c_u128.to_be_bytes();

/// The items of every file: file parameters, disk size, disk id, logical, physical sector size.
const ITEMS: [Item; 5] = [
    Item::new(FILE_PARAMETERS, 0, 8, 4),
    Item::new(
        0x2442_a52f_1bcd_7648_b211_5dbe_d83b_f4b8_u128.to_be_bytes(),
        8,
        8,
        6,
    ),
    Item::new(
        0xab12_cabe_e6b2_2345_93ef_c309_e000_c746_u128.to_be_bytes(),
        16,
        16,
        6,
    ),
    Item::new(
        0x1dbf_4181_6fa9_0947_ba47_f233_a8fa_ab5f_u128.to_be_bytes(),
        32,
        4,
        6,
    ),
    Item::new(
        0xc748_a3cd_5d44_7144_9cc9_e988_5251_c556_u128.to_be_bytes(),
        36,
        4,
        6,
    ),
];
/// Bytes of all items.
const ITEMS_LENGTH: u64 = 40;

#[derive(Debug, Clone, Copy)]
struct Item {
    guid: Guid,
    /// Where it lies when one is behind the other.
    packed_at: u64,
    length: u32,
    flags: u32,
}

impl Item {
    const fn new(guid: Guid, packed_at: u64, length: u32, flags: u32) -> Self {
        Self {
            guid,
            packed_at,
            length,
            flags,
        }
    }
}

static METADATA_TABLE: TableFields = table_fields(
    [
        Field::number("metadata signature", 0, 8, u64::from_le_bytes(*b"metadata")),
        Field::number("metadata reserved", 8, 2, 0),
        Field::number("metadata items", 10, 2, MOST_ENTRIES),
        Field::number("metadata reserved", 12, 4, 0),
    ],
    METADATA_HEAD as u64,
    [
        Field::number("item id", 0, 8, 0),
        Field::number("item offset", 16, 4, TABLE_LENGTH),
        Field::number("item length", 20, 4, 8),
        Field::number("item flags", 24, 4, 4),
    ],
);

const ITEM_VALUES: [&[Field]; 5] = [
    &[
        Field::number("block size", 0, 4, 256 << 20),
        Field::number("file parameters' flags", 4, 4, 2),
    ],
    &[Field::number("virtual disk size", 0, 8, LARGEST_DISK)],
    &[Field::number("virtual disk id", 0, 8, 0)],
    &[Field::number("logical sector size", 0, 4, 4096)],
    &[Field::number("physical sector size", 0, 4, 4096)],
];

/// Writes the metadata's table and its items.
pub(super) fn write(geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    let reserved = geometry.reserved;
    let mut table = Vec::with_capacity(METADATA_HEAD + 32 * 9);
    table.resize(METADATA_HEAD, 0);
    let filler = if reserved.has(Reserved::METADATA) {
        0xee
    } else {
        0
    };
    let mut push = |guid: Guid, offset: u64, length: u32, flags: u32| {
        table.extend_from_slice(&guid);
        // Inside of a region of at most 8 MiB, or garbage.
        table.extend_from_slice(&(offset as u32).to_le_bytes());
        table.extend_from_slice(&length.to_le_bytes());
        table.extend_from_slice(&flags.to_le_bytes());
        table.extend_from_slice(&[filler; 4]);
    };
    let region = layout.metadata;
    let places: [u64; 5] = std::array::from_fn(|nth| place_of_item(geometry, layout, nth));
    for place in 0..=ITEMS.len() {
        if place == geometry.unknown_items_stand.behind(2, ITEMS.len()) {
            for nth in 0..u64::from(geometry.unknown_items) {
                let garbage = geometry.garbage(nth + 200);
                let (offset, length) = (garbage >> 32, garbage as u32);
                push(unknown_guid(geometry, nth), offset, length, 3);
            }
            match geometry.oddity {
                Oddity::RequiredItem => push(unknown_guid(geometry, 3), TABLE_LENGTH, 0, 4),
                Oddity::ParentLocator => push(PARENT_LOCATOR, TABLE_LENGTH + 512, 20, 4),
                _ => {}
            }
        }
        let Some(&nth) = geometry.items.get(place) else {
            continue;
        };
        let nth = usize::from(nth);
        let item = ITEMS[nth];
        let hit = |argument| split(argument, 5).0 == nth;
        let (mut offset, mut length) = (places[nth], item.length);
        match geometry.oddity {
            Oddity::ItemLength(argument) if hit(argument) => {
                let how = split(split(argument, 5).1, 4).0;
                length = [length - 1, length + 1, 0, u32::MAX][how];
            }
            Oddity::ItemOutside(argument) if hit(argument) => {
                let how = split(split(argument, 5).1, 4).0;
                let last = region.length - u64::from(length);
                offset = [0, TABLE_LENGTH - 1, last + 1, u64::from(u32::MAX)][how];
            }
            _ => {}
        }
        let flags = if reserved.has(Reserved::REQUIRED_TURNED) {
            0
        } else if reserved.has(Reserved::ITEM_FLAGS) {
            u32::MAX
        } else {
            item.flags
        };
        let times = match geometry.oddity {
            Oddity::ItemMissing(argument) if hit(argument) => 0,
            Oddity::ItemTwice(argument) if hit(argument) => 2,
            _ => 1,
        };
        for _ in 0..times {
            push(item.guid, offset, length, flags);
        }
    }
    let mut signature = *b"metadata";
    if let Oddity::MetadataSignature(argument) = geometry.oddity {
        signature[argument as usize / 8 % 8] ^= 1 << (argument % 8);
    }
    let count = match geometry.oddity {
        Oddity::TooManyItems(argument) => [2048, 2049, 1 << 15, u16::MAX][split(argument, 4).0],
        _ => entries(&table, METADATA_HEAD) as u16,
    };
    table[..8].copy_from_slice(&signature);
    table[8..METADATA_HEAD].fill(filler);
    table[10..12].copy_from_slice(&count.to_le_bytes());
    writer.bytes(region.start, &table);
    let fields = offered(&METADATA_TABLE, entries(&table, METADATA_HEAD));
    writer.offer_structure("metadata table", region.start, fields);
    write_items(geometry, layout, places, writer);
}

/// Where an item lies, in bytes from its region's start.
pub(super) fn place_of_item(geometry: &Geometry, layout: &Layout, nth: usize) -> u64 {
    let item = ITEMS[nth];
    let (wide, length) = (nth as u64, u64::from(item.length));
    let seed = u64::from(geometry.items_seed);
    match geometry.items_lie {
        Items::Packed => TABLE_LENGTH + item.packed_at,
        Items::OverBorders => {
            let border = TABLE_LENGTH + 512 * (1 + wide + seed % 1024);
            border - (1 + (seed >> 10) % (length - 1))
        }
        Items::AtTheEnd => layout.metadata.length - ITEMS_LENGTH + item.packed_at,
        Items::Scattered => {
            let slot = (layout.metadata.length - TABLE_LENGTH) / 8;
            let within = geometry.garbage(seed << 8 | wide) >> 8;
            TABLE_LENGTH + (3 * wide + seed) % 8 * slot + within % (slot - length)
        }
    }
}

fn write_items(geometry: &Geometry, layout: &Layout, places: [u64; 5], writer: &mut ImageWriter) {
    let sector = u64::from(geometry.logical_sector);
    let block_size = match geometry.oddity {
        Oddity::BlockSize(argument) => {
            let wrong = [
                0,
                1,
                512 << 10,
                3 << 20,
                1 << 29,
                1 << 31,
                MIB + 1,
                (1 << 32) - 1,
            ];
            wrong[split(argument, 8).0]
        }
        _ => layout.block_size,
    };
    let mut flags = u32::from(geometry.leave_blocks_allocated);
    if geometry.parameters_reserved {
        flags |= !3;
    }
    if geometry.oddity == Oddity::HasParent {
        flags |= 2;
    }
    let disk_size = match geometry.oddity {
        // As many blocks as the table has entries for, and 2^32, which a reader that counts in 32 bits does not see; or
        // some blocks or a sector more or less. At most 2^60 bytes and a little.
        Oddity::DiskTooLarge(argument @ 0xf000_0000..) => {
            let (how, rest) = split(argument, 4);
            let blocks = (1 << 32) + layout.blocks + u64::from(rest & 3);
            let sectors = [0, sector, 0, 0][how];
            (blocks - [0, 0, 1, 2][how]) * layout.block_size + sectors
        }
        Oddity::DiskTooLarge(argument) => {
            let most = u64::MAX - sector + 1;
            [LARGEST_DISK + sector, 2 * LARGEST_DISK, 1 << 63, most][split(argument, 4).0]
        }
        Oddity::DiskOfPartSectors(argument) => match split(argument, 2) {
            (0, _) if sector == 4096 => layout.virtual_size + 512,
            (_, by) => layout.virtual_size + 1 + u64::from(by) % (sector - 1),
        },
        _ => layout.virtual_size,
    };
    let logical_sector = match geometry.oddity {
        Oddity::LogicalSector(argument) => {
            [0, 1, 256, 520, 1024, 2048, 8192, u32::MAX][split(argument, 8).0]
        }
        _ => geometry.logical_sector,
    };
    let [parameters, size, id, logical, physical] =
        places.map(|place| layout.metadata.start + place);
    writer.number(parameters, 8, u64::from(flags) << 32 | block_size);
    writer.number(size, 8, disk_size);
    writer.bytes(id, b"virtual disk id.");
    writer.number(logical, 4, logical_sector.into());
    writer.number(physical, 4, geometry.physical_sector.into());
    for (at, fields) in [parameters, size, id, logical, physical]
        .into_iter()
        .zip(ITEM_VALUES)
    {
        writer.offer_structure("metadata item", at, fields);
    }
}
