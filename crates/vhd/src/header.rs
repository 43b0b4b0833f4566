//! The dynamic disk header: 1024 bytes at the footer's data offset.
//!
//! Layout and meaning: "Virtual Hard Disk Image Format Specification", section "Dynamic Disk Header
//! Format". All fields are big-endian.

use shared::{Input, ScanError, SectorCache};

use crate::footer::{self, checksum, u32_at, u64_at};

/// The header's length in bytes.
pub(crate) const LENGTH: u64 = 1024;
/// The bytes of the header that hold the parent's name: "Parent Unicode Name".
pub(crate) const PARENT_NAME: core::ops::Range<u64> = 64..64 + 512;

const COOKIE: &[u8; 8] = b"cxsparse";
/// Major version 1 in the upper two bytes, minor version 0 in the lower.
const VERSION: u32 = 0x0001_0000;

/// The fields of a valid header.
#[derive(Debug)]
pub(crate) struct DynamicHeader {
    /// Where the BAT lies, in bytes from the file's start; any offset, not only a sector's.
    pub(crate) table_offset: u64,
    /// How many entries the BAT has.
    pub(crate) table_entries: u32,
    /// Bytes in a block, without its sector bitmap: a power of two from 512.
    pub(crate) block_size: u32,
}

/// Whether a whole header is in the file at byte `offset`, by its cookie.
pub(crate) fn is_at(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    offset: u64,
) -> Result<bool, ScanError> {
    if !input.contains(offset, LENGTH) {
        return Ok(false);
    }
    let cookie: [u8; 8] = input.read_array(cache, offset, "the cookie is not in the file")?;
    Ok(cookie == *COOKIE)
}

/// Reads and verifies the header at byte `offset`.
pub(crate) fn read(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    offset: u64,
) -> Result<DynamicHeader, ScanError> {
    if offset < footer::LENGTH {
        return Err(ScanError::Corrupt(
            "the dynamic disk header lies over the footer's copy",
        ));
    }
    let bytes: [u8; 1024] = input.read_array(
        cache,
        offset,
        "the dynamic disk header is not wholly in the file",
    )?;
    if !bytes.starts_with(COOKIE) {
        return Err(ScanError::Corrupt(
            "the dynamic disk header does not begin with its cookie",
        ));
    }
    if checksum(&bytes, 36) != u32_at(&bytes, 36) {
        return Err(ScanError::Corrupt(
            "the dynamic disk header's checksum is wrong",
        ));
    }
    if u32_at(&bytes, 24) != VERSION {
        return Err(ScanError::Unsupported(
            "a dynamic disk header of a version other than 1.0",
        ));
    }
    let block_size = u32_at(&bytes, 32);
    // The specification wants a power of two of sectors; QEMU the same.
    if !block_size.is_power_of_two() || block_size < 512 {
        return Err(ScanError::Corrupt(
            "the block size is not a power of two from 512",
        ));
    }
    Ok(DynamicHeader {
        table_offset: u64_at(&bytes, 16),
        table_entries: u32_at(&bytes, 28),
        block_size,
    })
}
