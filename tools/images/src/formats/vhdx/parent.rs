//! The parent of a differencing VHDX: MS-VHDX 2.6.2.6, "Parent Locator".

use crate::file::ImageFile;
use crate::formats::utf16;

/// Where the first region table lies, in bytes, and how long tables are.
const REGIONS: u64 = 192 << 10;
const TABLE: u64 = 64 << 10;

const METADATA: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const LOCATOR: [u8; 16] = *b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";

/// The first path in the parent locator.
pub(super) fn name(image: &ImageFile) -> Option<String> {
    let regions = image.bytes_at(REGIONS..REGIONS + TABLE).ok()?;
    let start = number(entry(regions.get(16..)?, METADATA)?, 16, 8)?;
    let metadata = image.bytes_at(start..start.checked_add(TABLE)?).ok()?;
    let item = entry(metadata.get(32..)?, LOCATOR)?;
    let start = start.checked_add(number(item, 16, 4)?)?;
    let locator = image.bytes_at(start..start.checked_add(number(item, 20, 4)?)?);
    let locator = locator.ok()?;
    let mut values = locator.get(20..)?.chunks_exact(12).filter_map(|pair| {
        let text = |offset, length| {
            let start = number(pair, offset, 4)? as usize;
            let bytes = locator
                .get(start..)?
                .get(..number(pair, length, 2)? as usize)?;
            let units = bytes.as_chunks().0.iter();
            Some(utf16(units.map(|&unit| u16::from_le_bytes(unit))))
        };
        text(0, 8)?.ends_with("path").then(|| text(4, 10))?
    });
    values.next()
}

/// The entry of 32 bytes for that GUID.
fn entry(table: &[u8], guid: [u8; 16]) -> Option<&[u8]> {
    table
        .chunks_exact(32)
        .find(|entry| entry.starts_with(&guid))
}

/// The little-endian number of `width` bytes at byte `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?.iter().rev();
    Some(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
}
