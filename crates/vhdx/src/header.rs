//! The file's signature and its two headers.
//!
//! Layout and meaning: MS-VHDX 2.2.1 (file type identifier) and 2.2.2 (headers). All fields are
//! little-endian. There are two headers so that one can be written while the other stays valid.

use shared::{Input, ScanError, SectorCache};

use crate::areas::Area;
use crate::fields::{MIB, is_valid, u16_at, u32_at, u64_at};

/// How a file begins.
pub const FILE_SIGNATURE: [u8; 8] = *b"vhdxfile";
const SIGNATURE: [u8; 4] = *b"head";
/// Where the two headers lie, in bytes from the file's start.
const OFFSETS: [u64; 2] = [64 << 10, 128 << 10];
/// Bytes of a header that its checksum covers.
const LENGTH: u64 = 4096;
const VERSION: u16 = 1;

/// The fields of a header, its checksum among them: all of it that is not reserved.
type Header = [u8; 80];

/// Reads the current header, verifies that the file is of a known version and has no log to replay,
/// and answers where the log lies.
pub(crate) fn read(input: &mut Input<'_>, cache: &mut SectorCache<'_>) -> Result<Area, ScanError> {
    if input.capacity() < FILE_SIGNATURE.len() as u64 {
        return Err(ScanError::NotThisFormat);
    }
    let signature: [u8; 8] =
        input.read_array(cache, 0, "the file's signature is not wholly in the file")?;
    if signature != FILE_SIGNATURE {
        return Err(ScanError::NotThisFormat);
    }
    let header = current(input, cache)?;
    if u16_at(&header, 66) != VERSION {
        return Err(ScanError::Unsupported("a version other than 1"));
    }
    if header[48..64] != [0; 16] {
        return Err(ScanError::Unsupported(
            "a log that has to be replayed first (qemu-img check -r all does so)",
        ));
    }
    let log = Area {
        start: u64_at(&header, 72),
        length: u64::from(u32_at(&header, 68)),
    };
    if log.start == 0 || !log.start.is_multiple_of(MIB) || !log.length.is_multiple_of(MIB) {
        return Err(ScanError::Corrupt(
            "the log's place is not in whole MiB, or at the file's start",
        ));
    }
    Ok(log)
}

/// The valid header with the higher sequence number.
///
/// Two with the same number are no current header to the specification; QEMU takes them when they
/// say the same, since some writers leave them so.
fn current(input: &mut Input<'_>, cache: &mut SectorCache<'_>) -> Result<Header, ScanError> {
    let [first, second] = OFFSETS;
    match (look(input, cache, first)?, look(input, cache, second)?) {
        (Some(first), Some(second)) => {
            let (older, newer) = if u64_at(&first, 8) <= u64_at(&second, 8) {
                (first, second)
            } else {
                (second, first)
            };
            if u64_at(&older, 8) == u64_at(&newer, 8) && older != newer {
                return Err(ScanError::Corrupt(
                    "two different headers have the same sequence number",
                ));
            }
            Ok(newer)
        }
        (Some(header), None) | (None, Some(header)) => Ok(header),
        (None, None) => Err(ScanError::Corrupt("neither header is valid")),
    }
}

/// The header at byte `offset`, when there is a valid one.
fn look(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    offset: u64,
) -> Result<Option<Header>, ScanError> {
    if !is_valid(input, cache, offset, LENGTH, SIGNATURE)? {
        return Ok(None);
    }
    input
        .read_array(cache, offset, "a header is not wholly in the file")
        .map(Some)
}
