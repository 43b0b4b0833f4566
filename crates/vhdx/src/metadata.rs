//! The metadata region: a table of items, and the items with the disk's and the blocks' size.
//!
//! Layout and meaning: MS-VHDX 2.6. The table takes the region's first 64 KiB: a header of 32 bytes and
//! up to 2047 entries of 32. The items lie behind it. All fields are little-endian.

use shared::{Input, ScanError, SectorCache};

use crate::areas::Area;
use crate::fields::{MIB, array, guid, u16_at, u32_at};

const SIGNATURE: &[u8; 8] = b"metadata";
/// Bytes of the table, whatever the number of its entries.
const TABLE: u64 = 64 << 10;
const MOST_ENTRIES: u16 = 2047;
const HEADER: u64 = 32;
const ENTRY: u64 = 32;
type Entry = [u8; 32];
/// Bit 2 of an entry's flags: who does not know the item must not open the file.
const REQUIRED: u32 = 4;
/// Bit 1 of the file parameters' flags. (Bit 0, leave blocks allocated, changes nothing for a reader.)
const HAS_PARENT: u32 = 2;

/// The items that every file has, and their lengths in bytes. Nothing in the last two changes what the disk holds.
const ITEMS: [([u8; 16], u64); 5] = [
    (guid(0xCAA1_6737, 0xFA36, 0x4D43, 0xB3B6_33F0_AA44_E76B), 8),
    (guid(0x2FA5_4224, 0xCD1B, 0x4876, 0xB211_5DBE_D83B_F4B8), 8),
    (guid(0x8141_BF1D, 0xA96F, 0x4709, 0xBA47_F233_A8FA_AB5F), 4),
    (guid(0xBECA_12AB, 0xB2E6, 0x4523, 0x93EF_C309_E000_C746), 16),
    (guid(0xCDA3_48C7, 0x445D, 0x4471, 0x9CC9_E988_5251_C556), 4),
];
/// The error of a file without one of them, in the same order.
const MISSING: [&str; ITEMS.len()] = [
    "the metadata have no file parameters",
    "the metadata have no virtual disk size",
    "the metadata have no logical sector size",
    "the metadata have no virtual disk id",
    "the metadata have no physical sector size",
];
const PARENT_LOCATOR: [u8; 16] = guid(0xA8D3_5F2D, 0xB30B, 0x454D, 0xABF7_D3D8_4834_AB0C);
/// Bytes of a parent locator without its entries; with them it is longer.
const LOCATOR_HEADER: u64 = 20;

/// The largest disk: 64 TiB.
const LARGEST_DISK: u64 = 64 << 40;

/// The disk by the metadata.
#[derive(Debug)]
pub(crate) struct Disk {
    /// Bytes; a multiple of the logical sector size, at most 64 TiB.
    pub(crate) virtual_size: u64,
    /// Bytes of a payload block: a power of two from 1 MiB to 256 MiB.
    pub(crate) block_size: u32,
    /// Bytes: 512 or 4096.
    pub(crate) logical_sector_size: u32,
    /// By the file parameters or because there is a parent locator.
    pub(crate) is_differencing: bool,
    pub(crate) parent_locator: Option<Area>,
}

/// Where the items lie.
#[derive(Debug, Default)]
struct Items {
    /// In the order of [`ITEMS`].
    of_every_file: [Option<Area>; ITEMS.len()],
    parent_locator: Option<Area>,
}

/// Reads the metadata in `region` and verifies the items that a scanner stands on.
pub(crate) fn read(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    region: Area,
) -> Result<Disk, ScanError> {
    const OUTSIDE: &str = "a metadata item is not wholly in the file";
    let items = Items::find(input, cache, region)?;
    let mut starts = [0; ITEMS.len()];
    for ((start, item), missing) in starts.iter_mut().zip(items.of_every_file).zip(MISSING) {
        *start = item.ok_or(ScanError::Corrupt(missing))?.start;
    }
    let [parameters, size, sector, ..] = starts;
    let parameters: [u8; 8] = input.read_array(cache, parameters, OUTSIDE)?;
    let size: [u8; 8] = input.read_array(cache, size, OUTSIDE)?;
    let sector: [u8; 4] = input.read_array(cache, sector, OUTSIDE)?;
    let (block_size, flags) = (u32_at(&parameters, 0), u32_at(&parameters, 4));
    let virtual_size = u64::from_le_bytes(size);
    let logical_sector_size = u32::from_le_bytes(sector);
    if !block_size.is_power_of_two() || !(MIB..=256 * MIB).contains(&u64::from(block_size)) {
        return Err(ScanError::Corrupt(
            "the block size is not a power of two from 1 MiB to 256 MiB",
        ));
    }
    if !matches!(logical_sector_size, 512 | 4096) {
        return Err(ScanError::Corrupt(
            "the logical sector size is neither 512 nor 4096",
        ));
    }
    if virtual_size > LARGEST_DISK {
        return Err(ScanError::Corrupt("the disk is larger than 64 TiB"));
    }
    if !virtual_size.is_multiple_of(u64::from(logical_sector_size)) {
        return Err(ScanError::Corrupt(
            "the disk's size is not a multiple of its logical sectors",
        ));
    }
    Ok(Disk {
        virtual_size,
        block_size,
        logical_sector_size,
        is_differencing: flags & HAS_PARENT != 0 || items.parent_locator.is_some(),
        parent_locator: items.parent_locator,
    })
}

impl Items {
    /// Walks the metadata table.
    fn find(
        input: &mut Input<'_>,
        cache: &mut SectorCache<'_>,
        region: Area,
    ) -> Result<Self, ScanError> {
        const OUTSIDE: &str = "the metadata table is not wholly in its region";
        if region.length < TABLE {
            return Err(ScanError::Corrupt(OUTSIDE));
        }
        let start: [u8; 12] = input.read_array(cache, region.start, OUTSIDE)?;
        if !start.starts_with(SIGNATURE) {
            return Err(ScanError::Corrupt(
                "the metadata table does not begin with its signature",
            ));
        }
        let entries = u16_at(&start, 10);
        if entries > MOST_ENTRIES {
            return Err(ScanError::Corrupt(
                "the metadata table has more than 2047 entries",
            ));
        }
        let mut items = Self::default();
        for index in 0..u64::from(entries) {
            let entry: Entry =
                input.read_array(cache, region.start + HEADER + index * ENTRY, OUTSIDE)?;
            items.note(&entry, region)?;
        }
        Ok(items)
    }

    /// Notes where the item of a table's `entry` lies, when it is one that is needed.
    fn note(&mut self, entry: &Entry, region: Area) -> Result<(), ScanError> {
        let offset = u64::from(u32_at(entry, 16));
        let length = u64::from(u32_at(entry, 20));
        let id: [u8; 16] = array(entry, 0);
        let mut known = ITEMS.iter().zip(&mut self.of_every_file);
        let (place, needed_length) = match known.find(|((item, _), _)| *item == id) {
            Some(((_, length), place)) => (place, *length),
            None if id == PARENT_LOCATOR => (&mut self.parent_locator, length.max(LOCATOR_HEADER)),
            None if u32_at(entry, 24) & REQUIRED != 0 => {
                return Err(ScanError::Unsupported(
                    "an unknown metadata item that is required",
                ));
            }
            None => return Ok(()),
        };
        if length != needed_length {
            return Err(ScanError::Corrupt("a metadata item has a wrong length"));
        }
        if offset < TABLE || offset + length > region.length {
            return Err(ScanError::Corrupt(
                "a metadata item is not between the metadata table and its region's end",
            ));
        }
        let start = region.start + offset;
        if place.replace(Area { start, length }).is_some() {
            return Err(ScanError::Corrupt("a metadata item is there twice"));
        }
        Ok(())
    }
}
