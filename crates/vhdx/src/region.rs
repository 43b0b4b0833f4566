//! The two region tables, and where the BAT and the metadata lie.
//!
//! Layout and meaning: MS-VHDX 2.2.3. A table is 64 KiB: a header of 16 bytes and up to 2047 entries of
//! 32. All fields are little-endian. The second is there for when the first is damaged.

use shared::{Input, ScanError, SectorCache};

use crate::areas::{Area, Areas};
use crate::fields::{MIB, array, guid, is_valid, u32_at, u64_at};

const SIGNATURE: [u8; 4] = *b"regi";
/// Where the two tables lie, in bytes from the file's start.
const OFFSETS: [u64; 2] = [192 << 10, 256 << 10];
/// Bytes of a table, all covered by its checksum.
const LENGTH: u64 = 64 << 10;
const MOST_ENTRIES: u32 = 2047;
const HEADER: u64 = 16;
const ENTRY: u64 = 32;
type Entry = [u8; 32];
/// Bit 0 of an entry's last field: who does not know the region must not open the file.
const REQUIRED: u32 = 1;

const BAT: [u8; 16] = guid(0x2DC2_7766, 0xF623, 0x4200, 0x9D64_115E_9BFD_4A08);
const METADATA: [u8; 16] = guid(0x8B7C_A206, 0x4790, 0x4B9A, 0xB8FE_575F_050F_886E);

/// The two regions that every file has; wholly in the file.
#[derive(Debug)]
pub(crate) struct Regions {
    pub(crate) bat: Area,
    pub(crate) metadata: Area,
}

/// Reads the first valid region table, verifies that its regions lie where they may, and takes their
/// places in `areas`.
pub(crate) fn read(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    areas: &mut Areas,
) -> Result<Regions, ScanError> {
    let table = find(input, cache)?;
    let start: [u8; 12] = input.read_array(cache, table, "a region table is not in the file")?;
    let entries = u32_at(&start, 8);
    if entries > MOST_ENTRIES {
        return Err(ScanError::Corrupt(
            "the region table has more than 2047 entries",
        ));
    }
    let (mut bat, mut metadata) = (None, None);
    for index in 0..u64::from(entries) {
        let entry: Entry = input.read_array(
            cache,
            table + HEADER + index * ENTRY,
            "a region table is not in the file",
        )?;
        let region = Area {
            start: u64_at(&entry, 16),
            length: u64::from(u32_at(&entry, 24)),
        };
        let known = match array(&entry, 0) {
            BAT => Some((&mut bat, "the region table has two BATs")),
            METADATA => Some((&mut metadata, "the region table has two metadata regions")),
            _ if u32_at(&entry, 28) & REQUIRED != 0 => {
                return Err(ScanError::Unsupported("an unknown region that is required"));
            }
            _ => None,
        };
        if let Some((place, twice)) = known
            && place.replace(region).is_some()
        {
            return Err(ScanError::Corrupt(twice));
        }
        if !region.start.is_multiple_of(MIB) || !region.length.is_multiple_of(MIB) {
            return Err(ScanError::Corrupt("a region is not in whole MiB"));
        }
        if !input.contains(region.start, region.length) {
            return Err(ScanError::Corrupt("a region is not wholly in the file"));
        }
        areas.take(region)?;
    }
    Ok(Regions {
        bat: bat.ok_or(ScanError::Corrupt("the region table has no BAT"))?,
        metadata: metadata.ok_or(ScanError::Corrupt(
            "the region table has no metadata region",
        ))?,
    })
}

/// Where the first valid region table lies, in bytes from the file's start.
fn find(input: &mut Input<'_>, cache: &mut SectorCache<'_>) -> Result<u64, ScanError> {
    for offset in OFFSETS {
        if is_valid(input, cache, offset, LENGTH, SIGNATURE)? {
            return Ok(offset);
        }
    }
    Err(ScanError::Corrupt("neither region table is valid"))
}
